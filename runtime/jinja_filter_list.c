// SPDX-License-Identifier: Apache-2.0
// Filters that go through lists and dictionaries.
#include "runtime/jinja_parse.h"

#include <inttypes.h>
#include <string.h>

static const nb_jval ABSENT = {.kind = NB_J_ABSENT};

static bool is_given(nb_jval argument)
{
    return argument.kind != NB_J_ABSENT && argument.kind != NB_J_NONE;
}

static const nb_jlist *items_of(const nb_jcall *c)
{
    return nb_jval_iterate(c->j, c->self);
}

static nb_jval iterator(const nb_jcall *c)
{
    return nb_jval_list(c->j, NB_J_ITERATOR, 0);
}

// ---- keys to sort and select by -----------------------------------------------------------------------------------

static nb_jval attribute_part(nb_jinja *j, nb_jval object, nb_jval part)
{
    int64_t index;
    bool is_digits = part.n > 0;
    for (uint32_t i = 0; i < part.n; i++)
        is_digits &= part.bytes[i] >= '0' && part.bytes[i] <= '9';
    if (is_digits && nb_jinja_parse_int(j, part, 10, &index))
        part = nb_jval_int(index);
    return nb_jinja_item(j, object, part);
}

// object.a.b.0 for the path "a.b.0"; `missing` (may be absent) replaces what is undefined on the way.
static nb_jval follow(nb_jinja *j, nb_jval object, nb_jval path, nb_jval missing)
{
    if (!is_given(path))
        return object;
    if (path.kind != NB_J_STRING)
        return nb_jinja_item(j, object, path);
    for (size_t from = 0; from <= path.n;) {
        ptrdiff_t dot = nb_jtext_find(j, path, nb_jval_literal(j, "."), from);
        size_t to = dot < 0 ? path.n : (size_t)dot;
        object = attribute_part(j, object, nb_jval_slice(path, from, to));
        if (object.kind == NB_J_UNDEFINED && is_given(missing))
            object = missing;
        from = to + 1;
    }
    return object;
}

typedef struct order {
    nb_jval attribute;                               // absent: the item itself
    bool is_case_sensitive, is_reverse, is_multiple; // multiple: "a,b" sorts by both
} order;

static nb_jval key_of(nb_jinja *j, nb_jval item, const order *by)
{
    if (by->is_multiple && by->attribute.kind == NB_J_STRING) {
        nb_jval keys = nb_jval_list(j, NB_J_LIST, 0);
        order single = {.is_case_sensitive = by->is_case_sensitive};
        for (size_t from = 0; from <= by->attribute.n;) {
            ptrdiff_t comma = nb_jtext_find(j, by->attribute, nb_jval_literal(j, ","), from);
            size_t to = comma < 0 ? by->attribute.n : (size_t)comma;
            single.attribute = nb_jval_slice(by->attribute, from, to);
            nb_jlist_push(j, keys.list, key_of(j, item, &single));
            from = to + 1;
        }
        return keys;
    }
    nb_jval key = follow(j, item, by->attribute, ABSENT);
    return key.kind == NB_J_STRING && !by->is_case_sensitive ? nb_jtext_case(j, key, NB_JCASE_LOWER) : key;
}

// Stable merge sort of positions by keys.
static void sort_positions(nb_jinja *j, uint32_t *at, uint32_t *spare, uint32_t n, const nb_jval *keys, bool is_reverse)
{
    if (n < 2)
        return;
    uint32_t half = n / 2, a = 0, b = half;
    sort_positions(j, at, spare, half, keys, is_reverse);
    sort_positions(j, at + half, spare, n - half, keys, is_reverse);
    for (uint32_t i = 0; i < n; i++) {
        bool takes_b = a == half;
        if (a < half && b < n)
            takes_b = is_reverse ? nb_jval_compare(j, keys[at[a]], keys[at[b]]) < 0
                                 : nb_jval_compare(j, keys[at[b]], keys[at[a]]) < 0;
        spare[i] = takes_b ? at[b++] : at[a++];
    }
    memcpy(at, spare, n * sizeof *at);
}

static nb_jval sorted(nb_jinja *j, const nb_jlist *items, const order *by)
{
    nb_jval *keys = nb_jinja_alloc(j, (size_t)items->n * sizeof *keys + 1);
    uint32_t *at = nb_jinja_alloc(j, (size_t)items->n * sizeof *at + 1);
    uint32_t *spare = nb_jinja_alloc(j, (size_t)items->n * sizeof *spare + 1);
    for (uint32_t i = 0; i < items->n; i++) {
        keys[i] = key_of(j, items->items[i], by);
        at[i] = i;
    }
    sort_positions(j, at, spare, items->n, keys, by->is_reverse);
    nb_jval list = nb_jval_list(j, NB_J_LIST, items->n);
    for (uint32_t i = 0; i < items->n; i++)
        nb_jlist_push(j, list.list, items->items[at[i]]);
    return list;
}

