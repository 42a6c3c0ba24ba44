// SPDX-License-Identifier: Apache-2.0
// What a pull has to do: the files taken, the distinct contents behind them (blobs), and how much of each is here.
//
// Contents are known by their hash. In the cache a blob lies at blobs/ETAG and a part of it at
// blobs/ETAG.nibble.incomplete; with --to DIR the files themselves are what there is, and a part lies in
// DIR/.cache/huggingface/download/. A part's name holds the hash, so what a later run finds is of the same content.
#ifndef NB_APPS_HUB_PLAN_H
#define NB_APPS_HUB_PLAN_H

#include <stdatomic.h>

#include "apps/hub/hub_errors.h"
#include "apps/hub/hub_listing.h"

// Where files go.
typedef struct nb_hub_place {
    bool is_directory;           // --to DIR
    char root[PATH_MAX];         // the repository's folder in the cache, or DIR
    char cache_folder[PATH_MAX]; // the repository's folder in the cache, also with --to
    char snapshot[PATH_MAX];     // of the commit in the cache, there or not; "" until the commit is known
} nb_hub_place;

typedef enum nb_hub_state {
    NB_HUB_ABSENT,
    NB_HUB_PART,    // some of it
    NB_HUB_PRESENT, // all of it, by its length
    NB_HUB_UNSURE,  // --to: a file of that length of which no record tells the hash
    NB_HUB_CACHED,  // --to: in the cache, to be copied
} nb_hub_state;

typedef struct nb_hub_blob {
    const nb_hub_file *file; // the first with this content
    size_t n_names;          // files with this content
    nb_hub_state state;      // when the plan was made
    uint64_t part_bytes;
    _Atomic uint64_t done_bytes; // for the display; never falls
    atomic_bool is_done;
} nb_hub_blob;

typedef struct nb_hub_plan {
    const nb_hub_place *place;
    const nb_hub_file **files; // taken, sorted by path
    size_t n_files;
    nb_hub_blob *blobs;
    size_t n_blobs;
    uint64_t total_bytes;   // of the blobs
    uint64_t present_bytes; // of those here whole
    uint64_t part_bytes;    // of the parts
    uint64_t fetch_bytes;   // still to come from the Hub
    uint64_t disk_bytes;    // still to be written
} nb_hub_plan;

void nb_hub_plan_make(nb_hub_plan *plan, const nb_hub_place *place, const nb_hub_listing *listing,
                      const bool *is_taken);
// Looks at the disk.
void nb_hub_plan_look(nb_hub_plan *plan);
void nb_hub_plan_release(nb_hub_plan *plan);
// Parts of blobs that are in the cache whole, because another client brought them meanwhile: how many.
size_t nb_hub_plan_leftovers(const nb_hub_plan *plan, bool does_remove);

// Room for what is to be written, with a little left over. False with `failure` set.
bool nb_hub_plan_fits(const nb_hub_plan *plan, nb_hub_failure *failure);

// False: too long.
bool nb_hub_part_path(char path[PATH_MAX], const nb_hub_place *place, const char *etag);
bool nb_hub_cached_path(char path[PATH_MAX], const nb_hub_place *place, const char *etag);             // blobs/ETAG
bool nb_hub_file_path(char path[PATH_MAX], const nb_hub_place *place, const char *path_in_repository); // DIR/...

// Where the cache has this file, by its length: at blobs/ETAG, or at snapshots/COMMIT/PATH itself, where a client
// without links put it. False: nowhere.
bool nb_hub_cached_find(char path[PATH_MAX], const nb_hub_place *place, const nb_hub_file *file);

#endif
