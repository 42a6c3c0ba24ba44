// SPDX-License-Identifier: Apache-2.0
// Expressions: the tree walk, attributes, items, slices.
#include "runtime/jinja_run.h"

#include <inttypes.h>
#include <string.h>

// ---- attributes and items ----------------------------------------------------------------------------------------

static nb_jval loop_attribute(nb_jval self, nb_jval name)
{
    const nb_jloop *loop = self.loop;
    uint32_t n = loop->items->n, i = loop->index;
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = {{"index", i + 1}, {"index0", i}, {"revindex", n - i}, {"revindex0", n - i - 1},
                   {"length", n},    {"depth", 1},  {"depth0", 0}};
    for (size_t k = 0; k < NB_COUNT(numbers); k++)
        if (nb_jval_is(name, numbers[k].name))
            return nb_jval_int(numbers[k].value);
    if (nb_jval_is(name, "first"))
        return nb_jval_bool(i == 0);
    if (nb_jval_is(name, "last"))
        return nb_jval_bool(i + 1 == n);
    if (nb_jval_is(name, "previtem") && i > 0)
        return loop->items->items[i - 1];
    if (nb_jval_is(name, "nextitem") && i + 1 < n)
        return loop->items->items[i + 1];
    return nb_jval_undefined(name.bytes, name.n);
}

// A method of the value's type, or NULL.
static const nb_jbuiltin *find_method(nb_jval object, nb_jval name)
{
    char qualified[40];
    static const char *const prefixes[] = {[NB_J_LIST] = "list.",
                                           [NB_J_TUPLE] = "list.",
                                           [NB_J_RANGE] = "list.",
                                           [NB_J_DICT] = "dict.",
                                           [NB_J_LOOP] = "loop."};
    if (object.kind == NB_J_STRING)
        return nb_jinja_find(nb_jinja_string_methods, nb_jinja_n_string_methods, name.bytes, name.n);
    if (object.kind >= NB_COUNT(prefixes) || !prefixes[object.kind] || name.n > 30)
        return NULL;
    strcpy(qualified, prefixes[object.kind]);
    memcpy(qualified + 5, name.bytes, name.n);
    return nb_jinja_find(nb_jinja_collection_methods, nb_jinja_n_collection_methods, qualified, 5 + name.n);
}

// What Python's getattr finds; *found is false where it raises AttributeError.
static nb_jval get_attribute(nb_jinja *j, nb_jval object, nb_jval name, bool *found)
{
    *found = true;
    const nb_jbuiltin *method = find_method(object, name);
    if (method)
        return nb_jval_method(j, method, object);
    if (object.kind == NB_J_LOOP)
        return loop_attribute(object, name);
    const nb_jval *value = object.kind == NB_J_NAMESPACE ? nb_jdict_get(j, object.dict, name) : NULL;
    if (value)
        return *value;
    if (object.kind == NB_J_CALLABLE && object.callable->node && nb_jval_is(name, "name"))
        return object.callable->node->value;
    *found = false;
    return nb_jval_undefined(name.bytes, name.n);
}

// What Python's object[key] finds; *found is false where it raises LookupError or TypeError.
static nb_jval get_item(nb_jinja *j, nb_jval object, nb_jval key, bool *found)
{
    *found = false;
    if (object.kind == NB_J_DICT && key.kind != NB_J_LIST && key.kind != NB_J_DICT) {
        const nb_jval *value = nb_jdict_get(j, object.dict, key);
        *found = value != NULL;
        return value ? *value : nb_jval_none();
    }
    if (!nb_jval_is_int(key) || object.kind < NB_J_STRING || object.kind > NB_J_RANGE)
        return nb_jval_none();
    int64_t n = (int64_t)nb_jval_length(j, object), i = nb_jval_to_int(j, key, "index");
    i += i < 0 ? n : 0;
    if (i < 0 || i >= n)
        return nb_jval_none();
    *found = true;
    if (object.kind != NB_J_STRING)
        return object.list->items[i];
    size_t from = nb_jtext_offset(object, (size_t)i);
    int32_t c;
    return nb_jval_slice(object, from, from + nb_jtext_next(object.bytes + from, object.n - from, &c));
}

static bool is_hidden(nb_jval name) // the sandbox hides these
{
    return name.n && name.bytes[0] == '_';
}

