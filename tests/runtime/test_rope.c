// SPDX-License-Identifier: Apache-2.0
// RoPE angles against vLLM's tables and against the formulas in long double (libm's, not the project's).
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/rope.h"
#include "tests/support/npy.h"

enum { E = 64 };

static nb_rope plain(double theta)
{
    return (nb_rope){.kind = NB_ROPE_DEFAULT, .theta = theta, .factor = 1.0, .attention_factor = 1.0};
}

static void expect_angles(const nb_rope *rope, uint32_t position, const long double *frequencies, double scale)
{
    nb_rope_table table;
    float cosines[E / 2], sines[E / 2];
    nb_rope_table_init(&table, rope, E);
    nb_rope_angles(&table, position, cosines, sines);
    for (int i = 0; i < E / 2; i++) {
        // f32 rounding of the result, and the angle's own relative error of some 1e-15 (pow) times its size
        double allowed = 6e-8 * scale + 4e-15 * position;
        assert_true(fabs(cosines[i] - (double)(scale * cosl(position * frequencies[i]))) <= allowed);
        assert_true(fabs(sines[i] - (double)(scale * sinl(position * frequencies[i]))) <= allowed);
    }
}

static const uint32_t positions[] = {0, 1, 17, 63, 64, 500, 4095, 32768, 131071, 1000000};

static void default_and_linear(void **state)
{
    (void)state;
    nb_rope rope = plain(1000000.0);
    long double f[E / 2];
    for (size_t p = 0; p < NB_COUNT(positions); p++) {
        for (int i = 0; i < E / 2; i++)
            f[i] = powl(rope.theta, -2.0L * i / E);
        expect_angles(&rope, positions[p], f, 1.0);
        nb_rope linear = rope;
        linear.kind = NB_ROPE_LINEAR;
        linear.factor = 2.5;
        for (int i = 0; i < E / 2; i++)
            f[i] /= 2.5L;
        expect_angles(&linear, positions[p], f, 1.0);
    }
}

static void dynamic_stretches_the_base(void **state)
{
    (void)state;
    nb_rope rope = plain(10000.0);
    rope.kind = NB_ROPE_DYNAMIC;
    rope.factor = 4.0;
    rope.original_max_positions = 64.0;
    for (size_t p = 0; p < NB_COUNT(positions); p++) {
        long double n = positions[p] + 1.0L, theta = rope.theta, f[E / 2];
        if (n > 64.0L)
            theta *= powl(4.0L * n / 64.0L - 3.0L, E / (E - 2.0L));
        for (int i = 0; i < E / 2; i++)
            f[i] = powl(theta, -2.0L * i / E);
        expect_angles(&rope, positions[p], f, 1.0);
    }
}

// Written from the definition: correction range in dimensions, a linear ramp between, magnitude by attention_factor.
static void yarn(void **state)
{
    (void)state;
    nb_rope rope = {.kind = NB_ROPE_YARN,
                    .theta = 1000000.0,
                    .factor = 4.0,
                    .original_max_positions = 64.0,
                    .beta_fast = 32.0,
                    .beta_slow = 1.0,
                    .attention_factor = 0.1 * log(4.0) + 1.0,
                    .truncate = true};
    long double pi = acosl(-1.0L), f[E / 2];
    for (int truncate = 0; truncate < 2; truncate++) {
        rope.truncate = truncate;
        long double low = E * logl(64.0L / (32.0L * 2.0L * pi)) / (2.0L * logl(rope.theta));
        long double high = E * logl(64.0L / (1.0L * 2.0L * pi)) / (2.0L * logl(rope.theta));
        low = fmaxl(truncate ? floorl(low) : low, 0.0L);
        high = fminl(truncate ? ceill(high) : high, E - 1.0L);
        for (int i = 0; i < E / 2; i++) {
            long double ramp = fminl(fmaxl((i - low) / (high - low), 0.0L), 1.0L),
                        base = powl(rope.theta, -2.0L * i / E);
            f[i] = base / 4.0L * ramp + base * (1.0L - ramp);
        }
        for (size_t p = 0; p < NB_COUNT(positions); p++)
            expect_angles(&rope, positions[p], f, rope.attention_factor);
    }
}

