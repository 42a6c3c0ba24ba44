// SPDX-License-Identifier: Apache-2.0
// Expressions of a template. From loosest to tightest: if-else, or, and, not, comparisons, + -, ~, * / // %, **,
// unary - +, then postfix (.name, [..], (..)), filters and tests.
#include "runtime/jinja_parse.h"

#include <string.h>

static nb_jnode *parse_unary(nb_jparser *p, bool with_filters);
static nb_jnode *parse_or(nb_jparser *p);

static nb_jnode *binary(nb_jparser *p, nb_jnode_kind kind, uint32_t line, nb_jnode *a, nb_jnode *b)
{
    nb_jnode *node = nb_jparse_node(p, kind);
    node->line = line;
    node->a = a;
    node->b = b;
    return node;
}

nb_jnode *nb_jparse_expression(nb_jparser *p)
{
    nb_jparse_enter(p);
    nb_jnode *unknown = p->unknown, *node = parse_or(p);
    while (nb_jparse_is_word(p, "if")) {
        p->unknown = unknown; // what stands before the if is conditional, too
        nb_jnode *condition = binary(p, NB_JN_CONDITION, node->line, node, NULL);
        bool was_conditional = p->is_conditional;
        p->is_conditional = true;
        p->token++;
        condition->b = parse_or(p);
        if (nb_jparse_skip_word(p, "else"))
            condition->c = nb_jparse_expression(p);
        p->is_conditional = was_conditional;
        node = condition;
    }
    p->depth--;
    return node;
}

static nb_jnode *parse_not(nb_jparser *p);

static nb_jnode *parse_and(nb_jparser *p)
{
    nb_jnode *left = parse_not(p);
    while (nb_jparse_skip_word(p, "and"))
        left = binary(p, NB_JN_AND, left->line, left, parse_not(p));
    return left;
}

static nb_jnode *parse_or(nb_jparser *p)
{
    nb_jnode *left = parse_and(p);
    while (nb_jparse_skip_word(p, "or"))
        left = binary(p, NB_JN_OR, left->line, left, parse_and(p));
    return left;
}

static nb_jnode *parse_power(nb_jparser *p)
{
    nb_jnode *left = parse_unary(p, true);
    while (nb_jparse_skip(p, NB_JT_POW)) {
        left = binary(p, NB_JN_ARITHMETIC, left->line, left, parse_unary(p, true));
        left->op = NB_JT_POW;
    }
    return left;
}

static nb_jnode *parse_product(nb_jparser *p)
{
    nb_jnode *left = parse_power(p);
    while (p->token->kind >= NB_JT_MUL && p->token->kind <= NB_JT_MOD) {
        nb_jtoken_kind op = p->token++->kind;
        left = binary(p, NB_JN_ARITHMETIC, left->line, left, parse_power(p));
        left->op = (uint8_t)op;
    }
    return left;
}

static nb_jnode *parse_concat(nb_jparser *p)
{
    nb_jnode *first = parse_product(p);
    if (p->token->kind != NB_JT_TILDE)
        return first;
    nb_jnode *node = nb_jparse_node(p, NB_JN_CONCAT);
    nb_jnodes parts = {0};
    nb_jnodes_add(&parts, first);
    while (nb_jparse_skip(p, NB_JT_TILDE))
        nb_jnodes_add(&parts, parse_product(p));
    node->list = parts.first;
    return node;
}

static nb_jnode *parse_sum(nb_jparser *p)
{
    nb_jnode *left = parse_concat(p);
    while (p->token->kind == NB_JT_ADD || p->token->kind == NB_JT_SUB) {
        nb_jtoken_kind op = p->token++->kind;
        left = binary(p, NB_JN_ARITHMETIC, left->line, left, parse_concat(p));
        left->op = (uint8_t)op;
    }
    return left;
}

// The comparison here, or NB_JT_END; skips it.
static nb_jtoken_kind skip_comparison(nb_jparser *p)
{
    if (p->token->kind >= NB_JT_EQ && p->token->kind <= NB_JT_GE)
        return p->token++->kind;
    if (nb_jparse_skip_word(p, "in"))
        return NB_JT_IN;
    if (nb_jparse_is_word(p, "not") && p->token[1].kind == NB_JT_NAME && nb_jval_is(p->token[1].value, "in")) {
        p->token += 2;
        return NB_JT_NOT_IN;
    }
    return NB_JT_END;
}

