// SPDX-License-Identifier: Apache-2.0
// Products with f32 activations: weights of any format decoded in registers, 16 columns a vector, each used for all
// tokens of a tile.
#include "kernels/cpu/avx512.h"
#include "kernels/nvfp4.h"

enum {
    STREAMS = 4,        // one token: places in memory read at the same time, and ...
    AHEAD_BYTES = 1024, // ... bytes fetched ahead in each
    TILE_ROWS = 6,      // many tokens: rows and ...
    TILE_TOKENS = 4,    // ... tokens in registers
    BLOCK_TOKENS = 16,  // tokens whose x stays in the second-level cache while all rows pass
};

static inline size_t bytes_of(nb_format format, size_t n_elements)
{
    return format == NB_FORMAT_NVFP4 ? n_elements / 2 : format == NB_FORMAT_F32 ? n_elements * 4 : n_elements * 2;
}

typedef struct weight_row {
    const uint8_t *data, *scales;
} weight_row;

static inline weight_row row_of(const nb_weight *w, nb_format format, size_t row)
{
    size_t i = row * w->n_cols;
    return (weight_row){w->data + bytes_of(format, i),
                        format == NB_FORMAT_NVFP4 ? w->scales + i / NB_NVFP4_BLOCK : NULL};
}

// Columns [k, k + 16) of one row as f32; those outside the mask are not read and give 0.
NB_INLINE __m512 load_weights(weight_row w, nb_format format, uint32_t k, __mmask16 mask)
{
    if (format == NB_FORMAT_F32)
        return _mm512_maskz_loadu_ps(mask, w.data + 4 * (size_t)k);
    if (format == NB_FORMAT_F16)
        return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, w.data + 2 * (size_t)k));
    if (format == NB_FORMAT_BF16)
        return _mm512_castsi512_ps(
            _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, w.data + 2 * (size_t)k)), 16));
    const __m512i halves = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
    const __m512i shifts = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28);
    const __m512 values = _mm512_setr_ps(0, 0.5f, 1, 1.5f, 2, 3, 4, 6, -0.0f, -0.5f, -1, -1.5f, -2, -3, -4, -6);
    __m512i codes = _mm512_castsi128_si512(_mm_loadl_epi64((const __m128i *)(w.data + k / 2)));
    codes = _mm512_srlv_epi32(_mm512_permutexvar_epi32(halves, codes), shifts);
    __m512 scale = _mm512_set1_ps(nb_f32_from_bits((uint32_t)w.scales[k / NB_NVFP4_BLOCK] << 20) * 0x1p120f);
    return _mm512_mul_ps(_mm512_permutexvar_ps(codes, values), scale);
}

// One vector of columns into the sums [n_rows][n_tokens]; the same place `ahead_bytes` further is fetched.
NB_INLINE void add_vector(const weight_row *w, const float *const *tokens, nb_format format, uint32_t k, __mmask16 mask,
                          size_t ahead_bytes, __m512 *sums, const int n_rows, const int n_tokens)
{
    __m512 x[TILE_TOKENS];
#pragma GCC unroll 4
    for (int j = 0; j < n_tokens; j++)
        x[j] = _mm512_maskz_loadu_ps(mask, tokens[j] + k);
#pragma GCC unroll 6
    for (int i = 0; i < n_rows; i++) {
        if (ahead_bytes)
            _mm_prefetch((const char *)w[i].data + bytes_of(format, k) + ahead_bytes, _MM_HINT_T0);
        __m512 weights = load_weights(w[i], format, k, mask);
#pragma GCC unroll 4
        for (int j = 0; j < n_tokens; j++) // masked: an absent column must not turn a sum of -0 into 0
            sums[i * n_tokens + j] = _mm512_mask3_fmadd_ps(weights, x[j], sums[i * n_tokens + j], mask);
    }
}

static void put(const nb_linear_chunk *chunk, nb_format format, uint32_t row, uint32_t t, __m512 lanes)
{
    float sum = nb_avx512_lane_sum(lanes);
    if (row < chunk->row_end && t < chunk->act->n_rows)
        nb_linear_put(chunk, row, t, format == NB_FORMAT_NVFP4 ? sum * chunk->weight->global_scale : sum);
}

// ---- one token ------------------------------------------------------------------------------------------------------

