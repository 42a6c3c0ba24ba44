// SPDX-License-Identifier: Apache-2.0
// The 4-bit element types against tables and a nearest-value search written here, and the reference vectors of the
// E1M2 cache.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kernels/floats.h"
#include "kernels/fp4.h"
#include "tests/support/data_path.h"
#include "tests/support/oracle_tensors.h"

static const double E2M1_MAGNITUDE[8] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};

// Index of the magnitude nearest to |y|; of two equally near ones the even index.
static unsigned nearest_index(const double *magnitudes, double y)
{
    unsigned best = 0;
    if (fabs(y) > magnitudes[7]) // so large that the differences below would all be equal
        return 7;
    for (unsigned i = 1; i < 8; i++) {
        double gain = fabs(fabs(y) - magnitudes[best]) - fabs(fabs(y) - magnitudes[i]);
        if (gain > 0 || (gain == 0 && i % 2 == 0))
            best = i;
    }
    return best;
}

static void e2m1_decodes_every_code(void **state)
{
    (void)state;
    for (unsigned code = 0; code < 16; code++) {
        double magnitude = E2M1_MAGNITUDE[code & 7];
        float x = nb_e2m1_decode((uint8_t)code);
        assert_true((double)x == (code & 8 ? -magnitude : magnitude));
        assert_true((double)nb_e2m1_twice((uint8_t)code) == 2 * (double)x);
        assert_int_equal(nb_e2m1_encode(x), code); // code 8, -0, included
    }
}

static void check_e2m1(float x)
{
    unsigned expected = nearest_index(E2M1_MAGNITUDE, x);
    assert_int_equal(nb_e2m1_encode(x), expected | (signbit(x) ? 8u : 0u));
}

static void e2m1_rounds_to_nearest_even(void **state)
{
    (void)state;
    const float bounds[] = {0, 0.25f, 0.75f, 1.25f, 1.75f, 2.5f, 3.5f, 5, 6, 0x1p-149f, 0x1.fffffep127f, INFINITY};
    for (size_t i = 0; i < NB_COUNT(bounds); i++)
        for (int sign = -1; sign <= 1; sign += 2) {
            check_e2m1((float)sign * bounds[i]);
            check_e2m1((float)sign * nextafterf(bounds[i], INFINITY));
            check_e2m1((float)sign * nextafterf(bounds[i], 0));
        }
    assert_int_equal(nb_e2m1_encode(-0.0f), 8); // the sign of a zero is kept
    assert_int_equal(nb_e2m1_encode(-0.25f), 8);
    for (uint64_t bits = 0; bits <= 0x7f800000; bits += 4099)
        check_e2m1(nb_f32_from_bits((uint32_t)bits));
}

static void e1m2_rounds_to_nearest_even(void **state)
{
    (void)state;
    for (int eighths = -80; eighths <= 80; eighths++) { // every value, every tie and points between
        float y = (float)eighths / 8;
        int expected = 0;
        for (int n = -7; n <= 7; n++) {
            double gain = fabs((double)y - expected / 2.0) - fabs((double)y - n / 2.0);
            if (gain > 0 || (gain == 0 && n % 2 == 0))
                expected = n;
        }
        assert_int_equal(nb_e1m2_encode(y), expected);
        if (eighths % 2 == 0 && abs(eighths) < 26) { // just beside a tie
            assert_int_equal(nb_e1m2_encode(nextafterf(y, INFINITY)), (int)floor((eighths + 2) / 4.0));
            assert_int_equal(nb_e1m2_encode(nextafterf(y, -INFINITY)), (int)ceil((eighths - 2) / 4.0));
        }
    }
    assert_int_equal(nb_e1m2_encode(INFINITY), 7);
    assert_int_equal(nb_e1m2_encode(-1e30f), -7);
}

static void e1m2_codes_and_nibbles_agree(void **state)
{
    (void)state;
    for (int n = -7; n <= 7; n++) {
        assert_int_equal(nb_e1m2_code((int8_t)n), n < 0 ? 8 + -n : n);
        assert_int_equal(nb_e1m2_from_nibble((uint8_t)(n & 15)), n);
    }
}

typedef struct kv_case {
    const oracle_tensors *vectors;
    int n_cases;
} kv_case;

static void *need(const oracle_tensors *vectors, const char *stem, const char *field, size_t *n, size_t *n_rows)
{
    char name[320];
    snprintf(name, sizeof name, "%s%s", stem, field);
    void *data = oracle_tensor_copy(vectors, name, n, n_rows);
    assert_non_null(data);
    return data;
}

// s_b = E4M3(amax_b / (3.5 g)), n = E1M2(x / (s_b g)); an all-zero block has scale 1, a dead one no codes.
static void check_kv_block(const float *x, float g, const int8_t *n, uint8_t scale)
{
    float absmax = 0;
    for (int i = 0; i < 16; i++)
        absmax = fmaxf(absmax, fabsf(x[i]));
    uint8_t byte = absmax == 0 ? 0x38 : nb_e4m3_encode(absmax / (3.5f * g));
    assert_int_equal(byte, scale);
    float step = nb_e4m3_decode(byte) * g;
    for (int i = 0; i < 16; i++)
        assert_int_equal(byte == 0 ? 0 : nb_e1m2_encode(x[i] / step), n[i]);
}

static void check_kv_case(void *user, const char *stem)
{
    kv_case *test = user;
    size_t n_x, n_n, n_scales, n_g, n_rows;
    float *x = need(test->vectors, stem, ".x", &n_x, &n_rows), *g = need(test->vectors, stem, ".g", &n_g, &n_rows);
    int8_t *n = need(test->vectors, stem, ".n", &n_n, &n_rows);
    uint8_t *scales = need(test->vectors, stem, ".scales", &n_scales, &n_rows);
    assert_true(n_x == n_n && n_scales * 16 == n_x && n_g == 1);
    for (size_t b = 0; b < n_scales; b++)
        check_kv_block(x + 16 * b, g[0], n + 16 * b, scales[b]);
    test->n_cases++;
    free(x);
    free(g);
    free(n);
    free(scales);
}

static void e1m2_equals_the_reference_vectors(void **state)
{
    (void)state;
    const char *data = nb_test_data("models/oracle/quantiser");
    if (!data)
        skip();
    oracle_tensors vectors;
    oracle_tensors_open(&vectors, data, "kv_e1m2.st");
    kv_case test = {&vectors, 0};
    oracle_tensors_each(&vectors, ".x", check_kv_case, &test);
    assert_int_equal(test.n_cases, 8);
    oracle_tensors_close(&vectors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(e2m1_decodes_every_code),           cmocka_unit_test(e2m1_rounds_to_nearest_even),
        cmocka_unit_test(e1m2_rounds_to_nearest_even),       cmocka_unit_test(e1m2_codes_and_nibbles_agree),
        cmocka_unit_test(e1m2_equals_the_reference_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
