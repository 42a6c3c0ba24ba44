// SPDX-License-Identifier: Apache-2.0
#include "apps/common/engine_args.h"

#include <string.h>

#include "apps/common/machine_file.h"
#include "apps/common/model_store.h"
#include "apps/common/terminal.h"

#define AT(field) offsetof(nb_engine_args, field)
static const nb_option options[] = {
    {.name = "threads",
     .letter = 't',
     .kind = NB_OPTION_WHOLE,
     .offset = AT(n_threads),
     .value = "N",
     .whole_min = 1,
     .whole_max = 1024,
     .help = "worker threads (default: physical cores)"},
    {.name = "isa",
     .kind = NB_OPTION_TEXT,
     .offset = AT(isa),
     .value = "NAME",
     .help = "force scalar, avx2, avx512, neon or i8mm (default: best)"},
    {.name = "ctx",
     .letter = 'c',
     .kind = NB_OPTION_WHOLE,
     .offset = AT(n_ctx),
     .value = "N",
     .whole_min = 1,
     .whole_max = 16777216,
     .help = "KV ring capacity in tokens (default: the model's limit, at most 8192)"},
    {.name = "weights",
     .kind = NB_OPTION_CHOICE,
     .offset = AT(weights),
     .value = "POLICY",
     .choices = "mapped|resident|auto",
     .help = "mapped, resident or auto: as nibble doctor measured, else mapped (default: auto)"},
    {.name = "act",
     .kind = NB_OPTION_CHOICE,
     .offset = AT(act),
     .value = "FORMAT",
     .choices = "nvfp4|nvfp4-static|none",
     .help = "activations: nvfp4, nvfp4-static or none (default: nvfp4 for an NVFP4 model)"},
    {.name = "kv",
     .kind = NB_OPTION_CHOICE,
     .offset = AT(kv),
     .value = "FORMAT",
     .choices = "e1m2|e2m1|bf16|f32",
     .help = "cache: e1m2, e2m1, bf16 or f32 (default: e1m2 for an NVFP4 model, else bf16)"},
    {.name = "kv-sinks",
     .kind = NB_OPTION_WHOLE,
     .offset = AT(n_sinks),
     .value = "N",
     .whole_max = 16777216,
     .help = "first tokens that a full ring never drops (default: 4)"},
    {.name = "plan", .kind = NB_OPTION_FLAG, .offset = AT(is_plan_only), .help = "print the memory plan and stop"},
};
#undef AT

static void choose_policy(nb_engine_args *args)
{
    static const nb_weights weights[] = {NB_WEIGHTS_MAPPED, NB_WEIGHTS_RESIDENT, NB_WEIGHTS_AUTO};
    args->policy = args->weights >= 0 ? weights[args->weights] : NB_WEIGHTS_AUTO;
    if (args->policy == NB_WEIGHTS_AUTO)
        args->policy = nb_machine_file_advice(args->why, sizeof args->why);
}

bool nb_options_parse_with_engine(const nb_command *command, void *values, nb_engine_args *args, int argc, char **argv,
                                  int *exit_code)
{
    nb_command with_engine = *command;
    with_engine.groups[1] = (nb_option_group){"Engine", options, NB_COUNT_OF(options)};
    *args = (nb_engine_args){.weights = -1, .act = -1, .kv = -1, .n_sinks = UINT64_MAX};
    if (!nb_options_parse(&with_engine, (void *const[]){values, args}, argc, argv, exit_code))
        return false;
    choose_policy(args);
    return true;
}

nb_engine_options nb_engine_args_engine(const nb_engine_args *args)
{
    static const nb_activations acts[] = {NB_ACT_NVFP4, NB_ACT_NVFP4_STATIC, NB_ACT_NONE};
    nb_engine_options engine = nb_engine_defaults();
    engine.n_threads = (uint32_t)args->n_threads;
    engine.isa = args->isa;
    engine.count_only = args->is_plan_only;
    engine.weights = args->policy;
    if (args->act >= 0)
        engine.act = acts[args->act];
    return engine;
}

