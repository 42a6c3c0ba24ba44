// SPDX-License-Identifier: Apache-2.0
// The matrix products of training, by oneDNN, one thread a call: workers of the pool call it on tiles whose sizes do
// not depend on the number of threads, so neither do the bits. Matrices are row-major, strides in elements.
#ifndef NB_KERNELS_GRAD_PRODUCT_H
#define NB_KERNELS_GRAD_PRODUCT_H

#include "platform/base.h"

// What the operands of a product are; sums and results are f32 in both.
typedef enum nb_product_kind {
    NB_PRODUCT_F32,
    NB_PRODUCT_BF16, // uint16_t, the upper halves of f32 values (kernels/floats.h)
} nb_product_kind;

typedef struct nb_matrix {
    float *data;
    size_t stride; // from one row to the next
} nb_matrix;

typedef struct nb_const_matrix {
    const void *data; // float or uint16_t, as the kind says
    size_t stride;
} nb_const_matrix;

// "f32", "bf16"
const char *nb_product_name(nb_product_kind kind);

// Whether oneDNN multiplies this kind on this CPU at all: f32 always, bf16 on x86 with AVX-512.
bool nb_product_runs(nb_product_kind kind);

// Whether the CPU has bf16 products (AVX512_BF16, AMX); without, oneDNN widens the operands, which is slower than f32.
bool nb_product_has_bf16(void);

// c[m, n] = a[m, k] b[k, n], added to c when `add`.
void nb_product(nb_product_kind kind, size_t m, size_t n, size_t k, nb_const_matrix a, nb_const_matrix b, bool add,
                nb_matrix c);

// c[m, n] = a[m, k] b[n, k]^T
void nb_product_bt(nb_product_kind kind, size_t m, size_t n, size_t k, nb_const_matrix a, nb_const_matrix b, bool add,
                   nb_matrix c);

// c[m, n] = a[k, m]^T b[k, n]
void nb_product_at(nb_product_kind kind, size_t m, size_t n, size_t k, nb_const_matrix a, nb_const_matrix b, bool add,
                   nb_matrix c);

#endif
