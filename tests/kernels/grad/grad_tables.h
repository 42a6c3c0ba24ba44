// SPDX-License-Identifier: Apache-2.0
// What the tests of kernels/grad share: every table this CPU runs, and comparisons with double precision.
#ifndef NB_TESTS_GRAD_TABLES_H
#define NB_TESTS_GRAD_TABLES_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/grad/grad_kernels.h"
#include "tests/support/fixtures.h"

typedef void (*grad_visit_fn)(const nb_grad_kernels *grad, const nb_cpu_kernels *cpu);

// Calls `visit` for every table of training kernels that this CPU runs.
static inline void each_grad_table(grad_visit_fn visit)
{
    for (const nb_cpu_kernels *const *table = nb_cpu_tables; *table; table++)
        if (nb_cpu_table_runs(*table)) {
            nb_grad_kernels grad = nb_grad_select(*table);
            visit(&grad, *table);
        }
}

// n values in guarded memory.
static inline float *random_floats(fixture_rng *rng, size_t n)
{
    float *x = fixture_memory(n * sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = fixture_float(rng);
    return x;
}

// ||x - expected|| <= bound ||expected||
static inline void assert_near(const char *what, const float *x, const double *expected, size_t n, double bound)
{
    double error = 0, norm = 0;
    for (size_t i = 0; i < n; i++) {
        error += ((double)x[i] - expected[i]) * ((double)x[i] - expected[i]);
        norm += expected[i] * expected[i];
    }
    if (!(error <= bound * bound * norm))
        fail_msg("%s: relative error %g, allowed %g", what, sqrt(error / norm), bound);
}

#endif
