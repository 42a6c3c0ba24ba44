// SPDX-License-Identifier: Apache-2.0
// Arithmetic as in Python, on 64-bit integers: what Python would widen is an error here.
#include "runtime/jinja_parse.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// The text without white space around and single underscores within, zero-terminated in `text`; false: too long or
// malformed.
static bool plain_number(nb_jinja *j, nb_jval string, char *text, size_t capacity)
{
    nb_jval s = nb_jtext_strip(j, string, nb_jval_none(), NB_JSTRIP_LEFT | NB_JSTRIP_RIGHT);
    size_t n = 0;
    if (s.n == 0 || s.n >= capacity)
        return false;
    for (uint32_t i = 0; i < s.n; i++) {
        bool is_joint = s.bytes[i] == '_';
        if (is_joint && (i == 0 || i + 1 == s.n || strchr("_+-.", s.bytes[i - 1]) || strchr("_+-.", s.bytes[i + 1])))
            return false;
        if (!is_joint)
            text[n++] = s.bytes[i];
    }
    text[n] = 0;
    return strlen(text) == n;
}

bool nb_jinja_parse_int(nb_jinja *j, nb_jval string, int base, int64_t *integer)
{
    char text[100], *end;
    if (!plain_number(j, string, text, sizeof text) || base < 2 || base > 36)
        return false;
    const char *digits = text + (text[0] == '-' || text[0] == '+');
    if (strchr(" \t\n\v\f\r+-", *digits))
        return false;
    errno = 0;
    long long value = strtoll(text, &end, base);
    *integer = value;
    return *end == 0 && errno == 0;
}

bool nb_jinja_parse_float(nb_jinja *j, nb_jval string, double *real)
{
    static const char *const words[] = {"inf", "infinity", "nan"};
    char text[400], *end;
    if (!plain_number(j, string, text, sizeof text))
        return false;
    const char *digits = text + (text[0] == '-' || text[0] == '+');
    bool is_word = false;
    for (size_t i = 0; i < NB_COUNT(words); i++)
        is_word |= strcasecmp(digits, words[i]) == 0;
    if (!is_word && strspn(digits, "0123456789.eE+-") != strlen(digits))
        return false; // strtod would also take hexadecimal
    *real = strtod(text, &end);
    return *end == 0;
}

static _Noreturn void fail_types(nb_jinja *j, const char *op, nb_jval a, nb_jval b)
{
    nb_jinja_check_defined(j, a);
    nb_jinja_check_defined(j, b);
    nb_jinja_fail(j, "%s of %s and %s; expected operands that go together", op, nb_jval_type(a), nb_jval_type(b));
}

static _Noreturn void fail_overflow(nb_jinja *j)
{
    nb_jinja_fail(j, "number too large; expected 64-bit integers");
}

static int64_t floor_divide(nb_jinja *j, int64_t a, int64_t b)
{
    if (b == 0)
        nb_jinja_fail(j, "division by zero");
    if (b == -1) {
        int64_t negated;
        if (__builtin_sub_overflow((int64_t)0, a, &negated))
            fail_overflow(j);
        return negated;
    }
    return a / b - (a % b != 0 && (a % b < 0) != (b < 0));
}

static int64_t int_power(nb_jinja *j, int64_t base, int64_t exponent)
{
    int64_t result = 1;
    bool overflow = false;
    for (; exponent > 0; exponent >>= 1) {
        if (exponent & 1)
            overflow |= __builtin_mul_overflow(result, base, &result);
        if (exponent > 1 && base != 0 && base != 1 && base != -1)
            overflow |= __builtin_mul_overflow(base, base, &base);
        if (overflow)
            fail_overflow(j);
    }
    return result;
}

static double float_modulo(double a, double b)
{
    double r = fmod(a, b);
    if (r != 0 && (r < 0) != (b < 0))
        r += b;
    else if (r == 0)
        r = copysign(0.0, b);
    return r;
}

static double float_floor_divide(double a, double b)
{
    double r = fmod(a, b), quotient = (a - r) / b;
    if (r != 0 && (r < 0) != (b < 0))
        quotient -= 1.0;
    if (quotient == 0)
        return copysign(0.0, a / b);
    double whole = floor(quotient);
    return quotient - whole > 0.5 ? whole + 1.0 : whole;
}

// Whole exponents only: no template takes roots, and libm's pow is not the same everywhere.
static double float_power(nb_jinja *j, double base, double exponent)
{
    if (floor(exponent) != exponent || fabs(exponent) > 100000)
        nb_jinja_fail(j, "**: expected a small whole exponent, found %g", exponent);
    if (base == 0 && exponent < 0)
        nb_jinja_fail(j, "division by zero");
    double power = 1, factor = base;
    for (int n = (int)fabs(exponent); n > 0; n >>= 1) {
        if (n & 1)
            power *= factor;
        factor *= factor;
    }
    if (isfinite(base) && !isfinite(power))
        nb_jinja_fail(j, "**: the result is out of range");
    return exponent < 0 ? 1 / power : power;
}

static nb_jval float_arithmetic(nb_jinja *j, int op, double a, double b)
{
    if (b == 0 && (op == NB_JT_DIV || op == NB_JT_FLOOR_DIV || op == NB_JT_MOD))
        nb_jinja_fail(j, "division by zero");
    switch (op) {
    case NB_JT_ADD:
        return nb_jval_float(a + b);
    case NB_JT_SUB:
        return nb_jval_float(a - b);
    case NB_JT_MUL:
        return nb_jval_float(a * b);
    case NB_JT_DIV:
        return nb_jval_float(a / b);
    case NB_JT_FLOOR_DIV:
        return nb_jval_float(float_floor_divide(a, b));
    case NB_JT_MOD:
        return nb_jval_float(float_modulo(a, b));
    default:
        break;
    }
    return nb_jval_float(float_power(j, a, b));
}

