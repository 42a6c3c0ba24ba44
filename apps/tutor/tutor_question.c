// SPDX-License-Identifier: Apache-2.0
#include "apps/tutor/tutor_question.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <utf8proc.h>

#include "apps/tutor/calculation.h"
#include "apps/tutor/exact.h"
#include "apps/tutor/tutor_sources.h"

static bool refuse(char *why, size_t capacity, const char *what)
{
    snprintf(why, capacity, "%s", what);
    return false;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool copy_text(nb_question *question, const char *text, size_t *n_bytes, char *why, size_t capacity)
{
    size_t bytes = *n_bytes;
    for (; bytes > 0 && is_space(text[0]); text++)
        bytes--;
    for (; bytes > 0 && is_space(text[bytes - 1]);)
        bytes--;
    if (bytes == 0)
        return refuse(why, capacity,
                      "the question is empty; expected some text, found none; try -p \"What is 2 + 3?\"");
    if (bytes > NB_QUESTION_MAX_BYTES) {
        snprintf(why, capacity, "the question is too long; expected at most %d bytes, found %zu; try a shorter one",
                 NB_QUESTION_MAX_BYTES, bytes);
        return false;
    }
    for (size_t i = 0; i < bytes; i++)
        question->text[i] = is_space(text[i]) ? ' ' : text[i];
    question->text[bytes] = 0;
    *n_bytes = bytes;
    return true;
}

static bool check_characters(const char *text, size_t bytes, char *why, size_t capacity)
{
    for (size_t at = 0; at < bytes;) {
        utf8proc_int32_t character;
        utf8proc_ssize_t n =
            utf8proc_iterate((const utf8proc_uint8_t *)text + at, (utf8proc_ssize_t)(bytes - at), &character);
        if (n <= 0) {
            snprintf(why, capacity, "the question is not text; expected UTF-8, found byte 0x%02x at %zu",
                     (unsigned)(unsigned char)text[at], at);
            return false;
        }
        if (utf8proc_category(character) == UTF8PROC_CATEGORY_CC) {
            snprintf(why, capacity, "the question is not text; expected no control character, found U+%04X at %zu",
                     (unsigned)character, at);
            return false;
        }
        at += (size_t)n;
    }
    return true;
}

// ---- calculations --------------------------------------------------------------------------------------------------

// How many bytes of a calculation's characters stand here.
static size_t calculation_bytes(const char *text)
{
    static const char *const signs[] = {"×", "·", "÷", "−"};
    size_t n = 0;
    for (;;) {
        size_t plain = strspn(text + n, "0123456789.,$%/+-*x() ");
        n += plain;
        size_t i = 0;
        while (i < sizeof signs / sizeof signs[0] && strncmp(text + n, signs[i], strlen(signs[i])) != 0)
            i++;
        if (i == sizeof signs / sizeof signs[0])
            return n;
        n += strlen(signs[i]);
    }
}

static size_t trimmed(const char *text, size_t bytes)
{
    while (bytes > 0 && strchr(" .,(", text[bytes - 1]))
        bytes--;
    return bytes;
}

// A zero and nothing else: "0", "0.00" or "zero", but not "0.5".
static bool is_zero(const char *text)
{
    size_t n = text[0] == '0' ? strspn(text, "0.,") : 0;
    if (n > 0)
        return !(text[n] >= '0' && text[n] <= '9');
    return strncasecmp(text, "zero", 4) == 0 && !((text[4] | 32) >= 'a' && (text[4] | 32) <= 'z');
}

// "Divide 8 by 0", "12 divided by zero", "shared among 0 children".
static bool says_by_zero(const char *text)
{
    static const char *const ways[][2] = {
        {"divid", " by "}, {"divid", " among "}, {"divid", " into "}, {"shar", " among "}, {"split", " into "}};
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
        for (const char *at = text; (at = strcasestr(at, ways[i][0])); at++) {
            const char *by = strcasestr(at, ways[i][1]), *end = strstr(at, ". "); // of the sentence
            if (by && (!end || by < end) && is_zero(by + strlen(ways[i][1])))
                return true;
        }
    return false;
}

static size_t count_digits(const char *text, size_t bytes)
{
    size_t n = 0;
    for (size_t i = 0; i < bytes; i++)
        n += text[i] >= '0' && text[i] <= '9';
    return n;
}

// Copies a calculation with spaces around those of `signs` that stand behind a number or group; `out` has room for
// three times its bytes. True: there was such a sign.
static bool space_signs(const char *text, size_t bytes, const char *signs, char *out, size_t *n_out)
{
    size_t n = 0;
    char left = 0;
    bool has_sign = false;
    for (size_t i = 0, taken; i < bytes; i += taken) {
        char op = 0;
        taken = nb_operator_take(text + i, bytes - i, &op);
        bool is_sign = taken && left && strchr("0123456789.%)", left) && strchr(signs, op);
        taken = taken ? taken : 1;
        if (is_sign && out[n - 1] != ' ')
            out[n++] = ' ';
        memcpy(out + n, text + i, taken);
        n += taken;
        if (text[i] != ' ')
            left = text[i];
        if (is_sign && i + taken < bytes && text[i + taken] != ' ')
            out[n++] = ' ';
        has_sign |= is_sign;
    }
    *n_out = n;
    return has_sign;
}

// "347+285" becomes "347 + 285", as problems are written that models learn from. A "/" beside other signs is a
// fraction's.
static void space_calculation(char *text, size_t bytes)
{
    char out[3 * NB_VALUE_BYTES];
    size_t n;
    if (!space_signs(text, bytes, "+-*", out, &n))
        (void)space_signs(text, bytes, "/", out, &n);
    memmove(text + n, text + bytes, strlen(text + bytes) + 1);
    memcpy(text, out, n);
}

// Looks at every calculation. False: one divides by zero.
static bool read_calculations(nb_question *question)
{
    size_t n_digits = count_digits(question->text, strlen(question->text)), n_found = 0, bytes;
    char *solved = NULL;
    for (char *at = question->text; *at; at += bytes) {
        char value[NB_VALUE_BYTES];
        bytes = *at == ' ' ? 0 : calculation_bytes(at);
        size_t n = trimmed(at, bytes);
        bool is_word = at > question->text && ((at[-1] | 32) >= 'a' && (at[-1] | 32) <= 'z');
        nb_calculation found = is_word ? NB_CALCULATION_NONE : nb_calculation_solve(at, n, value, sizeof value);
        if (found == NB_CALCULATION_BY_ZERO)
            return false;
        n_found += found != NB_CALCULATION_NONE;
        if (found == NB_CALCULATION_SOLVED && n < NB_VALUE_BYTES && count_digits(at, n) == n_digits) {
            memcpy(question->value, value, sizeof value);
            snprintf(question->calculation, sizeof question->calculation, "%.*s", (int)n, at);
            solved = at;
        }
        if (bytes == 0 || (found == NB_CALCULATION_NONE && *at == '('))
            bytes = 1; // what stands in parentheses may be one
    }
    if (n_found != 1)
        question->calculation[0] = question->value[0] = 0;
    else if (solved)
        space_calculation(solved, strlen(question->calculation));
    return true;
}

static bool has_number(const char *text)
{
    nb_sources sources = {.numbers = {0}};
    nb_sources_add(&sources, text, strlen(text));
    bool is_there = sources.numbers.bytes > 0;
    nb_sources_release(&sources);
    return is_there;
}

bool nb_question_read(nb_question *question, const char *text, size_t bytes, char *why, size_t capacity)
{
    memset(question, 0, sizeof *question);
    if (!copy_text(question, text, &bytes, why, capacity) || !check_characters(question->text, bytes, why, capacity))
        return false;
    question->has_number = has_number(question->text);
    if (!read_calculations(question) || says_by_zero(question->text))
        return refuse(why, capacity,
                      "a division by zero has no result; expected another divisor, found 0; try another question");
    return true;
}
