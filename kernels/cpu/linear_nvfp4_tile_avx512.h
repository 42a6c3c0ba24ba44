// SPDX-License-Identifier: Apache-2.0
// Two rows of decoded weights times six tokens, all sums in registers: the inner loop of a prefill on AVX-512. Included
// by kernels/cpu/linear_nvfp4_avx512.c alone.
//
// In assembly for the sake of its order: all tokens take one group before any takes the next, so that no instruction
// waits for the one before it. Compilers go token by token, and chains of dependent instructions fill the scheduler.
// zmm0..11 are the sums and 12..23 the dots of rows 0 and 1 of each token in turn, 24..27 of the rows, 28 of the
// activations.
#ifndef NB_KERNELS_CPU_LINEAR_NVFP4_TILE_AVX512_H
#define NB_KERNELS_CPU_LINEAR_NVFP4_TILE_AVX512_H

#include "kernels/cpu/avx512.h"

enum { PAIR = 2, TILE_TOKENS = 6 }; // rows and tokens of a tile

// 16 blocks of one weight row: 2 * e2m1 + 12 in the order of nb_act.codes, block scales / 256, and what takes the 1.5 *
// 2^23 off their products.
typedef struct decoded {
    __m512i groups[4];
    __m512 scales, zeros;
} decoded;

// The activations of a tile: those of token j begin `stride` steps behind those of token j - 1.
typedef struct tile_acts {
    const nb_act_step *first;
    size_t stride;
} tile_acts;

// What comes behind a tile's last step: nothing, for more are to come (sums of [token][row]); the first level of the
// tree over the lanes (sums of [token], lanes 0..7 those of row 0, 8..15 those of row 1); that after half a step more.
typedef enum tile_end { TILE_WAITS, TILE_ENDS, TILE_ENDS_IN_HALF } tile_end;

#define BEGIN_DOTS(ignored, at, sum0, sum1, dot0, dot1, out)                                                           \
    " vmovdqa64 256" at ", %%zmm" #dot0 "\n vmovdqa64 %%zmm" #dot0 ", %%zmm" #dot1 "\n"
#define ADD_DOTS(group, at, sum0, sum1, dot0, dot1, out)                                                               \
    " vmovdqa64 " group at ", %%zmm28\n"                                                                               \
    " vpdpbusd %%zmm28, %%zmm24, %%zmm" #dot0 "\n vpdpbusd %%zmm28, %%zmm25, %%zmm" #dot1 "\n"
#define SCALE_DOTS(ignored, at, sum0, sum1, dot0, dot1, out)                                                           \
    " vfmadd213ps %%zmm26, %%zmm24, %%zmm" #dot0 "\n vfmadd213ps %%zmm27, %%zmm25, %%zmm" #dot1 "\n"
#define ADD_SUMS(ignored, at, sum0, sum1, dot0, dot1, out)                                                             \
    " vmovaps 320" at ", %%zmm28\n"                                                                                    \
    " vfmadd231ps %%zmm28, %%zmm" #dot0 ", %%zmm" #sum0 "\n vfmadd231ps %%zmm28, %%zmm" #dot1 ", %%zmm" #sum1 "\n"
#define EACH_TOKEN(do_this, x)                                                                                         \
    do_this(x, "(%[near])", 0, 1, 12, 13, "0") do_this(x, "(%[near],%[stride])", 2, 3, 14, 15, "64")                   \
        do_this(x, "(%[near],%[stride],2)", 4, 5, 16, 17, "128") do_this(x, "(%[far])", 6, 7, 18, 19, "192")           \
            do_this(x, "(%[far],%[stride])", 8, 9, 20, 21, "256")                                                      \
                do_this(x, "(%[far],%[stride],2)", 10, 11, 22, 23, "320")
#define ROWS(offset0, offset1, to0, to1)                                                                               \
    " vmovdqa64 " offset0 "(%[rows]), %%zmm" #to0 "\n vmovdqa64 " offset1 "(%[rows]), %%zmm" #to1 "\n"
#define GROUP(offset0, offset1) ROWS(offset0, offset1, 24, 25) EACH_TOKEN(ADD_DOTS, offset0)
#define SUMS_FROM(at, i, j)     " vmovaps " at "(%[from]), %%zmm" #i "\n vmovaps 64+" at "(%[from]), %%zmm" #j "\n"
#define SUMS_TO(at, i, j)       " vmovaps %%zmm" #i ", " at "(%[to])\n vmovaps %%zmm" #j ", 64+" at "(%[to])\n"
#define EACH_SUM(do_this)                                                                                              \
    do_this("0", 0, 1) do_this("128", 2, 3) do_this("256", 4, 5) do_this("384", 6, 7) do_this("512", 8, 9)             \
        do_this("640", 10, 11)

