// SPDX-License-Identifier: Apache-2.0
#include "runtime/pattern_syntax.h"

#include <string.h>

// PCRE2's \s has U+180E, which Oniguruma's has not; \w of PCRE2 10.42 lacks marks and connecting punctuation. The six
// last characters, superscripts and fractions of Latin-1, are an oddity of Oniguruma's tables.
#define SPACE_ITEMS "\\t-\\r\\x{85}\\p{Z}"
#define WORD_ITEMS  "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}"

typedef struct scan {
    nb_buffer *out;
    const char *regex;
    size_t bytes, at;
    bool in_class;
    const char *where;
    nb_error *error;
} scan;

static nb_status put(scan *s, const char *text, size_t bytes)
{
    if (!nb_buffer_append(s->out, text, bytes))
        return nb_error_set(s->error, NB_ERR_SYSTEM, "pattern does not fit memory");
    return NB_OK;
}

static nb_status put_string(scan *s, const char *text)
{
    return put(s, text, strlen(text));
}

static nb_status copy(scan *s, size_t bytes)
{
    bytes = nb_min(bytes, s->bytes - s->at);
    s->at += bytes;
    return put(s, s->regex + s->at - bytes, bytes);
}

static nb_status refuse(const scan *s, size_t bytes)
{
    return nb_error_set(s->error, NB_ERR_INPUT,
                        "tokenizer.json: %s; expected a pattern PCRE2 reads like Oniguruma, found '%.*s'", s->where,
                        (int)nb_min(bytes, s->bytes - s->at), s->regex + s->at);
}

static bool begins(const scan *s, const char *text)
{
    size_t n = strlen(text);
    return s->bytes - s->at >= n && memcmp(s->regex + s->at, text, n) == 0;
}

// \p{Han} is a script in Oniguruma and the wider script extensions in PCRE2.
static nb_status rewrite_property(scan *s)
{
    static const char *const scripts[] = {"Han",   "Hiragana", "Katakana", "Hangul", "Bopomofo", "Thai",      "Arabic",
                                          "Latin", "Cyrillic", "Greek",    "Hebrew", "Armenian", "Devanagari"};
    char head[] = {'\\', s->regex[s->at + 1], '{', 0};
    for (size_t i = 0; i < NB_COUNT(scripts); i++) {
        size_t n = strlen(scripts[i]);
        if (s->bytes - s->at >= n + 4 && s->regex[s->at + 2] == '{' &&
            memcmp(s->regex + s->at + 3, scripts[i], n) == 0 && s->regex[s->at + 3 + n] == '}') {
            s->at += n + 4;
            NB_TRY(put_string(s, head));
            NB_TRY(put_string(s, "sc:"));
            NB_TRY(put(s, scripts[i], n));
            return put_string(s, "}");
        }
    }
    return copy(s, 2);
}

static nb_status rewrite_escape(scan *s)
{
    char kind = s->at + 1 < s->bytes ? s->regex[s->at + 1] : 0;
    const char *text = NULL;
    if (kind == 's')
        text = s->in_class ? SPACE_ITEMS : "[" SPACE_ITEMS "]";
    else if (kind == 'S') // inside a class PCRE2's \S lacks just U+180E
        text = s->in_class ? "\\S\\x{180e}" : "[^" SPACE_ITEMS "]";
    else if (kind == 'w')
        text = s->in_class ? WORD_ITEMS : "[" WORD_ITEMS "]";
    else if (kind == 'W' && !s->in_class)
        text = "[^" WORD_ITEMS "]";
    else if (kind == 'p' || kind == 'P')
        return rewrite_property(s);
    else if (kind == 0 || strchr("WhHQENOyYCuKLUlM", kind)) // absent from one library, or of another meaning there
        return refuse(s, 2);
    else
        return copy(s, 2);
    s->at += 2;
    return put_string(s, text);
}

static nb_status rewrite_in_class(scan *s)
{
    if (s->regex[s->at] == ']') {
        s->in_class = false;
        return copy(s, 1);
    }
    if (begins(s, "[:")) {
        const char *end = memmem(s->regex + s->at, s->bytes - s->at, ":]", 2);
        return end ? copy(s, (size_t)(end - s->regex) + 2 - s->at) : refuse(s, 8);
    }
    if (s->regex[s->at] == '[' || begins(s, "&&")) // nested classes and intersections
        return refuse(s, 8);
    return copy(s, 1);
}

// "(?im-x": Ruby's m lets the dot match a newline, which PCRE2 calls s.
static nb_status rewrite_group(scan *s)
{
    NB_TRY(copy(s, 2));
    while (s->at < s->bytes && strchr("imx-", s->regex[s->at])) {
        if (s->regex[s->at] == 'm') {
            s->at++;
            NB_TRY(put_string(s, "s"));
        } else {
            NB_TRY(copy(s, 1));
        }
    }
    return NB_OK;
}

nb_status nb_pattern_rewrite(nb_buffer *out, const char *regex, size_t bytes, const char *where, nb_error *error)
{
    scan s = {.out = out, .regex = regex, .bytes = bytes, .where = where, .error = error};
    while (s.at < s.bytes) {
        if (s.regex[s.at] == '\\') {
            NB_TRY(rewrite_escape(&s));
        } else if (s.in_class) {
            NB_TRY(rewrite_in_class(&s));
        } else if (begins(&s, "(?")) {
            NB_TRY(rewrite_group(&s));
        } else if (begins(&s, "(*")) { // PCRE2's verbs, a syntax error in Ruby
            return refuse(&s, 8);
        } else if (s.regex[s.at] == '[') {
            s.in_class = true;
            NB_TRY(copy(&s, begins(&s, "[^") ? 2 : 1));
        } else {
            NB_TRY(copy(&s, 1));
        }
    }
    return NB_OK;
}
