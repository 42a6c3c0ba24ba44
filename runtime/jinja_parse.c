// SPDX-License-Identifier: Apache-2.0
// Statements of a template.
#include "runtime/jinja_parse.h"

#include <string.h>

static nb_jnode *parse_statement(nb_jparser *p);

nb_jnode *nb_jparse_node(nb_jparser *p, nb_jnode_kind kind)
{
    nb_jnode *node = nb_jinja_alloc(p->j, sizeof *node);
    *node = (nb_jnode){.kind = (uint8_t)kind, .line = p->token->line};
    return node;
}

void nb_jnodes_add(nb_jnodes *nodes, nb_jnode *node)
{
    if (nodes->last)
        *nodes->last = node;
    else
        nodes->first = node;
    nodes->last = &node->next;
}

void nb_jparse_enter(nb_jparser *p)
{
    if (++p->depth > NB_JINJA_PARSE_DEPTH_MAX) {
        p->j->line = p->token->line;
        nb_jinja_fail(p->j, "nested too deeply; expected at most %d levels", NB_JINJA_PARSE_DEPTH_MAX);
    }
}

_Noreturn void nb_jparse_fail(nb_jparser *p, const char *expected)
{
    p->j->line = p->token->line;
    if (p->token->kind == NB_JT_END)
        nb_jinja_fail(p->j, "expected %s, found the end of the template", expected);
    nb_jinja_fail(p->j, "expected %s, found %.*s", expected, (int)nb_min(p->token->bytes, 60), p->token->text);
}

bool nb_jparse_is_word(const nb_jparser *p, const char *word)
{
    return p->token->kind == NB_JT_NAME && nb_jval_is(p->token->value, word);
}

bool nb_jparse_skip_word(nb_jparser *p, const char *word)
{
    bool found = nb_jparse_is_word(p, word);
    p->token += found;
    return found;
}

bool nb_jparse_skip(nb_jparser *p, nb_jtoken_kind kind)
{
    bool found = p->token->kind == kind;
    p->token += found;
    return found;
}

nb_jtoken nb_jparse_expect(nb_jparser *p, nb_jtoken_kind kind)
{
    static const char *const names[] = {
        [NB_JT_VARIABLE_END] = "}}", [NB_JT_BLOCK_END] = "%}",  [NB_JT_NAME] = "a name", [NB_JT_ASSIGN] = "=",
        [NB_JT_COMMA] = "a comma",   [NB_JT_COLON] = "a colon", [NB_JT_LPAREN] = "(",    [NB_JT_RPAREN] = ")",
        [NB_JT_RBRACKET] = "]",      [NB_JT_RBRACE] = "}",
    };
    if (p->token->kind != kind)
        nb_jparse_fail(p, names[kind]);
    return *p->token++;
}

static bool is_any_word(const nb_jparser *p, const char *const *words)
{
    for (; *words; words++)
        if (nb_jparse_is_word(p, *words))
            return true;
    return false;
}

// Nodes up to a block that starts with one of `ends` (NULL-terminated; none: the end of the template); the token is
// then that word.
static nb_jnode *parse_nodes(nb_jparser *p, const char *const *ends, const char *missing)
{
    nb_jnodes nodes = {0};
    for (;;) {
        nb_jnode *node;
        if (p->token->kind == NB_JT_END) {
            if (ends[0])
                nb_jparse_fail(p, missing);
            return nodes.first;
        } else if (p->token->kind == NB_JT_DATA) {
            node = nb_jparse_node(p, NB_JN_DATA);
            node->value = p->token++->value;
        } else if (nb_jparse_skip(p, NB_JT_VARIABLE_BEGIN)) {
            node = nb_jparse_node(p, NB_JN_PRINT);
            node->a = nb_jparse_tuple(p, true, false, NULL);
            nb_jparse_expect(p, NB_JT_VARIABLE_END);
        } else {
            p->token++; // NB_JT_BLOCK_BEGIN: nothing else is left between tags
            if (is_any_word(p, ends))
                return nodes.first;
            node = parse_statement(p);
            nb_jparse_expect(p, NB_JT_BLOCK_END);
        }
        nb_jnodes_add(&nodes, node);
    }
}

// `%} body {% end`; what follows the end word is left.
static nb_jnode *parse_body(nb_jparser *p, const char *const *ends, const char *missing)
{
    nb_jparse_enter(p);
    nb_jparse_skip(p, NB_JT_COLON);
    nb_jparse_expect(p, NB_JT_BLOCK_END);
    nb_jnode *body = parse_nodes(p, ends, missing);
    p->depth--;
    return body;
}

