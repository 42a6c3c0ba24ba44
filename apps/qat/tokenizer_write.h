// SPDX-License-Identifier: Apache-2.0
// A trained tokenizer as Hugging Face files.
#ifndef NB_APPS_TOKENIZER_WRITE_H
#define NB_APPS_TOKENIZER_WRITE_H

#include "apps/qat/tokenizer_train.h"

// The special tokens, in the order of their ids, which follow the last merge.
enum { NB_TOKEN_END_OF_TEXT, NB_TOKEN_IM_START, NB_TOKEN_IM_END, NB_TOKEN_THINK, NB_TOKEN_THINK_END, NB_N_SPECIAL };
extern const char *const nb_special_tokens[NB_N_SPECIAL];

// Writes `directory`/tokenizer.json and tokenizer_config.json, the latter with a ChatML template that opens <think>.
// `n_max_positions` is told to other software. Errors: NB_ERR_SYSTEM.
NB_MUST_USE nb_status nb_tokenizer_write(const nb_bpe_trainer *trainer, uint32_t n_max_positions, const char *directory,
                                         nb_error *error);

#endif
