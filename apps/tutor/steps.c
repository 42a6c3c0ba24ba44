// SPDX-License-Identifier: Apache-2.0
#include "apps/tutor/steps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/tutor/exact.h"

// ---- reading --------------------------------------------------------------------------------------------------------

typedef struct reader {
    const char *at, *end;
} reader;

typedef struct number {
    nb_span span;
    const char *slash; // NULL: no fraction
    bool is_negative, is_percent, is_long;
    // The digits alone, and how many of them stand behind the point.
    char digits[2][NB_STEP_MAX_DIGITS + 1];
    size_t n_digits[2], n_places;
} number;

static bool is_digit(const reader *in, size_t offset)
{
    return (size_t)(in->end - in->at) > offset && in->at[offset] >= '0' && in->at[offset] <= '9';
}

static bool takes(reader *in, const char *word)
{
    size_t bytes = strlen(word);
    if ((size_t)(in->end - in->at) < bytes || memcmp(in->at, word, bytes) != 0)
        return false;
    in->at += bytes;
    return true;
}

static void skip_spaces(reader *in)
{
    while (in->at < in->end && strchr(" \t\r\n", *in->at) && *in->at)
        in->at++;
}

static void take_digits(reader *in, number *into, int part)
{
    for (; is_digit(in, 0); in->at++)
        if (into->n_digits[part] < NB_STEP_MAX_DIGITS)
            into->digits[part][into->n_digits[part]++] = *in->at;
        else
            into->is_long = true;
}

// Groups of three behind commas, as in "1,250".
static bool has_group(const reader *in)
{
    return in->at < in->end && *in->at == ',' && is_digit(in, 1) && is_digit(in, 2) && is_digit(in, 3) &&
           !is_digit(in, 4);
}

static bool take_number(reader *in, number *into)
{
    reader start = *in;
    memset(into, 0, sizeof *into);
    into->is_negative = takes(in, "-") || takes(in, "−");
    (void)takes(in, "$");
    if (!is_digit(in, 0)) {
        *in = start;
        return false;
    }
    const char *first = in->at;
    take_digits(in, into, 0);
    while (in->at - first <= 3 + 4 * NB_STEP_MAX_DIGITS && has_group(in)) {
        in->at++;
        take_digits(in, into, 0);
    }
    if (in->at < in->end && *in->at == '.' && is_digit(in, 1)) {
        size_t before = into->n_digits[0];
        in->at++;
        take_digits(in, into, 0);
        into->n_places = into->n_digits[0] - before;
    }
    if (in->at < in->end && *in->at == '/' && is_digit(in, 1)) {
        into->slash = in->at++;
        take_digits(in, into, 1);
    }
    into->is_percent = takes(in, "%");
    into->span = (nb_span){start.at, (size_t)(in->at - start.at)};
    return true;
}

