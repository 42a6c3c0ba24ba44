// SPDX-License-Identifier: Apache-2.0
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "runtime/pattern.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/pattern_syntax.h"
#include "runtime/utf8.h"

// Steps and memory of one search. Honest patterns need a few steps for each character that they match.
enum { MATCH_STEPS_MAX = 100 * 1000 * 1000, MATCH_HEAP_KIB_MAX = 256 << 10 };

struct nb_pattern {
    pcre2_code *code; // NULL: a literal
    bool is_compiled; // to machine code
    size_t literal_bytes;
    char literal[];
};

struct nb_matcher {
    pcre2_match_data *data;
    pcre2_match_context *context;
};

static nb_status allocate(nb_pattern **pattern, size_t literal_bytes, const char *where, nb_error *error)
{
    *pattern = calloc(1, sizeof **pattern + literal_bytes);
    if (!*pattern)
        return nb_error_set(error, NB_ERR_SYSTEM, "tokenizer.json: %s does not fit memory", where);
    return NB_OK;
}

static nb_status check_size(size_t bytes, const char *where, nb_error *error)
{
    if (bytes >= 1 && bytes <= NB_PATTERN_BYTES_MAX)
        return NB_OK;
    return nb_error_set(error, NB_ERR_INPUT, "tokenizer.json: %s; expected a pattern of 1 to %d bytes, found %zu",
                        where, NB_PATTERN_BYTES_MAX, bytes);
}

nb_status nb_pattern_literal(nb_pattern **pattern, const char *literal, size_t bytes, const char *where,
                             nb_error *error)
{
    NB_TRY(check_size(bytes, where, error));
    NB_TRY(allocate(pattern, bytes, where, error));
    (*pattern)->literal_bytes = bytes;
    memcpy((*pattern)->literal, literal, bytes);
    return NB_OK;
}

static nb_status compile(pcre2_code **code, const nb_buffer *text, const char *where, nb_error *error)
{
    int number;
    size_t offset;
    // Ruby's ^ and $ always mean lines.
    uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
    *code = pcre2_compile((PCRE2_SPTR)text->data, text->bytes, options, &number, &offset, NULL);
    if (*code)
        return NB_OK;
    if (number == PCRE2_ERROR_NOMEMORY || number == PCRE2_ERROR_HEAP_FAILED)
        return nb_error_set(error, NB_ERR_SYSTEM, "tokenizer.json: %s does not fit memory", where);
    char message[128];
    pcre2_get_error_message(number, (PCRE2_UCHAR *)message, sizeof message);
    return nb_error_set(error, NB_ERR_INPUT, "tokenizer.json: %s; expected a regular expression, found an error: %s",
                        where, message);
}

nb_status nb_pattern_regex(nb_pattern **pattern, const char *regex, size_t bytes, const char *where, nb_error *error)
{
    NB_TRY(check_size(bytes, where, error));
    NB_TRY(allocate(pattern, 0, where, error));
    nb_buffer text = {0};
    nb_status status = nb_pattern_rewrite(&text, regex, bytes, where, error);
    if (status == NB_OK)
        status = compile(&(*pattern)->code, &text, where, error);
    nb_buffer_free(&text);
    if (status != NB_OK) {
        nb_pattern_free(*pattern);
        *pattern = NULL;
        return status;
    }
    // Without a machine-code compiler (or executable memory) PCRE2 interprets: slower, the same matches.
    (*pattern)->is_compiled = pcre2_jit_compile((*pattern)->code, PCRE2_JIT_COMPLETE) == 0;
    return NB_OK;
}

void nb_pattern_free(nb_pattern *pattern)
{
    if (pattern)
        pcre2_code_free(pattern->code);
    free(pattern);
}

nb_status nb_matcher_create(nb_matcher **matcher, nb_error *error)
{
    *matcher = calloc(1, sizeof **matcher);
    if (*matcher) {
        (*matcher)->data = pcre2_match_data_create(1, NULL);
        (*matcher)->context = pcre2_match_context_create(NULL);
        if ((*matcher)->data && (*matcher)->context) {
            pcre2_set_match_limit((*matcher)->context, MATCH_STEPS_MAX);
            pcre2_set_heap_limit((*matcher)->context, MATCH_HEAP_KIB_MAX);
            return NB_OK;
        }
    }
    nb_matcher_free(*matcher);
    *matcher = NULL;
    return nb_error_set(error, NB_ERR_SYSTEM, "pattern matching does not fit memory");
}

void nb_matcher_free(nb_matcher *matcher)
{
    if (matcher) {
        pcre2_match_data_free(matcher->data);
        pcre2_match_context_free(matcher->context);
    }
    free(matcher);
}

static nb_status search_regex(const nb_pattern *pattern, nb_matcher *matcher, const char *text, size_t bytes,
                              nb_match *match, bool *found, nb_error *error)
{
    PCRE2_SPTR subject = (PCRE2_SPTR)text;
    int n = PCRE2_ERROR_JIT_STACKLIMIT;
    if (pattern->is_compiled)
        n = pcre2_jit_match(pattern->code, subject, bytes, match->from, 0, matcher->data, matcher->context);
    if (n ==
        PCRE2_ERROR_JIT_STACKLIMIT) // machine code has a small stack; the interpreter takes its memory from the heap
        n = pcre2_match(pattern->code, subject, bytes, match->from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, matcher->data,
                        matcher->context);
    if (n == PCRE2_ERROR_NOMEMORY)
        return nb_error_set(error, NB_ERR_SYSTEM, "pattern matching does not fit memory");
    if (n < 0 && n != PCRE2_ERROR_NOMATCH)
        return nb_error_set(error, NB_ERR_INPUT,
                            "text; expected that the tokenizer's pattern splits it in %d steps, found more",
                            MATCH_STEPS_MAX);
    *found = n >= 0;
    if (*found) {
        match->begin = pcre2_get_ovector_pointer(matcher->data)[0];
        match->end = pcre2_get_ovector_pointer(matcher->data)[1];
    }
    return NB_OK;
}

static bool search_literal(const nb_pattern *pattern, const char *text, size_t bytes, nb_match *match)
{
    const char *hit = memmem(text + match->from, bytes - match->from, pattern->literal, pattern->literal_bytes);
    if (!hit)
        return false;
    match->begin = (size_t)(hit - text);
    match->end = match->begin + pattern->literal_bytes;
    return true;
}

nb_status nb_pattern_next(const nb_pattern *pattern, nb_matcher *matcher, const char *text, size_t bytes,
                          nb_match *match, bool *found, nb_error *error)
{
    while (match->from <= bytes) {
        if (pattern->code)
            NB_TRY(search_regex(pattern, matcher, text, bytes, match, found, error));
        else
            *found = search_literal(pattern, text, bytes, match);
        if (!*found)
            return NB_OK;
        // A \K or look-behind could begin a match before `from`; Oniguruma has no such match.
        if (match->begin < match->from || match->end < match->begin)
            return nb_error_set(error, NB_ERR_INPUT, "text; expected matches that follow each other, found an overlap");
        if (match->end > match->begin || match->last_end != match->end) {
            match->from = match->last_end = match->end;
            return NB_OK;
        }
        match->from += match->from < bytes ? nb_utf8_read(text + match->from, bytes - match->from).bytes : 1;
    }
    *found = false;
    return NB_OK;
}
