// SPDX-License-Identifier: Apache-2.0
#define NB_GRAD_ISA          "avx512"
#define NB_GRAD_VECTOR_BYTES 64
#define NB_GRAD_TABLE_NAME   nb_grad_rows_avx512
#include "kernels/grad/grad_rows_template.h"
