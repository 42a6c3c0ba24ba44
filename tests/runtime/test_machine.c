// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/nibble.h"
#include "tests/support/faults.h"

static void probe_fills_everything(void **state)
{
    (void)state;
    nb_machine machine;
    memset(&machine, 0xff, sizeof machine);
    nb_machine_probe(&machine);
    assert_true(strncmp(machine.isas, "scalar", 6) == 0);
    assert_true(machine.n_cores >= 1 && machine.n_cores <= machine.n_threads && machine.n_threads < 10000);
    assert_true(machine.memory_available <= machine.memory_total && machine.memory_total < UINT64_C(1) << 50);
    assert_int_equal(machine.page_bytes, sysconf(_SC_PAGESIZE));
    assert_true(strlen(machine.cpu) < sizeof machine.cpu);
    assert_string_equal(machine.gpu, "");
}

static void bandwidth_is_physical(void **state)
{
    (void)state;
    double rate = nb_machine_read_bandwidth(2, 0.01);
    assert_true(rate == 0 || (rate > 1e7 && rate < 1e13));
}

static void bandwidth_gives_0_on_failure(void **state)
{
    (void)state;
    assert_true(nb_machine_read_bandwidth(0, 0.01) == 0);
    static const nb_fault kinds[] = {NB_FAULT_MALLOC, NB_FAULT_MMAP, NB_FAULT_THREAD};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        nb_faults_fail_at(kinds[i], 1);
        assert_true(nb_machine_read_bandwidth(2, 0.01) == 0);
        assert_true(nb_faults_reset());
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probe_fills_everything),
        cmocka_unit_test(bandwidth_is_physical),
        cmocka_unit_test(bandwidth_gives_0_on_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
