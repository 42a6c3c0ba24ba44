// SPDX-License-Identifier: Apache-2.0
// The two 4-bit element types, E2M1 and E1M2. Codes: bit 3 sign, bits 0-2 magnitude index.
//   index              0    1    2    3    4    5    6    7
//   E2M1 magnitude     0  0.5    1  1.5    2    3    4    6
//   E1M2 magnitude     0  0.5    1  1.5    2  2.5    3  3.5   (uniform: n/2, n = -7..7)
// Specification: docs/NUMERICS.md 1.
#ifndef NB_KERNELS_FP4_H
#define NB_KERNELS_FP4_H

#include "platform/base.h"

// Twice the E2M1 value, an integer -12..12.
static inline int nb_e2m1_twice(uint8_t code)
{
    static const int8_t twice[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
    return twice[code & 15];
}

// Code 8 is -0: encoding a decoded value gives the code back.
static inline float nb_e2m1_decode(uint8_t code)
{
    static const float value[16] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6, -0.0f, -0.5f, -1, -1.5f, -2, -3, -4, -6};
    return value[code & 15];
}

// Nearest magnitude, ties to the even code, saturating at 6; the sign bit of `x` is kept also when the magnitude is 0.
// `x` must not be NaN.
static inline uint8_t nb_e2m1_encode(float x)
{
    float a = __builtin_fabsf(x);
    // Each exact bound goes to the even neighbour, so the comparison alternates between > and >=.
    uint8_t magnitude =
        (uint8_t)((a > 0.25f) + (a >= 0.75f) + (a > 1.25f) + (a >= 1.75f) + (a > 2.5f) + (a >= 3.5f) + (a > 5.0f));
    return (uint8_t)(magnitude | (__builtin_signbit(x) ? 8 : 0));
}

// n = clamp(RNE(2 y), -7, 7). `y` must not be NaN.
static inline int8_t nb_e1m2_encode(float y)
{
    float n = __builtin_rintf(2.0f * y);
    n = n < 7.0f ? n : 7.0f; // in this form a NaN, where a caller breaks its word, becomes 7 and no undefined cast
    n = n > -7.0f ? n : -7.0f;
    return (int8_t)n;
}

// Sign-magnitude code of n, the form used at file and test boundaries; in memory the cache keeps n & 15.
static inline uint8_t nb_e1m2_code(int8_t n)
{
    return (uint8_t)(n < 0 ? 8 - n : n);
}

static inline int8_t nb_e1m2_from_nibble(uint8_t nibble) // two's complement, sign extended
{
    return (int8_t)((int8_t)(uint8_t)(nibble << 4) >> 4);
}

#endif
