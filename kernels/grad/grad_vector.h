// SPDX-License-Identifier: Apache-2.0
// Vectors of an ISA in plain C: the includer defines NB_GRAD_VECTOR_BYTES. What is not a whole vector at the end of a
// row is loaded with zeros behind it, so that a loop has one body.
#ifndef NB_KERNELS_GRAD_VECTOR_H
#define NB_KERNELS_GRAD_VECTOR_H

#include "kernels/cpu/cpu_kernels.h"
#include "kernels/floats.h"

enum { LANES = NB_GRAD_VECTOR_BYTES / 4 };
typedef float vec __attribute__((vector_size(NB_GRAD_VECTOR_BYTES), aligned(4), may_alias));
typedef int32_t vec_int __attribute__((vector_size(NB_GRAD_VECTOR_BYTES), aligned(4), may_alias));

// The first n values from x on, at most LANES.
NB_INLINE vec vec_load(const float *x, uint32_t n)
{
    vec v = {0};
    if (n >= (uint32_t)LANES)
        return *(const vec *)x;
    memcpy(&v, x, n * sizeof *x);
    return v;
}

NB_INLINE void vec_store(float *x, uint32_t n, vec v)
{
    if (n >= (uint32_t)LANES)
        *(vec *)x = v;
    else
        memcpy(x, &v, n * sizeof *x);
}

NB_INLINE vec vec_all(float x)
{
    return x - (vec){0};
}

NB_INLINE vec vec_select(vec_int mask, vec yes, vec no)
{
    return (vec)((mask & (vec_int)yes) | (~mask & (vec_int)no));
}

NB_INLINE vec vec_max(vec a, vec b)
{
    return vec_select(a > b, a, b);
}

NB_INLINE float vec_sum(vec v)
{
    float lanes[LANES];
    memcpy(lanes, &v, sizeof lanes);
    for (int half = LANES / 2; half >= 1; half /= 2)
        for (int i = 0; i < half; i++)
            lanes[i] += lanes[i + half];
    return lanes[0];
}

NB_INLINE float vec_largest(vec v)
{
    float lanes[LANES], maximum;
    memcpy(lanes, &v, sizeof lanes);
    maximum = lanes[0];
    for (int i = 1; i < LANES; i++)
        maximum = lanes[i] > maximum ? lanes[i] : maximum;
    return maximum;
}

// nb_exp (kernels/math_f32.h): the same method, not always the same last bit.
NB_INLINE vec vec_exp(vec x)
{
    const vec zero = vec_all(0x1.8p23f);
    vec y = vec_select(x < 88.3f, x, vec_all(88.3f));
    y = vec_max(y, vec_all(-87.3f));
    vec shifted = y * 0x1.715476p+0f + zero, n = shifted - zero;
    vec r = y - n * 0x1.62e400p-1f;
    r = r - n * 0x1.7f7d1cp-20f;
    vec p = r * 0x1.a01a02p-13f + 0x1.6c16c2p-10f;
    p = p * r + 0x1.111112p-7f;
    p = p * r + 0x1.555556p-5f;
    p = p * r + 0x1.555556p-3f;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    vec_int exponent = (vec_int)shifted - (vec_int)zero + 127;
    return vec_select(x < -87.3f, (vec){0}, p * (vec)(exponent << 23));
}

#endif
