// SPDX-License-Identifier: Apache-2.0
// The row-wise kernels: pack by hand, since its layout defeats the compiler; the others as it makes them of the
// template.
#include "kernels/cpu/avx512.h"
#define NB_KERNEL(name) nb_##name##_avx512
#define NB_OWN_PACK
#include "kernels/cpu/rowwise_template.h"

// Columns of a block in the order of nb_act's groups.
static const int32_t group_order[16] = {0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15};

NB_INLINE __m512 magnitude(__m512 x)
{
    return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), x);
}

static float absmax(const float *x, uint32_t n)
{
    __m512 maxima[4] = {magnitude(_mm512_setzero_ps())};
    for (int i = 1; i < 4; i++)
        maxima[i] = maxima[0];
    for (uint32_t i = 0; i < n; i += 4 * LANES)
        for (uint32_t j = 0; j < 4; j++) {
            __mmask16 mask = i + j * LANES < n ? nb_avx512_first((uint32_t)nb_min(n - i - j * LANES, LANES)) : 0;
            maxima[j] = _mm512_max_ps(maxima[j], magnitude(_mm512_maskz_loadu_ps(mask, x + i + j * LANES)));
        }
    return _mm512_reduce_max_ps(
        _mm512_max_ps(_mm512_max_ps(maxima[0], maxima[1]), _mm512_max_ps(maxima[2], maxima[3])));
}

// Maxima of |x| of four blocks.
NB_INLINE __m128 block_maxima(const __m512 *x)
{
    __m512 a[4];
    for (int i = 0; i < 4; i++)
        a[i] = magnitude(x[i]);
    __m512 m01 = _mm512_max_ps(_mm512_unpacklo_ps(a[0], a[1]), _mm512_unpackhi_ps(a[0], a[1]));
    __m512 m23 = _mm512_max_ps(_mm512_unpacklo_ps(a[2], a[3]), _mm512_unpackhi_ps(a[2], a[3]));
    __m512 m = _mm512_max_ps(_mm512_shuffle_ps(m01, m23, 0x44), _mm512_shuffle_ps(m01, m23, 0xee));
    __m256 half = _mm256_max_ps(_mm512_castps512_ps256(m), _mm512_extractf32x8_ps(m, 1));
    return _mm_max_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}

// The value of nb_e4m3_encode(x) for x >= 0.
NB_INLINE __m128 round_e4m3(__m128 x)
{
    const __m128 top = _mm_set1_ps(448.0f), fine = _mm_set1_ps(0x1p-9f * 0x1.8p23f);
    __m128 small = _mm_sub_ps(_mm_add_ps(x, fine), fine); // a multiple of 2^-9
    __m128i bits = _mm_castps_si128(x);
    bits = _mm_add_epi32(
        bits, _mm_add_epi32(_mm_set1_epi32(0x7ffff), _mm_and_si128(_mm_srli_epi32(bits, 20), _mm_set1_epi32(1))));
    __m128 large = _mm_castsi128_ps(_mm_and_si128(bits, _mm_set1_epi32(-0x100000)));
    __mmask8 is_small = _mm_cmp_ps_mask(x, _mm_set1_ps(0x1p-6f), _CMP_LT_OQ);
    return _mm_min_ps(_mm_mask_mov_ps(large, is_small, small), top);
}

// Twice the E2M1 value nearest to y, ties to the even code: to one bit behind the leading one, halves at least.
NB_INLINE __m512i twice_e2m1(__m512 y)
{
    __m512 a = _mm512_min_ps(magnitude(y), _mm512_set1_ps(6.0f));
    __m512 power = _mm512_and_ps(a, _mm512_castsi512_ps(_mm512_set1_epi32(0x7f800000)));
    __m512 shift = _mm512_mul_ps(_mm512_max_ps(power, _mm512_set1_ps(1.0f)), _mm512_set1_ps(0x1.8p22f));
    __m512 rounded = _mm512_sub_ps(_mm512_add_ps(a, shift), shift);
    rounded = _mm512_add_ps(rounded, rounded);
    __m512i sign = _mm512_and_si512(_mm512_castps_si512(y), _mm512_set1_epi32(INT32_MIN));
    return _mm512_cvtps_epi32(_mm512_castsi512_ps(_mm512_or_si512(_mm512_castps_si512(rounded), sign)));
}

