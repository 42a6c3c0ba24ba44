// SPDX-License-Identifier: Apache-2.0
// What is asked, looked at before a model sees it: whether it can be asked at all, and whether its value is known.
#ifndef NB_TUTOR_QUESTION_H
#define NB_TUTOR_QUESTION_H

#include <stdbool.h>
#include <stddef.h>

enum { NB_QUESTION_MAX_BYTES = 8192, NB_VALUE_BYTES = 512 };

typedef struct nb_question {
    // Without white space at its ends; with spaces around the signs of the calculation below.
    char text[NB_QUESTION_MAX_BYTES + 2 * NB_VALUE_BYTES + 1];
    bool has_number; // in digits or in words
    // When nothing but one calculation is asked ("What is 2 + 3 * 4?"): the calculation as written and its exact value.
    char calculation[NB_VALUE_BYTES], value[NB_VALUE_BYTES]; // "": none
} nb_question;

// Any bytes are safe. False, with one line in `why` ("what; expected ..., found ...; try ..."), for what cannot be
// asked: nothing, too much, no UTF-8, control characters (line feeds and tabs become spaces), a division by zero.
bool nb_question_read(nb_question *question, const char *text, size_t bytes, char *why, size_t capacity);

#endif
