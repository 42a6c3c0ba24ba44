// SPDX-License-Identifier: Apache-2.0
#include "apps/tutor/tutor_practice.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "apps/common/cli.h"
#include "apps/common/interrupt.h"
#include "apps/common/terminal.h"
#include "apps/tutor/steps.h"
#include "apps/tutor/traces/traces.h"
#include "apps/tutor/tutor_input.h"
#include "apps/tutor/tutor_show.h"

// A record on its way to the database.
typedef struct kept {
    nb_attempt attempt; // owns question, answer, given
    nb_skill skill;
} kept;

typedef struct practice {
    nb_learners *learners;
    const nb_practice_args *args;
    nb_tutor_input input;
    nb_chance chance;
    bool has_colour;
    uint64_t n_asked, n_right, n_recorded;
    bool may_leave;   // by Ctrl-C, which was pressed just before
    nb_skill *skills; // [nb_n_kinds], as after every answer, written or not
    kept *unwritten;  // oldest first
    size_t n_unwritten;
    bool has_waited; // unwritten records were told about
    // The running problem.
    nb_problem problem;
    nb_skill *skill; // of its topic
    size_t n_hints;  // lines of the steps that were shown
    double start_s;
} practice;

// ---- choosing a problem ---------------------------------------------------------------------------------------------

static unsigned pick_topic(practice *p)
{
    uint64_t kinds = p->args->kinds ? p->args->kinds : (UINT64_C(1) << nb_n_kinds) - 1;
    unsigned total = 0, kind = 0;
    for (unsigned i = 0; i < nb_n_kinds; i++)
        total += kinds >> i & 1 ? nb_kinds[i].weight : 0;
    uint64_t at = nb_chance_below(&p->chance, total);
    for (;; kind++) {
        unsigned weight = kinds >> kind & 1 ? nb_kinds[kind].weight : 0;
        if (at < weight)
            return kind;
        at -= weight;
    }
}

static bool make_at(practice *p, unsigned topic, unsigned level)
{
    nb_problems problems = {
        .seed = nb_chance_next(&p->chance) >> 2, .split = NB_SPLIT_ALL, .level = level, .kinds = UINT64_C(1) << topic};
    return nb_problems_next(&problems, &p->problem);
}

// At the learner's level, or at the nearest one that the topic has.
static bool make_problem(practice *p, unsigned topic)
{
    for (unsigned away = 0; away < NB_LEVEL_MAX; away++) {
        if (p->skill->level > away && make_at(p, topic, p->skill->level - away))
            return true;
        if (away && p->skill->level + away <= NB_LEVEL_MAX && make_at(p, topic, p->skill->level + away))
            return true;
    }
    return false;
}

// ---- records --------------------------------------------------------------------------------------------------------

static void keep(practice *p, const char *given, nb_outcome outcome)
{
    p->unwritten = nb_resize(p->unwritten, (p->n_unwritten + 1) * sizeof *p->unwritten);
    p->unwritten[p->n_unwritten++] = (kept){
        .attempt = {.topic = nb_kinds[p->problem.kind].name,
                    .level = p->problem.level,
                    .question = nb_copy_text(p->problem.question),
                    .answer = nb_copy_text(p->problem.answer),
                    .given = nb_copy_text(given),
                    .outcome = outcome,
                    .seconds = nb_now_s() - p->start_s,
                    .at = (int64_t)time(NULL)},
        .skill = *p->skill,
    };
}

static void release(const kept *k)
{
    free((char *)k->attempt.question);
    free((char *)k->attempt.answer);
    free((char *)k->attempt.given);
}

// Writes what was kept, oldest first; what cannot be written stays. Returns an exit code, with `why` on failure.
static int write_kept(practice *p, char why[NB_LEARNERS_WHY_BYTES])
{
    size_t n = 0;
    int code = NB_EXIT_OK;
    for (; n < p->n_unwritten && code == NB_EXIT_OK; n += code == NB_EXIT_OK) {
        const kept *k = &p->unwritten[n];
        code = nb_learners_record(p->learners, p->args->learner, &k->attempt, k->skill, why);
        if (code == NB_EXIT_OK)
            release(k);
    }
    p->n_recorded += n;
    p->n_unwritten -= n;
    if (n)
        memmove(p->unwritten, p->unwritten + n, p->n_unwritten * sizeof *p->unwritten);
    return code;
}

// Records the answer. One that cannot be written now is kept and tried again with the next one and at the end; a
// damaged database ends the practice.
static int record(practice *p, const char *given, nb_outcome outcome)
{
    char why[NB_LEARNERS_WHY_BYTES];
    unsigned level = p->skill->level;
    if (outcome != NB_OUTCOME_SKIPPED)
        *p->skill = nb_skill_next(*p->skill, outcome == NB_OUTCOME_RIGHT);
    if (p->skill->level != level)
        printf("  %s: level %u\n", nb_kinds[p->problem.kind].name, p->skill->level);
    keep(p, given, outcome);
    fflush(stdout); // writing may wait for another program
    int code = write_kept(p, why);
    if (code == NB_EXIT_FAILED)
        nb_note("not written yet: %zu of your answers, kept for the next try; %s", p->n_unwritten, why);
    else if (code == NB_EXIT_OK && p->has_waited)
        nb_note("all your answers are written now");
    p->has_waited = code == NB_EXIT_FAILED;
    return code == NB_EXIT_FAILED ? NB_EXIT_OK : code;
}