static nb_jnode *parse_comparison(nb_jparser *p)
{
    nb_jnode *first = parse_sum(p), *node = NULL;
    nb_jnodes operands = {0};
    for (;;) {
        nb_jnode *operand = nb_jparse_node(p, NB_JN_OPERAND);
        operand->op = (uint8_t)skip_comparison(p);
        if (operand->op == NB_JT_END)
            break;
        operand->a = parse_sum(p);
        nb_jnodes_add(&operands, operand);
    }
    if (!operands.first)
        return first;
    node = binary(p, NB_JN_COMPARE, first->line, first, NULL);
    node->list = operands.first;
    return node;
}

static nb_jnode *parse_not(nb_jparser *p)
{
    if (!nb_jparse_is_word(p, "not"))
        return parse_comparison(p);
    nb_jparse_enter(p);
    nb_jnode *node = nb_jparse_node(p, NB_JN_NOT);
    p->token++;
    node->a = parse_not(p);
    p->depth--;
    return node;
}

// ---- literals -----------------------------------------------------------------------------------------------------

static nb_jnode *parse_list(nb_jparser *p)
{
    nb_jnode *node = nb_jparse_node(p, NB_JN_LIST);
    nb_jnodes items = {0};
    p->token++;
    while (p->token->kind != NB_JT_RBRACKET) {
        nb_jnodes_add(&items, nb_jparse_expression(p));
        if (p->token->kind != NB_JT_RBRACKET)
            nb_jparse_expect(p, NB_JT_COMMA);
    }
    p->token++;
    node->list = items.first;
    return node;
}

static nb_jnode *parse_dict(nb_jparser *p)
{
    nb_jnode *node = nb_jparse_node(p, NB_JN_DICT);
    nb_jnodes items = {0};
    p->token++;
    while (p->token->kind != NB_JT_RBRACE) {
        nb_jnodes_add(&items, nb_jparse_expression(p));
        nb_jparse_expect(p, NB_JT_COLON);
        nb_jnodes_add(&items, nb_jparse_expression(p));
        if (p->token->kind != NB_JT_RBRACE)
            nb_jparse_expect(p, NB_JT_COMMA);
    }
    p->token++;
    node->list = items.first;
    return node;
}

static nb_jnode *parse_strings(nb_jparser *p) // neighbours are one
{
    nb_jnode *node = nb_jparse_node(p, NB_JN_CONST);
    nb_jbuffer b = {.j = p->j};
    while (p->token->kind == NB_JT_STRING)
        nb_jbuffer_add_string(&b, p->token++->value);
    node->value = nb_jbuffer_take(&b);
    return node;
}

static nb_jnode *parse_name(nb_jparser *p)
{
    static const char *const words[] = {"true", "True", "false", "False", "none", "None"};
    nb_jnode *node = nb_jparse_node(p, NB_JN_NAME);
    node->value = p->token++->value;
    for (size_t i = 0; i < NB_COUNT(words); i++)
        if (nb_jval_is(node->value, words[i])) {
            node->kind = NB_JN_CONST;
            node->value = i < 4 ? nb_jval_bool(i < 2) : nb_jval_none();
            return node;
        }
    if (p->macro) {
        p->macro->uses_varargs |= nb_jval_is(node->value, "varargs");
        p->macro->uses_kwargs |= nb_jval_is(node->value, "kwargs");
        p->macro->uses_caller |= nb_jval_is(node->value, "caller");
    }
    return node;
}

static nb_jnode *parse_primary(nb_jparser *p)
{
    nb_jnode *node;
    switch (p->token->kind) {
    case NB_JT_NAME:
        return parse_name(p);
    case NB_JT_STRING:
        return parse_strings(p);
    case NB_JT_INT:
    case NB_JT_FLOAT:
        node = nb_jparse_node(p, NB_JN_CONST);
        node->value = p->token++->value;
        return node;
    case NB_JT_LPAREN:
        p->token++;
        node = nb_jparse_tuple(p, true, true, NULL);
        nb_jparse_expect(p, NB_JT_RPAREN);
        return node;
    case NB_JT_LBRACKET:
        return parse_list(p);
    case NB_JT_LBRACE:
        return parse_dict(p);
    default:
        nb_jparse_fail(p, "an expression");
    }
}

static bool ends_tuple(const nb_jparser *p, const char *stop)
{
    return p->token->kind == NB_JT_VARIABLE_END || p->token->kind == NB_JT_BLOCK_END ||
           p->token->kind == NB_JT_RPAREN || (stop && nb_jparse_is_word(p, stop));
}

