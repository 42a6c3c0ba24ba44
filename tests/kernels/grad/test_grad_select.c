// SPDX-License-Identifier: Apache-2.0
#include "tests/kernels/grad/grad_tables.h"

static int n_seen;

static void see(const nb_grad_kernels *grad, const nb_cpu_kernels *cpu)
{
    n_seen++;
    if (strcmp(cpu->isa, "i8mm") == 0)
        assert_string_equal(grad->isa, "neon");
    else
        assert_string_equal(grad->isa, cpu->isa);
    assert_non_null(grad->attend_forward);
    assert_non_null(grad->attend_backward);
}

static void training_uses_the_isa_of_inference(void **state)
{
    (void)state;
    each_grad_table(see);
    assert_true(n_seen >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(training_uses_the_isa_of_inference)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
