// SPDX-License-Identifier: Apache-2.0
// Values as text: str(), repr() and json.dumps() of Python; names of types, lengths, iteration.
#include "runtime/jinja_state.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

const char *nb_jval_type(nb_jval value)
{
    static const char *const names[] = {
        [NB_J_ABSENT] = "nothing",
        [NB_J_UNDEFINED] = "an undefined value",
        [NB_J_NONE] = "None",
        [NB_J_BOOL] = "a bool",
        [NB_J_INT] = "an integer",
        [NB_J_FLOAT] = "a float",
        [NB_J_STRING] = "a string",
        [NB_J_LIST] = "a list",
        [NB_J_TUPLE] = "a tuple",
        [NB_J_RANGE] = "a range",
        [NB_J_VIEW] = "a view of a dictionary",
        [NB_J_ITERATOR] = "an iterator",
        [NB_J_DICT] = "a dictionary",
        [NB_J_NAMESPACE] = "a namespace",
        [NB_J_LOOP] = "a loop",
        [NB_J_CALLABLE] = "a function",
    };
    return names[value.kind];
}

void nb_jinja_check_defined(nb_jinja *j, nb_jval value)
{
    if (value.kind == NB_J_UNDEFINED)
        nb_jinja_fail(j, "'%.*s' is undefined", (int)nb_min(value.n, 100), value.bytes);
}

// Digits and exponent of the shortest decimal that reads back as `real` (finite, not 0).
static int shortest_digits(double real, char digits[32], int *exponent)
{
    char text[40];
    for (int precision = 0; precision < 17; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, fabs(real));
        if (strtod(text, NULL) == fabs(real))
            break;
    }
    int n = 0;
    const char *c = text;
    for (; *c != 'e'; c++)
        if (*c != '.')
            digits[n++] = *c;
    while (n > 1 && digits[n - 1] == '0')
        n--;
    *exponent = atoi(c + 1);
    return n;
}

size_t nb_jinja_format_float(char *text, size_t capacity, double real)
{
    if (!isfinite(real))
        return (size_t)snprintf(text, capacity, "%s", isnan(real) ? "nan" : real < 0 ? "-inf" : "inf");
    const char *sign = signbit(real) ? "-" : "";
    if (real == 0)
        return (size_t)snprintf(text, capacity, "%s0.0", sign);
    char d[32];
    int exponent, n = shortest_digits(real, d, &exponent);
    if (exponent < -4 || exponent >= 16)
        return (size_t)snprintf(text, capacity, "%s%c%s%.*se%c%02d", sign, d[0], n > 1 ? "." : "", n - 1, d + 1,
                                exponent < 0 ? '-' : '+', abs(exponent));
    if (exponent < 0)
        return (size_t)snprintf(text, capacity, "%s0.%.*s%.*s", sign, -exponent - 1, "0000", n, d);
    if (n <= exponent + 1)
        return (size_t)snprintf(text, capacity, "%s%.*s%.*s.0", sign, n, d, exponent + 1 - n, "0000000000000000");
    return (size_t)snprintf(text, capacity, "%s%.*s.%.*s", sign, exponent + 1, d, n - exponent - 1, d + exponent + 1);
}

static void write_number(nb_jbuffer *b, nb_jval value)
{
    char text[64];
    size_t n = value.kind == NB_J_FLOAT ? nb_jinja_format_float(text, sizeof text, value.real)
                                        : (size_t)snprintf(text, sizeof text, "%" PRId64, value.integer);
    nb_jbuffer_add(b, text, n, value.mark);
}

static bool is_printable(int32_t code_point)
{
    switch (utf8proc_category(code_point)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return false;
    case UTF8PROC_CATEGORY_ZS:
        return code_point == ' ';
    default:
        return true;
    }
}

static void write_string_repr(nb_jbuffer *b, nb_jval s)
{
    bool has_single = s.n && memchr(s.bytes, '\'', s.n), has_double = s.n && memchr(s.bytes, '"', s.n);
    char quote = has_single && !has_double ? '"' : '\'';
    if (s.is_safe)
        nb_jbuffer_puts(b, "Markup(");
    nb_jbuffer_add(b, &quote, 1, NB_JMARK_TRUSTED);
    for (size_t i = 0; i < s.n;) {
        int32_t c;
        size_t n = nb_jtext_next(s.bytes + i, s.n - i, &c);
        char escape[16] = "";
        if (c == quote || c == '\\')
            snprintf(escape, sizeof escape, "\\%c", (char)c);
        else if (c == '\n' || c == '\r' || c == '\t')
            snprintf(escape, sizeof escape, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
        else if (!is_printable(c))
            snprintf(escape, sizeof escape, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned)c);
        if (escape[0])
            nb_jbuffer_add(b, escape, strlen(escape), s.marks[i]);
        else
            nb_jbuffer_add_string(b, nb_jval_slice(s, i, i + n));
        i += n;
    }
    nb_jbuffer_add(b, &quote, 1, NB_JMARK_TRUSTED);
    if (s.is_safe)
        nb_jbuffer_puts(b, ")");
}

static void write_items(nb_jbuffer *b, const nb_jlist *list, const char *open, const char *close)
{
    nb_jbuffer_puts(b, open);
    for (uint32_t i = 0; i < list->n; i++) {
        if (i)
            nb_jbuffer_puts(b, ", ");
        nb_jval_write_repr(b, list->items[i]);
    }
    nb_jbuffer_puts(b, close);
}

