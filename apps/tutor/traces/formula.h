// SPDX-License-Identifier: Apache-2.0
// The formulas of stories, evaluated as they are read:
//
//   expression = term { ("+" | "-") term }
//   term       = factor { ("*" | "/" | ":" | "\" | "%") factor }
//   factor     = operand [ "~" operand ]      a~b: a random whole number from a to b
//   operand    = "(" expression ")" | number | variable (a..z) | size
//
// \ and % are a division with remainder; ":" is "/", but its result is written as a fraction. A size (A..Z) is a random
// number as large as the level asks, see formula.c.
//
// Definitions fill the variables and say what must hold: "a=N;b=2~9;b<a". Comparisons: < > ! (not equal).
#ifndef NB_TUTOR_FORMULA_H
#define NB_TUTOR_FORMULA_H

#include "apps/tutor/traces/chance.h"
#include "apps/tutor/traces/trace_text.h"

enum { NB_LEVEL_MIN = 1, NB_LEVEL_MAX = 5 };

typedef struct nb_formula {
    nb_ratio variables[26];
    nb_chance *chance;
    unsigned level;
    nb_trace_text *trace; // NULL, or where every operation is written, innermost and leftmost first
} nb_formula;

// The value; bad when the text is no formula, overflows or divides by zero.
nb_ratio nb_formula_value(nb_formula *formula, const char *text);

// Draws the variables once. False when a condition does not hold, or the text is no list of definitions.
bool nb_formula_define(nb_formula *formula, const char *definitions);

#endif
