// SPDX-License-Identifier: Apache-2.0
// What `nibble bench` measures: speeds of one engine, each beside the memory's own.
#ifndef NB_APPS_BENCH_MEASURE_H
#define NB_APPS_BENCH_MEASURE_H

#include "apps/common/engine_args.h"

enum { NB_BENCH_MAX_REPEAT = 1000 };

typedef struct nb_bench_point {
    const char *kind; // "prefill", "decode", "load"
    uint64_t n_tokens, depth, n_batch;
    double *values; // [n_values]: tokens a second; for "load" seconds
    double *membw;  // [n_values]: bytes a second, read right after each
    size_t n_values;
    uint64_t rss_peak_bytes; // without the buffer of the bandwidth measurement
    double bytes_per_token;  // weights and ring read for one token, shared passes divided; 0 for "load"
} nb_bench_point;

// Fills values and membw, which hold room for n_values. Return exit codes, error lines printed.
// decode: n_batch sessions filled with `depth` tokens once; each value from n_tokens passes after a rewind.
int nb_bench_decode(nb_engine *engine, const nb_session_options *options, nb_bench_point *point);
// prefill: n_tokens appended at once to a session that holds `depth` tokens.
int nb_bench_prefill(nb_engine *engine, const nb_session_options *options, nb_bench_point *point);
// load: from opening the directory to the first sampled token.
int nb_bench_load(const char *directory, const nb_engine_args *args, nb_bench_point *point);

double nb_bench_median(const double *values, size_t n);

#endif
