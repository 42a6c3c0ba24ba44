// SPDX-License-Identifier: Apache-2.0
// The project's own transcendental functions, so that results do not depend on a libm. Only IEEE operations and
// explicit fma: every ISA and compiler gives the same bits. Branch-free, so loops over them vectorise.
#ifndef NB_KERNELS_MATH_F32_H
#define NB_KERNELS_MATH_F32_H

#include "kernels/floats.h"

// e^x. Relative error below 2e-7 on [-87.3, 88.3]; 0 below, e^88.3 above. NaN gives an unspecified finite value or NaN.
// Method: x = n ln 2 + r, |r| <= ln 2 / 2, ln 2 split in two; degree-7 polynomial (Taylor to r^7; the next
// term is below 6e-9)
static inline float nb_exp(float x)
{
    float y = x < 88.3f ? x : 88.3f;
    y = y > -87.3f ? y : -87.3f;
    float n = __builtin_rintf(y * 0x1.715476p+0f);
    float r = __builtin_fmaf(n, -0x1.62e400p-1f, y);
    r = __builtin_fmaf(n, -0x1.7f7d1cp-20f, r);
    float p = 0x1.a01a02p-13f;
    p = __builtin_fmaf(p, r, 0x1.6c16c2p-10f);
    p = __builtin_fmaf(p, r, 0x1.111112p-7f);
    p = __builtin_fmaf(p, r, 0x1.555556p-5f);
    p = __builtin_fmaf(p, r, 0x1.555556p-3f);
    p = __builtin_fmaf(p, r, 0.5f);
    p = __builtin_fmaf(p, r, 1.0f);
    p = __builtin_fmaf(p, r, 1.0f);
    union {
        uint32_t bits;
        float value;
    } scale = {.bits = (uint32_t)((int32_t)n + 127) << 23};
    float e = p * scale.value;
    return x < -87.3f ? 0.0f : e;
}

// x / (1 + e^-x).
static inline float nb_silu(float x)
{
    return x / (1.0f + nb_exp(-x));
}

#endif
