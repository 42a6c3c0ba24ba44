// SPDX-License-Identifier: Apache-2.0
// Choosing the next id. Pure: equal input, equal id, on every machine (own exp, fixed order, counter-based draw).
#ifndef NB_RUNTIME_SAMPLER_H
#define NB_RUNTIME_SAMPLER_H

#include "runtime/nibble.h"
#include "runtime/plan.h"

typedef struct nb_sampler_input {
    const float *logits; // [n_tokens]
    uint32_t n_tokens;
    const int32_t *timeline;  // ids so far, for the repetition penalty
    size_t length;            // also the counter of the draw
    nb_candidate *candidates; // [n_tokens] scratch
    uint8_t *seen;            // [n_tokens] scratch
} nb_sampler_input;

// Errors: NB_ERR_ARGUMENT (setting out of range, bias id outside the vocabulary), NB_ERR_INPUT (no finite logit left).
NB_MUST_USE nb_status nb_sample(const nb_sampler_input *input, const nb_sampling *sampling, int32_t *id, float *logprob,
                                nb_error *error);

#endif
