// SPDX-License-Identifier: Apache-2.0
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "runtime/pattern.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/pattern_syntax.h"
#include "runtime/utf8.h"

// A search is tried with few steps in a small part of the text, which suffices for nearly all, and again with more
// where it needs more. What such attempts cost beyond what a match of their length may is taken from a budget for the
// text, so that neither one search nor the sum of many can take long.
enum {
    FIRST_STEPS = 4096,
    FIRST_BYTES = 4096, // looked at, from where the search begins
    GROWTH = 16,
    WORK_A_BYTE = 64, // that a match may need
    WORK_MAX = 32 * 1000 * 1000,
    MATCH_HEAP_KIB_MAX = 256 << 10,
};

struct nb_pattern {
    pcre2_code *code; // NULL: a literal
    bool is_compiled; // to machine code
    size_t literal_bytes;
    char literal[];
};

struct nb_matcher {
    pcre2_match_data *data;
    pcre2_match_context *context;
    int64_t work_left; // steps and bytes, for one text; below 0 long matches must still earn it
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
    (*pattern)->is_compiled = pcre2_jit_compile((*pattern)->code, PCRE2_JIT_COMPLETE | PCRE2_JIT_PARTIAL_HARD) == 0;
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
            (*matcher)->work_left = WORK_MAX;
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

// One attempt: text[from..end), of which a match that would look at what follows `end` is only partial.
static int attempt(const nb_pattern *pattern, nb_matcher *matcher, const char *text, size_t from, size_t end,
                   bool is_whole, uint32_t steps)
{
    PCRE2_SPTR subject = (PCRE2_SPTR)text;
    uint32_t options = is_whole ? 0 : PCRE2_PARTIAL_HARD;
    int n = PCRE2_ERROR_JIT_STACKLIMIT;
    pcre2_set_match_limit(matcher->context, steps);
    if (pattern->is_compiled)
        n = pcre2_jit_match(pattern->code, subject, end, from, options, matcher->data, matcher->context);
    if (n == PCRE2_ERROR_JIT_STACKLIMIT) // machine code has a small stack; the interpreter takes its from the heap
        n = pcre2_match(pattern->code, subject, end, from, options | PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, matcher->data,
                        matcher->context);
    return n;
}

static size_t end_of_part(const char *text, size_t from, size_t bytes, uint64_t part_bytes)
{
    if (bytes - from <= part_bytes)
        return bytes;
    size_t end = from + part_bytes;
    while (end > from && ((unsigned char)text[end] & 0xc0) == 0x80)
        end--;
    return end;
}

// Whether an attempt has to be made again with more steps, or with a larger part.
static bool wants_more(int n, bool is_whole, uint64_t *steps, uint64_t *part_bytes)
{
    if (n == PCRE2_ERROR_MATCHLIMIT || n == PCRE2_ERROR_DEPTHLIMIT)
        *steps *= GROWTH;
    else if (!is_whole && (n == PCRE2_ERROR_PARTIAL || n == PCRE2_ERROR_NOMATCH))
        *part_bytes *= GROWTH;
    else
        return false;
    return true;
}

static nb_status search_error(int n, nb_error *error)
{
    if (n == PCRE2_ERROR_NOMEMORY || n == PCRE2_ERROR_HEAPLIMIT)
        return nb_error_set(error, NB_ERR_SYSTEM, "pattern matching does not fit memory");
    return nb_error_set(error, NB_ERR_INPUT,
                        "text; expected that the tokenizer's pattern splits it in %d steps, found more", WORK_MAX);
}

static nb_status search_regex(const nb_pattern *pattern, nb_matcher *matcher, const char *text, size_t bytes,
                              nb_match *match, bool *found, nb_error *error)
{
    uint64_t steps = FIRST_STEPS, part_bytes = FIRST_BYTES;
    int64_t work = 0;
    size_t from = match->from;
    for (int n;;) {
        size_t end = end_of_part(text, from, bytes, part_bytes);
        n = attempt(pattern, matcher, text, from, end, end == bytes, (uint32_t)nb_min(steps, WORK_MAX));
        *found = n >= 0;
        if (!wants_more(n, end == bytes, &steps, &part_bytes)) {
            if (n < 0 && n != PCRE2_ERROR_NOMATCH)
                return search_error(n, error);
            break;
        }
        work += (int64_t)(steps + nb_min(part_bytes, bytes - from)); // what the next attempt may take
        if (work > matcher->work_left + WORK_A_BYTE * (int64_t)(bytes - from))
            return search_error(n, error);
    }
    if (*found) {
        match->begin = pcre2_get_ovector_pointer(matcher->data)[0];
        match->end = pcre2_get_ovector_pointer(matcher->data)[1];
    }
    int64_t earned = *found && match->end > from ? WORK_A_BYTE * (int64_t)(match->end - from) : 0;
    matcher->work_left -= work > earned ? work - earned : 0;
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