nb_session_options nb_engine_args_session_of(const nb_engine_args *args, uint64_t n_ctx)
{
    static const nb_kv kvs[] = {NB_KV_E1M2, NB_KV_E2M1, NB_KV_BF16, NB_KV_F32};
    nb_session_options session = nb_session_defaults();
    session.n_ctx = (uint32_t)n_ctx;
    if (args->n_sinks != UINT64_MAX)
        session.n_sinks = (uint32_t)args->n_sinks;
    else if (n_ctx && n_ctx <= session.n_sinks)
        session.n_sinks = (uint32_t)n_ctx - 1; // a ring that small pins fewer unless told otherwise
    if (args->kv >= 0)
        session.kv = kvs[args->kv];
    return session;
}

nb_session_options nb_engine_args_session(const nb_engine_args *args)
{
    return nb_engine_args_session_of(args, args->n_ctx);
}

const char *nb_weights_name(nb_weights weights)
{
    static const char *const names[] = {"auto", "mapped", "resident"};
    return names[weights];
}

const char *nb_act_name(nb_activations act)
{
    static const char *const names[] = {"default", "none", "nvfp4", "nvfp4-static"};
    return names[act];
}

const char *nb_kv_name(nb_kv kv)
{
    static const char *const names[] = {"default", "e1m2", "e2m1", "bf16", "f32"};
    return names[kv];
}

static int open_end(nb_status status, const nb_error *error, const nb_plan *plan)
{
    if (status == NB_ERR_FIT && plan->n_ctx)
        nb_plan_print(stderr, plan);
    return nb_fail_error(status, error);
}

const char *nb_engine_args_why(const nb_engine_args *args, nb_weights in_force)
{
    if (in_force == args->policy)
        return args->why;
    return in_force == NB_WEIGHTS_MAPPED ? "a resident copy does not fit" : "random weights have no file";
}

// With --plan nothing is checked while opening, so that a plan that does not fit can be shown.
static bool plan_fits(const nb_engine *engine, const nb_session_options *session)
{
    nb_plan plan;
    return nb_session_plan(engine, session, &plan, NULL) != NB_OK || plan.total <= plan.available;
}

static nb_status open_placed(nb_engine **engine, const char *directory, nb_engine_options *engine_options,
                             const nb_engine_args *args, nb_error *error)
{
    nb_session_options session = nb_engine_args_session(args);
    nb_status status = nb_engine_open(engine, directory, engine_options, error);
    bool is_large =
        status == NB_ERR_FIT || (status == NB_OK && engine_options->count_only && !plan_fits(*engine, &session));
    if (!is_large || !args->why[0] || engine_options->weights != NB_WEIGHTS_RESIDENT)
        return status;
    if (status == NB_OK)
        nb_engine_close(*engine);
    *error = (nb_error){0};
    engine_options->weights = NB_WEIGHTS_MAPPED;
    return nb_engine_open(engine, directory, engine_options, error);
}

int nb_engine_args_open(nb_engine **engine, const char *model, const nb_engine_args *args,
                        const nb_session_options *session)
{
    char directory[PATH_MAX];
    int code = nb_store_find(directory, model);
    if (code != NB_EXIT_OK)
        return code;
    nb_progress progress;
    nb_progress_start(&progress, "loading");
    nb_plan plan = {0};
    nb_engine_options open_options = nb_engine_args_engine(args);
    open_options.on_progress = nb_progress_update;
    open_options.progress_user = &progress;
    open_options.session = session;
    open_options.plan = &plan;
    nb_error error = {0};
    nb_status status = open_placed(engine, directory, &open_options, args, &error);
    nb_progress_end(&progress);
    return open_end(status, &error, &plan);
}

int nb_engine_args_open_shape(nb_engine **engine, const char *config, bool is_plain, const nb_engine_args *args,
                              const nb_session_options *session)
{
    nb_plan plan = {0};
    nb_error error = {0};
    nb_engine_options open_options = nb_engine_args_engine(args);
    open_options.shape_plain = is_plain;
    open_options.session = session;
    open_options.plan = &plan;
    return open_end(nb_engine_open_shape(engine, config, &open_options, &error), &error, &plan);
}

