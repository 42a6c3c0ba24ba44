// SPDX-License-Identifier: Apache-2.0
// Methods of strings.
#include "runtime/jinja_state.h"

#include <inttypes.h>
#include <string.h>
#include <utf8proc.h>

#include "runtime/utf8.h"

static bool is_given(nb_jval argument)
{
    return argument.kind != NB_J_ABSENT && argument.kind != NB_J_NONE;
}

static nb_jval text_argument(const nb_jcall *c, int i)
{
    if (c->a[i].kind != NB_J_STRING)
        nb_jinja_fail(c->j, "%s: expected a string, found %s", c->name, nb_jval_type(c->a[i]));
    return c->a[i];
}

static int64_t int_argument(const nb_jcall *c, int i, int64_t missing)
{
    return c->a[i].kind == NB_J_ABSENT ? missing : nb_jval_to_int(c->j, c->a[i], c->name);
}

static nb_jval method_upper(const nb_jcall *c)
{
    return nb_jtext_case(c->j, c->self, NB_JCASE_UPPER);
}

static nb_jval method_lower(const nb_jcall *c)
{
    return nb_jtext_case(c->j, c->self, NB_JCASE_LOWER);
}

static nb_jval method_title(const nb_jcall *c)
{
    return nb_jtext_case(c->j, c->self, NB_JCASE_TITLE);
}

static nb_jval method_capitalize(const nb_jcall *c)
{
    return nb_jtext_case(c->j, c->self, NB_JCASE_CAPITAL);
}

static nb_jval method_swapcase(const nb_jcall *c)
{
    return nb_jtext_case(c->j, c->self, NB_JCASE_SWAP);
}

static nb_jval strip(const nb_jcall *c, unsigned sides)
{
    return nb_jtext_strip(c->j, c->self, is_given(c->a[0]) ? text_argument(c, 0) : c->a[0], sides);
}

static nb_jval method_strip(const nb_jcall *c)
{
    return strip(c, NB_JSTRIP_LEFT | NB_JSTRIP_RIGHT);
}

static nb_jval method_lstrip(const nb_jcall *c)
{
    return strip(c, NB_JSTRIP_LEFT);
}

static nb_jval method_rstrip(const nb_jcall *c)
{
    return strip(c, NB_JSTRIP_RIGHT);
}

// ---- splitting ----------------------------------------------------------------------------------------------------

static bool is_space_at(nb_jval s, size_t at, size_t *bytes)
{
    int32_t code_point;
    *bytes = nb_jtext_next(s.bytes + at, s.n - at, &code_point);
    return nb_jtext_is_space(code_point);
}

// Words between white space, the rest as one after `max` splits (-1: no limit).
static nb_jval split_words(const nb_jcall *c, int64_t max)
{
    nb_jval s = c->self, words = nb_jval_list(c->j, NB_J_LIST, 0);
    size_t i = 0, n = 0;
    nb_jinja_charge(c->j, s.n / 16);
    for (;;) {
        while (i < s.n && is_space_at(s, i, &n))
            i += n;
        if (i == s.n)
            return words;
        size_t from = i;
        if (max >= 0 && words.list->n >= max) {
            nb_jlist_push(c->j, words.list, nb_jval_slice(s, from, s.n));
            return words;
        }
        while (i < s.n && !is_space_at(s, i, &n))
            i += n;
        nb_jlist_push(c->j, words.list, nb_jval_slice(s, from, i));
    }
}

static nb_jval separator_of(const nb_jcall *c)
{
    nb_jval separator = text_argument(c, 0);
    if (separator.n == 0)
        nb_jinja_fail(c->j, "%s: expected a separator, found ''", c->name);
    return separator;
}

static nb_jval method_split(const nb_jcall *c)
{
    int64_t max = int_argument(c, 1, -1);
    if (!is_given(c->a[0]))
        return split_words(c, max);
    nb_jval separator = separator_of(c), parts = nb_jval_list(c->j, NB_J_LIST, 0);
    size_t from = 0;
    while (max < 0 || parts.list->n < max) {
        ptrdiff_t at = nb_jtext_find(c->j, c->self, separator, from);
        if (at < 0)
            break;
        nb_jlist_push(c->j, parts.list, nb_jval_slice(c->self, from, (size_t)at));
        from = (size_t)at + separator.n;
    }
    nb_jlist_push(c->j, parts.list, nb_jval_slice(c->self, from, c->self.n));
    return parts;
}

