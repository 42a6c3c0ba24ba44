// SPDX-License-Identifier: Apache-2.0
// The double-precision functions against the C library's long double ones.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kernels/math_f64.h"

static double relative(double found, long double expected)
{
    return (double)(fabsl((long double)found - expected) / fabsl(expected));
}

static void log_is_accurate(void **state)
{
    (void)state;
    double worst = 0;
    for (double x = 0x1p-1000; x < 0x1p1000; x *= 1.0007)
        worst = fmax(worst, relative(nb_log_f64(x), logl((long double)x)));
    for (int i = -2000; i <= 2000; i++) { // near 1 the logarithm vanishes: compared absolutely
        double x = 1 + i * 0x1p-20;
        assert_true(fabsl((long double)nb_log_f64(x) - logl((long double)x)) < 1e-15L * 0x1p-8L + 4e-18L);
    }
    print_message("log: largest relative error %.3g\n", worst);
    assert_true(worst < 1e-15 && worst > 1e-18);
    assert_true(nb_log_f64(1) == 0);
}

static void exp_is_accurate(void **state)
{
    (void)state;
    double worst = 0;
    for (double x = -699; x < 699; x += 0.0137)
        worst = fmax(worst, relative(nb_exp_f64(x), expl((long double)x)));
    print_message("exp: largest relative error %.3g\n", worst);
    assert_true(worst < 1e-15 && worst > 1e-18);
    assert_true(nb_exp_f64(0) == 1);
}

static void pow_is_accurate(void **state)
{
    (void)state;
    double worst = 0;
    const double bases[] = {10000, 500000, 1000000, 2, 1.5, 40000};
    for (size_t b = 0; b < sizeof bases / sizeof *bases; b++)
        for (int i = 0; i <= 128; i++) {
            double y = -i / 128.0; // as RoPE frequencies use it
            worst = fmax(worst, relative(nb_pow_f64(bases[b], y), powl((long double)bases[b], (long double)y)));
        }
    print_message("pow: largest relative error %.3g\n", worst);
    assert_true(worst < 1e-14); // error grows with |y ln base| <= 14
}

static void sine_and_cosine_are_accurate(void **state)
{
    (void)state;
    double worst = 0;
    for (double x = 1e-9; x < 0x1p30; x *= 1.00013) {
        double sine, cosine, sine_minus, cosine_minus;
        nb_sincos_f64(x, &sine, &cosine);
        nb_sincos_f64(-x, &sine_minus, &cosine_minus);
        assert_true(sine_minus == -sine && cosine_minus == cosine);
        worst = fmax(worst, (double)fabsl((long double)sine - sinl((long double)x)));
        worst = fmax(worst, (double)fabsl((long double)cosine - cosl((long double)x)));
    }
    print_message("sin, cos: largest error %.3g\n", worst);
    assert_true(worst < 1e-15 && worst > 1e-18);
    double sine, cosine;
    nb_sincos_f64(0, &sine, &cosine);
    assert_true(sine == 0 && cosine == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_is_accurate),
        cmocka_unit_test(exp_is_accurate),
        cmocka_unit_test(pow_is_accurate),
        cmocka_unit_test(sine_and_cosine_are_accurate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