int nb_engine_args_session_create(nb_session **session, nb_engine *engine, const nb_session_options *session_options)
{
    nb_error error = {0};
    nb_plan plan;
    nb_status status = nb_session_create(session, engine, session_options, &error);
    if (status == NB_ERR_FIT && nb_session_plan(engine, session_options, &plan, NULL) == NB_OK)
        nb_plan_print(stderr, &plan);
    return nb_fail_error(status, &error);
}

int nb_engine_args_sessions_create(nb_session **sessions, nb_engine *engine, const nb_session_options *session_options)
{
    nb_session_options own = *session_options;
    int code = NB_EXIT_OK;
    for (uint32_t i = 0; i < session_options->n_sessions && code == NB_EXIT_OK; i++) {
        code = nb_engine_args_session_create(&sessions[i], engine, &own);
        own.n_sessions = 1; // the first was checked with all the others
    }
    return code;
}

typedef struct plan_line {
    const char *name, *what;
    size_t offset;
} plan_line;

static const plan_line plan_lines[] = {
    {"weights_mapped", "weights, read in place (not in the total)", offsetof(nb_plan, weights_mapped)},
    {"weights_resident", "weights, resident copy", offsetof(nb_plan, weights_resident)},
    {"host", "host tables", offsetof(nb_plan, host)},
    {"cache", "KV ring", offsetof(nb_plan, cache)},
    {"scratch", "scratch of one pass", offsetof(nb_plan, scratch)},
    {"exchange", "ids and logits", offsetof(nb_plan, exchange)},
    {"total", "total", offsetof(nb_plan, total)},
    {"available", "available", offsetof(nb_plan, available)},
    {"kv_bytes_per_token", "KV ring, one token", offsetof(nb_plan, kv_bytes_per_token)},
};

static uint64_t plan_value(const nb_plan *plan, const plan_line *line)
{
    return *(const uint64_t *)((const char *)plan + line->offset);
}

json_t *nb_plan_json(const nb_plan *plan)
{
    json_t *object = json_object();
    json_object_set_new(object, "n_ctx", json_integer(plan->n_ctx));
    json_object_set_new(object, "n_sessions", json_integer(plan->n_sessions));
    for (size_t i = 0; i < NB_COUNT_OF(plan_lines); i++)
        json_object_set_new(object, plan_lines[i].name, json_integer((json_int_t)plan_value(plan, &plan_lines[i])));
    return object;
}

void nb_plan_print(FILE *file, const nb_plan *plan)
{
    char sessions[32] = "";
    if (plan->n_sessions > 1)
        snprintf(sessions, sizeof sessions, ", %u sessions", plan->n_sessions);
    fprintf(file, "Memory plan for %u tokens of context%s\n", plan->n_ctx, sessions);
    for (size_t i = 0; i < NB_COUNT_OF(plan_lines); i++) {
        char text[32];
        uint64_t bytes = plan_value(plan, &plan_lines[i]);
        fprintf(file, "  %-42s %16llu  %10s\n", plan_lines[i].what, (unsigned long long)bytes,
                nb_bytes_text(text, (double)bytes));
    }
}

int nb_plan_show(nb_engine *engine, const nb_engine_args *args, const nb_session_options *session_options, bool is_json)
{
    nb_plan plan;
    nb_error error = {0};
    nb_engine_info info;
    nb_status status = nb_session_plan(engine, session_options, &plan, &error);
    if (status != NB_OK)
        return nb_fail_error(status, &error);
    nb_engine_info_get(engine, &info);
    const char *why = nb_engine_args_why(args, info.weights);
    if (is_json) {
        json_t *object = nb_plan_json(&plan);
        json_object_set_new(object, "weights", json_string(nb_weights_name(info.weights)));
        json_object_set_new(object, "weights_why", json_string(why));
        return nb_out_json(object);
    }
    nb_plan_print(stdout, &plan);
    printf("Weights %s%s%s\n", nb_weights_name(info.weights), why[0] ? ": " : "", why);
    return nb_out_flush();
}