// The last try; names what stays unwritten.
static int finish_records(practice *p)
{
    static const char *const outcomes[] = {"wrong", "right", "skipped"};
    char why[NB_LEARNERS_WHY_BYTES], names[320] = "";
    int code = write_kept(p, why);
    size_t n_named = 0;
    for (size_t end = 0; n_named < p->n_unwritten && end < sizeof names - 80; n_named++, end = strlen(names)) {
        const nb_attempt *a = &p->unwritten[n_named].attempt;
        snprintf(names + end, sizeof names - end, "%s%s%s%.30s %s", n_named ? ", " : "", a->topic,
                 a->given[0] ? " " : "", a->given, outcomes[a->outcome]);
    }
    printf("\n%llu answered, %llu right", (unsigned long long)p->n_asked, (unsigned long long)p->n_right);
    if (code == NB_EXIT_OK)
        puts(". nibble tutor --progress shows the records.");
    else
        printf("; recorded: %llu of %llu.\n", (unsigned long long)p->n_recorded,
               (unsigned long long)p->n_recorded + p->n_unwritten);
    if (code != NB_EXIT_OK)
        (void)nb_fail(code, "%zu answers are lost, not written: %s%s; %s", p->n_unwritten, names,
                      n_named < p->n_unwritten ? ", ..." : "", why);
    for (size_t i = 0; i < p->n_unwritten; i++)
        release(&p->unwritten[i]);
    return code;
}

// ---- answers --------------------------------------------------------------------------------------------------------

// The number that the learner means: the whole line, its first word ("12 apples"), or "... answer is 12".
static nb_step_verdict compare(const char *given, const char *answer)
{
    const size_t lengths[] = {strlen(given), strcspn(given, " ")};
    nb_span span;
    nb_step_verdict verdict = NB_STEP_NONE;
    for (size_t i = 0; verdict == NB_STEP_NONE && i < NB_COUNT_OF(lengths); i++)
        verdict = nb_numbers_compare(given, lengths[i], answer, strlen(answer));
    if (verdict == NB_STEP_NONE && nb_answer_find(given, strlen(given), &span))
        verdict = nb_numbers_compare(span.text, span.bytes, answer, strlen(answer));
    return verdict;
}

static void show_steps(const practice *p)
{
    for (const char *line = p->problem.steps; *line;) {
        size_t bytes = strcspn(line, "\n");
        printf("    %.*s\n", (int)bytes, line);
        line += bytes + (line[bytes] == '\n');
    }
    printf("    The answer is %s.\n", p->problem.answer);
}

