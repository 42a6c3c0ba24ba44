// SPDX-License-Identifier: Apache-2.0
// Copies a model directory into nibble's own store: first to a folder out of sight, which an interrupted copy leaves
// for the next one to go on with, then moved to its name in one step.
#ifndef NB_APPS_STORE_ADD_H
#define NB_APPS_STORE_ADD_H

#include <limits.h>

#include "apps/hub/hub_listing.h"

typedef enum nb_add_way { NB_ADD_COPY, NB_ADD_MOVE, NB_ADD_LINK } nb_add_way;

typedef struct nb_add {
    const char *source;          // a real path
    const char *home;            // of the store
    const char *repository;      // the name to be
    const nb_hub_listing *files; // what is taken, each with the hash it must have, or "" where none is known
    nb_add_way way;
} nb_add;

// What the folder of a copy that is not whole yet is called, below models/, before ORG--NAME.
#define NB_STORE_ADDING ".adding-"
// Where the copy of a model that is not whole yet lies. False: too long.
bool nb_add_staging(char path[PATH_MAX], const char *home, const char *repository);

// Returns an exit code after its error line. Ctrl-C (nb_stop_requested) ends it with what was copied kept.
int nb_add_run(const nb_add *add);

#endif
