// SPDX-License-Identifier: Apache-2.0
// One line of a traces file becomes token ids and a mask of the tokens to learn: what the assistant says, with the
// token that ends its turn. What the template writes before it, an opened <think> included, is the prompt, token for
// token as in a chat.
//
//   {"prompt": "...", "response": "..."}            one question and its answer
//   {"messages": [{"role": ..., "content": ...}]}   the last one is the assistant's; every turn of the assistant counts
//   {"ids": [...], "mask": [...]}                   tokenised already; mask: 0 or 1 for each id
//
// Other keys are left alone. A model without a chat template takes prompt and response as they stand, and its stop
// token after them.
#ifndef NB_APPS_TRACE_ENCODE_H
#define NB_APPS_TRACE_ENCODE_H

#include "runtime/nibble.h"

// Reused from line to line; start from zero.
typedef struct nb_trace {
    int32_t *ids;
    uint8_t *mask; // 1: to be learnt
    size_t n, capacity;
} nb_trace;

// `text`: NULL for a model without tokenizer, which takes only ids. Ids are not checked against a vocabulary.
// Errors: NB_ERR_INPUT (without naming the line), NB_ERR_SYSTEM.
nb_status nb_trace_encode(nb_trace *trace, const nb_text *text, const char *line, size_t bytes, nb_error *error)
    __attribute__((warn_unused_result));
void nb_trace_release(nb_trace *trace);

#endif
