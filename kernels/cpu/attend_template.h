// SPDX-License-Identifier: Apache-2.0
// One segment of attention on 16 lanes that span several registers, for up to eight queries that share a KV head: each
// tile of keys and each block of values is decoded once for a group of queries, whose sums live in registers (their
// number is a constant of each compiled instance). 16 keys are scored side by side, one a lane; values are summed 16
// dimensions at a time. Parameters: NB_KERNEL(name) -> the function's name for the ISA, and the ISA's nb_lanes
// (kernels/cpu/avx2.h, neon.h). Included once per ISA file and nowhere else.
#include "kernels/math_f32.h"
#include "kernels/nvfp4.h"

enum {
    TILES = NB_KV_SEGMENT / NB_KV_TILE,
    LANES = NB_KV_TILE,
    BLOCK_BYTES = 9 * NB_KV_TILE, // of one tile and 16 dimensions of K, packed
    GROUP = 6,                    // queries whose sums fit the registers
    HEAD_DIM_MAX = 256,
};

typedef struct work {
    const nb_attend_chunk *chunk;
    nb_code_table table; // value of a nibble
    size_t vector_bytes; // of one K or V
    uint32_t n_tiles;
    uint32_t first;                                 // query of the chunk with which the group begins
    uint16_t seen[GROUP][TILES];                    // bit: the query sees the slot
    uint16_t any[TILES], all[TILES];                // some query, every query sees it
    float q[GROUP][HEAD_DIM_MAX];                   // together, so that one register addresses all
    float p[GROUP][NB_KV_SEGMENT];                  // scores, then probabilities
    float scales[HEAD_DIM_MAX / 16][NB_KV_SEGMENT]; // block scales of V
} work;

static nb_code_table value_table(nb_kv_format format)
{
    nb_bytes low, high;
    uint8_t bytes[2][16];
    for (uint8_t code = 0; code < 16; code++) {
        float value = format == NB_KV_FORMAT_E1M2 ? 0.5f * (float)nb_e1m2_from_nibble(code) : nb_e2m1_decode(code);
        bytes[0][code] = (uint8_t)(nb_f32_bits(value) >> 16);
        bytes[1][code] = (uint8_t)(nb_f32_bits(value) >> 24);
    }
    low = nb_bytes_load(bytes[0]);
    high = nb_bytes_load(bytes[1]);
    return (nb_code_table){low, high};
}

// 16 elements of a bf16 or f32 ring.
NB_INLINE nb_lanes load_wide(nb_kv_format format, const uint8_t *elements, size_t i)
{
    return format == NB_KV_FORMAT_F32 ? nb_lanes_load(elements + 4 * i) : nb_lanes_bf16(elements + 2 * i);
}

static void find_seen(work *w, uint32_t n)
{
    const nb_attend_chunk *chunk = w->chunk;
    for (uint32_t tile = 0; tile < w->n_tiles; tile++) {
        w->any[tile] = 0;
        w->all[tile] = 0xffff;
        for (uint32_t i = 0; i < n; i++) {
            const nb_kv_view *const *view = &chunk->views[w->first + i];
            uint16_t mask = i > 0 && view[0] == view[-1] // the heads of one row
                                ? w->seen[i - 1][tile]
                                : (uint16_t)nb_kv_view_mask(*view, chunk->slot_begin + tile * NB_KV_TILE);
            w->seen[i][tile] = mask;
            w->any[tile] |= mask;
            w->all[tile] &= mask;
        }
    }
}

// ---- scores ---------------------------------------------------------------------------------------------------------

// sums[i] = sum of q_i,d * value(k_td) over one block of 16 dimensions; block points at its pairs (packed) or elements.
NB_INLINE void block_sums(const work *w, const uint8_t *block, uint32_t d, nb_lanes *sums, const int n,
                          const bool packed)
{
    for (int i = 0; i < n; i++)
        sums[i] = nb_lanes_set(0.0f);
    for (uint32_t e = 0; e < 16; e += 2) {
        nb_bytes pairs = packed ? nb_bytes_load(block + e / 2 * NB_KV_TILE) : w->table.low;
        nb_lanes even = packed ? nb_lanes_decode(w->table, nb_bytes_low_nibbles(pairs))
                               : load_wide(w->chunk->format, block, e * NB_KV_TILE);
        for (int i = 0; i < n; i++)
            sums[i] = nb_lanes_fma(nb_lanes_set(w->q[i][d + e]), even, sums[i]);
        nb_lanes odd = packed ? nb_lanes_decode(w->table, nb_bytes_high_nibbles(pairs))
                              : load_wide(w->chunk->format, block, (e + 1) * NB_KV_TILE);
        for (int i = 0; i < n; i++)
            sums[i] = nb_lanes_fma(nb_lanes_set(w->q[i][d + e + 1]), odd, sums[i]);
    }
}

