// SPDX-License-Identifier: Apache-2.0
// nibble bench: prefill, decoding at depths and batches, loading; medians with their spread.
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "apps/bench/bench_measure.h"
#include "apps/common/commands.h"
#include "apps/common/model_store.h"

typedef struct bench_args {
    uint64_t n_prefill, n_decode, n_repeat;
    nb_option_wholes depths, batches;
    const char *shape;
    bool is_plain;
    bool is_json;
} bench_args;

#define AT(field) offsetof(bench_args, field)
static const nb_option options[] = {
    {.name = "prefill",
     .kind = NB_OPTION_WHOLE,
     .offset = AT(n_prefill),
     .value = "N",
     .whole_max = 1 << 20,
     .help = "tokens of a prefill; 0: none (default: 512)"},
    {.name = "decode",
     .kind = NB_OPTION_WHOLE,
     .offset = AT(n_decode),
     .value = "N",
     .whole_max = 1 << 20,
     .help = "tokens decoded for one sample; 0: none (default: 64)"},
    {.name = "depth",
     .kind = NB_OPTION_WHOLES,
     .offset = AT(depths),
     .value = "N,...",
     .whole_max = 1 << 20,
     .help = "tokens in the ring before decoding (default: 0,2048 within the model's limit)"},
    {.name = "batch",
     .kind = NB_OPTION_WHOLES,
     .offset = AT(batches),
     .value = "N,...",
     .whole_min = 1,
     .whole_max = 128,
     .help = "sessions decoding together (default: 1,4)"},
    {.name = "repeat",
     .letter = 'r',
     .kind = NB_OPTION_WHOLE,
     .offset = AT(n_repeat),
     .value = "N",
     .whole_min = 1,
     .whole_max = NB_BENCH_MAX_REPEAT,
     .help = "samples of each measurement (default: 5)"},
    {.name = "shape",
     .kind = NB_OPTION_TEXT,
     .offset = AT(shape),
     .value = "CONFIG.json",
     .help = "instead of MODEL: random NVFP4 weights of that config's shapes"},
    {.name = "shape-bf16",
     .kind = NB_OPTION_FLAG,
     .offset = AT(is_plain),
     .help = "with --shape: BF16 weights instead, to compare with"},
    {.name = "json", .kind = NB_OPTION_FLAG, .offset = AT(is_json), .help = "one JSON object a measurement"},
};
#undef AT

static const nb_command command = {
    .name = "bench",
    .usage = "(MODEL | --shape CONFIG.json) [OPTION]...",
    .summary = "Speed of prefill, of decoding at several depths and batch sizes, and of loading to the first token.\n"
               "Samples of all measurements are taken by turns, each between two passes over the memory's bandwidth.",
    .example = "nibble bench ./my-model --depth 0,4096 --batch 1",
    .n_args_max = 1,
    .groups = {{"Options", options, NB_COUNT_OF(options)}},
};

typedef struct bench {
    const bench_args *args;
    const nb_engine_args *engine_args;
    nb_engine *engine;
    nb_engine_info info;
    nb_session_options session_options;
    nb_bench_point *points; // prefill and decode
    size_t n_points;
    const char *kv;
    bool has_depths; // --depth was given
    bool has_header;
    uint64_t rss_peak_bytes; // of all measurements so far
} bench;

static json_t *reals_json(const double *values, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, nb_json_real(values[i]));
    return list;
}

static int print_json(const bench *b, const nb_bench_point *point)
{
    bool is_load = strcmp(point->kind, "load") == 0;
    double median = nb_bench_median(point->values, point->n_values);
    json_t *line = json_object();
    json_object_set_new(line, "kind", json_string(point->kind));
    json_object_set_new(line, "tokens", json_integer((json_int_t)point->n_tokens));
    json_object_set_new(line, "depth", json_integer((json_int_t)point->depth));
    json_object_set_new(line, "batch", json_integer((json_int_t)point->n_batch));
    json_object_set_new(line, "threads", json_integer(b->info.n_threads));
    json_object_set_new(line, is_load ? "seconds" : "tok_s", reals_json(point->values, point->n_values));
    json_object_set_new(line, is_load ? "seconds_median" : "tok_s_median", nb_json_real(median));
    if (!is_load) {
        json_object_set_new(line, "bytes_per_token", nb_json_real(point->bytes_per_token));
        json_object_set_new(line, "read_gb_s", nb_json_real(point->bytes_per_token * median / 1e9));
    }
    json_object_set_new(line, "membw_gb_s", nb_json_real(nb_bench_median(point->membw, point->n_values) / 1e9));
    json_object_set_new(line, "ops", json_string(b->info.ops));
    json_object_set_new(line, "weights", json_string(nb_weights_name(b->info.weights)));
    json_object_set_new(line, "weights_why", json_string(nb_engine_args_why(b->engine_args, b->info.weights)));
    json_object_set_new(line, "act", json_string(nb_act_name(b->info.act)));
    json_object_set_new(line, "kv", json_string(b->kv));
    json_object_set_new(line, "rss_peak_bytes", json_integer((json_int_t)b->rss_peak_bytes));
    return nb_out_json(line);
}

