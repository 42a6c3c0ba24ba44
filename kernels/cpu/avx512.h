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

// The first n of up to 16 lanes.
NB_INLINE __mmask16 nb_avx512_first(uint32_t n)
{
    return (__mmask16)((1u << n) - 1);
}

#endif
