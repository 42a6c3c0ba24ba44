// SPDX-License-Identifier: Apache-2.0
// Tests: `x is name`.
#include "runtime/jinja_parse.h"

#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

static nb_jval modulo(const nb_jcall *c, nb_jval divisor)
{
    return nb_jinja_arithmetic(c->j, NB_JT_MOD, c->self, divisor);
}

static nb_jval test_odd(const nb_jcall *c)
{
    return nb_jval_bool(nb_jval_equal(c->j, modulo(c, nb_jval_int(2)), nb_jval_int(1)));
}

static nb_jval test_even(const nb_jcall *c)
{
    return nb_jval_bool(nb_jval_equal(c->j, modulo(c, nb_jval_int(2)), nb_jval_int(0)));
}

static nb_jval test_divisibleby(const nb_jcall *c)
{
    return nb_jval_bool(nb_jval_equal(c->j, modulo(c, c->a[0]), nb_jval_int(0)));
}

static nb_jval test_defined(const nb_jcall *c)
{
    return nb_jval_bool(c->self.kind != NB_J_UNDEFINED);
}

static nb_jval test_undefined(const nb_jcall *c)
{
    return nb_jval_bool(c->self.kind == NB_J_UNDEFINED);
}

static nb_jval test_none(const nb_jcall *c)
{
    return nb_jval_bool(c->self.kind == NB_J_NONE);
}

static nb_jval test_boolean(const nb_jcall *c)
{
    return nb_jval_bool(c->self.kind == NB_J_BOOL);
}

static nb_jval test_true(const nb_jcall *c)
{
    return nb_jval_bool(c->self.kind == NB_J_BOOL && c->self.boolean);
}

static nb_jval test_false(const nb_jcall *c)
{
    return nb_jval_bool(c->self.kind == NB_J_BOOL && !c->self.boolean);
}

static nb_jval test_integer(const nb_jcall *c)
{
    return nb_jval_bool(c->self.kind == NB_J_INT);
}

static nb_jval test_float(const nb_jcall *c)
{
    return nb_jval_bool(c->self.kind == NB_J_FLOAT);
}

static nb_jval test_number(const nb_jcall *c)
{
    return nb_jval_bool(nb_jval_is_number(c->self));
}

static nb_jval test_string(const nb_jcall *c)
{
    return nb_jval_bool(c->self.kind == NB_J_STRING);
}

static nb_jval test_mapping(const nb_jcall *c)
{
    return nb_jval_bool(c->self.kind == NB_J_DICT);
}

static nb_jval test_iterable(const nb_jcall *c)
{
    return nb_jval_bool(nb_jval_is_iterable(c->self) || c->self.kind == NB_J_LOOP);
}

static nb_jval test_sequence(const nb_jcall *c)
{
    return nb_jval_bool(nb_jval_has_length(c->self) && c->self.kind != NB_J_VIEW && c->self.kind != NB_J_LOOP);
}

static nb_jval test_callable(const nb_jcall *c)
{
    return nb_jval_bool(c->self.kind == NB_J_CALLABLE || c->self.kind == NB_J_UNDEFINED || c->self.kind == NB_J_LOOP);
}

static nb_jval test_escaped(const nb_jcall *c)
{
    return nb_jval_bool(c->self.kind == NB_J_STRING && c->self.is_safe);
}

static nb_jval test_sameas(const nb_jcall *c)
{
    nb_jval a = c->self, b = c->a[0];
    bool is_atom = a.kind == NB_J_NONE || a.kind == NB_J_BOOL || a.kind == NB_J_INT || a.kind == NB_J_STRING;
    return nb_jval_bool(a.kind == b.kind && (is_atom ? nb_jval_equal(c->j, a, b) : a.list == b.list));
}

static nb_jval test_in(const nb_jcall *c)
{
    return nb_jval_bool(nb_jval_contains(c->j, c->a[0], c->self));
}

static nb_jval test_eq(const nb_jcall *c)
{
    return nb_jval_bool(nb_jval_equal(c->j, c->self, c->a[0]));
}

static nb_jval test_ne(const nb_jcall *c)
{
    return nb_jval_bool(!nb_jval_equal(c->j, c->self, c->a[0]));
}

static nb_jval test_lt(const nb_jcall *c)
{
    return nb_jval_bool(nb_jval_compare(c->j, c->self, c->a[0]) < 0);
}

