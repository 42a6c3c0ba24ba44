// SPDX-License-Identifier: Apache-2.0
// Strings by characters (code points) as Python has them. Every byte keeps its mark.
#include "runtime/jinja_state.h"

#include <string.h>
#include <utf8proc.h>

#include "runtime/utf8.h"

size_t nb_jtext_next(const char *bytes, size_t n, int32_t *code_point)
{
    nb_utf8 c = nb_utf8_read(bytes, n);
    *code_point = (int32_t)c.code;
    return c.bytes;
}

bool nb_jtext_is_space(int32_t c)
{
    return nb_utf8_is_space((uint32_t)c) || (c >= 0x1c && c <= 0x1f);
}

size_t nb_jtext_offset(nb_jval string, size_t i_character)
{
    size_t i = 0;
    for (; i < string.n; i++) {
        if (((unsigned char)string.bytes[i] & 0xc0) == 0x80)
            continue;
        if (i_character == 0)
            break;
        i_character--;
    }
    return i;
}

static void add_code_point(nb_jbuffer *b, int32_t c, uint8_t mark)
{
    char bytes[NB_UTF8_BYTES_MAX];
    nb_jbuffer_add(b, bytes, nb_utf8_write((uint32_t)c, bytes), mark);
}

// Upper and title case of the characters that Unicode's simple mapping leaves alone but whose full mapping has several
// characters (SpecialCasing.txt, unconditional part, Latin, Greek, Armenian; Greek with iota subscript left out).
static bool add_special_case(nb_jbuffer *b, int32_t c, nb_jcase target, uint8_t mark)
{
    static const struct {
        int32_t from;
        const char *upper, *title;
    } table[] = {
        {0x00df, "SS", "Ss"}, {0x0149, "ʼN", "ʼN"}, {0x01f0, "J̌", "J̌"},     {0x0390, "Ϊ́", "Ϊ́"},
        {0x03b0, "Ϋ́", "Ϋ́"},   {0x0587, "ԵՒ", "Եւ"}, {0x1e96, "H̱", "H̱"},     {0x1e97, "T̈", "T̈"},
        {0x1e98, "W̊", "W̊"},   {0x1e99, "Y̊", "Y̊"},   {0x1e9a, "Aʾ", "Aʾ"},   {0xfb00, "FF", "Ff"},
        {0xfb01, "FI", "Fi"}, {0xfb02, "FL", "Fl"}, {0xfb03, "FFI", "Ffi"}, {0xfb04, "FFL", "Ffl"},
        {0xfb05, "ST", "St"}, {0xfb06, "ST", "St"},
    };
    if (target == NB_JCASE_LOWER) {
        if (c != 0x0130)
            return false;
        nb_jbuffer_add(b, "i̇", 3, mark);
        return true;
    }
    for (size_t i = 0; i < NB_COUNT(table); i++)
        if (table[i].from == c) {
            const char *text = target == NB_JCASE_UPPER ? table[i].upper : table[i].title;
            nb_jbuffer_add(b, text, strlen(text), mark);
            return true;
        }
    return false;
}

static bool is_cased(int32_t c)
{
    utf8proc_category_t category = utf8proc_category(c);
    return category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LL || category == UTF8PROC_CATEGORY_LT ||
           utf8proc_toupper(c) != c || utf8proc_tolower(c) != c;
}

// Capital sigma becomes the final form at the end of a word.
static bool is_final_sigma(nb_jval s, size_t at)
{
    int32_t c;
    bool before = false, after = false;
    for (size_t i = 0; i < at;) {
        i += nb_jtext_next(s.bytes + i, s.n - i, &c);
        before = is_cased(c);
    }
    if (at + 2 < s.n) {
        nb_jtext_next(s.bytes + at + 2, s.n - at - 2, &c);
        after = is_cased(c);
    }
    return before && !after;
}

static void add_cased(nb_jbuffer *b, nb_jval s, size_t at, int32_t c, nb_jcase target)
{
    uint8_t mark = s.marks[at];
    if (c >= 0x80 && add_special_case(b, c, target, mark))
        return;
    if (target == NB_JCASE_LOWER && c == 0x3a3) {
        nb_jinja_charge(b->j, s.n / 8);
        add_code_point(b, is_final_sigma(s, at) ? 0x3c2 : 0x3c3, mark);
        return;
    }
    int32_t mapped = target == NB_JCASE_UPPER   ? utf8proc_toupper(c)
                     : target == NB_JCASE_TITLE ? utf8proc_totitle(c)
                                                : utf8proc_tolower(c);
    add_code_point(b, mapped, mark);
}

