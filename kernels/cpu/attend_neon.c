// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/neon.h"
#define NB_KERNEL(name) nb_##name##_neon
#include "kernels/cpu/attend_template.h"
