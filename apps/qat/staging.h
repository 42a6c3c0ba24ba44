// SPDX-License-Identifier: Apache-2.0
// A directory that appears whole or not at all: it is filled beside its final place, under a hidden name, and moved
// there at the end. A killed process leaves only the hidden directory, which the next one takes over: the directory is
// locked while it is being filled, and the system drops the lock of a process that dies.
#ifndef NB_APPS_STAGING_H
#define NB_APPS_STAGING_H

#include <limits.h>

#include "platform/base.h"

typedef struct nb_staging {
    char final_path[PATH_MAX];
    char path[PATH_MAX]; // where files are written: ".NAME.nibble-partial" beside final_path; "" when not open
    int fd;              // of `path`, holds the lock
    bool may_replace;
} nb_staging;

// `may_replace`: an existing directory of a model (it holds a config.json) or of a tokenizer (tokenizer.json), or an
// empty one, is replaced at the end.
// An exit of the process discards it, so `staging` must stay where it is until then.
// Errors: NB_ERR_INPUT (it exists, or something else is there, or another process is at it), NB_ERR_SYSTEM.
NB_MUST_USE nb_status nb_staging_open(nb_staging *staging, const char *directory, bool may_replace, nb_error *error);

// `directory` must not be `source` nor hold it, or replacing it would remove what it is made of. NB_ERR_INPUT.
NB_MUST_USE nb_status nb_staging_check_source(const char *source, const char *directory, nb_error *error);

// Moves the finished directory to its place; durable when it returns. After a failure: discarded.
NB_MUST_USE nb_status nb_staging_publish(nb_staging *staging, nb_error *error);

// Removes what was written. Harmless after publish and on a zeroed staging.
void nb_staging_discard(nb_staging *staging);

#endif
