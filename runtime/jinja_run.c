// SPDX-License-Identifier: Apache-2.0
// Statements, variables, and the entry points: compile, render.
#include "runtime/jinja_run.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/utf8.h"

nb_jscope *nb_jscope_create(nb_jinja *j, nb_jscope *parent)
{
    nb_jscope *scope = nb_jinja_alloc(j, sizeof *scope);
    *scope = (nb_jscope){.parent = parent};
    return scope;
}

void nb_jscope_set(nb_jinja *j, nb_jscope *scope, nb_jval name, nb_jval value)
{
    nb_jdict_set(j, &scope->variables, name, value);
}

nb_jval nb_jscope_get(nb_jinja *j, const nb_jscope *scope, nb_jval name)
{
    for (; scope; scope = scope->parent) {
        const nb_jval *value = nb_jdict_get(j, &scope->variables, name);
        if (value)
            return *value;
    }
    const nb_jbuiltin *function = nb_jinja_find(nb_jinja_functions, nb_jinja_n_functions, name.bytes, name.n);
    return function ? nb_jval_method(j, function, nb_jval_none()) : nb_jval_undefined(name.bytes, name.n);
}

static void unpack(nb_jinja *j, nb_jscope *scope, const nb_jnode *target, nb_jval value)
{
    const nb_jlist *items = nb_jval_iterate(j, value);
    uint32_t i = 0;
    for (const nb_jnode *node = target->list; node; node = node->next, i++) {
        if (i >= items->n)
            nb_jinja_fail(j, "unpacking: expected more values, found %u", items->n);
        nb_jinja_assign(j, scope, node, items->items[i]);
    }
    if (i != items->n)
        nb_jinja_fail(j, "unpacking: expected %u values, found %u", i, items->n);
}

void nb_jinja_assign(nb_jinja *j, nb_jscope *scope, const nb_jnode *target, nb_jval value)
{
    nb_jinja_charge(j, 1);
    if (target->kind == NB_JN_NAME) {
        nb_jscope_set(j, scope, target->value, value);
    } else if (target->kind == NB_JN_NS_TARGET) {
        nb_jval space = nb_jscope_get(j, scope, target->a->value);
        if (space.kind != NB_J_NAMESPACE)
            nb_jinja_fail(j, "'%.*s.%.*s =': expected a namespace, found %s", (int)nb_min(target->a->value.n, 60),
                          target->a->value.bytes, (int)nb_min(target->value.n, 60), target->value.bytes,
                          nb_jval_type(space));
        nb_jdict_set(j, space.dict, target->value, value);
    } else {
        unpack(j, scope, target, value);
    }
}

nb_jval nb_jinja_capture(nb_jinja *j, nb_jscope *scope, const nb_jnode *list)
{
    nb_jbuffer text = {.j = j}, *outer = j->out;
    j->out = &text;
    nb_jinja_exec(j, scope, list);
    j->out = outer;
    return nb_jbuffer_take(&text);
}

static nb_jflow exec_if(nb_jinja *j, nb_jscope *scope, const nb_jnode *node)
{
    for (const nb_jnode *branch = node->list; branch; branch = branch->next)
        if (!branch->a || nb_jval_true(nb_jinja_eval(j, scope, branch->a)))
            return nb_jinja_exec(j, scope, branch->list);
    return NB_JFLOW_NEXT;
}

// The items of a loop that pass its condition.
static const nb_jlist *select_items(nb_jinja *j, nb_jscope *scope, const nb_jnode *node)
{
    const nb_jlist *items = nb_jval_iterate(j, nb_jinja_eval(j, scope, node->b));
    if (!node->c)
        return items;
    nb_jlist *selected = nb_jval_list(j, NB_J_LIST, 0).list;
    for (uint32_t i = 0; i < items->n; i++) {
        nb_jscope *inner = nb_jscope_create(j, scope);
        nb_jinja_assign(j, inner, node->a, items->items[i]);
        if (nb_jval_true(nb_jinja_eval(j, inner, node->c)))
            nb_jlist_push(j, selected, items->items[i]);
    }
    return selected;
}

