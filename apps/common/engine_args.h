// SPDX-License-Identifier: Apache-2.0
// The options shared by every command that computes, and opening an engine and a session by them.
#ifndef NB_APPS_ENGINE_ARGS_H
#define NB_APPS_ENGINE_ARGS_H

#include "apps/common/option_table.h"

typedef struct nb_engine_args {
    uint64_t n_threads; // 0: physical cores
    const char *isa;
    uint64_t n_ctx;       // 0: the command's default
    int weights, act, kv; // indices into the choices, -1: the checkpoint's default
    uint64_t n_sinks;     // UINT64_MAX: the default
    bool is_plan_only;
    nb_weights policy; // what --weights comes to
    char why[160];     // that policy was chosen for `auto`; "" when it was asked for
} nb_engine_args;

// Parses the options of `command`, whose own group goes into `values`, and those above. Returns as nb_options_parse.
bool nb_options_parse_with_engine(const nb_command *command, void *values, nb_engine_args *args, int argc, char **argv,
                                  int *exit_code);

nb_engine_options nb_engine_args_engine(const nb_engine_args *args);
nb_session_options nb_engine_args_session(const nb_engine_args *args);
// The same with a ring of n_ctx tokens (0: the library's default) instead of --ctx.
nb_session_options nb_engine_args_session_of(const nb_engine_args *args, uint64_t n_ctx);
const char *nb_weights_name(nb_weights weights);
const char *nb_act_name(nb_activations act);
const char *nb_kv_name(nb_kv kv);

// Why the weights are placed as they are: "" when that was asked for.
const char *nb_engine_args_why(const nb_engine_args *args, nb_weights in_force);

// Finds MODEL and opens it with a progress bar; with --plan nothing is taken. `session`: what will be created of it, or
// NULL. A resident copy that only `auto` asked for and that does not fit becomes a map. Returns an exit code; on
// failure the error line is printed, below the plan's figures when it does not fit.
int nb_engine_args_open(nb_engine **engine, const char *model, const nb_engine_args *args,
                        const nb_session_options *session);
// The same with random weights of the shapes in a config.json.
int nb_engine_args_open_shape(nb_engine **engine, const char *config, bool is_plain, const nb_engine_args *args,
                              const nb_session_options *session);
// Creates a session. Returns an exit code; on NB_ERR_FIT the plan's figures are printed above the error line.
int nb_engine_args_session_create(nb_session **session, nb_engine *engine, const nb_session_options *options);

// Creates options->n_sessions of them, when all fit. On failure those that were created are the caller's to free; the
// others' places stay as they were.
int nb_engine_args_sessions_create(nb_session **sessions, nb_engine *engine, const nb_session_options *options);

// --plan: the memory plan as a table or one JSON object on stdout. Returns an exit code.
int nb_plan_show(nb_engine *engine, const nb_engine_args *args, const nb_session_options *options, bool is_json);
json_t *nb_plan_json(const nb_plan *plan);
void nb_plan_print(FILE *file, const nb_plan *plan);

#endif
