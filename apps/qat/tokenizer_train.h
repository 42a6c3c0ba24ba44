// SPDX-License-Identifier: Apache-2.0
// Trains a byte-level BPE tokenizer (Sennrich et al. 2016): the most frequent pair of neighbours becomes a token, again
// and again. Ties go to the pair of smaller ids, so the result depends on the text alone.
#ifndef NB_APPS_TOKENIZER_TRAIN_H
#define NB_APPS_TOKENIZER_TRAIN_H

#include "runtime/pretokenize.h"

// Cuts text into words; a digit is a word of its own. Qwen2's own pattern, because transformers takes that for a model
// of type qwen2, whatever tokenizer.json says.
#define NB_TRACES_PATTERN                                                                                              \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| "                                              \
    "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

enum { NB_TRAIN_BYTES = 256, NB_TRAIN_MAX_TOKENS = 4096, NB_TRAIN_MAX_WORD_BYTES = 64 };

typedef struct nb_bpe_train_word {
    char *text; // owned; NULL: free
    size_t bytes;
    uint64_t count;
    uint16_t *ids; // owned; [n_ids]
    uint32_t n_ids;
} nb_bpe_train_word;

typedef struct nb_bpe_train_pair {
    uint16_t left, right; // ids: 0..255 are bytes in the order of nb_bpe_train_byte, then merges in theirs
} nb_bpe_train_pair;

typedef struct nb_bpe_trainer {
    nb_bpe_train_word *words; // a hash table
    size_t n_words, capacity;
    nb_bpe_train_pair *merges;
    uint32_t n_merges;
    nb_pretokenizer pretokenizer;
    nb_pretokenize_scratch scratch;
} nb_bpe_trainer;

// Errors: NB_ERR_SYSTEM. Release in any case.
NB_MUST_USE nb_status nb_bpe_trainer_open(nb_bpe_trainer *trainer, nb_error *error);
// Counts the words of a text, `times` times. Special tokens must have been cut out. Errors: NB_ERR_SYSTEM.
NB_MUST_USE nb_status nb_bpe_trainer_add(nb_bpe_trainer *trainer, const char *text, size_t bytes, uint64_t times,
                                         nb_error *error);
// Finds up to `n_merges` merges (fewer when no pair is left). Errors: NB_ERR_SYSTEM.
NB_MUST_USE nb_status nb_bpe_trainer_run(nb_bpe_trainer *trainer, uint32_t n_merges, nb_error *error);
void nb_bpe_trainer_release(nb_bpe_trainer *trainer);

// The byte of id 0..255, in the order of GPT-2's alphabet, and its id.
uint8_t nb_bpe_train_byte(uint32_t id);
uint32_t nb_bpe_train_byte_id(uint8_t byte);

#endif
