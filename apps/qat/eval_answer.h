// SPDX-License-Identifier: Apache-2.0
// What a response answers, and whether that is right. The rule:
//
//   1. The last mark that a number follows on its line decides: "answer is" (in any case), "\boxed{" or "####". The
//      answer is the first number behind it.
//   2. Without such a mark: the last number behind the last "</think>"; where there is none, the last number of all.
//
// Numbers are those of apps/tutor/steps.h, and ".5": signs, "$", digits in groups of three, decimals, fractions "3/4",
// "%". Units, words and punctuation around them do not matter. Two answers are equal as exact rational numbers, "50%"
// is equal to 1/2 and to 50.
#ifndef NB_APPS_EVAL_ANSWER_H
#define NB_APPS_EVAL_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

enum { NB_ANSWER_BYTES = 512 };

// Any bytes are safe. False: no number; `answer` is "" then.
bool nb_answer_read(const char *text, size_t bytes, char answer[NB_ANSWER_BYTES]);

// False also when one is no number, divides by zero or has more digits than are compared (NB_STEP_MAX_DIGITS).
bool nb_answers_equal(const char *left, const char *right);

#endif
