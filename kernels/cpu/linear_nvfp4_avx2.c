// SPDX-License-Identifier: Apache-2.0
// NVFP4 products without VNNI. Codes become 2 * e2m1 + 12 (unsigned, as vpmaddubsw wants its first operand) through a
// byte shuffle; the pair sums of four groups, each at most 24 * 12 * 2 = 576, fit one int16 lane (2304); vpmaddwd with
// ones makes them the block's int32 sum. With the activations' offset added, its bits are a float, 1.5 * 2^23 more than
// the sum; one exact fma takes that off and multiplies by s_w, a second one by s_a (numerics 5).
#include "kernels/cpu/avx2.h"
#include "kernels/nvfp4.h"

enum { PARTS = 2, PART_BLOCKS = 8, TILE_ROWS = 1, TILE_TOKENS = 6 };

// 8 blocks of one weight row in the order of nb_act.codes, and block scales / 256.
typedef struct nb_part {
    __m256i groups[4];
    __m256 scales, zeros; // zeros: -1.5 * 2^23 * scales
} nb_part;

typedef __m256 nb_part_sum;

typedef struct nb_act_part {
    const int8_t *codes; // of group 0; the groups are 64 bytes apart
    const int32_t *offsets;
    const float *scales;
} nb_act_part;

NB_INLINE __m256i two_halves(const uint8_t *low, const uint8_t *high)
{
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)low)),
                                   _mm_loadu_si128((const __m128i *)high), 1);
}

NB_INLINE nb_part decode_part(const uint8_t *codes, const uint8_t *scales)
{
    const __m256i nibble = _mm256_set1_epi8(15);
    const __m256i table =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0));
    // Blocks 0 1 | 4 5 and 2 3 | 6 7, so that the shuffle within halves leaves them in order.
    __m256 first = _mm256_castsi256_ps(two_halves(codes, codes + 32));
    __m256 second = _mm256_castsi256_ps(two_halves(codes + 16, codes + 48));
    __m256i low = _mm256_castps_si256(_mm256_shuffle_ps(first, second, 0x88));  // columns 0..7 of every block
    __m256i high = _mm256_castps_si256(_mm256_shuffle_ps(first, second, 0xdd)); // columns 8..15
    nb_part part;
    part.groups[0] = _mm256_shuffle_epi8(table, _mm256_and_si256(low, nibble));
    part.groups[1] = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(low, 4), nibble));
    part.groups[2] = _mm256_shuffle_epi8(table, _mm256_and_si256(high, nibble));
    part.groups[3] = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(high, 4), nibble));
    part.scales = nb_eight_e4m3_over_256(scales);
    part.zeros = _mm256_mul_ps(part.scales, _mm256_set1_ps(-NB_ACT_ZERO_F32));
    return part;
}

NB_INLINE __m256i load_group(nb_act_part act, int group)
{
    return _mm256_loadu_si256((const __m256i *)(act.codes + group * 64));
}

NB_INLINE nb_part_sum add_part(const nb_part *w, nb_act_part act, nb_part_sum sum)
{
    __m256i first = _mm256_add_epi16(_mm256_maddubs_epi16(w->groups[0], load_group(act, 0)),
                                     _mm256_maddubs_epi16(w->groups[1], load_group(act, 1)));
    __m256i second = _mm256_add_epi16(_mm256_maddubs_epi16(w->groups[2], load_group(act, 2)),
                                      _mm256_maddubs_epi16(w->groups[3], load_group(act, 3)));
    __m256i dot = _mm256_madd_epi16(_mm256_add_epi16(first, second), _mm256_set1_epi16(1));
    dot = _mm256_add_epi32(dot, _mm256_loadu_si256((const __m256i *)act.offsets));
    __m256 product = _mm256_fmadd_ps(_mm256_castsi256_ps(dot), w->scales, w->zeros);
    return _mm256_fmadd_ps(product, _mm256_loadu_ps(act.scales), sum);
}

NB_INLINE nb_part_sum zero_part(void)
{
    return _mm256_setzero_ps();
}

NB_INLINE float sum_parts(const nb_part_sum *parts)
{
    return nb_eight_sum(_mm256_add_ps(parts[0], parts[1]));
}

#define NB_KERNEL(name) nb_##name##_avx2
#include "kernels/cpu/linear_nvfp4_template.h"