static nb_jnode *parse_block(nb_jparser *p, const char *end)
{
    bool was_conditional = p->is_conditional;
    p->is_conditional = false;
    nb_jnode *body = parse_body(p, (const char *const[]){end, NULL}, end);
    p->token++;
    p->is_conditional = was_conditional;
    return body;
}

static nb_jnode *parse_if(nb_jparser *p)
{
    static const char *const ends[] = {"elif", "else", "endif", NULL};
    nb_jnode *node = nb_jparse_node(p, NB_JN_IF);
    nb_jnodes branches = {0};
    bool was_conditional = p->is_conditional;
    p->is_conditional = true;
    for (bool has_condition = true;;) {
        nb_jnode *branch = nb_jparse_node(p, NB_JN_BRANCH);
        p->token++; // if, elif or else
        if (has_condition)
            branch->a = nb_jparse_tuple(p, false, false, NULL);
        branch->list = parse_body(p, has_condition ? ends : ends + 2, "endif");
        nb_jnodes_add(&branches, branch);
        if (nb_jparse_is_word(p, "endif"))
            break;
        has_condition = nb_jparse_is_word(p, "elif");
    }
    p->token++;
    p->is_conditional = was_conditional;
    node->list = branches.first;
    return node;
}

static nb_jnode *parse_for(nb_jparser *p)
{
    static const char *const ends[] = {"endfor", "else", NULL};
    nb_jnode *node = nb_jparse_node(p, NB_JN_FOR);
    p->token++;
    node->a = nb_jparse_target(p, "in", false);
    if (!nb_jparse_skip_word(p, "in"))
        nb_jparse_fail(p, "in");
    node->b = nb_jparse_tuple(p, false, false, "recursive");
    if (nb_jparse_skip_word(p, "if"))
        node->c = nb_jparse_expression(p);
    if (nb_jparse_is_word(p, "recursive"))
        nb_jparse_fail(p, "a loop that is not recursive");
    bool was_conditional = p->is_conditional;
    p->is_conditional = false;
    p->n_loops++;
    node->list = parse_body(p, ends, "endfor");
    p->n_loops--;
    if (nb_jparse_skip_word(p, "else")) {
        node->d = nb_jparse_node(p, NB_JN_SCOPE);
        node->d->list = parse_body(p, ends, "endfor");
        if (!nb_jparse_is_word(p, "endfor"))
            nb_jparse_fail(p, "endfor");
    }
    p->token++;
    p->is_conditional = was_conditional;
    return node;
}

static nb_jnode *parse_loop_control(nb_jparser *p)
{
    nb_jnode *node = nb_jparse_node(p, nb_jparse_is_word(p, "break") ? NB_JN_BREAK : NB_JN_CONTINUE);
    if (p->n_loops == 0)
        nb_jparse_fail(p, "a tag allowed outside a loop");
    p->token++;
    return node;
}

static nb_jnode *parse_set(nb_jparser *p)
{
    nb_jnode *node = nb_jparse_node(p, NB_JN_SET);
    p->token++;
    node->a = nb_jparse_target(p, NULL, true);
    if (nb_jparse_skip(p, NB_JT_ASSIGN)) {
        node->b = nb_jparse_tuple(p, true, false, NULL);
        return node;
    }
    node->kind = NB_JN_SET_BLOCK;
    node->b = nb_jparse_filters(p, NULL, false);
    node->list = parse_block(p, "endset");
    return node;
}

static nb_jnode *parse_parameters(nb_jparser *p)
{
    nb_jnode *node = nb_jparse_node(p, NB_JN_PARAMETERS);
    nb_jnodes names = {0};
    nb_jparse_expect(p, NB_JT_LPAREN);
    for (bool has_default = false; p->token->kind != NB_JT_RPAREN;) {
        if (names.first)
            nb_jparse_expect(p, NB_JT_COMMA);
        nb_jnode *name = nb_jparse_node(p, NB_JN_NAME);
        name->value = nb_jparse_expect(p, NB_JT_NAME).value;
        if (nb_jparse_skip(p, NB_JT_ASSIGN)) {
            name->a = nb_jparse_expression(p);
            has_default = true;
        } else if (has_default) {
            nb_jparse_fail(p, "a default after a parameter with a default");
        }
        nb_jnodes_add(&names, name);
    }
    p->token++;
    node->list = names.first;
    return node;
}

// The body of a macro or call block: a world of its own for loops and for varargs, kwargs and caller.
static void parse_macro_body(nb_jparser *p, nb_jnode *macro, const char *end)
{
    nb_jnode *outer = p->macro;
    uint32_t n_loops = p->n_loops;
    p->macro = macro;
    p->n_loops = 0;
    macro->list = parse_block(p, end);
    p->macro = outer;
    p->n_loops = n_loops;
}

