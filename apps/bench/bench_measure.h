// SPDX-License-Identifier: Apache-2.0
// What `nibble bench` measures: speeds of one engine, each beside the memory's own.
#ifndef NB_APPS_BENCH_MEASURE_H
#define NB_APPS_BENCH_MEASURE_H

#include "apps/common/engine_args.h"

enum { NB_BENCH_MAX_REPEAT = 1000 };

typedef struct nb_bench_point {
    const char *kind; // "prefill", "decode", "load"
    uint64_t n_tokens, depth, n_batch;
    size_t first_session; // of n_batch sessions that hold `depth` tokens; points of the same depth share them
    double *values;       // [n_values]: tokens a second; for "load" seconds
    double *membw;        // [n_values]: bytes a second, mean of the pass right before and the one right after
    size_t n_values;
    uint64_t rss_peak_bytes; // without the buffer of the bandwidth measurement
    double bytes_per_token;  // weights and ring read for one token, shared passes divided; 0 for "load"
} nb_bench_point;

// These fill values and membw, which hold room for n_values. Return exit codes, error lines printed.
//
// All prefill and decode points (at least one, of equal n_values) by turns: the first sample of each, the second of
// each, ... so that all see the same minutes. options: n_sessions in all, filled once, rewound before each sample.
// decode: n_tokens passes of n_batch sessions; prefill: n_tokens appended at once.
int nb_bench_speeds(nb_engine *engine, const nb_session_options *options, nb_bench_point *points, size_t n_points);
// load: from opening the directory to the first sampled token. `*engine` is closed before and is another one after,
// NULL when that could not be opened.
int nb_bench_load(nb_engine **engine, const char *directory, const nb_engine_args *args,
                  const nb_session_options *options, nb_bench_point *point);

double nb_bench_median(const double *values, size_t n);

#endif
