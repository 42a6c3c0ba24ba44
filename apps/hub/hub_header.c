// SPDX-License-Identifier: Apache-2.0
#include "apps/hub/hub_header.h"

#include <curl/curl.h>
#include <string.h>

static const char *skip_spaces(const char *text)
{
    return text + strspn(text, " \t");
}

static const uint64_t limit = UINT64_C(1) << 53; // no size or time exceeds it

// Decimal digits; false when there are none or they exceed the limit.
static bool take_number(const char **text, uint64_t *number)
{
    const char *s = *text;
    *number = 0;
    for (; *s >= '0' && *s <= '9' && *number <= limit; s++)
        *number = *number * 10 + (uint64_t)(*s - '0');
    bool is_good = s > *text && *number <= limit;
    *text = s;
    return is_good;
}

// The end of a parameter's value or token: past a quoted string, or up to ';' or ','.
static const char *skip_value(const char *text)
{
    if (*text != '"')
        return text + strcspn(text, ";,");
    for (text++; *text && *text != '"'; text++)
        if (*text == '\\' && text[1])
            text++;
    return *text ? text + 1 : text;
}

// One word of a rel value, which may hold several.
static bool has_next(const char *value, size_t bytes)
{
    size_t begin = bytes && value[0] == '"', end = bytes - (bytes > 1 && value[bytes - 1] == '"');
    for (size_t i = begin; i < end;) {
        size_t n = 0;
        while (i + n < end && value[i + n] != ' ')
            n++;
        if (n == 4 && curl_strnequal(value + i, "next", 4))
            return true;
        i += n + 1;
    }
    return false;
}

bool nb_hub_link_next(const char *value, char *url, size_t capacity)
{
    for (const char *s = skip_spaces(value); *s == '<';) {
        const char *target = s + 1;
        size_t bytes = strcspn(target, ">");
        if (target[bytes] == 0)
            return false;
        bool is_next = false;
        for (s = skip_spaces(target + bytes + 1); *s == ';'; s = skip_spaces(s)) {
            s = skip_spaces(s + 1);
            bool is_rel = curl_strnequal(s, "rel", 3) && *skip_spaces(s + 3) == '=';
            s += strcspn(s, "=;,");
            const char *start = *s == '=' ? skip_spaces(s + 1) : s;
            s = skip_value(start);
            is_next |= is_rel && has_next(start, (size_t)(s - start));
        }
        if (is_next && bytes > 0 && bytes < capacity) {
            memcpy(url, target, bytes);
            url[bytes] = 0;
            return true;
        }
        if (is_next || *s != ',')
            return false;
        s = skip_spaces(s + 1);
    }
    return false;
}

bool nb_hub_rate_limit(const char *value, uint64_t *n_left, uint64_t *reset_s)
{
    bool has_left = false, has_reset = false;
    const char *s = skip_value(skip_spaces(value));
    for (s = skip_spaces(s); *s == ';'; s = skip_spaces(s)) {
        s = skip_spaces(s + 1);
        char key = *s ? *s++ : 0;
        const char *digits = skip_spaces(s);
        if (*digits == '=')
            digits = skip_spaces(digits + 1);
        if (key == 'r')
            has_left = take_number(&digits, n_left);
        else if (key == 't')
            has_reset = take_number(&digits, reset_s);
        s = skip_value(digits);
    }
    return has_left && has_reset;
}

bool nb_hub_retry_after(const char *value, time_t now, uint64_t *wait_s)
{
    const char *s = skip_spaces(value);
    if (take_number(&s, wait_s))
        return *skip_spaces(s) == 0;
    if (strlen(value) > 64)
        return false;
    time_t then = curl_getdate(value, NULL);
    if (then == (time_t)-1 || (then > now && (uint64_t)(then - now) > limit))
        return false;
    *wait_s = then > now ? (uint64_t)(then - now) : 0;
    return true;
}

bool nb_hub_content_range(const char *value, uint64_t *first, uint64_t *last, uint64_t *total)
{
    const char *s = skip_spaces(value);
    if (!curl_strnequal(s, "bytes", 5) || s[5] != ' ')
        return false;
    s = skip_spaces(s + 5);
    if (!take_number(&s, first) || *s++ != '-' || !take_number(&s, last) || *s++ != '/')
        return false;
    *total = UINT64_MAX;
    bool is_open = *s == '*';
    s += is_open;
    return (is_open || take_number(&s, total)) && *skip_spaces(s) == 0 && *first <= *last && *last < *total;
}
