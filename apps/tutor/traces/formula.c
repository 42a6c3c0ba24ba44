// SPDX-License-Identifier: Apache-2.0
#include "apps/tutor/traces/formula.h"

#include <string.h>

// Ranges by level, in steps of `step` / `den`.
typedef struct size_range {
    int32_t low, high, step, den;
} size_range;

typedef struct size_class {
    char name;
    size_range levels[NB_LEVEL_MAX];
} size_class;

static const size_class sizes[] = {
    {'N', {{2, 10, 1, 1}, {3, 40, 1, 1}, {10, 99, 1, 1}, {25, 600, 1, 1}, {120, 6000, 1, 1}}}, // amounts
    {'M', {{2, 5, 1, 1}, {2, 9, 1, 1}, {3, 25, 1, 1}, {6, 75, 1, 1}, {12, 400, 1, 1}}},        // amounts in a group
    {'G', {{2, 5, 1, 1}, {2, 9, 1, 1}, {2, 12, 1, 1}, {3, 24, 1, 1}, {4, 48, 1, 1}}},          // groups
    {'S', {{2, 5, 1, 1}, {2, 6, 1, 1}, {2, 9, 1, 1}, {2, 12, 1, 1}, {3, 15, 1, 1}}},           // few
    {'B', {{2, 5, 1, 1}, {2, 9, 1, 1}, {2, 9, 1, 1}, {2, 12, 1, 1}, {3, 25, 1, 1}}},           // divisors
    {'T', {{1, 9, 1, 1}, {1, 9, 10, 1}, {2, 30, 10, 1}, {5, 90, 10, 1}, {2, 99, 50, 1}}},      // round numbers
    {'P', {{1, 9, 1, 1}, {2, 25, 1, 1}, {3, 60, 1, 2}, {5, 200, 1, 4}, {105, 9999, 1, 100}}},  // money
    {'U', {{1, 5, 1, 1}, {2, 9, 1, 1}, {2, 15, 1, 1}, {2, 24, 1, 4}, {9, 300, 1, 20}}},        // unit prices
    {'D', {{1, 9, 1, 1}, {2, 40, 1, 1}, {3, 150, 1, 10}, {25, 1500, 1, 100}, {101, 9999, 1, 100}}}, // measures
    {'C', {{1, 9, 10, 1}, {1, 9, 10, 1}, {1, 19, 5, 1}, {1, 19, 5, 1}, {2, 99, 1, 1}}},             // percentages
    {'Q', {{2, 4, 1, 1}, {2, 6, 1, 1}, {2, 9, 1, 1}, {2, 12, 1, 1}, {3, 15, 1, 1}}},                // denominators
};

typedef struct reader {
    nb_formula *formula;
    const char *at;
} reader;

static nb_ratio bad(void)
{
    return (nb_ratio){0, 0};
}

static nb_ratio draw(nb_formula *formula, char name)
{
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        if (sizes[i].name == name) {
            // Every level keeps some of the numbers of the one below.
            unsigned level = formula->level - (formula->level > NB_LEVEL_MIN && nb_chance_percent(formula->chance, 25));
            const size_range *range = &sizes[i].levels[level - NB_LEVEL_MIN];
            uint64_t n = (uint64_t)(range->high - range->low) + 1;
            int64_t value = range->low + (int64_t)nb_chance_below(formula->chance, n);
            return nb_ratio_of(value * range->step, range->den);
        }
    return bad();
}

static nb_ratio read_number(reader *in)
{
    int64_t num = 0, den = 1;
    bool has_point = false;
    for (; (*in->at >= '0' && *in->at <= '9') || (*in->at == '.' && !has_point); in->at++)
        if (*in->at == '.') {
            has_point = true;
        } else if (num < INT32_MAX && den < INT32_MAX) {
            num = num * 10 + (*in->at - '0');
            den *= has_point ? 10 : 1;
        } else {
            return bad();
        }
    return nb_ratio_of(num, den);
}

static nb_ratio read_operand(reader *in)
{
    char first = *in->at;
    if (first >= '0' && first <= '9')
        return read_number(in);
    if (first >= 'a' && first <= 'z') {
        in->at++;
        return in->formula->variables[first - 'a'];
    }
    if (first < 'A' || first > 'Z')
        return bad();
    in->at++;
    return draw(in->formula, first);
}

static nb_ratio read_sum(reader *in);

static nb_ratio read_primary(reader *in)
{
    if (*in->at != '(')
        return read_operand(in);
    in->at++;
    nb_ratio inner = read_sum(in);
    if (*in->at != ')')
        return bad();
    in->at++;
    return inner;
}

static nb_ratio read_factor(reader *in)
{
    nb_ratio low = read_primary(in);
    if (*in->at != '~')
        return low;
    in->at++;
    nb_ratio high = read_primary(in);
    if (low.den != 1 || high.den != 1 || high.num < low.num)
        return bad();
    uint64_t n = (uint64_t)(high.num - low.num) + 1;
    return nb_ratio_of(low.num + (int64_t)nb_chance_below(in->formula->chance, n), 1);
}

static nb_ratio apply(const reader *in, nb_ratio a, char op, nb_ratio b)
{
    if (in->formula->trace)
        return nb_trace_operation(in->formula->trace, a, op, b);
    return nb_ratio_apply(a, op, b);
}

static nb_ratio read_term(reader *in)
{
    nb_ratio value = read_factor(in);
    while (*in->at && strchr("*/:\\%", *in->at)) {
        char op = *in->at++;
        value = apply(in, value, op, read_factor(in));
    }
    return value;
}

static nb_ratio read_sum(reader *in)
{
    nb_ratio value = read_term(in);
    while (*in->at == '+' || *in->at == '-') {
        char op = *in->at++;
        value = apply(in, value, op, read_term(in));
    }
    return value;
}

nb_ratio nb_formula_value(nb_formula *formula, const char *text)
{
    reader in = {formula, text};
    nb_ratio value = read_sum(&in);
    return *in.at ? bad() : value;
}

static bool holds(nb_ratio a, char comparison, nb_ratio b)
{
    if (a.den == 0 || b.den == 0)
        return false;
    int order = nb_ratio_compare(a, b);
    return comparison == '<' ? order < 0 : comparison == '>' ? order > 0 : comparison == '!' && order != 0;
}

static bool read_definition(reader *in)
{
    if (in->at[0] >= 'a' && in->at[0] <= 'z' && in->at[1] == '=') {
        nb_ratio *variable = &in->formula->variables[in->at[0] - 'a'];
        in->at += 2;
        *variable = read_sum(in);
        return variable->den != 0 && variable->num >= 0;
    }
    nb_ratio left = read_sum(in);
    char comparison = *in->at;
    if (!comparison)
        return false;
    in->at++;
    return holds(left, comparison, read_sum(in));
}

bool nb_formula_define(nb_formula *formula, const char *definitions)
{
    reader in = {formula, definitions};
    while (read_definition(&in)) {
        if (*in.at == '\0')
            return true;
        if (*in.at++ != ';')
            return false;
    }
    return false;
}
