// SPDX-License-Identifier: Apache-2.0
// Removes snapshots from the Hub cache. In this order, so that a crash at any moment leaves no ref to nothing and no
// model with a hole: its refs; the snapshot itself, moved out of sight; the blobs that only it used; the rest.
// What was begun is ended by the next removal in the same repository.
#ifndef NB_APPS_HUB_REMOVE_H
#define NB_APPS_HUB_REMOVE_H

#include "apps/models/hub_scan.h"

// What goes: one snapshot and everything whose removal was begun before, or (commit "") the repository's whole folder
// with its parts of files.
typedef struct nb_hub_removal {
    nb_hub_scan scan;
    char commit[NB_MODEL_COMMIT_BYTES];
    uint64_t bytes_free;  // expected
    uint64_t bytes_other; // what its files hold besides: shared with another model
} nb_hub_removal;

// Reads the repository and counts. The only snapshot of a repository means the whole folder. False with one line in
// `why`: it is not there, or not all of it could be read, so that what else needs its blobs is not known.
bool nb_hub_removal_plan(nb_hub_removal *removal, const char *cache, const char *repository, const char *commit,
                         char why[256]);
// Does it. `*bytes_free`: what came free, also on failure. False with one line in `why`.
bool nb_hub_removal_run(const nb_hub_removal *removal, const char *cache, uint64_t *bytes_free, char why[256]);
// A commit whose removal was begun in this folder of a repository.
bool nb_hub_removed_find(char commit[NB_MODEL_COMMIT_BYTES], const char *folder, const char *revision);
void nb_hub_removal_release(nb_hub_removal *removal);

#endif
