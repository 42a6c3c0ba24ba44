// SPDX-License-Identifier: Apache-2.0
// The row-wise kernels of training, every table: gradients against central differences in double, decoders against the
// encoders of inference, logits against double.
#include "kernels/floats.h"
#include "kernels/nvfp4.h"
#include "tests/kernels/grad/grad_tables.h"

enum { N_MAX = 700 };
static const double STEP = 1e-6; // differences err by about STEP^2 and 1e-16 / STEP
static const uint32_t sizes[] = {1, 3, 15, 16, 17, 48, 100, 257, 700};

// sum_i dy_i f_i(x), for differences.
typedef double (*function_fn)(const double *x, uint32_t n, const void *user);

static void differences(function_fn f, double *x, uint32_t n, const void *user, double *gradient)
{
    for (uint32_t i = 0; i < n; i++) {
        double kept = x[i];
        x[i] = kept + STEP;
        double up = f(x, n, user);
        x[i] = kept - STEP;
        gradient[i] = (up - f(x, n, user)) / (2 * STEP);
        x[i] = kept;
    }
}

// ---- norm ---------------------------------------------------------------------------------------------------------

// x: the n inputs, then the n weights.
static double norm_sum(const double *x, uint32_t n_both, const void *user)
{
    uint32_t n = n_both / 2;
    const float *dy = user;
    double squares = 0, sum = 0;
    for (uint32_t i = 0; i < n; i++)
        squares += x[i] * x[i];
    for (uint32_t i = 0; i < n; i++)
        sum += (double)dy[i] * x[i] / sqrt(squares / n + 1e-5) * x[n + i];
    return sum;
}

static void norm_of(const nb_grad_kernels *grad, const nb_cpu_kernels *cpu)
{
    (void)cpu;
    fixture_rng rng = {11};
    for (size_t s = 0; s < NB_COUNT(sizes); s++) {
        uint32_t n = sizes[s];
        float *x = random_floats(&rng, n), *weight = random_floats(&rng, n), *dy = random_floats(&rng, n);
        float *dx = random_floats(&rng, n), *dweight = random_floats(&rng, n);
        double both[2 * N_MAX], expected[2 * N_MAX];
        for (uint32_t i = 0; i < n; i++) {
            both[i] = (double)x[i];
            both[n + i] = (double)weight[i];
        }
        differences(norm_sum, both, 2 * n, dy, expected);
        for (uint32_t i = 0; i < n; i++) { // it adds
            expected[i] += (double)dx[i];
            expected[n + i] += (double)dweight[i];
        }
        grad->norm_backward(x, weight, 1e-5f, dy, n, dx, dweight);
        assert_near("dx of norm", dx, expected, n, 1e-6);
        assert_near("dweight of norm", dweight, expected + n, n, 1e-6);
        fixture_release();
    }
}

static void norm_gradients(void **state)
{
    (void)state;
    each_grad_table(norm_of);
}

// ---- SwiGLU, RoPE -------------------------------------------------------------------------------------------------

static double swiglu_sum(const double *x, uint32_t n_both, const void *user)
{
    const float *dout = user;
    uint32_t n = n_both / 2;
    double sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += (double)dout[i] * x[i] / (1 + exp(-x[i])) * x[n + i];
    return sum;
}

static void swiglu_of(const nb_grad_kernels *grad, const nb_cpu_kernels *cpu)
{
    (void)cpu;
    fixture_rng rng = {12};
    for (size_t s = 0; s < NB_COUNT(sizes); s++) {
        uint32_t n = sizes[s];
        float *gate = random_floats(&rng, n), *up = random_floats(&rng, n), *dout = random_floats(&rng, n);
        float *dgate = random_floats(&rng, n), *dup = random_floats(&rng, n);
        double both[2 * N_MAX], expected[2 * N_MAX];
        for (uint32_t i = 0; i < n; i++) {
            gate[i] *= 5;
            both[i] = (double)gate[i];
            both[n + i] = (double)up[i];
        }
        differences(swiglu_sum, both, 2 * n, dout, expected);
        grad->swiglu_backward(gate, up, dout, n, dgate, dup);
        assert_near("dgate", dgate, expected, n, 1e-6);
        assert_near("dup", dup, expected + n, n, 1e-6);
        fixture_release();
    }
    float gate[2] = {-200, 200}, up[2] = {1, 1}, dout[2] = {1, 1}, dgate[2], dup[2];
    grad->swiglu_backward(gate, up, dout, 2, dgate, dup);
    assert_true(fabsf(dgate[0]) < 1e-30f && fabsf(dup[0]) < 1e-30f && dgate[1] == 1 && dup[1] == 200);
}

static void swiglu_gradients(void **state)
{
    (void)state;
    each_grad_table(swiglu_of);
}

