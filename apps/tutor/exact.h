// SPDX-License-Identifier: Apache-2.0
// The value of a number as written; for what computes with it beyond a single step.
#ifndef NB_TUTOR_EXACT_H
#define NB_TUTOR_EXACT_H

#include <gmp.h>

#include "apps/tutor/steps.h"

// False: no number, a zero below the line, or more than NB_STEP_MAX_DIGITS digits.
bool nb_number_value(nb_span number, mpq_t value);
// left = left op right, op of "+-*/". False: division by zero.
bool nb_numbers_apply(mpq_t left, char op, mpq_t right);
// "12", "2.5", "5/12", zero-terminated. False: no room.
bool nb_value_write(mpq_t value, char *text, size_t capacity);
// The bytes of the sign of an operation that a text begins with, zero for none; `op` is one of "+-*/".
size_t nb_operator_take(const char *text, size_t bytes, char *op);

#endif
