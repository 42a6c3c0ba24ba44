// SPDX-License-Identifier: Apache-2.0
// What a model was trained on and how: training.json in its directory, {"stages": [...]}, one object a stage, the
// oldest first. Later commands copy it and add theirs.
#ifndef NB_APPS_TRAINER_RECORD_H
#define NB_APPS_TRAINER_RECORD_H

#include <jansson.h>

#include "platform/base.h"

// The record of a model directory, to be released with json_decref; an empty one where there is none.
// Errors: NB_ERR_INPUT, NB_ERR_SYSTEM.
NB_MUST_USE nb_status nb_training_read(json_t **record, const char *directory, nb_error *error);

// SHA-256 of the traces of the last stage of sft, or NULL. Lives with the record.
const char *nb_training_traces(const json_t *record);

// Adds a stage (the reference is taken over).
void nb_training_add(json_t *record, json_t *stage);

NB_MUST_USE nb_status nb_training_write(const json_t *record, const char *directory, nb_error *error);

// The first key in which two recipes differ becomes an error: "--KEY; expected A as in the checkpoint, found B".
NB_MUST_USE nb_status nb_recipe_compare(const json_t *kept, const json_t *asked, nb_error *error);

#endif
