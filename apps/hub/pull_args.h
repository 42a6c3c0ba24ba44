// SPDX-License-Identifier: Apache-2.0
// What `nibble pull` was asked for.
#ifndef NB_APPS_PULL_ARGS_H
#define NB_APPS_PULL_ARGS_H

#include "apps/hub/hub_select.h"

typedef struct nb_pull_args {
    nb_hub_globs globs;
    bool is_dry, does_verify, is_offline, is_json;
    uint64_t n_jobs, n_retries;
    double stall_s, retry_wait_s; // stall_s 0: as the environment says
    const char *directory;        // --to; NULL: the cache
    nb_model_name name;
} nb_pull_args;

// Does it all. Returns an exit code; on failure the line is printed.
int nb_pull(const nb_pull_args *args);

#endif