// vLLM's cos_sin_cache [positions][rotary_dim]: cosines, then sines.
static void compare_cache(const char *folder, const nb_rope *rope, uint32_t head_dim)
{
    npy_array cache;
    if (!npy_read(&cache, folder, "cos_sin_cache"))
        skip();
    nb_rope_table table;
    nb_rope_table_init(&table, rope, head_dim);
    double worst = 0.0;
    for (uint32_t p = 0; p < cache.n / head_dim; p++) {
        float cosines[NB_ROPE_MAX_PAIRS], sines[NB_ROPE_MAX_PAIRS];
        nb_rope_angles(&table, p, cosines, sines);
        for (uint32_t i = 0; i < head_dim / 2; i++) {
            worst = fmax(worst, fabs(cosines[i] - npy_at(&cache, (size_t)p * head_dim + i)));
            worst = fmax(worst, fabs(sines[i] - npy_at(&cache, (size_t)p * head_dim + head_dim / 2 + i)));
        }
    }
    print_message("%s: worst difference %.1e, allowed 1e-5\n", folder, worst);
    assert_true(worst <= 1e-5); // its own angles are f32
    npy_free(&cache);
}

static void vllm_tables(void **state)
{
    (void)state;
    nb_rope llama3 = {.kind = NB_ROPE_LLAMA3,
                      .theta = 10000.0,
                      .factor = 4.0,
                      .low_freq_factor = 1.0,
                      .high_freq_factor = 4.0,
                      .original_max_positions = 32.0,
                      .attention_factor = 1.0};
    compare_cache("long_rope_llama3_neox_f32_bands", &llama3, 16);
    nb_rope dynamic = plain(10000.0);
    dynamic.kind = NB_ROPE_DYNAMIC;
    dynamic.original_max_positions = 128.0;
    compare_cache("long_rope_dynamic_factor1_neox_f32", &dynamic, 8);
}

// q and k of the golden files: heads of 64, of which the first 32 dimensions turn.
static void compare_rotation(const char *folder, double allowed)
{
    npy_array at, in, out;
    nb_rope rope = plain(10000.0);
    nb_rope_table table;
    nb_rope_table_init(&table, &rope, 32);
    for (int which = 0; which < 2; which++) {
        if (!npy_read(&at, folder, "positions"))
            skip();
        npy_read(&in, folder, which ? "k_in" : "q_in");
        npy_read(&out, folder, which ? "k_out" : "q_out");
        size_t row = in.n / at.n;
        for (size_t i = 0; i < in.n; i++) {
            float cosines[16], sines[16];
            size_t d = i % 64, pair = d % 16;
            nb_rope_angles(&table, (uint32_t)npy_at(&at, i / row), cosines, sines);
            double x = npy_at(&in, i), expected = x;
            if (d < 16)
                expected = x * cosines[pair] - npy_at(&in, i + 16) * sines[pair];
            else if (d < 32)
                expected = x * cosines[pair] + npy_at(&in, i - 16) * sines[pair];
            assert_true(fabs(expected - npy_at(&out, i)) <= allowed);
        }
        npy_free(&at);
        npy_free(&in);
        npy_free(&out);
    }
}

static void vllm_rotations(void **state)
{
    (void)state;
    compare_rotation("rope_f32_pos_short", 1e-5);
    compare_rotation("rope_f32_pos_131k", 2e-2); // its table is f32: angles of 131072 radians are off by 0.004
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(default_and_linear),
        cmocka_unit_test(dynamic_stretches_the_base),
        cmocka_unit_test(yarn),
        cmocka_unit_test(vllm_tables),
        cmocka_unit_test(vllm_rotations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
