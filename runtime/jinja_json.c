// SPDX-License-Identifier: Apache-2.0
// json.dumps() of Python with ensure_ascii=False.
#include "runtime/jinja_state.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct layout {
    nb_jval indent; // string, or absent: all on one line
    uint32_t level;
    bool sort_keys;
} layout;

static void write_value(nb_jbuffer *b, nb_jval value, layout at);

static void write_string(nb_jbuffer *b, nb_jval s)
{
    nb_jbuffer_puts(b, "\"");
    size_t from = 0;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.bytes[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        static const char short_from[] = "\"\\\n\r\t\f\b", short_to[] = "\"\\nrtfb";
        char escape[8];
        const char *known = c ? strchr(short_from, c) : NULL;
        if (known)
            snprintf(escape, sizeof escape, "\\%c", short_to[known - short_from]);
        else
            snprintf(escape, sizeof escape, "\\u%04x", c);
        nb_jbuffer_add_string(b, nb_jval_slice(s, from, i));
        nb_jbuffer_add(b, escape, strlen(escape), s.marks[i]);
        from = i + 1;
    }
    nb_jbuffer_add_string(b, nb_jval_slice(s, from, s.n));
    nb_jbuffer_puts(b, "\"");
}

static void write_float(nb_jbuffer *b, nb_jval value)
{
    char text[64];
    nb_jinja_format_float(text, sizeof text, value.real);
    if (isnan(value.real))
        strcpy(text, "NaN");
    else if (isinf(value.real))
        strcpy(text, value.real < 0 ? "-Infinity" : "Infinity");
    nb_jbuffer_add(b, text, strlen(text), value.mark);
}

// Between items: a comma, and a new line where indented.
static void write_break(nb_jbuffer *b, layout at, bool comma)
{
    if (comma)
        nb_jbuffer_puts(b, at.indent.kind == NB_J_ABSENT ? ", " : ",");
    if (at.indent.kind == NB_J_ABSENT)
        return;
    nb_jbuffer_puts(b, "\n");
    for (uint32_t i = 0; i < at.level; i++)
        nb_jbuffer_add_string(b, at.indent);
}

static void write_array(nb_jbuffer *b, const nb_jlist *list, layout at)
{
    nb_jbuffer_puts(b, "[");
    at.level++;
    for (uint32_t i = 0; i < list->n; i++) {
        write_break(b, at, i > 0);
        write_value(b, list->items[i], at);
    }
    at.level--;
    if (list->n)
        write_break(b, at, false);
    nb_jbuffer_puts(b, "]");
}

static void write_key(nb_jbuffer *b, nb_jval key)
{
    if (key.kind == NB_J_STRING) {
        write_string(b, key);
        return;
    }
    if (key.kind == NB_J_TUPLE || key.kind >= NB_J_RANGE)
        nb_jinja_fail(b->j, "%s as a JSON key; expected a string or number", nb_jval_type(key));
    nb_jbuffer_puts(b, "\"");
    write_value(b, key, (layout){0});
    nb_jbuffer_puts(b, "\"");
}

// Positions of the keys in the order to write them.
static uint32_t *key_order(nb_jinja *j, const nb_jdict *dict, bool sorted)
{
    uint32_t *order = nb_jinja_alloc(j, dict->n * sizeof *order + 1);
    for (uint32_t i = 0; i < dict->n; i++) {
        uint32_t at = i;
        while (sorted && at > 0 && nb_jval_compare(j, dict->keys[i], dict->keys[order[at - 1]]) < 0) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = i;
    }
    return order;
}

static void write_object(nb_jbuffer *b, const nb_jdict *dict, layout at)
{
    nb_jbuffer_puts(b, "{");
    const uint32_t *order = key_order(b->j, dict, at.sort_keys);
    at.level++;
    for (uint32_t i = 0; i < dict->n; i++) {
        write_break(b, at, i > 0);
        write_key(b, dict->keys[order[i]]);
        nb_jbuffer_puts(b, ": ");
        write_value(b, dict->values[order[i]], at);
    }
    at.level--;
    if (dict->n)
        write_break(b, at, false);
    nb_jbuffer_puts(b, "}");
}

static void write_value(nb_jbuffer *b, nb_jval value, layout at)
{
    nb_jinja_charge(b->j, 1);
    nb_jinja_enter(b->j);
    switch ((nb_jkind)value.kind) {
    case NB_J_NONE:
        nb_jbuffer_add(b, "null", 4, value.mark);
        break;
    case NB_J_BOOL:
        nb_jbuffer_add(b, value.boolean ? "true" : "false", value.boolean ? 4 : 5, value.mark);
        break;
    case NB_J_INT:
        nb_jval_write_repr(b, value);
        break;
    case NB_J_FLOAT:
        write_float(b, value);
        break;
    case NB_J_STRING:
        write_string(b, value);
        break;
    case NB_J_LIST:
    case NB_J_TUPLE:
        write_array(b, value.list, at);
        break;
    case NB_J_DICT:
        write_object(b, value.dict, at);
        break;
    default:
        nb_jinja_fail(b->j, "%s as JSON; expected a value that JSON has", nb_jval_type(value));
    }
    nb_jinja_leave(b->j);
}

void nb_jinja_write_json(nb_jbuffer *b, nb_jval value, nb_jval indent, bool sort_keys)
{
    layout at = {.sort_keys = sort_keys};
    if (indent.kind == NB_J_STRING) {
        at.indent = indent;
    } else if (indent.kind != NB_J_ABSENT && indent.kind != NB_J_NONE) {
        int64_t n = nb_jval_to_int(b->j, indent, "indent of tojson");
        if (n > 1000)
            nb_jinja_fail(b->j, "indent of tojson: expected at most 1000, found %" PRId64, n);
        nb_jbuffer blanks = {.j = b->j};
        for (int64_t i = 0; i < n; i++)
            nb_jbuffer_puts(&blanks, " ");
        at.indent = nb_jbuffer_take(&blanks);
    }
    write_value(b, value, at);
}
