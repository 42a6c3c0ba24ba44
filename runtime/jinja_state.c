// SPDX-License-Identifier: Apache-2.0
// The pool, failing, limits, and text under construction.
#include "runtime/jinja_state.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 64 << 10 };

struct nb_jchunk {
    struct nb_jchunk *next;
    size_t used, capacity;
    _Alignas(16) unsigned char bytes[];
};

static struct nb_jchunk *add_chunk(nb_jinja *j, size_t bytes)
{
    size_t capacity = nb_max(bytes, CHUNK_BYTES);
    struct nb_jchunk *chunk = malloc(sizeof *chunk + capacity);
    if (!chunk) {
        j->status = nb_error_set(j->error, NB_ERR_SYSTEM, "chat template: no memory for %zu bytes", capacity);
        longjmp(j->escape, 1);
    }
    *chunk = (struct nb_jchunk){.next = j->chunks, .capacity = capacity};
    return j->chunks = chunk;
}

void *nb_jinja_alloc(nb_jinja *j, size_t bytes)
{
    if (bytes > NB_JINJA_MEMORY_BYTES_MAX || j->pool_bytes + bytes > NB_JINJA_MEMORY_BYTES_MAX)
        nb_jinja_fail(j, "too much text; expected at most %d bytes in all", NB_JINJA_MEMORY_BYTES_MAX);
    bytes = nb_align_up(bytes, 16);
    struct nb_jchunk *chunk = j->chunks;
    if (!chunk || chunk->capacity - chunk->used < bytes)
        chunk = add_chunk(j, bytes);
    void *memory = chunk->bytes + chunk->used;
    chunk->used += bytes;
    j->pool_bytes += bytes;
    return memory;
}

void nb_jinja_pool_free(nb_jinja *j)
{
    while (j->chunks) {
        struct nb_jchunk *next = j->chunks->next;
        free(j->chunks);
        j->chunks = next;
    }
}

_Noreturn void nb_jinja_fail(nb_jinja *j, const char *format, ...)
{
    char text[NB_ERROR_TEXT_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    j->status = nb_error_set(j->error, NB_ERR_INPUT, "chat template line %u: %s", j->line, text);
    longjmp(j->escape, 1);
}

void nb_jinja_charge(nb_jinja *j, size_t steps)
{
    if (steps > NB_JINJA_STEPS_MAX || j->steps + steps > NB_JINJA_STEPS_MAX)
        nb_jinja_fail(j, "too much work; expected at most %d steps", NB_JINJA_STEPS_MAX);
    j->steps += (uint32_t)steps;
}

void nb_jinja_enter(nb_jinja *j)
{
    if (j->depth >= NB_JINJA_RUN_DEPTH_MAX)
        nb_jinja_fail(j, "nested too deeply; expected at most %d levels", NB_JINJA_RUN_DEPTH_MAX);
    j->depth++;
}

static void reserve(nb_jbuffer *b, size_t n)
{
    if (b->capacity - b->n >= n)
        return;
    if (n > NB_JINJA_MEMORY_BYTES_MAX)
        nb_jinja_fail(b->j, "too much text; expected at most %d bytes in all", NB_JINJA_MEMORY_BYTES_MAX);
    size_t capacity = nb_max(2 * b->capacity, nb_max(b->n + n, 64));
    char *bytes = nb_jinja_alloc(b->j, capacity);
    uint8_t *marks = nb_jinja_alloc(b->j, capacity);
    if (b->n) {
        memcpy(bytes, b->bytes, b->n);
        memcpy(marks, b->marks, b->n);
    }
    b->bytes = bytes;
    b->marks = marks;
    b->capacity = capacity;
}

void nb_jbuffer_add(nb_jbuffer *b, const char *bytes, size_t n, uint8_t mark)
{
    if (n == 0)
        return;
    reserve(b, n);
    memcpy(b->bytes + b->n, bytes, n);
    memset(b->marks + b->n, mark, n);
    b->n += n;
}

void nb_jbuffer_puts(nb_jbuffer *b, const char *text)
{
    nb_jbuffer_add(b, text, strlen(text), NB_JMARK_TRUSTED);
}

void nb_jbuffer_add_string(nb_jbuffer *b, nb_jval string)
{
    if (string.n == 0)
        return;
    reserve(b, string.n);
    memcpy(b->bytes + b->n, string.bytes, string.n);
    memcpy(b->marks + b->n, string.marks, string.n);
    b->n += string.n;
}

nb_jval nb_jbuffer_take(nb_jbuffer *b)
{
    NB_ASSERT(b->n <= UINT32_MAX);
    nb_jval string = {.kind = NB_J_STRING, .n = (uint32_t)b->n};
    string.bytes = b->bytes ? b->bytes : "";
    string.marks = b->marks ? b->marks : (const uint8_t *)"";
    return string;
}