// The gradient of a rotation is the rotation back: RoPE and its gradient undo each other up to rounding.
static void rope_of(const nb_grad_kernels *grad, const nb_cpu_kernels *cpu)
{
    fixture_rng rng = {13};
    for (uint32_t n = 2; n <= 256; n += n < 40 ? 2 : 54) {
        float *x = random_floats(&rng, n), *cosines = random_floats(&rng, n / 2), *sines = random_floats(&rng, n / 2);
        double kept[256];
        for (uint32_t i = 0; i < n / 2; i++) {
            double angle = (double)cosines[i];
            cosines[i] = (float)cos(angle);
            sines[i] = (float)sin(angle);
        }
        for (uint32_t i = 0; i < n; i++)
            kept[i] = (double)x[i];
        cpu->rope(x, cosines, sines, n);
        grad->rope_backward(x, cosines, sines, n);
        assert_near("RoPE and back", x, kept, n, 3e-7);
        fixture_release();
    }
}

static void rope_gradients(void **state)
{
    (void)state;
    each_grad_table(rope_of);
}

// ---- decoders -----------------------------------------------------------------------------------------------------

static void unpack_of(const nb_grad_kernels *grad, const nb_cpu_kernels *cpu)
{
    fixture_rng rng = {14};
    for (uint32_t n = 16; n <= 1040; n += n < 64 ? 16 : 208) {
        nb_act act = fixture_act(&rng, 5, n, cpu->pack);
        for (uint32_t row = 0; row < 5; row++) {
            float *x = fixture_memory(n * sizeof *x), expected[1040];
            uint8_t codes[520], scales[65];
            nb_nvfp4_encode(act.x + (size_t)row * n, n, act.globals[row], codes, scales);
            nb_nvfp4_decode(codes, scales, n, act.globals[row], expected);
            grad->unpack(&act, row, x);
            for (uint32_t i = 0; i < n; i++)
                assert_true(x[i] == expected[i]); // -0 equals 0: a product does not tell them apart
        }
        fixture_release();
    }
}

static void unpacks_what_inference_multiplies(void **state)
{
    (void)state;
    each_grad_table(unpack_of);
}

static void kv_of(const nb_grad_kernels *grad, const nb_cpu_kernels *cpu)
{
    for (unsigned scale = 0; scale < 0x7f; scale++) {
        uint8_t vector[2 * 9];
        float x[32];
        for (int i = 0; i < 16; i++) // n = -7..7 in nibbles, -8 does not occur
            vector[i] = (uint8_t)((i % 15 + 9) % 16 | ((14 - i % 15 + 9) % 16) << 4);
        vector[16] = vector[17] = (uint8_t)scale;
        grad->kv_decode(vector, 32, x);
        for (int i = 0; i < 16; i++) {
            assert_true(x[2 * i] == nb_e4m3_decode((uint8_t)scale) * ((float)(i % 15 - 7) / 2));
            assert_true(x[2 * i + 1] == nb_e4m3_decode((uint8_t)scale) * ((float)(7 - i % 15) / 2));
        }
    }
    fixture_rng rng = {15};
    float *x = random_floats(&rng, 64), y[64], z[64];
    uint8_t vector[36], again[36];
    cpu->store_v(NB_KV_FORMAT_E1M2, x, 1.0f, 64, 0, vector);
    grad->kv_decode(vector, 64, y);
    cpu->store_v(NB_KV_FORMAT_E1M2, y, 1.0f, 64, 0, again);
    grad->kv_decode(again, 64, z);
    for (int i = 0; i < 64; i++)
        assert_true(fabsf(x[i] - y[i]) <= 0.1f * fmaxf(1, fabsf(x[i])) + 0.2f && z[i] == z[i]);
    fixture_release();
}

static void decodes_the_cache(void **state)
{
    (void)state;
    each_grad_table(kv_of);
}

// ---- logits -------------------------------------------------------------------------------------------------------

typedef struct logit_loss {
    uint32_t target;
    double scale, sem;
} logit_loss;

static double entropy_of(const double *z, uint32_t n, double *lse)
{
    double maximum = z[0], sum = 0, entropy = 0;
    for (uint32_t i = 1; i < n; i++)
        maximum = fmax(maximum, z[i]);
    for (uint32_t i = 0; i < n; i++)
        sum += exp(z[i] - maximum);
    *lse = maximum + log(sum);
    for (uint32_t i = 0; i < n; i++)
        entropy -= exp(z[i] - *lse) * (z[i] - *lse);
    return entropy;
}

static double loss_of(const double *z, uint32_t n, const void *user)
{
    const logit_loss *loss = user;
    double lse, entropy = entropy_of(z, n, &lse);
    return loss->scale * (lse - z[loss->target]) + loss->sem * entropy;
}

