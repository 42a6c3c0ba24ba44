// SPDX-License-Identifier: Apache-2.0
// Filters that give text or a number.
#include "runtime/jinja_parse.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

static bool is_given(nb_jval argument)
{
    return argument.kind != NB_J_ABSENT && argument.kind != NB_J_NONE;
}

// ---- escaping -----------------------------------------------------------------------------------------------------

static void add_escaped(nb_jbuffer *b, nb_jval s)
{
    static const struct {
        char from;
        const char *to;
    } table[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'\'', "&#39;"}, {'"', "&#34;"}};
    for (size_t i = 0; i < s.n; i++) {
        size_t k = 0;
        while (k < NB_COUNT(table) && table[k].from != s.bytes[i])
            k++;
        if (k < NB_COUNT(table))
            nb_jbuffer_add(b, table[k].to, strlen(table[k].to), s.marks[i]);
        else
            nb_jbuffer_add_string(b, nb_jval_slice(s, i, i + 1));
    }
}

static void add_operand(nb_jbuffer *b, nb_jval s, bool is_safe)
{
    if (is_safe && !s.is_safe)
        add_escaped(b, s);
    else
        nb_jbuffer_add_string(b, s);
}

nb_jval nb_jinja_add_strings(nb_jinja *j, nb_jval a, nb_jval b)
{
    bool is_safe = a.is_safe || b.is_safe;
    nb_jbuffer buffer = {.j = j};
    add_operand(&buffer, a, is_safe);
    add_operand(&buffer, b, is_safe);
    nb_jval text = nb_jbuffer_take(&buffer);
    text.is_safe = is_safe;
    return text;
}

static nb_jval filter_escape(const nb_jcall *c)
{
    nb_jval s = nb_jval_str(c->j, c->self);
    if (!s.is_safe) {
        nb_jbuffer b = {.j = c->j};
        add_escaped(&b, s);
        s = nb_jbuffer_take(&b);
    }
    s.is_safe = true;
    return s;
}

static nb_jval filter_forceescape(const nb_jcall *c)
{
    nb_jcall plain = *c;
    plain.self = nb_jval_str(c->j, c->self);
    plain.self.is_safe = false;
    return filter_escape(&plain);
}

static nb_jval filter_safe(const nb_jcall *c)
{
    nb_jval s = nb_jval_str(c->j, c->self);
    s.is_safe = true;
    return s;
}

// ---- text ---------------------------------------------------------------------------------------------------------

static nb_jval filter_string(const nb_jcall *c)
{
    return nb_jval_str(c->j, c->self);
}

static nb_jval filter_upper(const nb_jcall *c)
{
    return nb_jtext_case(c->j, nb_jval_str(c->j, c->self), NB_JCASE_UPPER);
}

static nb_jval filter_lower(const nb_jcall *c)
{
    return nb_jtext_case(c->j, nb_jval_str(c->j, c->self), NB_JCASE_LOWER);
}

static nb_jval filter_capitalize(const nb_jcall *c)
{
    return nb_jtext_case(c->j, nb_jval_str(c->j, c->self), NB_JCASE_CAPITAL);
}

static bool starts_word_after(int32_t c)
{
    return nb_jtext_is_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
}

// jinja2's own rule: upper case after blanks, hyphens and opening brackets.
static nb_jval filter_title(const nb_jcall *c)
{
    nb_jval s = nb_jval_str(c->j, c->self);
    nb_jbuffer b = {.j = c->j};
    size_t from = 0; // of the word, its first character left out
    bool at_start = true;
    for (size_t i = 0; i < s.n;) {
        int32_t code_point;
        size_t n = nb_jtext_next(s.bytes + i, s.n - i, &code_point);
        bool is_separator = starts_word_after(code_point);
        if (is_separator || at_start) {
            nb_jtext_add_case(&b, nb_jval_slice(s, from, i), NB_JCASE_LOWER);
            if (is_separator)
                nb_jbuffer_add_string(&b, nb_jval_slice(s, i, i + n));
            else
                nb_jtext_add_case(&b, nb_jval_slice(s, i, i + n), NB_JCASE_UPPER);
            from = i + n;
        }
        at_start = is_separator;
        i += n;
    }
    nb_jtext_add_case(&b, nb_jval_slice(s, from, s.n), NB_JCASE_LOWER);
    return nb_jbuffer_take(&b);
}

