// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/avx2.h"
#define NB_KERNEL(name) nb_##name##_avx2
#include "kernels/cpu/linear_float_template.h"
