// SPDX-License-Identifier: Apache-2.0
// Token strings by id and ids by string. Built once, then read-only.
#ifndef NB_RUNTIME_VOCAB_H
#define NB_RUNTIME_VOCAB_H

#include "platform/base.h"
#include "runtime/buffer.h"

enum {
    NB_VOCAB_IDS_MAX = 1 << 22,   // the largest published vocabularies have 2^18 entries
    NB_VOCAB_PROBES_MAX = 1024,   // honest names stay below 100; more means names made to collide
    NB_VOCAB_BLOB_MAX = 256 << 20 // bytes of all names
};

typedef struct nb_token {
    uint32_t text_offset, text_bytes;       // the name as in tokenizer.json, in `blob`
    uint32_t source_offset, source_bytes;   // what the decoder reads, in `blob`: the name, or an added token's
                                            // normalised content
    uint32_t decoded_offset, decoded_bytes; // what it stands for in text, in `decoded`
    bool is_used;
    bool is_added;
    bool is_special; // added with special:true
    bool is_outside; // added, and not in the model's own vocabulary
} nb_token;

typedef struct nb_vocab {
    nb_token *tokens; // [n_ids]; ids without a name are not used
    uint32_t n_ids;
    nb_buffer blob, decoded;
    uint32_t *slots; // id + 1 by hash of the name, 0 = free
    uint32_t mask;
} nb_vocab;

uint64_t nb_hash_bytes(const char *text, size_t bytes);
uint64_t nb_hash_mix(uint64_t value);

// Makes room for n_ids names and ids below n_ids. Errors: NB_ERR_SYSTEM.
NB_MUST_USE nb_status nb_vocab_create(nb_vocab *vocab, uint32_t n_ids, nb_error *error);
// Other ids for as many names. Errors: NB_ERR_SYSTEM; the vocabulary stays as it was.
NB_MUST_USE nb_status nb_vocab_resize(nb_vocab *vocab, uint32_t n_ids, nb_error *error);
void nb_vocab_release(nb_vocab *vocab);

// Errors: NB_ERR_INPUT (id used twice, name used twice, names that collide), NB_ERR_SYSTEM.
NB_MUST_USE nb_status nb_vocab_add(nb_vocab *vocab, uint32_t id, const char *text, size_t bytes, nb_error *error);
int32_t nb_vocab_find(const nb_vocab *vocab, const char *text, size_t bytes); // -1: none
// Only ids that ordinary text may have: no control token, and none that the model's own vocabulary lacks.
int32_t nb_vocab_find_plain(const nb_vocab *vocab, const char *text, size_t bytes);

static inline const char *nb_vocab_text(const nb_vocab *vocab, uint32_t id)
{
    return vocab->blob.data + vocab->tokens[id].text_offset;
}

#endif
