// SPDX-License-Identifier: Apache-2.0
// What a Hub says a repository holds: the commit behind a revision, and the files of that commit, page by page.
// The JSON is checked as anything from outside; too much of it is refused.
#ifndef NB_APPS_HUB_LISTING_H
#define NB_APPS_HUB_LISTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apps/hub/hub_name.h"

enum {
    NB_HUB_PAGE_BYTES = 4 << 20, // of one answer; a page of 1000 files takes about half a megabyte
    NB_HUB_MAX_PAGES = 200,
    NB_HUB_MAX_FILES = 20000,
};
static const int64_t NB_HUB_FILE_BYTES = INT64_C(1) << 48; // the sum of all files fits 63 bits

typedef struct nb_hub_file {
    char *path;
    uint64_t bytes;
    char etag[65]; // SHA-256 of an LFS file, else the git blob SHA-1: what the cache calls the blob
} nb_hub_file;

typedef struct nb_hub_listing {
    nb_hub_file *files; // sorted by path once finished
    size_t n_files, capacity;
} nb_hub_listing;

// The answer to api/models/ID/revision/REVISION. False with one line in `why`.
bool nb_hub_commit_parse(char commit[NB_MODEL_COMMIT_BYTES], const char *json, size_t bytes, char *why,
                         size_t capacity);

// Adds the files of a page of api/models/ID/tree/COMMIT?recursive=true. False with one line in `why`.
bool nb_hub_listing_add(nb_hub_listing *listing, const char *json, size_t bytes, char *why, size_t capacity);

// Sorts, and refuses what cannot lie in one tree: a path twice, or a file where another needs a folder.
bool nb_hub_listing_finish(nb_hub_listing *listing, char *why, size_t capacity);

// By path; NULL when there is none. Of a finished listing.
const nb_hub_file *nb_hub_listing_find(const nb_hub_listing *listing, const char *path);

void nb_hub_listing_put(nb_hub_listing *listing, const char *path, uint64_t bytes, const char *etag);
void nb_hub_listing_release(nb_hub_listing *listing);

#endif
