// SPDX-License-Identifier: Apache-2.0
// Many responses at once: B sessions share each step over the weights. A response depends on its prompt, its seed and
// the settings alone, bit for bit: not on B, nor on what else is being answered, nor on the number of threads.
#ifndef NB_APPS_EVAL_DECODE_H
#define NB_APPS_EVAL_DECODE_H

#include "apps/common/engine_args.h"

typedef struct nb_prompt {
    int32_t *ids;
    size_t n_ids;
} nb_prompt;

typedef struct nb_response {
    size_t prompt, sample; // which prompt, which of its samples
    const char *text;      // zero-terminated, valid during the call
    size_t bytes;
    size_t n_ids;      // generated, the end token not counted
    bool is_truncated; // ended by max_tokens or by the model's position limit
} nb_response;

// One response is complete; they come in the order in which they end.
typedef void (*nb_response_fn)(void *user, const nb_response *response);

typedef struct nb_decode_request {
    nb_engine *engine;
    const nb_prompt *prompts;
    size_t n_prompts;
    uint32_t n_samples;   // of each prompt
    nb_sampling sampling; // its seed: of the whole request
    uint32_t n_max_tokens;
    nb_session_options session; // n_sessions of them side by side
    nb_response_fn on_response;
    void *user;
} nb_decode_request;

// Decodes everything, or until Ctrl-C (NB_EXIT_INTERRUPTED). Returns an exit code; error lines are printed.
int nb_decode_all(const nb_decode_request *request);

#endif
