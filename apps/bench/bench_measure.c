// SPDX-License-Identifier: Apache-2.0
#include "apps/bench/bench_measure.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "apps/common/terminal.h"

static const double MEMBW_S = 0.15; // long enough for a steady figure, short beside a sample

// The peak of resident memory since the last reset; the kernel's counter when /proc is not there.
static uint64_t read_peak_bytes(void)
{
    char line[128];
    unsigned long long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmHWM: %llu kB", &kib) == 1)
            break;
    if (file)
        fclose(file);
    struct rusage usage;
    if (kib == 0 && getrusage(RUSAGE_SELF, &usage) == 0)
        kib = (unsigned long long)usage.ru_maxrss;
    return kib * 1024;
}

static void note_peak(nb_bench_point *point)
{
    uint64_t peak = read_peak_bytes();
    point->rss_peak_bytes = peak > point->rss_peak_bytes ? peak : point->rss_peak_bytes;
}

// Reads the memory's bandwidth, whose buffer must not count as the engine's memory.
static double measure_membw(nb_bench_point *point, uint32_t n_threads)
{
    note_peak(point);
    double bandwidth = nb_machine_read_bandwidth(n_threads, MEMBW_S);
    FILE *file = fopen("/proc/self/clear_refs", "w");
    if (file) {
        fputs("5", file); // resets the peak to what is resident now
        fclose(file);
    }
    return bandwidth;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double nb_bench_median(const double *values, size_t n)
{
    double *sorted = nb_alloc(n * sizeof *sorted);
    memcpy(sorted, values, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, compare);
    double median = n % 2 ? sorted[n / 2] : 0.5 * (sorted[n / 2 - 1] + sorted[n / 2]);
    free(sorted);
    return median;
}

// Ids that differ from each other but not from run to run.
static int32_t *make_ids(size_t n, uint32_t vocab_size)
{
    int32_t *ids = nb_alloc(n * sizeof *ids);
    uint64_t state = 1;
    for (size_t i = 0; i < n; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        ids[i] = (int32_t)((state >> 33) % vocab_size);
    }
    return ids;
}

// ---- prefill and decoding ------------------------------------------------------------------------------------------

typedef struct bench_run {
    nb_session **sessions;
    int32_t *ids; // of every timeline, as far as it goes
} bench_run;

static bool is_prefill(const nb_bench_point *point)
{
    return strcmp(point->kind, "prefill") == 0;
}

static double bytes_per_token(const nb_engine *engine, const nb_session_options *options, const nb_bench_point *point)
{
    nb_engine_info info;
    nb_plan plan = {0};
    nb_engine_info_get(engine, &info);
    if (nb_session_plan(engine, options, &plan, NULL) != NB_OK)
        return 0;
    double weights = (double)info.weight_bytes_per_token;
    double ring = (double)plan.kv_bytes_per_token * ((double)point->depth + 0.5 * (double)point->n_tokens);
    if (!is_prefill(point))
        return weights / (double)point->n_batch + ring;
    // One pass over the weights and over the ring serves a chunk of tokens.
    return (weights + ring) / (double)(point->n_tokens < options->n_chunk ? point->n_tokens : options->n_chunk);
}

static nb_status decode(nb_session **sessions, size_t n_batch, const int32_t *ids, size_t n_tokens, nb_error *error)
{
    int32_t *step = nb_alloc(n_batch * sizeof *step);
    nb_status status = NB_OK;
    for (size_t t = 0; t < n_tokens && status == NB_OK; t++) {
        for (size_t i = 0; i < n_batch; i++)
            step[i] = ids[t];
        status = n_batch == 1 ? nb_session_append(sessions[0], step, 1, NULL, NULL, error)
                              : nb_batch_append(sessions, step, n_batch, error);
    }
    free(step);
    return status;
}

// One sample of n_tokens, from sessions that hold the depth.
static nb_status take_sample(const bench_run *run, const nb_bench_point *point, size_t n_tokens, double *tok_s,
                             nb_error *error)
{
    nb_session **sessions = run->sessions + point->first_session;
    const int32_t *ids = run->ids + point->depth;
    nb_status status = NB_OK;
    for (size_t i = 0; i < point->n_batch && status == NB_OK; i++)
        status = nb_session_rewind(sessions[i], point->depth, error);
    if (status != NB_OK)
        return status;
    double start = nb_now_s();
    status = is_prefill(point) ? nb_session_append(sessions[0], ids, n_tokens, NULL, NULL, error)
                               : decode(sessions, point->n_batch, ids, n_tokens, error);
    *tok_s = (double)(point->n_batch * n_tokens) / (nb_now_s() - start);
    return status;
}

// Fills the rings, and touches memory and caches by a sample that is not counted.
static nb_status prepare(const bench_run *run, const nb_bench_point *point, nb_error *error)
{
    nb_status status = NB_OK;
    for (size_t i = 0; point->depth && i < point->n_batch && status == NB_OK; i++)
        status = nb_session_sync(run->sessions[point->first_session + i], run->ids, point->depth, NULL, error);
    double ignored;
    return status != NB_OK ? status
                           : take_sample(run, point, is_prefill(point) && point->n_values > 1 ? point->n_tokens : 1,
                                         &ignored, error);
}

static nb_status take_samples(const bench_run *run, nb_bench_point *points, size_t n_points, uint32_t n_threads,
                              nb_error *error)
{
    nb_progress progress;
    nb_progress_start(&progress, "measuring");
    progress.unit = "samples";
    nb_status status = NB_OK;
    for (size_t p = 0; p < n_points && status == NB_OK; p++)
        status = prepare(run, &points[p], error);
    double before = measure_membw(&points[0], n_threads);
    size_t n_samples = n_points * points[0].n_values;
    for (size_t i = 0; i < n_samples && status == NB_OK; i++) {
        nb_bench_point *point = &points[i % n_points];
        status = take_sample(run, point, point->n_tokens, &point->values[i / n_points], error);
        double after = measure_membw(point, n_threads);
        point->membw[i / n_points] = 0.5 * (before + after);
        before = after;
        nb_progress_update(&progress, i + 1, n_samples);
    }
    nb_progress_end(&progress);
    return status;
}

int nb_bench_speeds(nb_engine *engine, const nb_session_options *options, nb_bench_point *points, size_t n_points)
{
    nb_engine_info info;
    nb_engine_info_get(engine, &info);
    bench_run run = {.sessions = nb_alloc(options->n_sessions * sizeof(nb_session *)),
                     .ids = make_ids(options->n_ctx, info.vocab_size)};
    for (size_t p = 0; p < n_points; p++)
        points[p].bytes_per_token = bytes_per_token(engine, options, &points[p]);
    int code = nb_engine_args_sessions_create(run.sessions, engine, options);
    nb_error error = {0};
    if (code == NB_EXIT_OK)
        code = nb_fail_error(take_samples(&run, points, n_points, info.n_threads, &error), &error);
    for (size_t i = 0; i < options->n_sessions; i++)
        nb_session_free(run.sessions[i]);
    free(run.sessions);
    free(run.ids);
    return code;
}

// ---- loading -------------------------------------------------------------------------------------------------------

static int first_token(nb_engine *engine, const nb_session_options *options)
{
    nb_sampling greedy = nb_sampling_defaults();
    greedy.temperature = 0;
    nb_session *session;
    int code = nb_engine_args_session_create(&session, engine, options);
    if (code != NB_EXIT_OK)
        return code;
    nb_error error = {0};
    int32_t id = 0;
    nb_status status = nb_session_append(session, &id, 1, NULL, NULL, &error);
    if (status == NB_OK)
        status = nb_session_sample(session, &greedy, &id, NULL, &error);
    nb_session_free(session);
    return nb_fail_error(status, &error);
}

int nb_bench_load(nb_engine **engine, const char *directory, const nb_engine_args *args,
                  const nb_session_options *options, nb_bench_point *point)
{
    nb_engine_info info;
    nb_engine_info_get(*engine, &info);
    nb_session_options one = *options;
    one.n_sessions = 1;
    int code = NB_EXIT_OK;
    double before = measure_membw(point, info.n_threads);
    for (size_t i = 0; i < point->n_values && code == NB_EXIT_OK; i++) {
        nb_engine_close(*engine); // its memory is not to be held twice
        *engine = NULL;
        double start = nb_now_s();
        code = nb_engine_args_open(engine, directory, args, &one);
        if (code == NB_EXIT_OK)
            code = first_token(*engine, &one);
        point->values[i] = nb_now_s() - start;
        double after = measure_membw(point, info.n_threads);
        point->membw[i] = 0.5 * (before + after);
        before = after;
    }
    return code;
}
