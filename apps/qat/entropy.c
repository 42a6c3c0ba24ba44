// SPDX-License-Identifier: Apache-2.0
// nibble-qat entropy: where a model is sure, and where sampling from it goes wrong.
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "apps/common/engine_args.h"
#include "apps/common/interrupt.h"
#include "apps/common/terminal.h"
#include "apps/qat/entropy_measure.h"
#include "apps/qat/qat_commands.h"
#include "platform/file.h"

typedef struct entropy_args {
    const char *traces, *against, *csv;
    uint64_t n_samples, seed, limit;
    double temperature, top_p;
    bool has_kv_error, is_json;
} entropy_args;

#define AT(field) offsetof(entropy_args, field)
static const nb_option options[] = {
    {.name = "traces",
     .kind = NB_OPTION_TEXT,
     .offset = AT(traces),
     .value = "FILE",
     .help = "traces, a JSON object a line: prompt and response, or messages (needed)"},
    {.name = "limit",
     .kind = NB_OPTION_WHOLE,
     .offset = AT(limit),
     .value = "N",
     .help = "only the first N traces",
     .whole_min = 1,
     .whole_max = INT64_MAX},
    {.name = "against",
     .kind = NB_OPTION_TEXT,
     .offset = AT(against),
     .value = "MODEL",
     .help = "reference, e.g. the full-precision model: its entropy makes the buckets; KL and flips"},
    {.name = "samples",
     .kind = NB_OPTION_WHOLE,
     .offset = AT(n_samples),
     .value = "K",
     .help = "samples drawn at each position (default 4)",
     .whole_max = 10000},
    {.name = "temperature",
     .kind = NB_OPTION_REAL,
     .offset = AT(temperature),
     .value = "T",
     .help = "of the samples (default 0.6)",
     .real_max = 1000},
    {.name = "top-p",
     .kind = NB_OPTION_REAL,
     .offset = AT(top_p),
     .value = "P",
     .help = "of the samples (default 0.95)",
     .real_min = 1e-6,
     .real_max = 1},
    {.name = "seed",
     .kind = NB_OPTION_WHOLE,
     .offset = AT(seed),
     .value = "S",
     .help = "of the samples (default 1)",
     .whole_max = INT64_MAX},
    {.name = "kv-error",
     .kind = NB_OPTION_FLAG,
     .offset = AT(has_kv_error),
     .help = "also what the E1M2 cache loses of K and V, layer by layer"},
    {.name = "csv",
     .kind = NB_OPTION_TEXT,
     .offset = AT(csv),
     .value = "OUT",
     .help = "write the table of classes and buckets there"},
    {.name = "json", .kind = NB_OPTION_FLAG, .offset = AT(is_json), .help = "the result as one JSON object"},
};
#undef AT

static const nb_command command = {
    .program = "nibble-qat",
    .name = "entropy",
    .usage = "MODEL --traces FILE [OPTION]...",
    .summary = "Runs the model along the traces and tells, for the tokens of the responses, by entropy bucket (nats)\n"
               "and token class: mean entropy, -ln p of the trace's token, probability outside of it, and how often a\n"
               "sampled and the most likely token are another one.",
    .example = "nibble-qat entropy ./my-model-NVFP4 --traces traces.jsonl --against ./my-model --csv entropy.csv",
    .n_args_min = 1,
    .n_args_max = 1,
    .groups = {{"Options", options, NB_COUNT_OF(options)}},
};

typedef struct entropy_run {
    const entropy_args *args;
    const nb_engine_args *engine_args;
    nb_engine *engine, *reference_engine;
    nb_session *session, *reference;
    nb_traces traces;
    uint64_t n_traces;
    uint8_t *classes;
    nb_kv_error (*kv)[2];
    nb_entropy_table table;
    nb_kv kv_format;
    nb_progress progress;
    double seconds;
} entropy_run;

// ---- the work -----------------------------------------------------------------------------------------------------

