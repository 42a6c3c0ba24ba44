// SPDX-License-Identifier: Apache-2.0
// What the E1M2 cache loses: the inference quantiser, there and back.
#ifndef NB_APPS_KV_ERROR_H
#define NB_APPS_KV_ERROR_H

#include "kernels/cpu/cpu_kernels.h"

// Sums over vectors x [E], in double; x^ is what comes back, shift added.
typedef struct nb_kv_error {
    double error;  // of (x - x^)^2
    double square; // of x^2
    uint64_t n;    // values
} nb_kv_error;

// Adds one vector of head_dim values (a multiple of 16, at most 256), of which the cache gets x - shift (NULL: x).
void nb_kv_error_add(nb_kv_error *sums, const nb_cpu_kernels *cpu, const float *x, const float *shift,
                     uint32_t head_dim);

static inline void nb_kv_error_join(nb_kv_error *sums, const nb_kv_error *more)
{
    sums->error += more->error;
    sums->square += more->square;
    sums->n += more->n;
}

static inline double nb_kv_error_mean(const nb_kv_error *sums) // mean squared error
{
    return sums->n ? sums->error / (double)sums->n : 0;
}

static inline double nb_kv_error_relative(const nb_kv_error *sums) // ||x - x^||^2 / ||x||^2
{
    return sums->square > 0 ? sums->error / sums->square : 0;
}

#endif
