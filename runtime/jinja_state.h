// SPDX-License-Identifier: Apache-2.0
// What every part of the template interpreter shares: the state of one compilation or one rendering, its memory pool,
// its limits, and values.
//
// All memory comes from the state's pool and is freed at once at the end. A failure records the error and jumps
// (longjmp) to the one entry point that owns the state, so functions here return their result directly and never a
// status. No function keeps anything outside the pool.
#ifndef NB_RUNTIME_JINJA_STATE_H
#define NB_RUNTIME_JINJA_STATE_H

#include <setjmp.h>
#include <time.h>

#include "platform/base.h"

enum {
    NB_JINJA_SOURCE_BYTES_MAX = 1 << 20,   // the longest template in use is about 30 KB
    NB_JINJA_PARSE_DEPTH_MAX = 200,        // nested statements and expressions
    NB_JINJA_RUN_DEPTH_MAX = 400,          // nested evaluation, values and macro calls: bounds the native stack
    NB_JINJA_STEPS_MAX = 5000000,          // nodes evaluated, plus one per 64 bytes or 8 items touched
    NB_JINJA_MEMORY_BYTES_MAX = 256 << 20, // everything one rendering allocates, its text included
    NB_JINJA_RANGE_MAX = 100000,           // items of one range(), as in jinja2's sandbox
};

struct nb_jchunk;

typedef struct nb_jinja {
    struct nb_jchunk *chunks;
    size_t pool_bytes;
    nb_error *error;
    nb_status status;
    jmp_buf escape;
    uint32_t line;  // of the template, where work is going on
    uint32_t depth; // of evaluation
    uint32_t steps;
    const struct tm *now;
    struct nb_jbuffer *out; // where statements print
} nb_jinja;

void *nb_jinja_alloc(nb_jinja *j, size_t bytes); // 16-byte aligned, not cleared; never NULL
void nb_jinja_pool_free(nb_jinja *j);
_Noreturn void nb_jinja_fail(nb_jinja *j, const char *format, ...) NB_PRINTF(2, 3);
void nb_jinja_charge(nb_jinja *j, size_t steps); // fails at the limit
void nb_jinja_enter(nb_jinja *j);                // one level deeper; fails at the limit

static inline void nb_jinja_leave(nb_jinja *j)
{
    j->depth--;
}

// ---- values ------------------------------------------------------------------------------------------------------

// Who wrote a byte. The order matters: what is made of several parts gets the highest. The values are those of the
// tokenizer's NB_MARK_TRUSTED, NB_MARK_ANSWER and NB_MARK_FOREIGN.
enum { NB_JMARK_TRUSTED, NB_JMARK_ANSWER, NB_JMARK_FOREIGN };

typedef enum nb_jkind {
    NB_J_ABSENT, // an argument that was not given; no template sees it
    NB_J_UNDEFINED,
    NB_J_NONE,
    NB_J_BOOL,
    NB_J_INT,
    NB_J_FLOAT,
    NB_J_STRING,
    NB_J_LIST,
    NB_J_TUPLE,
    NB_J_RANGE,
    NB_J_VIEW,     // keys(), values(), items() of a dict
    NB_J_ITERATOR, // what select, map and the like give: always true, no length, read once
    NB_J_DICT,
    NB_J_NAMESPACE,
    NB_J_LOOP,
    NB_J_CALLABLE, // builtin, method or macro
} nb_jkind;

typedef struct nb_jval {
    uint8_t kind;
    uint8_t mark; // numbers and constants: the mark of their text
    bool is_safe; // strings: came out of `safe` or `escape`, so joining with others escapes those
    uint32_t n;   // strings and names of undefined values: bytes
    union {
        struct {
            const char *bytes;    // UTF-8
            const uint8_t *marks; // n of them; NULL for undefined
        };
        bool boolean;
        int64_t integer;
        double real;
        struct nb_jlist *list; // list, tuple, range, view, iterator
        struct nb_jdict *dict; // dict, namespace
        struct nb_jloop *loop;
        struct nb_jcallable *callable;
    };
} nb_jval;

typedef struct nb_jlist {
    nb_jval *items;
    uint32_t n, capacity;
    uint32_t position; // iterators: items read
    nb_jval label;     // range: its text; view: "dict_keys" and so on; else absent
} nb_jlist;

typedef struct nb_jdict { // insertion order, linear search
    nb_jval *keys, *values;
    uint32_t n, capacity;
} nb_jdict;

typedef struct nb_jloop {
    const nb_jlist *items;
    uint32_t index;
    nb_jval last_changed; // of loop.changed
} nb_jloop;

