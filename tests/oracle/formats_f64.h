// SPDX-License-Identifier: Apache-2.0
// The 4-bit formats in double precision, written from the tables of docs/NUMERICS.md 1 and independent of kernels/.
#ifndef NB_TESTS_FORMATS_F64_H
#define NB_TESTS_FORMATS_F64_H

#include <stddef.h>
#include <stdint.h>

double oracle_e2m1(unsigned code);        // the low four bits
double oracle_e1m2_nibble(unsigned code); // two's-complement n: n / 2
double oracle_e4m3(unsigned byte);        // 0..0x7e
unsigned oracle_e4m3_nearest(double x);   // x >= 0; ties to the even byte, saturating at 0x7e

// Unit roundoff of f32 and the usual bound of n roundings.
#define ORACLE_U 0x1p-24
double oracle_gamma(double n_roundings);

#endif
