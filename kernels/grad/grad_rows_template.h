// SPDX-License-Identifier: Apache-2.0
// The row-wise kernels of training, one body for every ISA: plain loops over 16 lanes that the compiler vectorises
// under the flags of kernels/grad/grad_rows_<isa>.c, which alone includes this.
#include "kernels/cpu/cpu_kernels.h"
#include "kernels/grad/grad_kernels.h"
#include "kernels/math_f32.h"
#include "kernels/math_f64.h"
#include "kernels/nvfp4.h"

enum { LANES = 16, SUM_BLOCK = 512 };

static float dot(const float *x, const float *y, uint32_t n)
{
    float lanes[LANES] = {0};
    uint32_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++)
            lanes[j] += x[i + j] * y[i + j];
    for (int j = 0; i < n; i++, j++)
        lanes[j] += x[i] * y[i];
    return nb_lane_sum(lanes);
}

static void add(float *sum, const float *x, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        sum[i] += x[i];
}

static void norm_backward(const float *restrict x, const float *restrict weight, float epsilon,
                          const float *restrict dy, uint32_t n, float *restrict dx, float *restrict dweight)
{
    float squares[LANES] = {0}, products[LANES] = {0};
    uint32_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++) {
            squares[j] += x[i + j] * x[i + j];
            products[j] += weight[i + j] * dy[i + j] * x[i + j];
        }
    for (int j = 0; i < n; i++, j++) {
        squares[j] += x[i] * x[i];
        products[j] += weight[i] * dy[i] * x[i];
    }
    float r = 1.0f / __builtin_sqrtf(nb_lane_sum(squares) / (float)n + epsilon);
    float c = nb_lane_sum(products) * r * r * r / (float)n;
    for (i = 0; i < n; i++) {
        dx[i] += weight[i] * dy[i] * r - x[i] * c;
        dweight[i] += dy[i] * x[i] * r;
    }
}

static void swiglu_backward(const float *restrict gate, const float *restrict up, const float *restrict dout,
                            uint32_t n, float *restrict dgate, float *restrict dup)
{
    for (uint32_t i = 0; i < n; i++) {
        float sigmoid = 1.0f / (1.0f + nb_exp(-gate[i])), silu = gate[i] * sigmoid;
        dup[i] = dout[i] * silu;
        dgate[i] = dout[i] * up[i] * (sigmoid + silu * (1.0f - sigmoid));
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

static void unpack(const nb_act *act, uint32_t row, float *x)
{
    const nb_act_step *steps = act->steps + (size_t)row * nb_act_steps(act->n_cols);
    float g = act->globals[row];
    for (uint32_t b = 0; b < act->n_cols / NB_NVFP4_BLOCK; b++) {
        const nb_act_step *step = steps + b / LANES;
        const int8_t *block = step->codes + b % LANES * 4;
        float half = 0.5f * step->scales[b % LANES], twice[NB_NVFP4_BLOCK];
        for (int e = 0; e < 8; e++) {
            twice[e] = (float)block[e % 2 * 64 + e / 2];
            twice[e + 8] = (float)block[(2 + e % 2) * 64 + e / 2];
        }
        for (int e = 0; e < NB_NVFP4_BLOCK; e++)
            x[b * NB_NVFP4_BLOCK + (uint32_t)e] = (twice[e] * half) * g;
    }
}

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
    float lanes[LANES], maximum = z[0];
    for (int j = 0; j < LANES; j++)
        lanes[j] = z[0];
    uint32_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++)
            lanes[j] = z[i + j] > lanes[j] ? z[i + j] : lanes[j];
    for (int j = 0; j < LANES; j++)
        maximum = lanes[j] > maximum ? lanes[j] : maximum;
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
        float sums[LANES] = {0}, products[LANES] = {0};
        for (; i + LANES <= end; i += LANES)
            for (int j = 0; j < LANES; j++) {
                float d = z[i + j] - maximum, e = nb_exp(d);
                sums[j] += e;
                products[j] += d * e;
            }
        for (int j = 0; i < end; i++, j++) {
            float d = z[i] - maximum, e = nb_exp(d);
            sums[j] += e;
            products[j] += d * e;
        }
        sum += (double)nb_lane_sum(sums);
        weighted += (double)nb_lane_sum(products);
    }
    double log_sum = nb_log_f64(sum);
    stats->lse = (float)((double)maximum + log_sum);
    stats->entropy = (float)(log_sum - weighted / sum);
}

static void logit_gradient(float *z, uint32_t n, const nb_grad_logits *stats, uint32_t target, float scale, float sem)
{
    float lse = stats->lse, entropy = stats->entropy;
    if (sem == 0.0f)
        for (uint32_t i = 0; i < n; i++)
            z[i] = nb_exp(z[i] - lse) * scale;
    else
        for (uint32_t i = 0; i < n; i++) {
            float log_p = z[i] - lse;
            z[i] = nb_exp(log_p) * (scale - sem * (log_p + entropy));
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
    .logit_stats = logit_stats,
    .logit_gradient = logit_gradient,
};
