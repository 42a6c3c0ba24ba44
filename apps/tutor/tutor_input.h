// SPDX-License-Identifier: Apache-2.0
// What a learner writes, line by line: typed at a terminal, or from a pipe.
#ifndef NB_TUTOR_INPUT_H
#define NB_TUTOR_INPUT_H

#include "apps/common/chat_line.h"

typedef struct nb_tutor_input {
    nb_line_reader *reader; // NULL: a pipe
} nb_tutor_input;

// False after the error line when the terminal can't be set up.
bool nb_tutor_input_open(nb_tutor_input *input, const char *history_name);
// A line without white space at its ends; control characters have become '?'. False at the end.
bool nb_tutor_input_read(nb_tutor_input *input, nb_growing *line);
void nb_tutor_input_close(nb_tutor_input *input);

#endif
