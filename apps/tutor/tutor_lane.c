// SPDX-License-Identifier: Apache-2.0
#include "apps/tutor/tutor_lane.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/common/cli.h"
#include "apps/tutor/equations.h"
#include "apps/tutor/steps.h"

void nb_lane_start(nb_lane *lane, const nb_lane_rules *rules)
{
    memset(lane, 0, sizeof *lane);
    lane->rules = *rules;
    lane->answer_verdict = NB_VERDICT_UNCHECKED;
    if (rules->question)
        nb_sources_add(&lane->sources, rules->question, strlen(rules->question));
    lane->question_bytes = lane->sources.numbers.bytes;
}

static void forget_lines(nb_lane *lane)
{
    for (size_t i = 0; i < lane->n_lines; i++)
        free(lane->lines[i].text);
    lane->n_lines = 0;
}

void nb_lane_release(nb_lane *lane)
{
    forget_lines(lane);
    nb_sources_release(&lane->sources);
    free(lane->lines);
    free(lane->ids);
    nb_growing_release(&lane->line);
    memset(lane, 0, sizeof *lane);
}

// ---- judging a line ------------------------------------------------------------------------------------------------

static void copy_span(char to[NB_VALUE_BYTES], nb_span span)
{
    snprintf(to, NB_VALUE_BYTES, "%.*s", (int)span.bytes, span.text);
}

static nb_verdict verdict_of(nb_step_verdict verdict)
{
    if (verdict == NB_STEP_RIGHT)
        return NB_VERDICT_RIGHT;
    return verdict == NB_STEP_WRONG ? NB_VERDICT_WRONG : NB_VERDICT_UNCHECKED;
}

// "584 + 285:" as the step "584 + 285 = 0".
static bool is_heading(const char *text, size_t bytes, char step[NB_VALUE_BYTES], nb_step_parts *parts)
{
    if (bytes < 2 || text[bytes - 1] != ':')
        return false;
    int n = snprintf(step, NB_VALUE_BYTES, "%.*s = 0", (int)(bytes - 1), text);
    return n > 0 && n < NB_VALUE_BYTES && nb_step_check(step, (size_t)n, parts) != NB_STEP_NONE;
}

static nb_verdict judge_answer(const nb_lane *lane, const char *answer, const char *last)
{
    if (lane->rules.question && lane->question_bytes == 0) // steps from no number of the question show nothing
        return NB_VERDICT_UNCHECKED;
    const char *const others[] = {last, lane->rules.value ? lane->rules.value : ""};
    nb_verdict verdict = NB_VERDICT_UNCHECKED;
    for (size_t i = 0; i < NB_COUNT_OF(others); i++) {
        if (!others[i][0])
            continue;
        nb_verdict one = verdict_of(nb_numbers_compare(answer, strlen(answer), others[i], strlen(others[i])));
        if (one == NB_VERDICT_WRONG)
            return one;
        verdict = one == NB_VERDICT_RIGHT ? one : verdict;
    }
    return verdict;
}

static void find_stranger(const nb_lane *lane, nb_checked_line *line, const nb_step_parts *parts)
{
    nb_span stranger = lane->rules.question ? nb_sources_missing(&lane->sources, parts) : (nb_span){NULL, 0};
    if (stranger.text)
        snprintf(line->stranger, sizeof line->stranger, "%.*s", (int)stranger.bytes, stranger.text);
}

// Equations among words, the answer, or both.
static nb_checked_line judge_prose(const nb_lane *lane, nb_checked_line line, const char *text, size_t bytes,
                                   char result[NB_VALUE_BYTES])
{
    nb_equations found;
    nb_span answer;
    nb_step_verdict verdict = nb_equations_check(text, bytes, &found);
    line.is_step = found.n_right + found.n_wrong > 0;
    if (line.is_step) {
        line.verdict = verdict_of(verdict);
        copy_span(result, found.result);
    }
    if (line.verdict != NB_VERDICT_WRONG && nb_answer_find(text, bytes, &answer)) {
        char last[NB_VALUE_BYTES];
        memcpy(last, line.is_step ? result : lane->last, sizeof last);
        line.is_step = false;
        line.has_answer = true;
        copy_span(result, answer);
        line.verdict = judge_answer(lane, result, last);
    }
    return line;
}

