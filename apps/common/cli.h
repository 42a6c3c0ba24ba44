// SPDX-License-Identifier: Apache-2.0
// What every command shares: exit codes, the one error line, memory, standard output, time, JSON lines.
#ifndef NB_APPS_CLI_H
#define NB_APPS_CLI_H

#include <jansson.h>
#include <stdio.h>

#include "runtime/nibble.h"

#define NB_COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

enum {
    NB_EXIT_OK = 0,
    NB_EXIT_FAILED = 1, // failed while running
    NB_EXIT_USAGE = 2,  // wrong usage
    NB_EXIT_INPUT = 3,  // the model, file or text is not acceptable
    NB_EXIT_FIT = 4,    // does not fit: memory, context
    NB_EXIT_INTERRUPTED = 130,
};

// Prints "nibble: error: ..." as one line on stderr (control characters become '?') and returns `exit_code`.
int nb_fail(int exit_code, const char *format, ...) __attribute__((format(printf, 2, 3)));
// The same for a failure of the library; its status decides the exit code. NB_ERR_STOPPED prints nothing.
int nb_fail_error(nb_status status, const nb_error *error);
// "nibble: ..." on stderr, for what is worth knowing but no failure.
void nb_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Memory for the control plane; ends the program with exit code 4 when there is none.
void *nb_alloc(size_t bytes); // zeroed
void *nb_resize(void *memory, size_t bytes);
_Noreturn void nb_out_of_memory(void);
char *nb_copy_text(const char *text);
// From here on jansson and GMP have this memory too, also where the library calls them: what they make is whole, or
// the program ends (by itself jansson leaves out what it has no room for, and GMP aborts). NULL from jansson then tells
// of a value that JSON does not have. The first call of every program.
void nb_memory_install(void);

// Flushes stdout. 0, or exit code 1 after the error line; a pipe closed by its reader fails without a line.
int nb_out_flush(void);
// One JSON object as a line on stdout, flushed. Takes over the reference.
int nb_out_json(json_t *object);
// A real, or null where JSON has no number for it.
json_t *nb_json_real(double value);
// A name of the file system, or null where its bytes are no UTF-8.
json_t *nb_json_name(const char *name);

double nb_now_s(void); // monotonic seconds
// `seed`, or for UINT64_MAX (none given) a new one, short enough to be typed again.
uint64_t nb_seed_or_new(uint64_t seed);
// 1.5 GB and the like, in decimal units; `text` holds at least 32 bytes and is returned.
const char *nb_bytes_text(char text[32], double bytes);

#endif