static char take_operator(reader *in)
{
    static const struct {
        const char *word;
        char op;
    } words[] = {{"+", '+'}, {"-", '-'}, {"−", '-'}, {"*", '*'}, {"x", '*'},
                 {"×", '*'}, {"·", '*'}, {"/", '/'}, {"÷", '/'}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (takes(in, words[i].word))
            return words[i].op;
    return 0;
}

// "12/4" as a step's left and right number.
static void split_fraction(number *left, number *right)
{
    memset(right, 0, sizeof *right);
    const char *end = left->span.text + left->span.bytes;
    memcpy(right->digits[0], left->digits[1], sizeof right->digits[0]);
    right->n_digits[0] = left->n_digits[1];
    right->is_long = left->is_long;
    right->is_percent = left->is_percent;
    right->span = (nb_span){left->slash + 1, (size_t)(end - left->slash) - 1};
    left->span.bytes = (size_t)(left->slash - left->span.text);
    left->slash = NULL;
    left->n_digits[1] = 0;
    left->is_percent = false;
}

size_t nb_operator_take(const char *text, size_t bytes, char *op)
{
    reader in = {text, text + bytes};
    *op = take_operator(&in);
    return (size_t)(in.at - text);
}

typedef struct step {
    number left, right, result;
    char op;
} step;

static bool take_step(reader *in, step *into)
{
    skip_spaces(in);
    if (!take_number(in, &into->left))
        return false;
    skip_spaces(in);
    into->op = take_operator(in);
    if (into->op) {
        skip_spaces(in);
        if (!take_number(in, &into->right))
            return false;
    } else {
        if (!into->left.slash)
            return false;
        into->op = '/';
        split_fraction(&into->left, &into->right);
    }
    skip_spaces(in);
    if (!takes(in, "="))
        return false;
    skip_spaces(in);
    if (!take_number(in, &into->result))
        return false;
    (void)takes(in, ".");
    skip_spaces(in);
    return in->at == in->end;
}

// ---- checking -------------------------------------------------------------------------------------------------------

// False: a zero below the line.
static bool set_value(mpq_t value, const number *from)
{
    if (from->is_long)
        return false;
    mpz_set_str(mpq_numref(value), from->digits[0], 10);
    mpz_ui_pow_ui(mpq_denref(value), 10, from->n_places + (from->is_percent ? 2 : 0));
    if (from->n_digits[1]) {
        mpz_t below;
        mpz_init_set_str(below, from->digits[1], 10);
        mpz_mul(mpq_denref(value), mpq_denref(value), below);
        mpz_clear(below);
    }
    if (mpz_sgn(mpq_denref(value)) == 0)
        return false;
    mpq_canonicalize(value);
    if (from->is_negative)
        mpq_neg(value, value);
    return true;
}

bool nb_numbers_apply(mpq_t left, char op, mpq_t right)
{
    if (op == '+')
        mpq_add(left, left, right);
    else if (op == '-')
        mpq_sub(left, left, right);
    else if (op == '*')
        mpq_mul(left, left, right);
    else if (mpq_sgn(right) == 0)
        return false;
    else
        mpq_div(left, left, right);
    return true;
}

static nb_step_verdict check(const step *from)
{
    mpq_t left, right, result;
    mpq_inits(left, right, result, NULL);
    nb_step_verdict verdict = NB_STEP_UNCHECKABLE;
    if (set_value(left, &from->left) && set_value(right, &from->right) && set_value(result, &from->result) &&
        nb_numbers_apply(left, from->op, right))
        verdict = mpq_equal(left, result) ? NB_STEP_RIGHT : NB_STEP_WRONG;
    mpq_clears(left, right, result, NULL);
    return verdict;
}

nb_step_verdict nb_step_check(const char *line, size_t bytes, nb_step_parts *parts)
{
    reader in = {line, line + bytes};
    step found;
    if (bytes == 0 || !take_step(&in, &found))
        return NB_STEP_NONE;
    if (parts)
        *parts = (nb_step_parts){found.left.span, found.right.span, found.result.span, found.op};
    return check(&found);
}

static bool number_of(nb_span span, number *into)
{
    reader in = {span.text, span.text + span.bytes};
    skip_spaces(&in);
    if (!take_number(&in, into))
        return false;
    skip_spaces(&in);
    return in.at == in.end;
}

bool nb_number_value(nb_span span, mpq_t value)
{
    number found;
    return number_of(span, &found) && set_value(value, &found);
}

// Decimal places that write the value exactly, or -1.
static long places_of(mpq_t value)
{
    mpz_t rest;
    mpz_init_set(rest, mpq_denref(value));
    long twos = 0, fives = 0;
    for (; mpz_divisible_ui_p(rest, 2); twos++)
        mpz_divexact_ui(rest, rest, 2);
    for (; mpz_divisible_ui_p(rest, 5); fives++)
        mpz_divexact_ui(rest, rest, 5);
    bool is_decimal = mpz_cmp_ui(rest, 1) == 0;
    mpz_clear(rest);
    return is_decimal ? (twos > fives ? twos : fives) : -1;
}

static bool write_decimal(mpq_t value, long places, char *text, size_t capacity)
{
    mpz_t whole, power;
    mpz_inits(whole, power, NULL);
    mpz_ui_pow_ui(power, 10, (unsigned long)places);
    mpz_mul(whole, mpq_numref(value), power);
    mpz_divexact(whole, whole, mpq_denref(value));
    bool is_negative = mpz_sgn(whole) < 0;
    mpz_tdiv_qr(whole, power, whole, power); // power: what stands behind the point
    mpz_abs(whole, whole);
    mpz_abs(power, power);
    int n = places ? gmp_snprintf(text, capacity, "%s%Zd.%0*Zd", is_negative ? "-" : "", whole, (int)places, power)
                   : gmp_snprintf(text, capacity, "%s%Zd", is_negative ? "-" : "", whole);
    mpz_clears(whole, power, NULL);
    return n >= 0 && (size_t)n < capacity;
}

bool nb_value_write(mpq_t value, char *text, size_t capacity)
{
    long places = places_of(value);
    if (places >= 0 && places <= 12)
        return write_decimal(value, places, text, capacity);
    int n = gmp_snprintf(text, capacity, "%Qd", value);
    return n >= 0 && (size_t)n < capacity;
}

bool nb_step_solve(const nb_step_parts *parts, char *text, size_t capacity)
{
    number left, right;
    if (!number_of(parts->left, &left) || !number_of(parts->right, &right))
        return false;
    mpq_t a, b;
    mpq_inits(a, b, NULL);
    bool is_solved = set_value(a, &left) && set_value(b, &right) && nb_numbers_apply(a, parts->op, b);
    is_solved = is_solved && nb_value_write(a, text, capacity);
    mpq_clears(a, b, NULL);
    return is_solved;
}

nb_step_verdict nb_numbers_compare(const char *left, size_t left_bytes, const char *right, size_t right_bytes)
{
    number numbers[2];
    if (!number_of((nb_span){left, left_bytes}, &numbers[0]) || !number_of((nb_span){right, right_bytes}, &numbers[1]))
        return NB_STEP_NONE;
    mpq_t a, b;
    mpq_inits(a, b, NULL);
    nb_step_verdict verdict = NB_STEP_UNCHECKABLE;
    if (set_value(a, &numbers[0]) && set_value(b, &numbers[1]))
        verdict = mpq_equal(a, b) ? NB_STEP_RIGHT : NB_STEP_WRONG;
    mpq_clears(a, b, NULL);
    return verdict;
}

// ---- the answer -----------------------------------------------------------------------------------------------------

bool nb_number_take(const char *text, size_t bytes, nb_span *span)
{
    reader in = {text, text + bytes};
    number found;
    if (!take_number(&in, &found))
        return false;
    *span = found.span;
    return true;
}

bool nb_answer_find(const char *text, size_t bytes, nb_span *answer)
{
    static const char *const marks[] = {"answer is", "\\boxed{"};
    const char *end = text + bytes;
    bool is_found = false;
    for (const char *at = text; at < end; at++)
        for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
            reader in = {at, end};
            number found;
            if (!takes(&in, marks[i]))
                continue;
            (void)takes(&in, ":");
            skip_spaces(&in);
            if (take_number(&in, &found)) {
                *answer = found.span;
                is_found = true;
            }
        }
    return is_found;
}
