// SPDX-License-Identifier: Apache-2.0
#include "apps/tutor/tutor_sources.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

void nb_sources_release(nb_sources *sources)
{
    nb_growing_release(&sources->numbers);
}

static void keep(nb_sources *sources, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (text[i] != ',')
            nb_growing_add(&sources->numbers, &text[i], 1);
    nb_growing_add(&sources->numbers, "", 1);
}

// ---- reading --------------------------------------------------------------------------------------------------------

static const struct {
    const char *word, *numbers; // separated by spaces
} words[] = {
    {"one", "1"},       {"two", "2"},        {"three", "3"},       {"four", "4"},        {"five", "5"},
    {"six", "6"},       {"seven", "7"},      {"eight", "8"},       {"nine", "9"},        {"ten", "10"},
    {"eleven", "11"},   {"twelve", "12"},    {"thirteen", "13"},   {"fourteen", "14"},   {"fifteen", "15"},
    {"sixteen", "16"},  {"seventeen", "17"}, {"eighteen", "18"},   {"nineteen", "19"},   {"twenty", "20"},
    {"thirty", "30"},   {"forty", "40"},     {"fifty", "50"},      {"sixty", "60"},      {"seventy", "70"},
    {"eighty", "80"},   {"ninety", "90"},    {"hundred", "100"},   {"half", "2 1/2"},    {"halves", "2"},
    {"third", "3 1/3"}, {"thirds", "3"},     {"quarter", "4 1/4"}, {"quarters", "4"},    {"fifth", "5 1/5"},
    {"dozen", "12"},    {"dozens", "12"},    {"twice", "2"},       {"double", "2"},      {"doubled", "2"},
    {"triple", "3"},    {"tripled", "3"},    {"pair", "2"},        {"pairs", "2"},       {"couple", "2"},
    {"both", "2"},      {"noon", "12"},      {"midnight", "12"},   {"thousand", "1000"},
};

static void keep_word(nb_sources *sources, const char *text, size_t bytes)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strlen(words[i].word) != bytes || strncasecmp(words[i].word, text, bytes) != 0)
            continue;
        for (const char *number = words[i].numbers; *number;) {
            size_t n = strcspn(number, " ");
            keep(sources, number, n);
            number += n + (number[n] == ' ');
        }
    }
}

// "twenty-five": the word before the hyphen is a whole ten, the one behind it has one digit.
static void keep_compound(nb_sources *sources, const char *text, size_t bytes, const char *end)
{
    const char *numbers[2] = {NULL, NULL};
    const char *second = text + bytes + 1;
    size_t n = 0;
    while (second + n < end && isalpha((unsigned char)second[n]))
        n++;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strlen(words[i].word) == bytes && strncasecmp(words[i].word, text, bytes) == 0)
            numbers[0] = words[i].numbers;
        if (n && strlen(words[i].word) == n && strncasecmp(words[i].word, second, n) == 0)
            numbers[1] = words[i].numbers;
    }
    if (numbers[0] && numbers[1] && strlen(numbers[0]) == 2 && numbers[0][1] == '0' && strlen(numbers[1]) == 1)
        keep(sources, (char[]){numbers[0][0], numbers[1][0]}, 2);
}

static size_t digits(const char *text, size_t bytes)
{
    size_t n = 0;
    while (n < bytes && isdigit((unsigned char)text[n]))
        n++;
    return n;
}

// Digits with separators and a point: "1,250.50".
static size_t decimal(const char *text, size_t bytes)
{
    size_t n = digits(text, bytes);
    while (n + 3 < bytes && text[n] == ',' && digits(text + n + 1, bytes - n - 1) == 3)
        n += 4;
    if (n + 1 < bytes && text[n] == '.' && isdigit((unsigned char)text[n + 1]))
        n += 1 + digits(text + n + 1, bytes - n - 1);
    return n;
}

