// SPDX-License-Identifier: Apache-2.0
// Status codes and the error record: the one way anything in nibble fails.
// `make install` folds this file into the installed nibble.h, so it includes nothing of the project.
#ifndef NB_PLATFORM_STATUS_H
#define NB_PLATFORM_STATUS_H

// Result of every fallible function; zero is success.
typedef enum nb_status {
    NB_OK = 0,
    NB_ERR_ARGUMENT, // the caller asked for something that does not exist or is out of range
    NB_ERR_INPUT,    // a file, model or text is not acceptable
    NB_ERR_FIT,      // it does not fit: memory, context, the caller's buffer
    NB_ERR_SYSTEM,   // the operating system refused: read, write, map, allocate, thread
    NB_ERR_LIMIT,    // the model's own position limit is reached
    NB_ERR_STOPPED,  // stopped on request
} nb_status;

enum { NB_ERROR_TEXT_BYTES = 512 };

// Optional, caller-owned detail of a failure: one line without a newline, "what; expected ..., found ...; try ...".
// Every function that takes one accepts NULL. The first error recorded wins; start with a zeroed record.
typedef struct nb_error {
    nb_status status;
    char text[NB_ERROR_TEXT_BYTES];
} nb_error;

#endif
