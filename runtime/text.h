// SPDX-License-Identifier: Apache-2.0
// The inside of nb_text: the tokenizer and what the other files of a model directory say about text.
#ifndef NB_RUNTIME_TEXT_H
#define NB_RUNTIME_TEXT_H

#include "platform/base.h"
#include "runtime/nibble.h"
#include "runtime/tokenizer.h"

struct nb_template; // a compiled chat template (runtime/jinja.h)

// Everything is owned by the text; absent strings are NULL; all strings are zero-terminated UTF-8.
struct nb_text {
    nb_tokenizer *tokenizer;
    char *chat_template; // source: chat_template.jinja, else tokenizer_config.json's
    size_t chat_template_bytes;
    struct nb_template *compiled;                        // NULL when there is none, or it does not compile
    char *bos_token, *eos_token, *pad_token, *unk_token; // as templates see them
    int32_t bos_id;                                      // of bos_token, -1: none
    int32_t think_open_id, think_close_id;               // single tokens <think> and </think>, -1: none
    int32_t *stop_ids;                                   // sorted by first mention, no duplicates
    uint32_t n_stop_ids;
};

#endif
