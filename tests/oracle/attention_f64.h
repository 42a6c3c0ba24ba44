// SPDX-License-Identifier: Apache-2.0
// Attention of one query over one KV head of a ring in double precision, from the layout in kernels/kv.h and
// docs/NUMERICS.md 3 alone.
#ifndef NB_TESTS_ATTENTION_F64_H
#define NB_TESTS_ATTENTION_F64_H

#include "kernels/kv.h"

// Element of the key or value in a slot, block scale included, g not.
double oracle_ring_key(const nb_ring *ring, const uint8_t *area, uint32_t slot, uint32_t d);
double oracle_ring_value(const nb_ring *ring, const uint8_t *area, uint32_t slot, uint32_t d);

// out = softmax(scale q K^T) V over the slots of the view; allowed[d]: how far an f32 result in the canonical order of
// kernels/cpu/cpu_kernels.h may be from out[d] at most. head_dim <= 256.
void oracle_attention(const nb_ring *ring, const uint8_t *k, const uint8_t *v, const nb_kv_view *view, const float *q,
                      double scale, double *out, double *allowed);

#endif
