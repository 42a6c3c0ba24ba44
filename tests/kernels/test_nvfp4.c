// SPDX-License-Identifier: Apache-2.0
// The NVFP4 quantiser: reference vectors, every code under every scale byte, and the special blocks.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kernels/nvfp4.h"
#include "tests/support/data_path.h"
#include "tests/support/oracle_tensors.h"

static const double E2M1[16] = {0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6};

static double e4m3_value(unsigned byte)
{
    unsigned exponent = byte >> 3 & 15, mantissa = byte & 7;
    return exponent ? ldexp(8 + mantissa, (int)exponent - 10) : ldexp(mantissa, -9);
}

static void decodes_every_code_under_every_scale(void **state)
{
    (void)state;
    const float global_scales[] = {1, 0.0123f, 0x1p-140f, 3e30f};
    const uint8_t codes[8] = {0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe}; // values 0..15 in order
    for (unsigned scale = 0; scale < 0x7f; scale++)
        for (size_t i = 0; i < NB_COUNT(global_scales); i++) {
            float x[16];
            uint8_t byte = (uint8_t)scale;
            nb_nvfp4_decode(codes, &byte, 16, global_scales[i], x);
            for (int c = 0; c < 16; c++) { // the double product is exact: one rounding
                float expected = (float)(E2M1[c] * e4m3_value(scale) * (double)global_scales[i]);
                assert_int_equal(nb_f32_bits(x[c]), nb_f32_bits(expected));
            }
        }
}

// What decodes exactly must encode to itself: every code under every scale byte that a maximum of 6 can produce.
static void encodes_its_own_values_back(void **state)
{
    (void)state;
    for (unsigned scale = 1; scale < 0x7f; scale++) {
        const uint8_t codes[8] = {0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe};
        float x[16];
        uint8_t byte = (uint8_t)scale, again_scale, again[8];
        nb_nvfp4_decode(codes, &byte, 16, 0x1p-3f, x);
        nb_nvfp4_encode(x, 16, 0x1p-3f, again, &again_scale);
        assert_int_equal(again_scale, scale);
        assert_memory_equal(again, codes, 8);
    }
}

static void special_blocks(void **state)
{
    (void)state;
    float x[64] = {0}; // blocks: zero, zero with signs, dead, ordinary
    for (int i = 16; i < 32; i++)
        x[i] = -0.0f;
    for (int i = 32; i < 48; i++)
        x[i] = -1e-6f; // 1e-6 / (6 / 2688) rounds to an E4M3 of 0
    x[48] = 2688.0f / 448;
    x[49] = -0.0f;
    float g = nb_nvfp4_global_scale(nb_absmax(x, 64));
    uint8_t codes[32], scales[4];
    const uint8_t zero[24] = {0};
    nb_nvfp4_encode(x, 64, g, codes, scales);
    assert_int_equal(scales[0], 0x38);
    assert_int_equal(scales[1], 0x38);
    assert_int_equal(scales[2], 0x00);
    assert_int_equal(scales[3], 0x7e);
    assert_memory_equal(codes, zero, 24);
    assert_int_equal(codes[24], 0x87); // 6, and a zero that keeps its sign
}

static void zero_global_scale_means_zero(void **state)
{
    (void)state;
    float x[32] = {0}, tiny = 0x1p-149f;
    uint8_t codes[16], scales[2];
    const uint8_t zero[16] = {0};
    for (int pass = 0; pass < 2; pass++) { // an all-zero row, then one whose g underflows
        float g = nb_nvfp4_global_scale(nb_absmax(x, 32));
        assert_true(g == 0);
        nb_nvfp4_encode(x, 32, g, codes, scales);
        assert_true(scales[0] == 0x38 && scales[1] == 0x38);
        assert_memory_equal(codes, zero, 16);
        x[3] = -tiny;
    }
}

static void absmax_is_the_maximum(void **state)
{
    (void)state;
    const float x[] = {-0.0f, 1, -7.5f, 7.25f, 0x1p-149f};
    assert_true(nb_absmax(x, 0) == 0);
    assert_int_equal(nb_f32_bits(nb_absmax(x, 1)), 0);
    assert_true(nb_absmax(x, 5) == 7.5f);
    assert_true(nb_absmax(x + 4, 1) == 0x1p-149f);
}

