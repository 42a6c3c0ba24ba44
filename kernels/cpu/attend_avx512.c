// SPDX-License-Identifier: Apache-2.0
// One segment of attention for up to eight queries that share a KV head: each tile of keys and each row of values is
// decoded once for all of them. 16 keys are scored side by side, one a lane; values are summed up to 64 dimensions at a
// time. The number of queries is a constant of each compiled instance, so their sums live in registers.
#include "kernels/cpu/avx512.h"
#include "kernels/math_f32.h"
#include "kernels/nvfp4.h"

enum {
    TILES = NB_KV_SEGMENT / NB_KV_TILE,
    HEAD_DIM_MAX = 256,
    BLOCK = NB_NVFP4_BLOCK,
    N_SCALES = 128,
    ONE = 0x38,
    LINE = 64,
    TILES_AHEAD = 2, // of keys, fetched into the cache
    SUMS = 24,       // of values in registers; the other 8 decode
};

typedef struct work {
    const nb_attend_chunk *chunk;
    __m512 table;                 // value of a nibble
    const float (*scaled)[BLOCK]; // value of a nibble times the scale of that byte
    size_t vector_bytes;          // of one K or V
    uint32_t n_tiles;
    __mmask16 seen[NB_ATTEND_QUERIES][TILES];              // bit: the query sees the slot
    __mmask16 any[TILES], all[TILES];                      // some query, every query sees it
    _Alignas(64) float q[NB_ATTEND_QUERIES][HEAD_DIM_MAX]; // together, so that one register addresses all
    float p[NB_ATTEND_QUERIES][NB_KV_SEGMENT];             // scores, then probabilities
} work;

// [scale byte][nibble]: a block of V is one look-up in its scale's row; every product is exact.
#define SCALE(byte) ((byte) < 8 ? (byte) / 512.0f : (8 + (byte) % 8) * (float)(1 << (byte) / 8) / 1024.0f)
#define E1M2_ROW(s)                                                                                                    \
    {                                                                                                                  \
        0, .5f * s, s, 1.5f * s, 2 * s, 2.5f * s, 3 * s, 3.5f * s, -4 * s, -3.5f * s, -3 * s, -2.5f * s, -2 * s,       \
            -1.5f * s, -s, -.5f * s                                                                                    \
    }
#define E2M1_ROW(s)                                                                                                    \
    {                                                                                                                  \
        0, .5f * s, s, 1.5f * s, 2 * s, 3 * s, 4 * s, 6 * s, -0.0f * s, -.5f * s, -s, -1.5f * s, -2 * s, -3 * s,       \
            -4 * s, -6 * s                                                                                             \
    }
#define ROWS_4(row, b)  row(SCALE(b)), row(SCALE(b + 1)), row(SCALE(b + 2)), row(SCALE(b + 3))
#define ROWS_16(row, b) ROWS_4(row, b), ROWS_4(row, b + 4), ROWS_4(row, b + 8), ROWS_4(row, b + 12)
#define ROWS_64(row, b) ROWS_16(row, b), ROWS_16(row, b + 16), ROWS_16(row, b + 32), ROWS_16(row, b + 48)
_Alignas(64) static const float e1m2_scaled[N_SCALES][BLOCK] = {ROWS_64(E1M2_ROW, 0), ROWS_64(E1M2_ROW, 64)};
_Alignas(64) static const float e2m1_scaled[N_SCALES][BLOCK] = {ROWS_64(E2M1_ROW, 0), ROWS_64(E2M1_ROW, 64)};

