// SPDX-License-Identifier: Apache-2.0
// Scalar conversions between f32 and the small float formats. All round to nearest, ties to even.
#ifndef NB_KERNELS_FLOATS_H
#define NB_KERNELS_FLOATS_H

#include <string.h>

#include "platform/base.h"

static inline uint32_t nb_f32_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return bits;
}

static inline float nb_f32_from_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, 4);
    return x;
}

static inline float nb_bf16_decode(uint16_t bits)
{
    return nb_f32_from_bits((uint32_t)bits << 16);
}

static inline uint16_t nb_bf16_encode(float x)
{
    uint32_t bits = nb_f32_bits(x);
    if ((bits & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(bits >> 16 | 0x40); // NaN stays NaN
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// IEEE binary16, infinities and NaN included; exact.
static inline float nb_f16_decode(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t exponent = half >> 10 & 31, mantissa = half & 1023;
    if (exponent == 31)
        return nb_f32_from_bits(sign | 0x7f800000 | mantissa << 13);
    if (exponent != 0)
        return nb_f32_from_bits(sign | (exponent + 112) << 23 | mantissa << 13);
    float magnitude = (float)mantissa * 0x1p-24f;
    return nb_f32_from_bits(sign | nb_f32_bits(magnitude));
}

static inline uint16_t nb_f16_encode(float x)
{
    uint32_t bits = nb_f32_bits(x), sign = bits >> 16 & 0x8000, a = bits & 0x7fffffff;
    if (a >= 0x7f800000)
        return (uint16_t)(sign | 0x7c00 | (a > 0x7f800000 ? 0x200 : 0));
    if (a >= 0x477ff000) // 65520 and up round to infinity
        return (uint16_t)(sign | 0x7c00);
    if (a < 0x38800000) // below 2^-14: a multiple of 2^-24, rounded by the FPU
        return (uint16_t)(sign | (uint32_t)__builtin_rintf(nb_f32_from_bits(a) * 0x1p24f));
    a += 0xfff + (a >> 13 & 1);
    return (uint16_t)(sign | ((a - 0x38000000) >> 13));
}

// E4M3 FN of a block scale: byte S EEEE MMM, bias 7, no infinity, 0x7f and 0xff are NaN. Exact.
static inline float nb_e4m3_decode(uint8_t byte)
{
    if ((byte & 0x7f) == 0x7f)
        return __builtin_nanf("");
    uint32_t sign = (uint32_t)(byte & 0x80) << 24;
    // The seven low bits placed across the f32 exponent read as value * 2^-120, denormals included.
    float magnitude = nb_f32_from_bits((uint32_t)(byte & 0x7f) << 20) * 0x1p120f;
    return nb_f32_from_bits(sign | nb_f32_bits(magnitude));
}

// Non-negative `x` (not NaN) to E4M3, saturating at 448 (0x7e).
static inline uint8_t nb_e4m3_encode(float x)
{
    if (x >= 448.0f)
        return 0x7e;
    if (x < 0x1p-6f) // denormal range: a multiple of 2^-9; 8 of them carry into the first normal, 0x08
        return (uint8_t)__builtin_rintf(x * 0x1p9f);
    uint32_t bits = nb_f32_bits(x);
    bits += 0x7ffff + (bits >> 20 & 1);
    uint32_t byte = (bits >> 20) - (120u << 3);
    return (uint8_t)(byte > 0x7e ? 0x7e : byte);
}

// E8M0: 2^(b - 127); 255 is NaN.
static inline float nb_e8m0_decode(uint8_t byte)
{
    if (byte == 255)
        return __builtin_nanf("");
    return nb_f32_from_bits(byte == 0 ? 0x00400000u : (uint32_t)byte << 23);
}

// The smallest power of two not below `x` (positive, finite), at least 2^-127, saturating at 2^127.
static inline uint8_t nb_e8m0_encode_up(float x)
{
    uint32_t bits = nb_f32_bits(x);
    if (bits <= 0x00400000u)
        return 0;
    uint32_t exponent = (bits >> 23) + ((bits & 0x7fffff) != 0);
    return (uint8_t)(exponent > 254 ? 254 : exponent);
}

#endif
