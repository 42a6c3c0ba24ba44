// SPDX-License-Identifier: Apache-2.0
// A training in the middle: a safetensors file of F32 tensors NAME, first.NAME and second.NAME (parameters and AdamW's
// moments, in the order of the net), then `training`, a JSON record as bytes, and `sha256`, the hash of all data before
// it. It is written whole or not at all: the file before it stays until the new one is on disk.
#ifndef NB_APPS_TRAINER_STATE_H
#define NB_APPS_TRAINER_STATE_H

#include <jansson.h>

#include "apps/qat/net.h"
#include "platform/file.h"
#include "runtime/safetensors.h"

// Errors: NB_ERR_SYSTEM (place, disk full, ...), NB_ERR_FIT.
NB_MUST_USE nb_status nb_train_state_save(const char *path, const nb_param *params, size_t n_params, const float *first,
                                          const float *second, const json_t *record, nb_error *error);

typedef struct nb_train_state {
    nb_map map; // when opened from a file
    const uint8_t *data;
    nb_safetensors header;
    json_t *record;
} nb_train_state;

// Maps the file and checks it, hash included. Errors: NB_ERR_INPUT, NB_ERR_SYSTEM. Nothing is kept on failure.
NB_MUST_USE nb_status nb_train_state_open(nb_train_state *state, const char *path, nb_error *error);
// The same from memory, which must outlive the state.
NB_MUST_USE nb_status nb_train_state_parse(nb_train_state *state, const uint8_t *data, size_t bytes, const char *name,
                                           nb_error *error);
void nb_train_state_close(nb_train_state *state); // harmless on a zeroed one

// Copies values and moments out of it. NB_ERR_INPUT, and nothing copied, when its tensors are not those of `params`.
NB_MUST_USE nb_status nb_train_state_apply(const nb_train_state *state, nb_param *params, size_t n_params, float *first,
                                           float *second, nb_error *error);

#endif
