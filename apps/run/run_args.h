// SPDX-License-Identifier: Apache-2.0
// What `nibble run` was asked for, and the three ways it goes: one answer, ids in and out, a chat.
#ifndef NB_APPS_RUN_ARGS_H
#define NB_APPS_RUN_ARGS_H

#include "apps/common/engine_args.h"
#include "apps/run/answer.h"

typedef struct nb_run_args {
    const char *prompt; // -p, or what was piped in
    size_t prompt_bytes;
    const char *system;
    const char *prompt_ids; // file
    bool is_raw, is_json, ignore_eos;
    int output;   // NB_OUTPUT_TEXT or NB_OUTPUT_IDS
    int think;    // nb_think
    int thinking; // template variable enable_thinking: 0 auto, 1 on, 2 off
    double temperature, top_p, min_p, repeat_penalty;
    uint64_t top_k, seed, n_max_tokens; // seed UINT64_MAX: not given
    nb_option_texts stops;
} nb_run_args;

// A loaded model with one session, ready to answer.
typedef struct nb_run {
    const nb_run_args *args;
    nb_engine *engine;
    nb_engine_info info;
    nb_session *session;
    nb_plan plan;         // of the session
    nb_sampling sampling; // seed filled in
    double load_s;
} nb_run;

int nb_run_once(const nb_run *run);
// Prints one answer with its last line (JSON finish, or the figures on a terminal). sequence -1: none.
int nb_run_answer(const nb_run *run, nb_answer_request *request, int64_t sequence);
int nb_run_sequences(const nb_run *run);
int nb_run_chat(const nb_run *run);

// A request with everything filled in but the ids.
nb_answer_request nb_run_request(const nb_run *run);
nb_chat_options nb_run_chat_options(const nb_run_args *args);
// Exit code 0, or 4 after the error line when n_ids tokens can't be held with room for an answer.
int nb_run_check_length(const nb_run *run, size_t n_ids);
// Messages through the chat template; the ids are owned by the caller. Returns an exit code.
int nb_run_encode_chat(const nb_run *run, const nb_message *messages, size_t n_messages, int32_t **ids, size_t *n_ids,
                       bool *opens_reasoning);

#endif
