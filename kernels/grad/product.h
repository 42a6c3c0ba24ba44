// SPDX-License-Identifier: Apache-2.0
// The matrix products of training, by oneDNN, one thread a call: workers of the pool call it on tiles whose sizes do
// not depend on the number of threads, so neither do the bits. Matrices are row-major, strides in floats.
#ifndef NB_KERNELS_GRAD_PRODUCT_H
#define NB_KERNELS_GRAD_PRODUCT_H

#include "platform/base.h"

typedef struct nb_matrix {
    float *data;
    size_t stride; // from one row to the next
} nb_matrix;

typedef struct nb_const_matrix {
    const float *data;
    size_t stride;
} nb_const_matrix;

// c[m, n] = a[m, k] b[k, n], added to c when `add`.
void nb_product(size_t m, size_t n, size_t k, nb_const_matrix a, nb_const_matrix b, bool add, nb_matrix c);

// c[m, n] = a[m, k] b[n, k]^T
void nb_product_bt(size_t m, size_t n, size_t k, nb_const_matrix a, nb_const_matrix b, bool add, nb_matrix c);

// c[m, n] = a[k, m]^T b[k, n]
void nb_product_at(size_t m, size_t n, size_t k, nb_const_matrix a, nb_const_matrix b, bool add, nb_matrix c);

#endif
