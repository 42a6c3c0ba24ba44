// SPDX-License-Identifier: Apache-2.0
// What the AVX2 kernels share: 16 lanes of f32 in two registers, under the names that kernels/cpu/neon.h gives
// them too, so that the templates of this folder compile for both. Used of the instruction set: AVX2, FMA, F16C.
#ifndef NB_KERNELS_CPU_AVX2_H
#define NB_KERNELS_CPU_AVX2_H

#include <immintrin.h>

#include "kernels/cpu/cpu_kernels.h"

typedef struct nb_lanes {
    __m256 low, high; // lanes 0..7, 8..15
} nb_lanes;

typedef __m128i nb_bytes; // 16 of them

NB_INLINE nb_lanes nb_lanes_set(float x)
{
    return (nb_lanes){_mm256_set1_ps(x), _mm256_set1_ps(x)};
}

NB_INLINE nb_lanes nb_lanes_load(const void *x)
{
    return (nb_lanes){_mm256_loadu_ps(x), _mm256_loadu_ps((const float *)x + 8)};
}

NB_INLINE void nb_lanes_store(float *to, nb_lanes x)
{
    _mm256_storeu_ps(to, x.low);
    _mm256_storeu_ps(to + 8, x.high);
}

NB_INLINE nb_lanes nb_lanes_fma(nb_lanes a, nb_lanes b, nb_lanes c)
{
    return (nb_lanes){_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}

NB_INLINE nb_lanes nb_lanes_multiply(nb_lanes a, nb_lanes b)
{
    return (nb_lanes){_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
}

// The fixed tree of cpu_kernels.h from 8 lanes on.
NB_INLINE float nb_eight_sum(__m256 eight)
{
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

NB_INLINE float nb_lanes_sum(nb_lanes x)
{
    return nb_eight_sum(_mm256_add_ps(x.low, x.high));
}

NB_INLINE nb_lanes nb_lanes_bf16(const uint8_t *halves)
{
    __m256i low = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)halves));
    __m256i high = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(halves + 16)));
    return (nb_lanes){_mm256_castsi256_ps(_mm256_slli_epi32(low, 16)),
                      _mm256_castsi256_ps(_mm256_slli_epi32(high, 16))};
}

NB_INLINE nb_lanes nb_lanes_f16(const uint8_t *halves)
{
    return (nb_lanes){_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)halves)),
                      _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(halves + 16)))};
}

NB_INLINE nb_bytes nb_bytes_load(const void *bytes)
{
    return _mm_loadu_si128(bytes);
}

// 8 E4M3 bytes (non-negative) to value / 256, exact: seven bits placed across exponent and mantissa of an f16, whose
// bias is larger by 8. Through f16 because its denormals convert at full speed.
NB_INLINE __m256 nb_eight_e4m3_over_256(const uint8_t *bytes)
{
    return _mm256_cvtph_ps(_mm_slli_epi16(_mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i *)bytes)), 7));
}

NB_INLINE nb_lanes nb_lanes_e4m3(const uint8_t *bytes)
{
    nb_lanes x = {nb_eight_e4m3_over_256(bytes), nb_eight_e4m3_over_256(bytes + 8)};
    return nb_lanes_multiply(x, nb_lanes_set(256.0f));
}

// The upper 16 bits of the f32 that each 4-bit code stands for (the lower ones are zero), in two byte tables.
typedef struct nb_code_table {
    nb_bytes low, high;
} nb_code_table;

NB_INLINE nb_bytes nb_bytes_low_nibbles(nb_bytes bytes)
{
    return _mm_and_si128(bytes, _mm_set1_epi8(15));
}

NB_INLINE nb_bytes nb_bytes_high_nibbles(nb_bytes bytes)
{
    return _mm_and_si128(_mm_srli_epi16(bytes, 4), _mm_set1_epi8(15));
}

// The 16 codes of 8 bytes, the low nibble first.
NB_INLINE nb_bytes nb_bytes_nibbles(const uint8_t *eight)
{
    __m128i bytes = _mm_loadl_epi64((const __m128i *)eight);
    return _mm_unpacklo_epi8(nb_bytes_low_nibbles(bytes), nb_bytes_high_nibbles(bytes));
}

NB_INLINE nb_lanes nb_lanes_decode(nb_code_table table, nb_bytes codes)
{
    __m128i low = _mm_shuffle_epi8(table.low, codes), high = _mm_shuffle_epi8(table.high, codes);
    __m256i first = _mm256_cvtepu16_epi32(_mm_unpacklo_epi8(low, high));
    __m256i second = _mm256_cvtepu16_epi32(_mm_unpackhi_epi8(low, high));
    return (nb_lanes){_mm256_castsi256_ps(_mm256_slli_epi32(first, 16)),
                      _mm256_castsi256_ps(_mm256_slli_epi32(second, 16))};
}

#endif
