// SPDX-License-Identifier: Apache-2.0
// One segment of attention for up to eight queries that share a KV head: each tile of keys and each row of values is
// decoded once for all of them. 16 keys are scored side by side, one a lane; values are summed 32 dimensions at a time.
// The number of queries is a constant of each compiled instance, so their sums live in registers.
#include "kernels/cpu/avx512.h"
#include "kernels/math_f32.h"
#include "kernels/nvfp4.h"

enum { TILES = NB_KV_SEGMENT / NB_KV_TILE, HEAD_DIM_MAX = 256 };

typedef struct work {
    const nb_attend_chunk *chunk;
    __m512 table;        // value of a nibble
    size_t vector_bytes; // of one K or V
    uint32_t n_tiles;
    __mmask16 seen[NB_ATTEND_QUERIES][TILES];       // bit: the query sees the slot
    __mmask16 any[TILES], all[TILES];               // some query, every query sees it
    float q[NB_ATTEND_QUERIES][HEAD_DIM_MAX];       // together, so that one register addresses all
    float p[NB_ATTEND_QUERIES][NB_KV_SEGMENT];      // scores, then probabilities (packed formats: times 256)
    float scales[NB_KV_SEGMENT][HEAD_DIM_MAX / 16]; // V block scales of every slot, / 256
} work;

static __m512 value_table(nb_kv_format format)
{
    if (format == NB_KV_FORMAT_E1M2)
        return _mm512_setr_ps(0, 0.5f, 1, 1.5f, 2, 2.5f, 3, 3.5f, -4, -3.5f, -3, -2.5f, -2, -1.5f, -1, -0.5f);
    return _mm512_setr_ps(0, 0.5f, 1, 1.5f, 2, 3, 4, 6, -0.0f, -0.5f, -1, -1.5f, -2, -3, -4, -6);
}

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
            uint32_t mask = nb_kv_view_mask(chunk->views[i], chunk->slot_begin + tile * NB_KV_TILE);
            w->seen[i][tile] = (__mmask16)mask;
            w->any[tile] |= (__mmask16)mask;
            w->all[tile] &= (__mmask16)mask;
        }
    }
}

// ---- scores ---------------------------------------------------------------------------------------------------------

// sums[i] = sum of q_i,d * value(k_td) over one block of 16 dimensions; block points at its pairs (packed) or elements.
NB_INLINE void block_sums(const work *w, const uint8_t *block, uint32_t d, __m512 *sums, const int n, const bool packed)
{
    for (int i = 0; i < n; i++)
        sums[i] = _mm512_setzero_ps();
    for (uint32_t e = 0; e < 16; e += 2) {
        __m512 even, odd;
        if (packed) {
            __m512i pairs = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(block + e / 2 * NB_KV_TILE)));
            even = _mm512_permutexvar_ps(pairs, w->table);
            odd = _mm512_permutexvar_ps(_mm512_srli_epi32(pairs, 4), w->table);
        } else {
            even = load_wide(w->chunk->format, block, e * NB_KV_TILE);
            odd = load_wide(w->chunk->format, block, (e + 1) * NB_KV_TILE);
        }
        for (int i = 0; i < n; i++)
            sums[i] = _mm512_fmadd_ps(_mm512_set1_ps(w->q[i][d + e]), even, sums[i]);
        for (int i = 0; i < n; i++)
            sums[i] = _mm512_fmadd_ps(_mm512_set1_ps(w->q[i][d + e + 1]), odd, sums[i]);
    }
}

