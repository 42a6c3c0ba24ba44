// SPDX-License-Identifier: Apache-2.0
#include "apps/tutor/tutor_question.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <utf8proc.h>

#include "apps/tutor/calculation.h"

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

static bool says_by_zero(const char *text)
{
    static const char *const words[] = {"divided by 0", "divided by zero"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        for (const char *at = text; (at = strcasestr(at, words[i])); at++) {
            const char *after = at + strlen(words[i]);
            if (!strchr(".,", *after) ? !(*after >= '0' && *after <= '9') : !(after[1] >= '0' && after[1] <= '9'))
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

// Looks at every calculation. False: one divides by zero.
static bool read_calculations(nb_question *question)
{
    size_t n_digits = count_digits(question->text, strlen(question->text)), n_found = 0, bytes;
    for (const char *at = question->text; *at; at += bytes) {
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
        }
        if (bytes == 0 || (found == NB_CALCULATION_NONE && *at == '('))
            bytes = 1; // what stands in parentheses may be one
    }
    if (n_found != 1)
        question->calculation[0] = question->value[0] = 0;
    return true;
}

bool nb_question_read(nb_question *question, const char *text, size_t bytes, char *why, size_t capacity)
{
    memset(question, 0, sizeof *question);
    if (!copy_text(question, text, &bytes, why, capacity) || !check_characters(question->text, bytes, why, capacity))
        return false;
    question->has_number = count_digits(question->text, bytes) > 0;
    if (!read_calculations(question) || says_by_zero(question->text))
        return refuse(why, capacity,
                      "a division by zero has no result; expected another divisor, found 0; try another question");
    return true;
}
