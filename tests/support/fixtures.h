// SPDX-License-Identifier: Apache-2.0
// Random operands for kernel tests, in memory that ends directly before an unmapped page: a kernel that reads or writes
// one byte too far dies.
#ifndef NB_TESTS_FIXTURES_H
#define NB_TESTS_FIXTURES_H

#include "kernels/cpu/cpu_kernels.h"

// ---- random numbers (xorshift64*); seeds are fixed, so every run is the same ----

typedef struct fixture_rng {
    uint64_t state;
} fixture_rng;

uint32_t fixture_u32(fixture_rng *rng);
uint32_t fixture_below(fixture_rng *rng, uint32_t n);
float fixture_float(fixture_rng *rng); // about normal, deviation 1

// ---- guarded memory; everything is released by fixture_release() ----

void *fixture_memory(size_t bytes); // ends directly before an unmapped page; aligned to 1 only
void fixture_release(void);

// ---- operands ----

nb_weight fixture_weight(fixture_rng *rng, nb_format format, uint32_t n_rows, uint32_t n_cols, bool with_bias);

// x random with blocks of many magnitudes, some zero; packed by `pack` when it is not NULL.
nb_act fixture_act(fixture_rng *rng, uint32_t n_rows, uint32_t n_cols,
                   void (*pack)(const nb_act *act, uint32_t row, float static_scale));

// Calls `visit` for every table but the first (scalar) that this CPU runs; returns how many.
int fixture_tables(void (*visit)(const nb_cpu_kernels *table, void *user), void *user);

// The scalar table.
const nb_cpu_kernels *fixture_scalar(void);

#endif