static nb_jval filter_sort(const nb_jcall *c)
{
    order by = {.is_reverse = nb_jval_true(c->a[0]),
                .is_case_sensitive = nb_jval_true(c->a[1]),
                .attribute = c->a[2],
                .is_multiple = true};
    return sorted(c->j, items_of(c), &by);
}

static nb_jval dict_items(nb_jinja *j, nb_jval dict, nb_jkind kind)
{
    nb_jval pairs = nb_jval_list(j, kind, dict.dict->n);
    for (uint32_t i = 0; i < dict.dict->n; i++)
        nb_jlist_push(j, pairs.list, nb_jval_pair(j, dict.dict->keys[i], dict.dict->values[i]));
    return pairs;
}

static void check_dict(const nb_jcall *c)
{
    nb_jinja_check_defined(c->j, c->self);
    if (c->self.kind != NB_J_DICT)
        nb_jinja_fail(c->j, "%s: expected a dictionary, found %s", c->name, nb_jval_type(c->self));
}

static nb_jval filter_dictsort(const nb_jcall *c)
{
    bool by_value = nb_jval_is(c->a[1], "value");
    if (c->a[1].kind != NB_J_ABSENT && !by_value && !nb_jval_is(c->a[1], "key"))
        nb_jinja_fail(c->j, "dictsort: expected by='key' or by='value', found another");
    check_dict(c);
    order by = {.is_case_sensitive = nb_jval_true(c->a[0]),
                .attribute = nb_jval_int(by_value),
                .is_reverse = nb_jval_true(c->a[2])};
    return sorted(c->j, dict_items(c->j, c->self, NB_J_LIST).list, &by);
}

static nb_jval filter_items(const nb_jcall *c)
{
    if (c->self.kind == NB_J_UNDEFINED)
        return iterator(c);
    check_dict(c);
    return dict_items(c->j, c->self, NB_J_ITERATOR);
}

static nb_jval extreme(const nb_jcall *c, int sign)
{
    order by = {.is_case_sensitive = nb_jval_true(c->a[0]), .attribute = c->a[1]};
    const nb_jlist *items = items_of(c);
    if (items->n == 0)
        return nb_jval_undefined("no aggregated item, sequence was empty", 38);
    uint32_t best = 0;
    nb_jval best_key = key_of(c->j, items->items[0], &by);
    for (uint32_t i = 1; i < items->n; i++) {
        nb_jval key = key_of(c->j, items->items[i], &by);
        if (sign * nb_jval_compare(c->j, key, best_key) > 0) {
            best = i;
            best_key = key;
        }
    }
    return items->items[best];
}

static nb_jval filter_min(const nb_jcall *c)
{
    return extreme(c, -1);
}

static nb_jval filter_max(const nb_jcall *c)
{
    return extreme(c, 1);
}

static nb_jval filter_unique(const nb_jcall *c)
{
    order by = {.is_case_sensitive = nb_jval_true(c->a[0]), .attribute = c->a[1]};
    const nb_jlist *items = items_of(c);
    nb_jval unique = iterator(c), seen = nb_jval_dict(c->j);
    for (uint32_t i = 0; i < items->n; i++) {
        nb_jval key = key_of(c->j, items->items[i], &by);
        if (nb_jdict_get(c->j, seen.dict, key))
            continue;
        nb_jdict_set(c->j, seen.dict, key, nb_jval_none());
        nb_jlist_push(c->j, unique.list, items->items[i]);
    }
    return unique;
}

static nb_jval filter_groupby(const nb_jcall *c)
{
    order by = {.is_case_sensitive = nb_jval_true(c->a[2]), .attribute = c->a[0]};
    const nb_jlist *items = sorted(c->j, items_of(c), &by).list;
    nb_jval groups = nb_jval_list(c->j, NB_J_LIST, 0);
    for (uint32_t i = 0; i < items->n;) {
        nb_jval key = key_of(c->j, items->items[i], &by), members = nb_jval_list(c->j, NB_J_LIST, 0);
        nb_jval name = follow(c->j, items->items[i], by.attribute, c->a[1]);
        while (i < items->n && nb_jval_equal(c->j, key_of(c->j, items->items[i], &by), key))
            nb_jlist_push(c->j, members.list, items->items[i++]);
        nb_jlist_push(c->j, groups.list, nb_jval_pair(c->j, name, members));
    }
    return groups;
}

// ---- one or all items ---------------------------------------------------------------------------------------------

