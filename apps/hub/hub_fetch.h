// SPDX-License-Identifier: Apache-2.0
// Brings the blobs of a plan: several at once, each hashed while it comes, parts taken up where they end.
#ifndef NB_APPS_HUB_FETCH_H
#define NB_APPS_HUB_FETCH_H

#include "apps/hub/hub_api.h"
#include "apps/hub/hub_plan.h"
#include "apps/hub/hub_progress.h"

typedef struct nb_hub_fetch {
    const nb_hub_options *options;
    const nb_model_name *name;
    const char *commit;
    nb_hub_plan *plan;
    nb_hub_progress *progress;
    nb_hub_pace *pace;
    nb_http *http; // whose connections the first worker goes on with; NULL: offline, nothing may be fetched
    atomic_bool *is_cancelled;
    uint32_t n_jobs;
    bool does_verify; // blobs that are here are hashed too
    // Results.
    _Atomic uint64_t fetched_bytes; // from the network
    nb_hub_failure failure;         // the first
    const nb_hub_file *failed_file;
} nb_hub_fetch;

// True when every blob is here, whole and true. Otherwise `failure` tells why; what came is kept.
bool nb_hub_fetch_run(nb_hub_fetch *fetch);

#endif
