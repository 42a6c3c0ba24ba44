// SPDX-License-Identifier: Apache-2.0
#include "kernels/grad/product.h"

#include <dnnl.h>

// Of OpenMP, which oneDNN asks how many threads a call may use; the setting is the calling thread's own.
void omp_set_num_threads(int n_threads);

// Exported by oneDNN 1 to 3 beside dnnl_sgemm, and of its form, but not declared in its headers (docs/decisions/0010).
dnnl_status_t dnnl_gemm_bf16bf16f32(char transposes_a, char transposes_b, dnnl_dim_t m, dnnl_dim_t n, dnnl_dim_t k,
                                    float alpha, const uint16_t *a, dnnl_dim_t a_stride, const uint16_t *b,
                                    dnnl_dim_t b_stride, float beta, float *c, dnnl_dim_t c_stride);

const char *nb_product_name(nb_product_kind kind)
{
    return kind == NB_PRODUCT_BF16 ? "bf16" : "f32";
}

static dnnl_status_t multiply(nb_product_kind kind, char transposes_a, char transposes_b, size_t m, size_t n, size_t k,
                              nb_const_matrix a, nb_const_matrix b, bool add, nb_matrix c)
{
    float beta = add ? 1.0f : 0.0f;
    if (m == 0 || n == 0)
        return dnnl_success;
    omp_set_num_threads(1);
    if (kind == NB_PRODUCT_BF16)
        return dnnl_gemm_bf16bf16f32(transposes_a, transposes_b, (dnnl_dim_t)m, (dnnl_dim_t)n, (dnnl_dim_t)k, 1.0f,
                                     a.data, (dnnl_dim_t)a.stride, b.data, (dnnl_dim_t)b.stride, beta, c.data,
                                     (dnnl_dim_t)c.stride);
    return dnnl_sgemm(transposes_a, transposes_b, (dnnl_dim_t)m, (dnnl_dim_t)n, (dnnl_dim_t)k, 1.0f, a.data,
                      (dnnl_dim_t)a.stride, b.data, (dnnl_dim_t)b.stride, beta, c.data, (dnnl_dim_t)c.stride);
}

bool nb_product_runs(nb_product_kind kind)
{
    const float zero = 0; // in both kinds
    float sum = 0;
    nb_const_matrix one_by_one = {&zero, 1};
    return multiply(kind, 'N', 'N', 1, 1, 1, one_by_one, one_by_one, false, (nb_matrix){&sum, 1}) == dnnl_success;
}

bool nb_product_has_bf16(void)
{
    // Flags of the instructions that oneDNN may use here; those of AMX include this one.
    unsigned bf16 = dnnl_cpu_isa_avx512_core_bf16;
    return (dnnl_get_effective_cpu_isa() & bf16) == bf16;
}

void nb_product(nb_product_kind kind, size_t m, size_t n, size_t k, nb_const_matrix a, nb_const_matrix b, bool add,
                nb_matrix c)
{
    dnnl_status_t status = multiply(kind, 'N', 'N', m, n, k, a, b, add, c);
    NB_ASSERT(status == dnnl_success);
}

void nb_product_bt(nb_product_kind kind, size_t m, size_t n, size_t k, nb_const_matrix a, nb_const_matrix b, bool add,
                   nb_matrix c)
{
    dnnl_status_t status = multiply(kind, 'N', 'T', m, n, k, a, b, add, c);
    NB_ASSERT(status == dnnl_success);
}

void nb_product_at(nb_product_kind kind, size_t m, size_t n, size_t k, nb_const_matrix a, nb_const_matrix b, bool add,
                   nb_matrix c)
{
    dnnl_status_t status = multiply(kind, 'T', 'N', m, n, k, a, b, add, c);
    NB_ASSERT(status == dnnl_success);
}
