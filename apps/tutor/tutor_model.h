// SPDX-License-Identifier: Apache-2.0
// A loaded model as a source of tokens: one session a lane, the prompt computed once.
#ifndef NB_TUTOR_MODEL_H
#define NB_TUTOR_MODEL_H

#include <limits.h>

#include "apps/common/engine_args.h"
#include "apps/tutor/tutor_reason.h"

typedef struct nb_tutor_model {
    nb_engine *engine;
    nb_engine_info info;
    nb_plan plan; // of all lanes
    nb_session *sessions[NB_TUTOR_MAX_LANES];
    nb_stream *streams[NB_TUTOR_MAX_LANES];
    size_t n_lanes;
    int32_t *prompt; // of the running question
    size_t n_prompt;
    nb_token_source source;
    double load_s, prefill_s; // the latter of the last question
} nb_tutor_model;

// The bundled model's directory: beside the installed program, else in the tree it was built in. Returns an exit code;
// on failure the error line is printed.
int nb_tutor_model_find(char path[PATH_MAX]);

// The sessions of `n_lanes` lanes.
nb_session_options nb_tutor_model_sessions(const nb_engine_args *args, size_t n_lanes);

// Opens MODEL with a session for each of `n_lanes` lanes. Returns an exit code; on failure the error line is printed
// and nothing is kept.
int nb_tutor_model_open(nb_tutor_model *model, const char *name, const nb_engine_args *args, size_t n_lanes);
void nb_tutor_model_close(nb_tutor_model *model);

// Puts a question: the chat template applied, every lane at the end of the prompt (less its last token, which `rewind`
// gives back). `n_room` gets how many tokens an answer can have. Returns an exit code; error lines are printed.
int nb_tutor_model_ask(nb_tutor_model *model, const char *question, size_t *n_room);

#endif