// 16 elements of a bf16 or f32 ring.
NB_INLINE __m512 load_wide(nb_kv_format format, const uint8_t *elements, size_t i)
{
    if (format == NB_KV_FORMAT_F32)
        return _mm512_loadu_ps(elements + 4 * i);
    __m256i halves = _mm256_loadu_si256((const __m256i *)(elements + 2 * i));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

static void find_seen(work *w, uint32_t n)
{
    const nb_attend_chunk *chunk = w->chunk;
    for (uint32_t tile = 0; tile < w->n_tiles; tile++) {
        w->any[tile] = 0;
        w->all[tile] = 0xffff;
        for (uint32_t i = 0; i < n; i++) {
            __mmask16 mask = i > 0 && chunk->views[i] == chunk->views[i - 1] // the heads of one row
                                 ? w->seen[i - 1][tile]
                                 : (__mmask16)nb_kv_view_mask(chunk->views[i], chunk->slot_begin + tile * NB_KV_TILE);
            w->seen[i][tile] = mask;
            w->any[tile] |= mask;
            w->all[tile] &= mask;
        }
    }
}

// ---- scores ---------------------------------------------------------------------------------------------------------

// sums[i] = sum of q_i,d * value(k_td) over one block of 16 dimensions; block points at its pairs (packed) or elements,
// q at the first query's dimension d.
NB_INLINE void block_sums(const work *w, const uint8_t *block, const float *q, __m512 *sums, const int n,
                          const bool packed)
{
    __asm__("" : "+r"(q)); // an address without index register: load and fma stay one micro-operation
    for (int i = 0; i < n; i++)
        sums[i] = _mm512_setzero_ps();
#pragma GCC unroll 8
    for (int e = 0; e < BLOCK; e += 2) {
        __m512 even, odd;
        if (packed) {
            __m512i pairs = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(block + e / 2 * NB_KV_TILE)));
            even = _mm512_permutexvar_ps(pairs, w->table);
            odd = _mm512_permutexvar_ps(_mm512_srli_epi32(pairs, 4), w->table);
        } else {
            even = load_wide(w->chunk->format, block, (size_t)e * NB_KV_TILE);
            odd = load_wide(w->chunk->format, block, (size_t)(e + 1) * NB_KV_TILE);
        }
        for (int i = 0; i < n; i++)
            sums[i] = _mm512_fmadd_ps(_mm512_set1_ps(q[i * HEAD_DIM_MAX + e]), even, sums[i]);
        for (int i = 0; i < n; i++)
            sums[i] = _mm512_fmadd_ps(_mm512_set1_ps(q[i * HEAD_DIM_MAX + e + 1]), odd, sums[i]);
    }
}

NB_INLINE void score_tile(work *w, uint32_t tile, __m512 *maxima, const int n, const bool packed)
{
    const nb_attend_chunk *chunk = w->chunk;
    const uint8_t *block = chunk->k + (chunk->slot_begin / NB_KV_TILE + tile) * NB_KV_TILE * w->vector_bytes;
    size_t block_bytes = packed ? 9 * NB_KV_TILE : NB_KV_TILE * w->vector_bytes / (chunk->head_dim / 16);
    const uint8_t *ahead = block + TILES_AHEAD * NB_KV_TILE * w->vector_bytes;
    const uint8_t *values = chunk->v + (size_t)(chunk->slot_begin + tile * NB_KV_TILE) * w->vector_bytes;
    __m512 dots[NB_ATTEND_QUERIES], sums[NB_ATTEND_QUERIES];
    for (int i = 0; i < n; i++)
        dots[i] = _mm512_setzero_ps();
    for (uint32_t d = 0; d < chunk->head_dim; d += 16, block += block_bytes) {
        // The tile's values and later keys on their way, a little with each block: all at once would wait in line.
        for (size_t at = 0; at < block_bytes; at += LINE) {
            _mm_prefetch((const char *)(values + at), _MM_HINT_T0);
            _mm_prefetch((const char *)(ahead + at), _MM_HINT_T0);
        }
        values += block_bytes;
        ahead += block_bytes;
        block_sums(w, packed ? block + NB_KV_TILE : block, w->q[0] + d, sums, n, packed);
        __m512 scale = packed ? nb_avx512_e4m3(_mm_loadu_si128((const __m128i *)block)) : _mm512_set1_ps(1.0f);
        for (int i = 0; i < n; i++)
            dots[i] = _mm512_fmadd_ps(sums[i], scale, dots[i]);
    }
    for (int i = 0; i < n; i++) {
        __m512 score = _mm512_mul_ps(dots[i], _mm512_set1_ps(chunk->qk_scale));
        score = _mm512_mask_mov_ps(_mm512_set1_ps(-__builtin_inff()), w->seen[i][tile], score);
        maxima[i] = _mm512_max_ps(score, maxima[i]);
        _mm512_storeu_ps(w->p[i] + tile * NB_KV_TILE, score);
    }
}

