// SPDX-License-Identifier: Apache-2.0
// Unpack by hand, since the layout of packed rows defeats the compiler.
#include "kernels/cpu/avx512.h"
#define NB_GRAD_ISA          "avx512"
#define NB_GRAD_VECTOR_BYTES 64
#define NB_GRAD_TABLE_NAME   nb_grad_rows_avx512

#include "kernels/grad/grad_kernels.h"
#include "kernels/nvfp4.h"

// Four blocks: group j of the codes holds four values of each, in the order of kernels/ops.h.
NB_INLINE void unpack_four(const nb_act_step *step, uint32_t first, float g, uint32_t n_blocks, float *x)
{
    __m512 v[4], pairs[4], halves[4];
    for (int j = 0; j < 4; j++)
        v[j] = _mm512_cvtepi32_ps(
            _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(step->codes + j * 64 + first * 4))));
    for (int j = 0; j < 2; j++) { // even and odd columns side by side: a quarter of one block in 128 bits
        pairs[2 * j] = _mm512_unpacklo_ps(v[2 * j], v[2 * j + 1]);
        pairs[2 * j + 1] = _mm512_unpackhi_ps(v[2 * j], v[2 * j + 1]);
    }
    halves[0] = _mm512_shuffle_f32x4(pairs[0], pairs[1], 0x44); // quarters 0 1 of blocks 0 1
    halves[1] = _mm512_shuffle_f32x4(pairs[2], pairs[3], 0x44);
    halves[2] = _mm512_shuffle_f32x4(pairs[0], pairs[1], 0xee); // of blocks 2 3
    halves[3] = _mm512_shuffle_f32x4(pairs[2], pairs[3], 0xee);
    for (uint32_t b = 0; b < n_blocks; b++) {
        const __m512 *half = halves + b / 2 * 2;
        __m512 twice =
            b % 2 ? _mm512_shuffle_f32x4(half[0], half[1], 0xdd) : _mm512_shuffle_f32x4(half[0], half[1], 0x88);
        __m512 scaled = _mm512_mul_ps(twice, _mm512_set1_ps(0.5f * step->scales[first + b]));
        _mm512_storeu_ps(x + b * NB_NVFP4_BLOCK, _mm512_mul_ps(scaled, _mm512_set1_ps(g)));
    }
}

static void unpack(const nb_act *act, uint32_t row, float *x)
{
    const nb_act_step *steps = act->steps + (size_t)row * nb_act_steps(act->n_cols);
    uint32_t n_blocks = act->n_cols / NB_NVFP4_BLOCK;
    for (uint32_t b = 0; b < n_blocks; b += 4)
        unpack_four(steps + b / 16, b % 16, act->globals[row], (uint32_t)nb_min(4, n_blocks - b),
                    x + (size_t)b * NB_NVFP4_BLOCK);
}

#define NB_GRAD_OWN_UNPACK
#include "kernels/grad/grad_rows_template.h"
