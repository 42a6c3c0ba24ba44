// SPDX-License-Identifier: Apache-2.0
// What the processor is and can do.
#ifndef NB_PLATFORM_CPU_H
#define NB_PLATFORM_CPU_H

#include "platform/base.h"

typedef struct nb_cpu {
    bool avx2;        // with FMA and F16C
    bool avx512_vnni; // F, BW, DQ, VL and VNNI, and the system saves their registers; includes avx2
    bool neon_dotprod;
    bool i8mm;                            // includes neon_dotprod
    char model[96];                       // "" when unknown
    uint32_t n_cores;                     // physical cores, and ...
    uint32_t n_threads;                   // ... logical processors this process may use, both at least 1
    size_t l1d_bytes, l2_bytes, l3_bytes; // as one core sees them; 0 when unknown
} nb_cpu;

void nb_cpu_probe(nb_cpu *cpu);

#endif
