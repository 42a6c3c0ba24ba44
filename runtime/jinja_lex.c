// SPDX-License-Identifier: Apache-2.0
// Template source to tokens, with jinja2's white space rules for trim_blocks and lstrip_blocks: a line break after a
// block or comment goes, and so do the blanks before one that starts its line; `-` strips, `+` keeps.
#include "runtime/jinja_parse.h"

#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

#include "runtime/utf8.h"

typedef struct lexer {
    nb_jinja *j;
    const char *s; // line breaks normalised
    size_t n, at;
    bool line_starting;                  // `at` follows a line break that a tag has swallowed, or nothing at all
    char open[NB_JINJA_PARSE_DEPTH_MAX]; // closing brackets awaited
    uint32_t n_open;
    nb_jtoken *tokens;
    uint32_t n_tokens, capacity;
} lexer;

static bool starts(const lexer *l, size_t at, const char *text)
{
    size_t n = strlen(text);
    return l->n - at >= n && memcmp(l->s + at, text, n) == 0;
}

static void push(lexer *l, nb_jtoken_kind kind, nb_jval value, size_t from, size_t to)
{
    if (l->n_tokens == l->capacity) {
        l->capacity = l->capacity ? 2 * l->capacity : 256;
        nb_jtoken *tokens = nb_jinja_alloc(l->j, l->capacity * sizeof *tokens);
        if (l->n_tokens)
            memcpy(tokens, l->tokens, l->n_tokens * sizeof *tokens);
        l->tokens = tokens;
    }
    l->tokens[l->n_tokens++] =
        (nb_jtoken){.kind = kind, .line = l->j->line, .value = value, .text = l->s + from, .bytes = to - from};
}

static void count_lines(lexer *l, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        l->j->line += l->s[i] == '\n';
}

static size_t skip_space(const lexer *l, size_t at)
{
    while (at < l->n) {
        int32_t c;
        size_t n = nb_jtext_next(l->s + at, l->n - at, &c);
        if (!nb_jtext_is_space(c))
            break;
        at += n;
    }
    return at;
}

// Where the tag at `at` ends if it ends here (`close` with an optional - or +), else 0. `trims`: a line break after it
// goes.
static size_t tag_end(const lexer *l, size_t at, const char *close, bool with_plus, bool trims)
{
    if (starts(l, at, "-") && starts(l, at + 1, close))
        return skip_space(l, at + 1 + strlen(close));
    if (with_plus && starts(l, at, "+") && starts(l, at + 1, close))
        return at + 1 + strlen(close);
    if (!starts(l, at, close))
        return 0;
    at += strlen(close);
    return trims && at < l->n && l->s[at] == '\n' ? at + 1 : at;
}

// Data from l->at to the tag at `to`, stripped as the tag's sign says.
static void push_data(lexer *l, size_t to, char sign, bool is_variable)
{
    size_t from = l->at, end = to;
    if (sign == '-') {
        nb_jval text = {.kind = NB_J_STRING, .n = (uint32_t)(to - from)};
        text.bytes = l->s + from;
        text.marks = (const uint8_t *)l->s + from; // not read
        end = from + nb_jtext_strip(l->j, text, nb_jval_none(), NB_JSTRIP_RIGHT).n;
    } else if (sign != '+' && !is_variable) {
        size_t line = to;
        while (line > from && l->s[line - 1] != '\n')
            line--;
        if ((line > from || l->line_starting) && skip_space(l, line) >= to)
            end = line;
    }
    if (end > from)
        push(l, NB_JT_DATA, nb_jval_string(l->j, l->s + from, end - from, NB_JMARK_TRUSTED), from, end);
    count_lines(l, from, to);
    l->at = to;
}

static char sign_at(const lexer *l, size_t at)
{
    return at < l->n && (l->s[at] == '-' || l->s[at] == '+') ? l->s[at] : 0;
}

static void finish_tag(lexer *l, size_t end)
{
    count_lines(l, l->at, end);
    l->line_starting = end > 0 && l->s[end - 1] == '\n';
    l->at = end;
}

static void lex_comment(lexer *l, size_t at)
{
    for (size_t i = at; i < l->n; i++) {
        size_t end = tag_end(l, i, "#}", true, true);
        if (end) {
            finish_tag(l, end);
            return;
        }
    }
    nb_jinja_fail(l->j, "comment without an end; expected #}");
}

