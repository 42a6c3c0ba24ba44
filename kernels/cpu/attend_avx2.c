// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/avx2.h"
#define NB_KERNEL(name) nb_##name##_avx2
#include "kernels/cpu/attend_template.h"