static void show_hint(practice *p)
{
    const char *line = p->problem.steps;
    for (size_t i = 0; i < p->n_hints && *line; i++) {
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    if (*line)
        p->n_hints++;
    if (*line)
        printf("    %.*s\n", (int)strcspn(line, "\n"), line);
    else
        puts("  The last step's result is the answer.");
}

static int take_answer(practice *p, const char *given, bool is_right)
{
    fputs("  ", stdout);
    if (is_right) {
        nb_tutor_show_mark(p->has_colour, '+', "right\n");
    } else {
        nb_tutor_show_mark(p->has_colour, '-', "not right; this is one way:\n");
        show_steps(p);
    }
    p->n_asked++;
    p->n_right += is_right;
    return record(p, given, is_right ? NB_OUTCOME_RIGHT : NB_OUTCOME_WRONG);
}

static void say_help(void)
{
    puts("  Answer with a number: 12, 2.5, 5/12, $3.50. /hint shows the next step, /skip the whole way,\n"
         "  Ctrl-C drops what was typed; pressed again it leaves, as do /quit and Ctrl-D.\n"
         "  Two right answers in a row raise a topic's level, a wrong one lowers it.");
}

typedef enum turn { TURN_AGAIN, TURN_NEXT, TURN_OVER } turn;

static turn take_line(practice *p, const char *line, int *code)
{
    if (line[0] == 0)
        return TURN_AGAIN;
    if (strcmp(line, "/quit") == 0 || strcmp(line, "/exit") == 0)
        return TURN_OVER;
    if (strcmp(line, "/hint") == 0) {
        show_hint(p);
        return TURN_AGAIN;
    }
    if (strcmp(line, "/skip") == 0) {
        show_steps(p);
        *code = record(p, "", NB_OUTCOME_SKIPPED);
        return TURN_NEXT;
    }
    nb_step_verdict verdict = line[0] == '/' ? NB_STEP_NONE : compare(line, p->problem.answer);
    if (verdict == NB_STEP_RIGHT || verdict == NB_STEP_WRONG) {
        *code = take_answer(p, line, verdict == NB_STEP_RIGHT);
        return TURN_NEXT;
    }
    if (strcmp(line, "/help") != 0)
        puts(verdict == NB_STEP_NONE ? "  That is no number; nothing was counted." : "  That cannot be checked.");
    say_help();
    return TURN_AGAIN;
}

// Ctrl-C ends the line, not the practice; on an empty line right after another one it leaves. Nothing that was entered
// is lost by it, so it counts for an empty line alone.
static turn take_interrupt(practice *p)
{
    bool is_over = p->may_leave && !nb_line_has_dropped(p->input.reader);
    nb_interrupt_watch(NULL, true);
    p->may_leave = true;
    if (!is_over)
        puts("  The question is still open. Ctrl-C again or Ctrl-D leaves.");
    return is_over ? TURN_OVER : TURN_AGAIN;
}

// Whether Ctrl-C ends a read that waits.
static void let_reads_end(bool may_end)
{
    struct sigaction action;
    sigaction(SIGINT, NULL, &action);
    action.sa_flags = may_end ? action.sa_flags & ~SA_RESTART : action.sa_flags | SA_RESTART;
    sigaction(SIGINT, &action, NULL);
}

// What the learner's next line leads to. Without line editing Ctrl-C ends the input, as its end does.
static turn take_input(practice *p, nb_growing *line, int *code)
{
    fflush(stdout); // where Ctrl-C must not become a write error
    let_reads_end(!p->input.reader);
    bool is_read = nb_tutor_input_read(&p->input, line);
    let_reads_end(false);
    if (!is_read || (!p->input.reader && nb_interrupt_pending()))
        return TURN_OVER;
    if (line->bytes == 0 && p->input.reader && nb_interrupt_pending())
        return take_interrupt(p);
    p->may_leave = false;
    if (p->input.reader)
        nb_interrupt_watch(NULL, true);
    return take_line(p, line->text, code);
}

static turn ask(practice *p, nb_growing *line, int *code)
{
    unsigned topic = pick_topic(p);
    p->skill = &p->skills[topic];
    if (!make_problem(p, topic)) {
        *code =
            nb_fail(NB_EXIT_FAILED, "no problem of the topic %s could be made; try another one", nb_kinds[topic].name);
        return TURN_OVER;
    }
    p->n_hints = 0;
    p->start_s = nb_now_s();
    printf("\n%s%s, level %u%s\n%s\n", p->has_colour ? "\033[2m" : "", nb_kinds[topic].name, p->problem.level,
           p->has_colour ? "\033[0m" : "", p->problem.question);
    for (;;) {
        turn next = take_input(p, line, code);
        if (next != TURN_AGAIN)
            return *code == NB_EXIT_OK ? next : TURN_OVER;
    }
}

// Read once: while an answer is not written, the database does not know it.
static int read_skills(practice *p)
{
    int code = NB_EXIT_OK;
    p->skills = nb_alloc(nb_n_kinds * sizeof *p->skills);
    for (unsigned i = 0; i < nb_n_kinds && code == NB_EXIT_OK; i++)
        code = nb_learners_skill(p->learners, p->args->learner, nb_kinds[i].name, &p->skills[i]);
    return code;
}

static int run(practice *p)
{
    nb_growing line = {0};
    int code = NB_EXIT_OK;
    nb_interrupt_watch(NULL, true);
    printf("Practice for %s. /help for help.\n", p->args->learner);
    for (uint64_t n = 0; p->args->n_problems == 0 || n < p->args->n_problems; n++)
        if (ask(p, &line, &code) == TURN_OVER)
            break;
    bool is_interrupted = !p->input.reader && nb_interrupt_pending();
    int recorded = finish_records(p);
    nb_interrupt_watch(NULL, false);
    nb_growing_release(&line);
    if (recorded != NB_EXIT_OK || code != NB_EXIT_OK)
        return recorded != NB_EXIT_OK ? recorded : code;
    return is_interrupted ? NB_EXIT_INTERRUPTED : nb_out_flush();
}

int nb_practice(nb_learners *learners, const nb_practice_args *args)
{
    practice *p = nb_alloc(sizeof *p);
    *p = (practice){.learners = learners, .args = args, .chance = {args->seed}};
    p->has_colour = nb_terminal_has_colour(STDOUT_FILENO);
    int code = read_skills(p);
    if (code == NB_EXIT_OK && !nb_tutor_input_open(&p->input, NULL))
        code = NB_EXIT_FAILED;
    if (code == NB_EXIT_OK)
        code = run(p);
    nb_tutor_input_close(&p->input);
    free(p->skills);
    free(p->unwritten);
    free(p);
    return code;
}