// Last occurrence of `part` that ends at `to` or before, -1: none.
static ptrdiff_t find_last(nb_jinja *j, nb_jval s, nb_jval part, size_t to)
{
    nb_jinja_charge(j, to / 8);
    for (size_t at = to; at + 1 > part.n; at--) {
        nb_jinja_charge(j, part.n / 64); // a comparison may go to the last byte each time
        if (part.n == 0 || memcmp(s.bytes + at - part.n, part.bytes, part.n) == 0)
            return (ptrdiff_t)(at - part.n);
    }
    return -1;
}

static void reverse(nb_jlist *list)
{
    for (uint32_t i = 0; i < list->n / 2; i++) {
        nb_jval item = list->items[i];
        list->items[i] = list->items[list->n - 1 - i];
        list->items[list->n - 1 - i] = item;
    }
}

static nb_jval rsplit_words(const nb_jcall *c, int64_t max)
{
    nb_jval words = nb_jval_list(c->j, NB_J_LIST, 0);
    nb_jval rest = nb_jtext_strip(c->j, c->self, nb_jval_none(), NB_JSTRIP_RIGHT);
    while (rest.n && words.list->n < max) {
        size_t from = rest.n, n;
        while (from > 0) {
            size_t before = nb_utf8_back(rest.bytes, from);
            if (is_space_at(rest, before, &n))
                break;
            from = before;
        }
        nb_jinja_charge(c->j, (rest.n - from) / 16);
        nb_jlist_push(c->j, words.list, nb_jval_slice(rest, from, rest.n));
        rest = nb_jtext_strip(c->j, nb_jval_slice(rest, 0, from), nb_jval_none(), NB_JSTRIP_RIGHT);
    }
    if (rest.n)
        nb_jlist_push(c->j, words.list, rest);
    reverse(words.list);
    return words;
}

static nb_jval method_rsplit(const nb_jcall *c)
{
    int64_t max = int_argument(c, 1, -1);
    if (max < 0)
        return method_split(c);
    if (!is_given(c->a[0]))
        return rsplit_words(c, max);
    nb_jval separator = separator_of(c), parts = nb_jval_list(c->j, NB_J_LIST, 0);
    size_t to = c->self.n;
    while (parts.list->n < max) {
        ptrdiff_t at = find_last(c->j, c->self, separator, to);
        if (at < 0)
            break;
        nb_jlist_push(c->j, parts.list, nb_jval_slice(c->self, (size_t)at + separator.n, to));
        to = (size_t)at;
    }
    nb_jlist_push(c->j, parts.list, nb_jval_slice(c->self, 0, to));
    reverse(parts.list);
    return parts;
}

static nb_jval method_splitlines(const nb_jcall *c)
{
    return nb_jtext_split_lines(c->j, c->self, nb_jval_true(c->a[0]));
}

static nb_jval partition(const nb_jcall *c, bool from_right)
{
    nb_jval separator = separator_of(c), parts = nb_jval_list(c->j, NB_J_TUPLE, 3), s = c->self;
    ptrdiff_t at = from_right ? find_last(c->j, s, separator, s.n) : nb_jtext_find(c->j, s, separator, 0);
    size_t before = at >= 0 ? (size_t)at : from_right ? 0 : s.n;
    size_t after = at >= 0 ? before + separator.n : before;
    nb_jlist_push(c->j, parts.list, nb_jval_slice(s, 0, before));
    nb_jlist_push(c->j, parts.list, nb_jval_slice(s, before, after));
    nb_jlist_push(c->j, parts.list, nb_jval_slice(s, after, s.n));
    return parts;
}

static nb_jval method_partition(const nb_jcall *c)
{
    return partition(c, false);
}

static nb_jval method_rpartition(const nb_jcall *c)
{
    return partition(c, true);
}

// ---- searching ----------------------------------------------------------------------------------------------------

