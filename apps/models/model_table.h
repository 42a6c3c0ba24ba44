// SPDX-License-Identifier: Apache-2.0
// Every model that a name can mean, in the store and in the Hub cache, and what was begun and is not whole.
#ifndef NB_APPS_MODEL_TABLE_H
#define NB_APPS_MODEL_TABLE_H

#include <stdint.h>
#include <time.h>

#include "apps/common/model_name.h"

typedef enum nb_model_place { NB_PLACE_STORE, NB_PLACE_LINK, NB_PLACE_HUB } nb_model_place;

typedef struct nb_model_row {
    char repository[NB_MODEL_REPOSITORY_BYTES];
    char commit[NB_MODEL_COMMIT_BYTES]; // "" in the store, and of what has no snapshot yet
    char *revisions;                    // with spaces between; "" when no name leads to it
    char *directory;
    nb_model_place place;
    bool is_incomplete; // a pull or a copy that has not ended; no model yet
    bool is_removed;    // incomplete because its removal was begun and has not ended
    uint64_t bytes;     // of all its files, or of those that are there
    time_t last_use;    // 0: not known
    char format[16];    // "BF16", "NVFP4"; "" when `why` says why it does not run
    char family[16];
    uint64_t n_parameters;
    char why[512];
} nb_model_row;

typedef struct nb_model_table {
    nb_model_row *rows; // by name, the revision main first
    size_t n_rows;
    uint64_t bytes; // on the disk; what several models share counts once
} nb_model_table;

// Reads everything below the store `home` and the Hub cache; opens each model's headers unless it is incomplete.
void nb_model_table_make(nb_model_table *table, const char *home, const char *cache);
void nb_model_table_release(nb_model_table *table);

#endif
