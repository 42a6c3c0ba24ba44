// SPDX-License-Identifier: Apache-2.0
// Making values, lists and dictionaries; truth, equality and order as in Python.
#include "runtime/jinja_state.h"

#include <math.h>
#include <string.h>

nb_jval nb_jval_none(void)
{
    return (nb_jval){.kind = NB_J_NONE};
}

nb_jval nb_jval_bool(bool boolean)
{
    return (nb_jval){.kind = NB_J_BOOL, .boolean = boolean};
}

nb_jval nb_jval_int(int64_t integer)
{
    return (nb_jval){.kind = NB_J_INT, .integer = integer};
}

nb_jval nb_jval_float(double real)
{
    return (nb_jval){.kind = NB_J_FLOAT, .real = real};
}

nb_jval nb_jval_undefined(const char *name, size_t bytes)
{
    nb_jval value = {.kind = NB_J_UNDEFINED, .n = (uint32_t)bytes};
    value.bytes = name;
    return value;
}

nb_jval nb_jval_string(nb_jinja *j, const char *bytes, size_t n, uint8_t mark)
{
    nb_jbuffer b = {.j = j};
    nb_jbuffer_add(&b, bytes, n, mark);
    return nb_jbuffer_take(&b);
}

nb_jval nb_jval_literal(nb_jinja *j, const char *text)
{
    return nb_jval_string(j, text, strlen(text), NB_JMARK_TRUSTED);
}

nb_jval nb_jval_slice(nb_jval string, size_t from, size_t to)
{
    NB_ASSERT(from <= to && to <= string.n);
    string.bytes += from;
    string.marks += from;
    string.n = (uint32_t)(to - from);
    return string;
}

nb_jval nb_jval_list(nb_jinja *j, nb_jkind kind, size_t capacity)
{
    if (capacity > NB_JINJA_MEMORY_BYTES_MAX / sizeof(nb_jval))
        nb_jinja_fail(j, "list of %zu items; expected at most %d bytes in all", capacity, NB_JINJA_MEMORY_BYTES_MAX);
    nb_jval value = {.kind = (uint8_t)kind};
    value.list = nb_jinja_alloc(j, sizeof *value.list);
    *value.list = (nb_jlist){.capacity = (uint32_t)capacity};
    if (capacity)
        value.list->items = nb_jinja_alloc(j, capacity * sizeof(nb_jval));
    return value;
}

void nb_jlist_push(nb_jinja *j, nb_jlist *list, nb_jval item)
{
    if (list->n == list->capacity) {
        list->capacity = list->capacity ? 2 * list->capacity : 4;
        nb_jval *items = nb_jinja_alloc(j, list->capacity * sizeof *items);
        if (list->n)
            memcpy(items, list->items, list->n * sizeof *items);
        list->items = items;
    }
    list->items[list->n++] = item;
}

nb_jval nb_jval_pair(nb_jinja *j, nb_jval first, nb_jval second)
{
    nb_jval pair = nb_jval_list(j, NB_J_TUPLE, 2);
    nb_jlist_push(j, pair.list, first);
    nb_jlist_push(j, pair.list, second);
    return pair;
}

nb_jval nb_jval_dict(nb_jinja *j)
{
    nb_jval value = {.kind = NB_J_DICT};
    value.dict = nb_jinja_alloc(j, sizeof *value.dict);
    *value.dict = (nb_jdict){0};
    return value;
}

static void check_hashable(nb_jinja *j, nb_jval key)
{
    if (key.kind == NB_J_LIST || key.kind == NB_J_DICT)
        nb_jinja_fail(j, "%s as a key of a dictionary; expected a string or number", nb_jval_type(key));
    if (key.kind == NB_J_TUPLE) {
        nb_jinja_enter(j);
        for (uint32_t i = 0; i < key.list->n; i++)
            check_hashable(j, key.list->items[i]);
        nb_jinja_leave(j);
    }
}

static uint32_t dict_position(nb_jinja *j, const nb_jdict *dict, nb_jval key)
{
    check_hashable(j, key);
    nb_jinja_charge(j, dict->n / 8);
    uint32_t i = 0;
    while (i < dict->n && !nb_jval_equal(j, dict->keys[i], key))
        i++;
    return i;
}

const nb_jval *nb_jdict_get(nb_jinja *j, const nb_jdict *dict, nb_jval key)
{
    uint32_t i = dict_position(j, dict, key);
    return i < dict->n ? &dict->values[i] : NULL;
}