static nb_jval filter_trim(const nb_jcall *c)
{
    if (is_given(c->a[0]) && c->a[0].kind != NB_J_STRING)
        nb_jinja_fail(c->j, "trim: expected characters as a string, found %s", nb_jval_type(c->a[0]));
    return nb_jtext_strip(c->j, nb_jval_str(c->j, c->self), c->a[0], NB_JSTRIP_LEFT | NB_JSTRIP_RIGHT);
}

static nb_jval filter_replace(const nb_jcall *c)
{
    int64_t count = is_given(c->a[2]) ? nb_jval_to_int(c->j, c->a[2], "replace") : -1;
    return nb_jtext_replace(c->j, nb_jval_str(c->j, c->self), nb_jval_str(c->j, c->a[0]), nb_jval_str(c->j, c->a[1]),
                            count);
}

static nb_jval pad_of(const nb_jcall *c, nb_jval width)
{
    if (width.kind == NB_J_STRING)
        return width;
    int64_t n = width.kind == NB_J_ABSENT ? 4 : nb_jval_to_int(c->j, width, "indent");
    nb_jval blank = nb_jval_literal(c->j, " ");
    return nb_jinja_arithmetic(c->j, NB_JT_MUL, blank, nb_jval_int(n));
}

static nb_jval filter_indent(const nb_jcall *c)
{
    nb_jinja_check_defined(c->j, c->self);
    if (c->self.kind != NB_J_STRING)
        nb_jinja_fail(c->j, "indent: expected a string, found %s", nb_jval_type(c->self));
    nb_jval pad = pad_of(c, c->a[0]), newline = nb_jval_literal(c->j, "\n");
    bool with_blank = nb_jval_true(c->a[2]);
    nb_jval whole = nb_jinja_add_strings(c->j, c->self, newline);
    const nb_jlist *lines = nb_jtext_split_lines(c->j, whole, false).list;
    nb_jbuffer b = {.j = c->j};
    if (nb_jval_true(c->a[1]))
        nb_jbuffer_add_string(&b, pad);
    for (uint32_t i = 0; i < lines->n; i++) {
        if (i)
            nb_jbuffer_add_string(&b, newline);
        if (i && (with_blank || lines->items[i].n))
            nb_jbuffer_add_string(&b, pad);
        nb_jbuffer_add_string(&b, lines->items[i]);
    }
    return nb_jbuffer_take(&b);
}

static nb_jval filter_tojson(const nb_jcall *c)
{
    nb_jbuffer b = {.j = c->j};
    nb_jval indent = c->a[1];
    if (nb_jval_true(c->a[0]))
        nb_jinja_fail(c->j, "tojson: expected ensure_ascii=false, found another value");
    if (is_given(c->a[2]))
        nb_jinja_fail(c->j, "tojson: expected no separators, found %s", nb_jval_type(c->a[2]));
    nb_jinja_write_json(&b, c->self, indent, nb_jval_true(c->a[3]));
    return nb_jbuffer_take(&b);
}

static nb_jval filter_format(const nb_jcall *c)
{
    nb_jlist args = {.items = c->args->items, .n = c->args->n};
    if (c->args->n_named)
        nb_jinja_fail(c->j, "format: expected arguments without names, found %.*s",
                      (int)nb_min(c->args->names[0].n, 60), c->args->names[0].bytes);
    return nb_jinja_percent_format(c->j, nb_jval_str(c->j, c->self), &args, false);
}

static nb_jval filter_length(const nb_jcall *c)
{
    return nb_jval_int((int64_t)nb_jval_length(c->j, c->self));
}