static void logits_of(const nb_grad_kernels *grad, const nb_cpu_kernels *cpu)
{
    (void)cpu;
    fixture_rng rng = {16};
    const double sems[] = {0, 0.3};
    for (size_t s = 0; s < NB_COUNT(sizes); s++)
        for (size_t e = 0; e < NB_COUNT(sems); e++) {
            uint32_t n = sizes[s], best = 0;
            float *z = random_floats(&rng, n);
            double wide[N_MAX], expected[N_MAX], lse;
            for (uint32_t i = 0; i < n; i++) {
                wide[i] = (double)(z[i] *= 3);
                best = z[i] > z[best] ? i : best;
            }
            logit_loss loss = {fixture_below(&rng, n), 0.125, sems[e]};
            nb_grad_logits stats;
            grad->logit_stats(z, n, &stats);
            double entropy = entropy_of(wide, n, &lse);
            assert_true(fabs((double)stats.lse - lse) <= 1e-6 * fmax(1, fabs(lse)));
            assert_true(fabs((double)stats.entropy - entropy) <= 2e-6 * fmax(1, entropy));
            assert_int_equal(stats.best, best);
            differences(loss_of, wide, n, &loss, expected);
            grad->logit_gradient(z, n, &stats, loss.target, (float)loss.scale, (float)loss.sem);
            if (n > 1)
                assert_near("gradient of logits", z, expected, n, 3e-6);
            fixture_release();
        }
}

static void logit_gradients(void **state)
{
    (void)state;
    each_grad_table(logits_of);
}

static void sums_of(const nb_grad_kernels *grad, const nb_cpu_kernels *cpu)
{
    (void)cpu;
    fixture_rng rng = {17};
    for (size_t s = 0; s < NB_COUNT(sizes); s++) {
        uint32_t n = sizes[s];
        float *x = random_floats(&rng, n), *y = random_floats(&rng, n), *sum = random_floats(&rng, n);
        double product = 0, absolute = 0;
        for (uint32_t i = 0; i < n; i++) {
            product += (double)x[i] * (double)y[i];
            absolute += fabs((double)x[i] * (double)y[i]);
        }
        assert_true(fabs((double)grad->dot(x, y, n) - product) <= n * 0x1p-24 * absolute);
        for (uint32_t i = 0; i < n; i++)
            y[i] = sum[i] + x[i];
        grad->add(sum, x, n);
        assert_memory_equal(sum, y, n * sizeof *y);
        for (uint32_t i = 0; i < n; i++)
            y[i] = sum[i] + 0.25f * x[i]; // exact products: fused or not, the same
        grad->add_scaled(sum, x, 0.25f, n);
        assert_memory_equal(sum, y, n * sizeof *y);
        fixture_release();
    }
}

typedef struct bf16_case {
    float x;
    uint16_t expected;
} bf16_case;

static void bf16_of(const nb_grad_kernels *grad, const nb_cpu_kernels *cpu)
{
    (void)cpu;
    static const bf16_case exact[] = {
        {1.0f, 0x3f80},      {-1.0f, 0xbf80},       {0.0f, 0x0000},          {-0.0f, 0x8000},
        {0x1.01p0f, 0x3f80}, {0x1.03p0f, 0x3f82},   {0x1.010002p0f, 0x3f81}, {0x1.fffffep127f, 0x7f80},
        {0x1p-133f, 0x0001}, {0x1p-134f, 0x0000},   {0x1.8p-133f, 0x0002},   {(float)INFINITY, 0x7f80},
        {2688.0f, 0x4528},   {-0x1.02p-9f, 0xbb01},
    };
    fixture_rng rng = {19};
    for (uint32_t n = 1; n < 100; n += 7) {
        float *x = fixture_memory(n * sizeof *x);
        uint16_t *out = fixture_memory(n * sizeof *out);
        for (uint32_t i = 0; i < n; i++)
            x[i] = i < NB_COUNT(exact) ? exact[i].x : fixture_float(&rng);
        grad->to_bf16(x, n, out);
        for (uint32_t i = 0; i < n; i++)
            assert_int_equal(out[i], i < NB_COUNT(exact) ? exact[i].expected : nb_bf16_encode(x[i]));
        x[n - 1] = nb_f32_from_bits(0x7fffffff); // rounding its bits would give -0
        grad->to_bf16(x, n, out);
        assert_true((out[n - 1] & 0x7fff) > 0x7f80);
        fixture_release();
    }
}

static void rounds_to_bf16(void **state)
{
    (void)state;
    each_grad_table(bf16_of);
}

static void sums(void **state)
{
    (void)state;
    each_grad_table(sums_of);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(norm_gradients),
        cmocka_unit_test(swiglu_gradients),
        cmocka_unit_test(rope_gradients),
        cmocka_unit_test(unpacks_what_inference_multiplies),
        cmocka_unit_test(decodes_the_cache),
        cmocka_unit_test(logit_gradients),
        cmocka_unit_test(sums),
        cmocka_unit_test(rounds_to_bf16),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
