// SPDX-License-Identifier: Apache-2.0
// Every buffer of a session, described once: the same description counts (the plan that is shown and checked) and
// places.
#ifndef NB_RUNTIME_PLAN_H
#define NB_RUNTIME_PLAN_H

#include "platform/arena.h"
#include "runtime/forward.h"
#include "runtime/nibble.h"

// Options with every default resolved and every value checked.
typedef struct nb_session_shape {
    uint32_t n_ctx, n_sinks, n_chunk, n_logit_rows;
    uint32_t n_sessions; // counted by nb_plan_report
    uint32_t max_positions;
    nb_kv_format kv;
} nb_session_shape;

// One candidate of the sampler.
typedef struct nb_candidate {
    float logit;
    int32_t id;
} nb_candidate;

typedef struct nb_session_buffers {
    nb_arena host, cache, scratch_arena, exchange;
    nb_ring ring;
    nb_scratch scratch;
    int32_t *ids;             // [max_positions] the timeline
    float *logits;            // [n_logit_rows, V]
    nb_candidate *candidates; // [V]
    uint8_t *seen;            // [V] ids within the repetition window
} nb_session_buffers;

// Describes all buffers; call on zeroed buffers to count.
void nb_plan_count(nb_session_buffers *buffers, const nb_config *config, const nb_session_shape *shape);

// Takes the counted memory and places every buffer; the arenas are sealed. NB_ERR_FIT; nothing is kept on failure.
NB_MUST_USE nb_status nb_plan_place(nb_session_buffers *buffers, const nb_config *config, const nb_session_shape *shape,
                                    nb_error *error);
void nb_plan_release(nb_session_buffers *buffers);

// The counted classes of n_sessions sessions as the public plan, with the model's own bytes and those of its text.
void nb_plan_report(const nb_session_buffers *buffers, const nb_model *model, uint64_t text_bytes,
                    const nb_session_shape *shape, nb_plan *plan);

#endif
