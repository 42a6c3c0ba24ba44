// SPDX-License-Identifier: Apache-2.0
// How an answer reaches stdout while it grows: as text (reasoning dimmed or hidden), as JSON lines, or as ids.
#ifndef NB_APPS_PRINTER_H
#define NB_APPS_PRINTER_H

#include "apps/common/growing_text.h"
#include "runtime/nibble.h"

typedef enum nb_output { NB_OUTPUT_TEXT, NB_OUTPUT_IDS, NB_OUTPUT_JSON } nb_output;
typedef enum nb_think { NB_THINK_SHOW, NB_THINK_DIM, NB_THINK_HIDE } nb_think;

typedef struct nb_printer {
    nb_output output;
    nb_think think;
    int64_t sequence; // JSON: number of the sequence, -1: none
    bool is_terminal; // control characters of the model are replaced
    bool has_colour;
    // state
    bool in_reasoning;  // reasoning was printed and not ended yet
    bool has_reasoning; // there was reasoning, shown or not: the answer's leading newlines are dropped
    bool has_answer;    // a character of the answer was printed
    char last;          // last character printed, 0: none
    bool has_ids;
    nb_growing step; // JSON: text of the running step
    bool step_reasons;
} nb_printer;

// For stdout as it is.
nb_printer nb_printer_open(nb_output output, nb_think think);
void nb_printer_start(nb_printer *printer); // a new answer
// A step: its id, then pieces, then the end, which returns an exit code: not 0 once stdout cannot be written.
void nb_printer_step(nb_printer *printer, int32_t id);
void nb_printer_piece(nb_printer *printer, const nb_piece *piece);
int nb_printer_step_end(nb_printer *printer, int32_t id);
// Ends the answer's last line.
void nb_printer_finish(nb_printer *printer);
void nb_printer_release(nb_printer *printer);

#endif
