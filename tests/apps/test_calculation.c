// SPDX-License-Identifier: Apache-2.0
// Calculations of any length: values that were worked out by hand, what is none, and what has no value.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apps/tutor/calculation.h"

static char value[512];

// From memory of just its size, so that a read beyond its end is found.
static nb_calculation solve(const char *text)
{
    size_t bytes = strlen(text);
    char *copy = malloc(bytes + !bytes);
    memcpy(copy, text, bytes);
    value[0] = 0;
    nb_calculation found = nb_calculation_solve(copy, bytes, value, sizeof value);
    free(copy);
    return found;
}

static void values(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"1 + 2", "3"},
        {"12 + 7 + 30", "49"},
        {"100 - 20 - 30", "50"},
        {"100 - (20 - 30)", "110"},
        {"2 + 3 * 4 - 5", "9"},
        {"(2+3)*4", "20"},
        {"-(2 + 3) * -4", "20"},
        {"5 - -3", "8"},
        {"24 / 4 / 3", "2"},
        {"2 * 3/4", "1.5"},
        {"1/2 + 1/3 + 1/6", "1"},
        {"12/4", "3"},
        {"6 × 7 ÷ 4 − 0.5", "10"},
        {"2 x 3 x 4", "24"},
        {"1,250 - 250 * 2", "750"},
        {"1 / 3 + 1", "4/3"},
        {"200 * 15% + 3", "33"},
        {"((((1))) + 1)", "2"},
        {" $2.50 * 3 ", "7.5"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(solve(cases[i][0]), NB_CALCULATION_SOLVED);
        assert_string_equal(value, cases[i][1]);
    }
}

static void no_calculations(void **state)
{
    (void)state;
    static const char *const cases[] = {"",    " ",      "7",      "(7)",     "-",        "1 +",     "+ 1",
                                        "1 2", "(1 + 2", "1 + 2)", "1 + * 2", "3 (4)",    "6 / 1/2", "1/2%",
                                        "()",  "1 + x",  "a + 1",  "1 + 2 =", "- (1 + 2)"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(solve(cases[i]), NB_CALCULATION_NONE);
    assert_int_equal(nb_calculation_solve("1 + 2\0", 6, value, sizeof value), NB_CALCULATION_NONE);
}

static void no_value(void **state)
{
    (void)state;
    static const char *const by_zero[] = {"5 / 0", "5 / (2 - 2)", "1 + 3/0 - 2", "4 / 0.00", "0/0", "(1 / 0) * 2"};
    for (size_t i = 0; i < sizeof by_zero / sizeof by_zero[0]; i++)
        assert_int_equal(solve(by_zero[i]), NB_CALCULATION_BY_ZERO);
    char long_one[1024] = "1", deep[128], *at = long_one + 1;
    for (int i = 0; i < 70; i++)
        at += sprintf(at, " + 1");
    assert_int_equal(solve(long_one), NB_CALCULATION_TOO_LARGE);
    memset(long_one, '9', 250);
    strcpy(long_one + 250, " + 1");
    assert_int_equal(solve(long_one), NB_CALCULATION_TOO_LARGE);
    memset(deep, '(', 100);
    strcpy(deep + 100, "1 + 1");
    assert_int_equal(solve(deep), NB_CALCULATION_TOO_LARGE);
    assert_int_equal(nb_calculation_solve("5 + 5", 5, value, 2), NB_CALCULATION_TOO_LARGE);
    assert_int_equal(nb_calculation_solve("5 + 5", 5, value, 3), NB_CALCULATION_SOLVED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),
        cmocka_unit_test(no_calculations),
        cmocka_unit_test(no_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