nb_jval nb_jinja_attribute(nb_jinja *j, nb_jval object, nb_jval name)
{
    nb_jinja_check_defined(j, object);
    bool found = false;
    nb_jval value = is_hidden(name) ? nb_jval_none() : get_attribute(j, object, name, &found);
    if (!found)
        value = get_item(j, object, name, &found);
    return found ? value : nb_jval_undefined(name.bytes, name.n);
}

nb_jval nb_jinja_item(nb_jinja *j, nb_jval object, nb_jval key)
{
    nb_jinja_check_defined(j, object);
    bool found;
    nb_jval value = get_item(j, object, key, &found);
    if (!found && key.kind == NB_J_STRING && !is_hidden(key))
        value = get_attribute(j, object, key, &found);
    if (found)
        return value;
    return key.kind == NB_J_STRING ? nb_jval_undefined(key.bytes, key.n) : nb_jval_undefined("item", 4);
}

// One end of a slice, clamped to [low, high]; `missing` where it is not given.
static int64_t slice_end(nb_jinja *j, nb_jval end, int64_t n, int64_t low, int64_t high, int64_t missing)
{
    if (end.kind == NB_J_ABSENT || end.kind == NB_J_NONE)
        return missing;
    int64_t i = nb_jval_to_int(j, end, "slice");
    if (i < 0)
        i = i < -n ? -1 : i + n; // -1 is below low for a forward slice
    return i < low ? low : i > high ? high : i;
}

nb_jval nb_jinja_slice(nb_jinja *j, nb_jval object, nb_jval from, nb_jval to, nb_jval step)
{
    nb_jinja_check_defined(j, object);
    if (object.kind < NB_J_STRING || object.kind > NB_J_RANGE)
        nb_jinja_fail(j, "slice of %s; expected a string or list", nb_jval_type(object));
    int64_t by = step.kind == NB_J_ABSENT || step.kind == NB_J_NONE ? 1 : nb_jval_to_int(j, step, "slice");
    if (by == 0)
        nb_jinja_fail(j, "slice: expected a step, found 0");
    int64_t n = (int64_t)nb_jval_length(j, object);
    int64_t low = by > 0 ? 0 : -1, high = by > 0 ? n : n - 1;
    int64_t i = slice_end(j, from, n, low, high, by > 0 ? 0 : n - 1),
            end = slice_end(j, to, n, low, high, by > 0 ? n : -1);
    if (object.kind == NB_J_STRING && by == 1) {
        size_t first = nb_jtext_offset(object, (size_t)i);
        nb_jinja_charge(j, object.n / 64);
        return i < end ? nb_jval_slice(object, first, nb_jtext_offset(object, (size_t)end))
                       : nb_jval_slice(object, first, first);
    }
    const nb_jlist *items = nb_jval_iterate(j, object);
    nb_jval picked = nb_jval_list(j, object.kind == NB_J_TUPLE ? NB_J_TUPLE : NB_J_LIST, 0);
    while (by > 0 ? i < end : i > end) {
        nb_jinja_charge(j, 1);
        nb_jlist_push(j, picked.list, items->items[i]);
        if (by > n || by < -n)
            break;
        i += by;
    }
    return object.kind == NB_J_STRING ? nb_jtext_join(j, nb_jval_literal(j, ""), picked.list) : picked;
}

// ---- the walk ----------------------------------------------------------------------------------------------------

static nb_jval eval_optional(nb_jinja *j, nb_jscope *scope, const nb_jnode *node)
{
    return node ? nb_jinja_eval(j, scope, node) : (nb_jval){.kind = NB_J_ABSENT};
}

static nb_jval eval_items(nb_jinja *j, nb_jscope *scope, const nb_jnode *node, nb_jkind kind)
{
    nb_jval value = nb_jval_list(j, kind, 0);
    for (const nb_jnode *item = node->list; item; item = item->next)
        nb_jlist_push(j, value.list, nb_jinja_eval(j, scope, item));
    return value;
}

static nb_jval eval_dict(nb_jinja *j, nb_jscope *scope, const nb_jnode *node)
{
    nb_jval value = nb_jval_dict(j);
    for (const nb_jnode *item = node->list; item; item = item->next->next) {
        nb_jval key = nb_jinja_eval(j, scope, item);
        nb_jdict_set(j, value.dict, key, nb_jinja_eval(j, scope, item->next));
    }
    return value;
}

