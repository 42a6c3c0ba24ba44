// SPDX-License-Identifier: Apache-2.0
// Calls: arguments to parameters, macros, and the functions every template has.
#include "runtime/jinja_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const nb_jbuiltin *nb_jinja_find(const nb_jbuiltin *table, size_t n, const char *name, size_t name_bytes)
{
    for (size_t i = 0; i < n; i++)
        if (strlen(table[i].name) == name_bytes && memcmp(table[i].name, name, name_bytes) == 0)
            return &table[i];
    return NULL;
}

void nb_jinja_list_names(char *text, size_t capacity, const nb_jbuiltin *table, size_t n)
{
    size_t used = strlen(text);
    for (size_t i = 0; i < n && used < capacity; i++)
        used += (size_t)snprintf(text + used, capacity - used, "%s%s", used ? ", " : "", table[i].name);
}

// Position of `name` among the blank-separated words of `params`; *n_params: how many there are.
static size_t find_parameter(const char *params, nb_jval name, size_t *n_params)
{
    size_t at = SIZE_MAX;
    *n_params = 0;
    for (const char *word = params; *word; *n_params += 1) {
        size_t n = strcspn(word, " ");
        if (name.kind == NB_J_STRING && n == name.n && memcmp(word, name.bytes, n) == 0)
            at = *n_params;
        word += n;
        word += *word == ' ';
    }
    return at;
}

nb_jval nb_jinja_apply(nb_jinja *j, const nb_jbuiltin *builtin, nb_jval self, const nb_jargs *args)
{
    nb_jcall c = {.j = j, .name = builtin->name, .self = self, .args = args};
    nb_jinja_charge(j, 1);
    if (strcmp(builtin->params, "*") == 0)
        return builtin->function(&c);
    size_t n_params;
    find_parameter(builtin->params, nb_jval_none(), &n_params);
    NB_ASSERT(n_params <= NB_JINJA_PARAMS_MAX);
    if (args->n > n_params)
        nb_jinja_fail(j, "%s: expected at most %zu arguments, found %u", builtin->name, n_params, args->n);
    for (uint32_t i = 0; i < args->n; i++)
        c.a[i] = args->items[i];
    for (uint32_t i = 0; i < args->n_named; i++) {
        size_t at = find_parameter(builtin->params, args->names[i], &n_params);
        if (at == SIZE_MAX || c.a[at].kind != NB_J_ABSENT)
            nb_jinja_fail(j, "%s: expected arguments of (%s), each once, found %.*s", builtin->name, builtin->params,
                          (int)nb_min(args->names[i].n, 60), args->names[i].bytes);
        c.a[at] = args->named[i];
    }
    for (uint32_t i = 0; i < builtin->n_required; i++)
        if (c.a[i].kind == NB_J_ABSENT)
            nb_jinja_fail(j, "%s: expected at least %u arguments of (%s)", builtin->name, builtin->n_required,
                          builtin->params);
    return builtin->function(&c);
}

// ---- macros -------------------------------------------------------------------------------------------------------

nb_jval nb_jinja_make_macro(nb_jinja *j, nb_jscope *scope, const nb_jnode *node)
{
    nb_jval value = {.kind = NB_J_CALLABLE};
    value.callable = nb_jinja_alloc(j, sizeof *value.callable);
    *value.callable = (nb_jcallable){.node = node, .scope = scope};
    return value;
}

static bool take_named(const nb_jargs *args, nb_jval name, bool *taken, nb_jval *value)
{
    for (uint32_t i = 0; i < args->n_named; i++)
        if (name.n == args->names[i].n && memcmp(name.bytes, args->names[i].bytes, name.n) == 0) {
            taken[i] = true;
            *value = args->named[i];
            return true;
        }
    return false;
}

static const char *macro_name(const nb_jnode *node, int *n)
{
    *n = (int)nb_min(node->value.n, 60);
    return node->value.bytes;
}

