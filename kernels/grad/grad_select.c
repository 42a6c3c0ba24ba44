// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "kernels/cpu/cpu_kernels.h"
#include "kernels/grad/grad_kernels.h"

#define NB_GRAD_TABLE(table, name)                                                                                     \
    do {                                                                                                               \
        (table) = nb_grad_rows_##name;                                                                                 \
        (table).attend_forward = nb_grad_attend_forward_##name;                                                        \
        (table).attend_backward = nb_grad_attend_backward_##name;                                                      \
    } while (0)

nb_grad_kernels nb_grad_select(const nb_cpu_kernels *cpu)
{
    nb_grad_kernels table;
    NB_GRAD_TABLE(table, scalar);
#if defined(__x86_64__)
    if (strcmp(cpu->isa, "avx2") == 0)
        NB_GRAD_TABLE(table, avx2);
    if (strcmp(cpu->isa, "avx512") == 0)
        NB_GRAD_TABLE(table, avx512);
#elif defined(__aarch64__)
    if (strcmp(cpu->isa, "neon") == 0 || strcmp(cpu->isa, "i8mm") == 0)
        NB_GRAD_TABLE(table, neon);
#endif
    return table;
}
