// SPDX-License-Identifier: Apache-2.0
#include "apps/tutor/tutor_guide.h"

#include <stdio.h>
#include <string.h>

#include "apps/tutor/steps.h"

// A step that may be told to a learner: one that is right.
static bool is_known(const nb_checked_line *line)
{
    return line->is_step && line->verdict == NB_VERDICT_RIGHT;
}

static bool parts_of(const nb_checked_line *line, nb_step_parts *parts)
{
    return is_known(line) && nb_step_check(line->text, strlen(line->text), parts) != NB_STEP_NONE;
}

// The first step from `at` on with this result; n_lines: none.
static size_t find_result(const nb_guide *guide, nb_span result)
{
    size_t i = guide->at;
    nb_step_parts parts;
    while (i < guide->n_lines &&
           !(parts_of(&guide->lines[i], &parts) &&
             nb_numbers_compare(parts.result.text, parts.result.bytes, result.text, result.bytes) == NB_STEP_RIGHT))
        i++;
    return i;
}

static bool is_answer(const nb_guide *guide, nb_span number)
{
    return guide->answer[0] &&
           nb_numbers_compare(guide->answer, strlen(guide->answer), number.text, number.bytes) == NB_STEP_RIGHT;
}

static bool is_whole(const char *text, size_t bytes)
{
    return bytes > 0 && strspn(text, "0123456789") >= bytes;
}

// Names the place of the first digit, from the ones on, that differs.
static const char *wrong_place(nb_span given, const char *right)
{
    static const char *const places[] = {"ones", "tens", "hundreds", "thousands"};
    size_t n_right = strlen(right);
    if (!is_whole(given.text, given.bytes) || !is_whole(right, n_right))
        return NULL;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char a = i < given.bytes ? given.text[given.bytes - 1 - i] : '0';
        char b = i < n_right ? right[n_right - 1 - i] : '0';
        if (a != b)
            return places[i];
    }
    return NULL;
}

static nb_reply take_wrong(nb_guide *guide, const nb_step_parts *parts, char *words, size_t capacity)
{
    char right[NB_VALUE_BYTES];
    bool is_solved = nb_step_solve(parts, right, sizeof right);
    const char *place = is_solved ? wrong_place(parts->result, right) : NULL;
    guide->n_misses++;
    int n = snprintf(words, capacity, "%.*s %c %.*s is not %.*s", (int)parts->left.bytes, parts->left.text, parts->op,
                     (int)parts->right.bytes, parts->right.text, (int)parts->result.bytes, parts->result.text);
    if (n < 0 || (size_t)n >= capacity)
        return NB_REPLY_WRONG;
    if (is_solved && guide->n_misses > 1)
        snprintf(words + n, capacity - (size_t)n, ", it is %s", right);
    else if (place)
        snprintf(words + n, capacity - (size_t)n, "; look at the %s", place);
    return NB_REPLY_WRONG;
}

static nb_reply take_result(nb_guide *guide, nb_span result, bool is_step, char *words, size_t capacity)
{
    size_t i = find_result(guide, result);
    bool is_last = is_answer(guide, result) &&
                   find_result(&(nb_guide){.lines = guide->lines, .n_lines = guide->n_lines, .at = i + 1}, result) >=
                       guide->n_lines;
    if (is_last) {
        guide->at = guide->n_lines;
        snprintf(words, capacity, "that is the answer%s",
                 guide->is_exact     ? ""
                 : guide->is_checked ? " my steps come to"
                                     : " I came to, but not all of my steps are checked");
        return NB_REPLY_ANSWER;
    }
    if (i < guide->n_lines) {
        guide->at = i + 1;
        guide->n_misses = 0;
        snprintf(words, capacity, "right");
        return NB_REPLY_STEP;
    }
    if (is_step) {
        snprintf(words, capacity, "the arithmetic is right; it is no step of the way I know, but may be of another");
        return NB_REPLY_OTHER;
    }
    guide->n_misses++;
    snprintf(words, capacity, "no step of the way I know comes to %.*s", (int)(result.bytes < 80 ? result.bytes : 80),
             result.text);
    return NB_REPLY_ELSE;
}

nb_reply nb_guide_take(nb_guide *guide, const char *line, char *words, size_t capacity)
{
    nb_step_parts parts;
    nb_span number = {line, strlen(line)};
    nb_step_verdict verdict = nb_step_check(line, number.bytes, &parts);
    if (verdict == NB_STEP_WRONG)
        return take_wrong(guide, &parts, words, capacity);
    if (verdict == NB_STEP_RIGHT)
        return take_result(guide, parts.result, true, words, capacity);
    if (verdict == NB_STEP_NONE && nb_answer_find(line, number.bytes, &number))
        return take_result(guide, number, false, words, capacity);
    if (verdict == NB_STEP_NONE && nb_numbers_compare(line, number.bytes, "0", 1) != NB_STEP_NONE)
        return take_result(guide, number, false, words, capacity);
    snprintf(words, capacity, "%s",
             verdict == NB_STEP_UNCHECKABLE ? "that cannot be checked"
                                            : "write a step, such as 3 + 4 = 7, or a number");
    return NB_REPLY_UNKNOWN;
}

const char *nb_guide_next(nb_guide *guide)
{
    while (guide->at < guide->n_lines) {
        const nb_checked_line *line = &guide->lines[guide->at++];
        if (is_known(line)) {
            guide->n_misses = 0;
            return line->text;
        }
    }
    return NULL;
}

bool nb_guide_hint(const nb_guide *guide, char *words, size_t capacity)
{
    nb_step_parts parts;
    for (size_t i = guide->at; i < guide->n_lines; i++)
        if (parts_of(&guide->lines[i], &parts)) {
            snprintf(words, capacity, "%.*s %c %.*s = ?", (int)parts.left.bytes, parts.left.text, parts.op,
                     (int)parts.right.bytes, parts.right.text);
            return true;
        }
    return false;
}
