// SPDX-License-Identifier: Apache-2.0
// Byte-pair encoding of one word: start from its characters (or bytes), then join the adjacent pair of lowest rank, the
// leftmost first, until no pair has a merge. O(n log n) in the length of the word, however long. Control tokens (added,
// special) are never the result: where they are meant they have been cut out before.
#ifndef NB_RUNTIME_BPE_H
#define NB_RUNTIME_BPE_H

#include "platform/base.h"
#include "runtime/buffer.h"
#include "runtime/vocab.h"

typedef struct nb_merge {
    int32_t left, right, result; // ids; the index is the rank
} nb_merge;

typedef struct nb_merge_slot {
    int32_t left, right; // left -1: free
    uint32_t rank;
} nb_merge_slot;

typedef struct nb_bpe {
    const nb_vocab *vocab;
    nb_merge *merges;
    uint32_t n_merges;
    nb_merge_slot *slots; // ranks by pair
    uint32_t mask;
    int32_t byte_ids[256];  // byte-level: id of the byte's character; else id of "<0xNN>"; -1: none
    int32_t unk_id;         // -1: a character that is not in the vocabulary vanishes
    bool is_byte_level;     // words are bytes spelt in GPT-2's alphabet
    bool has_byte_fallback; // a character that is not in the vocabulary becomes its bytes "<0xNN>"
    bool fuses_unk;         // a run of unknown characters is one unk
    bool ignores_merges;    // a word that is in the vocabulary is that token, whatever the merges would give
} nb_bpe;

// Working memory of one caller; zero-initialise, release when done.
typedef struct nb_bpe_scratch {
    nb_buffer symbols, heap, spelling;
} nb_bpe_scratch;

// Room for n_merges merges. Errors: NB_ERR_SYSTEM.
NB_MUST_USE nb_status nb_bpe_create(nb_bpe *bpe, const nb_vocab *vocab, uint32_t n_merges, nb_error *error);
void nb_bpe_release(nb_bpe *bpe);

// The next merge in rank order, by the two names. A pair given twice takes the later rank. Errors: NB_ERR_INPUT.
NB_MUST_USE nb_status nb_bpe_add_merge(nb_bpe *bpe, nb_buffer *joined, const char *left, size_t left_bytes,
                                       const char *right, size_t right_bytes, nb_error *error);
// After the last merge and after is_byte_level is decided: finds the ids of single bytes.
void nb_bpe_find_bytes(nb_bpe *bpe);

// Appends the ids (int32_t) of a word (valid UTF-8 unless byte-level) to `ids`. False when memory is short.
NB_MUST_USE bool nb_bpe_encode(const nb_bpe *bpe, nb_bpe_scratch *scratch, const char *word, size_t bytes,
                               nb_buffer *ids);
void nb_bpe_scratch_release(nb_bpe_scratch *scratch);

#endif
