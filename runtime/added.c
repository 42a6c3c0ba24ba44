// SPDX-License-Identifier: Apache-2.0
#include "runtime/added.h"

#include <string.h>

#include "runtime/tokenizer.h"
#include "runtime/utf8.h"

static const char WORD[] = "[" NB_PATTERN_WORD_ITEMS "]";

// Node 0 is the root. Children of a node are a list; few tokens share a prefix, so the lists are short.
typedef struct node {
    uint32_t first_child, next_sibling; // 0: none
    uint32_t token;                     // index + 1, 0: no token ends here
    uint8_t byte;
} node;

void nb_added_release(nb_added *added)
{
    nb_buffer_free(&added->tokens);
    nb_buffer_free(&added->nodes);
    nb_pattern_free(added->word);
    added->word = NULL;
}

static uint32_t find_child(const node *nodes, uint32_t parent, uint8_t byte)
{
    uint32_t i = nodes[parent].first_child;
    while (i != 0 && nodes[i].byte != byte)
        i = nodes[i].next_sibling;
    return i;
}

// Index of the child, made where it is missing; 0 when memory is short.
static uint32_t make_child(nb_buffer *buffer, uint32_t parent, uint8_t byte)
{
    uint32_t child = find_child((const node *)buffer->data, parent, byte);
    if (child != 0)
        return child;
    node fresh = {.byte = byte, .next_sibling = ((node *)buffer->data)[parent].first_child};
    child = (uint32_t)(buffer->bytes / sizeof(node));
    if (!nb_buffer_append(buffer, &fresh, sizeof fresh))
        return 0;
    ((node *)buffer->data)[parent].first_child = child;
    return child;
}

nb_status nb_added_insert(nb_added *added, const char *content, size_t bytes, nb_added_token token, nb_error *error)
{
    NB_ASSERT(bytes >= 1 && bytes <= NB_ADDED_BYTES_MAX);
    node root = {0};
    if (added->nodes.bytes == 0 && !nb_buffer_append(&added->nodes, &root, sizeof root))
        return nb_error_set(error, NB_ERR_SYSTEM, "added tokens do not fit memory");
    uint32_t at = 0;
    for (size_t i = 0; i < bytes; i++) {
        at = make_child(&added->nodes, at, (uint8_t)content[i]);
        if (at == 0)
            return nb_error_set(error, NB_ERR_SYSTEM, "added tokens do not fit memory");
    }
    if (!nb_buffer_append(&added->tokens, &token, sizeof token))
        return nb_error_set(error, NB_ERR_SYSTEM, "added tokens do not fit memory");
    ((node *)added->nodes.data)[at].token = (uint32_t)(added->tokens.bytes / sizeof token);
    if (token.is_single_word && !added->word)
        return nb_pattern_regex(&added->word, WORD, strlen(WORD), "added_tokens[].single_word", error);
    return NB_OK;
}

// The longest token at text + begin that the marks allow; NULL: none.
static const nb_added_token *longest_at(const nb_added *added, const char *text, size_t bytes, const uint8_t *marks,
                                        size_t begin, size_t *end)
{
    const node *nodes = (const node *)added->nodes.data;
    const nb_added_token *tokens = (const nb_added_token *)added->tokens.data, *best = NULL;
    uint8_t mark = NB_MARK_TRUSTED;
    uint32_t at = 0;
    for (size_t i = begin; i < bytes; i++) {
        mark = marks && marks[i] > mark ? marks[i] : mark;
        at = find_child(nodes, at, (uint8_t)text[i]);
        if (at == 0 || mark >= NB_MARK_FOREIGN)
            break;
        const nb_added_token *token = nodes[at].token ? &tokens[nodes[at].token - 1] : NULL;
        if (token && (mark == NB_MARK_TRUSTED || !token->is_special)) {
            best = token;
            *end = i + 1;
        }
    }
    return best;
}

static nb_status is_word(const nb_added *added, nb_matcher *matcher, const char *text, size_t begin, size_t end,
                         bool *result, nb_error *error)
{
    nb_match match = NB_MATCH_BEGIN;
    return nb_pattern_next(added->word, matcher, text + begin, end - begin, &match, result, error);
}

static nb_status touches_word(const nb_added *added, nb_matcher *matcher, const char *text, size_t bytes, size_t begin,
                              size_t end, bool *result, nb_error *error)
{
    *result = false;
    if (begin > 0)
        NB_TRY(is_word(added, matcher, text, nb_utf8_back(text, begin), begin, result, error));
    if (!*result && end < bytes)
        NB_TRY(is_word(added, matcher, text, end, end + nb_utf8_read(text + end, bytes - end).bytes, result, error));
    return NB_OK;
}

static size_t skip_space_back(const char *text, size_t begin, size_t limit)
{
    while (begin > limit) {
        size_t i = nb_utf8_back(text, begin);
        if (i < limit || !nb_utf8_is_space(nb_utf8_read(text + i, begin - i).code))
            break;
        begin = i;
    }
    return begin;
}

static size_t skip_space(const char *text, size_t bytes, size_t end)
{
    while (end < bytes) {
        nb_utf8 c = nb_utf8_read(text + end, bytes - end);
        if (!nb_utf8_is_space(c.code))
            break;
        end += c.bytes;
    }
    return end;
}

nb_status nb_added_next(const nb_added *added, nb_matcher *matcher, const char *text, size_t bytes,
                        const uint8_t *marks, size_t done, nb_added_match *match, bool *found, nb_error *error)
{
    *found = false;
    if (added->nodes.bytes == 0)
        return NB_OK;
    while (match->from < bytes) {
        size_t begin = match->from, end = begin;
        const nb_added_token *token = longest_at(added, text, bytes, marks, begin, &end);
        match->from = token ? end : begin + 1;
        if (!token)
            continue;
        bool touches = false;
        if (token->is_single_word)
            NB_TRY(touches_word(added, matcher, text, bytes, begin, end, &touches, error));
        if (touches)
            continue;
        match->begin = token->strips_left && begin > done ? skip_space_back(text, begin, done) : begin;
        match->end = token->strips_right ? skip_space(text, bytes, end) : end;
        match->id = token->id;
        *found = true;
        return NB_OK;
    }
    return NB_OK;
}
