// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <time.h>

#include <cmocka.h>

#include "platform/clock.h"

static void runs_forward(void **state)
{
    (void)state;
    uint64_t last_ns = nb_clock_ns();
    for (int i = 0; i < 100000; i++) {
        uint64_t now_ns = nb_clock_ns();
        assert_true(now_ns >= last_ns);
        last_ns = now_ns;
    }
}

static void counts_nanoseconds(void **state)
{
    (void)state;
    uint64_t begin_ns = nb_clock_ns();
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL); // never less than asked for
    assert_true(nb_clock_ns() - begin_ns >= 20000000);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t ns = nb_clock_ns();
    assert_true(ns / 1000000000 >= (uint64_t)now.tv_sec && ns / 1000000000 <= (uint64_t)now.tv_sec + 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_forward),
        cmocka_unit_test(counts_nanoseconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
