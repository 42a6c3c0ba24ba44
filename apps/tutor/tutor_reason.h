// SPDX-License-Identifier: Apache-2.0
// Checked decoding: K reasonings about one question, each taking its wrong lines back, and what most of them answer.
#ifndef NB_TUTOR_REASON_H
#define NB_TUTOR_REASON_H

#include "apps/tutor/tutor_lane.h"

enum { NB_TUTOR_MAX_LANES = 64 };

// Where tokens come from: sessions of a model (tutor_model.h), or a script of a test. A lane is one timeline.
typedef struct nb_token_source {
    void *user;
    // Chooses the lane's next token from what was appended last.
    nb_status (*sample)(void *user, size_t lane, const nb_sampling *sampling, int32_t *id, nb_error *error);
    // Extends n lanes, no lane twice, by a token each.
    nb_status (*append)(void *user, const size_t *lanes, const int32_t *ids, size_t n, nb_error *error);
    // Shortens the lane's timeline to the prompt and the first `n_ids` of `ids`, less its last token, which goes to
    // `again`, to be appended once more; its text starts over and takes those ids in.
    nb_status (*rewind)(void *user, size_t lane, const int32_t *ids, size_t n_ids, int32_t *again, nb_error *error);
    // The text of a token. True: it ends the answer, and the piece is what was held back.
    bool (*text)(void *user, size_t lane, int32_t id, nb_piece *piece);
} nb_token_source;

typedef struct nb_reason_request {
    const nb_token_source *source;
    size_t n_lanes; // at most NB_TUTOR_MAX_LANES
    nb_sampling sampling;
    nb_lane_rules rules;
    // Each line that stays, as soon as it does (NULL: nobody looks); a NULL line: the reasoning starts over. A status
    // other than NB_OK ends the reasoning.
    nb_status (*on_line)(void *user, size_t lane, const nb_checked_line *line);
    void *user;
} nb_reason_request;

typedef struct nb_vote {
    const char *answer; // of the first lane that gave it
    size_t n_votes, n_checked;
} nb_vote;

typedef struct nb_reasoning {
    nb_lane *lanes; // [n_lanes]
    size_t n_lanes;
    nb_vote *votes; // different answers, most votes first; at equality those with more checked reasonings
    size_t n_votes;
    size_t winner; // a lane that gave the first answer, a checked one if there is one; 0 without an answer
    bool is_tie;   // the first two cannot be told apart
    size_t n_sampled, n_redone, n_restarts;
} nb_reasoning;

// Reasons until every lane is over. `reasoning` is filled also on failure, and released by the caller.
nb_status nb_reason(const nb_reason_request *request, nb_reasoning *reasoning, nb_error *error);
void nb_reasoning_release(nb_reasoning *reasoning);

// Counts the answers; nb_reason has done so.
void nb_reasoning_count_votes(nb_reasoning *reasoning);

#endif
