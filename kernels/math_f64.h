// SPDX-License-Identifier: Apache-2.0
// Double-precision functions of the control plane and of RoPE angles, own for the same reason as math_f32.h: the bits
// of a model's output must not depend on a libm. Accuracy about 1e-15 relative (absolute for sin and cos).
#ifndef NB_KERNELS_MATH_F64_H
#define NB_KERNELS_MATH_F64_H

double nb_log_f64(double x);                                // x > 0, normal
double nb_exp_f64(double x);                                // |x| < 700
double nb_pow_f64(double base, double y);                   // e^(y ln base), base > 0; error grows with |y ln base|
void nb_sincos_f64(double x, double *sine, double *cosine); // |x| < 2^30

#endif
