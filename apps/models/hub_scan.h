// SPDX-License-Identifier: Apache-2.0
// What a repository folder of the Hub cache holds: its snapshots, refs and blobs, and which snapshot needs which blob.
// The folder may have been written by anybody: nothing is opened but folders and refs, no link is followed out of the
// folder, and depth and numbers are limited.
#ifndef NB_APPS_HUB_SCAN_H
#define NB_APPS_HUB_SCAN_H

#include <limits.h>
#include <stdint.h>

#include "apps/common/hub_cache.h"

// A snapshot that is being removed is first moved to the folder NB_HUB_OWN of its repository, under this and its
// commit: no client takes it for a model any more, and which blobs go with it can still be told.
#define NB_HUB_OWN     ".nibble"
#define NB_HUB_REMOVED "removed-"

typedef struct nb_scan_blob {
    char name[NAME_MAX + 1];
    uint64_t bytes;      // of the file, also where the blob is a link into the cache's shared store
    uint64_t bytes_free; // what removing it frees: 0 when shared or hard-linked elsewhere
    uint32_t n_users;    // snapshots with a link to it
    bool is_partial;     // NAME.incomplete
    size_t last_user;    // while snapshots are read
} nb_scan_blob;

typedef struct nb_scan_ref {
    char revision[NB_MODEL_REVISION_BYTES];
    char commit[NB_MODEL_COMMIT_BYTES]; // "" when the file holds no name of a snapshot
} nb_scan_ref;

typedef struct nb_scan_snapshot {
    char commit[NB_MODEL_COMMIT_BYTES];
    size_t *blobs; // indices, each once, ascending
    size_t n_blobs;
    uint64_t bytes;        // of its files, a blob counted once
    uint64_t plain_bytes;  // of those that are files and no links
    size_t n_files, n_bad; // bad: a link to nothing, or to something that is no blob of this repository
    bool is_removed;       // it lies in .nibble/: its removal was begun and has not ended
} nb_scan_snapshot;

typedef struct nb_hub_scan {
    char repository[NB_MODEL_REPOSITORY_BYTES];
    char folder[PATH_MAX];
    nb_scan_blob *blobs; // by name
    nb_scan_ref *refs;
    nb_scan_snapshot *snapshots; // by commit; those removed last
    size_t n_blobs, n_refs, n_snapshots;
    uint64_t bytes;         // all blobs and plain files, each once
    uint64_t partial_bytes; // of blobs that are not complete
    char why[256];          // "" when everything could be read; else what could not, and no more is known than is here
} nb_hub_scan;

// Reads the folder of `repository`; false when there is none, or it is a link. Release it in both cases.
bool nb_hub_scan_make(nb_hub_scan *scan, const char *cache, const char *repository);
void nb_hub_scan_release(nb_hub_scan *scan);

// The repositories of models in a cache, sorted; `*n` of them, each and the list to be freed.
char **nb_hub_repositories(const char *cache, size_t *n);

#endif