nb_jnode *nb_jparse_tuple(nb_jparser *p, bool with_condition, bool in_parentheses, const char *stop)
{
    nb_jparse_enter(p);
    nb_jnode *node = nb_jparse_node(p, NB_JN_TUPLE);
    nb_jnodes items = {0};
    bool is_tuple = false;
    while (!ends_tuple(p, stop)) {
        nb_jnodes_add(&items, with_condition ? nb_jparse_expression(p) : parse_or(p));
        if (!nb_jparse_skip(p, NB_JT_COMMA))
            break;
        is_tuple = true;
    }
    p->depth--;
    if (!is_tuple && items.first)
        return items.first;
    if (!is_tuple && !in_parentheses)
        nb_jparse_fail(p, "an expression");
    node->list = items.first;
    return node;
}

// ---- targets of assignments ---------------------------------------------------------------------------------------

static void check_target(nb_jparser *p, const nb_jnode *node)
{
    nb_jparse_enter(p);
    if (node->kind == NB_JN_TUPLE || node->kind == NB_JN_LIST) {
        for (const nb_jnode *item = node->list; item; item = item->next)
            check_target(p, item);
    } else if (node->kind != NB_JN_NAME && node->kind != NB_JN_NS_TARGET) {
        nb_jparse_fail(p, "a name to assign to before this");
    }
    p->depth--;
}

static nb_jnode *parse_target_item(nb_jparser *p, bool with_namespace)
{
    nb_jnode *name = parse_primary(p);
    if (!with_namespace || name->kind != NB_JN_NAME || !nb_jparse_skip(p, NB_JT_DOT))
        return name;
    nb_jnode *node = binary(p, NB_JN_NS_TARGET, name->line, name, NULL);
    node->value = nb_jparse_expect(p, NB_JT_NAME).value;
    return node;
}

nb_jnode *nb_jparse_target(nb_jparser *p, const char *stop, bool with_namespace)
{
    nb_jnode *tuple = nb_jparse_node(p, NB_JN_TUPLE);
    nb_jnodes items = {0};
    bool is_tuple = false;
    while (!ends_tuple(p, stop)) {
        nb_jnodes_add(&items, parse_target_item(p, with_namespace));
        if (!nb_jparse_skip(p, NB_JT_COMMA))
            break;
        is_tuple = true;
    }
    if (!items.first)
        nb_jparse_fail(p, "a name to assign to");
    tuple->list = items.first;
    nb_jnode *target = is_tuple ? tuple : items.first;
    check_target(p, target);
    return target;
}

// ---- postfix ------------------------------------------------------------------------------------------------------

static nb_jnode *parse_argument(nb_jparser *p)
{
    nb_jnode *node = nb_jparse_node(p, NB_JN_KEYWORD);
    if (nb_jparse_skip(p, NB_JT_MUL)) {
        node->kind = NB_JN_SPREAD;
    } else if (nb_jparse_skip(p, NB_JT_POW)) {
        node->kind = NB_JN_SPREAD_KW;
    } else if (p->token->kind == NB_JT_NAME && p->token[1].kind == NB_JT_ASSIGN) {
        node->value = p->token->value;
        p->token += 2;
    } else {
        return nb_jparse_expression(p);
    }
    node->a = nb_jparse_expression(p);
    return node;
}

// 0: an argument by position, then the order in which the others may follow.
static int argument_rank(const nb_jnode *node)
{
    return node->kind == NB_JN_KEYWORD ? 1 : node->kind == NB_JN_SPREAD ? 2 : node->kind == NB_JN_SPREAD_KW ? 3 : 0;
}

static nb_jnode *parse_arguments(nb_jparser *p)
{
    nb_jnodes nodes = {0};
    int seen = 0;
    nb_jparse_expect(p, NB_JT_LPAREN);
    while (p->token->kind != NB_JT_RPAREN) {
        nb_jnode *node = parse_argument(p);
        int rank = argument_rank(node);
        bool is_late_keyword = rank == 1 && seen == 2;
        if ((rank < seen && !is_late_keyword) || (rank == seen && rank >= 2))
            nb_jparse_fail(p, "positional arguments, then named ones, before this");
        seen = rank > seen ? rank : seen;
        nb_jnodes_add(&nodes, node);
        if (p->token->kind != NB_JT_RPAREN)
            nb_jparse_expect(p, NB_JT_COMMA);
    }
    p->token++;
    return nodes.first;
}

static bool ends_subscript(const nb_jparser *p)
{
    return p->token->kind == NB_JT_RBRACKET || p->token->kind == NB_JT_COMMA;
}

