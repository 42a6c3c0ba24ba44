// SPDX-License-Identifier: Apache-2.0
// The parts of config reading, each over an open JSON object. Internal to runtime/config*.c.
#ifndef NB_RUNTIME_CONFIG_READ_H
#define NB_RUNTIME_CONFIG_READ_H

#include "runtime/config.h"
#include "runtime/json.h"

// rope_parameters (new style), or rope_theta and rope_scaling (old style), of config.json. Needs max_positions.
NB_MUST_USE nb_status nb_config_read_rope(nb_config *config, const nb_json_reader *reader);

// quantization_config of config.json, flat.
NB_MUST_USE nb_status nb_config_read_quant(nb_config *config, const nb_json_reader *reader);

// hf_quant_config.json: ModelOpt's older file, authoritative where both exist.
NB_MUST_USE nb_status nb_config_read_quant_legacy(nb_config *config, const nb_json_reader *reader);

// The rows of a quantised matrix are cut into blocks of 16, and so are the heads of a quantised cache.
NB_MUST_USE nb_status nb_config_check_blocks(const nb_config *config, nb_error *error);

#endif