// A chunk's rows are read as four streams, a quarter of the rows each: the hardware prefetcher begins anew at every
// page, and four pages in different places hide each other's beginnings. Software fetches a little ahead in each.
NB_INLINE void one_token(const nb_linear_chunk *chunk, nb_format format)
{
    const nb_weight *weight = chunk->weight;
    const float *token = chunk->act->x;
    uint32_t n_cols = weight->n_cols, n_rows = chunk->row_end - chunk->row_begin;
    uint32_t stream_rows = (uint32_t)nb_div_ceil(n_rows, STREAMS);
    for (uint32_t row = chunk->row_begin; row < chunk->row_begin + stream_rows; row++) {
        weight_row w[STREAMS];
        __m512 sums[STREAMS];
        for (uint32_t i = 0; i < STREAMS; i++) { // rows past the end repeat the last one
            w[i] = row_of(weight, format, nb_min(row + i * stream_rows, chunk->row_end - 1));
            sums[i] = _mm512_setzero_ps();
        }
        uint32_t k = 0;
        for (; k + 32 <= n_cols; k += 32) { // a line of 16-bit weights
            add_vector(w, &token, format, k, 0xffff, AHEAD_BYTES, sums, STREAMS, 1);
            add_vector(w, &token, format, k + 16, 0xffff, format == NB_FORMAT_F32 ? AHEAD_BYTES : 0, sums, STREAMS, 1);
        }
        for (; k < n_cols; k += 16)
            add_vector(w, &token, format, k, nb_avx512_first((uint32_t)nb_min(16, n_cols - k)), AHEAD_BYTES, sums,
                       STREAMS, 1);
        for (uint32_t i = 0; i < STREAMS; i++)
            put(chunk, format, row + i * stream_rows, 0, sums[i]);
    }
}

// ---- many tokens ----------------------------------------------------------------------------------------------------

// TILE_ROWS rows from `row` and TILE_TOKENS tokens from t on; rows and tokens past the last ones repeat those. fetch:
// these rows are used for the first time, so the next ones are fetched meanwhile. Unrolled to the end, so that the
// sums need no memory.
NB_INLINE void tile(const nb_linear_chunk *chunk, nb_format format, uint32_t row, uint32_t t, bool fetch)
{
    const nb_weight *weight = chunk->weight;
    const nb_act *act = chunk->act;
    uint32_t n_cols = weight->n_cols, k = 0;
    size_t ahead_bytes = fetch ? TILE_ROWS * bytes_of(format, n_cols) : 0;
    weight_row w[TILE_ROWS];
    const float *tokens[TILE_TOKENS];
    __m512 sums[TILE_ROWS * TILE_TOKENS];
#pragma GCC unroll 6
    for (int i = 0; i < TILE_ROWS; i++)
        w[i] = row_of(weight, format, nb_min(row + (uint32_t)i, chunk->row_end - 1));
#pragma GCC unroll 4
    for (int j = 0; j < TILE_TOKENS; j++)
        tokens[j] = act->x + nb_min(t + (uint32_t)j, act->n_rows - 1) * act->n_cols;
#pragma GCC unroll 24
    for (int i = 0; i < TILE_ROWS * TILE_TOKENS; i++)
        sums[i] = _mm512_setzero_ps();
    for (; k + 16 <= n_cols; k += 16)
        add_vector(w, tokens, format, k, 0xffff, ahead_bytes, sums, TILE_ROWS, TILE_TOKENS);
    if (k < n_cols)
        add_vector(w, tokens, format, k, nb_avx512_first(n_cols - k), ahead_bytes, sums, TILE_ROWS, TILE_TOKENS);
#pragma GCC unroll 24
    for (int i = 0; i < TILE_ROWS * TILE_TOKENS; i++)
        put(chunk, format, row + (uint32_t)(i / TILE_TOKENS), t + (uint32_t)(i % TILE_TOKENS), sums[i]);
}

NB_INLINE void product(const nb_linear_chunk *chunk, nb_format format)
{
    uint32_t n_tokens = chunk->act->n_rows;
    if (n_tokens == 1) {
        one_token(chunk, format);
        return;
    }
    for (uint32_t block = 0; block < n_tokens; block += BLOCK_TOKENS)
        for (uint32_t row = chunk->row_begin; row < chunk->row_end; row += TILE_ROWS)
            for (uint32_t t = block; t < block + BLOCK_TOKENS && t < n_tokens; t += TILE_TOKENS)
                tile(chunk, format, row, t, t == block);
}

void nb_linear_float_avx512(const nb_linear_chunk *chunk)
{
    switch (chunk->weight->format) {
    case NB_FORMAT_F32:
        product(chunk, NB_FORMAT_F32);
        break;
    case NB_FORMAT_F16:
        product(chunk, NB_FORMAT_F16);
        break;
    case NB_FORMAT_BF16:
        product(chunk, NB_FORMAT_BF16);
        break;
    case NB_FORMAT_NVFP4:
        product(chunk, NB_FORMAT_NVFP4);
        break;
    }
}
