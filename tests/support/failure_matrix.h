// SPDX-License-Identifier: Apache-2.0
// Makes every call that an operation asks of the system fail once, kind by kind, and looks at what is left: a clean
// error or the result of an undisturbed run; the same descriptors, threads and mappings as before; no memory leaked,
// where LeakSanitizer is there to tell. Takes a sample of the calls; with NB_FAULTS=all in the environment every one
// (of a command under a sanitizer every sixteenth).
#ifndef NB_TESTS_SUPPORT_FAILURE_MATRIX_H
#define NB_TESTS_SUPPORT_FAILURE_MATRIX_H

#include "tests/support/faults.h"

// What an undisturbed run gives; equal bytes are asked of every other run that reports success.
typedef struct nb_result {
    size_t bytes;
    char data[1 << 16];
} nb_result;

void nb_result_put(nb_result *r, const void *data, size_t bytes);

// Opens what it needs, does something, and releases everything again.
typedef struct nb_operation {
    const char *name;
    nb_status (*run)(nb_result *r, nb_error *error);
    void (*before)(void);              // both may be NULL
    void (*after)(bool has_succeeded); // checks files
    bool is_command;                   // may end the process, so it runs in one of its own
    bool is_brief;                     // a smaller sample
    bool is_all_refused;               // removals and locks fail too, which others answer by leaving something behind
} nb_operation;

// Fails the running test when the operation does not take every failure well; prints counts. Signals in the middle of
// reads and writes, and transfers in pieces, must not be failures at all.
void nb_failures_run(const nb_operation *operation);

#endif