// Judges the first `bytes` of the running line. `result` gets a step's result or the answer, "": neither.
static nb_checked_line judge(const nb_lane *lane, size_t bytes, char result[NB_VALUE_BYTES])
{
    const char *text = nb_growing_text(&lane->line);
    nb_checked_line line = {
        .verdict = NB_VERDICT_UNCHECKED, .n_redone = lane->n_tries, .is_reasoning = !lane->in_answer};
    char as_step[NB_VALUE_BYTES];
    nb_step_parts parts;
    result[0] = 0;
    nb_step_verdict step = nb_step_check(text, bytes, &parts);
    if (step != NB_STEP_NONE) {
        line.is_step = true;
        line.verdict = verdict_of(step);
        copy_span(result, parts.result);
    } else if (is_heading(text, bytes, as_step, &parts)) {
        line.verdict = NB_VERDICT_HEADING;
    } else {
        return judge_prose(lane, line, text, bytes, result);
    }
    find_stranger(lane, &line, &parts);
    return line;
}

static size_t without_spaces(const char *text, size_t bytes)
{
    while (bytes > 0 && strchr(" \t\r\n", text[bytes - 1]) && text[bytes - 1])
        bytes--;
    return bytes;
}

static void keep_line(nb_lane *lane, nb_checked_line line, size_t bytes, const char *result)
{
    if (lane->n_lines == lane->lines_capacity) {
        lane->lines_capacity = 2 * lane->lines_capacity + 16;
        lane->lines = nb_resize(lane->lines, lane->lines_capacity * sizeof *lane->lines);
    }
    line.text = nb_alloc(bytes + 1);
    memcpy(line.text, nb_growing_text(&lane->line), bytes);
    lane->lines[lane->n_lines++] = line;
    if (lane->rules.question)
        nb_sources_add(&lane->sources, line.text, bytes);
    if (line.is_step)
        memcpy(lane->last, result, NB_VALUE_BYTES);
    if (line.has_answer) {
        memcpy(lane->answer, result, NB_VALUE_BYTES);
        lane->answer_verdict = line.verdict;
    }
}

static void cut_line(nb_lane *lane, size_t bytes)
{
    lane->line.bytes = bytes;
    if (lane->line.text)
        lane->line.text[bytes] = 0;
}

// Completes the first `bytes` of the running line and drops `skipped` more. False: it is wrong and to be done again.
static bool complete(nb_lane *lane, size_t bytes, size_t skipped)
{
    char result[NB_VALUE_BYTES];
    size_t n = without_spaces(nb_growing_text(&lane->line), bytes);
    if (n > 0) {
        nb_checked_line line = judge(lane, n, result);
        bool is_bad = !lane->rules.is_plain && (line.verdict == NB_VERDICT_WRONG || line.stranger[0]);
        if (is_bad && lane->n_tries < lane->rules.n_retries)
            return false;
        lane->is_spoiled |= is_bad;
        keep_line(lane, line, n, result);
        lane->n_tries = 0;
    }
    size_t rest = lane->line.bytes - bytes - skipped;
    if (rest)
        memmove(lane->line.text, lane->line.text + bytes + skipped, rest);
    cut_line(lane, rest);
    return true;
}

// ---- taking tokens -------------------------------------------------------------------------------------------------

static void keep_id(nb_lane *lane, int32_t id)
{
    if (lane->n_ids == lane->ids_capacity) {
        lane->ids_capacity = 2 * lane->ids_capacity + 256;
        lane->ids = nb_resize(lane->ids, lane->ids_capacity * sizeof *lane->ids);
    }
    lane->ids[lane->n_ids++] = id;
}