// Four blocks from x on, of which n_blocks are there, to those of a step from `block` on.
NB_INLINE void pack_four(const float *from, uint32_t n_blocks, float g, nb_act_step *step, uint32_t block)
{
    __m512 x[4];
    for (uint32_t i = 0; i < 4; i++)
        x[i] = _mm512_maskz_loadu_ps(i < n_blocks ? 0xffff : 0, from + i * LANES);
    __m128 maxima = block_maxima(x), zero = _mm_setzero_ps(), one = _mm_set1_ps(1.0f);
    __m128 scale = round_e4m3(_mm_div_ps(maxima, _mm_set1_ps(g == 0.0f ? 1.0f : 6.0f * g)));
    __mmask8 none = g == 0.0f ? 15 : _mm_cmp_ps_mask(maxima, zero, _CMP_EQ_OQ);
    scale = _mm_mask_mov_ps(scale, none, one);
    __mmask8 live = g == 0.0f ? 0 : _mm_cmp_ps_mask(scale, zero, _CMP_NEQ_OQ);
    _Alignas(16) float steps[4];
    _mm_store_ps(steps, _mm_mask_mul_ps(one, live, scale, _mm_set1_ps(g)));
    _mm_storeu_ps(step->scales + block, _mm_maskz_mov_ps((__mmask8)((1u << nb_min(n_blocks, 4)) - 1), scale));
    __m512i twice[4], order = _mm512_loadu_si512(group_order);
    for (int i = 0; i < 4; i++) {
        __m512 y = _mm512_div_ps(_mm512_permutexvar_ps(order, x[i]), _mm512_set1_ps(steps[i]));
        twice[i] = twice_e2m1(_mm512_maskz_mov_ps(live >> i & 1 ? 0xffff : 0, y));
    }
    // Within 128 bits, four bytes of one group of each block.
    __m512i bytes = _mm512_packs_epi16(_mm512_packs_epi32(twice[0], twice[1]), _mm512_packs_epi32(twice[2], twice[3]));
    int8_t *codes = step->codes + 4 * block;
    _mm_storeu_si128((__m128i *)codes, _mm512_castsi512_si128(bytes));
    _mm_storeu_si128((__m128i *)(codes + 64), _mm512_extracti32x4_epi32(bytes, 1));
    _mm_storeu_si128((__m128i *)(codes + 128), _mm512_extracti32x4_epi32(bytes, 2));
    _mm_storeu_si128((__m128i *)(codes + 192), _mm512_extracti32x4_epi32(bytes, 3));
    __m512i sums = _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(12), bytes);
    __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(sums), _mm512_extracti32x8_epi32(sums, 1));
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
    _mm_storeu_si128((__m128i *)(step->offsets + block), _mm_sub_epi32(_mm_set1_epi32(NB_ACT_ZERO), sum));
}

void nb_pack_avx512(const nb_act *act, uint32_t row, float static_scale)
{
    uint32_t n_steps = nb_act_steps(act->n_cols), n_blocks = act->n_cols / NB_NVFP4_BLOCK;
    const float *x = act->x + (size_t)row * act->n_cols;
    nb_act_step *steps = act->steps + (size_t)row * n_steps;
    float g = static_scale > 0.0f ? static_scale : nb_nvfp4_global_scale(absmax(x, act->n_cols));
    act->globals[row] = g;
    for (uint32_t b = 0; b < n_steps * LANES; b += 4)
        pack_four(x + (size_t)b * NB_NVFP4_BLOCK, b < n_blocks ? n_blocks - b : 0, g, steps + b / LANES, b % LANES);
}
