// SPDX-License-Identifier: Apache-2.0
// When a model was last opened by its name: the time of an empty file $NIBBLE_HOME/used/KEY. Nothing here can fail a
// command; where the folder cannot be written, the time is not known.
#ifndef NB_APPS_MODEL_USE_H
#define NB_APPS_MODEL_USE_H

#include <limits.h>
#include <time.h>

// The key of a model: the store's (commit "") or one snapshot of the Hub cache.
void nb_model_use_key(char key[NAME_MAX + 1], const char *repository, const char *commit);

void nb_model_use_record(const char *key); // now
time_t nb_model_use_time(const char *key); // 0: not known
void nb_model_use_forget(const char *key);

#endif