static nb_jflow exec_for(nb_jinja *j, nb_jscope *scope, const nb_jnode *node)
{
    const nb_jlist *items = select_items(j, scope, node);
    if (items->n == 0)
        return node->d ? nb_jinja_exec(j, nb_jscope_create(j, scope), node->d->list) : NB_JFLOW_NEXT;
    nb_jval loop = {.kind = NB_J_LOOP}, name = nb_jval_literal(j, "loop");
    loop.loop = nb_jinja_alloc(j, sizeof *loop.loop);
    *loop.loop = (nb_jloop){.items = items};
    for (uint32_t i = 0; i < items->n; i++) {
        nb_jscope *inner = nb_jscope_create(j, scope);
        loop.loop->index = i;
        nb_jscope_set(j, inner, name, loop);
        nb_jinja_assign(j, inner, node->a, items->items[i]);
        if (nb_jinja_exec(j, inner, node->list) == NB_JFLOW_BREAK)
            break;
    }
    return NB_JFLOW_NEXT;
}

static void exec_set_block(nb_jinja *j, nb_jscope *scope, const nb_jnode *node)
{
    nb_jval text = nb_jinja_capture(j, nb_jscope_create(j, scope), node->list);
    if (node->b)
        text = nb_jinja_eval_filters(j, scope, node->b, text);
    nb_jinja_assign(j, scope, node->a, text);
}

static void exec_call_block(nb_jinja *j, nb_jscope *scope, const nb_jnode *node)
{
    nb_jval callee = nb_jinja_eval(j, scope, node->a->a);
    nb_jargs args = nb_jinja_eval_arguments(j, scope, node->a->list);
    nb_jval *names = nb_jinja_alloc(j, (args.n_named + 1) * sizeof *names);
    nb_jval *named = nb_jinja_alloc(j, (args.n_named + 1) * sizeof *named);
    for (uint32_t i = 0; i < args.n_named; i++) {
        names[i] = args.names[i];
        named[i] = args.named[i];
    }
    names[args.n_named] = node->value;
    named[args.n_named++] = nb_jinja_make_macro(j, scope, node);
    args.names = names;
    args.named = named;
    nb_jval_write(j->out, nb_jinja_call(j, callee, &args));
}

static nb_jflow exec_with(nb_jinja *j, nb_jscope *scope, const nb_jnode *node)
{
    nb_jscope *inner = nb_jscope_create(j, scope);
    for (const nb_jnode *set = node->d->list; set; set = set->next)
        nb_jinja_assign(j, inner, set->a, nb_jinja_eval(j, scope, set->b));
    return nb_jinja_exec(j, inner, node->list);
}

static nb_jflow exec_node(nb_jinja *j, nb_jscope *scope, const nb_jnode *node)
{
    switch ((nb_jnode_kind)node->kind) {
    case NB_JN_DATA:
        nb_jbuffer_add_string(j->out, node->value);
        break;
    case NB_JN_PRINT:
        nb_jval_write(j->out, nb_jinja_eval(j, scope, node->a));
        break;
    case NB_JN_IF:
        return exec_if(j, scope, node);
    case NB_JN_FOR:
        return exec_for(j, scope, node);
    case NB_JN_BREAK:
        return NB_JFLOW_BREAK;
    case NB_JN_CONTINUE:
        return NB_JFLOW_CONTINUE;
    case NB_JN_SET:
        nb_jinja_assign(j, scope, node->a, nb_jinja_eval(j, scope, node->b));
        break;
    case NB_JN_SET_BLOCK:
        exec_set_block(j, scope, node);
        break;
    case NB_JN_MACRO:
        nb_jscope_set(j, scope, node->value, nb_jinja_make_macro(j, scope, node));
        break;
    case NB_JN_CALL_BLOCK:
        exec_call_block(j, scope, node);
        break;
    case NB_JN_FILTER_BLOCK:
        nb_jval_write(j->out, nb_jinja_eval_filters(j, scope, node->b,
                                                    nb_jinja_capture(j, nb_jscope_create(j, scope), node->list)));
        break;
    case NB_JN_WITH:
        return exec_with(j, scope, node);
    case NB_JN_SCOPE:
        return nb_jinja_exec(j, nb_jscope_create(j, scope), node->list);
    default:
        NB_ASSERT(false && "an expression where a statement belongs");
    }
    return NB_JFLOW_NEXT;
}