// ---- probabilities --------------------------------------------------------------------------------------------------

// Scores to probabilities; l and m of query i.
static void probabilities(work *w, uint32_t i, float maximum)
{
    __m512 lanes = _mm512_setzero_ps(), m = _mm512_set1_ps(maximum);
    for (uint32_t tile = 0; tile < w->n_tiles; tile++) {
        float *p = w->p[i] + tile * NB_KV_TILE; // an unseen slot's score of -infinity gives 0
        if (!w->seen[i][tile]) {
            _mm512_storeu_ps(p, _mm512_setzero_ps()); // a query with no slot at all has no maximum to take off
            continue;
        }
        __m512 e = nb_avx512_exp(_mm512_sub_ps(_mm512_loadu_ps(p), m));
        lanes = _mm512_add_ps(lanes, e);
        _mm512_storeu_ps(p, e);
    }
    float *o = w->chunk->partials[i];
    o[w->chunk->head_dim] = maximum;
    o[w->chunk->head_dim + 1] = nb_avx512_lane_sum(lanes);
}

// ---- values ---------------------------------------------------------------------------------------------------------

// 16 dimensions of one V vector, times their scale; packed: in the order 0 8 1 9 2 10 .. of a 64-bit shift.
NB_INLINE __m512 load_values(const work *w, const uint8_t *elements, const uint8_t *scale, const bool packed)
{
    if (!packed)
        return load_wide(w->chunk->format, elements, 0);
    const __m512i shifts = _mm512_setr_epi64(0, 4, 8, 12, 16, 20, 24, 28);
    long long codes;
    memcpy(&codes, elements, sizeof codes);
    return _mm512_permutexvar_ps(_mm512_srlv_epi64(_mm512_set1_epi64(codes), shifts),
                                 _mm512_load_ps(w->scaled[*scale % N_SCALES]));
}

// One tile into the sums [n][n_blocks]; elements and scales are those of the first slot's first block, p the first
// query's probabilities. Packed, a slot that a query does not see adds the zero that its p makes; elements of a wide
// ring that were never written may be no numbers, and are left alone.
NB_INLINE void add_tile(const work *w, uint32_t tile, const uint8_t *elements, const uint8_t *scales, const float *p,
                        __m512 *sums, const int n, const int n_blocks, const bool packed)
{
    const size_t vector_bytes = w->vector_bytes, block_bytes = vector_bytes / (w->chunk->head_dim / BLOCK);
    const bool masked = !packed && w->all[tile] != 0xffff;
    for (uint32_t j = 0; j < NB_KV_TILE; j++, p++, elements += vector_bytes, scales += vector_bytes) {
        __asm__("" : "+r"(elements), "+r"(scales), "+r"(p)); // three addresses without index registers
        if (masked && !(w->any[tile] >> j & 1))
            continue;
        __m512 v[4];
        for (int c = 0; c < n_blocks; c++)
            v[c] = load_values(w, elements + (size_t)c * (packed ? BLOCK / 2 : block_bytes), scales + c, packed);
        for (int i = 0; i < n; i++) {
            if (masked && !(w->seen[i][tile] >> j & 1))
                continue;
            __m512 probability = _mm512_set1_ps(p[i * NB_KV_SEGMENT]);
            for (int c = 0; c < n_blocks; c++)
                sums[i * n_blocks + c] = _mm512_fmadd_ps(probability, v[c], sums[i * n_blocks + c]);
        }
    }
}

// n_blocks blocks of 16 dimensions of every query's o.
NB_INLINE void sum_values(const work *w, uint32_t b, const int n, const int n_blocks, const bool packed)
{
    const nb_attend_chunk *chunk = w->chunk;
    const uint8_t *first = chunk->v + (size_t)chunk->slot_begin * w->vector_bytes;
    const uint8_t *elements = first + b * (packed ? BLOCK / 2 : w->vector_bytes / (chunk->head_dim / BLOCK));
    const uint8_t *scales = first + chunk->head_dim / 2 + b;
    __m512 sums[SUMS];
    for (int i = 0; i < n; i++)
        for (int c = 0; c < n_blocks; c++)
            sums[i * n_blocks + c] = _mm512_setzero_ps();
    for (uint32_t tile = 0; tile < w->n_tiles; tile++) {
        size_t at = tile * NB_KV_TILE * w->vector_bytes;
        if (w->any[tile])
            add_tile(w, tile, elements + at, scales + at, w->p[0] + tile * NB_KV_TILE, sums, n, n_blocks, packed);
    }
    const __m512i in_order = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
    for (int i = 0; i < n; i++) // two loops, each short enough to be unrolled: else the sums need addresses
        for (int c = 0; c < n_blocks; c++) {
            __m512 sum = sums[i * n_blocks + c];
            _mm512_storeu_ps(chunk->partials[i] + (b + (uint32_t)c) * BLOCK,
                             packed ? _mm512_permutexvar_ps(in_order, sum) : sum);
        }
}