static void write_dict(nb_jbuffer *b, const nb_jdict *dict)
{
    nb_jbuffer_puts(b, "{");
    for (uint32_t i = 0; i < dict->n; i++) {
        if (i)
            nb_jbuffer_puts(b, ", ");
        nb_jval_write_repr(b, dict->keys[i]);
        nb_jbuffer_puts(b, ": ");
        nb_jval_write_repr(b, dict->values[i]);
    }
    nb_jbuffer_puts(b, "}");
}

static void write_container(nb_jbuffer *b, nb_jval value)
{
    nb_jinja_enter(b->j);
    switch ((nb_jkind)value.kind) {
    case NB_J_LIST:
        write_items(b, value.list, "[", "]");
        break;
    case NB_J_TUPLE:
        write_items(b, value.list, "(", value.list->n == 1 ? ",)" : ")");
        break;
    case NB_J_VIEW:
        nb_jbuffer_add_string(b, value.list->label);
        write_items(b, value.list, "([", "])");
        break;
    case NB_J_DICT:
        write_dict(b, value.dict);
        break;
    case NB_J_NAMESPACE:
        nb_jbuffer_puts(b, "<Namespace ");
        write_dict(b, value.dict);
        nb_jbuffer_puts(b, ">");
        break;
    default: // in Python this text holds a memory address
        nb_jinja_fail(b->j, "%s printed as text; expected a value, e.g. `| list` of an iterator", nb_jval_type(value));
    }
    nb_jinja_leave(b->j);
}

void nb_jval_write_repr(nb_jbuffer *b, nb_jval value)
{
    nb_jinja_charge(b->j, 1);
    switch ((nb_jkind)value.kind) {
    case NB_J_ABSENT:
        break;
    case NB_J_UNDEFINED:
        nb_jbuffer_puts(b, "Undefined");
        break;
    case NB_J_NONE:
        nb_jbuffer_add(b, "None", 4, value.mark);
        break;
    case NB_J_BOOL:
        nb_jbuffer_add(b, value.boolean ? "True" : "False", value.boolean ? 4 : 5, value.mark);
        break;
    case NB_J_INT:
    case NB_J_FLOAT:
        write_number(b, value);
        break;
    case NB_J_STRING:
        write_string_repr(b, value);
        break;
    case NB_J_RANGE:
        nb_jbuffer_add_string(b, value.list->label);
        break;
    default:
        write_container(b, value);
    }
}

void nb_jval_write(nb_jbuffer *b, nb_jval value)
{
    if (value.kind == NB_J_STRING)
        nb_jbuffer_add_string(b, value);
    else if (value.kind != NB_J_UNDEFINED)
        nb_jval_write_repr(b, value);
}

nb_jval nb_jval_str(nb_jinja *j, nb_jval value)
{
    if (value.kind == NB_J_STRING)
        return value;
    nb_jbuffer b = {.j = j};
    nb_jval_write(&b, value);
    return nb_jbuffer_take(&b);
}

// ---- length and iteration -----------------------------------------------------------------------------------------

bool nb_jval_has_length(nb_jval value)
{
    return value.kind == NB_J_UNDEFINED || value.kind == NB_J_DICT || value.kind == NB_J_LOOP ||
           (value.kind >= NB_J_STRING && value.kind <= NB_J_VIEW);
}

size_t nb_jval_length(nb_jinja *j, nb_jval value)
{
    if (!nb_jval_has_length(value))
        nb_jinja_fail(j, "length of %s; expected a string, list or dictionary", nb_jval_type(value));
    if (value.kind == NB_J_UNDEFINED)
        return 0;
    if (value.kind == NB_J_DICT)
        return value.dict->n;
    if (value.kind == NB_J_LOOP)
        return value.loop->items->n;
    if (value.kind != NB_J_STRING)
        return value.list->n;
    nb_jinja_charge(j, value.n / 64);
    size_t n = 0;
    for (size_t i = 0; i < value.n; i++)
        n += ((unsigned char)value.bytes[i] & 0xc0) != 0x80;
    return n;
}

bool nb_jval_is_iterable(nb_jval value)
{
    return value.kind == NB_J_UNDEFINED || value.kind == NB_J_DICT ||
           (value.kind >= NB_J_STRING && value.kind <= NB_J_ITERATOR);
}

static const nb_jlist *characters(nb_jinja *j, nb_jval string)
{
    nb_jval list = nb_jval_list(j, NB_J_LIST, nb_jval_length(j, string));
    for (size_t i = 0; i < string.n;) {
        int32_t c;
        size_t n = nb_jtext_next(string.bytes + i, string.n - i, &c);
        nb_jlist_push(j, list.list, nb_jval_slice(string, i, i + n));
        i += n;
    }
    nb_jinja_charge(j, list.list->n / 8);
    return list.list;
}

const nb_jlist *nb_jval_iterate(nb_jinja *j, nb_jval value)
{
    if (!nb_jval_is_iterable(value))
        nb_jinja_fail(j, "going through %s; expected a list, dictionary or string", nb_jval_type(value));
    if (value.kind == NB_J_STRING)
        return characters(j, value);
    nb_jlist *list = nb_jval_list(j, NB_J_LIST, 0).list;
    if (value.kind == NB_J_DICT) {
        list->items = value.dict->keys;
        list->n = list->capacity = value.dict->n;
    } else if (value.kind == NB_J_ITERATOR) {
        list->items = value.list->items ? value.list->items + value.list->position : NULL;
        list->n = list->capacity = value.list->n - value.list->position;
        value.list->position = value.list->n;
    } else if (value.kind != NB_J_UNDEFINED) {
        list = value.list;
    }
    nb_jinja_charge(j, list->n / 8);
    return list;
}