typedef struct vector_run {
    const oracle_tensors *vectors;
    const char *mode; // "tensor": one g; "row": one g a row
    int n_cases;
} vector_run;

static void *need(const vector_run *run, const char *stem, const char *field, size_t *n, size_t *n_rows)
{
    char name[320];
    snprintf(name, sizeof name, "%s.%s.%s", stem, run->mode, field);
    void *data = oracle_tensor_copy(run->vectors, name, n, n_rows);
    assert_non_null(data);
    return data;
}

static void check_rows(const float *x, size_t n_rows, size_t n_columns, const float *g, size_t n_g,
                       const uint8_t *codes, const uint8_t *scales)
{
    uint8_t my_codes[64], my_scales[8];
    assert_int_equal(n_columns, 128);
    float tensor_g = nb_nvfp4_global_scale(nb_absmax(x, n_rows * n_columns));
    for (size_t r = 0; r < n_rows; r++) {
        const float *row = x + r * n_columns;
        float my_g = n_g == 1 ? tensor_g : nb_nvfp4_global_scale(nb_absmax(row, n_columns));
        assert_int_equal(nb_f32_bits(my_g), nb_f32_bits(g[n_g == 1 ? 0 : r]));
        nb_nvfp4_encode(row, n_columns, my_g, my_codes, my_scales);
        assert_memory_equal(my_codes, codes + r * 64, 64);
        assert_memory_equal(my_scales, scales + r * 8, 8);
    }
}

static void check_case(void *user, const char *stem)
{
    vector_run *run = user;
    char name[320];
    snprintf(name, sizeof name, "%s.x", stem);
    size_t n_x, n_g, n_codes, n_scales, n_rows, ignored;
    float *x = oracle_tensor_copy(run->vectors, name, &n_x, &n_rows);
    float *g = need(run, stem, "g", &n_g, &ignored);
    uint8_t *codes = need(run, stem, "codes", &n_codes, &ignored),
            *scales = need(run, stem, "scales", &n_scales, &ignored);
    assert_true(n_codes * 2 == n_x && n_scales * 16 == n_x);
    check_rows(x, n_rows, n_x / n_rows, g, n_g, codes, scales);
    run->n_cases++;
    free(x);
    free(g);
    free(codes);
    free(scales);
}

static void equals_the_reference_vectors(void **state)
{
    (void)state;
    const char *data = nb_test_data("models/oracle/quantiser");
    if (!data)
        skip();
    oracle_tensors vectors;
    oracle_tensors_open(&vectors, data, "nvfp4.st");
    const char *modes[] = {"tensor", "row"};
    for (int i = 0; i < 2; i++) {
        vector_run run = {&vectors, modes[i], 0};
        oracle_tensors_each(&vectors, ".x", check_case, &run);
        assert_int_equal(run.n_cases, 12);
    }
    oracle_tensors_close(&vectors);
}

static void e4m3_equals_the_reference_vectors(void **state)
{
    (void)state;
    const char *data = nb_test_data("models/oracle/quantiser");
    if (!data)
        skip();
    oracle_tensors vectors;
    oracle_tensors_open(&vectors, data, "e4m3.st");
    size_t n, n_bytes, n_rows;
    float *x = oracle_tensor_copy(&vectors, "x", &n, &n_rows);
    uint8_t *bytes = oracle_tensor_copy(&vectors, "byte", &n_bytes, &n_rows);
    assert_true(n == n_bytes && n > 2000);
    for (size_t i = 0; i < n; i++)
        if (nb_e4m3_encode(x[i]) != bytes[i])
            fail_msg("E4M3(%a): expected 0x%02x, found 0x%02x", (double)x[i], bytes[i], nb_e4m3_encode(x[i]));
    free(x);
    free(bytes);
    oracle_tensors_close(&vectors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_every_code_under_every_scale),
        cmocka_unit_test(encodes_its_own_values_back),
        cmocka_unit_test(special_blocks),
        cmocka_unit_test(zero_global_scale_means_zero),
        cmocka_unit_test(absmax_is_the_maximum),
        cmocka_unit_test(equals_the_reference_vectors),
        cmocka_unit_test(e4m3_equals_the_reference_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
