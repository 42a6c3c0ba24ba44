// SPDX-License-Identifier: Apache-2.0
// What the AVX-512 kernels share. Included by kernels/cpu/*_avx512.c alone. Used of the instruction set: F, BW, DQ, VL,
// VNNI.
#ifndef NB_KERNELS_CPU_AVX512_H
#define NB_KERNELS_CPU_AVX512_H

#include <immintrin.h>

#include "kernels/cpu/cpu_kernels.h"

// The fixed tree of cpu_kernels.h over the 16 lanes.
NB_INLINE float nb_avx512_lane_sum(__m512 lanes)
{
    __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(lanes), _mm512_extractf32x8_ps(lanes, 1));
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

// The tree over the 16 lanes of 16 sums at once: x[slot] for result slot, in the order that NB_AVX512_SUM_SLOTS tells.
static const uint8_t NB_AVX512_SUM_SLOTS[16] = {0, 2, 1, 3, 8, 10, 9, 11, 4, 6, 5, 7, 12, 14, 13, 15};

NB_INLINE __m512 nb_avx512_sixteen_lane_sums(__m512 *x)
{
    for (int i = 0; i < 8; i++)
        x[i] = _mm512_add_ps(_mm512_mask_blend_ps(0xff00, x[i], x[i + 8]), _mm512_shuffle_f32x4(x[i], x[i + 8], 0x4e));
    for (int i = 0; i < 4; i++)
        x[i] = _mm512_add_ps(_mm512_shuffle_f32x4(x[i], x[i + 4], 0x88), _mm512_shuffle_f32x4(x[i], x[i + 4], 0xdd));
    for (int i = 0; i < 2; i++) {
        __m512d first = _mm512_castps_pd(x[i]), second = _mm512_castps_pd(x[i + 2]);
        x[i] = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(first, second)),
                             _mm512_castpd_ps(_mm512_unpackhi_pd(first, second)));
    }
    return _mm512_add_ps(_mm512_shuffle_ps(x[0], x[1], 0x88), _mm512_shuffle_ps(x[0], x[1], 0xdd));
}

// 16 E4M3 bytes (non-negative) to value / 256, exact: seven bits placed across exponent and mantissa of an f16, whose
// bias is larger by 8. Through f16 because its denormals convert at full speed.
NB_INLINE __m512 nb_avx512_e4m3_over_256(__m128i bytes)
{
    return _mm512_cvtph_ps(_mm256_slli_epi16(_mm256_cvtepu8_epi16(bytes), 7));
}

NB_INLINE __m512 nb_avx512_e4m3(__m128i bytes)
{
    return _mm512_mul_ps(nb_avx512_e4m3_over_256(bytes), _mm512_set1_ps(256.0f));
}

// nb_exp, lane by lane with its bits.
NB_INLINE __m512 nb_avx512_exp(__m512 x)
{
    __m512 y = _mm512_max_ps(_mm512_min_ps(x, _mm512_set1_ps(88.3f)), _mm512_set1_ps(-87.3f));
    __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(y, _mm512_set1_ps(0x1.715476p+0f)), _MM_FROUND_CUR_DIRECTION);
    __m512 r = _mm512_fmadd_ps(n, _mm512_set1_ps(-0x1.62e400p-1f), y);
    r = _mm512_fmadd_ps(n, _mm512_set1_ps(-0x1.7f7d1cp-20f), r);
    __m512 p = _mm512_set1_ps(0x1.a01a02p-13f);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0x1.6c16c2p-10f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0x1.111112p-7f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0x1.555556p-5f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0x1.555556p-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.5f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
    return _mm512_maskz_scalef_ps(_mm512_cmp_ps_mask(x, _mm512_set1_ps(-87.3f), _CMP_NLT_UQ), p, n);
}

// The first n of up to 16 lanes.
NB_INLINE __mmask16 nb_avx512_first(uint32_t n)
{
    return (__mmask16)((1u << n) - 1);
}

#endif
