// SPDX-License-Identifier: Apache-2.0
// Methods of dictionaries, lists and the loop variable, and the % formatting of strings. Methods that would change a
// list or dictionary do not exist, as in jinja2's immutable sandbox.
#include "runtime/jinja_state.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static nb_jval dict_get(const nb_jcall *c)
{
    const nb_jval *value = nb_jdict_get(c->j, c->self.dict, c->a[0]);
    if (value)
        return *value;
    return c->a[1].kind == NB_J_ABSENT ? nb_jval_none() : c->a[1];
}

static nb_jval view(const nb_jcall *c, const char *label)
{
    nb_jval list = nb_jval_list(c->j, NB_J_VIEW, c->self.dict->n);
    list.list->label = nb_jval_literal(c->j, label);
    nb_jinja_charge(c->j, c->self.dict->n / 8);
    return list;
}

static nb_jval dict_keys(const nb_jcall *c)
{
    nb_jval keys = view(c, "dict_keys");
    for (uint32_t i = 0; i < c->self.dict->n; i++)
        nb_jlist_push(c->j, keys.list, c->self.dict->keys[i]);
    return keys;
}

static nb_jval dict_values(const nb_jcall *c)
{
    nb_jval values = view(c, "dict_values");
    for (uint32_t i = 0; i < c->self.dict->n; i++)
        nb_jlist_push(c->j, values.list, c->self.dict->values[i]);
    return values;
}

static nb_jval dict_items(const nb_jcall *c)
{
    nb_jval items = view(c, "dict_items");
    for (uint32_t i = 0; i < c->self.dict->n; i++)
        nb_jlist_push(c->j, items.list, nb_jval_pair(c->j, c->self.dict->keys[i], c->self.dict->values[i]));
    return items;
}

static nb_jval copy(const nb_jcall *c)
{
    return c->self; // nothing can change it
}

static nb_jval list_count(const nb_jcall *c)
{
    int64_t n = 0;
    for (uint32_t i = 0; i < c->self.list->n; i++)
        n += nb_jval_equal(c->j, c->self.list->items[i], c->a[0]);
    return nb_jval_int(n);
}

static nb_jval list_index(const nb_jcall *c)
{
    for (uint32_t i = 0; i < c->self.list->n; i++)
        if (nb_jval_equal(c->j, c->self.list->items[i], c->a[0]))
            return nb_jval_int(i);
    nb_jinja_fail(c->j, "index: expected an item of the list, found another");
}

static nb_jval loop_cycle(const nb_jcall *c)
{
    if (c->args->n == 0)
        nb_jinja_fail(c->j, "loop.cycle: expected values, found none");
    return c->args->items[c->self.loop->index % c->args->n];
}

static nb_jval loop_changed(const nb_jcall *c)
{
    nb_jval values = nb_jval_list(c->j, NB_J_TUPLE, c->args->n);
    for (uint32_t i = 0; i < c->args->n; i++)
        nb_jlist_push(c->j, values.list, c->args->items[i]);
    bool changed =
        c->self.loop->last_changed.kind == NB_J_ABSENT || !nb_jval_equal(c->j, c->self.loop->last_changed, values);
    c->self.loop->last_changed = values;
    return nb_jval_bool(changed);
}

const nb_jbuiltin nb_jinja_collection_methods[] = {
    {"dict.get", "key default", 1, dict_get}, {"dict.keys", "", 0, dict_keys}, {"dict.values", "", 0, dict_values},
    {"dict.items", "", 0, dict_items},        {"dict.copy", "", 0, copy},      {"list.count", "value", 1, list_count},
    {"list.index", "value", 1, list_index},   {"list.copy", "", 0, copy},      {"loop.cycle", "*", 0, loop_cycle},
    {"loop.changed", "*", 0, loop_changed},
};
const size_t nb_jinja_n_collection_methods = NB_COUNT(nb_jinja_collection_methods);

// ---- % ------------------------------------------------------------------------------------------------------------

typedef struct directive {
    char flags[8];
    int width, precision; // -1: not given
    char conversion;
} directive;

static size_t read_number(nb_jval s, size_t at, int *number)
{
    *number = 0;
    for (; at < s.n && s.bytes[at] >= '0' && s.bytes[at] <= '9'; at++)
        if (*number < 10000)
            *number = 10 * *number + (s.bytes[at] - '0');
    return at;
}

static size_t read_directive(nb_jinja *j, nb_jval s, size_t at, directive *d)
{
    *d = (directive){.width = 0, .precision = -1};
    for (size_t n = 0; at < s.n && s.bytes[at] && strchr("-+ 0#", s.bytes[at]) && n + 1 < sizeof d->flags; at++)
        d->flags[n++] = s.bytes[at];
    at = read_number(s, at, &d->width);
    if (at < s.n && s.bytes[at] == '.')
        at = read_number(s, at + 1, &d->precision);
    if (at >= s.n || d->width > 1000 || d->precision > 100)
        nb_jinja_fail(j, "%%: expected a conversion of at most 1000 characters");
    d->conversion = s.bytes[at];
    return at + 1;
}

