// SPDX-License-Identifier: Apache-2.0
#include "apps/tutor/tutor_show.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/common/cli.h"
#include "apps/common/terminal.h"
#include "apps/tutor/equations.h"

enum { MARK_COLUMN = 34 };

nb_tutor_show nb_tutor_show_open(bool is_json)
{
    return (nb_tutor_show){.is_json = is_json, .has_colour = nb_terminal_has_colour(STDOUT_FILENO), .number = -1};
}

void nb_tutor_show_start(nb_tutor_show *show, const nb_question *question)
{
    show->calculation = question->calculation;
    show->value = question->value;
    show->n_lines = 0;
    show->in_answer = false;
    show->last[0] = 0;
}

void nb_tutor_show_mark(bool has_colour, char mark, const char *words)
{
    const char *colour = mark == '+' ? "\033[32m" : mark == '-' ? "\033[1;31m" : "\033[33m";
    const char *sign = mark == '+' ? "✓" : mark == '-' ? "✗" : "?";
    printf("%s%s%s%s%s", has_colour ? colour : "", sign, words[0] ? " " : "", words, has_colour ? "\033[0m" : "");
}

// ---- a line --------------------------------------------------------------------------------------------------------

static size_t columns(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static void say_wrong_step(const nb_checked_line *line, char *words, size_t capacity)
{
    char right[NB_VALUE_BYTES];
    nb_step_parts parts;
    nb_equations found;
    size_t bytes = strlen(line->text);
    if (nb_step_check(line->text, bytes, &parts) != NB_STEP_NONE && nb_step_solve(&parts, right, sizeof right))
        snprintf(words, capacity, "wrong: it is %s", right);
    else if (nb_equations_check(line->text, bytes, &found) == NB_STEP_WRONG)
        snprintf(words, capacity, "wrong: %.*s", (int)found.wrong.bytes, found.wrong.text);
    else
        snprintf(words, capacity, "wrong");
}

static bool equals(const char *a, const char *b)
{
    return nb_numbers_compare(a, strlen(a), b, strlen(b)) == NB_STEP_RIGHT;
}

static void say_answer(const nb_tutor_show *show, const nb_checked_line *line, char *words, size_t capacity)
{
    nb_span span;
    char answer[NB_VALUE_BYTES] = "";
    if (nb_answer_find(line->text, strlen(line->text), &span))
        snprintf(answer, sizeof answer, "%.*s", (int)span.bytes, span.text);
    if (show->value[0])
        snprintf(words, capacity, "%s%s is %s",
                 equals(answer, show->value) ? "exactly: " : "wrong: ", show->calculation, show->value);
    else if (line->verdict == NB_VERDICT_RIGHT)
        snprintf(words, capacity, "the last step's result");
    else
        snprintf(words, capacity, "not the last step's result, %s", show->last);
}

static void print_marks(const nb_tutor_show *show, const nb_checked_line *line)
{
    char words[2 * NB_VALUE_BYTES + 64] = "";
    if (line->stranger[0] && (line->verdict == NB_VERDICT_RIGHT || line->verdict == NB_VERDICT_HEADING)) {
        snprintf(words, sizeof words, "where does %s come from?", line->stranger);
        nb_tutor_show_mark(show->has_colour, '?', words);
    } else if (line->verdict == NB_VERDICT_UNCHECKED) {
        nb_tutor_show_mark(show->has_colour, '?', "not checked");
    } else if (line->verdict != NB_VERDICT_HEADING) {
        if (line->has_answer)
            say_answer(show, line, words, sizeof words);
        else if (line->verdict == NB_VERDICT_WRONG)
            say_wrong_step(line, words, sizeof words);
        nb_tutor_show_mark(show->has_colour, line->verdict == NB_VERDICT_RIGHT ? '+' : '-', words);
    }
    if (line->n_redone)
        printf("%s  redone %u %s%s", show->has_colour ? "\033[2m" : "", line->n_redone,
               line->n_redone == 1 ? "time" : "times", show->has_colour ? "\033[0m" : "");
}

static void print_line(nb_tutor_show *show, const nb_checked_line *line)
{
    if (!line->is_reasoning && !show->in_answer && show->n_lines)
        putchar('\n');
    show->in_answer |= !line->is_reasoning;
    size_t width = columns(line->text);
    fputs("  ", stdout);
    nb_terminal_write(stdout, line->text, strlen(line->text), true);
    if (line->verdict != NB_VERDICT_HEADING || line->stranger[0] || line->n_redone) {
        printf("%*s", width < MARK_COLUMN ? (int)(MARK_COLUMN - width) : 2, "");
        print_marks(show, line);
    }
    putchar('\n');
}

static const char *kind_name(const nb_checked_line *line)
{
    if (line->is_step)
        return "step";
    if (line->verdict == NB_VERDICT_HEADING)
        return "heading";
    return line->has_answer ? "answer" : "text";
}

static json_t *new_object(const nb_tutor_show *show)
{
    json_t *object = json_object();
    if (show->number >= 0)
        json_object_set_new(object, "question", json_integer(show->number));
    return object;
}

static int print_json_line(const nb_tutor_show *show, const nb_checked_line *line)
{
    json_t *object = new_object(show);
    const char *verdict = line->verdict == NB_VERDICT_RIGHT   ? "right"
                          : line->verdict == NB_VERDICT_WRONG ? "wrong"
                                                              : "unchecked";
    json_object_set_new(object, "step", json_integer((json_int_t)show->n_lines));
    json_object_set_new(object, "text", json_string(line->text));
    json_object_set_new(object, "kind", json_string(kind_name(line)));
    json_object_set_new(object, "verdict", json_string(verdict));
    json_object_set_new(object, "redone", json_integer(line->n_redone));
    if (line->stranger[0])
        json_object_set_new(object, "stranger", json_string(line->stranger));
    return nb_out_json(object);
}

static nb_status show_restart(nb_tutor_show *show)
{
    show->in_answer = false;
    show->last[0] = 0;
    if (show->is_json) {
        json_t *object = new_object(show);
        json_object_set_new(object, "restart", json_true());
        return nb_out_json(object) == NB_EXIT_OK ? NB_OK : NB_ERR_SYSTEM;
    }
    puts("\n  This leads nowhere; once more from the start.\n");
    return nb_out_flush() == NB_EXIT_OK ? NB_OK : NB_ERR_SYSTEM;
}

static void keep_result(nb_tutor_show *show, const nb_checked_line *line)
{
    nb_step_parts parts;
    nb_equations found = {0};
    size_t bytes = strlen(line->text);
    if (nb_step_check(line->text, bytes, &parts) != NB_STEP_NONE)
        found.result = parts.result;
    else
        (void)nb_equations_check(line->text, bytes, &found);
    if (found.result.text)
        snprintf(show->last, sizeof show->last, "%.*s", (int)found.result.bytes, found.result.text);
}

nb_status nb_tutor_show_line(nb_tutor_show *show, const nb_checked_line *line)
{
    int code;
    if (!line)
        return show_restart(show);
    if (show->is_json) {
        show->n_lines++;
        code = print_json_line(show, line);
    } else {
        print_line(show, line);
        show->n_lines++;
        code = nb_out_flush();
    }
    if (line->is_step)
        keep_result(show, line);
    return code == NB_EXIT_OK ? NB_OK : NB_ERR_SYSTEM;
}

// ---- the end -------------------------------------------------------------------------------------------------------

// Every token costs a pass; so does every line that is taken back.
static double tok_s(const nb_reasoning *reasoning, double decode_s)
{
    return decode_s > 0 ? (double)reasoning->n_sampled / decode_s : 0;
}

static json_t *votes_json(const nb_reasoning *reasoning)
{
    json_t *votes = json_object();
    for (size_t i = 0; i < reasoning->n_votes; i++)
        json_object_set_new(votes, reasoning->votes[i].answer, json_integer((json_int_t)reasoning->votes[i].n_votes));
    return votes;
}

static size_t count_steps(const nb_lane *lane)
{
    return nb_lane_count_steps(lane, NB_VERDICT_RIGHT) + nb_lane_count_steps(lane, NB_VERDICT_WRONG) +
           nb_lane_count_steps(lane, NB_VERDICT_UNCHECKED);
}

static int print_json_end(const nb_tutor_show *show, const nb_reasoning *reasoning, double decode_s, uint64_t seed)
{
    const nb_lane *lane = &reasoning->lanes[reasoning->winner];
    json_t *object = new_object(show);
    json_object_set_new(object, "answer", lane->answer[0] ? json_string(lane->answer) : json_null());
    json_object_set_new(object, "checked", json_boolean(nb_lane_is_checked(lane)));
    json_object_set_new(object, "steps", json_integer((json_int_t)count_steps(lane)));
    json_object_set_new(object, "wrong", json_integer((json_int_t)nb_lane_count_steps(lane, NB_VERDICT_WRONG)));
    json_object_set_new(object, "redone", json_integer((json_int_t)reasoning->n_redone));
    json_object_set_new(object, "restarts", json_integer((json_int_t)reasoning->n_restarts));
    json_object_set_new(object, "tokens", json_integer((json_int_t)reasoning->n_sampled));
    json_object_set_new(object, "decode_tok_s", nb_json_real(tok_s(reasoning, decode_s)));
    json_object_set_new(object, "finish", json_string(lane->finish ? lane->finish : "interrupted"));
    json_object_set_new(object, "seed", json_integer((json_int_t)seed));
    if (reasoning->n_lanes > 1) {
        json_object_set_new(object, "votes", votes_json(reasoning));
        json_object_set_new(object, "tie", json_boolean(reasoning->is_tie));
    }
    return nb_out_json(object);
}

static void print_votes(const nb_tutor_show *show, const nb_reasoning *reasoning)
{
    const nb_vote *votes = reasoning->votes;
    if (reasoning->n_lanes == 1)
        return;
    size_t n_answered = 0;
    printf("  %zu reasonings: ", reasoning->n_lanes);
    for (size_t i = 0; i < reasoning->n_votes; n_answered += votes[i++].n_votes) {
        fputs(i ? ", " : "", stdout);
        nb_terminal_write(stdout, votes[i].answer, strlen(votes[i].answer), true);
        printf(" by %zu", votes[i].n_votes);
    }
    if (n_answered < reasoning->n_lanes)
        printf("%s%zu without an answer", n_answered ? ", " : "", reasoning->n_lanes - n_answered);
    printf(" (%.0f %%)", reasoning->n_votes ? 100.0 * (double)votes[0].n_votes / (double)reasoning->n_lanes : 0.0);
    if (reasoning->is_tie) {
        fputs("  ", stdout);
        nb_tutor_show_mark(show->has_colour, '?', "a tie: the first is shown, the other is as likely");
    }
    putchar('\n');
}

static void print_figures(const nb_tutor_show *show, const nb_reasoning *reasoning, double decode_s)
{
    const nb_lane *lane = &reasoning->lanes[reasoning->winner];
    size_t n_right = nb_lane_count_steps(lane, NB_VERDICT_RIGHT), n_wrong = nb_lane_count_steps(lane, NB_VERDICT_WRONG);
    size_t n_unchecked = nb_lane_count_steps(lane, NB_VERDICT_UNCHECKED);
    printf("%s  %zu steps checked", show->has_colour ? "\033[2m" : "", n_right + n_wrong);
    if (n_wrong)
        printf(", %zu wrong", n_wrong);
    if (n_unchecked)
        printf(", %zu not checkable", n_unchecked);
    if (reasoning->n_restarts)
        printf(", started over %zu %s", reasoning->n_restarts, reasoning->n_restarts == 1 ? "time" : "times");
    printf(", %zu redone, %zu tokens, %.0f tok/s%s%s\n", reasoning->n_redone, reasoning->n_sampled,
           tok_s(reasoning, decode_s), lane->finish && strcmp(lane->finish, "length") == 0 ? "; cut at the limit" : "",
           show->has_colour ? "\033[0m" : "");
}

int nb_tutor_show_end(nb_tutor_show *show, const nb_reasoning *reasoning, double decode_s, uint64_t seed)
{
    const nb_lane *lane = &reasoning->lanes[reasoning->winner];
    if (show->is_json)
        return print_json_end(show, reasoning, decode_s, seed);
    if (!lane->answer[0]) {
        fputs("\n  ", stdout);
        nb_tutor_show_mark(show->has_colour, '?', "no answer was found");
        putchar('\n');
    }
    putchar('\n');
    print_votes(show, reasoning);
    print_figures(show, reasoning, decode_s);
    return nb_out_flush();
}
