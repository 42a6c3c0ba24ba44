// SPDX-License-Identifier: Apache-2.0
#include "runtime/vocab.h"

#include <stdlib.h>
#include <string.h>

uint64_t nb_hash_mix(uint64_t value)
{
    value *= 0x9e3779b97f4a7c15u; // 2^64 / golden ratio
    return value ^ value >> 32;
}

uint64_t nb_hash_bytes(const char *text, size_t bytes)
{
    uint64_t hash = bytes;
    for (; bytes >= 8; text += 8, bytes -= 8) {
        uint64_t word;
        memcpy(&word, text, 8);
        hash = nb_hash_mix(hash ^ word);
    }
    uint64_t tail = 0;
    for (size_t i = 0; i < bytes; i++)
        tail |= (uint64_t)(unsigned char)text[i] << 8 * i;
    return nb_hash_mix(nb_hash_mix(hash ^ tail));
}

nb_status nb_vocab_create(nb_vocab *vocab, uint32_t n_ids, nb_error *error)
{
    *vocab = (nb_vocab){.n_ids = n_ids};
    uint32_t n_slots = 16;
    while (n_slots < 2 * n_ids)
        n_slots *= 2;
    vocab->mask = n_slots - 1;
    vocab->tokens = calloc(nb_max(n_ids, 1), sizeof *vocab->tokens);
    vocab->slots = calloc(n_slots, sizeof *vocab->slots);
    if (!vocab->tokens || !vocab->slots) {
        nb_vocab_release(vocab);
        return nb_error_set(error, NB_ERR_SYSTEM, "vocabulary of %u ids does not fit memory", n_ids);
    }
    return NB_OK;
}

nb_status nb_vocab_resize(nb_vocab *vocab, uint32_t n_ids, nb_error *error)
{
    nb_token *tokens = realloc(vocab->tokens, nb_max(n_ids, 1) * sizeof *tokens);
    if (!tokens)
        return nb_error_set(error, NB_ERR_SYSTEM, "vocabulary of %u ids does not fit memory", n_ids);
    if (n_ids > vocab->n_ids)
        memset(tokens + vocab->n_ids, 0, (n_ids - vocab->n_ids) * sizeof *tokens);
    vocab->tokens = tokens;
    vocab->n_ids = n_ids;
    return NB_OK;
}

void nb_vocab_release(nb_vocab *vocab)
{
    free(vocab->tokens);
    free(vocab->slots);
    nb_buffer_free(&vocab->blob);
    nb_buffer_free(&vocab->decoded);
    *vocab = (nb_vocab){0};
}

// The slot of the name, or the free slot where it belongs. NULL when the names collide too often.
static uint32_t *find_slot(const nb_vocab *vocab, const char *text, size_t bytes)
{
    uint64_t hash = nb_hash_bytes(text, bytes);
    for (uint32_t i = 0; i < NB_VOCAB_PROBES_MAX; i++) {
        uint32_t *slot = &vocab->slots[(hash + i) & vocab->mask];
        if (*slot == 0)
            return slot;
        const nb_token *token = &vocab->tokens[*slot - 1];
        if (token->text_bytes == bytes && memcmp(vocab->blob.data + token->text_offset, text, bytes) == 0)
            return slot;
    }
    return NULL;
}

nb_status nb_vocab_add(nb_vocab *vocab, uint32_t id, const char *text, size_t bytes, nb_error *error)
{
    NB_ASSERT(id < vocab->n_ids);
    if (vocab->tokens[id].is_used)
        return nb_error_set(error, NB_ERR_INPUT, "tokenizer.json: id %u; expected one token, found two: '%.*s', '%.*s'",
                            id, (int)nb_min(vocab->tokens[id].text_bytes, 40), nb_vocab_text(vocab, id),
                            (int)nb_min(bytes, 40), text);
    if (vocab->blob.bytes + bytes > NB_VOCAB_BLOB_MAX)
        return nb_error_set(error, NB_ERR_INPUT,
                            "tokenizer.json: token names; expected at most %d bytes in all, found more",
                            NB_VOCAB_BLOB_MAX);
    uint32_t *slot = find_slot(vocab, text, bytes);
    if (!slot)
        return nb_error_set(error, NB_ERR_INPUT,
                            "tokenizer.json: token names; expected names that hash evenly, found "
                            "over %d that collide",
                            NB_VOCAB_PROBES_MAX);
    if (*slot)
        return nb_error_set(error, NB_ERR_INPUT, "tokenizer.json: token '%.*s'; expected one id, found %u and %u",
                            (int)nb_min(bytes, 40), text, *slot - 1, id);
    nb_token *token = &vocab->tokens[id];
    *token = (nb_token){.text_offset = (uint32_t)vocab->blob.bytes, .text_bytes = (uint32_t)bytes, .is_used = true};
    token->source_offset = token->text_offset;
    token->source_bytes = token->text_bytes;
    if (!nb_buffer_append(&vocab->blob, text, bytes))
        return nb_error_set(error, NB_ERR_SYSTEM, "token names do not fit memory");
    *slot = id + 1;
    return NB_OK;
}

int32_t nb_vocab_find(const nb_vocab *vocab, const char *text, size_t bytes)
{
    if (!vocab->slots)
        return -1;
    const uint32_t *slot = find_slot(vocab, text, bytes);
    return slot && *slot ? (int32_t)(*slot - 1) : -1;
}

int32_t nb_vocab_find_plain(const nb_vocab *vocab, const char *text, size_t bytes)
{
    int32_t id = nb_vocab_find(vocab, text, bytes);
    return id >= 0 && (vocab->tokens[id].is_special || vocab->tokens[id].is_outside) ? -1 : id;
}
