// SPDX-License-Identifier: Apache-2.0
// The two questions to a Hub before any file: which commit a revision is, and which files that commit has.
#ifndef NB_APPS_HUB_API_H
#define NB_APPS_HUB_API_H

#include "apps/hub/hub_listing.h"
#include "apps/hub/hub_retry.h"

typedef struct nb_hub_api {
    const nb_hub_options *options;
    nb_http *http;
    nb_hub_pace *pace;
    const nb_model_name *name;
    // Told before a wait between two tries; may be NULL.
    void (*on_retry)(void *user, const nb_hub_failure *failure, double wait_s);
    void *user;
} nb_hub_api;

// A revision that is a commit already is taken at its word: the listing tells whether it is there.
bool nb_hub_api_commit(const nb_hub_api *api, char commit[NB_MODEL_COMMIT_BYTES], nb_hub_failure *failure);

// All pages, finished. False with nothing kept.
bool nb_hub_api_list(const nb_hub_api *api, const char *commit, nb_hub_listing *listing, nb_hub_failure *failure);

// The address of a file's bytes, or of its page for people.
void nb_hub_file_url(nb_growing *url, const nb_hub_options *options, const char *repository, const char *commit,
                     const char *path);

#endif