static nb_lane_next redo(nb_lane *lane)
{
    lane->n_tries++;
    lane->n_redone++;
    lane->n_ids = lane->line_ids;
    cut_line(lane, lane->line_head);
    return NB_LANE_REDO;
}

// Adds text; every line feed completes a line. False: that line is to be done again.
static bool add_text(nb_lane *lane, const char *text, size_t bytes)
{
    nb_growing_add(&lane->line, text, bytes);
    for (const char *feed; lane->line.bytes && (feed = memchr(lane->line.text, '\n', lane->line.bytes));) {
        if (!complete(lane, (size_t)(feed - lane->line.text), 1))
            return false;
        lane->line_ids = lane->n_ids;
        lane->line_head = lane->line.bytes;
    }
    return true;
}

static bool begin_answer(nb_lane *lane)
{
    if (!complete(lane, lane->line.bytes, 0))
        return false;
    lane->in_answer = true;
    lane->line_ids = lane->n_ids - (lane->n_ids > 0); // the token that begins the answer belongs to its line
    lane->line_head = 0;
    return true;
}

static nb_lane_next take(nb_lane *lane, int32_t id, bool is_end, const nb_piece *piece)
{
    lane->n_sampled++;
    if (!is_end)
        keep_id(lane, id);
    if (!add_text(lane, piece->reasoning, piece->reasoning_bytes))
        return redo(lane);
    if (piece->bytes && !lane->in_answer && !begin_answer(lane))
        return redo(lane);
    if (!add_text(lane, piece->text, piece->bytes))
        return redo(lane);
    bool is_full = lane->n_ids >= lane->rules.n_max_ids;
    if (!is_end && !is_full && !piece->stopped)
        return NB_LANE_APPEND;
    // A line that the limit cuts is as it is.
    unsigned n_retries = lane->rules.n_retries;
    lane->rules.n_retries = is_full ? 0 : n_retries;
    bool is_complete = complete(lane, lane->line.bytes, 0);
    lane->rules.n_retries = n_retries;
    if (!is_complete)
        return redo(lane);
    lane->finish = is_full && !is_end ? "length" : "stop";
    return NB_LANE_DONE;
}

nb_lane_next nb_lane_take(nb_lane *lane, int32_t id, bool is_end, const nb_piece *piece)
{
    nb_lane_next next = take(lane, id, is_end, piece);
    bool is_over = next != NB_LANE_REDO && lane->is_spoiled && lane->n_restarts < lane->rules.n_restarts;
    return is_over ? NB_LANE_OVER : next;
}

void nb_lane_start_over(nb_lane *lane)
{
    forget_lines(lane);
    cut_line(lane, 0);
    lane->sources.numbers.bytes = lane->question_bytes;
    lane->n_ids = lane->line_ids = lane->line_head = 0;
    lane->n_tries = 0;
    lane->in_answer = lane->is_spoiled = false;
    lane->last[0] = lane->answer[0] = 0;
    lane->answer_verdict = NB_VERDICT_UNCHECKED;
    lane->finish = NULL;
    lane->n_restarts++;
}

size_t nb_lane_count_steps(const nb_lane *lane, nb_verdict verdict)
{
    size_t n = 0;
    for (size_t i = 0; i < lane->n_lines; i++)
        n += lane->lines[i].is_step && lane->lines[i].verdict == verdict;
    return n;
}

bool nb_lane_is_checked(const nb_lane *lane)
{
    for (size_t i = 0; i < lane->n_lines; i++)
        if (lane->lines[i].stranger[0])
            return false;
    size_t n_right = nb_lane_count_steps(lane, NB_VERDICT_RIGHT);
    return n_right > 0 && nb_lane_count_steps(lane, NB_VERDICT_WRONG) == 0 &&
           nb_lane_count_steps(lane, NB_VERDICT_UNCHECKED) == 0 && lane->answer[0] &&
           lane->answer_verdict == NB_VERDICT_RIGHT;
}