// Arguments beyond the parameters: varargs and kwargs where the body reads them, else an error.
static void bind_rest(nb_jinja *j, nb_jscope *scope, const nb_jnode *node, const nb_jargs *args, uint32_t n_used,
                      bool *taken)
{
    int n;
    const char *name = macro_name(node, &n);
    nb_jval varargs = nb_jval_list(j, NB_J_TUPLE, 0), kwargs = nb_jval_dict(j), caller = nb_jval_undefined("caller", 6);
    for (uint32_t i = n_used; i < args->n; i++)
        nb_jlist_push(j, varargs.list, args->items[i]);
    if (node->uses_caller)
        take_named(args, nb_jval_literal(j, "caller"), taken, &caller);
    for (uint32_t i = 0; i < args->n_named; i++)
        if (!taken[i])
            nb_jdict_set(j, kwargs.dict, args->names[i], args->named[i]);
    if (varargs.list->n && !node->uses_varargs)
        nb_jinja_fail(j, "macro %.*s: expected at most %u arguments, found %u", n, name, n_used, args->n);
    if (kwargs.dict->n && !node->uses_kwargs)
        nb_jinja_fail(j, "macro %.*s: expected none of its arguments twice and no others, found %.*s", n, name,
                      (int)nb_min(kwargs.dict->keys[0].n, 60), kwargs.dict->keys[0].bytes);
    if (node->uses_varargs)
        nb_jscope_set(j, scope, nb_jval_literal(j, "varargs"), varargs);
    if (node->uses_kwargs)
        nb_jscope_set(j, scope, nb_jval_literal(j, "kwargs"), kwargs);
    if (node->uses_caller)
        nb_jscope_set(j, scope, nb_jval_literal(j, "caller"), caller);
}

static nb_jval call_macro(nb_jinja *j, const nb_jcallable *macro, const nb_jargs *args)
{
    const nb_jnode *node = macro->node;
    nb_jscope *scope = nb_jscope_create(j, macro->scope);
    bool *taken = nb_jinja_alloc(j, args->n_named + 1);
    memset(taken, 0, args->n_named + 1);
    uint32_t i = 0;
    for (const nb_jnode *param = node->d->list; param; param = param->next, i++) {
        nb_jval value;
        if (i < args->n)
            value = args->items[i];
        else if (!take_named(args, param->value, taken, &value))
            value =
                param->a ? nb_jinja_eval(j, scope, param->a) : nb_jval_undefined(param->value.bytes, param->value.n);
        nb_jscope_set(j, scope, param->value, value);
    }
    bind_rest(j, scope, node, args, i, taken);
    return nb_jinja_capture(j, scope, node->list);
}

nb_jval nb_jinja_call(nb_jinja *j, nb_jval callee, const nb_jargs *args)
{
    nb_jinja_check_defined(j, callee);
    if (callee.kind != NB_J_CALLABLE)
        nb_jinja_fail(j, "call of %s; expected a function, method or macro", nb_jval_type(callee));
    if (callee.callable->builtin)
        return nb_jinja_apply(j, callee.callable->builtin, callee.callable->self, args);
    nb_jinja_enter(j);
    nb_jval value = call_macro(j, callee.callable, args);
    nb_jinja_leave(j);
    return value;
}

// ---- functions ----------------------------------------------------------------------------------------------------

