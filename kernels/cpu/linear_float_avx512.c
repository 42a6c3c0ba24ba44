// SPDX-License-Identifier: Apache-2.0
// Products with f32 activations: weights of any format decoded in registers, 16 columns a vector, each used for all
// tokens of a tile. A lane's fma chain has a latency of four cycles, so a tile holds at least eight sums.
#include "kernels/cpu/avx512.h"
#include "kernels/nvfp4.h"

enum {
    SINGLE_ROWS = 8,   // one token: rows at a time
    TILE_ROWS = 6,     // many tokens: rows and ...
    TILE_TOKENS = 4,   // ... tokens in registers
    BLOCK_TOKENS = 16, // tokens whose x stays in the second-level cache while all rows pass
};

static inline size_t bytes_of(nb_format format, size_t n_elements)
{
    return format == NB_FORMAT_NVFP4 ? n_elements / 2 : format == NB_FORMAT_F32 ? n_elements * 4 : n_elements * 2;
}

// Columns [k, k + 16) of one row as f32; those outside the mask are not read and give 0.
NB_INLINE __m512 load_weights(const nb_weight *w, nb_format format, uint32_t row, uint32_t k, __mmask16 mask)
{
    size_t i = (size_t)row * w->n_cols + k;
    if (format == NB_FORMAT_F32)
        return _mm512_maskz_loadu_ps(mask, w->data + 4 * i);
    if (format == NB_FORMAT_F16)
        return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, w->data + 2 * i));
    if (format == NB_FORMAT_BF16)
        return _mm512_castsi512_ps(
            _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, w->data + 2 * i)), 16));
    const __m512i halves = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
    const __m512i shifts = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28);
    const __m512 values = _mm512_setr_ps(0, 0.5f, 1, 1.5f, 2, 3, 4, 6, -0.0f, -0.5f, -1, -1.5f, -2, -3, -4, -6);
    __m512i codes = _mm512_castsi128_si512(_mm_loadl_epi64((const __m128i *)(w->data + i / 2)));
    codes = _mm512_srlv_epi32(_mm512_permutexvar_epi32(halves, codes), shifts);
    __m512 scale = _mm512_set1_ps(nb_f32_from_bits((uint32_t)w->scales[i / NB_NVFP4_BLOCK] << 20) * 0x1p120f);
    return _mm512_mul_ps(_mm512_permutexvar_ps(codes, values), scale);
}

// One vector of columns into the sums of n_rows rows from `row` and n_tokens tokens from x on; rows and tokens past the
// last ones repeat those.
NB_INLINE void add_vector(const nb_linear_chunk *chunk, nb_format format, uint32_t row, uint32_t t, uint32_t k,
                          __mmask16 mask, __m512 *sums, const uint32_t n_rows, const uint32_t n_tokens)
{
    const nb_act *act = chunk->act;
    __m512 x[TILE_TOKENS];
    for (uint32_t j = 0; j < n_tokens; j++) {
        size_t token = nb_min(t + j, act->n_rows - 1);
        x[j] = _mm512_maskz_loadu_ps(mask, act->x + token * act->n_cols + k);
    }
    for (uint32_t i = 0; i < n_rows; i++) {
        uint32_t r = (uint32_t)nb_min(row + i, chunk->row_end - 1);
        if (n_tokens == 1) // bound by memory: the same place of the next rows
            _mm_prefetch((const char *)chunk->weight->data +
                             bytes_of(format, (size_t)(r + n_rows) * chunk->weight->n_cols + k),
                         _MM_HINT_T0);
        __m512 w = load_weights(chunk->weight, format, r, k, mask);
        for (uint32_t j = 0; j < n_tokens; j++) // masked: an absent column must not turn a sum of -0 into 0
            sums[i * n_tokens + j] = _mm512_mask3_fmadd_ps(w, x[j], sums[i * n_tokens + j], mask);
    }
}

NB_INLINE void tile(const nb_linear_chunk *chunk, nb_format format, uint32_t row, uint32_t t, const uint32_t n_rows,
                    const uint32_t n_tokens)
{
    __m512 sums[TILE_ROWS * TILE_TOKENS];
    uint32_t n_cols = chunk->weight->n_cols, k = 0;
    for (uint32_t i = 0; i < n_rows * n_tokens; i++)
        sums[i] = _mm512_setzero_ps();
    for (; k + 16 <= n_cols; k += 16)
        add_vector(chunk, format, row, t, k, 0xffff, sums, n_rows, n_tokens);
    if (k < n_cols)
        add_vector(chunk, format, row, t, k, nb_avx512_first(n_cols - k), sums, n_rows, n_tokens);
    for (uint32_t i = 0; i < n_rows && row + i < chunk->row_end; i++)
        for (uint32_t j = 0; j < n_tokens && t + j < chunk->act->n_rows; j++) {
            float sum = nb_avx512_lane_sum(sums[i * n_tokens + j]);
            nb_linear_put(chunk, row + i, t + j, format == NB_FORMAT_NVFP4 ? sum * chunk->weight->global_scale : sum);
        }
}

NB_INLINE void product(const nb_linear_chunk *chunk, nb_format format)
{
    uint32_t n_tokens = chunk->act->n_rows;
    if (n_tokens == 1) {
        for (uint32_t row = chunk->row_begin; row < chunk->row_end; row += SINGLE_ROWS)
            tile(chunk, format, row, 0, SINGLE_ROWS, 1);
        return;
    }
    for (uint32_t block = 0; block < n_tokens; block += BLOCK_TOKENS)
        for (uint32_t row = chunk->row_begin; row < chunk->row_end; row += TILE_ROWS)
            for (uint32_t t = block; t < block + BLOCK_TOKENS && t < n_tokens; t += TILE_TOKENS)
                tile(chunk, format, row, t, TILE_ROWS, TILE_TOKENS);
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
