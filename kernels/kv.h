// SPDX-License-Identifier: Apache-2.0
// The KV ring of one session: where each token's K and V lie, in which bytes, and which of them a query may see.
//
// A ring holds, per layer and KV head, n_slots tokens. The first n_sinks slots keep the first tokens for ever; the
// others are a ring of R = n_slots - n_sinks:
//     slot(p) = p                              p < n_sinks
//     slot(p) = n_sinks + (p - n_sinks) mod R  otherwise
// A query at position p sees the sinks and the last W = n_ctx - n_sinks positions. R >= W + NB_KV_SLACK, so that a pass
// over up to NB_KV_SLACK + 1 new tokens overwrites nothing that its first token still needs, and a timeline can be
// rewound by NB_KV_SLACK tokens even after the ring has wrapped.
//
// Bytes of one layer and head, E = head_dim, tiles of 16 slots so that 16 keys are scored side by side:
//   K, 4-bit formats: per tile, per block b of 16 dimensions: 16 scale bytes (one a slot), then for each dimension pair
//      (16b + 2i, 16b + 2i + 1), i = 0..7: 16 bytes (one a slot), even dimension in the low nibble.
//   V, 4-bit formats: per slot E/2 code bytes (dimension pairs in order, even in the low nibble), then E/16 scale
//   bytes. K, bf16 and f32: per tile [E][16] elements.  V: per slot [E] elements.
// E1M2 nibbles are two's-complement n (value n/2); E2M1 nibbles are sign-magnitude codes. 4.5 bits a value either way.
#ifndef NB_KERNELS_KV_H
#define NB_KERNELS_KV_H

#include "platform/base.h"

typedef enum nb_kv_format { NB_KV_FORMAT_E1M2, NB_KV_FORMAT_E2M1, NB_KV_FORMAT_BF16, NB_KV_FORMAT_F32 } nb_kv_format;

enum {
    NB_KV_TILE = 16,     // slots scored side by side: one 512-bit vector of f32
    NB_KV_SLACK = 64,    // see above; constant, since the order of summation follows the slots
    NB_KV_SEGMENT = 256, // slots of one partial softmax; constant for the same reason
};

typedef struct nb_ring {
    nb_kv_format format;
    uint32_t n_layers, n_kv_heads, head_dim;
    uint32_t n_ctx, n_sinks, n_slots; // n_slots: a multiple of NB_KV_TILE
    size_t k_bytes, v_bytes;          // of one layer and head
    uint8_t *base;                    // [n_layers][n_kv_heads][k_bytes + v_bytes]
} nb_ring;

static inline uint32_t nb_ring_slots(uint32_t n_ctx)
{
    return (uint32_t)nb_align_up((size_t)n_ctx + NB_KV_SLACK, NB_KV_TILE);
}

// Bytes of one token's K (or V) vector.
static inline size_t nb_kv_vector_bytes(nb_kv_format format, uint32_t head_dim)
{
    switch (format) {
    case NB_KV_FORMAT_E1M2:
    case NB_KV_FORMAT_E2M1:
        return head_dim / 2 + head_dim / 16;
    case NB_KV_FORMAT_BF16:
        return head_dim * 2u;
    default:
        return head_dim * 4u;
    }
}

static inline size_t nb_ring_bytes(const nb_ring *ring)
{
    return (size_t)ring->n_layers * ring->n_kv_heads * (ring->k_bytes + ring->v_bytes);
}

// Fills every field but base. head_dim: even, for the 4-bit formats a multiple of 16; n_sinks < n_ctx.
static inline void nb_ring_shape(nb_ring *ring, nb_kv_format format, uint32_t n_layers, uint32_t n_kv_heads,
                                 uint32_t head_dim, uint32_t n_ctx, uint32_t n_sinks)
{
    uint32_t n_slots = nb_ring_slots(n_ctx);
    size_t bytes = nb_kv_vector_bytes(format, head_dim) * n_slots;
    *ring = (nb_ring){.format = format,
                      .n_layers = n_layers,
                      .n_kv_heads = n_kv_heads,
                      .head_dim = head_dim,
                      .n_ctx = n_ctx,
                      .n_sinks = n_sinks,
                      .n_slots = n_slots,
                      .k_bytes = bytes,
                      .v_bytes = bytes};
}

static inline uint8_t *nb_ring_k(const nb_ring *ring, uint32_t layer, uint32_t head)
{
    return ring->base + ((size_t)layer * ring->n_kv_heads + head) * (ring->k_bytes + ring->v_bytes);
}

static inline uint8_t *nb_ring_v(const nb_ring *ring, uint32_t layer, uint32_t head)
{
    return nb_ring_k(ring, layer, head) + ring->k_bytes;
}

static inline uint32_t nb_ring_slot(const nb_ring *ring, uint32_t position)
{
    if (position < ring->n_sinks)
        return position;
    return ring->n_sinks + (position - ring->n_sinks) % (ring->n_slots - ring->n_sinks);
}

// The oldest position that is no sink and that a query at `position` sees.
static inline uint32_t nb_ring_window_begin(const nb_ring *ring, uint32_t position)
{
    uint32_t window = ring->n_ctx - ring->n_sinks;
    uint32_t begin = position + 1 > window ? position + 1 - window : 0;
    return begin > ring->n_sinks ? begin : ring->n_sinks;
}

// Slots that a query sees: up to three half-open ranges in ascending order, empty ones with begin == end.
typedef struct nb_kv_view {
    uint32_t begin[3], end[3];
} nb_kv_view;

static inline nb_kv_view nb_ring_view(const nb_ring *ring, uint32_t position)
{
    nb_kv_view view = {{0, 0, 0}, {position < ring->n_sinks ? position + 1 : ring->n_sinks, 0, 0}};
    if (position < ring->n_sinks)
        return view;
    uint32_t first = nb_ring_slot(ring, nb_ring_window_begin(ring, position)), last = nb_ring_slot(ring, position);
    if (first <= last) {
        view.begin[1] = first;
        view.end[1] = last + 1;
    } else {
        view.begin[1] = ring->n_sinks;
        view.end[1] = last + 1;
        view.begin[2] = first;
        view.end[2] = ring->n_slots;
    }
    return view;
}

// Bit i is set when slot `tile_begin + i` is in the view.
static inline uint32_t nb_kv_view_mask(const nb_kv_view *view, uint32_t tile_begin)
{
    uint32_t mask = 0;
    for (int r = 0; r < 3; r++) {
        uint32_t begin = view->begin[r] > tile_begin ? view->begin[r] - tile_begin : 0;
        uint32_t end = view->end[r] > tile_begin ? view->end[r] - tile_begin : 0;
        begin = begin < NB_KV_TILE ? begin : NB_KV_TILE;
        end = end < NB_KV_TILE ? end : NB_KV_TILE;
        if (end > begin)
            mask |= (1u << end) - (1u << begin);
    }
    return mask;
}

#endif