static nb_jnode *parse_macro(nb_jparser *p)
{
    nb_jnode *node = nb_jparse_node(p, NB_JN_MACRO);
    p->token++;
    node->value = nb_jparse_expect(p, NB_JT_NAME).value;
    node->d = parse_parameters(p);
    parse_macro_body(p, node, "endmacro");
    return node;
}

static nb_jnode *parse_call_block(nb_jparser *p)
{
    nb_jnode *node = nb_jparse_node(p, NB_JN_CALL_BLOCK);
    p->token++;
    node->d = p->token->kind == NB_JT_LPAREN ? parse_parameters(p) : nb_jparse_node(p, NB_JN_PARAMETERS);
    node->value = nb_jval_literal(p->j, "caller");
    node->a = nb_jparse_expression(p);
    if (node->a->kind != NB_JN_CALL)
        nb_jparse_fail(p, "the call of a macro before this");
    parse_macro_body(p, node, "endcall");
    return node;
}

static nb_jnode *parse_filter_block(nb_jparser *p)
{
    nb_jnode *node = nb_jparse_node(p, NB_JN_FILTER_BLOCK);
    p->token++;
    node->b = nb_jparse_filters(p, NULL, true);
    node->list = parse_block(p, "endfilter");
    return node;
}

static nb_jnode *parse_with(nb_jparser *p)
{
    nb_jnode *node = nb_jparse_node(p, NB_JN_WITH);
    nb_jnodes sets = {0};
    p->token++;
    node->d = nb_jparse_node(p, NB_JN_SCOPE);
    while (p->token->kind != NB_JT_BLOCK_END) {
        if (sets.first)
            nb_jparse_expect(p, NB_JT_COMMA);
        nb_jnode *set = nb_jparse_node(p, NB_JN_SET);
        set->a = nb_jparse_target(p, NULL, false);
        nb_jparse_expect(p, NB_JT_ASSIGN);
        set->b = nb_jparse_expression(p);
        nb_jnodes_add(&sets, set);
    }
    node->d->list = sets.first;
    node->list = parse_block(p, "endwith");
    return node;
}

// {% generation %} marks what a trainer learns; the text is the same.
static nb_jnode *parse_generation(nb_jparser *p)
{
    nb_jnode *node = nb_jparse_node(p, NB_JN_SCOPE);
    p->token++;
    node->list = parse_block(p, "endgeneration");
    return node;
}

static nb_jnode *parse_print(nb_jparser *p)
{
    nb_jnode *node = nb_jparse_node(p, NB_JN_SCOPE);
    nb_jnodes prints = {0};
    p->token++;
    while (p->token->kind != NB_JT_BLOCK_END) {
        if (prints.first)
            nb_jparse_expect(p, NB_JT_COMMA);
        nb_jnode *print = nb_jparse_node(p, NB_JN_PRINT);
        print->a = nb_jparse_expression(p);
        nb_jnodes_add(&prints, print);
    }
    node->list = prints.first;
    return node;
}

static nb_jnode *parse_statement(nb_jparser *p)
{
    static const struct {
        const char *word;
        nb_jnode *(*parse)(nb_jparser *p);
    } table[] = {
        {"if", parse_if},
        {"for", parse_for},
        {"set", parse_set},
        {"macro", parse_macro},
        {"call", parse_call_block},
        {"filter", parse_filter_block},
        {"with", parse_with},
        {"break", parse_loop_control},
        {"continue", parse_loop_control},
        {"print", parse_print},
        {"generation", parse_generation},
    };
    nb_jparse_enter(p);
    size_t i = 0;
    while (i < NB_COUNT(table) && !nb_jparse_is_word(p, table[i].word))
        i++;
    if (i == NB_COUNT(table))
        nb_jparse_fail(p,
                       "one of if, for, set, macro, call, filter, with, break, continue, generation, raw, or the end "
                       "of the innermost block");
    nb_jnode *node = table[i].parse(p);
    p->depth--;
    return node;
}

nb_jnode *nb_jinja_parse(nb_jinja *j, const char *source, size_t bytes)
{
    static const char *const none[] = {NULL};
    nb_jparser p = {.j = j, .token = nb_jinja_lex(j, source, bytes)};
    nb_jnode *root = nb_jparse_node(&p, NB_JN_SCOPE);
    root->list = parse_nodes(&p, none, "");
    if (!p.unknown)
        return root;
    j->line = p.unknown->line;
    if (p.unknown->kind == NB_JN_FILTER)
        nb_jinja_fail_filter(j, p.unknown->value.bytes, p.unknown->value.n);
    nb_jinja_fail_test(j, p.unknown->value.bytes, p.unknown->value.n);
}
