// SPDX-License-Identifier: Apache-2.0
#include "apps/tutor/calculation.h"

#include <string.h>

#include "apps/tutor/exact.h"

// So many numbers of NB_STEP_MAX_DIGITS digits are multiplied in no time.
enum { MAX_NUMBERS = 64, MAX_DEPTH = 16 };

typedef struct reader {
    const char *at, *end;
    size_t n_numbers, n_operations, depth;
    bool is_by_zero, is_too_large;
} reader;

static char peek(reader *in)
{
    while (in->at < in->end && *in->at == ' ')
        in->at++;
    return in->at < in->end ? *in->at : '\0';
}

static bool takes(reader *in, char c)
{
    if (!c || peek(in) != c)
        return false;
    in->at++;
    return true;
}

// The operator that stands next, taken when it is one of `wanted`; else zero.
static char take_operator(reader *in, const char *wanted)
{
    char op = 0;
    (void)peek(in);
    size_t bytes = nb_operator_take(in->at, (size_t)(in->end - in->at), &op);
    if (!bytes || !strchr(wanted, op))
        return 0;
    in->at += bytes;
    in->n_operations++;
    return op;
}

static bool read_sum(reader *in, mpq_t value);

static bool read_group(reader *in, mpq_t value)
{
    const char *begin = in->at;
    bool is_negative = takes(in, '-');
    if (!takes(in, '(')) {
        in->at = begin;
        return false;
    }
    if (in->depth++ == MAX_DEPTH)
        in->is_too_large = true;
    bool is_read = !in->is_too_large && read_sum(in, value) && takes(in, ')');
    in->depth--;
    if (is_read && is_negative)
        mpq_neg(value, value);
    return is_read;
}

static bool is_all_zeros(const char *begin, const char *end)
{
    while (begin < end && *begin == '0')
        begin++;
    return begin == end;
}

// A fraction as a divisor, or with a percent sign, can be read in two ways.
static bool read_factor(reader *in, mpq_t value, bool is_divisor)
{
    nb_span number;
    char next = peek(in);
    if (next == '(' || (next == '-' && in->end - in->at > 1 && in->at[1] == '('))
        return read_group(in, value);
    if (!nb_number_take(in->at, (size_t)(in->end - in->at), &number))
        return false;
    in->at += number.bytes;
    const char *slash = memchr(number.text, '/', number.bytes);
    if (slash && (is_divisor || number.text[number.bytes - 1] == '%'))
        return false;
    in->n_operations += slash != NULL; // "12/4" is a division too
    in->is_too_large |= ++in->n_numbers > MAX_NUMBERS;
    if (!in->is_too_large && nb_number_value(number, value))
        return true;
    in->is_by_zero |= slash && is_all_zeros(slash + 1, in->at);
    in->is_too_large |= !in->is_by_zero;
    return false;
}

static bool read_product(reader *in, mpq_t value)
{
    if (!read_factor(in, value, false))
        return false;
    mpq_t factor;
    mpq_init(factor);
    bool is_read = true;
    for (char op; is_read && (op = take_operator(in, "*/"));) {
        is_read = read_factor(in, factor, op == '/');
        if (is_read && !nb_numbers_apply(value, op, factor))
            is_read = !(in->is_by_zero = true);
    }
    mpq_clear(factor);
    return is_read;
}

static bool read_sum(reader *in, mpq_t value)
{
    if (!read_product(in, value))
        return false;
    mpq_t product;
    mpq_init(product);
    bool is_read = true;
    for (char op; is_read && (op = take_operator(in, "+-"));)
        is_read = read_product(in, product) && nb_numbers_apply(value, op, product);
    mpq_clear(product);
    return is_read;
}

nb_calculation nb_calculation_solve(const char *text, size_t bytes, char *value, size_t capacity)
{
    reader in = {.at = text, .end = text + bytes};
    mpq_t sum;
    mpq_init(sum);
    bool is_read = read_sum(&in, sum) && peek(&in) == '\0' && in.at == in.end && in.n_operations > 0;
    nb_calculation found = is_read           ? NB_CALCULATION_SOLVED
                           : in.is_by_zero   ? NB_CALCULATION_BY_ZERO
                           : in.is_too_large ? NB_CALCULATION_TOO_LARGE
                                             : NB_CALCULATION_NONE;
    if (is_read && !nb_value_write(sum, value, capacity))
        found = NB_CALCULATION_TOO_LARGE;
    mpq_clear(sum);
    return found;
}
