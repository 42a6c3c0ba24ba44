// SPDX-License-Identifier: Apache-2.0
// Rotary position embedding: the angles of every kind (docs/NUMERICS.md). Everything in double, cos and sin rounded to
// f32 once. Pair i of E/2 rotates dimensions (i, i + E/2) by position * frequency[i].
//   default  f_i = theta^(-2i/E)
//   linear   f_i / factor
//   dynamic  theta' = theta (factor n / n0 - factor + 1)^(E / (E - 2)) for a token at position p, n = max(p + 1, n0),
//            n0 = max_position_embeddings: each token turns with the frequencies of the length it was written at, so
//            the result does not depend on how a prompt is cut into chunks
//   llama3   by wave length 2 pi / f: longer than n0 / low: f / factor; shorter than n0 / high: f; between: a blend
//   yarn     between the dimensions of beta_fast and beta_slow turns over n0: ramp from f to f / factor; cos and sin
//            multiplied by attention_factor
// Source: the RoPE initialisation functions of transformers 5.
#ifndef NB_RUNTIME_ROPE_H
#define NB_RUNTIME_ROPE_H

#include "runtime/config.h"

enum { NB_ROPE_MAX_PAIRS = 128 };

typedef struct nb_rope_table {
    nb_rope rope;
    uint32_t n_pairs;                      // E / 2
    double frequencies[NB_ROPE_MAX_PAIRS]; // radians a position; dynamic: of lengths up to n0
} nb_rope_table;

void nb_rope_table_init(nb_rope_table *table, const nb_rope *rope, uint32_t head_dim); // head_dim <= 256, even

// cosines[i], sines[i] of one position, i < n_pairs.
void nb_rope_angles(const nb_rope_table *table, uint32_t position, float *cosines, float *sines);

#endif
