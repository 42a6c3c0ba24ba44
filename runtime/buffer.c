// SPDX-License-Identifier: Apache-2.0
#include "runtime/buffer.h"

#include <stdlib.h>
#include <string.h>

bool nb_buffer_reserve(nb_buffer *buffer, size_t more)
{
    if (more <= buffer->capacity - buffer->bytes)
        return true;
    if (more > SIZE_MAX / 4 || buffer->bytes > SIZE_MAX / 4)
        return false;
    size_t capacity = nb_max(nb_max(buffer->bytes + more, buffer->capacity + buffer->capacity / 2), 64);
    char *data = realloc(buffer->data, capacity);
    if (!data)
        return false;
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

bool nb_buffer_append(nb_buffer *buffer, const void *data, size_t bytes)
{
    if (!nb_buffer_reserve(buffer, bytes))
        return false;
    if (bytes)
        memcpy(buffer->data + buffer->bytes, data, bytes);
    buffer->bytes += bytes;
    return true;
}

void nb_buffer_free(nb_buffer *buffer)
{
    free(buffer->data);
    *buffer = (nb_buffer){0};
}