static nb_jval eval_concat(nb_jinja *j, nb_jscope *scope, const nb_jnode *node)
{
    return nb_jtext_join(j, nb_jval_literal(j, ""), eval_items(j, scope, node, NB_J_LIST).list);
}

static bool compare(nb_jinja *j, int op, nb_jval a, nb_jval b)
{
    switch (op) {
    case NB_JT_EQ:
        return nb_jval_equal(j, a, b);
    case NB_JT_NE:
        return !nb_jval_equal(j, a, b);
    case NB_JT_IN:
        return nb_jval_contains(j, b, a);
    case NB_JT_NOT_IN:
        return !nb_jval_contains(j, b, a);
    case NB_JT_LT:
        return nb_jval_compare(j, a, b) < 0;
    case NB_JT_LE:
        return nb_jval_compare(j, a, b) <= 0;
    case NB_JT_GT:
        return nb_jval_compare(j, a, b) > 0;
    default:
        return nb_jval_compare(j, a, b) >= 0;
    }
}

static nb_jval eval_compare(nb_jinja *j, nb_jscope *scope, const nb_jnode *node)
{
    nb_jval left = nb_jinja_eval(j, scope, node->a);
    for (const nb_jnode *operand = node->list; operand; operand = operand->next) {
        nb_jval right = nb_jinja_eval(j, scope, operand->a);
        if (!compare(j, operand->op, left, right))
            return nb_jval_bool(false);
        left = right;
    }
    return nb_jval_bool(true);
}

static nb_jval eval_short_circuit(nb_jinja *j, nb_jscope *scope, const nb_jnode *node)
{
    nb_jval left = nb_jinja_eval(j, scope, node->a);
    return nb_jval_true(left) == (node->kind == NB_JN_OR) ? left : nb_jinja_eval(j, scope, node->b);
}

static nb_jval eval_condition(nb_jinja *j, nb_jscope *scope, const nb_jnode *node)
{
    if (nb_jval_true(nb_jinja_eval(j, scope, node->b)))
        return nb_jinja_eval(j, scope, node->a);
    return node->c ? nb_jinja_eval(j, scope, node->c) : nb_jval_undefined("inline if without else", 22);
}

static void add_named(nb_jinja *j, nb_jlist *names, nb_jlist *named, nb_jval name, nb_jval value)
{
    if (name.kind != NB_J_STRING)
        nb_jinja_fail(j, "**: expected names that are strings, found %s", nb_jval_type(name));
    nb_jlist_push(j, names, name);
    nb_jlist_push(j, named, value);
}

nb_jargs nb_jinja_eval_arguments(nb_jinja *j, nb_jscope *scope, const nb_jnode *list)
{
    if (!list)
        return (nb_jargs){0};
    nb_jlist *items = nb_jval_list(j, NB_J_LIST, 0).list, *names = nb_jval_list(j, NB_J_LIST, 0).list,
             *named = nb_jval_list(j, NB_J_LIST, 0).list;
    for (const nb_jnode *node = list; node; node = node->next) {
        bool is_wrapped = node->kind >= NB_JN_KEYWORD && node->kind <= NB_JN_SPREAD_KW;
        nb_jval value = nb_jinja_eval(j, scope, is_wrapped ? node->a : node);
        if (node->kind == NB_JN_KEYWORD) {
            add_named(j, names, named, node->value, value);
        } else if (node->kind == NB_JN_SPREAD) {
            const nb_jlist *more = nb_jval_iterate(j, value);
            for (uint32_t i = 0; i < more->n; i++)
                nb_jlist_push(j, items, more->items[i]);
        } else if (node->kind == NB_JN_SPREAD_KW) {
            if (value.kind != NB_J_DICT)
                nb_jinja_fail(j, "**: expected a dictionary, found %s", nb_jval_type(value));
            for (uint32_t i = 0; i < value.dict->n; i++)
                add_named(j, names, named, value.dict->keys[i], value.dict->values[i]);
        } else {
            nb_jlist_push(j, items, value);
        }
    }
    return (nb_jargs){
        .items = items->items, .n = items->n, .names = names->items, .named = named->items, .n_named = names->n};
}

static nb_jval eval_call(nb_jinja *j, nb_jscope *scope, const nb_jnode *node)
{
    nb_jval callee = nb_jinja_eval(j, scope, node->a);
    nb_jargs args = nb_jinja_eval_arguments(j, scope, node->list);
    j->line = node->line;
    return nb_jinja_call(j, callee, &args);
}