void nb_jdict_set(nb_jinja *j, nb_jdict *dict, nb_jval key, nb_jval value)
{
    uint32_t i = dict_position(j, dict, key);
    if (i < dict->n) {
        dict->values[i] = value;
        return;
    }
    if (dict->n == dict->capacity) {
        dict->capacity = dict->capacity ? 2 * dict->capacity : 4;
        nb_jval *keys = nb_jinja_alloc(j, dict->capacity * sizeof *keys);
        nb_jval *values = nb_jinja_alloc(j, dict->capacity * sizeof *values);
        if (dict->n) {
            memcpy(keys, dict->keys, dict->n * sizeof *keys);
            memcpy(values, dict->values, dict->n * sizeof *values);
        }
        dict->keys = keys;
        dict->values = values;
    }
    dict->keys[dict->n] = key;
    dict->values[dict->n++] = value;
}

nb_jval nb_jval_method(nb_jinja *j, const nb_jbuiltin *builtin, nb_jval self)
{
    nb_jval value = {.kind = NB_J_CALLABLE};
    value.callable = nb_jinja_alloc(j, sizeof *value.callable);
    *value.callable = (nb_jcallable){.builtin = builtin, .self = self};
    return value;
}

bool nb_jval_is_int(nb_jval value)
{
    return value.kind == NB_J_INT || value.kind == NB_J_BOOL;
}

bool nb_jval_is_number(nb_jval value)
{
    return nb_jval_is_int(value) || value.kind == NB_J_FLOAT;
}

int64_t nb_jval_to_int(nb_jinja *j, nb_jval value, const char *what)
{
    if (!nb_jval_is_int(value))
        nb_jinja_fail(j, "%s: expected an integer, found %s", what, nb_jval_type(value));
    return value.kind == NB_J_BOOL ? value.boolean : value.integer;
}

double nb_jval_to_float(nb_jval number)
{
    NB_ASSERT(nb_jval_is_number(number));
    if (number.kind == NB_J_FLOAT)
        return number.real;
    return number.kind == NB_J_BOOL ? number.boolean : (double)number.integer;
}

bool nb_jval_is(nb_jval string, const char *text)
{
    return string.kind == NB_J_STRING && string.n == strlen(text) && memcmp(string.bytes, text, string.n) == 0;
}

bool nb_jval_true(nb_jval value)
{
    switch ((nb_jkind)value.kind) {
    case NB_J_ABSENT:
    case NB_J_UNDEFINED:
    case NB_J_NONE:
        return false;
    case NB_J_BOOL:
        return value.boolean;
    case NB_J_INT:
        return value.integer != 0;
    case NB_J_FLOAT:
        return value.real != 0;
    case NB_J_STRING:
        return value.n != 0;
    case NB_J_LIST:
    case NB_J_TUPLE:
    case NB_J_RANGE:
    case NB_J_VIEW:
        return value.list->n != 0;
    case NB_J_DICT:
        return value.dict->n != 0;
    case NB_J_ITERATOR:
    case NB_J_NAMESPACE:
    case NB_J_LOOP:
    case NB_J_CALLABLE:
        break;
    }
    return true;
}

static bool lists_equal(nb_jinja *j, const nb_jlist *a, const nb_jlist *b)
{
    bool equal = a->n == b->n;
    for (uint32_t i = 0; equal && i < a->n; i++)
        equal = nb_jval_equal(j, a->items[i], b->items[i]);
    return equal;
}

static bool dicts_equal(nb_jinja *j, const nb_jdict *a, const nb_jdict *b)
{
    bool equal = a->n == b->n;
    for (uint32_t i = 0; equal && i < a->n; i++) {
        const nb_jval *other = nb_jdict_get(j, b, a->keys[i]);
        equal = other && nb_jval_equal(j, a->values[i], *other);
    }
    return equal;
}

static bool containers_equal(nb_jinja *j, nb_jval a, nb_jval b)
{
    nb_jinja_enter(j);
    bool equal = a.kind == NB_J_DICT ? dicts_equal(j, a.dict, b.dict) : lists_equal(j, a.list, b.list);
    nb_jinja_leave(j);
    return equal;
}

// A 64-bit integer against a float, exactly: (double)integer may round.
static int compare_int_float(int64_t integer, double real)
{
    if (real >= 9223372036854775808.0)
        return -1;
    if (real < -9223372036854775808.0)
        return 1;
    int64_t whole = (int64_t)real;
    if (integer != whole)
        return integer < whole ? -1 : 1;
    double fraction = real - (double)whole;
    return fraction > 0 ? -1 : fraction < 0 ? 1 : 0;
}