NB_INLINE void score_tile(work *w, uint32_t tile, const int n, const bool packed)
{
    const nb_attend_chunk *chunk = w->chunk;
    const uint8_t *block = chunk->k + (chunk->slot_begin / NB_KV_TILE + tile) * NB_KV_TILE * w->vector_bytes;
    size_t block_bytes = NB_KV_TILE * w->vector_bytes / (chunk->head_dim / 16);
    nb_lanes dots[GROUP], sums[GROUP];
    for (int i = 0; i < n; i++)
        dots[i] = nb_lanes_set(0.0f);
    for (uint32_t d = 0; d < chunk->head_dim; d += 16, block += block_bytes) {
        block_sums(w, packed ? block + NB_KV_TILE : block, d, sums, n, packed);
        nb_lanes scale = packed ? nb_lanes_e4m3(block) : nb_lanes_set(1.0f);
        for (int i = 0; i < n; i++)
            dots[i] = nb_lanes_fma(sums[i], scale, dots[i]);
    }
    for (int i = 0; i < n; i++) {
        float *scores = w->p[i] + tile * NB_KV_TILE;
        nb_lanes_store(scores, nb_lanes_multiply(dots[i], nb_lanes_set(chunk->qk_scale)));
        if (w->seen[i][tile] != 0xffff)
            for (int j = 0; j < LANES; j++)
                scores[j] = w->seen[i][tile] >> j & 1 ? scores[j] : -__builtin_inff();
    }
}

// ---- probabilities --------------------------------------------------------------------------------------------------

// Scores to probabilities; l and m of query i.
static void probabilities(work *w, uint32_t i)
{
    float lanes[LANES] = {0}, maxima[LANES], *o = w->chunk->partials[w->first + i], maximum = -__builtin_inff();
    for (int j = 0; j < LANES; j++)
        maxima[j] = maximum;
    for (uint32_t tile = 0; tile < w->n_tiles; tile++) {
        if (!w->seen[i][tile])
            continue;
        const float *scores = w->p[i] + tile * NB_KV_TILE;
        for (int j = 0; j < LANES; j++)
            maxima[j] = scores[j] > maxima[j] ? scores[j] : maxima[j];
    }
    for (int j = 0; j < LANES; j++)
        maximum = maxima[j] > maximum ? maxima[j] : maximum;
    maximum += 0.0f;
    for (uint32_t tile = 0; tile < w->n_tiles; tile++) {
        if (!w->seen[i][tile])
            continue;
        float *p = w->p[i] + tile * NB_KV_TILE;
        for (int j = 0; j < LANES; j++) { // an unseen slot's score of -infinity gives 0
            float e = nb_exp(p[j] - maximum);
            lanes[j] += e;
            p[j] = e;
        }
    }
    o[w->chunk->head_dim] = maximum;
    o[w->chunk->head_dim + 1] = nb_lane_sum(lanes);
}

// ---- values ---------------------------------------------------------------------------------------------------------

// Block scales of V, of all slots side by side.
static void decode_value_scales(work *w)
{
    const nb_attend_chunk *chunk = w->chunk;
    for (uint32_t tile = 0; tile < w->n_tiles; tile++) {
        const uint8_t *scales =
            chunk->v + (chunk->slot_begin + tile * NB_KV_TILE) * w->vector_bytes + chunk->head_dim / 2;
        for (uint32_t b = 0; b < chunk->head_dim / 16; b++) {
            uint8_t bytes[LANES];
            for (uint32_t j = 0; j < LANES; j++)
                bytes[j] = scales[j * w->vector_bytes + b];
            nb_lanes_store(w->scales[b] + tile * NB_KV_TILE, nb_lanes_e4m3(bytes));
        }
    }
}

