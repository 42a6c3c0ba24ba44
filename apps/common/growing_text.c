// SPDX-License-Identifier: Apache-2.0
#include "apps/common/growing_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apps/common/cli.h"

void nb_growing_add(nb_growing *growing, const char *text, size_t bytes)
{
    if (growing->capacity - growing->bytes < bytes + 1) {
        growing->capacity = 2 * growing->capacity + bytes + 64;
        growing->text = nb_resize(growing->text, growing->capacity);
    }
    if (bytes)
        memcpy(growing->text + growing->bytes, text, bytes);
    growing->bytes += bytes;
    growing->text[growing->bytes] = 0;
}

void nb_growing_clear(nb_growing *growing)
{
    growing->bytes = 0;
    if (growing->text)
        growing->text[0] = 0;
}

void nb_growing_release(nb_growing *growing)
{
    free(growing->text);
    memset(growing, 0, sizeof *growing);
}

const char *nb_growing_text(const nb_growing *growing)
{
    return growing->text ? growing->text : "";
}

bool nb_growing_read(nb_growing *growing, FILE *file, size_t max_bytes)
{
    char part[65536];
    size_t n;
    while ((n = fread(part, 1, sizeof part, file)) > 0) {
        if (n > max_bytes - growing->bytes) {
            errno = EFBIG;
            return false;
        }
        nb_growing_add(growing, part, n);
    }
    return !ferror(file);
}

static int add_part(const char *text, size_t bytes, void *growing)
{
    nb_growing_add(growing, text, bytes);
    return 0;
}

void nb_growing_add_json(nb_growing *growing, json_t *value, size_t flags)
{
    if (!value || json_dump_callback(value, add_part, growing, flags) != 0)
        nb_out_of_memory();
    json_decref(value);
}

bool nb_room_short(nb_room *room, nb_error *error)
{
    if (room->size && (room->status != NB_ERR_FIT || room->n <= room->size))
        return false;
    room->size = room->n + (room->n == 0);
    *error = (nb_error){0};
    return true;
}
