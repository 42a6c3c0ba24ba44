// SPDX-License-Identifier: Apache-2.0
// What the NEON kernels share: 16 lanes of f32 in four registers, under the names that kernels/cpu/avx2.h gives them
// too, so that the templates of this folder compile for both. Used of the instruction set: Armv8.2, dot product.
#ifndef NB_KERNELS_CPU_NEON_H
#define NB_KERNELS_CPU_NEON_H

#include <arm_neon.h>
#include <string.h>

#include "kernels/cpu/cpu_kernels.h"

typedef struct nb_lanes {
    float32x4_t a, b, c, d; // lanes 0..3, 4..7, 8..11, 12..15
} nb_lanes;

typedef uint8x16_t nb_bytes;

NB_INLINE nb_lanes nb_lanes_set(float x)
{
    return (nb_lanes){vdupq_n_f32(x), vdupq_n_f32(x), vdupq_n_f32(x), vdupq_n_f32(x)};
}

NB_INLINE nb_lanes nb_lanes_load(const void *x)
{
    const float *f = x;
    return (nb_lanes){vld1q_f32(f), vld1q_f32(f + 4), vld1q_f32(f + 8), vld1q_f32(f + 12)};
}

NB_INLINE void nb_lanes_store(float *to, nb_lanes x)
{
    vst1q_f32(to, x.a);
    vst1q_f32(to + 4, x.b);
    vst1q_f32(to + 8, x.c);
    vst1q_f32(to + 12, x.d);
}

NB_INLINE nb_lanes nb_lanes_fma(nb_lanes x, nb_lanes y, nb_lanes z)
{
    return (nb_lanes){vfmaq_f32(z.a, x.a, y.a), vfmaq_f32(z.b, x.b, y.b), vfmaq_f32(z.c, x.c, y.c),
                      vfmaq_f32(z.d, x.d, y.d)};
}

NB_INLINE nb_lanes nb_lanes_multiply(nb_lanes x, nb_lanes y)
{
    return (nb_lanes){vmulq_f32(x.a, y.a), vmulq_f32(x.b, y.b), vmulq_f32(x.c, y.c), vmulq_f32(x.d, y.d)};
}

// The fixed tree of cpu_kernels.h.
NB_INLINE float nb_lanes_sum(nb_lanes x)
{
    float32x4_t four = vaddq_f32(vaddq_f32(x.a, x.c), vaddq_f32(x.b, x.d));
    float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}

// 16 halves of 16 bits to the upper half of 32.
NB_INLINE nb_lanes nb_lanes_upper_halves(uint16x8_t first, uint16x8_t second)
{
    return (nb_lanes){vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(first), 16)),
                      vreinterpretq_f32_u32(vshll_high_n_u16(first, 16)),
                      vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(second), 16)),
                      vreinterpretq_f32_u32(vshll_high_n_u16(second, 16))};
}

NB_INLINE nb_lanes nb_lanes_bf16(const uint8_t *halves)
{
    return nb_lanes_upper_halves(vreinterpretq_u16_u8(vld1q_u8(halves)), vreinterpretq_u16_u8(vld1q_u8(halves + 16)));
}

NB_INLINE nb_lanes nb_lanes_from_f16(float16x8_t first, float16x8_t second)
{
    return (nb_lanes){vcvt_f32_f16(vget_low_f16(first)), vcvt_high_f32_f16(first), vcvt_f32_f16(vget_low_f16(second)),
                      vcvt_high_f32_f16(second)};
}

NB_INLINE nb_lanes nb_lanes_f16(const uint8_t *halves)
{
    return nb_lanes_from_f16(vreinterpretq_f16_u8(vld1q_u8(halves)), vreinterpretq_f16_u8(vld1q_u8(halves + 16)));
}

NB_INLINE nb_bytes nb_bytes_load(const void *bytes)
{
    return vld1q_u8(bytes);
}

// 16 E4M3 bytes (non-negative) to value / 256, exact: seven bits placed across exponent and mantissa of an f16, whose
// bias is larger by 8.
NB_INLINE nb_lanes nb_lanes_e4m3_over_256(const uint8_t *bytes)
{
    uint8x16_t x = vld1q_u8(bytes);
    return nb_lanes_from_f16(vreinterpretq_f16_u16(vshll_n_u8(vget_low_u8(x), 7)),
                             vreinterpretq_f16_u16(vshll_high_n_u8(x, 7)));
}

// The same of four bytes.
NB_INLINE float32x4_t nb_four_e4m3_over_256(const uint8_t *bytes)
{
    uint32_t four;
    memcpy(&four, bytes, sizeof four);
    uint16x8_t halves = vshll_n_u8(vcreate_u8(four), 7);
    return vcvt_f32_f16(vget_low_f16(vreinterpretq_f16_u16(halves)));
}

NB_INLINE nb_lanes nb_lanes_e4m3(const uint8_t *bytes)
{
    return nb_lanes_multiply(nb_lanes_e4m3_over_256(bytes), nb_lanes_set(256.0f));
}

// The upper 16 bits of the f32 that each 4-bit code stands for (the lower ones are zero), in two byte tables.
typedef struct nb_code_table {
    nb_bytes low, high;
} nb_code_table;

NB_INLINE nb_bytes nb_bytes_low_nibbles(nb_bytes bytes)
{
    return vandq_u8(bytes, vdupq_n_u8(15));
}

NB_INLINE nb_bytes nb_bytes_high_nibbles(nb_bytes bytes)
{
    return vshrq_n_u8(bytes, 4);
}

// The 16 codes of 8 bytes, the low nibble first.
NB_INLINE nb_bytes nb_bytes_nibbles(const uint8_t *eight)
{
    uint8x8_t bytes = vld1_u8(eight), low = vand_u8(bytes, vdup_n_u8(15)), high = vshr_n_u8(bytes, 4);
    return vcombine_u8(vzip1_u8(low, high), vzip2_u8(low, high));
}

NB_INLINE nb_lanes nb_lanes_decode(nb_code_table table, nb_bytes codes)
{
    uint8x16_t low = vqtbl1q_u8(table.low, codes), high = vqtbl1q_u8(table.high, codes);
    return nb_lanes_upper_halves(vreinterpretq_u16_u8(vzip1q_u8(low, high)),
                                 vreinterpretq_u16_u8(vzip2q_u8(low, high)));
}

#endif
