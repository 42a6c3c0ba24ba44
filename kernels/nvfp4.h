// SPDX-License-Identifier: Apache-2.0
// NVFP4, the format of weights and activations: blocks of 16 along a row, one E4M3 scale a block, one f32 scale g a
// tensor (weights) or row (activations). The one quantiser of the project: the workshop, the exporter and the forward
// pass all call it. With A = max |x| and amax_b the maximum of block b:
//   g    = A / 2688                        (2688 = 6 * 448)
//   s_b  = E4M3(amax_b / (6 g))
//   code = E2M1(x / (s_b g))
//   x^   = (e2m1(code) * s_b) * g
// A block with amax 0: scale 0x38 (1.0), codes 0. A block whose scale rounds to 0: scale 0x00, codes 0 without sign.
// A = 0, or g underflows to 0: every scale 0x38, codes 0, g = 0. Specification: docs/NUMERICS.md 2.
#ifndef NB_KERNELS_NVFP4_H
#define NB_KERNELS_NVFP4_H

#include "kernels/floats.h"
#include "kernels/fp4.h"

enum { NB_NVFP4_BLOCK = 16 };

// Maximum of |x| over n finite values; 0 for n = 0. The result does not depend on the order.
float nb_absmax(const float *x, size_t n);

// A / 2688 in f32.
static inline float nb_nvfp4_global_scale(float absmax)
{
    return absmax / 2688.0f;
}

// Encodes n values (a multiple of 16) with the given g into n/2 code bytes (even index in the low nibble) and n/16
// scale bytes. x finite.
void nb_nvfp4_encode(const float *x, size_t n, float g, uint8_t *codes, uint8_t *scales);

// The inverse: x^ of n values.
void nb_nvfp4_decode(const uint8_t *codes, const uint8_t *scales, size_t n, float g, float *x);

#endif
