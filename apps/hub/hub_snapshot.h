// SPDX-License-Identifier: Apache-2.0
// A snapshot in the cache: links from the names of a commit's files to their blobs. It is put together beside the
// others and appears with one rename; the ref that names it follows, so at any moment there is the old or the new one.
#ifndef NB_APPS_HUB_SNAPSHOT_H
#define NB_APPS_HUB_SNAPSHOT_H

#include "apps/hub/hub_plan.h"

// The folders of a repository in the cache. False with failure.
bool nb_hub_repository_prepare(const nb_hub_place *place, const char *cache, nb_hub_failure *failure);

// Every blob of the plan is there. A snapshot of this commit that is there already gets the links it lacks.
bool nb_hub_snapshot_publish(const nb_hub_plan *plan, const nb_model_name *name, const char *commit,
                             nb_hub_failure *failure);

// Nothing is left to do: the snapshot has every file of the plan by a link to its blob, the ref names it, and no
// killed run left anything. (That the blobs are there the plan tells.)
bool nb_hub_snapshot_is_published(const nb_hub_plan *plan, const nb_model_name *name, const char *commit);

// What a snapshot in the cache holds, as a listing: the blobs' names tell the hashes. Entries that are no links to
// blobs are counted in `n_strange` and left out.
bool nb_hub_snapshot_list(const nb_hub_place *place, const char *commit, nb_hub_listing *listing, size_t *n_strange,
                          nb_hub_failure *failure);

#endif