static int check_models(const entropy_run *run, const nb_engine_info *info)
{
    if (run->args->has_kv_error && info->head_dim % NB_KV_TILE != 0)
        return nb_fail(NB_EXIT_INPUT, "--kv-error: expected a head_dim in blocks of %d, found %u", NB_KV_TILE,
                       info->head_dim);
    if (!run->reference_engine)
        return NB_EXIT_OK;
    nb_engine_info reference;
    nb_engine_info_get(run->reference_engine, &reference);
    if (reference.vocab_size != info->vocab_size)
        return nb_fail(NB_EXIT_INPUT, "--against: expected a model of the same vocabulary (%u), found %u",
                       info->vocab_size, reference.vocab_size);
    return NB_EXIT_OK;
}

static int read_traces(entropy_run *run, const nb_engine_info *info)
{
    uint32_t max_length = info->max_positions;
    if (run->reference_engine) {
        nb_engine_info reference;
        nb_engine_info_get(run->reference_engine, &reference);
        max_length = reference.max_positions < max_length ? reference.max_positions : max_length;
    }
    const nb_trace_rules rules = {
        .text = info->text, .vocab_size = info->vocab_size, .max_length = max_length, .if_long = NB_TRACE_LONG_DROP};
    nb_error error = {0};
    nb_status status = nb_traces_build(&run->traces, run->args->traces, &rules, &error);
    if (status != NB_OK)
        return nb_fail_error(status, &error);
    run->n_traces = run->traces.n_documents;
    if (run->args->limit && run->args->limit < run->n_traces)
        run->n_traces = run->args->limit;
    if (run->traces.n_dropped)
        nb_note("%llu traces longer than the model's %u tokens were left out",
                (unsigned long long)run->traces.n_dropped, max_length);
    return NB_EXIT_OK;
}

// Without a tokenizer (traces of ids) every token is "other".
static void classify(entropy_run *run, const nb_engine_info *info)
{
    run->classes = nb_alloc(info->vocab_size);
    for (uint32_t id = 0; id < info->vocab_size; id++) {
        char text[256];
        const int32_t token = (int32_t)id;
        size_t bytes = 0;
        bool is_text =
            info->text && nb_text_decode(info->text, &token, 1, NB_TEXT_SKIP, text, sizeof text, &bytes, NULL) == NB_OK;
        run->classes[id] = (uint8_t)(is_text ? nb_token_class_of(text, bytes) : NB_CLASS_OTHER);
    }
}

static bool on_trace(void *user, uint64_t n_done)
{
    entropy_run *run = user;
    nb_progress_update(&run->progress, n_done, run->n_traces);
    return !nb_interrupt_pending();
}

static int measure(entropy_run *run)
{
    const entropy_args *args = run->args;
    nb_entropy_request request = {.model = run->session,
                                  .reference = run->reference,
                                  .classes = run->classes,
                                  .traces = &run->traces,
                                  .n_traces = run->n_traces,
                                  .sampling = nb_sampling_defaults(),
                                  .n_samples = (uint32_t)args->n_samples,
                                  .kv = run->kv,
                                  .on_trace = on_trace,
                                  .user = run};
    request.sampling.temperature = (float)args->temperature;
    request.sampling.top_p = (float)args->top_p;
    request.sampling.repeat_penalty = 1;
    request.sampling.seed = args->seed;
    nb_error error = {0};
    nb_progress_start(&run->progress, "reading");
    run->progress.unit = "traces";
    nb_interrupt_watch(run->session, false);
    double start_s = nb_now_s();
    nb_status status = nb_entropy_measure(&request, &run->table, &error);
    run->seconds = nb_now_s() - start_s;
    nb_interrupt_watch(NULL, false);
    nb_progress_end(&run->progress);
    return status == NB_ERR_STOPPED ? NB_EXIT_INTERRUPTED : nb_fail_error(status, &error);
}

// ---- the result ---------------------------------------------------------------------------------------------------

enum { ALL = -1 };