nb_jflow nb_jinja_exec(nb_jinja *j, nb_jscope *scope, const nb_jnode *list)
{
    nb_jinja_enter(j);
    nb_jflow flow = NB_JFLOW_NEXT;
    for (const nb_jnode *node = list; node && flow == NB_JFLOW_NEXT; node = node->next) {
        nb_jinja_charge(j, 1);
        j->line = node->line;
        flow = exec_node(j, scope, node);
    }
    nb_jinja_leave(j);
    return flow;
}

// ---- entry points -------------------------------------------------------------------------------------------------

struct nb_template {
    nb_jinja j; // owns the tree
    const nb_jnode *root;
};

static nb_status check_source(const char *source, size_t bytes, nb_error *error)
{
    if (bytes > NB_JINJA_SOURCE_BYTES_MAX)
        return nb_error_set(error, NB_ERR_INPUT, "chat template: expected at most %d bytes, found %zu",
                            NB_JINJA_SOURCE_BYTES_MAX, bytes);
    for (size_t i = 0; i < bytes;) {
        nb_utf8 c = nb_utf8_read(source + i, bytes - i);
        if (c.kind != NB_UTF8_VALID)
            return nb_error_set(error, NB_ERR_INPUT, "chat template: expected UTF-8, found byte 0x%02x at offset %zu",
                                (unsigned char)source[i], i);
        i += c.bytes;
    }
    return NB_OK;
}

nb_status nb_template_compile(struct nb_template **template, const char *source, size_t bytes, nb_error *error)
{
    *template = NULL;
    NB_TRY(check_source(source, bytes, error));
    struct nb_template *made = calloc(1, sizeof *made);
    if (!made)
        return nb_error_set(error, NB_ERR_SYSTEM, "chat template: no memory");
    made->j.error = error;
    if (setjmp(made->j.escape)) {
        nb_status status = made->j.status;
        nb_template_free(made);
        return status;
    }
    made->root = nb_jinja_parse(&made->j, source, bytes);
    made->j.error = NULL;
    *template = made;
    return NB_OK;
}

void nb_template_free(struct nb_template *template)
{
    if (template)
        nb_jinja_pool_free(&template->j);
    free(template);
}

static void render(nb_jinja *j, const struct nb_template *template, const nb_render_input *input, nb_rendered *rendered)
{
    nb_jbuffer out = {.j = j};
    nb_jscope *scope = nb_jscope_create(j, NULL);
    j->out = &out;
    nb_jinja_bind_input(j, &scope->variables, input);
    nb_jinja_exec(j, nb_jscope_create(j, scope), template->root->list);
    rendered->text = malloc(out.n + 1);
    rendered->marks = malloc(out.n + 1);
    if (!rendered->text || !rendered->marks) {
        j->status = nb_error_set(j->error, NB_ERR_SYSTEM, "chat template: no memory for %zu bytes", out.n);
        return;
    }
    rendered->bytes = out.n;
    if (out.n) {
        memcpy(rendered->text, out.bytes, out.n);
        memcpy(rendered->marks, out.marks, out.n);
    }
}

nb_status nb_template_render(const struct nb_template *template, const nb_render_input *input, nb_rendered *rendered,
                             nb_error *error)
{
    *rendered = (nb_rendered){0};
    nb_jinja *j = calloc(1, sizeof *j);
    if (!j)
        return nb_error_set(error, NB_ERR_SYSTEM, "chat template: no memory");
    j->error = error;
    j->now = input->now;
    if (setjmp(j->escape) == 0)
        render(j, template, input, rendered);
    nb_status status = j->status;
    nb_jinja_pool_free(j);
    free(j);
    return status;
}

void nb_rendered_release(nb_rendered *rendered)
{
    free(rendered->text);
    free(rendered->marks);
    *rendered = (nb_rendered){0};
}