NB_INLINE void score_tile(work *w, uint32_t tile, __m512 *maxima, const int n, const bool packed)
{
    const nb_attend_chunk *chunk = w->chunk;
    const uint8_t *block = chunk->k + (chunk->slot_begin / NB_KV_TILE + tile) * NB_KV_TILE * w->vector_bytes;
    size_t block_bytes = NB_KV_TILE * w->vector_bytes / (chunk->head_dim / 16);
    __m512 dots[NB_ATTEND_QUERIES], sums[NB_ATTEND_QUERIES];
    for (int i = 0; i < n; i++)
        dots[i] = _mm512_setzero_ps();
    for (uint32_t d = 0; d < chunk->head_dim; d += 16, block += block_bytes) {
        block_sums(w, packed ? block + NB_KV_TILE : block, d, sums, n, packed);
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
static void probabilities(work *w, uint32_t i, float maximum, bool packed)
{
    float lanes[16] = {0}, *o = w->chunk->partials[i];
    // The block scales of V come divided by 256: exact here, where p is 0 or above 2^-127.
    float factor = packed ? 256.0f : 1.0f;
    for (uint32_t tile = 0; tile < w->n_tiles; tile++) {
        if (!w->seen[i][tile])
            continue;
        float *p = w->p[i] + tile * NB_KV_TILE;
        for (int j = 0; j < 16; j++) { // an unseen slot's score of -infinity gives 0
            float e = nb_exp(p[j] - maximum);
            lanes[j] += e;
            p[j] = e * factor;
        }
    }
    o[w->chunk->head_dim] = maximum;
    o[w->chunk->head_dim + 1] = nb_lane_sum(lanes);
}

// ---- values ---------------------------------------------------------------------------------------------------------

// Two vectors of one V row from dimension d on: packed, the even and the odd ones of 32 dimensions with the scales of
// their blocks; else dimensions d.. and d + 16.. .
typedef struct value_pair {
    __m512 first, second, scales;
} value_pair;

NB_INLINE value_pair load_values(const work *w, uint32_t at, uint32_t d, const bool packed)
{
    const nb_attend_chunk *chunk = w->chunk;
    const uint8_t *vector = chunk->v + (size_t)(chunk->slot_begin + at) * w->vector_bytes;
    bool both = d + 32 <= chunk->head_dim;
    value_pair v;
    if (packed) {
        __m128i bytes = _mm_maskz_loadu_epi8(both ? 0xffff : 0xff, vector + d / 2);
        const __m512i blocks = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
        __m512i pairs = _mm512_cvtepu8_epi32(bytes);
        v.first = _mm512_permutexvar_ps(pairs, w->table);
        v.second = _mm512_permutexvar_ps(_mm512_srli_epi32(pairs, 4), w->table);
        v.scales = _mm512_permutexvar_ps(_mm512_add_epi32(blocks, _mm512_set1_epi32((int)d / 16)),
                                         _mm512_loadu_ps(w->scales[at]));
    } else {
        v.first = load_wide(chunk->format, vector, d);
        v.second = both ? load_wide(chunk->format, vector, d + 16) : _mm512_setzero_ps();
        v.scales = _mm512_set1_ps(1.0f);
    }
    return v;
}

NB_INLINE void add_values(const work *w, uint32_t tile, uint32_t d, __m512 *first, __m512 *second, const int n,
                          const bool packed)
{
    for (uint32_t j = 0; j < NB_KV_TILE; j++) {
        if (!(w->any[tile] >> j & 1))
            continue;
        uint32_t at = tile * NB_KV_TILE + j;
        value_pair v = load_values(w, at, d, packed);
        bool all = w->all[tile] >> j & 1;
        for (int i = 0; i < n; i++) {
            if (!all && !(w->seen[i][tile] >> j & 1))
                continue;
            __m512 p = _mm512_set1_ps(w->p[i][at]);
            p = packed ? _mm512_mul_ps(p, v.scales) : p;
            first[i] = _mm512_fmadd_ps(p, v.first, first[i]);
            second[i] = _mm512_fmadd_ps(p, v.second, second[i]);
        }
    }
}

// Dimensions [d, d + 32), or 16 of them at the end, of every query's o.
NB_INLINE void sum_values(const work *w, uint32_t d, const int n, const bool packed)
{
    __m512 first[NB_ATTEND_QUERIES], second[NB_ATTEND_QUERIES];
    for (int i = 0; i < n; i++)
        first[i] = second[i] = _mm512_setzero_ps();
    for (uint32_t tile = 0; tile < w->n_tiles; tile++)
        add_values(w, tile, d, first, second, n, packed);
    const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    for (int i = 0; i < n; i++) {
        float *o = w->chunk->partials[i] + d;
        _mm512_storeu_ps(o, packed ? _mm512_permutex2var_ps(first[i], low, second[i]) : first[i]);
        if (d + 32 <= w->chunk->head_dim)
            _mm512_storeu_ps(o + 16, packed ? _mm512_permutex2var_ps(first[i], high, second[i]) : second[i]);
    }
}

static void decode_value_scales(work *w)
{
    const nb_attend_chunk *chunk = w->chunk;
    __mmask16 mask = nb_avx512_first(chunk->head_dim / 16);
    for (uint32_t at = 0; at < w->n_tiles * NB_KV_TILE; at++) {
        const uint8_t *vector = chunk->v + (size_t)(chunk->slot_begin + at) * w->vector_bytes;
        __m128i bytes = _mm_maskz_loadu_epi8(mask, vector + chunk->head_dim / 2);
        _mm512_storeu_ps(w->scales[at], nb_avx512_e4m3_over_256(bytes));
    }
}

// ---- all of it ------------------------------------------------------------------------------------------------------

NB_INLINE void attend(const nb_attend_chunk *chunk, const int n, const bool packed)
{
    work w;
    w.chunk = chunk;
    w.table = value_table(chunk->format);
    w.vector_bytes = nb_kv_vector_bytes(chunk->format, chunk->head_dim);
    w.n_tiles = (chunk->slot_end - chunk->slot_begin) / NB_KV_TILE;
    __m512 maxima[NB_ATTEND_QUERIES];
    for (int i = 0; i < n; i++) {
        memcpy(w.q[i], chunk->q[i], chunk->head_dim * sizeof(float));
        maxima[i] = _mm512_set1_ps(-__builtin_inff());
    }
    find_seen(&w, (uint32_t)n);
    for (uint32_t tile = 0; tile < w.n_tiles; tile++)
        if (w.any[tile])
            score_tile(&w, tile, maxima, n, packed);
    for (int i = 0; i < n; i++)
        probabilities(&w, (uint32_t)i, _mm512_reduce_max_ps(maxima[i]) + 0.0f, packed);
    if (packed)
        decode_value_scales(&w);
    for (uint32_t d = 0; d < chunk->head_dim; d += 32)
        sum_values(&w, d, n, packed);
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