// Of one class or ALL, and one bucket or ALL.
static nb_entropy_sums sums_of(const entropy_run *run, int class, int bucket)
{
    nb_entropy_sums sums = {0};
    for (int c = 0; c < NB_TOKEN_CLASSES; c++)
        for (int b = 0; b < NB_ENTROPY_BUCKETS; b++)
            if ((class == ALL || class == c) && (bucket == ALL || bucket == b))
                nb_entropy_join(&sums, &run->table.cells[c][b]);
    return sums;
}

typedef struct column {
    const char *name, *title;
    size_t offset;
    bool is_sampled, is_compared;
} column;

static const column columns[] = {
    {"entropy", "entropy", offsetof(nb_entropy_sums, entropy), false, false},
    {"nll", "-ln p", offsetof(nb_entropy_sums, nll), false, false},
    {"outside", "outside", offsetof(nb_entropy_sums, outside), false, false},
    {"mismatch", "sampled", offsetof(nb_entropy_sums, mismatches), true, false},
    {"wrong", "greedy", offsetof(nb_entropy_sums, wrong), false, false},
    {"kl", "KL", offsetof(nb_entropy_sums, kl), false, true},
    {"flips", "flips", offsetof(nb_entropy_sums, flips), false, true},
};

static bool is_shown(const entropy_run *run, const column *c)
{
    return (!c->is_sampled || run->args->n_samples) && (!c->is_compared || run->reference);
}

// A mean over positions; NAN where there are none.
static double mean_of(const entropy_run *run, const nb_entropy_sums *sums, const column *c)
{
    double n = (double)sums->n * (c->is_sampled ? (double)run->args->n_samples : 1);
    double sum = *(const double *)((const char *)sums + c->offset);
    return n > 0 ? sum / n : NAN;
}

static json_t *sums_json(const entropy_run *run, int class, int bucket)
{
    nb_entropy_sums sums = sums_of(run, class, bucket);
    json_t *object = json_object();
    if (class != ALL)
        json_object_set_new(object, "class", json_string(nb_token_class_names[class]));
    if (bucket != ALL) {
        json_object_set_new(object, "from", json_real(nb_entropy_edges[bucket]));
        json_object_set_new(object, "to", nb_json_real(nb_entropy_edges[bucket + 1]));
    }
    json_object_set_new(object, "tokens", json_integer((json_int_t)sums.n));
    for (size_t i = 0; i < NB_COUNT_OF(columns); i++)
        if (is_shown(run, &columns[i]))
            json_object_set_new(object, columns[i].name, nb_json_real(mean_of(run, &sums, &columns[i])));
    return object;
}

static json_t *kv_json(const entropy_run *run, uint32_t n_layers)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < n_layers; i++) {
        const nb_kv_error *k = &run->kv[i][0], *v = &run->kv[i][1];
        json_array_append_new(list, json_pack("{s:I, s:f, s:f, s:f, s:f}", "layer", (json_int_t)i, "k_mse",
                                              nb_kv_error_mean(k), "v_mse", nb_kv_error_mean(v), "k_relative",
                                              nb_kv_error_relative(k), "v_relative", nb_kv_error_relative(v)));
    }
    return list;
}

static json_t *result_json(const entropy_run *run, const nb_engine_info *info)
{
    json_t *object = sums_json(run, ALL, ALL), *buckets = json_array(), *classes = json_array(), *cells = json_array();
    for (int b = 0; b < NB_ENTROPY_BUCKETS; b++)
        json_array_append_new(buckets, sums_json(run, ALL, b));
    for (int c = 0; c < NB_TOKEN_CLASSES; c++) {
        json_array_append_new(classes, sums_json(run, c, ALL));
        for (int b = 0; b < NB_ENTROPY_BUCKETS; b++)
            json_array_append_new(cells, sums_json(run, c, b));
    }
    json_object_set_new(object, "buckets", buckets);
    json_object_set_new(object, "classes", classes);
    json_object_set_new(object, "cells", cells);
    if (run->kv)
        json_object_set_new(object, "kv_error", kv_json(run, info->n_layers));
    json_t *about = json_pack("{s:I, s:s, s:I, s:f, s:f, s:I, s:s, s:s, s:s, s:f}", "traces", (json_int_t)run->n_traces,
                              "sha256", run->traces.sha256, "samples", (json_int_t)run->args->n_samples, "temperature",
                              run->args->temperature, "top_p", run->args->top_p, "seed", (json_int_t)run->args->seed,
                              "format", info->format, "act", nb_act_name(info->act), "kv", nb_kv_name(run->kv_format),
                              "seconds", run->seconds);
    json_object_update(object, about);
    json_decref(about);
    return object;
}

