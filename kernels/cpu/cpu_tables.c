// SPDX-License-Identifier: Apache-2.0
// The kernel tables of this build, one an ISA.
#include <string.h>

#include "kernels/cpu/cpu_kernels.h"
#include "platform/cpu.h"

// `others`: the ISA whose kernels serve for all but the NVFP4 product.
#define NB_KERNEL_TABLE(name, others)                                                                                  \
    {                                                                                                                  \
        .isa = #name, .linear_nvfp4 = nb_linear_nvfp4_##name, .linear_float = nb_linear_float_##others,                \
        .attend = nb_attend_##others, .norm = nb_norm_##others, .pack = nb_pack_##others,                              \
        .swiglu = nb_swiglu_##others, .rope = nb_rope_##others, .store_k = nb_store_k_##others,                        \
        .store_v = nb_store_v_##others, .combine = nb_combine_##others,                                                \
    }

static const nb_cpu_kernels scalar_table = NB_KERNEL_TABLE(scalar, scalar);
#if defined(__x86_64__)
static const nb_cpu_kernels avx2_table = NB_KERNEL_TABLE(avx2, avx2);
static const nb_cpu_kernels avx512_table = NB_KERNEL_TABLE(avx512, avx512);
#elif defined(__aarch64__)
static const nb_cpu_kernels neon_table = NB_KERNEL_TABLE(neon, neon);
static const nb_cpu_kernels i8mm_table = NB_KERNEL_TABLE(i8mm, neon);
#endif

const nb_cpu_kernels *const nb_cpu_tables[] = {
    &scalar_table,
#if defined(__x86_64__)
    &avx2_table,
    &avx512_table,
#elif defined(__aarch64__)
    &neon_table,
    &i8mm_table,
#endif
    NULL,
};

bool nb_cpu_table_runs(const nb_cpu_kernels *table)
{
    nb_cpu cpu;
    nb_cpu_probe(&cpu);
    if (strcmp(table->isa, "avx2") == 0)
        return cpu.avx2;
    if (strcmp(table->isa, "avx512") == 0)
        return cpu.avx512_vnni;
    if (strcmp(table->isa, "neon") == 0)
        return cpu.neon_dotprod;
    if (strcmp(table->isa, "i8mm") == 0)
        return cpu.i8mm;
    return strcmp(table->isa, "scalar") == 0;
}