// `{% word` or `{% word %}` at `at`: the place after the word, else 0.
static size_t tag_word(const lexer *l, size_t at, const char *word)
{
    at += 2;
    at += sign_at(l, at) != 0;
    at = skip_space(l, at);
    return starts(l, at, word) ? skip_space(l, at + strlen(word)) : 0;
}

static size_t raw_begin(const lexer *l, size_t at)
{
    size_t word = tag_word(l, at, "raw");
    return word ? tag_end(l, word, "%}", false, false) : 0;
}

static void lex_raw(lexer *l, size_t end)
{
    finish_tag(l, end);
    for (size_t i = l->at; i < l->n; i++) {
        size_t word = starts(l, i, "{%") ? tag_word(l, i, "endraw") : 0;
        size_t stop = word ? tag_end(l, word, "%}", true, true) : 0;
        if (!stop)
            continue;
        push_data(l, i, sign_at(l, i + 2), false);
        finish_tag(l, stop);
        return;
    }
    nb_jinja_fail(l->j, "raw block without an end; expected {%% endraw %%}");
}

static void lex_operator(lexer *l)
{
    static const struct {
        char text[3];
        nb_jtoken_kind kind;
    } table[] = {
        {"//", NB_JT_FLOOR_DIV}, {"**", NB_JT_POW},   {"==", NB_JT_EQ},      {"!=", NB_JT_NE},      {">=", NB_JT_GE},
        {"<=", NB_JT_LE},        {"+", NB_JT_ADD},    {"-", NB_JT_SUB},      {"/", NB_JT_DIV},      {"*", NB_JT_MUL},
        {"%", NB_JT_MOD},        {"~", NB_JT_TILDE},  {"[", NB_JT_LBRACKET}, {"]", NB_JT_RBRACKET}, {"(", NB_JT_LPAREN},
        {")", NB_JT_RPAREN},     {"{", NB_JT_LBRACE}, {"}", NB_JT_RBRACE},   {">", NB_JT_GT},       {"<", NB_JT_LT},
        {"=", NB_JT_ASSIGN},     {".", NB_JT_DOT},    {":", NB_JT_COLON},    {"|", NB_JT_PIPE},     {",", NB_JT_COMMA},
        {";", NB_JT_SEMICOLON},
    };
    size_t i = 0;
    while (i < NB_COUNT(table) && !starts(l, l->at, table[i].text))
        i++;
    if (i == NB_COUNT(table)) {
        int32_t c;
        size_t n = nb_jtext_next(l->s + l->at, l->n - l->at, &c);
        nb_jinja_fail(l->j, "expected an expression, found '%.*s'", (int)n, l->s + l->at);
    }
    char c = table[i].text[0];
    if (c == '(' || c == '[' || c == '{') {
        if (l->n_open == sizeof l->open)
            nb_jinja_fail(l->j, "brackets nested too deeply; expected at most %d", NB_JINJA_PARSE_DEPTH_MAX);
        l->open[l->n_open++] = c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (c == ')' || c == ']' || c == '}') {
        if (l->n_open == 0 || l->open[--l->n_open] != c)
            nb_jinja_fail(l->j, "expected %s, found '%c'", l->n_open ? "the bracket that closes" : "no bracket", c);
    }
    size_t n = strlen(table[i].text);
    push(l, table[i].kind, nb_jval_none(), l->at, l->at + n);
    l->at += n;
}

static bool is_digit(const lexer *l, size_t at)
{
    return at < l->n && l->s[at] >= '0' && l->s[at] <= '9';
}

// Digits with single underscores between them, from `at`; returns the end (`at`: none).
static size_t skip_digits(const lexer *l, size_t at)
{
    while (is_digit(l, at) || (at < l->n && l->s[at] == '_' && is_digit(l, at + 1)))
        at++;
    return at;
}

static size_t float_end(const lexer *l, size_t at)
{
    size_t whole = skip_digits(l, at), end = whole;
    if (starts(l, whole, ".") && is_digit(l, whole + 1))
        end = skip_digits(l, whole + 1);
    size_t e = end;
    if (e < l->n && (l->s[e] == 'e' || l->s[e] == 'E')) {
        e++;
        e += sign_at(l, e) != 0;
        if (is_digit(l, e))
            end = skip_digits(l, e);
    }
    return end;
}

static size_t int_end(const lexer *l, size_t at, int *base)
{
    static const char *const digits[] = {"bB01_", "oO01234567_", "xX0123456789abcdefABCDEF_"};
    static const int bases[] = {2, 8, 16};
    *base = 10;
    for (int i = 0; i < 3; i++) {
        if (l->s[at] != '0' || at + 2 >= l->n || !memchr(digits[i], l->s[at + 1], 2))
            continue;
        size_t end = at + 2;
        while (end < l->n && l->s[end] && strchr(digits[i] + 2, l->s[end]))
            end++;
        if (end > at + 2 && l->s[end - 1] != '_') {
            *base = bases[i];
            return end;
        }
    }
    return skip_digits(l, at);
}

static void lex_number(lexer *l)
{
    size_t from = l->at, end = float_end(l, from);
    int base;
    size_t whole = int_end(l, from, &base);
    bool is_float = end > skip_digits(l, from) && !(from > 0 && l->s[from - 1] == '.');
    size_t stop = is_float ? end : whole;
    nb_jval text = nb_jval_string(l->j, l->s + from, stop - from, NB_JMARK_TRUSTED), value = nb_jval_none();
    if (is_float) {
        double real = 0;
        nb_jinja_parse_float(l->j, text, &real);
        value = nb_jval_float(real);
    } else {
        if (base != 10)
            text = nb_jval_slice(text, 2, text.n);
        bool has_zero = text.n > 1 && text.bytes[0] == '0' && base == 10;
        for (uint32_t i = 0; has_zero && i < text.n; i++)
            has_zero = text.bytes[i] == '0' || text.bytes[i] == '_';
        int64_t integer;
        if ((base == 10 && text.n > 1 && text.bytes[0] == '0' && !has_zero) ||
            !nb_jinja_parse_int(l->j, text, base, &integer))
            nb_jinja_fail(l->j, "expected a 64-bit integer, found %.*s", (int)nb_min(stop - from, 40), l->s + from);
        value = nb_jval_int(integer);
    }
    push(l, is_float ? NB_JT_FLOAT : NB_JT_INT, value, from, stop);
    l->at = stop;
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

// The escape after a backslash at `at`; returns where it ends.
static size_t lex_escape(lexer *l, nb_jbuffer *b, size_t at)
{
    static const char from[] = "\\'\"abfnrtv", to[] = "\\'\"\a\b\f\n\r\t\v";
    char c = l->s[at];
    const char *simple = c ? strchr(from, c) : NULL;
    if (simple) {
        nb_jbuffer_add(b, &to[simple - from], 1, NB_JMARK_TRUSTED);
        return at + 1;
    }
    if (c == '\n')
        return at + 1;
    size_t n_digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0, i = 0;
    uint32_t code = 0;
    if (n_digits) {
        for (i = 1; i <= n_digits && at + i < l->n && hex_value(l->s[at + i]) >= 0; i++)
            code = code * 16 + (uint32_t)hex_value(l->s[at + i]);
        if (i <= n_digits || !utf8proc_codepoint_valid((utf8proc_int32_t)code))
            nb_jinja_fail(l->j, "\\%c: expected %zu digits of a character", c, n_digits);
    } else if (c >= '0' && c <= '7') {
        for (; i < 3 && l->s[at + i] >= '0' && l->s[at + i] <= '7'; i++)
            code = code * 8 + (uint32_t)(l->s[at + i] - '0');
    } else {
        if (c == 'N')
            nb_jinja_fail(l->j, "\\N{...}: expected \\u and four digits");
        nb_jbuffer_add(b, "\\", 1, NB_JMARK_TRUSTED); // unknown: the backslash stays
        return at;
    }
    char bytes[NB_UTF8_BYTES_MAX];
    nb_jbuffer_add(b, bytes, nb_utf8_write(code, bytes), NB_JMARK_TRUSTED);
    return at + i;
}

static void lex_string(lexer *l)
{
    char quote = l->s[l->at];
    nb_jbuffer b = {.j = l->j};
    size_t i = l->at + 1;
    while (i < l->n && l->s[i] != quote) {
        if (l->s[i] == '\\' && i + 1 < l->n)
            i = lex_escape(l, &b, i + 1);
        else
            nb_jbuffer_add(&b, &l->s[i++], 1, NB_JMARK_TRUSTED);
    }
    if (i >= l->n)
        nb_jinja_fail(l->j, "string without an end; expected %c", quote);
    push(l, NB_JT_STRING, nb_jbuffer_take(&b), l->at, i + 1);
    count_lines(l, l->at, i + 1);
    l->at = i + 1;
}

static bool is_name_character(int32_t c, bool is_first)
{
    if (c < 0x80)
        return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (!is_first && c >= '0' && c <= '9');
    utf8proc_category_t category = utf8proc_category(c);
    return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO) ||
           (!is_first && category >= UTF8PROC_CATEGORY_MN && category <= UTF8PROC_CATEGORY_ND);
}

static bool lex_name(lexer *l)
{
    size_t end = l->at;
    while (end < l->n) {
        int32_t c;
        size_t n = nb_jtext_next(l->s + end, l->n - end, &c);
        if (!is_name_character(c, end == l->at))
            break;
        end += n;
    }
    if (end == l->at)
        return false;
    push(l, NB_JT_NAME, nb_jval_string(l->j, l->s + l->at, end - l->at, NB_JMARK_TRUSTED), l->at, end);
    l->at = end;
    return true;
}

static void lex_tag(lexer *l, bool is_variable)
{
    const char *close = is_variable ? "}}" : "%}";
    for (;;) {
        size_t end = l->n_open ? 0 : tag_end(l, l->at, close, !is_variable, !is_variable);
        if (end) {
            push(l, is_variable ? NB_JT_VARIABLE_END : NB_JT_BLOCK_END, nb_jval_none(), l->at, end);
            finish_tag(l, end);
            return;
        }
        size_t space = skip_space(l, l->at);
        if (space > l->at) {
            count_lines(l, l->at, space);
            l->at = space;
            continue;
        }
        if (l->at >= l->n)
            nb_jinja_fail(l->j, "tag without an end; expected %s", is_variable ? "}}" : "%}");
        char c = l->s[l->at];
        if (is_digit(l, l->at))
            lex_number(l);
        else if (c == '\'' || c == '"')
            lex_string(l);
        else if (!lex_name(l))
            lex_operator(l);
    }
}

// Copies with every line break as \n, the last one dropped.
static void normalise(lexer *l, const char *source, size_t bytes)
{
    char *s = nb_jinja_alloc(l->j, bytes + 1);
    for (size_t i = 0; i < bytes; i++) {
        if (source[i] == '\r' && i + 1 < bytes && source[i + 1] == '\n')
            continue;
        s[l->n++] = source[i] == '\r' ? '\n' : source[i];
    }
    if (l->n && s[l->n - 1] == '\n')
        l->n--;
    s[l->n] = 0;
    l->s = s;
}

// Next place of a tag from `at`, or the end.
static size_t find_tag(const lexer *l, size_t at)
{
    while (at < l->n && !starts(l, at, "{%") && !starts(l, at, "{{") && !starts(l, at, "{#"))
        at++;
    return at;
}

static void lex_all(lexer *l)
{
    while (l->at < l->n) {
        size_t tag = find_tag(l, l->at);
        if (tag == l->n) {
            push_data(l, tag, '+', true);
            break;
        }
        char kind = l->s[tag + 1], sign = sign_at(l, tag + 2);
        size_t raw = kind == '%' ? raw_begin(l, tag) : 0;
        push_data(l, tag, sign, kind == '{');
        size_t inside = tag + 2 + (sign != 0);
        if (kind == '#') {
            lex_comment(l, inside);
        } else if (raw) {
            lex_raw(l, raw);
        } else {
            push(l, kind == '{' ? NB_JT_VARIABLE_BEGIN : NB_JT_BLOCK_BEGIN, nb_jval_none(), tag, inside);
            l->at = inside;
            lex_tag(l, kind == '{');
        }
    }
}

const nb_jtoken *nb_jinja_lex(nb_jinja *j, const char *source, size_t bytes)
{
    lexer l = {.j = j, .line_starting = true};
    j->line = 1;
    normalise(&l, source, bytes);
    lex_all(&l);
    push(&l, NB_JT_END, nb_jval_none(), l.n, l.n);
    return l.tokens;
}
