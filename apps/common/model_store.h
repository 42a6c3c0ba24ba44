// SPDX-License-Identifier: Apache-2.0
// Where models are: a directory, or a name looked up in the model store and in the Hugging Face cache.
#ifndef NB_APPS_MODEL_STORE_H
#define NB_APPS_MODEL_STORE_H

#include <limits.h>
#include <stddef.h>

// $NIBBLE_HOME, else ~/.local/share/nibble.
void nb_store_home(char *path, size_t bytes);

// Finds the directory that `name` means. Order: a directory of that path; ORG/NAME or NAME under the store's models/;
// models--ORG--NAME in the Hub cache at @REVISION (default main); a short name must match once in both together.
// Returns 0, or exit code 3 after an error line naming the places searched.
int nb_store_find(char path[PATH_MAX], const char *name);

#endif
