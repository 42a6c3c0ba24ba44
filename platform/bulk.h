// SPDX-License-Identifier: Apache-2.0
// Reads many ranges of one file into memory, once and deep: NB_BULK_DEPTH threads ask for aligned blocks of 1 MiB at
// the same time, from the page cache where it has them, else past it with O_DIRECT where the file system has that, into
// a bounce buffer each, and copy from there to where the ranges belong. The page cache then forgets what was read.
#ifndef NB_PLATFORM_BULK_H
#define NB_PLATFORM_BULK_H

#include "platform/file.h"

enum { NB_BULK_DEPTH = 8, NB_BULK_BLOCK_BYTES = 1 << 20 };

typedef struct nb_range {
    uint64_t begin; // in the file
    uint64_t bytes;
    uint8_t *dst;
} nb_range;

// Gets the bytes read so far; runs on the calling thread.
typedef void (*nb_bulk_progress_fn)(void *user, uint64_t done_bytes);

// `map`: the same file; `ranges`: by ascending begin, not overlapping. Errors: NB_ERR_INPUT (the file has not that many
// bytes), NB_ERR_SYSTEM. Takes NB_BULK_DEPTH blocks of memory while it runs.
NB_MUST_USE nb_status nb_bulk_read(const nb_map *map, const char *path, const nb_range *ranges, size_t n_ranges,
                                   nb_bulk_progress_fn on_progress, void *user, nb_error *error);

#endif
