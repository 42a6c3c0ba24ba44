// SPDX-License-Identifier: Apache-2.0
#include "tests/oracle/formats_f64.h"

#include <math.h>

double oracle_e2m1(unsigned code)
{
    static const double magnitude[8] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
    return code & 8 ? -magnitude[code & 7] : magnitude[code & 7];
}

double oracle_e1m2_nibble(unsigned code)
{
    int n = (int)(code & 15);
    return (n >= 8 ? n - 16 : n) / 2.0;
}

double oracle_e4m3(unsigned byte)
{
    unsigned exponent = byte >> 3 & 15, mantissa = byte & 7;
    return exponent ? ldexp(8 + mantissa, (int)exponent - 10) : ldexp(mantissa, -9);
}

unsigned oracle_e4m3_nearest(double x)
{
    unsigned best = 0;
    x = fmin(x, 448);
    for (unsigned byte = 1; byte <= 0x7e; byte++) {
        double old = fabs(oracle_e4m3(best) - x), new = fabs(oracle_e4m3(byte) - x);
        if (new < old || (new == old &&byte % 2 == 0))
            best = byte;
    }
    return best;
}

double oracle_gamma(double n_roundings)
{
    return n_roundings * ORACLE_U / (1 - n_roundings * ORACLE_U);
}
