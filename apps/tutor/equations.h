// SPDX-License-Identifier: Apache-2.0
// Checks the equations that stand in a line of prose, exactly: "So 3 boxes * 4 = 12 apples, and 12 - 5 = 7."
//
//   equation   = expression "=" expression { "=" expression }     each "=" is checked by itself, as a link
//   expression = quantity { op quantity }                         products before sums
//   quantity   = number [ unit ]                                  as in steps.h; a unit is up to four words
//
// What can be read in two ways is not judged: parentheses, powers, variables, mixed numbers, times and ratios (2:30),
// "20% of 50", a dash before the expression, an "=" without any operation. Neither is an inequality that a person may
// mean as right: quantities of different units (1 foot + 6 inches = 18 inches), a factor of a hundred beside a percent
// sign, a quotient rounded to the places it is written with, and the running style of "2 + 3 = 5 + 1 = 6".
#ifndef NB_TUTOR_EQUATIONS_H
#define NB_TUTOR_EQUATIONS_H

#include "apps/tutor/steps.h"

typedef struct nb_equations {
    size_t n_right, n_wrong, n_unchecked; // links
    nb_span result;                       // the number behind the last one that is judged, NULL text: none
    nb_span wrong;                        // the first one that is wrong; likewise
} nb_equations;

// Any bytes are safe. NB_STEP_NONE: there is no "=" in the line. Else NB_STEP_WRONG when one link is wrong,
// NB_STEP_RIGHT when all are right, and NB_STEP_UNCHECKABLE.
nb_step_verdict nb_equations_check(const char *line, size_t bytes, nb_equations *found);

#endif