// The part of self between the optional character positions in arguments 1 and 2; false: start is past the end.
static bool window(const nb_jcall *c, size_t *from, size_t *to)
{
    int64_t n = (int64_t)nb_jval_length(c->j, c->self);
    int64_t start = is_given(c->a[1]) ? nb_jval_to_int(c->j, c->a[1], c->name) : 0;
    int64_t end = is_given(c->a[2]) ? nb_jval_to_int(c->j, c->a[2], c->name) : n;
    start = start < 0 ? (start < -n ? 0 : start + n) : start;
    end = end < 0 ? (end < -n ? 0 : end + n) : end > n ? n : end;
    if (start > end)
        return false;
    *from = nb_jtext_offset(c->self, (size_t)start);
    *to = nb_jtext_offset(c->self, (size_t)end);
    return true;
}

static bool matches_edge(const nb_jcall *c, nb_jval s, nb_jval part, bool at_end)
{
    if (part.kind != NB_J_STRING)
        nb_jinja_fail(c->j, "%s: expected a string or a tuple of strings, found %s", c->name, nb_jval_type(part));
    nb_jinja_charge(c->j, part.n / 64);
    return part.n <= s.n && memcmp(at_end ? s.bytes + s.n - part.n : s.bytes, part.bytes, part.n) == 0;
}

static nb_jval test_edge(const nb_jcall *c, bool at_end)
{
    size_t from, to;
    nb_jval part = c->a[0];
    bool found = false;
    if (!window(c, &from, &to))
        return nb_jval_bool(false);
    nb_jval s = nb_jval_slice(c->self, from, to);
    if (part.kind != NB_J_TUPLE)
        return nb_jval_bool(matches_edge(c, s, part, at_end));
    for (uint32_t i = 0; i < part.list->n && !found; i++)
        found = matches_edge(c, s, part.list->items[i], at_end);
    return nb_jval_bool(found);
}

static nb_jval method_startswith(const nb_jcall *c)
{
    return test_edge(c, false);
}

static nb_jval method_endswith(const nb_jcall *c)
{
    return test_edge(c, true);
}

static int64_t search(const nb_jcall *c, bool from_right)
{
    size_t from, to;
    nb_jval part = text_argument(c, 0);
    if (!window(c, &from, &to))
        return -1;
    nb_jval head = nb_jval_slice(c->self, 0, to);
    ptrdiff_t at = from_right ? find_last(c->j, head, part, to) : nb_jtext_find(c->j, head, part, from);
    if (at < (ptrdiff_t)from)
        return -1;
    return (int64_t)nb_jval_length(c->j, nb_jval_slice(c->self, 0, (size_t)at));
}

static nb_jval method_find(const nb_jcall *c)
{
    return nb_jval_int(search(c, false));
}

static nb_jval method_rfind(const nb_jcall *c)
{
    return nb_jval_int(search(c, true));
}

static nb_jval index_found(const nb_jcall *c, int64_t at)
{
    if (at < 0)
        nb_jinja_fail(c->j, "%s: expected a part of the string, found another", c->name);
    return nb_jval_int(at);
}

static nb_jval method_index(const nb_jcall *c)
{
    return index_found(c, search(c, false));
}

static nb_jval method_rindex(const nb_jcall *c)
{
    return index_found(c, search(c, true));
}

static nb_jval method_count(const nb_jcall *c)
{
    size_t from, to;
    nb_jval part = text_argument(c, 0);
    if (!window(c, &from, &to))
        return nb_jval_int(0);
    nb_jval s = nb_jval_slice(c->self, from, to);
    if (part.n == 0)
        return nb_jval_int((int64_t)nb_jval_length(c->j, s) + 1);
    int64_t n = 0;
    for (size_t i = 0;; n++) {
        nb_jinja_charge(c->j, 1);
        ptrdiff_t at = nb_jtext_find(c->j, s, part, i);
        if (at < 0)
            return nb_jval_int(n);
        i = (size_t)at + part.n;
    }
}

static nb_jval method_replace(const nb_jcall *c)
{
    return nb_jtext_replace(c->j, c->self, text_argument(c, 0), text_argument(c, 1), int_argument(c, 2, -1));
}

static nb_jval method_removeprefix(const nb_jcall *c)
{
    nb_jval part = text_argument(c, 0);
    return matches_edge(c, c->self, part, false) ? nb_jval_slice(c->self, part.n, c->self.n) : c->self;
}

