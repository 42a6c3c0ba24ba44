#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# No result depends on a C library's approximations: no object refers to a function of libm whose last bit is its own
# affair. (fma, sqrt, rint, floor and the like are exact by definition.)
. tests/gates/gate.sh

violations_from < <(nm -A -u "$BUILD/libnibble.a" | awk '
BEGIN {
    n = split("exp exp2 exp10 expm1 log log2 log10 log1p pow sin cos sincos tan asin acos atan atan2 sinh cosh tanh " \
              "asinh acosh atanh cbrt hypot erf erfc lgamma tgamma", names, " ")
    for (i = 1; i <= n; i++) inexact[names[i]] = inexact[names[i] "f"] = inexact[names[i] "l"] = 1
}
{
    name = $NF; sub(/@.*/, "", name)
    object = $1; sub(/:$/, "", object)
    if (name in inexact) print object ": refers to " name
}')
finish
