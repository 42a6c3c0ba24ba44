// SPDX-License-Identifier: Apache-2.0
// Learning rates against the formulas written out by hand.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "apps/qat/schedule.h"

static void assert_near(double found, double expected)
{
    if (fabs(found - expected) > 1e-12 * fabs(expected) + 1e-18)
        fail_msg("expected %.17g, found %.17g", expected, found);
}

static void warmup_rises_evenly(void **state)
{
    (void)state;
    nb_schedule s = {NB_SCHEDULE_CONSTANT, 2e-3, 0.01, 0.1, 50};
    for (uint64_t step = 0; step < 5; step++)
        assert_near(nb_schedule_rate(&s, step), 2e-3 * (double)(step + 1) / 5);
    for (uint64_t step = 5; step < 50; step++)
        assert_near(nb_schedule_rate(&s, step), 2e-3);
}

static void cosine_ends_at_the_floor(void **state)
{
    (void)state;
    nb_schedule s = {NB_SCHEDULE_COSINE, 1e-3, 0.01, 0, 101};
    assert_near(nb_schedule_rate(&s, 0), 1e-3);
    assert_near(nb_schedule_rate(&s, 25), 1e-3 * (0.01 + 0.99 * (1 + sqrt(0.5)) / 2));
    assert_near(nb_schedule_rate(&s, 50), 1e-3 * 0.505);
    assert_near(nb_schedule_rate(&s, 100), 1e-5);
}

static void linear_falls_evenly(void **state)
{
    (void)state;
    nb_schedule s = {NB_SCHEDULE_LINEAR, 1, 0.5, 0.03, 11}; // one step of warm-up, at the full rate
    assert_near(nb_schedule_rate(&s, 0), 1);
    for (uint64_t step = 1; step < 11; step++)
        assert_near(nb_schedule_rate(&s, step), 1 - 0.5 * (double)(step - 1) / 9);
}

static void short_trainings_have_a_rate(void **state)
{
    (void)state;
    for (int kind = 0; kind < 3; kind++)
        for (uint64_t n = 1; n < 4; n++)
            for (int warm = 0; warm < 3; warm++) {
                nb_schedule s = {(nb_schedule_kind)kind, 1, 0, warm / 2.0, n};
                for (uint64_t step = 0; step < n; step++) {
                    double rate = nb_schedule_rate(&s, step);
                    assert_true(rate >= 0 && rate <= 1);
                }
                assert_true(nb_schedule_rate(&s, 0) > 0);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(warmup_rises_evenly),
        cmocka_unit_test(cosine_ends_at_the_floor),
        cmocka_unit_test(linear_falls_evenly),
        cmocka_unit_test(short_trainings_have_a_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
