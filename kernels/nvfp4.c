// SPDX-License-Identifier: Apache-2.0
#include "kernels/nvfp4.h"

float nb_absmax(const float *x, size_t n)
{
    float maximum = 0.0f;
    for (size_t i = 0; i < n; i++) {
        float a = __builtin_fabsf(x[i]);
        maximum = a > maximum ? a : maximum;
    }
    return maximum;
}

static void encode_block(const float *x, float g, uint8_t *codes, uint8_t *scale)
{
    float absmax = nb_absmax(x, NB_NVFP4_BLOCK);
    memset(codes, 0, NB_NVFP4_BLOCK / 2);
    if (g == 0.0f || absmax == 0.0f) {
        *scale = 0x38;
        return;
    }
    *scale = nb_e4m3_encode(absmax / (6.0f * g));
    if (*scale == 0)
        return;
    float step = nb_e4m3_decode(*scale) * g;
    for (int i = 0; i < NB_NVFP4_BLOCK; i++)
        codes[i / 2] |= (uint8_t)(nb_e2m1_encode(x[i] / step) << (i % 2 * 4));
}

void nb_nvfp4_encode(const float *x, size_t n, float g, uint8_t *codes, uint8_t *scales)
{
    NB_ASSERT(n % NB_NVFP4_BLOCK == 0);
    for (size_t b = 0; b < n / NB_NVFP4_BLOCK; b++)
        encode_block(x + b * NB_NVFP4_BLOCK, g, codes + b * NB_NVFP4_BLOCK / 2, scales + b);
}

void nb_nvfp4_decode(const uint8_t *codes, const uint8_t *scales, size_t n, float g, float *x)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (nb_e2m1_decode(codes[i / 2] >> (i % 2 * 4)) * nb_e4m3_decode(scales[i / NB_NVFP4_BLOCK])) * g;
}
