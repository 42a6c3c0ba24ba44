// SPDX-License-Identifier: Apache-2.0
// Lines typed by a person: editing and history through libedit.
#ifndef NB_APPS_CHAT_LINE_H
#define NB_APPS_CHAT_LINE_H

#include "apps/common/growing_text.h"

typedef struct nb_line_reader nb_line_reader;

// History is kept in the file `history_name` of $NIBBLE_HOME, readable by its owner alone; without a writable home, or
// with NULL, it lives in memory. NULL when the terminal can't be set up.
nb_line_reader *nb_line_open(const char *history_name);
// Reads one message: further lines follow a backslash at the end of a line, and lines pasted together stay together.
// False at the end of input (Ctrl-D). Ctrl-C empties the line.
bool nb_line_read(nb_line_reader *reader, nb_growing *message);
// Whether Ctrl-C took something typed away in the last read.
bool nb_line_has_dropped(const nb_line_reader *reader);
void nb_line_close(nb_line_reader *reader);

#endif