// Half a step: eight blocks of row 0 in the lower lanes and of row 1 in the upper ones, the activations in both.
#define BEGIN_HALF(ignored, at, sum0, sum1, dot0, dot1, out) " vbroadcasti64x4 256" at ", %%zmm" #dot0 "\n"
#define ADD_HALF(group, at, sum0, sum1, dot0, dot1, out)                                                               \
    " vbroadcasti64x4 " group at ", %%zmm28\n vpdpbusd %%zmm28, %%zmm24, %%zmm" #dot0 "\n"
#define SCALE_HALF(ignored, at, sum0, sum1, dot0, dot1, out) " vfmadd213ps %%zmm26, %%zmm24, %%zmm" #dot0 "\n"
// Lanes 0..7 of both rows into sum0, lanes 8..15 into dot1: the tree's first level is their sum.
#define FOLD(ignored, at, sum0, sum1, dot0, dot1, out)                                                                 \
    " vshuff64x2 $0xee, %%zmm" #sum1 ", %%zmm" #sum0 ", %%zmm" #dot1 "\n"                                              \
    " vinsertf64x4 $1, %%ymm" #sum1 ", %%zmm" #sum0 ", %%zmm" #sum0 "\n"
#define SUM_HALF(ignored, at, sum0, sum1, dot0, dot1, out)                                                             \
    " vbroadcastf64x4 320" at ", %%zmm28\n vfmadd231ps %%zmm28, %%zmm" #dot0 ", %%zmm" #sum0 "\n"
#define PUT_FOLDED(ignored, at, sum0, sum1, dot0, dot1, out)                                                           \
    " vaddps %%zmm" #dot1 ", %%zmm" #sum0 ", %%zmm" #sum0 "\n vmovaps %%zmm" #sum0 ", " out "(%[to])\n"
#define HALF_GROUP(offset) " vmovdqa64 " offset "(%[rows]), %%zmm24\n" EACH_TOKEN(ADD_HALF, offset)

// n_steps >= 1 steps of rows[step][row], then as `end` says.
static void full_tile(const decoded *rows, tile_acts acts, uint32_t n_steps, const __m512 *from, __m512 *to,
                      tile_end end)
{
    _Static_assert(sizeof *rows == 384 && offsetof(decoded, scales) == 256 && offsetof(decoded, zeros) == 320, "rows");
    _Static_assert(sizeof *acts.first == 384 && offsetof(nb_act_step, offsets) == 256 &&
                       offsetof(nb_act_step, scales) == 320,
                   "activations");
    const nb_act_step *near = acts.first, *far = acts.first + 3 * acts.stride;
    __asm__ volatile(
        EACH_SUM(SUMS_FROM) " .p2align 5\n1:\n" EACH_TOKEN(BEGIN_DOTS, "") GROUP("0", "384") GROUP("64", "448")
            GROUP("128", "512") GROUP("192", "576") ROWS("256", "640", 24, 25) ROWS("320", "704", 26, 27)
                EACH_TOKEN(SCALE_DOTS, "") EACH_TOKEN(
                    ADD_SUMS, "") " add $768, %[rows]\n add $384, %[near]\n add $384, %[far]\n dec %[n]\n jnz 1b\n"
                                  " cmp $1, %[end]\n jb 3f\n je 2f\n" EACH_TOKEN(BEGIN_HALF, "") HALF_GROUP("0")
                                      HALF_GROUP("64") HALF_GROUP("128") HALF_GROUP("192") ROWS("256", "320", 24, 26)
                                          EACH_TOKEN(SCALE_HALF, "") EACH_TOKEN(FOLD, "") EACH_TOKEN(SUM_HALF, "")
                                              EACH_TOKEN(PUT_FOLDED, "") " jmp 4f\n2:\n" EACH_TOKEN(FOLD, "")
                                                  EACH_TOKEN(PUT_FOLDED, "") " jmp 4f\n3:\n" EACH_SUM(SUMS_TO) "4:\n"
        : [rows] "+r"(rows), [near] "+r"(near), [far] "+r"(far), [n] "+r"(n_steps)
        : [stride] "r"(acts.stride * sizeof *acts.first), [from] "r"(from), [to] "r"(to), [end] "r"(end)
        : "cc", "memory", "zmm0", "zmm1", "zmm2", "zmm3", "zmm4", "zmm5", "zmm6", "zmm7", "zmm8", "zmm9", "zmm10",
          "zmm11", "zmm12", "zmm13", "zmm14", "zmm15", "zmm16", "zmm17", "zmm18", "zmm19", "zmm20", "zmm21", "zmm22",
          "zmm23", "zmm24", "zmm25", "zmm26", "zmm27", "zmm28");
}

#endif