nb_jval nb_jinja_eval_filters(nb_jinja *j, nb_jscope *scope, const nb_jnode *node, nb_jval input)
{
    nb_jinja_enter(j);
    nb_jval self = !node->a                        ? input
                   : node->a->kind == NB_JN_FILTER ? nb_jinja_eval_filters(j, scope, node->a, input)
                                                   : nb_jinja_eval(j, scope, node->a);
    j->line = node->line;
    if (!node->builtin)
        nb_jinja_fail_filter(j, node->value.bytes, node->value.n);
    nb_jargs args = nb_jinja_eval_arguments(j, scope, node->list);
    nb_jval value = nb_jinja_apply(j, node->builtin, self, &args);
    nb_jinja_leave(j);
    return value;
}

static nb_jval eval_test(nb_jinja *j, nb_jscope *scope, const nb_jnode *node)
{
    nb_jval self = nb_jinja_eval(j, scope, node->a);
    j->line = node->line;
    if (!node->builtin)
        nb_jinja_fail_test(j, node->value.bytes, node->value.n);
    nb_jargs args = nb_jinja_eval_arguments(j, scope, node->list);
    return nb_jinja_apply(j, node->builtin, self, &args);
}

static nb_jval eval_plus(nb_jinja *j, nb_jval value)
{
    nb_jinja_check_defined(j, value);
    if (!nb_jval_is_number(value))
        nb_jinja_fail(j, "unary +: expected a number, found %s", nb_jval_type(value));
    return value.kind == NB_J_BOOL ? nb_jval_int(value.boolean) : value;
}

static nb_jval eval_node(nb_jinja *j, nb_jscope *scope, const nb_jnode *node)
{
    nb_jval a, b, c;
    switch ((nb_jnode_kind)node->kind) {
    case NB_JN_CONST:
        return node->value;
    case NB_JN_NAME:
        return nb_jscope_get(j, scope, node->value);
    case NB_JN_LIST:
        return eval_items(j, scope, node, NB_J_LIST);
    case NB_JN_TUPLE:
        return eval_items(j, scope, node, NB_J_TUPLE);
    case NB_JN_DICT:
        return eval_dict(j, scope, node);
    case NB_JN_ATTRIBUTE:
        a = nb_jinja_eval(j, scope, node->a);
        return nb_jinja_attribute(j, a, node->value);
    case NB_JN_ITEM:
        a = nb_jinja_eval(j, scope, node->a);
        return nb_jinja_item(j, a, nb_jinja_eval(j, scope, node->b));
    case NB_JN_SLICE:
        a = nb_jinja_eval(j, scope, node->a);
        b = eval_optional(j, scope, node->b);
        c = eval_optional(j, scope, node->c);
        return nb_jinja_slice(j, a, b, c, eval_optional(j, scope, node->d));
    case NB_JN_CALL:
        return eval_call(j, scope, node);
    case NB_JN_FILTER:
        return nb_jinja_eval_filters(j, scope, node, nb_jval_none());
    case NB_JN_TEST:
        return eval_test(j, scope, node);
    case NB_JN_NOT:
        return nb_jval_bool(!nb_jval_true(nb_jinja_eval(j, scope, node->a)));
    case NB_JN_NEGATE:
        return nb_jinja_negate(j, nb_jinja_eval(j, scope, node->a));
    case NB_JN_PLUS:
        return eval_plus(j, nb_jinja_eval(j, scope, node->a));
    case NB_JN_AND:
    case NB_JN_OR:
        return eval_short_circuit(j, scope, node);
    case NB_JN_ARITHMETIC:
        a = nb_jinja_eval(j, scope, node->a);
        b = nb_jinja_eval(j, scope, node->b);
        j->line = node->line;
        return nb_jinja_arithmetic(j, node->op, a, b);
    case NB_JN_CONCAT:
        return eval_concat(j, scope, node);
    case NB_JN_COMPARE:
        return eval_compare(j, scope, node);
    case NB_JN_CONDITION:
        return eval_condition(j, scope, node);
    default:
        NB_ASSERT(false && "a statement where an expression belongs");
    }
    return nb_jval_none();
}

nb_jval nb_jinja_eval(nb_jinja *j, nb_jscope *scope, const nb_jnode *node)
{
    nb_jinja_charge(j, 1);
    nb_jinja_enter(j);
    nb_jval value = eval_node(j, scope, node);
    nb_jinja_leave(j);
    return value;
}
