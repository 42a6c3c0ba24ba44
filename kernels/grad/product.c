// SPDX-License-Identifier: Apache-2.0
#include "kernels/grad/product.h"

#include <dnnl.h>

// Of OpenMP, which oneDNN asks how many threads a call may use; the setting is the calling thread's own.
void omp_set_num_threads(int n_threads);

static void multiply(char transposes_a, char transposes_b, size_t m, size_t n, size_t k, nb_const_matrix a,
                     nb_const_matrix b, bool add, nb_matrix c)
{
    if (m == 0 || n == 0)
        return;
    omp_set_num_threads(1);
    dnnl_status_t status =
        dnnl_sgemm(transposes_a, transposes_b, (dnnl_dim_t)m, (dnnl_dim_t)n, (dnnl_dim_t)k, 1.0f, a.data,
                   (dnnl_dim_t)a.stride, b.data, (dnnl_dim_t)b.stride, add ? 1.0f : 0.0f, c.data, (dnnl_dim_t)c.stride);
    NB_ASSERT(status == dnnl_success);
}

void nb_product(size_t m, size_t n, size_t k, nb_const_matrix a, nb_const_matrix b, bool add, nb_matrix c)
{
    multiply('N', 'N', m, n, k, a, b, add, c);
}

void nb_product_bt(size_t m, size_t n, size_t k, nb_const_matrix a, nb_const_matrix b, bool add, nb_matrix c)
{
    multiply('N', 'T', m, n, k, a, b, add, c);
}

void nb_product_at(size_t m, size_t n, size_t k, nb_const_matrix a, nb_const_matrix b, bool add, nb_matrix c)
{
    multiply('T', 'N', m, n, k, a, b, add, c);
}
