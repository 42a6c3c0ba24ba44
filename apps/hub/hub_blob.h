// SPDX-License-Identifier: Apache-2.0
// The part of a blob on disk: bytes are appended and hashed at once, so that its hash is known with its last byte.
#ifndef NB_APPS_HUB_BLOB_H
#define NB_APPS_HUB_BLOB_H

#include "apps/hub/hub_digest.h"
#include "apps/hub/hub_plan.h"

typedef struct nb_hub_part {
    char path[PATH_MAX];
    int fd; // -1: closed
    const nb_hub_file *file;
    nb_hub_digest *digest; // borrowed
    uint64_t at_bytes;     // on disk and in the hash
    uint64_t flushed_bytes;
} nb_hub_part;

// Opens or makes the part and hashes what it holds; `tell` (may be NULL) hears how far that is and ends it with false.
bool nb_hub_part_open(nb_hub_part *part, const nb_hub_place *place, const nb_hub_file *file, nb_hub_digest *digest,
                      bool (*tell)(void *user, uint64_t bytes), void *user, nb_hub_failure *failure);
bool nb_hub_part_append(nb_hub_part *part, const void *data, size_t bytes, nb_hub_failure *failure);
bool nb_hub_part_restart(nb_hub_part *part, nb_hub_failure *failure); // empty again
bool nb_hub_part_is_true(nb_hub_part *part);                          // once, when at_bytes is the file's size
// fsync and close; the part becomes blobs/ETAG, or with a directory every file of that content.
bool nb_hub_part_place(nb_hub_part *part, const nb_hub_plan *plan, const char *commit, nb_hub_failure *failure);
void nb_hub_part_close(nb_hub_part *part);

// Hashes a file that is here. False with failure when it can't be read or `tell` ended it; else `is_true` tells.
bool nb_hub_file_check(const char *path, const nb_hub_file *file, nb_hub_digest *digest,
                       bool (*tell)(void *user, uint64_t bytes), void *user, bool *is_true, nb_hub_failure *failure);

#endif