static nb_jval method_removesuffix(const nb_jcall *c)
{
    nb_jval part = text_argument(c, 0);
    return matches_edge(c, c->self, part, true) ? nb_jval_slice(c->self, 0, c->self.n - part.n) : c->self;
}

static nb_jval method_join(const nb_jcall *c)
{
    const nb_jlist *items = nb_jval_iterate(c->j, c->a[0]);
    for (uint32_t i = 0; i < items->n; i++)
        if (items->items[i].kind != NB_J_STRING)
            nb_jinja_fail(c->j, "join: expected strings, found %s", nb_jval_type(items->items[i]));
    return nb_jtext_join(c->j, c->self, items);
}

// ---- kinds of characters ------------------------------------------------------------------------------------------

typedef bool (*character_test)(int32_t code_point);

static nb_jval test_all(const nb_jcall *c, character_test test)
{
    bool all = c->self.n > 0;
    nb_jinja_charge(c->j, c->self.n / 16);
    for (size_t i = 0; all && i < c->self.n;) {
        int32_t code_point;
        i += nb_jtext_next(c->self.bytes + i, c->self.n - i, &code_point);
        all = test(code_point);
    }
    return nb_jval_bool(all);
}

static bool is_letter(int32_t code_point)
{
    utf8proc_category_t category = utf8proc_category(code_point);
    return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

static bool is_digit(int32_t code_point)
{
    return utf8proc_category(code_point) == UTF8PROC_CATEGORY_ND;
}

static bool is_letter_or_number(int32_t code_point)
{
    utf8proc_category_t category = utf8proc_category(code_point);
    return is_letter(code_point) || (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO);
}

static nb_jval method_isspace(const nb_jcall *c)
{
    return test_all(c, nb_jtext_is_space);
}

static nb_jval method_isalpha(const nb_jcall *c)
{
    return test_all(c, is_letter);
}

static nb_jval method_isdigit(const nb_jcall *c)
{
    return test_all(c, is_digit);
}

static nb_jval method_isalnum(const nb_jcall *c)
{
    return test_all(c, is_letter_or_number);
}

static nb_jval apply_test(const nb_jcall *c, const char *name)
{
    static const nb_jargs none = {0};
    return nb_jinja_apply(c->j, nb_jinja_test(name, strlen(name)), c->self, &none);
}

static nb_jval method_islower(const nb_jcall *c)
{
    return apply_test(c, "lower");
}

static nb_jval method_isupper(const nb_jcall *c)
{
    return apply_test(c, "upper");
}

const nb_jbuiltin nb_jinja_string_methods[] = {
    {"capitalize", "", 0, method_capitalize},
    {"count", "sub start end", 1, method_count},
    {"endswith", "suffix start end", 1, method_endswith},
    {"find", "sub start end", 1, method_find},
    {"index", "sub start end", 1, method_index},
    {"isalnum", "", 0, method_isalnum},
    {"isalpha", "", 0, method_isalpha},
    {"isdigit", "", 0, method_isdigit},
    {"islower", "", 0, method_islower},
    {"isspace", "", 0, method_isspace},
    {"isupper", "", 0, method_isupper},
    {"join", "iterable", 1, method_join},
    {"lower", "", 0, method_lower},
    {"lstrip", "chars", 0, method_lstrip},
    {"partition", "sep", 1, method_partition},
    {"removeprefix", "prefix", 1, method_removeprefix},
    {"removesuffix", "suffix", 1, method_removesuffix},
    {"replace", "old new count", 2, method_replace},
    {"rfind", "sub start end", 1, method_rfind},
    {"rindex", "sub start end", 1, method_rindex},
    {"rpartition", "sep", 1, method_rpartition},
    {"rsplit", "sep maxsplit", 0, method_rsplit},
    {"rstrip", "chars", 0, method_rstrip},
    {"split", "sep maxsplit", 0, method_split},
    {"splitlines", "keepends", 0, method_splitlines},
    {"startswith", "prefix start end", 1, method_startswith},
    {"strip", "chars", 0, method_strip},
    {"swapcase", "", 0, method_swapcase},
    {"title", "", 0, method_title},
    {"upper", "", 0, method_upper},
};
const size_t nb_jinja_n_string_methods = NB_COUNT(nb_jinja_string_methods);