// What stands in the brackets: an expression or from:to:step.
static void parse_subscript(nb_jparser *p, nb_jnode *node)
{
    if (p->token->kind != NB_JT_COLON)
        node->b = nb_jparse_expression(p);
    if (nb_jparse_skip(p, NB_JT_COLON)) {
        node->kind = NB_JN_SLICE;
        if (!ends_subscript(p) && p->token->kind != NB_JT_COLON)
            node->c = nb_jparse_expression(p);
        if (nb_jparse_skip(p, NB_JT_COLON) && !ends_subscript(p))
            node->d = nb_jparse_expression(p);
    }
    nb_jparse_expect(p, NB_JT_RBRACKET);
}

static nb_jnode *parse_postfix(nb_jparser *p, nb_jnode *node)
{
    for (;;) {
        uint32_t line = p->token->line;
        if (nb_jparse_skip(p, NB_JT_DOT)) {
            if (p->token->kind == NB_JT_INT) {
                node = binary(p, NB_JN_ITEM, line, node, parse_primary(p));
            } else {
                node = binary(p, NB_JN_ATTRIBUTE, line, node, NULL);
                node->value = nb_jparse_expect(p, NB_JT_NAME).value;
            }
        } else if (nb_jparse_skip(p, NB_JT_LBRACKET)) {
            node = binary(p, NB_JN_ITEM, line, node, NULL);
            parse_subscript(p, node);
        } else if (p->token->kind == NB_JT_LPAREN) {
            node = binary(p, NB_JN_CALL, line, node, NULL);
            node->list = parse_arguments(p);
        } else {
            return node;
        }
    }
}

static void check_known(nb_jparser *p, nb_jnode *node)
{
    if (!node->builtin && !p->is_conditional && !p->unknown)
        p->unknown = node;
}

nb_jnode *nb_jparse_filters(nb_jparser *p, nb_jnode *input, bool starts_with_name)
{
    while (starts_with_name || nb_jparse_skip(p, NB_JT_PIPE)) {
        starts_with_name = false;
        input = binary(p, NB_JN_FILTER, p->token->line, input, NULL);
        input->value = nb_jparse_expect(p, NB_JT_NAME).value;
        input->builtin = nb_jinja_filter(input->value.bytes, input->value.n);
        check_known(p, input);
        if (p->token->kind == NB_JT_LPAREN)
            input->list = parse_arguments(p);
    }
    return input;
}

static bool starts_test_argument(const nb_jparser *p)
{
    nb_jtoken_kind kind = p->token->kind;
    if (kind == NB_JT_NAME)
        return !nb_jparse_is_word(p, "else") && !nb_jparse_is_word(p, "or") && !nb_jparse_is_word(p, "and");
    return kind == NB_JT_STRING || kind == NB_JT_INT || kind == NB_JT_FLOAT || kind == NB_JT_LBRACKET ||
           kind == NB_JT_LBRACE;
}

static nb_jnode *parse_test(nb_jparser *p, nb_jnode *input)
{
    p->token++; // is
    bool is_negated = nb_jparse_skip_word(p, "not");
    nb_jnode *node = binary(p, NB_JN_TEST, p->token->line, input, NULL);
    node->value = nb_jparse_expect(p, NB_JT_NAME).value;
    node->builtin = nb_jinja_test(node->value.bytes, node->value.n);
    check_known(p, node);
    if (p->token->kind == NB_JT_LPAREN) {
        node->list = parse_arguments(p);
    } else if (starts_test_argument(p)) {
        if (nb_jparse_is_word(p, "is"))
            nb_jparse_fail(p, "one test at a time");
        node->list = parse_postfix(p, parse_primary(p));
    }
    return is_negated ? binary(p, NB_JN_NOT, node->line, node, NULL) : node;
}

static nb_jnode *parse_filters_and_tests(nb_jparser *p, nb_jnode *node)
{
    for (;;) {
        if (p->token->kind == NB_JT_PIPE) {
            node = nb_jparse_filters(p, node, false);
        } else if (nb_jparse_is_word(p, "is")) {
            node = parse_test(p, node);
        } else if (p->token->kind == NB_JT_LPAREN) {
            node = binary(p, NB_JN_CALL, p->token->line, node, NULL);
            node->list = parse_arguments(p);
        } else {
            return node;
        }
    }
}

static nb_jnode *parse_unary(nb_jparser *p, bool with_filters)
{
    nb_jparse_enter(p);
    nb_jnode *node;
    if (p->token->kind == NB_JT_SUB || p->token->kind == NB_JT_ADD) {
        node = nb_jparse_node(p, p->token->kind == NB_JT_SUB ? NB_JN_NEGATE : NB_JN_PLUS);
        p->token++;
        node->a = parse_unary(p, false);
    } else {
        node = parse_primary(p);
    }
    node = parse_postfix(p, node);
    p->depth--;
    return with_filters ? parse_filters_and_tests(p, node) : node;
}
