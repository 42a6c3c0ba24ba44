// SPDX-License-Identifier: Apache-2.0
// The arithmetic of the export, on all threads, by the one quantiser of the project. No result depends on the number of
// threads.
#ifndef NB_APPS_QUANTIZE_ENCODE_H
#define NB_APPS_QUANTIZE_ENCODE_H

#include "apps/qat/quantize_plan.h"
#include "platform/pool.h"

// One row of values, from F32, F16 or BF16 in any alignment.
void nb_quantize_row_decode(nb_dtype dtype, const uint8_t *data, size_t n, float *x);
bool nb_quantize_is_float(nb_dtype dtype); // one of these three

// Largest |x| of `n` values, and whether all are finite.
typedef struct nb_quantize_range {
    float absmax;
    size_t bad_at; // index of the first value that is not finite; n when all are
} nb_quantize_range;
nb_quantize_range nb_quantize_range_of(nb_pool *pool, nb_dtype dtype, const uint8_t *data, size_t n);

// Scratch for the largest linear of a plan.
typedef struct nb_quantize_buffer {
    uint8_t *codes;  // [n_rows, n_cols / 2]
    uint8_t *scales; // [n_rows, n_cols / 16]
    float *rows;     // [n_workers][2 * n_cols]
    double *errors;  // [n_rows]: sum of squared differences
    double *norms;   // [n_rows]: sum of squares
    size_t n_cols_max;
} nb_quantize_buffer;
NB_MUST_USE nb_status nb_quantize_buffer_create(nb_quantize_buffer *buffer, const nb_quant_plan *plan, nb_pool *pool,
                                                nb_error *error);
void nb_quantize_buffer_free(nb_quantize_buffer *buffer);

// Encodes a whole weight with its group's g into buffer->codes and scales. Returns ||x - x^|| / ||x||, 0 for x = 0.
double nb_quantize_linear(nb_pool *pool, nb_quantize_buffer *buffer, const nb_quant_linear *linear, float g);

#endif