// ---- all of it ------------------------------------------------------------------------------------------------------

NB_INLINE void attend(const nb_attend_chunk *chunk, const int n, const bool packed)
{
    work w;
    w.chunk = chunk;
    w.scaled = chunk->format == NB_KV_FORMAT_E1M2 ? e1m2_scaled : e2m1_scaled;
    w.table = _mm512_load_ps(w.scaled[ONE]);
    w.vector_bytes = nb_kv_vector_bytes(chunk->format, chunk->head_dim);
    w.n_tiles = (chunk->slot_end - chunk->slot_begin) / NB_KV_TILE;
    __m512 maxima[NB_ATTEND_QUERIES];
    for (int i = 0; i < n; i++) {
        for (uint32_t d = 0; d < chunk->head_dim; d += BLOCK)
            _mm512_store_ps(w.q[i] + d, _mm512_loadu_ps(chunk->q[i] + d));
        maxima[i] = _mm512_set1_ps(-__builtin_inff());
    }
    find_seen(&w, (uint32_t)n);
    for (uint32_t tile = 0; tile < w.n_tiles; tile++)
        if (w.any[tile])
            score_tile(&w, tile, maxima, n, packed);
    for (int i = 0; i < n; i++)
        probabilities(&w, (uint32_t)i, _mm512_reduce_max_ps(maxima[i]) + 0.0f);
    uint32_t b = 0, n_blocks = chunk->head_dim / BLOCK;
    const uint32_t step = SUMS / n < 4 ? SUMS / n : 4;
    for (; b + step <= n_blocks; b += step)
        sum_values(&w, b, n, (int)step, packed);
    for (; b + 2 <= n_blocks; b += 2)
        sum_values(&w, b, n, 2, packed);
    if (b < n_blocks)
        sum_values(&w, b, n, 1, packed);
}

#define INSTANCE(n)                                                                                                    \
    static void attend_packed_##n(const nb_attend_chunk *chunk)                                                        \
    {                                                                                                                  \
        attend(chunk, n, true);                                                                                        \
    }                                                                                                                  \
    static void attend_wide_##n(const nb_attend_chunk *chunk)                                                          \
    {                                                                                                                  \
        attend(chunk, n, false);                                                                                       \
    }
INSTANCE(1)
INSTANCE(2)
INSTANCE(3)
INSTANCE(4)
INSTANCE(5)
INSTANCE(6)
INSTANCE(7)
INSTANCE(8)

void nb_attend_avx512(const nb_attend_chunk *chunk)
{
    static void (*const packed[])(const nb_attend_chunk *) = {
        attend_packed_1, attend_packed_2, attend_packed_3, attend_packed_4,
        attend_packed_5, attend_packed_6, attend_packed_7, attend_packed_8,
    };
    static void (*const wide[])(const nb_attend_chunk *) = {
        attend_wide_1, attend_wide_2, attend_wide_3, attend_wide_4,
        attend_wide_5, attend_wide_6, attend_wide_7, attend_wide_8,
    };
    bool is_packed = chunk->format == NB_KV_FORMAT_E1M2 || chunk->format == NB_KV_FORMAT_E2M1;
    if (chunk->head_dim % 16 != 0) { // toy models only, and only with a wide cache
        nb_attend_scalar(chunk);
        return;
    }
    NB_ASSERT(chunk->n_queries >= 1 && chunk->n_queries <= NB_ATTEND_QUERIES && chunk->head_dim <= HEAD_DIM_MAX);
    (is_packed ? packed : wide)[chunk->n_queries - 1](chunk);
}