// NaN is unequal to everything and has no order: *ordered is false then.
static int compare_numbers(nb_jval a, nb_jval b, bool *ordered)
{
    bool a_is_float = a.kind == NB_J_FLOAT, b_is_float = b.kind == NB_J_FLOAT;
    *ordered = !(a_is_float && isnan(a.real)) && !(b_is_float && isnan(b.real));
    if (!*ordered)
        return 1;
    if (a_is_float && b_is_float)
        return a.real < b.real ? -1 : a.real > b.real;
    int64_t a_int = a.kind == NB_J_BOOL ? a.boolean : a.integer;
    int64_t b_int = b.kind == NB_J_BOOL ? b.boolean : b.integer;
    if (a_is_float)
        return -compare_int_float(b_int, a.real);
    if (b_is_float)
        return compare_int_float(a_int, b.real);
    return a_int < b_int ? -1 : a_int > b_int;
}

bool nb_jval_equal(nb_jinja *j, nb_jval a, nb_jval b)
{
    nb_jinja_charge(j, 1);
    bool ordered;
    if (nb_jval_is_number(a) && nb_jval_is_number(b))
        return compare_numbers(a, b, &ordered) == 0;
    if (a.kind != b.kind)
        return false;
    switch ((nb_jkind)a.kind) {
    case NB_J_UNDEFINED:
    case NB_J_NONE:
        return true;
    case NB_J_STRING:
        nb_jinja_charge(j, a.n / 64);
        return a.n == b.n && memcmp(a.bytes, b.bytes, a.n) == 0;
    case NB_J_LIST:
    case NB_J_TUPLE:
    case NB_J_RANGE:
    case NB_J_DICT:
        return containers_equal(j, a, b);
    default:
        return a.list == b.list; // identity; the union's pointers share their place
    }
}

static int compare_strings(nb_jinja *j, nb_jval a, nb_jval b)
{
    size_t n = nb_min(a.n, b.n);
    nb_jinja_charge(j, n / 64);
    int order = n ? memcmp(a.bytes, b.bytes, n) : 0; // UTF-8 sorts as its code points
    return order ? order : a.n < b.n ? -1 : a.n > b.n;
}

static int compare_lists(nb_jinja *j, const nb_jlist *a, const nb_jlist *b)
{
    nb_jinja_enter(j);
    int order = 0;
    for (uint32_t i = 0; order == 0 && i < a->n && i < b->n; i++)
        if (!nb_jval_equal(j, a->items[i], b->items[i]))
            order = nb_jval_compare(j, a->items[i], b->items[i]);
    nb_jinja_leave(j);
    return order ? order : a->n < b->n ? -1 : a->n > b->n;
}

int nb_jval_compare(nb_jinja *j, nb_jval a, nb_jval b)
{
    nb_jinja_charge(j, 1);
    nb_jinja_check_defined(j, a);
    nb_jinja_check_defined(j, b);
    if (nb_jval_is_number(a) && nb_jval_is_number(b)) {
        bool ordered;
        int order = compare_numbers(a, b, &ordered);
        if (!ordered)
            nb_jinja_fail(j, "NaN has no order");
        return order;
    }
    if (a.kind == NB_J_STRING && b.kind == NB_J_STRING)
        return compare_strings(j, a, b);
    if (a.kind == b.kind && (a.kind == NB_J_LIST || a.kind == NB_J_TUPLE))
        return compare_lists(j, a.list, b.list);
    nb_jinja_fail(j, "order of %s and %s; expected two numbers, strings or lists", nb_jval_type(a), nb_jval_type(b));
}

bool nb_jval_contains(nb_jinja *j, nb_jval container, nb_jval item)
{
    if (container.kind == NB_J_STRING) {
        if (item.kind != NB_J_STRING)
            nb_jinja_fail(j, "'in' a string: expected a string, found %s", nb_jval_type(item));
        return nb_jtext_find(j, container, item, 0) >= 0;
    }
    if (container.kind == NB_J_DICT)
        return nb_jdict_get(j, container.dict, item) != NULL;
    const nb_jlist *items = nb_jval_iterate(j, container);
    for (uint32_t i = 0; i < items->n; i++)
        if (nb_jval_equal(j, items->items[i], item))
            return true;
    return false;
}
