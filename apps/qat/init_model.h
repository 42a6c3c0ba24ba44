// SPDX-License-Identifier: Apache-2.0
// A Qwen2 model with random weights, to begin training from.
#ifndef NB_APPS_INIT_MODEL_H
#define NB_APPS_INIT_MODEL_H

#include "runtime/config.h"
#include "runtime/safetensors.h"

// Writes `directory`/model.safetensors: embeddings and linear layers near normal(0, std), those that write into the
// residual stream (o_proj, down_proj) with std / sqrt(2 L) (Radford et al. 2019), norms 1, biases 0. A random number is
// the sum of twelve uniform ones less 6, so every machine draws the same. dtype: NB_DTYPE_BF16 or NB_DTYPE_F32.
// Errors: NB_ERR_INPUT (not a plain qwen2 config), NB_ERR_SYSTEM.
NB_MUST_USE nb_status nb_init_weights(const nb_config *config, double std, uint64_t seed, nb_dtype dtype,
                                      const char *directory, nb_error *error);

#endif
