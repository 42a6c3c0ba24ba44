// SPDX-License-Identifier: Apache-2.0
// The scalar twins of the products: what every other kernel must equal, written for reading.
#include "kernels/cpu/cpu_kernels.h"
#include "kernels/nvfp4.h"

static float dot_nvfp4(const nb_weight *w, uint32_t row, const nb_act *act, uint32_t t)
{
    uint32_t n_blocks = w->n_cols / NB_NVFP4_BLOCK, n_steps = nb_act_steps(w->n_cols);
    const uint8_t *codes = w->data + (size_t)row * w->n_cols / 2;
    const uint8_t *scales = w->scales + (size_t)row * n_blocks;
    const nb_act_step *steps = act->steps + (size_t)t * n_steps;
    float lanes[16] = {0};
    for (uint32_t b = 0; b < n_blocks; b++) {
        int sum = 0;
        for (uint32_t e = 0; e < NB_NVFP4_BLOCK; e++) {
            uint32_t k = b * NB_NVFP4_BLOCK + e;
            int w_twice = nb_e2m1_twice(codes[k / 2] >> (k % 2 * 4));
            sum += w_twice * steps[k / NB_ACT_STEP].codes[nb_act_code_index(k % NB_ACT_STEP)];
        }
        float scale = nb_e4m3_decode(scales[b]) * steps[b / 16].scales[b % 16];
        lanes[b % 16] = __builtin_fmaf((float)sum, scale, lanes[b % 16]);
    }
    return nb_lane_sum(lanes);
}

void nb_linear_nvfp4_scalar(const nb_linear_chunk *chunk)
{
    for (uint32_t row = chunk->row_begin; row < chunk->row_end; row++)
        for (uint32_t t = 0; t < chunk->act->n_rows; t++) {
            float sum = dot_nvfp4(chunk->weight, row, chunk->act, t);
            nb_linear_put(chunk, row, t, (0.25f * sum) * (chunk->weight->global_scale * chunk->act->globals[t]));
        }
}

static float element(const nb_weight *w, uint32_t row, uint32_t k)
{
    size_t i = (size_t)row * w->n_cols + k;
    uint16_t half;
    float value;
    switch (w->format) {
    case NB_FORMAT_F32:
        memcpy(&value, w->data + 4 * i, 4);
        return value;
    case NB_FORMAT_F16:
        memcpy(&half, w->data + 2 * i, 2);
        return nb_f16_decode(half);
    case NB_FORMAT_BF16:
        memcpy(&half, w->data + 2 * i, 2);
        return nb_bf16_decode(half);
    default:
        return nb_e2m1_decode(w->data[i / 2] >> (i % 2 * 4)) * nb_e4m3_decode(w->scales[i / NB_NVFP4_BLOCK]);
    }
}

void nb_linear_float_scalar(const nb_linear_chunk *chunk)
{
    const nb_weight *w = chunk->weight;
    for (uint32_t row = chunk->row_begin; row < chunk->row_end; row++)
        for (uint32_t t = 0; t < chunk->act->n_rows; t++) {
            const float *x = chunk->act->x + (size_t)t * w->n_cols;
            float lanes[16] = {0};
            for (uint32_t k = 0; k < w->n_cols; k++)
                lanes[k % 16] = __builtin_fmaf(element(w, row, k), x[k], lanes[k % 16]);
            float sum = nb_lane_sum(lanes);
            nb_linear_put(chunk, row, t, w->format == NB_FORMAT_NVFP4 ? sum * w->global_scale : sum);
        }
}
