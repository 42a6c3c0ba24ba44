// SPDX-License-Identifier: Apache-2.0
// NVFP4 products with the signed dot product of Armv8.2: codes become 2 * e2m1 through a byte table, and as both sides
// are signed the activations' offsets are not needed.
#include "kernels/cpu/neon.h"
#include "kernels/nvfp4.h"

enum { PARTS = 4, PART_BLOCKS = 4, TILE_ROWS = 2, TILE_TOKENS = 4 };

// 4 blocks of one weight row in the order of nb_act.codes, and block scales / 256.
typedef struct nb_part {
    int8x16_t groups[4];
    float32x4_t scales;
} nb_part;

typedef float32x4_t nb_part_sum;

typedef struct nb_act_part {
    const int8_t *codes; // of group 0; the groups are 64 bytes apart
    const int32_t *offsets;
    const float *scales;
} nb_act_part;

NB_INLINE nb_part decode_part(const uint8_t *codes, const uint8_t *scales)
{
    const int8x16_t table = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
    const uint8x16_t nibble = vdupq_n_u8(15);
    uint32x4_t first = vreinterpretq_u32_u8(vld1q_u8(codes)), second = vreinterpretq_u32_u8(vld1q_u8(codes + 16));
    uint8x16_t low = vreinterpretq_u8_u32(vuzp1q_u32(first, second));  // columns 0..7 of every block
    uint8x16_t high = vreinterpretq_u8_u32(vuzp2q_u32(first, second)); // columns 8..15
    nb_part part;
    part.groups[0] = vqtbl1q_s8(table, vandq_u8(low, nibble));
    part.groups[1] = vqtbl1q_s8(table, vshrq_n_u8(low, 4));
    part.groups[2] = vqtbl1q_s8(table, vandq_u8(high, nibble));
    part.groups[3] = vqtbl1q_s8(table, vshrq_n_u8(high, 4));
    part.scales = nb_four_e4m3_over_256(scales);
    return part;
}

NB_INLINE nb_part_sum add_part(const nb_part *w, nb_act_part act, nb_part_sum sum)
{
    int32x4_t dot = vdupq_n_s32(0);
    for (int group = 0; group < 4; group++)
        dot = vdotq_s32(dot, w->groups[group], vld1q_s8(act.codes + group * 64));
    return vfmaq_f32(sum, vcvtq_f32_s32(dot), vmulq_f32(w->scales, vld1q_f32(act.scales)));
}

NB_INLINE nb_part_sum zero_part(void)
{
    return vdupq_n_f32(0.0f);
}

NB_INLINE float sum_parts(const nb_part_sum *parts)
{
    return nb_lanes_sum((nb_lanes){parts[0], parts[1], parts[2], parts[3]});
}

#define NB_KERNEL(name) nb_##name##_neon
#include "kernels/cpu/linear_nvfp4_template.h"
