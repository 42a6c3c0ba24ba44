// SPDX-License-Identifier: Apache-2.0
#include "apps/tutor/traces/trace_text.h"

#include <stdarg.h>
#include <stdio.h>

typedef struct digits {
    nb_ratio parts[NB_RATIO_MAX_PARTS];
    int n;
} digits;

static digits digits_of(nb_ratio a)
{
    digits result;
    result.n = nb_ratio_parts(a, result.parts);
    return result;
}

static void add_text(nb_trace_text *trace, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add_text(nb_trace_text *trace, const char *format, ...)
{
    size_t room = sizeof trace->text - trace->bytes;
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(trace->text + trace->bytes, room, format, arguments);
    va_end(arguments);
    if (n < 0 || (size_t)n >= room)
        trace->is_bad = true;
    else
        trace->bytes += (size_t)n;
}

static void add_heading(nb_trace_text *trace, nb_ratio a, char op, nb_ratio b)
{
    char left[NB_RATIO_TEXT_BYTES], right[NB_RATIO_TEXT_BYTES];
    add_text(trace, "%s %c %s:\n", nb_ratio_text(a, trace->as_fractions, left), op,
             nb_ratio_text(b, trace->as_fractions, right));
}

static nb_ratio add_step(nb_trace_text *trace, nb_ratio a, char op, nb_ratio b)
{
    char texts[3][NB_RATIO_TEXT_BYTES];
    nb_ratio c = nb_ratio_apply(a, op, b);
    if (c.den == 0 || c.num < 0) {
        trace->is_bad = true;
        return c;
    }
    add_text(trace, "%s %c %s = %s\n", nb_ratio_text(a, trace->as_fractions, texts[0]), op,
             nb_ratio_text(b, trace->as_fractions, texts[1]), nb_ratio_text(c, trace->as_fractions, texts[2]));
    trace->n_steps++;
    trace->last = c;
    return c;
}

// a op b by the digits of b.
static nb_ratio by_digits(nb_trace_text *trace, nb_ratio a, char op, const digits *b)
{
    for (int i = 0; i < b->n; i++)
        a = add_step(trace, a, op, b->parts[i]);
    return a;
}

static nb_ratio sum_or_difference(nb_trace_text *trace, nb_ratio a, char op, nb_ratio b)
{
    digits right = digits_of(b);
    if (right.n <= 1 || (op == '+' && digits_of(a).n <= 1))
        return add_step(trace, a, op, b);
    add_heading(trace, a, op, b);
    return by_digits(trace, a, op, &right);
}

static bool is_power_of_ten(nb_ratio a)
{
    while (a.den == 1 && a.num >= 10 && a.num % 10 == 0)
        a.num /= 10;
    return a.den == 1 && a.num == 1;
}

static nb_ratio product(nb_trace_text *trace, nb_ratio a, nb_ratio b)
{
    digits left = digits_of(a), right = digits_of(b);
    if ((left.n <= 1 && right.n <= 1) || is_power_of_ten(a) || is_power_of_ten(b))
        return add_step(trace, a, '*', b);
    add_heading(trace, a, '*', b);
    const digits *outer = left.n < right.n ? &left : &right, *inner = left.n < right.n ? &right : &left;
    nb_ratio total = {0, 1};
    for (int i = 0; i < outer->n; i++)
        for (int j = 0; j < inner->n; j++) {
            nb_ratio part = add_step(trace, inner->parts[j], '*', outer->parts[i]);
            digits of_part = digits_of(part);
            total = i + j == 0 ? part : by_digits(trace, total, '+', &of_part);
        }
    return total;
}

// Takes the quotient's parts times b away from a and returns the rest. An exact division stops before the last
// difference, which would be 0.
static nb_ratio long_division(nb_trace_text *trace, nb_ratio a, nb_ratio b, const digits *quotient, bool is_exact)
{
    for (int i = 0; i < quotient->n; i++) {
        nb_ratio part = product(trace, quotient->parts[i], b);
        if (trace->is_bad || (is_exact && i == quotient->n - 1))
            break;
        digits of_part = digits_of(part);
        a = by_digits(trace, a, '-', &of_part);
    }
    return a;
}

static nb_ratio sum_of_parts(nb_trace_text *trace, const digits *quotient)
{
    nb_ratio total = quotient->parts[0];
    for (int i = 1; i < quotient->n; i++)
        total = add_step(trace, total, '+', quotient->parts[i]);
    return total;
}

static nb_ratio exact_quotient(nb_trace_text *trace, nb_ratio a, char op, nb_ratio b)
{
    trace->as_fractions = trace->as_fractions || op == ':';
    nb_ratio q = nb_ratio_apply(a, '/', b);
    digits quotient = digits_of(q);
    if (is_power_of_ten(b) || (trace->as_fractions && !nb_ratio_is_whole(q)) || quotient.n == 0 ||
        (quotient.n == 1 && digits_of(b).n == 1))
        return add_step(trace, a, '/', b);
    if (quotient.n < 0) {
        trace->is_bad = true;
        return q;
    }
    add_heading(trace, a, '/', b);
    long_division(trace, a, b, &quotient, true);
    return quotient.n == 1 ? add_step(trace, a, '/', b) : sum_of_parts(trace, &quotient);
}

static nb_ratio division_with_remainder(nb_trace_text *trace, nb_ratio a, char op, nb_ratio b)
{
    nb_ratio q = nb_ratio_apply(a, '\\', b);
    digits quotient = digits_of(q);
    if (q.den == 0 || quotient.n < 1 || nb_ratio_apply(a, '%', b).num == 0) {
        trace->is_bad = true; // nothing to divide, or no remainder: another kind of problem
        return q;
    }
    add_heading(trace, a, '/', b);
    nb_ratio rest = long_division(trace, a, b, &quotient, false);
    if (op == '%')
        return rest;
    return quotient.n == 1 ? add_step(trace, nb_ratio_apply(q, '*', b), '/', b) : sum_of_parts(trace, &quotient);
}

nb_ratio nb_trace_operation(nb_trace_text *trace, nb_ratio a, char op, nb_ratio b)
{
    nb_ratio bad = {0, 0};
    if (trace->is_bad || a.den == 0 || b.den == 0 || a.num < 0 || b.num < 0)
        trace->is_bad = true;
    else if (op == '+' || op == '-')
        return sum_or_difference(trace, a, op, b);
    else if (op == '*')
        return product(trace, a, b);
    else if (b.num == 0)
        trace->is_bad = true;
    else if (op == '%' || op == '\\')
        return division_with_remainder(trace, a, op, b);
    else
        return exact_quotient(trace, a, op, b);
    return bad;
}