// Arguments of a call as written.
typedef struct nb_jargs {
    nb_jval *items;
    uint32_t n;
    nb_jval *names; // strings
    nb_jval *named;
    uint32_t n_named;
} nb_jargs;

enum { NB_JINJA_PARAMS_MAX = 6 };

// One call of a builtin: `a` holds the arguments by parameter, NB_J_ABSENT where not given.
typedef struct nb_jcall {
    nb_jinja *j;
    const char *name;
    nb_jval self; // what a filter, test or method works on
    nb_jval a[NB_JINJA_PARAMS_MAX];
    const nb_jargs *args;
} nb_jcall;

// A filter, test, method or function. `params`: names separated by blanks, or "*" to read c->args itself; the first
// n_required must be given.
typedef struct nb_jbuiltin {
    const char *name;
    const char *params;
    uint32_t n_required;
    nb_jval (*function)(const nb_jcall *c);
} nb_jbuiltin;

typedef struct nb_jcallable {
    const nb_jbuiltin *builtin;  // or NULL: a macro
    nb_jval self;                // methods
    const struct nb_jnode *node; // macros: the definition and where it stands
    struct nb_jscope *scope;
} nb_jcallable;

const nb_jbuiltin *nb_jinja_find(const nb_jbuiltin *table, size_t n, const char *name, size_t name_bytes);
nb_jval nb_jinja_apply(nb_jinja *j, const nb_jbuiltin *builtin, nb_jval self, const nb_jargs *args);
nb_jval nb_jinja_call(nb_jinja *j, nb_jval callee, const nb_jargs *args); // jinja_call.c

// ---- making values ------------------------------------------------------------------------------------------------

nb_jval nb_jval_none(void);
nb_jval nb_jval_bool(bool boolean);
nb_jval nb_jval_int(int64_t integer);
nb_jval nb_jval_float(double real);
nb_jval nb_jval_undefined(const char *name, size_t bytes);                      // name: kept by pointer
nb_jval nb_jval_string(nb_jinja *j, const char *bytes, size_t n, uint8_t mark); // copies
nb_jval nb_jval_literal(nb_jinja *j, const char *text);                         // trusted, zero-terminated
nb_jval nb_jval_slice(nb_jval string, size_t from, size_t to);                  // bytes; shares
nb_jval nb_jval_list(nb_jinja *j, nb_jkind kind, size_t capacity);
void nb_jlist_push(nb_jinja *j, nb_jlist *list, nb_jval item);
nb_jval nb_jval_pair(nb_jinja *j, nb_jval first, nb_jval second); // tuple
nb_jval nb_jval_dict(nb_jinja *j);
const nb_jval *nb_jdict_get(nb_jinja *j, const nb_jdict *dict, nb_jval key); // NULL: not there; fails if unhashable
void nb_jdict_set(nb_jinja *j, nb_jdict *dict, nb_jval key, nb_jval value);
nb_jval nb_jval_method(nb_jinja *j, const nb_jbuiltin *builtin, nb_jval self);

// Text under construction, in the pool.
typedef struct nb_jbuffer {
    nb_jinja *j;
    char *bytes;
    uint8_t *marks;
    size_t n, capacity;
} nb_jbuffer;

void nb_jbuffer_add(nb_jbuffer *b, const char *bytes, size_t n, uint8_t mark);
void nb_jbuffer_puts(nb_jbuffer *b, const char *text); // trusted
void nb_jbuffer_add_string(nb_jbuffer *b, nb_jval string);
nb_jval nb_jbuffer_take(nb_jbuffer *b); // the text as a string; the buffer must not be used after it

// ---- asking values ------------------------------------------------------------------------------------------------

bool nb_jval_true(nb_jval value);
bool nb_jval_equal(nb_jinja *j, nb_jval a, nb_jval b);
int nb_jval_compare(nb_jinja *j, nb_jval a, nb_jval b); // <0, 0, >0; fails on types without order, NaN included
bool nb_jval_contains(nb_jinja *j, nb_jval container, nb_jval item);
bool nb_jval_is(nb_jval string, const char *text);
bool nb_jval_is_int(nb_jval value);                                   // bool counts
bool nb_jval_is_number(nb_jval value);                                // bool counts
int64_t nb_jval_to_int(nb_jinja *j, nb_jval value, const char *what); // fails unless nb_jval_is_int
double nb_jval_to_float(nb_jval number);
bool nb_jval_has_length(nb_jval value);
size_t nb_jval_length(nb_jinja *j, nb_jval value); // code points, items; fails where Python's len does
bool nb_jval_is_iterable(nb_jval value);
const nb_jlist *nb_jval_iterate(nb_jinja *j, nb_jval value); // all items; an iterator is used up; fails as iter() does
const char *nb_jval_type(nb_jval value);                     // Python's name of the type
nb_jval nb_jval_str(nb_jinja *j, nb_jval value);             // str()
void nb_jval_write(nb_jbuffer *b, nb_jval value);            // str() appended
void nb_jval_write_repr(nb_jbuffer *b, nb_jval value);       // repr() appended
void nb_jinja_check_defined(nb_jinja *j, nb_jval value);     // fails with "'x' is undefined"

