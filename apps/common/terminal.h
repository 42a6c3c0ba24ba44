// SPDX-License-Identifier: Apache-2.0
// What is only for eyes: colour, the progress bar of a load, text from a model made harmless for a terminal.
#ifndef NB_APPS_TERMINAL_H
#define NB_APPS_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

// Escapes are wanted on this descriptor: it is a terminal (not a dumb one) and NO_COLOR is not set.
bool nb_terminal_has_colour(int descriptor);

// Writes text; with `guard` every control character but newline and tab becomes '?'.
void nb_terminal_write(FILE *file, const char *text, size_t bytes, bool guard);

typedef struct nb_progress {
    const char *what;
    const char *unit; // NULL: bytes; else what is counted, to be set after the start
    double start_s, shown_s;
    bool is_shown;
} nb_progress;

// A bar on stderr, drawn only on a terminal and only once the work has taken a moment. `user` is an nb_progress;
// the signature is nb_progress_fn's.
void nb_progress_start(nb_progress *progress, const char *what);
void nb_progress_update(void *user, uint64_t done_bytes, uint64_t total_bytes);
void nb_progress_end(nb_progress *progress);

#endif
