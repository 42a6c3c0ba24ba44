// SPDX-License-Identifier: Apache-2.0
#include "apps/bench/bench_measure.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

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

static uint64_t kv_bytes_per_token(const nb_engine *engine, const nb_session_options *options)
{
    nb_plan plan;
    return nb_session_plan(engine, options, &plan, NULL) == NB_OK ? plan.kv_bytes_per_token : 0;
}

static void free_sessions(nb_session **sessions, size_t n)
{
    for (size_t i = 0; i < n; i++)
        nb_session_free(sessions[i]);
    free(sessions);
}

// n sessions, each filled with `depth` tokens. NULL after a failure, `*code` set.
static nb_session **open_sessions(nb_engine *engine, const nb_session_options *options, size_t n, const int32_t *ids,
                                  size_t depth, int *code)
{
    nb_session **sessions = nb_alloc(n * sizeof(nb_session *));
    *code = NB_EXIT_OK;
    size_t n_open = 0;
    while (n_open < n && *code == NB_EXIT_OK) {
        nb_session_options own = *options;
        own.n_logit_rows = n_open == 0 ? (uint32_t)n : 1; // the first one's rows let a batch read the head once
        *code = nb_engine_args_session_create(&sessions[n_open], engine, &own);
        n_open += *code == NB_EXIT_OK;
    }
    for (size_t i = 0; depth && i < n && *code == NB_EXIT_OK; i++) {
        nb_error error = {0};
        *code = nb_fail_error(nb_session_append(sessions[i], ids, depth, NULL, NULL, &error), &error);
    }
    if (*code == NB_EXIT_OK)
        return sessions;
    free_sessions(sessions, n_open);
    return NULL;
}

static nb_status decode_once(nb_session **sessions, size_t n_batch, const int32_t *ids, size_t n_tokens, double *tok_s,
                             nb_error *error)
{
    int32_t *step = nb_alloc(n_batch * sizeof *step);
    nb_status status = NB_OK;
    double start = nb_now_s();
    for (size_t t = 0; t < n_tokens && status == NB_OK; t++) {
        for (size_t i = 0; i < n_batch; i++)
            step[i] = ids[t];
        status = n_batch == 1 ? nb_session_append(sessions[0], step, 1, NULL, NULL, error)
                              : nb_batch_append(sessions, step, n_batch, error);
    }
    *tok_s = (double)(n_batch * n_tokens) / (nb_now_s() - start);
    free(step);
    return status;
}

static nb_status rewind_all(nb_session **sessions, size_t n, size_t depth, nb_error *error)
{
    nb_status status = NB_OK;
    for (size_t i = 0; i < n && status == NB_OK; i++)
        status = nb_session_rewind(sessions[i], depth, error);
    return status;
}

static uint32_t threads_of(const nb_engine *engine)
{
    nb_engine_info info;
    nb_engine_info_get(engine, &info);
    return info.n_threads;
}

int nb_bench_decode(nb_engine *engine, const nb_session_options *options, nb_bench_point *point)
{
    nb_engine_info info;
    nb_engine_info_get(engine, &info);
    double kv_bytes = (double)kv_bytes_per_token(engine, options);
    point->bytes_per_token = (double)info.weight_bytes_per_token / (double)point->n_batch +
                             kv_bytes * ((double)point->depth + 0.5 * (double)point->n_tokens);
    int32_t *ids = make_ids(point->depth + point->n_tokens, info.vocab_size);
    int code;
    nb_session **sessions = open_sessions(engine, options, point->n_batch, ids, point->depth, &code);
    nb_error error = {0};
    double ignored;
    nb_status status = NB_OK;
    if (sessions) // the first pass touches memory and caches; it is not counted
        status = decode_once(sessions, point->n_batch, ids + point->depth, 1, &ignored, &error);
    for (size_t i = 0; sessions && i < point->n_values && status == NB_OK; i++) {
        status = rewind_all(sessions, point->n_batch, point->depth, &error);
        if (status == NB_OK)
            status =
                decode_once(sessions, point->n_batch, ids + point->depth, point->n_tokens, &point->values[i], &error);
        point->membw[i] = measure_membw(point, info.n_threads);
    }
    if (sessions)
        free_sessions(sessions, point->n_batch);
    free(ids);
    return code != NB_EXIT_OK ? code : nb_fail_error(status, &error);
}

static nb_status prefill_once(nb_session *session, const int32_t *ids, const nb_bench_point *point, double *tok_s,
                              nb_error *error)
{
    nb_status status = nb_session_rewind(session, point->depth, error);
    if (status != NB_OK)
        return status;
    double start = nb_now_s();
    status = nb_session_append(session, ids + point->depth, point->n_tokens, NULL, NULL, error);
    *tok_s = (double)point->n_tokens / (nb_now_s() - start);
    return status;
}

int nb_bench_prefill(nb_engine *engine, const nb_session_options *options, nb_bench_point *point)
{
    nb_engine_info info;
    nb_engine_info_get(engine, &info);
    // One pass over the weights and over the ring serves a chunk of tokens.
    double n_shared = (double)(point->n_tokens < options->n_chunk ? point->n_tokens : options->n_chunk);
    double kv_bytes = (double)kv_bytes_per_token(engine, options);
    point->bytes_per_token =
        ((double)info.weight_bytes_per_token + kv_bytes * ((double)point->depth + 0.5 * (double)point->n_tokens)) /
        n_shared;
    int32_t *ids = make_ids(point->depth + point->n_tokens, info.vocab_size);
    int code;
    nb_session **sessions = open_sessions(engine, options, 1, ids, point->depth, &code);
    nb_error error = {0};
    nb_status status = NB_OK;
    double ignored;
    if (sessions && point->n_values > 1) // not counted, as above
        status = prefill_once(sessions[0], ids, point, &ignored, &error);
    for (size_t i = 0; sessions && i < point->n_values && status == NB_OK; i++) {
        status = prefill_once(sessions[0], ids, point, &point->values[i], &error);
        point->membw[i] = measure_membw(point, info.n_threads);
    }
    if (sessions)
        free_sessions(sessions, 1);
    free(ids);
    return code != NB_EXIT_OK ? code : nb_fail_error(status, &error);
}

static int first_token(nb_engine *engine, const nb_engine_args *args)
{
    nb_session_options options = nb_engine_args_session(args);
    nb_sampling greedy = nb_sampling_defaults();
    greedy.temperature = 0;
    nb_session *session;
    int code = nb_engine_args_session_create(&session, engine, &options);
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

int nb_bench_load(const char *directory, const nb_engine_args *args, nb_bench_point *point)
{
    for (size_t i = 0; i < point->n_values; i++) {
        nb_engine *engine;
        double start = nb_now_s();
        int code = nb_engine_args_open(&engine, directory, args, NULL);
        if (code != NB_EXIT_OK)
            return code;
        code = first_token(engine, args);
        point->values[i] = nb_now_s() - start;
        uint32_t n_threads = threads_of(engine);
        nb_engine_close(engine);
        if (code != NB_EXIT_OK)
            return code;
        point->membw[i] = measure_membw(point, n_threads);
    }
    return NB_EXIT_OK;
}
