// SPDX-License-Identifier: Apache-2.0
// The pre-tokeniser: cuts normalised text into the words that BPE works on. Every kind that tokenizer.json knows is
// one or two of two steps, so a Sequence is a list of steps:
//   split    cut at the matches of a pattern, and keep, drop or join them as the behaviour says
//   rewrite  replace spaces by a mark ("▁") and put one before the text where there is none
#ifndef NB_RUNTIME_PRETOKENIZE_H
#define NB_RUNTIME_PRETOKENIZE_H

#include "platform/base.h"
#include "runtime/buffer.h"
#include "runtime/pattern.h"

typedef enum nb_behaviour {
    NB_ISOLATED,             // a match is a word of its own
    NB_REMOVED,              // a match vanishes
    NB_MERGED_WITH_PREVIOUS, // a match ends the word before it
    NB_MERGED_WITH_NEXT,     // a match begins the word after it
    NB_CONTIGUOUS,           // neighbouring matches are one word
} nb_behaviour;

typedef enum nb_prepend { NB_PREPEND_NEVER, NB_PREPEND_FIRST, NB_PREPEND_ALWAYS } nb_prepend;

typedef struct nb_step {
    nb_pattern *pattern; // split; NULL: rewrite
    nb_behaviour behaviour;
    bool inverts; // what does not match counts as the match
    char mark[5]; // rewrite: " " (ByteLevel) or the Metaspace replacement, zero-terminated
    nb_prepend prepend;
} nb_step;

enum { NB_STEPS_MAX = 16 };

typedef struct nb_pretokenizer {
    nb_step steps[NB_STEPS_MAX];
    uint32_t n_steps;
    bool is_byte_level; // words are bytes, to be spelt in GPT-2's alphabet
} nb_pretokenizer;

void nb_pretokenizer_release(nb_pretokenizer *pretokenizer);

// Gets each word in order; never an empty one. The word is valid during the call.
typedef nb_status (*nb_word_fn)(void *user, const char *word, size_t bytes);

// Working memory of one caller; zero-initialise (with the matcher), release when done.
typedef struct nb_pretokenize_scratch {
    nb_matcher *matcher; // borrowed
    nb_buffer rewritten[NB_STEPS_MAX];
} nb_pretokenize_scratch;
void nb_pretokenize_scratch_release(nb_pretokenize_scratch *scratch);

// `at_start`: the text begins the whole input (prepend_scheme "first"). Errors: on_word's, the pattern's,
// NB_ERR_SYSTEM.
NB_MUST_USE nb_status nb_pretokenize(const nb_pretokenizer *pretokenizer, nb_pretokenize_scratch *scratch,
                                     const char *text, size_t bytes, bool at_start, nb_word_fn on_word, void *user,
                                     nb_error *error);

#endif
