// SPDX-License-Identifier: Apache-2.0
// The written reasoning. Grammar, one line each, numbers without sign or white space inside:
//
//   trace   = { line NEWLINE }
//   line    = step | heading
//   step    = number " " op " " number " = " number        checked by itself, exactly
//   heading = number " " op " " number ":"                 what the steps below it work out
//   op      = "+" | "-" | "*" | "/"
//   number  = digits [ "." digits ] | digits "/" digits
//
// An operation that a small model can do at a glance is one step; any other gets a heading and is worked out digit by
// digit, large places first:
//   584 + 285:   584 + 200 = 784   784 + 80 = 864   864 + 5 = 869
//   42 * 31:     40 * 30 = 1200   2 * 30 = 60   1200 + 60 = 1260   40 * 1 = 40   ...
//   528 / 8:     60 * 8 = 480   528 - 400 = 128   128 - 80 = 48   6 * 8 = 48   60 + 6 = 66
//   96 / 12:     8 * 12:   10 * 8 = 80   2 * 8 = 16   80 + 10 = 90   90 + 6 = 96   96 / 12 = 8
// At a glance are: sums and differences where the second number (or, in a sum, the first) has one digit that is not 0;
// products of two such numbers and with a power of ten; quotients that have one such digit by a divisor that has one,
// and by a power of ten. A division with remainder stops at the remainder. The last step's result is the answer.
#ifndef NB_TUTOR_TRACE_TEXT_H
#define NB_TUTOR_TRACE_TEXT_H

#include "apps/tutor/traces/ratio.h"

enum { NB_TRACE_TEXT_BYTES = 2048 };

typedef struct nb_trace_text {
    char text[NB_TRACE_TEXT_BYTES];
    size_t bytes;
    size_t n_steps;
    bool as_fractions; // since a ':': numbers that are not whole are written as fractions
    bool is_bad;       // too long, negative, or not to be written: the problem is to be dropped
    nb_ratio last;     // result of the last step
} nb_trace_text;

// Writes the steps of a op b and returns the result (':', '%' and '\\' as in ratio.h).
nb_ratio nb_trace_operation(nb_trace_text *trace, nb_ratio a, char op, nb_ratio b);

#endif
