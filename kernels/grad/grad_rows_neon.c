// SPDX-License-Identifier: Apache-2.0
#define NB_GRAD_ISA          "neon"
#define NB_GRAD_VECTOR_BYTES 16
#define NB_GRAD_TABLE_NAME   nb_grad_rows_neon
#include "kernels/grad/grad_rows_template.h"