static void add_padded(nb_jbuffer *b, nb_jval text, const directive *d)
{
    size_t n = nb_jval_length(b->j, text), pad = (size_t)d->width > n ? (size_t)d->width - n : 0;
    bool is_left = strchr(d->flags, '-') != NULL;
    if (is_left)
        nb_jbuffer_add_string(b, text);
    for (size_t i = 0; i < pad; i++)
        nb_jbuffer_puts(b, " ");
    if (!is_left)
        nb_jbuffer_add_string(b, text);
}

static void add_number(nb_jbuffer *b, nb_jval value, const directive *d)
{
    char format[40], text[1600];
    int n;
    nb_jinja_check_defined(b->j, value);
    if (!nb_jval_is_number(value))
        nb_jinja_fail(b->j, "%%%c: expected a number, found %s", d->conversion, nb_jval_type(value));
    if (strchr("fFeEgG", d->conversion)) {
        snprintf(format, sizeof format, "%%%s%d.%d%c", d->flags, d->width, d->precision < 0 ? 6 : d->precision,
                 d->conversion);
        if (d->width == 0)
            snprintf(format, sizeof format, "%%%s.%d%c", d->flags, d->precision < 0 ? 6 : d->precision, d->conversion);
        n = snprintf(text, sizeof text, format, nb_jval_to_float(value));
    } else {
        if (value.kind == NB_J_FLOAT && (strchr("xXo", d->conversion) || !(fabs(value.real) < 9e18)))
            nb_jinja_fail(b->j, "%%%c: expected an integer, found a float", d->conversion);
        int64_t integer = value.kind == NB_J_FLOAT ? (int64_t)value.real : nb_jval_to_int(b->j, value, "%");
        if (integer < 0 && strchr("xXo", d->conversion))
            nb_jinja_fail(b->j, "%%%c: expected a positive integer", d->conversion);
        const char *conversion = d->conversion == 'x'   ? PRIx64
                                 : d->conversion == 'X' ? PRIX64
                                 : d->conversion == 'o' ? PRIo64
                                                        : PRId64;
        snprintf(format, sizeof format, d->precision < 0 ? "%%%s*%s" : "%%%s*.*%s", d->flags, conversion);
        n = d->precision < 0 ? snprintf(text, sizeof text, format, d->width, integer)
                             : snprintf(text, sizeof text, format, d->width, d->precision, integer);
    }
    nb_jbuffer_add(b, text, nb_min((size_t)n, sizeof text - 1), value.mark);
}

static void add_converted(nb_jbuffer *b, nb_jval value, const directive *d)
{
    if (!d->conversion || !strchr("sradiufFeEgGxXo", d->conversion))
        nb_jinja_fail(b->j, "%%: expected one of s r d i f e g x o, found byte 0x%02x", (unsigned char)d->conversion);
    if (d->conversion != 's' && d->conversion != 'r') {
        add_number(b, value, d);
        return;
    }
    nb_jbuffer text = {.j = b->j};
    if (d->conversion == 's')
        nb_jval_write(&text, value);
    else
        nb_jval_write_repr(&text, value);
    nb_jval s = nb_jbuffer_take(&text);
    if (d->precision >= 0)
        s = nb_jval_slice(s, 0, nb_jtext_offset(s, (size_t)d->precision));
    add_padded(b, s, d);
}

nb_jval nb_jinja_percent_format(nb_jinja *j, nb_jval format, const nb_jlist *args, bool may_ignore)
{
    nb_jbuffer b = {.j = j};
    uint32_t n_used = 0;
    size_t from = 0;
    for (size_t i = 0; i < format.n;) {
        if (format.bytes[i] != '%') {
            i++;
            continue;
        }
        directive d;
        nb_jbuffer_add_string(&b, nb_jval_slice(format, from, i));
        i = from = read_directive(j, format, i + 1, &d);
        if (d.conversion == '%') {
            nb_jbuffer_add(&b, "%", 1, format.marks[i - 1]);
            continue;
        }
        if (n_used == args->n)
            nb_jinja_fail(j, "%%: expected more values, found %u", args->n);
        add_converted(&b, args->items[n_used++], &d);
    }
    nb_jbuffer_add_string(&b, nb_jval_slice(format, from, format.n));
    if (n_used != args->n && !may_ignore)
        nb_jinja_fail(j, "%%: expected %u values, found %u", n_used, args->n);
    return nb_jbuffer_take(&b);
}
