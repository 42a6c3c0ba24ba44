// SPDX-License-Identifier: Apache-2.0
// A growing run of bytes for the control plane: parsers, renderers, encoders. Zero-initialise, append, free.
#ifndef NB_RUNTIME_BUFFER_H
#define NB_RUNTIME_BUFFER_H

#include "platform/base.h"

typedef struct nb_buffer {
    char *data; // NULL while capacity is 0
    size_t bytes;
    size_t capacity;
} nb_buffer;

// Makes room for `more` bytes after the end. False when memory is short; the content stays then.
NB_MUST_USE bool nb_buffer_reserve(nb_buffer *buffer, size_t more);
NB_MUST_USE bool nb_buffer_append(nb_buffer *buffer, const void *data, size_t bytes);
void nb_buffer_free(nb_buffer *buffer); // frees and zeroes

#endif
