// SPDX-License-Identifier: Apache-2.0
#include "apps/tutor/traces/ratio.h"

#include <inttypes.h>
#include <stdio.h>

// Far above anything a problem shows, so that products of two still fit 128 bits with room.
#define LIMIT INT64_C(1000000000000000)

static nb_ratio reduced(__int128 num, __int128 den)
{
    nb_ratio bad = {0, 0};
    if (den == 0)
        return bad;
    if (den < 0) {
        num = -num;
        den = -den;
    }
    __int128 a = num < 0 ? -num : num, b = den;
    while (b) {
        __int128 rest = a % b;
        a = b;
        b = rest;
    }
    num /= a;
    den /= a;
    if (num > LIMIT || num < -LIMIT || den > LIMIT)
        return bad;
    return (nb_ratio){(int64_t)num, (int64_t)den};
}

nb_ratio nb_ratio_of(int64_t num, int64_t den)
{
    return reduced(num, den);
}

bool nb_ratio_is_whole(nb_ratio a)
{
    return a.den == 1;
}

static nb_ratio whole_division(nb_ratio a, char op, nb_ratio b)
{
    if (a.den != 1 || b.den != 1 || a.num < 0 || b.num <= 0)
        return (nb_ratio){0, 0};
    return (nb_ratio){op == '%' ? a.num % b.num : a.num / b.num, 1};
}

nb_ratio nb_ratio_apply(nb_ratio a, char op, nb_ratio b)
{
    if (a.den == 0 || b.den == 0)
        return (nb_ratio){0, 0};
    __int128 left = (__int128)a.num * b.den, right = (__int128)b.num * a.den, den = (__int128)a.den * b.den;
    switch (op) {
    case '+':
        return reduced(left + right, den);
    case '-':
        return reduced(left - right, den);
    case '*':
        return reduced((__int128)a.num * b.num, den);
    case '/':
    case ':':
        return reduced(left, right);
    default:
        return whole_division(a, op, b);
    }
}

int nb_ratio_compare(nb_ratio a, nb_ratio b)
{
    __int128 left = (__int128)a.num * b.den, right = (__int128)b.num * a.den;
    return (left > right) - (left < right);
}

int nb_ratio_places(nb_ratio a)
{
    int64_t power = 1;
    for (int places = 0; places <= NB_RATIO_MAX_PLACES; places++, power *= 10)
        if (a.den && power % a.den == 0)
            return places;
    return -1;
}

const char *nb_ratio_text(nb_ratio a, bool as_fraction, char text[NB_RATIO_TEXT_BYTES])
{
    int places = nb_ratio_places(a);
    if (a.den == 1) {
        snprintf(text, NB_RATIO_TEXT_BYTES, "%" PRId64, a.num);
    } else if (as_fraction || places < 0) {
        snprintf(text, NB_RATIO_TEXT_BYTES, "%" PRId64 "/%" PRId64, a.num, a.den);
    } else {
        int64_t power = 1;
        for (int i = 0; i < places; i++)
            power *= 10;
        int64_t scaled = (a.num < 0 ? -a.num : a.num) * (power / a.den);
        int n = snprintf(text, NB_RATIO_TEXT_BYTES, "%s%" PRId64 ".", a.num < 0 ? "-" : "", scaled / power);
        int64_t rest = scaled % power; // NB_RATIO_MAX_PLACES digits at most
        for (int i = places - 1; i >= 0; i--, rest /= 10)
            text[n + i] = (char)('0' + rest % 10);
        text[n + places] = '\0';
    }
    return text;
}

int nb_ratio_parts(nb_ratio a, nb_ratio parts[NB_RATIO_MAX_PARTS])
{
    int places = nb_ratio_places(a);
    if (places < 0 || a.num < 0)
        return -1;
    int64_t scale = 1;
    for (int i = 0; i < places; i++)
        scale *= 10;
    int64_t rest = a.num * (scale / a.den), power = 1;
    while (rest / power >= 10)
        power *= 10;
    int n_parts = 0;
    for (; power; power /= 10) {
        int64_t digit = rest / power % 10;
        if (digit)
            parts[n_parts++] = nb_ratio_of(digit * power, scale);
    }
    return n_parts;
}
