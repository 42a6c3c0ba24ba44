// SPDX-License-Identifier: Apache-2.0
#define NB_GRAD_ISA          "avx2"
#define NB_GRAD_VECTOR_BYTES 32
#define NB_GRAD_TABLE_NAME   nb_grad_rows_avx2
#include "kernels/grad/grad_rows_template.h"
