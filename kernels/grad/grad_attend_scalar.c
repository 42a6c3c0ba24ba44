// SPDX-License-Identifier: Apache-2.0
#define NB_GRAD_KERNEL(name) nb_grad_##name##_scalar
#define NB_GRAD_VECTOR_BYTES 16
#define NB_GRAD_TILE_ROWS    4
#include "kernels/grad/grad_attend_template.h"