static void print_header(bench *b)
{
    if (b->has_header)
        return;
    char text[32];
    b->has_header = true;
    printf("%s, %s, %s of weights; ops %s, %u threads, weights %s, activations %s, cache %s\n", b->info.family,
           b->info.format, nb_bytes_text(text, (double)b->info.weight_bytes), b->info.ops, b->info.n_threads,
           nb_weights_name(b->info.weights), nb_act_name(b->info.act), b->kv);
    const char *why = nb_engine_args_why(b->engine_args, b->info.weights);
    if (why[0])
        printf("weights %s: %s\n", nb_weights_name(b->info.weights), why);
    printf("%-8s %7s %7s %6s %10s %22s %12s %9s %9s %6s\n", "kind", "tokens", "depth", "batch", "tok/s", "min..max",
           "bytes/token", "GB/s", "mem GB/s", "share");
}

static int print_row(bench *b, const nb_bench_point *point)
{
    double median = nb_bench_median(point->values, point->n_values), least = point->values[0], most = least;
    double membw = nb_bench_median(point->membw, point->n_values) / 1e9;
    char spread[48], bytes[32];
    for (size_t i = 1; i < point->n_values; i++) {
        least = point->values[i] < least ? point->values[i] : least;
        most = point->values[i] > most ? point->values[i] : most;
    }
    print_header(b);
    if (strcmp(point->kind, "load") == 0) {
        printf("%-8s first token after %.3f s (%.3f..%.3f)\n", point->kind, median, least, most);
        return nb_out_flush();
    }
    double read = point->bytes_per_token * median / 1e9;
    snprintf(spread, sizeof spread, "%.2f..%.2f", least, most);
    printf("%-8s %7llu %7llu %6llu %10.2f %22s %12s %9.2f %9.2f", point->kind, (unsigned long long)point->n_tokens,
           (unsigned long long)point->depth, (unsigned long long)point->n_batch, median, spread,
           nb_bytes_text(bytes, point->bytes_per_token), read, membw);
    printf(membw > 0 ? " %5.0f%%\n" : "      -\n", 100 * read / membw);
    return nb_out_flush();
}

static int print_points(bench *b, const nb_bench_point *points, size_t n_points)
{
    int code = NB_EXIT_OK;
    for (size_t i = 0; i < n_points; i++)
        b->rss_peak_bytes = points[i].rss_peak_bytes > b->rss_peak_bytes ? points[i].rss_peak_bytes : b->rss_peak_bytes;
    for (size_t i = 0; i < n_points && code == NB_EXIT_OK; i++)
        code = b->args->is_json ? print_json(b, &points[i]) : print_row(b, &points[i]);
    return code;
}

// What was not asked for is cut to what the model allows; what was asked for stays.
static void choose_defaults(bench *b, bench_args *args, uint64_t limit)
{
    static const uint64_t depths[] = {0, 2048};
    if (args->n_prefill == UINT64_MAX)
        args->n_prefill = limit < 512 ? limit : 512;
    if (args->n_decode == UINT64_MAX)
        args->n_decode = limit < 64 ? limit : 64;
    for (size_t i = 0; !b->has_depths && i < NB_COUNT_OF(depths); i++) {
        if (depths[i] + args->n_decode <= limit)
            args->depths.items[args->depths.n_items++] = depths[i];
        else
            nb_note("depth %llu is left out: the limit is %llu tokens", (unsigned long long)depths[i],
                    (unsigned long long)limit);
    }
}

// The ring is as long as the longest measurement, so that nothing is overwritten.
static int choose_ring(bench *b, bench_args *args)
{
    uint64_t limit = b->info.max_positions;
    if (b->engine_args->n_ctx && b->engine_args->n_ctx < limit)
        limit = b->engine_args->n_ctx;
    choose_defaults(b, args, limit);
    uint64_t longest = args->n_prefill ? args->n_prefill : 1;
    for (size_t i = 0; args->n_decode && i < args->depths.n_items; i++) {
        uint64_t n = args->depths.items[i] + args->n_decode;
        longest = n > longest ? n : longest;
    }
    if (longest > limit)
        return nb_fail(NB_EXIT_FIT,
                       "a measurement is longer than the model or --ctx allows; expected at most %llu tokens, found "
                       "%llu; try a smaller --depth or --prefill",
                       (unsigned long long)limit, (unsigned long long)longest);
    b->session_options = nb_engine_args_session_of(b->engine_args, longest);
    return NB_EXIT_OK;
}

static void add_point(bench *b, nb_bench_point point)
{
    point.n_values = b->args->n_repeat;
    point.values = nb_alloc(2 * point.n_values * sizeof *point.values);
    point.membw = point.values + point.n_values;
    b->points = nb_resize(b->points, (b->n_points + 1) * sizeof *b->points);
    b->points[b->n_points++] = point;
}

