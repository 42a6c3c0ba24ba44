// SPDX-License-Identifier: Apache-2.0
// Checks reasoning with exact rational arithmetic (GMP), a line at a time.
//
//   step   = number op number "=" number     white space is free; nothing else may stand in the line but a full stop
//   op     = "+" | "-" | "*" | "/" | "x" | "×" | "·" | "÷" | "−"
//   number = [ "-" | "−" ] [ "$" ] digits [ "." digits ] [ "/" digits ] [ "%" ]   digits may be grouped: "1,250"
//
// "12/4 = 3" is a step too: the fraction is taken as the division. A percent sign divides by a hundred.
#ifndef NB_TUTOR_STEPS_H
#define NB_TUTOR_STEPS_H

#include <stdbool.h>
#include <stddef.h>

typedef enum nb_step_verdict {
    NB_STEP_RIGHT,
    NB_STEP_WRONG,
    NB_STEP_NONE,        // the line is no step
    NB_STEP_UNCHECKABLE, // a step, but it divides by zero or has a number of more than NB_STEP_MAX_DIGITS digits
} nb_step_verdict;

enum { NB_STEP_MAX_DIGITS = 200 };

typedef struct nb_span {
    const char *text; // into what was parsed
    size_t bytes;
} nb_span;

typedef struct nb_step_parts {
    nb_span left, right, result; // numbers as written
    char op;                     // '+' '-' '*' '/'
} nb_step_parts;

// Any bytes are safe. `parts` may be NULL; it is filled unless the verdict is NB_STEP_NONE.
nb_step_verdict nb_step_check(const char *line, size_t bytes, nb_step_parts *parts);

// Writes the right result of a step's left op right ("12", "2.5", "5/12") into `text`, zero-terminated. False when it
// is not checkable or does not fit.
bool nb_step_solve(const nb_step_parts *parts, char *text, size_t capacity);

// The number that a text begins with, as written. False: it begins with something else.
bool nb_number_take(const char *text, size_t bytes, nb_span *number);

// The number of the last "answer is N" or "\boxed{N}" of a text, as written. False: there is none.
bool nb_answer_find(const char *text, size_t bytes, nb_span *answer);

// Whether two numbers as written are equal: NB_STEP_RIGHT or NB_STEP_WRONG; NB_STEP_NONE when one is no number,
// NB_STEP_UNCHECKABLE as above. White space around a number does not matter.
nb_step_verdict nb_numbers_compare(const char *left, size_t left_bytes, const char *right, size_t right_bytes);

#endif