static nb_jval filter_wordcount(const nb_jcall *c)
{
    nb_jval s = nb_jval_str(c->j, c->self);
    int64_t n_words = 0;
    nb_jinja_charge(c->j, s.n / 16);
    bool in_word = false;
    nb_jinja_charge(c->j, s.n / 16);
    for (size_t i = 0; i < s.n;) {
        int32_t code_point;
        i += nb_jtext_next(s.bytes + i, s.n - i, &code_point);
        utf8proc_category_t category = utf8proc_category(code_point);
        bool is_word = code_point == '_' || (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO) ||
                       (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO);
        n_words += is_word && !in_word;
        in_word = is_word;
    }
    return nb_jval_int(n_words);
}

// ---- numbers ------------------------------------------------------------------------------------------------------

// A float to an integer as int() does; false where the integer does not fit or there is none.
static bool truncate_float(double real, int64_t *integer)
{
    if (!(real >= -9223372036854775808.0 && real < 9223372036854775808.0))
        return false;
    *integer = (int64_t)real;
    return true;
}

static nb_jval filter_int(const nb_jcall *c)
{
    nb_jval self = c->self;
    int64_t integer = 0, base = c->a[1].kind == NB_J_ABSENT ? 10 : nb_jval_to_int(c->j, c->a[1], "int");
    double real;
    nb_jinja_check_defined(c->j, self);
    if (nb_jval_is_int(self))
        return nb_jval_int(nb_jval_to_int(c->j, self, "int"));
    if (self.kind == NB_J_FLOAT && isinf(self.real))
        nb_jinja_fail(c->j, "int: expected a finite number, found infinity");
    if (self.kind == NB_J_STRING &&
        nb_jinja_parse_int(c->j, self, (int)nb_min((size_t)(base < 0 ? 0 : base), 99), &integer))
        return nb_jval_int(integer);
    bool is_real = self.kind == NB_J_FLOAT;
    if (is_real)
        real = self.real;
    else
        is_real = self.kind == NB_J_STRING && nb_jinja_parse_float(c->j, self, &real);
    if (is_real && truncate_float(real, &integer))
        return nb_jval_int(integer);
    return c->a[0].kind == NB_J_ABSENT ? nb_jval_int(0) : c->a[0];
}

static nb_jval filter_float(const nb_jcall *c)
{
    double real;
    nb_jinja_check_defined(c->j, c->self);
    if (nb_jval_is_number(c->self))
        return nb_jval_float(nb_jval_to_float(c->self));
    if (c->self.kind == NB_J_STRING && nb_jinja_parse_float(c->j, c->self, &real))
        return nb_jval_float(real);
    return c->a[0].kind == NB_J_ABSENT ? nb_jval_float(0) : c->a[0];
}

static nb_jval filter_abs(const nb_jcall *c)
{
    nb_jinja_check_defined(c->j, c->self);
    if (!nb_jval_is_number(c->self))
        nb_jinja_fail(c->j, "abs: expected a number, found %s", nb_jval_type(c->self));
    if (c->self.kind == NB_J_FLOAT)
        return nb_jval_float(fabs(c->self.real));
    int64_t integer = nb_jval_to_int(c->j, c->self, "abs");
    return integer < 0 ? nb_jinja_negate(c->j, c->self) : nb_jval_int(integer);
}

static double power_of_ten(int64_t exponent)
{
    char text[32];
    snprintf(text, sizeof text, "1e%" PRId64, exponent);
    return strtod(text, NULL); // correctly rounded
}

// To `digits` decimals, ties to even of the exact value, as Python's round does.
static double round_decimals(double real, int64_t digits)
{
    char text[700];
    if (!isfinite(real) || digits > 22)
        return real;
    if (digits < 0) {
        double scale = power_of_ten(-digits);
        return isinf(scale) ? 0.0 * real : nearbyint(real / scale) * scale;
    }
    snprintf(text, sizeof text, "%.*f", (int)digits, real);
    return strtod(text, NULL);
}