// A prefill needs one empty session, every depth as many filled ones as the largest batch; equal depths share them.
static void choose_points(bench *b)
{
    const bench_args *args = b->args;
    const nb_option_wholes *batches = &args->batches;
    uint64_t most = 1, n_sessions = 0;
    for (size_t i = 0; args->n_decode && i < batches->n_items; i++)
        most = batches->items[i] > most ? batches->items[i] : most;
    if (args->n_prefill)
        add_point(b, (nb_bench_point){.kind = "prefill", .n_tokens = args->n_prefill, .n_batch = 1});
    n_sessions += args->n_prefill != 0;
    for (size_t d = 0; args->n_decode && d < args->depths.n_items; d++) {
        for (size_t i = 0; i < batches->n_items; i++)
            add_point(b, (nb_bench_point){.kind = "decode",
                                          .n_tokens = args->n_decode,
                                          .depth = args->depths.items[d],
                                          .n_batch = batches->items[i],
                                          .first_session = n_sessions});
        n_sessions += most;
    }
    b->session_options.n_sessions = (uint32_t)n_sessions;
    b->session_options.n_logit_rows = most < 16 ? (uint32_t)most : 16; // a batch reads the head once for so many
}

static int measure_all(bench *b, const char *directory)
{
    int code = NB_EXIT_OK;
    if (b->n_points)
        code = nb_bench_speeds(b->engine, &b->session_options, b->points, b->n_points);
    if (code == NB_EXIT_OK)
        code = print_points(b, b->points, b->n_points);
    if (code == NB_EXIT_OK && directory) {
        add_point(b, (nb_bench_point){.kind = "load", .n_tokens = 1, .n_batch = 1});
        nb_bench_point *load = &b->points[b->n_points - 1];
        code = nb_bench_load(&b->engine, directory, b->engine_args, &b->session_options, load);
        if (code == NB_EXIT_OK) {
            nb_engine_info_get(b->engine, &b->info);
            code = print_points(b, load, 1);
        }
    }
    if (code == NB_EXIT_OK && !b->args->is_json) {
        char text[32];
        printf("peak memory %s\n", nb_bytes_text(text, (double)b->rss_peak_bytes));
    }
    return code;
}

// `session`: what is to fit with it; NULL: it is only counted.
static int open_engine(bench *b, const char *directory, const nb_session_options *session)
{
    nb_engine_args args = *b->engine_args;
    args.is_plan_only = !session;
    int code = directory ? nb_engine_args_open(&b->engine, directory, &args, session)
                         : nb_engine_args_open_shape(&b->engine, b->args->shape, b->args->is_plain, &args, session);
    if (code == NB_EXIT_OK)
        nb_engine_info_get(b->engine, &b->info);
    return code;
}

// The engine is counted first, because what is measured depends on its limits; all of that is checked before it is
// taken.
static int run_counted(bench *b, bench_args *args, const char *directory)
{
    int code = choose_ring(b, args);
    if (code != NB_EXIT_OK)
        return code;
    choose_points(b);
    b->kv = nb_kv_name(b->session_options.kv == NB_KV_DEFAULT ? b->info.kv_default : b->session_options.kv);
    if (b->engine_args->is_plan_only)
        return nb_plan_show(b->engine, b->engine_args, &b->session_options, b->args->is_json);
    nb_engine_close(b->engine);
    b->engine = NULL;
    code = open_engine(b, directory, &b->session_options);
    return code == NB_EXIT_OK ? measure_all(b, directory) : code;
}

static int run_bench(bench *b, bench_args *args, const char *model)
{
    char found[PATH_MAX];
    const char *directory = model ? found : NULL;
    int code = model ? nb_store_find(found, model) : NB_EXIT_OK;
    if (code == NB_EXIT_OK)
        code = open_engine(b, directory, NULL);
    if (code == NB_EXIT_OK)
        code = run_counted(b, args, directory);
    nb_engine_close(b->engine);
    for (size_t i = 0; i < b->n_points; i++)
        free(b->points[i].values);
    free(b->points);
    return code == NB_EXIT_OK ? nb_out_flush() : code;
}

int nb_command_bench(int argc, char **argv)
{
    bench_args args = {
        .n_prefill = UINT64_MAX, // the default, as far as the model goes
        .n_decode = UINT64_MAX,
        .n_repeat = 5,
        .batches = {{1, 4}, 2},
    };
    nb_engine_args engine_args;
    int code;
    if (!nb_options_parse_with_engine(&command, &args, &engine_args, argc, argv, &code))
        return code;
    const char *model = optind < argc ? argv[optind] : NULL;
    if (!model == !args.shape)
        return nb_fail(NB_EXIT_USAGE,
                       "nothing to measure is clear; expected either MODEL or --shape CONFIG.json, found %s; try "
                       "nibble bench --help",
                       model ? "both" : "none");
    bench b = {.args = &args, .engine_args = &engine_args, .has_depths = args.depths.n_items > 0};
    return run_bench(&b, &args, model);
}
