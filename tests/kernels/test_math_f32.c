// SPDX-License-Identifier: Apache-2.0
// nb_exp and nb_silu against double precision, over every exponent and densely where the forward pass lives.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kernels/math_f32.h"

static double exp_error(float x)
{
    double expected = exp((double)x);
    return fabs((double)nb_exp(x) - expected) / expected;
}

static void exp_is_accurate(void **state)
{
    (void)state;
    double worst = 0;
    for (float x = -87.3f; x <= 88.3f; x += 0x1p-13f)
        worst = fmax(worst, exp_error(x));
    for (uint32_t bits = 0; bits < 0x42ae0000; bits += 997) { // 0 .. 87 by bit patterns: tiny ones too
        worst = fmax(worst, exp_error(nb_f32_from_bits(bits)));
        worst = fmax(worst, exp_error(-nb_f32_from_bits(bits)));
    }
    print_message("exp: largest relative error %.3g of 2e-7\n", worst);
    assert_true(worst < 2e-7 && worst > 2e-9);
}

static void exp_at_its_ends(void **state)
{
    (void)state;
    assert_true(nb_exp(0.0f) == 1 && nb_exp(-0.0f) == 1);
    assert_int_equal(nb_f32_bits(nb_exp(-87.4f)), 0);
    assert_int_equal(nb_f32_bits(nb_exp(-1e30f)), 0);
    assert_int_equal(nb_f32_bits(nb_exp(-INFINITY)), 0);
    assert_true(nb_exp(88.3f) == nb_exp(89.0f) && nb_exp(88.3f) == nb_exp(INFINITY));
    assert_true(isfinite(nb_exp(INFINITY)));
}

static void exp_rises(void **state)
{
    (void)state;
    float last = 0;
    for (float x = -87.3f; x < 88.3f; x += 0x1p-10f) {
        assert_true(nb_exp(x) >= last);
        last = nb_exp(x);
    }
}

static void silu_is_accurate(void **state)
{
    (void)state;
    double worst = 0;
    for (float x = -80; x <= 80; x += 0x1p-10f) {
        double expected = (double)x / (1 + exp(-(double)x));
        if (x != 0)
            worst = fmax(worst, fabs((double)nb_silu(x) - expected) / fabs(expected));
    }
    print_message("silu: largest relative error %.3g\n", worst);
    assert_true(worst < 2e-7 + 2 * 0x1p-24); // that of exp, the sum, the quotient
    assert_true(nb_silu(0.0f) == 0 && nb_silu(1e30f) == 1e30f);
    assert_true(fabsf(nb_silu(-100.0f)) < 1e-36f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exp_is_accurate),
        cmocka_unit_test(exp_at_its_ends),
        cmocka_unit_test(exp_rises),
        cmocka_unit_test(silu_is_accurate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