static nb_jval int_arithmetic(nb_jinja *j, int op, int64_t a, int64_t b)
{
    int64_t result = 0;
    bool overflow = false;
    switch (op) {
    case NB_JT_ADD:
        overflow = __builtin_add_overflow(a, b, &result);
        break;
    case NB_JT_SUB:
        overflow = __builtin_sub_overflow(a, b, &result);
        break;
    case NB_JT_MUL:
        overflow = __builtin_mul_overflow(a, b, &result);
        break;
    case NB_JT_FLOOR_DIV:
        result = floor_divide(j, a, b);
        break;
    case NB_JT_MOD:
        result = b == -1 ? 0 : a - b * floor_divide(j, a, b);
        break;
    case NB_JT_POW:
        if (b < 0)
            return float_arithmetic(j, op, (double)a, (double)b);
        result = int_power(j, a, b);
        break;
    default:
        return float_arithmetic(j, op, (double)a, (double)b);
    }
    if (overflow)
        fail_overflow(j);
    return nb_jval_int(result);
}

static nb_jval number_arithmetic(nb_jinja *j, int op, nb_jval a, nb_jval b)
{
    nb_jval result;
    if (nb_jval_is_int(a) && nb_jval_is_int(b))
        result = int_arithmetic(j, op, nb_jval_to_int(j, a, ""), nb_jval_to_int(j, b, ""));
    else
        result = float_arithmetic(j, op, nb_jval_to_float(a), nb_jval_to_float(b));
    result.mark = a.mark > b.mark ? a.mark : b.mark;
    return result;
}

static nb_jval repeat(nb_jinja *j, nb_jval sequence, int64_t times)
{
    if (times < 0)
        times = 0;
    if (times > NB_JINJA_MEMORY_BYTES_MAX)
        nb_jinja_fail(j, "repetition: expected at most %d times", NB_JINJA_MEMORY_BYTES_MAX);
    nb_jinja_charge(j, (size_t)times);
    if (sequence.kind == NB_J_STRING) {
        nb_jbuffer b = {.j = j};
        for (int64_t i = 0; i < times; i++)
            nb_jbuffer_add_string(&b, sequence);
        return nb_jbuffer_take(&b);
    }
    nb_jval list = nb_jval_list(j, (nb_jkind)sequence.kind, 0);
    for (int64_t i = 0; i < times; i++)
        for (uint32_t k = 0; k < sequence.list->n; k++)
            nb_jlist_push(j, list.list, sequence.list->items[k]);
    return list;
}

static bool is_sequence(nb_jval value)
{
    return value.kind == NB_J_STRING || value.kind == NB_J_LIST || value.kind == NB_J_TUPLE;
}

static nb_jval join_lists(nb_jinja *j, nb_jval a, nb_jval b)
{
    nb_jval list = nb_jval_list(j, (nb_jkind)a.kind, (size_t)a.list->n + b.list->n);
    for (uint32_t i = 0; i < a.list->n; i++)
        nb_jlist_push(j, list.list, a.list->items[i]);
    for (uint32_t i = 0; i < b.list->n; i++)
        nb_jlist_push(j, list.list, b.list->items[i]);
    nb_jinja_charge(j, list.list->n / 8);
    return list;
}

nb_jval nb_jinja_arithmetic(nb_jinja *j, int op, nb_jval a, nb_jval b)
{
    static const char *const names[] = {
        [NB_JT_ADD] = "+", [NB_JT_SUB] = "-",        [NB_JT_MUL] = "*",  [NB_JT_DIV] = "/",
        [NB_JT_MOD] = "%", [NB_JT_FLOOR_DIV] = "//", [NB_JT_POW] = "**",
    };
    if (nb_jval_is_number(a) && nb_jval_is_number(b))
        return number_arithmetic(j, op, a, b);
    if (op == NB_JT_ADD && a.kind == NB_J_STRING && b.kind == NB_J_STRING)
        return nb_jinja_add_strings(j, a, b);
    if (op == NB_JT_ADD && a.kind == b.kind && is_sequence(a))
        return join_lists(j, a, b);
    if (op == NB_JT_MUL && is_sequence(a) && nb_jval_is_int(b))
        return repeat(j, a, nb_jval_to_int(j, b, ""));
    if (op == NB_JT_MUL && is_sequence(b) && nb_jval_is_int(a))
        return repeat(j, b, nb_jval_to_int(j, a, ""));
    if (op == NB_JT_MOD && a.kind == NB_J_STRING) {
        nb_jlist one = {.items = &b, .n = 1};
        bool may_ignore =
            b.kind == NB_J_UNDEFINED || b.kind == NB_J_LIST || b.kind == NB_J_RANGE || b.kind == NB_J_DICT;
        return nb_jinja_percent_format(j, a, b.kind == NB_J_TUPLE ? b.list : &one, may_ignore);
    }
    fail_types(j, names[op], a, b);
}

nb_jval nb_jinja_negate(nb_jinja *j, nb_jval a)
{
    nb_jinja_check_defined(j, a);
    if (!nb_jval_is_number(a))
        nb_jinja_fail(j, "unary -: expected a number, found %s", nb_jval_type(a));
    nb_jval result =
        a.kind == NB_J_FLOAT ? nb_jval_float(-a.real) : int_arithmetic(j, NB_JT_SUB, 0, nb_jval_to_int(j, a, ""));
    result.mark = a.mark;
    return result;
}
