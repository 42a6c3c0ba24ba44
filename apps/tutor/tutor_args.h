// SPDX-License-Identifier: Apache-2.0
// What `nibble tutor` was asked for, and the ways it goes: questions, hints, practice, records.
#ifndef NB_TUTOR_ARGS_H
#define NB_TUTOR_ARGS_H

#include "apps/common/engine_args.h"
#include "apps/tutor/tutor_model.h"

typedef struct nb_tutor_args {
    const char *question; // -p, NULL: asked for, or piped in
    const char *model;    // NULL: the bundled one
    bool is_json;
    uint64_t n_retries, n_restarts, n_votes, n_max_tokens, seed; // seed UINT64_MAX: not given
    double temperature;                                          // < 0: not given
    bool is_plain;                                               // --no-check
    bool is_hint;
    // Practice and records; no model is loaded for them.
    bool is_practice, is_progress, is_sure; // is_sure: --yes
    const char *learner;                    // NULL: the user's name
    const char *export_path, *delete_name;
    uint64_t n_problems;
} nb_tutor_args;

// A loaded model, ready for questions.
typedef struct nb_tutor {
    const nb_tutor_args *args;
    nb_tutor_model model;
    nb_sampling sampling;
} nb_tutor;

struct nb_tutor_show;
// Reasons about a question. `show` (NULL: nobody looks) gets the lines while there is one lane. `reasoning` is filled
// also on failure and released by the caller. Returns an exit code; error lines are printed.
int nb_tutor_reason(nb_tutor *tutor, const nb_question *question, struct nb_tutor_show *show, nb_reasoning *reasoning);

// --hint: leads the learner through the steps of each question.
int nb_tutor_lead(nb_tutor *tutor);

// --practice, --progress, --export, --delete-learner. `topics`: names of kinds, NULL: all. Returns an exit code.
int nb_tutor_records(const nb_tutor_args *args, const char *topics);

// Questions from -p, from stdin a line each, or typed at a terminal. Returns an exit code.
int nb_tutor_ask(nb_tutor *tutor);

#endif
