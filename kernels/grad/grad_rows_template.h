// SPDX-License-Identifier: Apache-2.0
// The row-wise kernels of training, one body for every ISA: vectors of kernels/grad/grad_vector.h, and plain
// loops that the compiler vectorises. Included by kernels/grad/grad_rows_<isa>.c alone; NB_GRAD_OWN_UNPACK: that file
// has an unpack of its own.
#include "kernels/grad/grad_kernels.h"
#include "kernels/grad/grad_vector.h"
#include "kernels/math_f32.h"
#include "kernels/math_f64.h"
#include "kernels/nvfp4.h"

enum { SUM_BLOCK = 512 };

static float dot(const float *x, const float *y, uint32_t n)
{
    vec sums = {0};
    for (uint32_t i = 0; i < n; i += LANES)
        sums += vec_load(x + i, n - i) * vec_load(y + i, n - i);
    return vec_sum(sums);
}

static void add(float *sum, const float *x, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        sum[i] += x[i];
}

static void add_scaled(float *sum, const float *x, float factor, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        sum[i] += factor * x[i];
}

static void to_bf16(const float *x, uint32_t n, uint16_t *out)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] = nb_bf16_encode(x[i]);
}

static void norm_backward(const float *x, const float *weight, float epsilon, const float *dy, uint32_t n, float *dx,
                          float *dweight)
{
    vec squares = {0}, products = {0};
    for (uint32_t i = 0; i < n; i += LANES) {
        vec xi = vec_load(x + i, n - i);
        squares += xi * xi;
        products += vec_load(weight + i, n - i) * vec_load(dy + i, n - i) * xi;
    }
    float r = 1.0f / __builtin_sqrtf(vec_sum(squares) / (float)n + epsilon);
    float c = vec_sum(products) * r * r * r / (float)n;
    for (uint32_t i = 0; i < n; i += LANES) {
        vec xi = vec_load(x + i, n - i), dyi = vec_load(dy + i, n - i) * r;
        vec_store(dx + i, n - i, vec_load(dx + i, n - i) + (vec_load(weight + i, n - i) * dyi - xi * c));
        vec_store(dweight + i, n - i, vec_load(dweight + i, n - i) + dyi * xi);
    }
}

static void swiglu_backward(const float *gate, const float *up, const float *dout, uint32_t n, float *dgate, float *dup)
{
    for (uint32_t i = 0; i < n; i += LANES) {
        vec g = vec_load(gate + i, n - i), d = vec_load(dout + i, n - i);
        vec sigmoid = 1.0f / (1.0f + vec_exp(-g)), silu = g * sigmoid;
        vec_store(dup + i, n - i, d * silu);
        vec_store(dgate + i, n - i, d * vec_load(up + i, n - i) * (sigmoid + silu * (1.0f - sigmoid)));
    }
}

static void rope_backward(float *dx, const float *cosines, const float *sines, uint32_t head_dim)
{
    uint32_t half = head_dim / 2;
    for (uint32_t i = 0; i < half; i++) {
        float a = dx[i], b = dx[i + half];
        dx[i] = a * cosines[i] + b * sines[i];
        dx[i + half] = b * cosines[i] - a * sines[i];
    }
}

#ifndef NB_GRAD_OWN_UNPACK
static void unpack(const nb_act *act, uint32_t row, float *x)
{
    const nb_act_step *steps = act->steps + (size_t)row * nb_act_steps(act->n_cols);
    float g = act->globals[row];
    for (uint32_t b = 0; b < act->n_cols / NB_NVFP4_BLOCK; b++) {
        const nb_act_step *step = steps + b / 16;
        const int8_t *block = step->codes + b % 16 * 4;
        float half = 0.5f * step->scales[b % 16], twice[NB_NVFP4_BLOCK];
        for (int e = 0; e < 8; e++) {
            twice[e] = (float)block[e % 2 * 64 + e / 2];
            twice[e + 8] = (float)block[(2 + e % 2) * 64 + e / 2];
        }
        for (int e = 0; e < NB_NVFP4_BLOCK; e++)
            x[b * NB_NVFP4_BLOCK + (uint32_t)e] = (twice[e] * half) * g;
    }
}
#endif

static void kv_decode(const uint8_t *vector, uint32_t head_dim, float *x)
{
    for (uint32_t b = 0; b < head_dim / NB_NVFP4_BLOCK; b++) {
        float half = 0.5f * nb_e4m3_decode(vector[head_dim / 2 + b]);
        for (uint32_t i = 0; i < NB_NVFP4_BLOCK / 2; i++) {
            int8_t byte = (int8_t)vector[b * 8 + i];
            x[b * NB_NVFP4_BLOCK + 2 * i] = (float)(int8_t)((int8_t)((uint8_t)byte << 4) >> 4) * half;
            x[b * NB_NVFP4_BLOCK + 2 * i + 1] = (float)(byte >> 4) * half;
        }
    }
}

// ---- logits -------------------------------------------------------------------------------------------------------

static float largest(const float *z, uint32_t n, uint32_t *best)
{
    vec maxima = vec_all(z[0]);
    uint32_t i = 0;
    for (; i + LANES <= n; i += LANES)
        maxima = vec_max(maxima, vec_load(z + i, LANES));
    float maximum = vec_largest(maxima);
    for (; i < n; i++)
        maximum = z[i] > maximum ? z[i] : maximum;
    for (i = 0; i < n && z[i] != maximum; i++)
        ;
    *best = i < n ? i : 0; // a NaN among the logits
    return maximum;
}

static void logit_stats(const float *z, uint32_t n, nb_grad_logits *stats)
{
    float maximum = largest(z, n, &stats->best);
    double sum = 0, weighted = 0; // of e^d and of d e^d, d = z - maximum
    for (uint32_t begin = 0; begin < n; begin += SUM_BLOCK) {
        uint32_t end = (uint32_t)nb_min(begin + SUM_BLOCK, n), i = begin;
        vec sums = {0}, products = {0};
        for (; i + LANES <= end; i += LANES) {
            vec d = vec_load(z + i, LANES) - maximum, e = vec_exp(d);
            sums += e;
            products += d * e;
        }
        sum += (double)vec_sum(sums);
        weighted += (double)vec_sum(products);
        for (; i < end; i++) {
            float d = z[i] - maximum, e = nb_exp(d);
            sum += (double)e;
            weighted += (double)(d * e);
        }
    }
    double log_sum = nb_log_f64(sum);
    stats->lse = (float)((double)maximum + log_sum);
    stats->entropy = (float)(log_sum - weighted / sum);
}

static void logit_gradient(float *z, uint32_t n, const nb_grad_logits *stats, uint32_t target, float scale, float sem)
{
    float lse = stats->lse, entropy = stats->entropy;
    for (uint32_t i = 0; i < n; i += LANES) {
        vec log_p = vec_load(z + i, n - i) - lse, factor = vec_all(scale);
        if (sem != 0.0f)
            factor -= sem * (log_p + entropy);
        vec_store(z + i, n - i, vec_exp(log_p) * factor);
    }
    z[target] -= scale;
}

const nb_grad_kernels NB_GRAD_TABLE_NAME = {
    .isa = NB_GRAD_ISA,
    .norm_backward = norm_backward,
    .swiglu_backward = swiglu_backward,
    .rope_backward = rope_backward,
    .unpack = unpack,
    .kv_decode = kv_decode,
    .dot = dot,
    .add = add,
    .add_scaled = add_scaled,
    .to_bf16 = to_bf16,
    .logit_stats = logit_stats,
    .logit_gradient = logit_gradient,
};