static nb_jval filter_first(const nb_jcall *c)
{
    uint32_t position = c->self.kind == NB_J_ITERATOR ? c->self.list->position : 0;
    const nb_jlist *items = items_of(c);
    if (items->n == 0)
        return nb_jval_undefined("no first item, sequence was empty", 33);
    if (c->self.kind == NB_J_ITERATOR)
        c->self.list->position = position + 1;
    return items->items[0];
}

static nb_jval filter_last(const nb_jcall *c)
{
    if (c->self.kind == NB_J_ITERATOR)
        nb_jinja_fail(c->j, "last: expected a list, found an iterator");
    const nb_jlist *items = items_of(c);
    return items->n ? items->items[items->n - 1] : nb_jval_undefined("no last item, sequence was empty", 32);
}

static nb_jval copy_items(nb_jinja *j, const nb_jlist *items, nb_jkind kind)
{
    nb_jval list = nb_jval_list(j, kind, items->n);
    for (uint32_t i = 0; i < items->n; i++)
        nb_jlist_push(j, list.list, items->items[i]);
    return list;
}

static nb_jval filter_list(const nb_jcall *c)
{
    return copy_items(c->j, items_of(c), NB_J_LIST);
}

static nb_jval filter_reverse(const nb_jcall *c)
{
    const nb_jlist *items = items_of(c);
    bool is_list = c->self.kind == NB_J_ITERATOR;
    nb_jval reversed = nb_jval_list(c->j, is_list ? NB_J_LIST : NB_J_ITERATOR, items->n);
    for (uint32_t i = items->n; i > 0; i--)
        nb_jlist_push(c->j, reversed.list, items->items[i - 1]);
    return c->self.kind == NB_J_STRING ? nb_jtext_join(c->j, nb_jval_literal(c->j, ""), reversed.list) : reversed;
}

static nb_jval filter_join(const nb_jcall *c)
{
    const nb_jlist *items = items_of(c);
    nb_jval separator = c->a[0].kind == NB_J_ABSENT ? nb_jval_literal(c->j, "") : nb_jval_str(c->j, c->a[0]);
    if (is_given(c->a[1])) {
        nb_jval parts = nb_jval_list(c->j, NB_J_LIST, items->n);
        for (uint32_t i = 0; i < items->n; i++)
            nb_jlist_push(c->j, parts.list, follow(c->j, items->items[i], c->a[1], ABSENT));
        items = parts.list;
    }
    return nb_jtext_join(c->j, separator, items);
}

static nb_jval filter_sum(const nb_jcall *c)
{
    const nb_jlist *items = items_of(c);
    nb_jval sum = c->a[1].kind == NB_J_ABSENT ? nb_jval_int(0) : c->a[1];
    if (sum.kind == NB_J_STRING)
        nb_jinja_fail(c->j, "sum: expected a number to start from, found a string");
    for (uint32_t i = 0; i < items->n; i++)
        sum = nb_jinja_arithmetic(c->j, NB_JT_ADD, sum, follow(c->j, items->items[i], c->a[0], ABSENT));
    return sum;
}

static nb_jval filter_batch(const nb_jcall *c)
{
    const nb_jlist *items = items_of(c);
    int64_t size = nb_jval_to_int(c->j, c->a[0], "batch");
    if (size < 1 || size > NB_JINJA_RANGE_MAX)
        nb_jinja_fail(c->j, "batch: expected 1 to %d items, found %" PRId64, NB_JINJA_RANGE_MAX, size);
    nb_jval batches = iterator(c), batch = ABSENT;
    for (uint32_t i = 0; i < items->n; i++) {
        if (i % (uint64_t)size == 0) {
            batch = nb_jval_list(c->j, NB_J_LIST, 0);
            nb_jlist_push(c->j, batches.list, batch);
        }
        nb_jlist_push(c->j, batch.list, items->items[i]);
    }
    while (is_given(c->a[1]) && batch.kind == NB_J_LIST && batch.list->n < size)
        nb_jlist_push(c->j, batch.list, c->a[1]);
    return batches;
}

// ---- filters that apply others ------------------------------------------------------------------------------------

// The arguments after the first `n`.
static nb_jargs rest_of(const nb_jargs *args, uint32_t n)
{
    nb_jargs rest = *args;
    rest.items = n ? rest.items + n : rest.items;
    rest.n -= n;
    return rest;
}

static const nb_jbuiltin *filter_named(const nb_jcall *c, nb_jval name)
{
    if (name.kind != NB_J_STRING)
        nb_jinja_fail(c->j, "%s: expected the name of a filter, found %s", c->name, nb_jval_type(name));
    const nb_jbuiltin *builtin = nb_jinja_filter(name.bytes, name.n);
    if (!builtin)
        nb_jinja_fail_filter(c->j, name.bytes, name.n);
    return builtin;
}

