// SPDX-License-Identifier: Apache-2.0
// From template source to tokens (jinja_lex.c) to a tree (jinja_parse.c statements, jinja_expr.c expressions).
#ifndef NB_RUNTIME_JINJA_PARSE_H
#define NB_RUNTIME_JINJA_PARSE_H

#include "runtime/jinja_state.h"

// Kinds of token; those of operators are also what nb_jnode.op holds.
typedef enum nb_jtoken_kind {
    NB_JT_END,
    NB_JT_DATA,
    NB_JT_VARIABLE_BEGIN,
    NB_JT_VARIABLE_END,
    NB_JT_BLOCK_BEGIN,
    NB_JT_BLOCK_END,
    NB_JT_NAME,
    NB_JT_STRING,
    NB_JT_INT,
    NB_JT_FLOAT,
    NB_JT_ADD,
    NB_JT_SUB,
    NB_JT_MUL,
    NB_JT_DIV,
    NB_JT_FLOOR_DIV,
    NB_JT_MOD,
    NB_JT_POW,
    NB_JT_TILDE,
    NB_JT_EQ,
    NB_JT_NE,
    NB_JT_LT,
    NB_JT_LE,
    NB_JT_GT,
    NB_JT_GE,
    NB_JT_ASSIGN,
    NB_JT_PIPE,
    NB_JT_DOT,
    NB_JT_COMMA,
    NB_JT_COLON,
    NB_JT_SEMICOLON,
    NB_JT_LPAREN,
    NB_JT_RPAREN,
    NB_JT_LBRACKET,
    NB_JT_RBRACKET,
    NB_JT_LBRACE,
    NB_JT_RBRACE,
    NB_JT_IN, // operators made of words: only in nb_jnode.op
    NB_JT_NOT_IN,
} nb_jtoken_kind;

typedef struct nb_jtoken {
    nb_jtoken_kind kind;
    uint32_t line;
    nb_jval value;    // data, names, strings, numbers
    const char *text; // as written, for messages
    size_t bytes;
} nb_jtoken;

// Tokens of `source` (UTF-8), ending with NB_JT_END. Fails on bad syntax.
const nb_jtoken *nb_jinja_lex(nb_jinja *j, const char *source, size_t bytes);

typedef enum nb_jnode_kind {
    // expressions
    NB_JN_CONST,     // value
    NB_JN_NAME,      // value: the name
    NB_JN_LIST,      // list: items
    NB_JN_TUPLE,     // list: items
    NB_JN_DICT,      // list: key, value, key, value, ...
    NB_JN_ATTRIBUTE, // a.value
    NB_JN_ITEM,      // a[b]
    NB_JN_SLICE,     // a[b:c:d], each may be NULL
    NB_JN_CALL,      // a(list...)
    NB_JN_FILTER,    // a | value(list...); a NULL: the text of the block
    NB_JN_TEST,      // a is value(list...)
    NB_JN_NOT,       // not a
    NB_JN_NEGATE,    // -a
    NB_JN_PLUS,      // +a
    NB_JN_AND,
    NB_JN_OR,
    NB_JN_ARITHMETIC, // a op b
    NB_JN_CONCAT,     // list ~ ...
    NB_JN_COMPARE,    // a, then list of NB_JN_OPERAND
    NB_JN_OPERAND,    // op a
    NB_JN_CONDITION,  // a if b else c (may be NULL)
    NB_JN_NS_TARGET,  // value.name, assigned to; name in a->value
    // arguments of calls
    NB_JN_KEYWORD,   // value = a
    NB_JN_SPREAD,    // *a
    NB_JN_SPREAD_KW, // **a
    // statements
    NB_JN_DATA,   // value
    NB_JN_PRINT,  // a
    NB_JN_IF,     // list: NB_JN_BRANCH
    NB_JN_BRANCH, // a: condition (NULL: else), list: body
    NB_JN_FOR,    // a: target, b: items, c: condition or NULL, list: body, d->list: else or NULL
    NB_JN_BREAK,
    NB_JN_CONTINUE,
    NB_JN_SET,          // a: target, b: value
    NB_JN_SET_BLOCK,    // a: target, b: filters or NULL, list: body
    NB_JN_MACRO,        // value: name, d: NB_JN_PARAMETERS, list: body
    NB_JN_CALL_BLOCK,   // a: NB_JN_CALL, d: NB_JN_PARAMETERS, list: body
    NB_JN_FILTER_BLOCK, // b: filters, list: body
    NB_JN_WITH,         // d->list: NB_JN_SET, list: body
    NB_JN_SCOPE,        // list: body (generation)
    NB_JN_PARAMETERS,   // list: NB_JN_NAME with a: default or NULL
} nb_jnode_kind;

typedef struct nb_jnode {
    uint8_t kind;
    uint8_t op;                                  // nb_jtoken_kind
    bool uses_varargs, uses_kwargs, uses_caller; // macros: names that their body reads
    uint32_t line;
    nb_jval value;
    const struct nb_jbuiltin *builtin; // filters and tests; NULL: unknown, fails when run
    struct nb_jnode *a, *b, *c, *d;
    struct nb_jnode *list, *next; // children, next sibling
} nb_jnode;

typedef struct nb_jparser {
    nb_jinja *j;
    const nb_jtoken *token;
    uint32_t depth;
    uint32_t n_loops;    // open around here, within the macro
    bool is_conditional; // inside if: an unknown filter or test fails only when run, as in jinja2
    nb_jnode *unknown;   // the first unknown filter or test elsewhere, or NULL
    nb_jnode *macro;     // innermost, or NULL
} nb_jparser;

nb_jnode *nb_jinja_parse(nb_jinja *j, const char *source, size_t bytes); // NB_JN_SCOPE

// Between the two parts of the parser.
typedef struct nb_jnodes { // a list being built
    nb_jnode *first, **last;
} nb_jnodes;
nb_jnode *nb_jparse_node(nb_jparser *p, nb_jnode_kind kind);
void nb_jnodes_add(nb_jnodes *nodes, nb_jnode *node);
bool nb_jparse_is_word(const nb_jparser *p, const char *word);
bool nb_jparse_skip_word(nb_jparser *p, const char *word);
bool nb_jparse_skip(nb_jparser *p, nb_jtoken_kind kind);
nb_jtoken nb_jparse_expect(nb_jparser *p, nb_jtoken_kind kind);
_Noreturn void nb_jparse_fail(nb_jparser *p, const char *expected); // "expected ..., found <token>"
void nb_jparse_enter(nb_jparser *p);
nb_jnode *nb_jparse_expression(nb_jparser *p);
nb_jnode *nb_jparse_filters(nb_jparser *p, nb_jnode *input, bool starts_with_name);
// `a, b`; `stop`: a word that also ends it, or NULL
nb_jnode *nb_jparse_tuple(nb_jparser *p, bool with_condition, bool in_parentheses, const char *stop);
nb_jnode *nb_jparse_target(nb_jparser *p, const char *stop, bool with_namespace);

#endif