static nb_jval test_le(const nb_jcall *c)
{
    return nb_jval_bool(nb_jval_compare(c->j, c->self, c->a[0]) <= 0);
}

static nb_jval test_gt(const nb_jcall *c)
{
    return nb_jval_bool(nb_jval_compare(c->j, c->self, c->a[0]) > 0);
}

static nb_jval test_ge(const nb_jcall *c)
{
    return nb_jval_bool(nb_jval_compare(c->j, c->self, c->a[0]) >= 0);
}

// Has cased characters, all of them of one case.
static nb_jval is_all(const nb_jcall *c, utf8proc_category_t wanted, utf8proc_category_t other)
{
    nb_jval s = nb_jval_str(c->j, c->self);
    bool found = false;
    nb_jinja_charge(c->j, s.n / 16);
    for (size_t i = 0; i < s.n;) {
        int32_t code_point;
        i += nb_jtext_next(s.bytes + i, s.n - i, &code_point);
        utf8proc_category_t category = utf8proc_category(code_point);
        if (category == other || category == UTF8PROC_CATEGORY_LT)
            return nb_jval_bool(false);
        found |= category == wanted;
    }
    return nb_jval_bool(found);
}

static nb_jval test_lower(const nb_jcall *c)
{
    return is_all(c, UTF8PROC_CATEGORY_LL, UTF8PROC_CATEGORY_LU);
}

static nb_jval test_upper(const nb_jcall *c)
{
    return is_all(c, UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LL);
}

static nb_jval test_filter(const nb_jcall *c)
{
    return nb_jval_bool(c->self.kind == NB_J_STRING && nb_jinja_filter(c->self.bytes, c->self.n));
}

static nb_jval test_test(const nb_jcall *c)
{
    return nb_jval_bool(c->self.kind == NB_J_STRING && nb_jinja_test(c->self.bytes, c->self.n));
}

const nb_jbuiltin nb_jinja_tests[] = {
    {"defined", "", 0, test_defined},
    {"undefined", "", 0, test_undefined},
    {"none", "", 0, test_none},
    {"string", "", 0, test_string},
    {"number", "", 0, test_number},
    {"integer", "", 0, test_integer},
    {"float", "", 0, test_float},
    {"boolean", "", 0, test_boolean},
    {"mapping", "", 0, test_mapping},
    {"iterable", "", 0, test_iterable},
    {"sequence", "", 0, test_sequence},
    {"true", "", 0, test_true},
    {"false", "", 0, test_false},
    {"in", "seq", 1, test_in},
    {"odd", "", 0, test_odd},
    {"even", "", 0, test_even},
    {"divisibleby", "num", 1, test_divisibleby},
    {"equalto", "other", 1, test_eq},
    {"eq", "other", 1, test_eq},
    {"==", "other", 1, test_eq},
    {"ne", "other", 1, test_ne},
    {"!=", "other", 1, test_ne},
    {"lt", "other", 1, test_lt},
    {"lessthan", "other", 1, test_lt},
    {"<", "other", 1, test_lt},
    {"le", "other", 1, test_le},
    {"<=", "other", 1, test_le},
    {"gt", "other", 1, test_gt},
    {"greaterthan", "other", 1, test_gt},
    {">", "other", 1, test_gt},
    {"ge", "other", 1, test_ge},
    {">=", "other", 1, test_ge},
    {"sameas", "other", 1, test_sameas},
    {"lower", "", 0, test_lower},
    {"upper", "", 0, test_upper},
    {"callable", "", 0, test_callable},
    {"escaped", "", 0, test_escaped},
    {"filter", "", 0, test_filter},
    {"test", "", 0, test_test},
};
const size_t nb_jinja_n_tests = NB_COUNT(nb_jinja_tests);

const nb_jbuiltin *nb_jinja_test(const char *name, size_t bytes)
{
    return nb_jinja_find(nb_jinja_tests, nb_jinja_n_tests, name, bytes);
}

_Noreturn void nb_jinja_fail_test(nb_jinja *j, const char *name, size_t bytes)
{
    char names[400] = "";
    nb_jinja_list_names(names, sizeof names, nb_jinja_tests, nb_jinja_n_tests);
    nb_jinja_fail(j, "unknown test '%.*s'; expected one of %s", (int)nb_min(bytes, 60), name, names);
}