static nb_jval call_range(const nb_jcall *c)
{
    nb_jinja *j = c->j;
    bool has_start = c->a[1].kind != NB_J_ABSENT;
    int64_t start = has_start ? nb_jval_to_int(j, c->a[0], "range") : 0;
    int64_t stop = nb_jval_to_int(j, c->a[has_start], "range");
    int64_t step = c->a[2].kind == NB_J_ABSENT ? 1 : nb_jval_to_int(j, c->a[2], "range");
    if (step == 0)
        nb_jinja_fail(j, "range: expected a step, found 0");
    bool is_empty = step > 0 ? start >= stop : start <= stop;
    uint64_t distance = step > 0 ? (uint64_t)stop - (uint64_t)start : (uint64_t)start - (uint64_t)stop;
    uint64_t stride = step > 0 ? (uint64_t)step : -(uint64_t)step;
    uint64_t n = is_empty ? 0 : (distance - 1) / stride + 1;
    if (n > NB_JINJA_RANGE_MAX)
        nb_jinja_fail(j, "range: expected at most %d items, found %" PRIu64, NB_JINJA_RANGE_MAX, n);
    nb_jval range = nb_jval_list(j, NB_J_RANGE, n);
    for (uint64_t i = 0; i < n; i++)
        nb_jlist_push(j, range.list, nb_jval_int((int64_t)((uint64_t)start + i * (uint64_t)step)));
    char label[90];
    int used = snprintf(label, sizeof label, "range(%" PRId64 ", %" PRId64, start, stop);
    if (step != 1)
        used += snprintf(label + used, sizeof label - (size_t)used, ", %" PRId64, step);
    snprintf(label + used, sizeof label - (size_t)used, ")");
    range.list->label = nb_jval_literal(j, label);
    nb_jinja_charge(j, n / 8);
    return range;
}

// dict(mapping or pairs, name=value...)
static nb_jval call_dict(const nb_jcall *c)
{
    nb_jinja *j = c->j;
    const nb_jargs *args = c->args;
    nb_jval made = nb_jval_dict(j);
    if (args->n > 1)
        nb_jinja_fail(j, "%s: expected at most one argument without a name, found %u", c->name, args->n);
    if (args->n == 1 && args->items[0].kind == NB_J_DICT) {
        for (uint32_t i = 0; i < args->items[0].dict->n; i++)
            nb_jdict_set(j, made.dict, args->items[0].dict->keys[i], args->items[0].dict->values[i]);
    } else if (args->n == 1) {
        const nb_jlist *pairs = nb_jval_iterate(j, args->items[0]);
        for (uint32_t i = 0; i < pairs->n; i++) {
            const nb_jlist *pair = nb_jval_iterate(j, pairs->items[i]);
            if (pair->n != 2)
                nb_jinja_fail(j, "%s: expected pairs, found %u items", c->name, pair->n);
            nb_jdict_set(j, made.dict, pair->items[0], pair->items[1]);
        }
    }
    for (uint32_t i = 0; i < args->n_named; i++)
        nb_jdict_set(j, made.dict, args->names[i], args->named[i]);
    return made;
}

static nb_jval call_namespace(const nb_jcall *c)
{
    nb_jval space = call_dict(c);
    space.kind = NB_J_NAMESPACE;
    return space;
}

static nb_jval call_raise_exception(const nb_jcall *c)
{
    nb_jval text = nb_jval_str(c->j, c->a[0]);
    nb_jinja_fail(c->j, "the template refuses: %.*s", (int)nb_min(text.n, 400), text.bytes);
}

static nb_jval call_strftime_now(const nb_jcall *c)
{
    char format[200], text[1000];
    struct tm now;
    if (c->a[0].kind != NB_J_STRING || c->a[0].n >= sizeof format)
        nb_jinja_fail(c->j, "strftime_now: expected a short format, found %s", nb_jval_type(c->a[0]));
    uint8_t mark = NB_JMARK_TRUSTED;
    for (uint32_t i = 0; i < c->a[0].n; i++)
        mark = (uint8_t)nb_max(mark, c->a[0].marks[i]);
    memcpy(format, c->a[0].bytes, c->a[0].n);
    format[c->a[0].n] = 0;
    time_t seconds = time(NULL);
    if (c->j->now)
        now = *c->j->now;
    else
        localtime_r(&seconds, &now);
    return nb_jval_string(c->j, text, strftime(text, sizeof text, format, &now), mark);
}

const nb_jbuiltin nb_jinja_functions[] = {
    {"range", "start stop step", 1, call_range},
    {"dict", "*", 0, call_dict},
    {"namespace", "*", 0, call_namespace},
    {"raise_exception", "message", 1, call_raise_exception},
    {"strftime_now", "format", 1, call_strftime_now},
};
const size_t nb_jinja_n_functions = NB_COUNT(nb_jinja_functions);
