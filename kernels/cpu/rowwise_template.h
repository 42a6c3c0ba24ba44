// SPDX-License-Identifier: Apache-2.0
// The row-wise kernels, one body for every ISA: kernels/cpu/rowwise_<isa>.c defines NB_KERNEL(name) and includes this,
// and the compiler vectorises under that file's flags. The loops fix the order of every sum (16 lanes, cpu_kernels.h)
// and use only IEEE operations and explicit fma, so all compilations give the same bits. Parameter: NB_KERNEL(name) ->
// the function's name for the ISA; NB_OWN_PACK: the file has a pack of its own. Included once per ISA file and
// nowhere else.
#include "kernels/cpu/cpu_kernels.h"
#include "kernels/math_f32.h"
#include "kernels/nvfp4.h"

enum { LANES = 16 };

// ---- norm, swiglu, rope ---------------------------------------------------------------------------------------------

void NB_KERNEL(norm)(const float *x, const float *weight, float epsilon, uint32_t n, float *y)
{
    float lanes[LANES] = {0};
    uint32_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++)
            lanes[j] = __builtin_fmaf(x[i + j], x[i + j], lanes[j]);
    for (int j = 0; i < n; i++, j++)
        lanes[j] = __builtin_fmaf(x[i], x[i], lanes[j]);
    // sqrt and division are correctly rounded everywhere, an rsqrt instruction is not.
    float scale = 1.0f / __builtin_sqrtf(nb_lane_sum(lanes) / (float)n + epsilon);
    for (i = 0; i < n; i++)
        y[i] = (x[i] * scale) * weight[i];
}

void NB_KERNEL(swiglu)(const float *gate, const float *up, uint32_t n, float *out)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] = nb_silu(gate[i]) * up[i];
}

void NB_KERNEL(rope)(float *x, const float *cosines, const float *sines, uint32_t head_dim)
{
    uint32_t half = head_dim / 2;
    for (uint32_t i = 0; i < half; i++) {
        float a = x[i], b = x[i + half];
        x[i] = a * cosines[i] - b * sines[i];
        x[i + half] = b * cosines[i] + a * sines[i];
    }
}

// ---- activations to NVFP4 -------------------------------------------------------------------------------------------

// Maximum of |x| of finite values. As integers, since their order is the same and compilers vectorise that maximum.
static inline float row_absmax(const float *x, uint32_t n)
{
    uint32_t maximum = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t magnitude = nb_f32_bits(x[i]) & 0x7fffffff;
        maximum = magnitude > maximum ? magnitude : maximum;
    }
    return nb_f32_from_bits(maximum);
}

// Scale byte of a block, as nb_nvfp4_encode: 0x38 for a zero block or g = 0.
static uint8_t block_scale(float absmax, float g, float levels)
{
    return g == 0.0f || absmax == 0.0f ? 0x38 : nb_e4m3_encode(absmax / (levels * g));
}

#ifndef NB_OWN_PACK
// Twice the E2M1 value nearest to x / step; 0 when step is 0 (a dead block).
static int e2m1_twice_nearest(float x, float step)
{
    float y = x / step, a = __builtin_fabsf(y);
    int magnitude =
        (a > 0.25f) + (a >= 0.75f) + (a > 1.25f) + (a >= 1.75f) + 2 * (a > 2.5f) + 2 * (a >= 3.5f) + 4 * (a > 5.0f);
    // 0 1 2 3 4 6 8 12 halves: the steps above 2 are worth 2, 2 and 4 of them
    return y < 0.0f ? -magnitude : magnitude;
}

static void pack_block(const float *x, float g, int8_t *twice, float *scale, int32_t *offset)
{
    uint8_t byte = block_scale(row_absmax(x, NB_NVFP4_BLOCK), g, 6.0f);
    *scale = nb_e4m3_decode(byte);
    bool live = byte != 0 && g != 0.0f;
    float step = live ? *scale * g : 1.0f;
    int values[NB_NVFP4_BLOCK], sum = 0;
    for (int e = 0; e < NB_NVFP4_BLOCK; e++)
        values[e] = e2m1_twice_nearest(live ? x[e] : 0.0f, step);
    for (int e = 0; e < NB_NVFP4_BLOCK; e++)
        sum += values[e];
    *offset = NB_ACT_ZERO - 12 * sum;
    for (int e = 0; e < NB_NVFP4_BLOCK; e++)
        twice[(e / 8 * 2 + e % 2) * 64 + e % 8 / 2] = (int8_t)values[e];
}

void NB_KERNEL(pack)(const nb_act *act, uint32_t row, float static_scale)
{
    uint32_t n_steps = nb_act_steps(act->n_cols), n_blocks = act->n_cols / NB_NVFP4_BLOCK;
    const float *x = act->x + (size_t)row * act->n_cols;
    nb_act_step *steps = act->steps + (size_t)row * n_steps;
    float g = static_scale > 0.0f ? static_scale : nb_nvfp4_global_scale(row_absmax(x, act->n_cols));
    act->globals[row] = g;
    for (uint32_t b = 0; b < n_steps * LANES; b++) {
        nb_act_step *step = steps + b / LANES;
        int8_t *block = step->codes + b % LANES * 4;
        float *scale = step->scales + b % LANES;
        int32_t *offset = step->offsets + b % LANES;
        if (b < n_blocks) {
            pack_block(x + (size_t)b * NB_NVFP4_BLOCK, g, block, scale, offset);
        } else {
            for (int group = 0; group < 4; group++)
                memset(block + group * 64, 0, 4);
            *scale = 0.0f;
            *offset = NB_ACT_ZERO;
        }
    }
}
#endif

