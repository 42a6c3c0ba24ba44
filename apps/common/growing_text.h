// SPDX-License-Identifier: Apache-2.0
// Bytes that grow; always zero-terminated once something was added. Start from a zeroed struct.
#ifndef NB_APPS_GROWING_TEXT_H
#define NB_APPS_GROWING_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "runtime/nibble.h"

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

// Adds `value` as JSON with jansson's `flags`; the value is released. Ends the program, as for any lack of memory, when
// it is NULL or cannot be written whole.
void nb_growing_add_json(nb_growing *growing, json_t *value, size_t flags);

// A call that fills a buffer and says, with NB_ERR_FIT, how much room it needs, made until there is enough:
//     nb_room room = {.n = a guess};
//     while (nb_room_short(&room, &error)) {
//         ids = nb_resize(ids, room.size * sizeof *ids);
//         room.status = nb_text_encode(..., ids, room.size, &room.n, &error);
//     }
typedef struct nb_room {
    size_t n;    // items wanted, then items there
    size_t size; // items that there has to be room for, at least one
    nb_status status;
} nb_room;

// Whether the call is to be made (again), with an empty `error`.
bool nb_room_short(nb_room *room, nb_error *error);

#endif
