// SPDX-License-Identifier: Apache-2.0
// The value of a calculation of any length, exactly: "12 + 3 * (4 - 1.5)".
//
//   sum     = product { ("+" | "-") product }
//   product = factor { ("*" | "/") factor }        from the left; signs as in steps.h
//   factor  = number | [ "-" ] "(" sum ")"         numbers as in steps.h
#ifndef NB_TUTOR_CALCULATION_H
#define NB_TUTOR_CALCULATION_H

#include <stddef.h>

typedef enum nb_calculation {
    NB_CALCULATION_NONE, // no calculation, no operation in it, or one that can be read in two ways ("6 / 1/2", "1/2%")
    NB_CALCULATION_SOLVED,
    NB_CALCULATION_BY_ZERO, // it divides by zero
    NB_CALCULATION_TOO_LARGE,
} nb_calculation;

// Any bytes are safe. Writes the value ("12", "2.5", "5/12") into `value`, zero-terminated, when there is one.
nb_calculation nb_calculation_solve(const char *text, size_t bytes, char *value, size_t capacity);

#endif
