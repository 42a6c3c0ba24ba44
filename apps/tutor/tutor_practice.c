// SPDX-License-Identifier: Apache-2.0
#include "apps/tutor/tutor_practice.h"

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

typedef struct practice {
    nb_learners *learners;
    const nb_practice_args *args;
    nb_tutor_input input;
    nb_chance chance;
    bool has_colour;
    uint64_t n_asked, n_right;
    bool may_leave; // by Ctrl-C, which was pressed just before
    // The running problem.
    nb_problem problem;
    nb_skill skill;
    size_t n_hints; // lines of the steps that were shown
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
        if (p->skill.level > away && make_at(p, topic, p->skill.level - away))
            return true;
        if (away && p->skill.level + away <= NB_LEVEL_MAX && make_at(p, topic, p->skill.level + away))
            return true;
    }
    return false;
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

// Records the answer; what cannot be recorded now ends the practice, with the reason told.
static int record(practice *p, const char *given, nb_outcome outcome)
{
    nb_attempt attempt = {
        .topic = nb_kinds[p->problem.kind].name,
        .level = p->problem.level,
        .question = p->problem.question,
        .answer = p->problem.answer,
        .given = given,
        .outcome = outcome,
        .seconds = nb_now_s() - p->start_s,
        .at = (int64_t)time(NULL),
    };
    nb_skill next = outcome == NB_OUTCOME_SKIPPED ? p->skill : nb_skill_next(p->skill, outcome == NB_OUTCOME_RIGHT);
    int code = nb_learners_record(p->learners, p->args->learner, &attempt, next);
    if (code == NB_EXIT_OK && next.level != p->skill.level)
        printf("  %s: level %u\n", attempt.topic, next.level);
    return code;
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

// What the learner's next line leads to.
static turn take_input(practice *p, nb_growing *line, int *code)
{
    if (!nb_tutor_input_read(&p->input, line))
        return TURN_OVER;
    if (line->bytes == 0 && p->input.reader && nb_interrupt_pending())
        return take_interrupt(p);
    p->may_leave = false;
    nb_interrupt_watch(NULL, p->input.reader != NULL);
    return take_line(p, line->text, code);
}

static turn ask(practice *p, nb_growing *line, int *code)
{
    unsigned topic = pick_topic(p);
    *code = nb_learners_skill(p->learners, p->args->learner, nb_kinds[topic].name, &p->skill);
    if (*code != NB_EXIT_OK)
        return TURN_OVER;
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

int nb_practice(nb_learners *learners, const nb_practice_args *args)
{
    practice *p = nb_alloc(sizeof *p);
    nb_growing line = {0};
    int code = NB_EXIT_OK;
    *p = (practice){.learners = learners, .args = args, .chance = {args->seed}};
    p->has_colour = nb_terminal_has_colour(STDOUT_FILENO);
    if (!nb_tutor_input_open(&p->input, NULL)) {
        free(p);
        return NB_EXIT_FAILED;
    }
    nb_interrupt_watch(NULL, p->input.reader != NULL);
    printf("Practice for %s. /help for help.\n", args->learner);
    for (uint64_t n = 0; args->n_problems == 0 || n < args->n_problems; n++)
        if (ask(p, &line, &code) == TURN_OVER)
            break;
    printf("\n%llu answered, %llu right. nibble tutor --progress shows the records.\n", (unsigned long long)p->n_asked,
           (unsigned long long)p->n_right);
    nb_interrupt_watch(NULL, false);
    nb_tutor_input_close(&p->input);
    nb_growing_release(&line);
    free(p);
    return code != NB_EXIT_OK ? code : nb_out_flush();
}