void nb_sources_add(nb_sources *sources, const char *text, size_t bytes)
{
    for (size_t at = 0; at < bytes;) {
        size_t n = decimal(text + at, bytes - at);
        if (n) {
            keep(sources, text + at, n);
            size_t below =
                at + n + 1 < bytes && text[at + n] == '/' ? digits(text + at + n + 1, bytes - at - n - 1) : 0;
            if (below)
                keep(sources, text + at, n + 1 + below);
        } else {
            while (at + n < bytes && isalpha((unsigned char)text[at + n]))
                n++;
            keep_word(sources, text + at, n);
            if (n && at + n < bytes && (text[at + n] == '-' || text[at + n] == ' '))
                keep_compound(sources, text + at, n, text + bytes);
        }
        at += n ? n : 1;
    }
}

// ---- looking up -----------------------------------------------------------------------------------------------------

static nb_span bare(nb_span number)
{
    for (; number.bytes && strchr("$-", number.text[0]); number.text++)
        number.bytes--;
    while (number.bytes && number.text[number.bytes - 1] == '%')
        number.bytes--;
    return number;
}

// The digit of a decimal at a place: 0 the ones, 1 the tens, -1 the tenths.
static char digit_at(const char *text, size_t bytes, int place)
{
    const char *point = memchr(text, '.', bytes);
    long whole = point ? point - text : (long)bytes, at = place >= 0 ? whole - 1 - place : whole - place;
    return at >= 0 && at < (long)bytes ? text[at] : '0';
}

static bool is_part(nb_span part, const char *of)
{
    enum { PLACES = 40 };
    size_t n_of = strlen(of);
    if (part.bytes > PLACES || n_of > PLACES || memchr(part.text, '/', part.bytes) || strchr(of, '/'))
        return false;
    for (int place = -PLACES; place < PLACES; place++) {
        char digit = digit_at(part.text, part.bytes, place);
        if (digit != '0' && digit != digit_at(of, n_of, place))
            return false;
    }
    return true;
}

static bool is_constant(nb_span number, bool is_sum)
{
    static const char *const sums[] = {"0", "1", "12", "24", "60", "100"};
    static const char *const products[] = {"0",  "1",  "2",  "3",  "4",   "7",   "10",  "12",
                                           "24", "30", "52", "60", "100", "365", "1000"};
    const char *const *list = is_sum ? sums : products;
    size_t n = is_sum ? sizeof sums / sizeof sums[0] : sizeof products / sizeof products[0];
    for (size_t i = 0; i < n; i++)
        if (strlen(list[i]) == number.bytes && memcmp(list[i], number.text, number.bytes) == 0)
            return true;
    return false;
}

static bool has_source(const nb_sources *sources, nb_span number, bool is_sum)
{
    char plain[NB_STEP_MAX_DIGITS + 8];
    size_t n = 0;
    nb_span naked = bare(number);
    if (naked.bytes >= sizeof plain)
        return true; // nothing is said of it
    for (size_t i = 0; i < naked.bytes; i++)
        if (naked.text[i] != ',')
            plain[n++] = naked.text[i];
    nb_span wanted = {plain, n};
    if (is_constant(wanted, is_sum))
        return true;
    const char *end = sources->numbers.text + sources->numbers.bytes;
    for (const char *known = sources->numbers.text; known < end; known += strlen(known) + 1)
        if (is_part(wanted, known) ||
            nb_numbers_compare(wanted.text, wanted.bytes, known, strlen(known)) == NB_STEP_RIGHT)
            return true;
    return false;
}

nb_span nb_sources_missing(const nb_sources *sources, const nb_step_parts *parts)
{
    bool is_sum = parts->op == '+' || parts->op == '-';
    bool has_left = has_source(sources, parts->left, is_sum), has_right = has_source(sources, parts->right, is_sum);
    if (!has_left && (parts->op != '*' || !has_right))
        return parts->left;
    if (!has_right && is_sum)
        return parts->right;
    return (nb_span){NULL, 0};
}