static void print_row(const entropy_run *run, const char *name, int class, int bucket)
{
    nb_entropy_sums sums = sums_of(run, class, bucket), all = sums_of(run, ALL, ALL);
    printf("%-14s %8llu %6.1f %%", name, (unsigned long long)sums.n, all.n ? 100 * (double)sums.n / (double)all.n : 0);
    for (size_t i = 0; i < NB_COUNT_OF(columns); i++) {
        double mean = mean_of(run, &sums, &columns[i]);
        if (is_shown(run, &columns[i]) && isnan(mean))
            printf(" %9s", "-");
        else if (is_shown(run, &columns[i]))
            printf(" %9.5f", mean);
    }
    putchar('\n');
}

static void print_kv(const entropy_run *run, uint32_t n_layers)
{
    printf("\n%-14s %12s %12s %12s %12s\n", "layer", "K mse", "relative", "V mse", "relative");
    for (uint32_t i = 0; i < n_layers; i++) {
        const nb_kv_error *k = &run->kv[i][0], *v = &run->kv[i][1];
        printf("%-14u %12.5g %12.6f %12.5g %12.6f\n", i, nb_kv_error_mean(k), nb_kv_error_relative(k),
               nb_kv_error_mean(v), nb_kv_error_relative(v));
    }
}

static int show(const entropy_run *run, const nb_engine_info *info)
{
    if (run->args->is_json)
        return nb_out_json(result_json(run, info));
    printf("%-14s %8s %8s", run->reference ? "reference's H" : "entropy H", "tokens", "share");
    for (size_t i = 0; i < NB_COUNT_OF(columns); i++)
        if (is_shown(run, &columns[i]))
            printf(" %9s", columns[i].title);
    putchar('\n');
    for (int b = 0; b < NB_ENTROPY_BUCKETS; b++) {
        char name[32];
        snprintf(name, sizeof name, isinf(nb_entropy_edges[b + 1]) ? "%.4g and up" : "%.4g to %.4g",
                 nb_entropy_edges[b], nb_entropy_edges[b + 1]);
        print_row(run, name, ALL, b);
    }
    for (int c = 0; c < NB_TOKEN_CLASSES; c++)
        print_row(run, nb_token_class_names[c], c, ALL);
    print_row(run, "all", ALL, ALL);
    if (run->kv)
        print_kv(run, info->n_layers);
    return nb_out_flush();
}

static nb_status csv_row(const entropy_run *run, nb_writer *file, int class, int bucket, nb_error *error)
{
    char line[512], from[32] = "all", to[32] = "all";
    nb_entropy_sums sums = sums_of(run, class, bucket);
    if (bucket != ALL) {
        snprintf(from, sizeof from, "%g", nb_entropy_edges[bucket]);
        snprintf(to, sizeof to, "%g", nb_entropy_edges[bucket + 1]);
    }
    size_t n = (size_t)snprintf(line, sizeof line, "%s,%s,%s,%llu", class == ALL ? "all" : nb_token_class_names[class],
                                from, to, (unsigned long long)sums.n);
    for (size_t i = 0; i < NB_COUNT_OF(columns); i++) {
        double mean = mean_of(run, &sums, &columns[i]);
        bool is_empty = isnan(mean) || !is_shown(run, &columns[i]);
        n += (size_t)snprintf(line + n, sizeof line - n, is_empty ? "," : ",%.9g", mean);
    }
    line[n++] = '\n';
    return nb_writer_write(file, line, n, error);
}