NB_INLINE void add_values(const work *w, uint32_t tile, uint32_t d, nb_lanes *sums, const int n, const bool packed)
{
    const nb_attend_chunk *chunk = w->chunk;
    for (uint32_t j = 0; j < NB_KV_TILE; j++) {
        if (!(w->any[tile] >> j & 1))
            continue;
        uint32_t at = tile * NB_KV_TILE + j;
        const uint8_t *vector = chunk->v + (size_t)(chunk->slot_begin + at) * w->vector_bytes;
        nb_lanes v = packed ? nb_lanes_multiply(nb_lanes_decode(w->table, nb_bytes_nibbles(vector + d / 2)),
                                                nb_lanes_set(w->scales[d / 16][at]))
                            : load_wide(chunk->format, vector, d);
        if (w->all[tile] >> j & 1)
            for (int i = 0; i < n; i++)
                sums[i] = nb_lanes_fma(nb_lanes_set(w->p[i][at]), v, sums[i]);
        else
            for (int i = 0; i < n; i++)
                if (w->seen[i][tile] >> j & 1)
                    sums[i] = nb_lanes_fma(nb_lanes_set(w->p[i][at]), v, sums[i]);
    }
}

// Dimensions [d, d + 16) of every query's o.
NB_INLINE void sum_values(work *w, uint32_t d, const int n, const bool packed)
{
    nb_lanes sums[GROUP];
    for (int i = 0; i < n; i++)
        sums[i] = nb_lanes_set(0.0f);
    for (uint32_t tile = 0; tile < w->n_tiles; tile++)
        if (w->any[tile])
            add_values(w, tile, d, sums, n, packed);
    for (int i = 0; i < n; i++)
        nb_lanes_store(w->chunk->partials[w->first + (uint32_t)i] + d, sums[i]);
}

// ---- all of it ------------------------------------------------------------------------------------------------------

NB_INLINE void attend(work *w, const int n, const bool packed)
{
    const nb_attend_chunk *chunk = w->chunk;
    for (int i = 0; i < n; i++)
        memcpy(w->q[i], chunk->q[w->first + (uint32_t)i], chunk->head_dim * sizeof(float));
    find_seen(w, (uint32_t)n);
    for (uint32_t tile = 0; tile < w->n_tiles; tile++)
        if (w->any[tile])
            score_tile(w, tile, n, packed);
    for (int i = 0; i < n; i++)
        probabilities(w, (uint32_t)i);
    for (uint32_t d = 0; d < chunk->head_dim; d += 16)
        sum_values(w, d, n, packed);
}

#define INSTANCE(n)                                                                                                    \
    static void attend_packed_##n(work *w)                                                                             \
    {                                                                                                                  \
        attend(w, n, true);                                                                                            \
    }                                                                                                                  \
    static void attend_wide_##n(work *w)                                                                               \
    {                                                                                                                  \
        attend(w, n, false);                                                                                           \
    }
INSTANCE(1)
INSTANCE(2)
INSTANCE(3)
INSTANCE(4)
INSTANCE(5)
INSTANCE(6)

void NB_KERNEL(attend)(const nb_attend_chunk *chunk)
{
    static void (*const packed[GROUP])(work *) = {
        attend_packed_1, attend_packed_2, attend_packed_3, attend_packed_4, attend_packed_5, attend_packed_6,
    };
    static void (*const wide[GROUP])(work *) = {
        attend_wide_1, attend_wide_2, attend_wide_3, attend_wide_4, attend_wide_5, attend_wide_6,
    };
    bool is_packed = chunk->format == NB_KV_FORMAT_E1M2 || chunk->format == NB_KV_FORMAT_E2M1;
    if (chunk->head_dim % 16 != 0) { // toy models only, and only with a wide cache
        nb_attend_scalar(chunk);
        return;
    }
    NB_ASSERT(chunk->n_queries >= 1 && chunk->n_queries <= NB_ATTEND_QUERIES && chunk->head_dim <= HEAD_DIM_MAX);
    work w;
    w.chunk = chunk;
    w.table = value_table(chunk->format);
    w.vector_bytes = nb_kv_vector_bytes(chunk->format, chunk->head_dim);
    w.n_tiles = (chunk->slot_end - chunk->slot_begin) / NB_KV_TILE;
    if (is_packed)
        decode_value_scales(&w);
    // Groups as even as can be: 7 queries are 4 and 3.
    uint32_t n_groups = (uint32_t)nb_div_ceil(chunk->n_queries, GROUP);
    for (uint32_t group = 0; group < n_groups; group++) {
        w.first = group * chunk->n_queries / n_groups;
        uint32_t n = (group + 1) * chunk->n_queries / n_groups - w.first;
        (is_packed ? packed : wide)[n - 1](&w);
    }
}