static nb_jval filter_round(const nb_jcall *c)
{
    int64_t digits = c->a[0].kind == NB_J_ABSENT ? 0 : nb_jval_to_int(c->j, c->a[0], "round");
    nb_jinja_check_defined(c->j, c->self);
    if (!nb_jval_is_number(c->self))
        nb_jinja_fail(c->j, "round: expected a number, found %s", nb_jval_type(c->self));
    if (digits < -400 || digits > 400)
        nb_jinja_fail(c->j, "round: expected at most 400 digits, found %" PRId64, digits);
    bool is_ceil = nb_jval_is(c->a[1], "ceil"), is_floor = nb_jval_is(c->a[1], "floor");
    if (is_ceil || is_floor) {
        double scale = power_of_ten(digits), scaled = nb_jval_to_float(c->self) * scale;
        return nb_jval_float((is_ceil ? ceil(scaled) : floor(scaled)) / scale);
    }
    if (c->a[1].kind != NB_J_ABSENT && !nb_jval_is(c->a[1], "common"))
        nb_jinja_fail(c->j, "round: expected method common, ceil or floor, found another");
    if (nb_jval_is_int(c->self) && digits >= 0)
        return nb_jval_int(nb_jval_to_int(c->j, c->self, "round"));
    double rounded = round_decimals(nb_jval_to_float(c->self), digits);
    return nb_jval_is_int(c->self) ? nb_jval_int((int64_t)rounded) : nb_jval_float(rounded);
}

static nb_jval filter_default(const nb_jcall *c)
{
    bool is_missing = c->self.kind == NB_J_UNDEFINED || (nb_jval_true(c->a[1]) && !nb_jval_true(c->self));
    if (!is_missing)
        return c->self;
    return c->a[0].kind == NB_J_ABSENT ? nb_jval_literal(c->j, "") : c->a[0];
}

const nb_jbuiltin nb_jinja_filters_text[] = {
    {"abs", "", 0, filter_abs},
    {"capitalize", "", 0, filter_capitalize},
    {"count", "", 0, filter_length},
    {"d", "default_value boolean", 0, filter_default},
    {"default", "default_value boolean", 0, filter_default},
    {"e", "", 0, filter_escape},
    {"escape", "", 0, filter_escape},
    {"float", "default", 0, filter_float},
    {"forceescape", "", 0, filter_forceescape},
    {"format", "*", 0, filter_format},
    {"indent", "width first blank", 0, filter_indent},
    {"int", "default base", 0, filter_int},
    {"length", "", 0, filter_length},
    {"lower", "", 0, filter_lower},
    {"replace", "old new count", 2, filter_replace},
    {"round", "precision method", 0, filter_round},
    {"safe", "", 0, filter_safe},
    {"string", "", 0, filter_string},
    {"title", "", 0, filter_title},
    {"tojson", "ensure_ascii indent separators sort_keys", 0, filter_tojson},
    {"trim", "chars", 0, filter_trim},
    {"upper", "", 0, filter_upper},
    {"wordcount", "", 0, filter_wordcount},
};
const size_t nb_jinja_n_filters_text = NB_COUNT(nb_jinja_filters_text);

const nb_jbuiltin *nb_jinja_filter(const char *name, size_t bytes)
{
    const nb_jbuiltin *found = nb_jinja_find(nb_jinja_filters_text, nb_jinja_n_filters_text, name, bytes);
    return found ? found : nb_jinja_find(nb_jinja_filters_list, nb_jinja_n_filters_list, name, bytes);
}

_Noreturn void nb_jinja_fail_filter(nb_jinja *j, const char *name, size_t bytes)
{
    char names[420] = "";
    nb_jinja_list_names(names, sizeof names, nb_jinja_filters_text, nb_jinja_n_filters_text);
    nb_jinja_list_names(names, sizeof names, nb_jinja_filters_list, nb_jinja_n_filters_list);
    nb_jinja_fail(j, "unknown filter '%.*s'; expected one of %s", (int)nb_min(bytes, 60), name, names);
}
