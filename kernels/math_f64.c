// SPDX-License-Identifier: Apache-2.0
#include "kernels/math_f64.h"

#include <stdint.h>
#include <string.h>

static uint64_t bits_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, 8);
    return bits;
}

static double from_bits(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, 8);
    return x;
}

static const double ln2_high = 0x1.62e42fefa3800p-1, ln2_low = 0x1.ef35793c76730p-45;

// x = m 2^e with m in [1/sqrt 2, sqrt 2); ln m = 2 artanh(s), s = (m - 1) / (m + 1), |s| < 0.172.
double nb_log_f64(double x)
{
    uint64_t bits = bits_of(x);
    int exponent = (int)(bits >> 52) - 1023;
    double m = from_bits((bits & 0x000fffffffffffffull) | 0x3ff0000000000000ull);
    if (m > 1.4142135623730951) {
        m *= 0.5;
        exponent++;
    }
    double s = (m - 1.0) / (m + 1.0), z = s * s, sum = 0.0;
    for (int k = 25; k >= 3; k -= 2) // terms z^12 / 25 and above: below 1e-19
        sum = __builtin_fma(sum, z, 1.0 / k);
    double log_m = __builtin_fma(sum * z, 2.0 * s, 2.0 * s);
    return __builtin_fma(exponent, ln2_high, __builtin_fma(exponent, ln2_low, log_m));
}

double nb_exp_f64(double x)
{
    double n = __builtin_rint(x * 1.4426950408889634);
    double r = __builtin_fma(n, -ln2_low, __builtin_fma(n, -ln2_high, x));
    double sum = 1.0;
    for (int k = 16; k >= 1; k--) // Taylor; |r| < 0.35, so r^17 / 17! is below 1e-22
        sum = __builtin_fma(sum, r / k, 1.0);
    return sum * from_bits((uint64_t)((int64_t)n + 1023) << 52);
}

double nb_pow_f64(double base, double y)
{
    return nb_exp_f64(y * nb_log_f64(base));
}

// Quarter turns are removed with a two-part pi/2 under fma; the remainder |r| <= pi/4 goes through Taylor series.
void nb_sincos_f64(double x, double *sine, double *cosine)
{
    double n = __builtin_rint(x * 0.63661977236758138);
    double r = __builtin_fma(n, -0x1.921fb54442d18p+0, x);
    r = __builtin_fma(n, -0x1.1a62633145c07p-54, r);
    double z = r * r, s = 1.0, c = 1.0;
    for (int k = 18; k >= 2; k -= 2) {
        s = __builtin_fma(s, -z / (double)(k * (k + 1)), 1.0);
        c = __builtin_fma(c, -z / (double)(k * (k - 1)), 1.0);
    }
    s *= r;
    switch ((int64_t)n & 3) {
    case 0:
        *sine = s;
        *cosine = c;
        break;
    case 1:
        *sine = c;
        *cosine = -s;
        break;
    case 2:
        *sine = -s;
        *cosine = -c;
        break;
    default:
        *sine = -c;
        *cosine = s;
        break;
    }
}
