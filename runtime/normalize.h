// SPDX-License-Identifier: Apache-2.0
// The normaliser of tokenizer.json as a list of steps, each text -> text. Marks (runtime/tokenizer.h) go along: every
// byte that a step writes gets the least trusted mark of the bytes it comes from.
#ifndef NB_RUNTIME_NORMALIZE_H
#define NB_RUNTIME_NORMALIZE_H

#include "platform/base.h"
#include "runtime/buffer.h"
#include "runtime/pattern.h"

typedef enum nb_normal_kind {
    NB_NORMAL_NFC,
    NB_NORMAL_NFD,
    NB_NORMAL_NFKC,
    NB_NORMAL_NFKD,
    NB_NORMAL_LOWERCASE,
    NB_NORMAL_STRIP,   // white space at the ends
    NB_NORMAL_PREPEND, // `content` before a text that is not empty
    NB_NORMAL_REPLACE, // every match of `pattern` by `content`
} nb_normal_kind;

typedef struct nb_normal {
    nb_normal_kind kind;
    bool strips_left, strips_right;
    nb_pattern *pattern;
    char *content;
    size_t content_bytes;
} nb_normal;

enum { NB_NORMALS_MAX = 16, NB_NORMAL_CONTENT_MAX = 64 };

typedef struct nb_normalizer {
    nb_normal steps[NB_NORMALS_MAX];
    uint32_t n_steps;
} nb_normalizer;

void nb_normalizer_release(nb_normalizer *normalizer);

// A text with its marks; `marks` may be NULL = all trusted.
typedef struct nb_marked {
    const char *text;
    size_t bytes;
    const uint8_t *marks;
} nb_marked;

// Working memory of one caller; zero-initialise, release when done.
typedef struct nb_normalize_scratch {
    nb_matcher *matcher;         // borrowed
    nb_buffer text[2], marks[2]; // the output of one step is the input of the next
    nb_buffer codes, order;      // code points of a stretch, and room to sort them
} nb_normalize_scratch;
void nb_normalize_scratch_release(nb_normalize_scratch *scratch);

// Valid UTF-8 in, valid UTF-8 out. The result lives in `scratch` (or is the input) until the next call. A result of
// more than `bytes_max` is refused. Errors: NB_ERR_SYSTEM, NB_ERR_INPUT.
NB_MUST_USE nb_status nb_normalize(const nb_normalizer *normalizer, nb_normalize_scratch *scratch, nb_marked in,
                                   nb_marked *out, size_t bytes_max, nb_error *error);

#endif