void nb_jtext_add_case(nb_jbuffer *b, nb_jval s, nb_jcase target)
{
    nb_jinja_charge(b->j, s.n / 16);
    bool in_word = false;
    for (size_t i = 0; i < s.n;) {
        int32_t c;
        size_t n = nb_jtext_next(s.bytes + i, s.n - i, &c);
        nb_jcase to = target;
        if (target == NB_JCASE_TITLE)
            to = in_word ? NB_JCASE_LOWER : NB_JCASE_TITLE;
        else if (target == NB_JCASE_CAPITAL)
            to = i ? NB_JCASE_LOWER : NB_JCASE_TITLE;
        else if (target == NB_JCASE_SWAP)
            to = utf8proc_category(c) == UTF8PROC_CATEGORY_LU ? NB_JCASE_LOWER : NB_JCASE_UPPER;
        add_cased(b, s, i, c, to);
        in_word = is_cased(c);
        i += n;
    }
}

nb_jval nb_jtext_case(nb_jinja *j, nb_jval s, nb_jcase target)
{
    nb_jbuffer b = {.j = j};
    nb_jtext_add_case(&b, s, target);
    return nb_jbuffer_take(&b);
}

static bool is_stripped(nb_jinja *j, nb_jval s, size_t at, size_t n, nb_jval chars)
{
    int32_t c;
    if (chars.kind != NB_J_STRING) {
        nb_jtext_next(s.bytes + at, n, &c);
        return nb_jtext_is_space(c);
    }
    nb_jinja_charge(j, chars.n / 64);
    return chars.n && memmem(chars.bytes, chars.n, s.bytes + at, n) != NULL; // whole characters are self-delimiting
}

nb_jval nb_jtext_strip(nb_jinja *j, nb_jval s, nb_jval chars, unsigned sides)
{
    size_t from = 0, to = s.n;
    while ((sides & NB_JSTRIP_LEFT) && from < to) {
        int32_t c;
        size_t n = nb_jtext_next(s.bytes + from, to - from, &c);
        if (!is_stripped(j, s, from, n, chars))
            break;
        from += n;
    }
    while ((sides & NB_JSTRIP_RIGHT) && from < to) {
        size_t last = nb_max(from, nb_utf8_back(s.bytes, to));
        if (!is_stripped(j, s, last, to - last, chars))
            break;
        to = last;
    }
    nb_jinja_charge(j, (s.n - (to - from)) / 16);
    nb_jval stripped = nb_jval_slice(s, from, to);
    stripped.is_safe = false;
    return stripped;
}

ptrdiff_t nb_jtext_find(nb_jinja *j, nb_jval s, nb_jval part, size_t from)
{
    if (from > s.n || part.n > s.n - from)
        return -1;
    if (part.n == 0)
        return (ptrdiff_t)from;
    const char *found = memmem(s.bytes + from, s.n - from, part.bytes, part.n);
    size_t at = found ? (size_t)(found - s.bytes) : s.n;
    nb_jinja_charge(j, (at - from) / 64); // what was searched, not what is left: replacing all stays linear
    return found ? (ptrdiff_t)at : -1;
}

nb_jval nb_jtext_replace(nb_jinja *j, nb_jval s, nb_jval old, nb_jval new, int64_t count)
{
    nb_jbuffer b = {.j = j};
    size_t from = 0;
    for (; count != 0; count--) {
        ptrdiff_t at = nb_jtext_find(j, s, old, from);
        if (at < 0)
            break;
        nb_jbuffer_add_string(&b, nb_jval_slice(s, from, (size_t)at));
        nb_jbuffer_add_string(&b, new);
        from = (size_t)at + old.n;
        if (old.n)
            continue;
        if (from == s.n) // the empty string is found before every character and at the end
            break;
        int32_t c;
        size_t n = nb_jtext_next(s.bytes + from, s.n - from, &c);
        nb_jbuffer_add_string(&b, nb_jval_slice(s, from, from + n));
        from += n;
    }
    nb_jbuffer_add_string(&b, nb_jval_slice(s, from, s.n));
    return nb_jbuffer_take(&b);
}

static bool is_line_break(int32_t c)
{
    return (c >= 10 && c <= 13) || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

nb_jval nb_jtext_split_lines(nb_jinja *j, nb_jval s, bool keep_ends)
{
    nb_jval lines = nb_jval_list(j, NB_J_LIST, 0);
    size_t from = 0;
    for (size_t i = 0; i < s.n;) {
        int32_t c;
        size_t n = nb_jtext_next(s.bytes + i, s.n - i, &c);
        if (is_line_break(c)) {
            if (c == '\r' && i + 1 < s.n && s.bytes[i + 1] == '\n')
                n = 2;
            nb_jlist_push(j, lines.list, nb_jval_slice(s, from, keep_ends ? i + n : i));
            from = i + n;
        }
        i += n;
    }
    if (from < s.n)
        nb_jlist_push(j, lines.list, nb_jval_slice(s, from, s.n));
    nb_jinja_charge(j, s.n / 16);
    return lines;
}

nb_jval nb_jtext_join(nb_jinja *j, nb_jval separator, const nb_jlist *items)
{
    nb_jbuffer b = {.j = j};
    for (uint32_t i = 0; i < items->n; i++) {
        if (i)
            nb_jbuffer_add_string(&b, separator);
        nb_jval_write(&b, items->items[i]);
    }
    nb_jinja_charge(j, items->n / 8);
    return nb_jbuffer_take(&b);
}