// ---- KV cache -----------------------------------------------------------------------------------------------------

// 16 values to nibbles and a scale byte (numerics 3).
static uint8_t encode_kv_block(nb_kv_format format, const float *x, float g, uint8_t *nibbles)
{
    float levels = format == NB_KV_FORMAT_E1M2 ? 3.5f : 6.0f;
    float absmax = row_absmax(x, NB_NVFP4_BLOCK);
    uint8_t byte = block_scale(absmax, g, levels);
    bool live = byte != 0 && absmax != 0.0f;
    float step = live ? nb_e4m3_decode(byte) * g : 1.0f;
    if (!live)
        memset(nibbles, 0, NB_NVFP4_BLOCK);
    else if (format == NB_KV_FORMAT_E1M2)
        for (int i = 0; i < NB_NVFP4_BLOCK; i++)
            nibbles[i] = (uint8_t)nb_e1m2_encode(x[i] / step) & 15;
    else
        for (int i = 0; i < NB_NVFP4_BLOCK; i++)
            nibbles[i] = nb_e2m1_encode(x[i] / step);
    return byte;
}

static void store_element(nb_kv_format format, float x, uint8_t *at)
{
    uint16_t half = nb_bf16_encode(x);
    if (format == NB_KV_FORMAT_BF16)
        memcpy(at, &half, 2);
    else
        memcpy(at, &x, 4);
}

void NB_KERNEL(store_k)(nb_kv_format format, const float *k, const float *shift, float scale, uint32_t head_dim,
                        uint32_t slot, uint8_t *area)
{
    uint32_t lane = slot % NB_KV_TILE;
    uint8_t *tile = area + (size_t)(slot / NB_KV_TILE) * NB_KV_TILE * nb_kv_vector_bytes(format, head_dim);
    if (format == NB_KV_FORMAT_BF16 || format == NB_KV_FORMAT_F32) {
        uint32_t size = format == NB_KV_FORMAT_BF16 ? 2 : 4;
        for (uint32_t d = 0; d < head_dim; d++)
            store_element(format, shift ? k[d] - shift[d] : k[d], tile + (d * NB_KV_TILE + lane) * size);
        return;
    }
    for (uint32_t b = 0; b < head_dim / NB_NVFP4_BLOCK; b++) {
        const float *from = k + b * NB_NVFP4_BLOCK;
        uint8_t nibbles[NB_NVFP4_BLOCK], *block = tile + b * 9 * NB_KV_TILE;
        float x[NB_NVFP4_BLOCK];
        for (int i = 0; i < NB_NVFP4_BLOCK; i++)
            x[i] = shift ? from[i] - shift[b * NB_NVFP4_BLOCK + i] : from[i];
        block[lane] = encode_kv_block(format, x, scale, nibbles);
        for (int i = 0; i < NB_NVFP4_BLOCK / 2; i++)
            block[(1 + i) * NB_KV_TILE + lane] = (uint8_t)(nibbles[2 * i] | nibbles[2 * i + 1] << 4);
    }
}

void NB_KERNEL(store_v)(nb_kv_format format, const float *v, float scale, uint32_t head_dim, uint32_t slot,
                        uint8_t *area)
{
    uint8_t *vector = area + (size_t)slot * nb_kv_vector_bytes(format, head_dim);
    if (format == NB_KV_FORMAT_BF16 || format == NB_KV_FORMAT_F32) {
        uint32_t size = format == NB_KV_FORMAT_BF16 ? 2 : 4;
        for (uint32_t d = 0; d < head_dim; d++)
            store_element(format, v[d], vector + d * size);
        return;
    }
    for (uint32_t b = 0; b < head_dim / NB_NVFP4_BLOCK; b++) {
        uint8_t nibbles[NB_NVFP4_BLOCK];
        vector[head_dim / 2 + b] = encode_kv_block(format, v + b * NB_NVFP4_BLOCK, scale, nibbles);
        for (int i = 0; i < NB_NVFP4_BLOCK / 2; i++)
            vector[b * 8 + i] = (uint8_t)(nibbles[2 * i] | nibbles[2 * i + 1] << 4);
    }
}

// ---- attention: partial results of the segments together ----------------------------------------------------------

void NB_KERNEL(combine)(const float *partials, uint32_t n_segments, uint32_t head_dim, float v_scale, float *out)
{
    uint32_t stride = head_dim + 2;
    float maximum = -__builtin_inff(), l = 0.0f;
    for (uint32_t s = 0; s < n_segments; s++)
        maximum = partials[s * stride + head_dim] > maximum ? partials[s * stride + head_dim] : maximum;
    for (uint32_t d = 0; d < head_dim; d++)
        out[d] = 0.0f;
    for (uint32_t s = 0; s < n_segments; s++) {
        const float *o = partials + (size_t)s * stride;
        if (o[head_dim] == -__builtin_inff())
            continue;
        float c = nb_exp(o[head_dim] - maximum);
        l = __builtin_fmaf(o[head_dim + 1], c, l);
        for (uint32_t d = 0; d < head_dim; d++)
            out[d] = __builtin_fmaf(o[d], c, out[d]);
    }
    for (uint32_t d = 0; d < head_dim; d++)
        out[d] = out[d] / l * v_scale;
}
