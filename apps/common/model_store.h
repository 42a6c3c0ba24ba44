// SPDX-License-Identifier: Apache-2.0
// Where models are: a directory, or a name looked up in the model store and in the Hugging Face cache.
#ifndef NB_APPS_MODEL_STORE_H
#define NB_APPS_MODEL_STORE_H

#include <limits.h>

#include "apps/common/model_name.h"

// $NIBBLE_HOME, else ~/.local/share/nibble.
void nb_store_home(char *path, size_t bytes);

// The store's home and the Hub cache; false after an error line when a path is too long.
bool nb_store_places(char home[PATH_MAX], char cache[PATH_MAX]);

// The directory is a model's and not one of an ORG: it has a config.json.
bool nb_store_is_model(const char *directory);

typedef struct nb_store_hit {
    char repository[NB_MODEL_REPOSITORY_BYTES];
    char revision[NB_MODEL_REVISION_BYTES]; // as asked for, "" when not
    char commit[NB_MODEL_COMMIT_BYTES];     // "" in the store
    char directory[PATH_MAX];               // of the model; "" when the cache has no such snapshot
    bool in_hub;
} nb_store_hit;

// What a name means: ORG/NAME or NAME under the store's models/, then models--ORG--NAME in the Hub cache at @REVISION
// (default main; a commit may be shortened); a short name must match once in both together. Returns 0, or exit code 3
// after an error line that says where was searched and what to do. With `even_incomplete` a repository of the cache
// without the snapshot counts too.
int nb_store_resolve(nb_store_hit *hit, const char *name, bool even_incomplete);

// The directory that `name` means: a directory of that path, else as above, its use noted. Returns as above.
int nb_store_find(char path[PATH_MAX], const char *name);

#endif