static nb_jval map_attribute(const nb_jcall *c, const nb_jlist *items)
{
    nb_jval attribute = ABSENT, missing = ABSENT, mapped = iterator(c);
    for (uint32_t i = 0; i < c->args->n_named; i++) {
        if (nb_jval_is(c->args->names[i], "attribute"))
            attribute = c->args->named[i];
        else if (nb_jval_is(c->args->names[i], "default"))
            missing = c->args->named[i];
        else
            nb_jinja_fail(c->j, "map: expected attribute and default, found %.*s", (int)nb_min(c->args->names[i].n, 60),
                          c->args->names[i].bytes);
    }
    if (attribute.kind == NB_J_ABSENT)
        nb_jinja_fail(c->j, "map: expected the name of a filter or attribute=");
    for (uint32_t i = 0; i < items->n; i++)
        nb_jlist_push(c->j, mapped.list, follow(c->j, items->items[i], attribute, missing));
    return mapped;
}

static nb_jval filter_map(const nb_jcall *c)
{
    if (!nb_jval_true(c->self))
        return iterator(c);
    const nb_jlist *items = items_of(c);
    if (c->args->n == 0)
        return map_attribute(c, items);
    nb_jval mapped = iterator(c);
    nb_jargs rest = rest_of(c->args, 1);
    for (uint32_t i = 0; i < items->n; i++)
        nb_jlist_push(c->j, mapped.list,
                      nb_jinja_apply(c->j, filter_named(c, c->args->items[0]), items->items[i], &rest));
    return mapped;
}

static nb_jval select_items(const nb_jcall *c, bool wanted, bool by_attribute)
{
    if (!nb_jval_true(c->self))
        return iterator(c);
    if (by_attribute && c->args->n == 0)
        nb_jinja_fail(c->j, "%s: expected the name of an attribute", c->name);
    uint32_t n_used = by_attribute ? 1 : 0;
    nb_jval attribute = by_attribute ? c->args->items[0] : ABSENT, selected = iterator(c);
    const nb_jbuiltin *test = NULL;
    if (c->args->n > n_used) {
        nb_jval name = c->args->items[n_used++];
        test = name.kind == NB_J_STRING ? nb_jinja_test(name.bytes, name.n) : NULL;
        if (!test)
            nb_jinja_fail_test(c->j, name.kind == NB_J_STRING ? name.bytes : "", name.kind == NB_J_STRING ? name.n : 0);
    }
    nb_jargs rest = rest_of(c->args, n_used);
    const nb_jlist *items = items_of(c);
    for (uint32_t i = 0; i < items->n; i++) {
        nb_jval value = follow(c->j, items->items[i], attribute, ABSENT);
        if (test)
            value = nb_jinja_apply(c->j, test, value, &rest);
        if (nb_jval_true(value) == wanted)
            nb_jlist_push(c->j, selected.list, items->items[i]);
    }
    return selected;
}

static nb_jval filter_select(const nb_jcall *c)
{
    return select_items(c, true, false);
}

static nb_jval filter_reject(const nb_jcall *c)
{
    return select_items(c, false, false);
}

static nb_jval filter_selectattr(const nb_jcall *c)
{
    return select_items(c, true, true);
}

static nb_jval filter_rejectattr(const nb_jcall *c)
{
    return select_items(c, false, true);
}

static nb_jval filter_attr(const nb_jcall *c)
{
    if (c->self.kind == NB_J_DICT) // attributes of a dictionary are its methods, not its items
        return nb_jval_undefined("attr", 4);
    return nb_jinja_attribute(c->j, c->self, nb_jval_str(c->j, c->a[0]));
}

const nb_jbuiltin nb_jinja_filters_list[] = {
    {"attr", "name", 1, filter_attr},
    {"batch", "linecount fill_with", 1, filter_batch},
    {"dictsort", "case_sensitive by reverse", 0, filter_dictsort},
    {"first", "", 0, filter_first},
    {"groupby", "attribute default case_sensitive", 1, filter_groupby},
    {"items", "", 0, filter_items},
    {"join", "d attribute", 0, filter_join},
    {"last", "", 0, filter_last},
    {"list", "", 0, filter_list},
    {"map", "*", 0, filter_map},
    {"max", "case_sensitive attribute", 0, filter_max},
    {"min", "case_sensitive attribute", 0, filter_min},
    {"reject", "*", 0, filter_reject},
    {"rejectattr", "*", 0, filter_rejectattr},
    {"reverse", "", 0, filter_reverse},
    {"select", "*", 0, filter_select},
    {"selectattr", "*", 0, filter_selectattr},
    {"sort", "reverse case_sensitive attribute", 0, filter_sort},
    {"sum", "attribute start", 0, filter_sum},
    {"unique", "case_sensitive attribute", 0, filter_unique},
};
const size_t nb_jinja_n_filters_list = NB_COUNT(nb_jinja_filters_list);
