// SPDX-License-Identifier: Apache-2.0
// Bytes that grow; always zero-terminated once something was added. Start from a zeroed struct.
#ifndef NB_APPS_GROWING_TEXT_H
#define NB_APPS_GROWING_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct nb_growing {
    char *text;
    size_t bytes;
    size_t capacity;
} nb_growing;

void nb_growing_add(nb_growing *growing, const char *text, size_t bytes);
void nb_growing_clear(nb_growing *growing);             // keeps the memory
void nb_growing_release(nb_growing *growing);           // zeroed again
const char *nb_growing_text(const nb_growing *growing); // never NULL
// Everything of a stream. False with errno set when reading fails, or EFBIG beyond `max_bytes`.
bool nb_growing_read(nb_growing *growing, FILE *file, size_t max_bytes);

#endif
