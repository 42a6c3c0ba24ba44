// SPDX-License-Identifier: Apache-2.0
// Products with f32 activations on 16 lanes that span several registers: weights of any format are decoded 16 columns
// at a time, each used for all tokens of a tile. Parameters: NB_KERNEL(name) -> the function's name for the ISA, and
// the ISA's nb_lanes (kernels/cpu/avx2.h, neon.h). Included once per ISA file and nowhere else.
#include "kernels/nvfp4.h"

enum {
    LANES = 16,
    STREAMS = 4,        // one token: places in memory read at the same time, and ...
    AHEAD_BYTES = 1024, // ... bytes fetched ahead in each
    TILE_ROWS = 2,      // many tokens: rows and ...
    TILE_TOKENS = 3,    // ... tokens in registers
    BLOCK_TOKENS = 12,  // tokens whose x stays in the second-level cache while all rows pass
};

NB_INLINE nb_code_table e2m1_table(void)
{
    static const uint8_t low[16] = {0, 0, 0x80, 0xc0, 0, 0x40, 0x80, 0xc0, 0, 0, 0x80, 0xc0, 0, 0x40, 0x80, 0xc0};
    static const uint8_t high[16] = {0,    0x3f, 0x3f, 0x3f, 0x40, 0x40, 0x40, 0x40,
                                     0x80, 0xbf, 0xbf, 0xbf, 0xc0, 0xc0, 0xc0, 0xc0};
    return (nb_code_table){nb_bytes_load(low), nb_bytes_load(high)};
}

// 16 columns as f32; at: their first byte, scale: that of their block.
NB_INLINE nb_lanes decode_columns(nb_format format, const uint8_t *at, uint8_t scale)
{
    switch (format) {
    case NB_FORMAT_F32:
        return nb_lanes_load(at);
    case NB_FORMAT_F16:
        return nb_lanes_f16(at);
    case NB_FORMAT_BF16:
        return nb_lanes_bf16(at);
    default:
        return nb_lanes_multiply(nb_lanes_decode(e2m1_table(), nb_bytes_nibbles(at)),
                                 nb_lanes_set(nb_e4m3_decode(scale)));
    }
}

NB_INLINE const uint8_t *element_at(const nb_weight *w, nb_format format, size_t i)
{
    return w->data + (format == NB_FORMAT_F32 ? 4 * i : format == NB_FORMAT_NVFP4 ? i / 2 : 2 * i);
}

// One vector of columns into the sums of n_rows rows, `stride` apart, from `row` on and n_tokens tokens from t on; rows
// and tokens past the last ones repeat those.
NB_INLINE void add_columns(const nb_linear_chunk *chunk, nb_format format, uint32_t row, uint32_t stride, uint32_t t,
                           uint32_t k, nb_lanes *sums, const uint32_t n_rows, const uint32_t n_tokens)
{
    const nb_weight *weight = chunk->weight;
    const nb_act *act = chunk->act;
    for (uint32_t i = 0; i < n_rows; i++) {
        size_t at = nb_min(row + i * stride, chunk->row_end - 1) * weight->n_cols + k;
        if (n_tokens == 1)
            __builtin_prefetch(element_at(weight, format, at) + AHEAD_BYTES);
        uint8_t scale = format == NB_FORMAT_NVFP4 ? weight->scales[at / NB_NVFP4_BLOCK] : 0;
        nb_lanes w = decode_columns(format, element_at(weight, format, at), scale);
        for (uint32_t j = 0; j < n_tokens; j++) {
            size_t token = nb_min(t + j, act->n_rows - 1);
            sums[i * n_tokens + j] =
                nb_lanes_fma(w, nb_lanes_load(act->x + token * act->n_cols + k), sums[i * n_tokens + j]);
        }
    }
}

// The sum of one row and token, with the last columns that fill no vector.
NB_INLINE float finish_sum(const nb_linear_chunk *chunk, nb_format format, uint32_t row, uint32_t t, nb_lanes sum)
{
    uint32_t n_cols = chunk->weight->n_cols, k = n_cols / LANES * LANES;
    if (format == NB_FORMAT_NVFP4 || k == n_cols)
        return nb_lanes_sum(sum);
    uint8_t bytes[LANES * sizeof(float)] = {0};
    const uint8_t *from = element_at(chunk->weight, format, (size_t)row * n_cols + k);
    memcpy(bytes, from, (size_t)(element_at(chunk->weight, format, (size_t)(row + 1) * n_cols) - from));
    float lanes[LANES], w[LANES];
    const float *x = chunk->act->x + (size_t)t * n_cols + k;
    nb_lanes_store(lanes, sum);
    nb_lanes_store(w, decode_columns(format, bytes, 0));
    for (uint32_t i = 0; i < n_cols - k; i++)
        lanes[i] = __builtin_fmaf(w[i], x[i], lanes[i]);
    return nb_lane_sum(lanes);
}

NB_INLINE void tile(const nb_linear_chunk *chunk, nb_format format, uint32_t row, uint32_t stride, uint32_t t,
                    const uint32_t n_rows, const uint32_t n_tokens)
{
    nb_lanes sums[TILE_ROWS * TILE_TOKENS];
    for (uint32_t i = 0; i < n_rows * n_tokens; i++)
        sums[i] = nb_lanes_set(0.0f);
    for (uint32_t k = 0; k + LANES <= chunk->weight->n_cols; k += LANES)
        add_columns(chunk, format, row, stride, t, k, sums, n_rows, n_tokens);
    for (uint32_t i = 0; i < n_rows && row + i * stride < chunk->row_end; i++)
        for (uint32_t j = 0; j < n_tokens && t + j < chunk->act->n_rows; j++) {
            float sum = finish_sum(chunk, format, row + i * stride, t + j, sums[i * n_tokens + j]);
            nb_linear_put(chunk, row + i * stride, t + j,
                          format == NB_FORMAT_NVFP4 ? sum * chunk->weight->global_scale : sum);
        }
}

NB_INLINE void product(const nb_linear_chunk *chunk, nb_format format)
{
    uint32_t n_tokens = chunk->act->n_rows;
    if (n_tokens == 1) {
        // Streams: as in linear_nvfp4_template.h.
        uint32_t stream_rows = (uint32_t)nb_div_ceil(chunk->row_end - chunk->row_begin, STREAMS);
        for (uint32_t row = chunk->row_begin; row < chunk->row_begin + stream_rows; row++)
            tile(chunk, format, row, stream_rows, 0, STREAMS, 1);
        return;
    }
    for (uint32_t block = 0; block < n_tokens; block += BLOCK_TOKENS)
        for (uint32_t row = chunk->row_begin; row < chunk->row_end; row += TILE_ROWS)
            for (uint32_t t = block; t < block + BLOCK_TOKENS && t < n_tokens; t += TILE_TOKENS)
                tile(chunk, format, row, 1, t, TILE_ROWS, TILE_TOKENS);
}

void NB_KERNEL(linear_float)(const nb_linear_chunk *chunk)
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
