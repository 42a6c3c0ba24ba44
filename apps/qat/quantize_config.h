// SPDX-License-Identifier: Apache-2.0
// The files of a ModelOpt NVFP4 directory beside its tensors: what declares the quantisation, and what is copied.
#ifndef NB_APPS_QUANTIZE_CONFIG_H
#define NB_APPS_QUANTIZE_CONFIG_H

#include "platform/base.h"

// config.json with a quantization_config added, every other byte kept, and hf_quant_config.json saying the same.
// Excluded modules: lm_head and `ignore`. Errors: NB_ERR_INPUT (config.json has a quantization_config already).
NB_MUST_USE nb_status nb_quantize_write_config(const char *source, const char *target, const char *const *ignore,
                                               size_t n_ignore, nb_error *error);

// Tokenizer, chat template, generation settings, licence and card, byte for byte; what is not there is left out.
NB_MUST_USE nb_status nb_quantize_copy_files(const char *source, const char *target, nb_error *error);

#endif
