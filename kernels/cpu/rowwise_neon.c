// SPDX-License-Identifier: Apache-2.0
#define NB_KERNEL(name) nb_##name##_neon
#include "kernels/cpu/rowwise_template.h"
