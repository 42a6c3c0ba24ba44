// SPDX-License-Identifier: Apache-2.0
// nibble tutor --hint: the learner finds the steps, one at a time.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/common/interrupt.h"
#include "apps/common/terminal.h"
#include "apps/tutor/tutor_args.h"
#include "apps/tutor/tutor_guide.h"
#include "apps/tutor/tutor_input.h"
#include "apps/tutor/tutor_show.h"

static void say_help(void)
{
    puts("  Write the next step (3 + 4 = 7) or its result, or the answer.\n"
         "  /hint  what to compute next    /next  the next step    /all  every step    /quit  leave");
}

static void show_next(nb_guide *guide)
{
    const char *line = nb_guide_next(guide);
    fputs("    ", stdout);
    nb_terminal_write(stdout, line ? line : "no step is left; what is the answer?",
                      strlen(line ? line : "no step is left; what is the answer?"), true);
    putchar('\n');
}

// Whether its answer may be called right.
static bool is_sure(const nb_guide *guide)
{
    return guide->is_exact || guide->is_checked;
}

static void show_all(nb_guide *guide)
{
    for (const char *line; (line = nb_guide_next(guide));) {
        fputs("    ", stdout);
        nb_terminal_write(stdout, line, strlen(line), true);
        putchar('\n');
    }
    const char *answer = guide->answer[0] ? guide->answer : "no answer";
    fputs(is_sure(guide) ? "    The answer is " : "    I came to ", stdout);
    nb_terminal_write(stdout, answer, strlen(answer), true);
    puts(is_sure(guide) ? "." : "; not all of it is checked.");
}

static void show_hint(const nb_guide *guide)
{
    char words[2 * NB_VALUE_BYTES];
    if (!nb_guide_hint(guide, words, sizeof words))
        snprintf(words, sizeof words, "%s",
                 guide->n_lines ? "the last result answers the question" : "I know no step; yours are checked");
    fputs("    ", stdout);
    nb_terminal_write(stdout, words, strlen(words), true);
    putchar('\n');
}

// True: the question is done.
static bool take_line(nb_guide *guide, const char *line, bool has_colour)
{
    char words[4 * NB_VALUE_BYTES];
    if (strcmp(line, "/quit") == 0 || strcmp(line, "/exit") == 0)
        return true;
    if (strcmp(line, "/all") == 0) {
        show_all(guide);
        return true;
    }
    if (strcmp(line, "/hint") == 0)
        show_hint(guide);
    else if (strcmp(line, "/next") == 0)
        show_next(guide);
    else if (line[0] == '/')
        say_help();
    if (line[0] == '/' || line[0] == 0)
        return false;
    nb_reply reply = nb_guide_take(guide, line, words, sizeof words);
    bool is_right = reply == NB_REPLY_STEP || (reply == NB_REPLY_ANSWER && is_sure(guide));
    fputs("    ", stdout);
    nb_tutor_show_mark(has_colour, is_right ? '+' : reply == NB_REPLY_WRONG ? '-' : '?', words);
    putchar('\n');
    return reply == NB_REPLY_ANSWER;
}

// What of the model's own way is certain, said before the learner is led along it.
static void say_what_is_known(const nb_guide *guide)
{
    if (guide->n_lines == 0)
        puts("I found no way to the right value; your steps and your answer are checked exactly. (/help)");
    else if (guide->is_checked)
        puts("I have a way whose steps are all checked. What is your first step? (/help)");
    else
        puts("I have a way, but not all of it could be checked; your own arithmetic is checked exactly. (/help)");
}

// Where the value is known, it is the answer, and a way that does not come to it is none.
static nb_guide guide_of(const nb_lane *lane, const nb_question *question)
{
    nb_guide guide = {.lines = lane->lines,
                      .n_lines = lane->n_lines,
                      .answer = lane->answer,
                      .is_exact = question->value[0] != 0,
                      .is_checked = nb_lane_is_checked(lane)};
    if (guide.is_exact) {
        guide.answer = question->value;
        if (nb_numbers_compare(lane->answer, strlen(lane->answer), guide.answer, strlen(guide.answer)) != NB_STEP_RIGHT)
            guide.n_lines = 0;
    }
    return guide;
}

static int lead(const nb_lane *lane, const nb_question *question, nb_tutor_input *input, bool has_colour)
{
    nb_guide guide = guide_of(lane, question);
    nb_growing line = {0};
    if (!guide.is_exact && nb_lane_count_steps(lane, NB_VERDICT_RIGHT) == 0) {
        puts("I found no steps that I could check; I can't lead here.");
        return NB_EXIT_OK;
    }
    say_what_is_known(&guide);
    while (nb_tutor_input_read(input, &line))
        if (take_line(&guide, line.text, has_colour))
            break;
    nb_growing_release(&line);
    return nb_out_flush();
}

static int lead_question(nb_tutor *tutor, const char *text, size_t bytes, nb_tutor_input *input)
{
    nb_question question;
    nb_reasoning reasoning;
    char why[256];
    if (!nb_question_read(&question, text, bytes, why, sizeof why))
        return nb_fail(NB_EXIT_INPUT, "%s", why);
    int code = nb_tutor_reason(tutor, &question, NULL, &reasoning);
    if (code == NB_EXIT_OK)
        code = lead(&reasoning.lanes[reasoning.winner], &question, input, nb_terminal_has_colour(STDOUT_FILENO));
    nb_reasoning_release(&reasoning);
    return code;
}

int nb_tutor_lead(nb_tutor *tutor)
{
    nb_tutor_input input;
    if (!nb_tutor_input_open(&input, "tutor-history"))
        return NB_EXIT_FAILED;
    nb_interrupt_watch(tutor->model.sessions[0], input.reader != NULL);
    int code = NB_EXIT_OK;
    const char *given = tutor->args->question;
    if (given)
        code = lead_question(tutor, given, strlen(given), &input);
    nb_growing line = {0};
    while (!given && code != NB_EXIT_FAILED) {
        if (input.reader)
            puts("Your question?");
        if (!nb_tutor_input_read(&input, &line) || strcmp(line.text, "/quit") == 0)
            break;
        if (line.bytes)
            code = lead_question(tutor, line.text, line.bytes, &input);
    }
    nb_growing_release(&line);
    nb_interrupt_watch(NULL, false);
    nb_tutor_input_close(&input);
    return code;
}