static nb_status write_csv(const entropy_run *run, nb_error *error)
{
    static const char header[] = "class,from,to,tokens,entropy,nll,outside,mismatch,wrong,kl,flips\n";
    nb_writer file;
    NB_TRY(nb_writer_open(&file, run->args->csv, error));
    NB_TRY(nb_writer_write(&file, header, sizeof header - 1, error));
    for (int c = ALL; c < NB_TOKEN_CLASSES; c++)
        for (int b = ALL; b < NB_ENTROPY_BUCKETS; b++)
            NB_TRY(csv_row(run, &file, c, b, error));
    return nb_writer_commit(&file, error);
}

// ---- the command --------------------------------------------------------------------------------------------------

static nb_session_options session_of(const entropy_run *run)
{
    uint64_t n_ctx = run->engine_args->n_ctx ? run->engine_args->n_ctx : run->traces.longest;
    nb_session_options session = nb_engine_args_session_of(run->engine_args, n_ctx);
    session.n_logit_rows = 16;
    return session;
}

static int create_sessions(entropy_run *run, const nb_engine_info *info)
{
    nb_session_options session = session_of(run), reference = nb_session_defaults();
    run->kv_format = session.kv == NB_KV_DEFAULT ? info->kv_default : session.kv;
    reference.n_ctx = session.n_ctx;
    reference.n_sinks = session.n_sinks;
    reference.n_logit_rows = session.n_logit_rows;
    int code = nb_engine_args_session_create(&run->session, run->engine, &session);
    if (code == NB_EXIT_OK && run->reference_engine)
        code = nb_engine_args_session_create(&run->reference, run->reference_engine, &reference);
    if (run->args->has_kv_error)
        run->kv = nb_alloc(info->n_layers * sizeof *run->kv);
    return code;
}

static int examine(entropy_run *run)
{
    nb_engine_info info;
    nb_error error = {0};
    nb_engine_info_get(run->engine, &info);
    int code = check_models(run, &info);
    if (code == NB_EXIT_OK)
        code = read_traces(run, &info);
    if (code != NB_EXIT_OK)
        return code;
    if (run->engine_args->is_plan_only) {
        nb_session_options session = session_of(run);
        return nb_plan_show(run->engine, run->engine_args, &session, run->args->is_json);
    }
    classify(run, &info);
    code = create_sessions(run, &info);
    if (code == NB_EXIT_OK)
        code = measure(run);
    if (code == NB_EXIT_OK && run->args->csv)
        code = nb_fail_error(write_csv(run, &error), &error);
    return code == NB_EXIT_OK ? show(run, &info) : code;
}

static int open_reference(entropy_run *run)
{
    nb_engine_args plain = *run->engine_args; // its formats are its checkpoint's own
    plain.act = plain.kv = -1;
    return nb_engine_args_open(&run->reference_engine, run->args->against, &plain, NULL);
}

int nb_command_entropy(int argc, char **argv)
{
    entropy_args args = {.n_samples = 4, .seed = 1, .temperature = 0.6, .top_p = 0.95};
    nb_engine_args engine_args;
    int code;
    if (!nb_options_parse_with_engine(&command, &args, &engine_args, argc, argv, &code))
        return code;
    if (!args.traces)
        return nb_fail(NB_EXIT_USAGE, "nothing to read; expected --traces FILE; try nibble-qat entropy --help");
    entropy_run run = {.args = &args, .engine_args = &engine_args};
    code = nb_engine_args_open(&run.engine, argv[optind], &engine_args, NULL);
    if (code == NB_EXIT_OK && args.against)
        code = open_reference(&run);
    if (code == NB_EXIT_OK)
        code = examine(&run);
    nb_session_free(run.session);
    nb_session_free(run.reference);
    free(run.classes);
    free(run.kv);
    nb_traces_close(&run.traces);
    if (run.reference_engine)
        nb_engine_close(run.reference_engine);
    if (run.engine)
        nb_engine_close(run.engine);
    return code;
}
