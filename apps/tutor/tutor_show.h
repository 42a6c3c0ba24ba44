// SPDX-License-Identifier: Apache-2.0
// How checked reasoning reaches stdout: lines with their marks, the answer, one line of figures; or JSON lines.
#ifndef NB_TUTOR_SHOW_H
#define NB_TUTOR_SHOW_H

#include "apps/tutor/tutor_reason.h"

typedef struct nb_tutor_show {
    bool is_json, has_colour;
    const char *calculation, *value; // of the question, "": none
    int64_t number;                  // JSON: of the question among several, -1: one alone
    // state
    size_t n_lines;
    bool in_answer;
    char last[NB_VALUE_BYTES]; // result of the last step
} nb_tutor_show;

// For stdout as it is.
nb_tutor_show nb_tutor_show_open(bool is_json);
void nb_tutor_show_start(nb_tutor_show *show, const nb_question *question);
// Not NB_OK once stdout cannot be written; the error line is printed.
nb_status nb_tutor_show_line(nb_tutor_show *show, const nb_checked_line *line);
// The answer and the figures. Returns an exit code.
int nb_tutor_show_end(nb_tutor_show *show, const nb_reasoning *reasoning, double decode_s, uint64_t seed);

// A mark as the lines have it: '+' right, '-' wrong, '?' not checked; `words` follow it.
void nb_tutor_show_mark(bool has_colour, char mark, const char *words);

#endif