size_t nb_jinja_format_float(char *text, size_t capacity, double real);           // Python's repr
bool nb_jinja_parse_int(nb_jinja *j, nb_jval string, int base, int64_t *integer); // as Python's int()
bool nb_jinja_parse_float(nb_jinja *j, nb_jval string, double *real);             // as Python's float()

// Operators; `op` is a token kind of jinja_lex.h.
nb_jval nb_jinja_arithmetic(nb_jinja *j, int op, nb_jval a, nb_jval b);
nb_jval nb_jinja_negate(nb_jinja *j, nb_jval a);
nb_jval nb_jinja_add_strings(nb_jinja *j, nb_jval a, nb_jval b); // a + b; if one is safe, the other is escaped
nb_jval nb_jinja_percent_format(nb_jinja *j, nb_jval format, const nb_jlist *args, bool may_ignore); // unused values

// obj.name and obj[key]: undefined where there is no such thing. obj[from:to:step] fails then; absent: omitted.
nb_jval nb_jinja_attribute(nb_jinja *j, nb_jval object, nb_jval name);
nb_jval nb_jinja_item(nb_jinja *j, nb_jval object, nb_jval key);
nb_jval nb_jinja_slice(nb_jinja *j, nb_jval object, nb_jval from, nb_jval to, nb_jval step);

// ---- text ---------------------------------------------------------------------------------------------------------

size_t nb_jtext_next(const char *bytes, size_t n, int32_t *code_point); // length of the first character, n > 0
bool nb_jtext_is_space(int32_t code_point);                             // as Python's str.isspace
size_t nb_jtext_offset(nb_jval string, size_t i_character);             // byte offset, at most n
typedef enum nb_jcase { NB_JCASE_UPPER, NB_JCASE_LOWER, NB_JCASE_TITLE, NB_JCASE_CAPITAL, NB_JCASE_SWAP } nb_jcase;
nb_jval nb_jtext_case(nb_jinja *j, nb_jval string, nb_jcase target);
void nb_jtext_add_case(nb_jbuffer *b, nb_jval string, nb_jcase target);
enum { NB_JSTRIP_LEFT = 1, NB_JSTRIP_RIGHT = 2 };
nb_jval nb_jtext_strip(nb_jinja *j, nb_jval string, nb_jval chars, unsigned sides); // chars not given: white space
nb_jval nb_jtext_replace(nb_jinja *j, nb_jval string, nb_jval old, nb_jval new, int64_t count);
nb_jval nb_jtext_split_lines(nb_jinja *j, nb_jval string, bool keep_ends);
nb_jval nb_jtext_join(nb_jinja *j, nb_jval separator, const nb_jlist *items);    // items: str() of each
ptrdiff_t nb_jtext_find(nb_jinja *j, nb_jval string, nb_jval part, size_t from); // byte offset, -1: not there

// ---- tables and entries of the parts ------------------------------------------------------------------------------

extern const nb_jbuiltin nb_jinja_filters_text[], nb_jinja_filters_list[], nb_jinja_tests[], nb_jinja_string_methods[],
    nb_jinja_collection_methods[], nb_jinja_functions[];
extern const size_t nb_jinja_n_filters_text, nb_jinja_n_filters_list, nb_jinja_n_tests, nb_jinja_n_string_methods,
    nb_jinja_n_collection_methods, nb_jinja_n_functions;
const nb_jbuiltin *nb_jinja_filter(const char *name, size_t bytes); // NULL: unknown
const nb_jbuiltin *nb_jinja_test(const char *name, size_t bytes);
void nb_jinja_list_names(char *text, size_t capacity, const nb_jbuiltin *table, size_t n); // "a, b, c"
_Noreturn void nb_jinja_fail_filter(nb_jinja *j, const char *name, size_t bytes);          // unknown filter
_Noreturn void nb_jinja_fail_test(nb_jinja *j, const char *name, size_t bytes);

void nb_jinja_write_json(nb_jbuffer *b, nb_jval value, nb_jval indent, bool sort_keys); // json.dumps

#endif
