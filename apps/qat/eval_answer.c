// SPDX-License-Identifier: Apache-2.0
#include "apps/qat/eval_answer.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "apps/tutor/steps.h"

static bool is_word(const char *text, const char *at)
{
    return at > text && (isalnum((unsigned char)at[-1]) || at[-1] == '_' || (unsigned char)at[-1] >= 0x80);
}

// Whether `at` may begin a number: not within a word, and a sign not behind what it could be subtracted from.
static bool may_begin(const char *text, const char *at)
{
    if (*at >= '0' && *at <= '9')
        return at == text || !(isalpha((unsigned char)at[-1]) || at[-1] == '_');
    if (*at == '$' || *at == '.')
        return !is_word(text, at);
    bool is_sign = *at == '-' || (unsigned char)*at == 0xe2; // the first byte of "−"
    return is_sign && !is_word(text, at) && !(at > text && at[-1] == ')');
}

// The number at `at`, with the zero that ".5" lacks. Returns its bytes in the text, 0: none.
static size_t take(const char *at, const char *end, char answer[NB_ANSWER_BYTES])
{
    char with_zero[NB_ANSWER_BYTES];
    nb_span span;
    size_t lacks = *at == '.' || (*at == '-' && end - at > 1 && at[1] == '.');
    size_t bytes = (size_t)(end - at), before = *at == '-';
    if (lacks) {
        bytes = bytes < NB_ANSWER_BYTES - 1 ? bytes : NB_ANSWER_BYTES - 1;
        memcpy(with_zero, at, before);
        with_zero[before] = '0';
        memcpy(with_zero + before + 1, at + before, bytes - before);
        if (bytes - before < 2 || at[before + 1] < '0' || at[before + 1] > '9')
            return 0;
    }
    if (!nb_number_take(lacks ? with_zero : at, bytes + lacks, &span))
        return 0;
    snprintf(answer, NB_ANSWER_BYTES, "%.*s", span.bytes < NB_ANSWER_BYTES ? (int)span.bytes : 0, span.text);
    return span.bytes - lacks;
}

// The first or the last number of a range that lies within `text`.
static bool find(const char *text, const char *begin, const char *end, bool is_last, char answer[NB_ANSWER_BYTES])
{
    bool is_found = false;
    for (const char *at = begin; at < end;) {
        char number[NB_ANSWER_BYTES];
        size_t bytes = may_begin(text, at) ? take(at, end, number) : 0;
        if (bytes && number[0]) {
            memcpy(answer, number, NB_ANSWER_BYTES);
            is_found = true;
            if (!is_last)
                return true;
        }
        at += bytes ? bytes : 1;
    }
    return is_found;
}

static const char *line_end(const char *at, const char *end)
{
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    return stop ? stop : end;
}

static size_t mark_at(const char *at, const char *end)
{
    static const char *const marks[] = {"answer is", "\\boxed{", "####"};
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        size_t bytes = strlen(marks[i]);
        if ((size_t)(end - at) >= bytes && strncasecmp(at, marks[i], bytes) == 0)
            return bytes;
    }
    return 0;
}

bool nb_answer_read(const char *text, size_t bytes, char answer[NB_ANSWER_BYTES])
{
    static const char close[] = "</think>";
    const char *end = text + bytes, *behind = NULL;
    answer[0] = 0;
    bool is_marked = false;
    for (const char *at = text; at < end; at++) {
        size_t mark = mark_at(at, end);
        if (mark && find(text, at + mark, line_end(at + mark, end), false, answer))
            is_marked = true;
        if ((size_t)(end - at) >= sizeof close - 1 && memcmp(at, close, sizeof close - 1) == 0)
            behind = at + sizeof close - 1;
    }
    return is_marked || (behind && find(text, behind, end, true, answer)) || find(text, text, end, true, answer);
}

static size_t without_percent(const char *answer)
{
    size_t bytes = strlen(answer);
    return bytes && answer[bytes - 1] == '%' ? bytes - 1 : bytes;
}

bool nb_answers_equal(const char *left, const char *right)
{
    return nb_numbers_compare(left, strlen(left), right, strlen(right)) == NB_STEP_RIGHT ||
           nb_numbers_compare(left, without_percent(left), right, without_percent(right)) == NB_STEP_RIGHT;
}
