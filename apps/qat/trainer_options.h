// SPDX-License-Identifier: Apache-2.0
// The options of sft and qat.
#ifndef NB_APPS_TRAINER_OPTIONS_H
#define NB_APPS_TRAINER_OPTIONS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum { NB_PRODUCTS_AUTO = 2 }; // a choice behind the kinds of kernels/grad/product.h

typedef struct nb_train_options {
    bool is_qat;
    const char *model, *traces, *eval_traces, *out, *log, *calib_out, *isa;
    int loss, schedule, if_long, dtype, products; // in the order of their choices
    double lambda, entropy_threshold, rate, floor, warmup, epochs;
    double weight_decay, beta1, beta2, epsilon, clip;
    uint64_t n_steps, batch, rows, max_length, seed, stop_after, eval_every, save_every, n_threads;
    bool in_order, recompute, resume, is_forced, other_traces, is_plan_only, is_json;
} nb_train_options;

// Defaults, then argv. Returns true to go on; false with `*exit_code` set.
bool nb_train_options_parse(nb_train_options *options, bool is_qat, int argc, char **argv, int *exit_code);

// What decides the result besides the model and the traces: the options that a resumed run must repeat.
// `n_steps`: of the whole training. `rows`: of a micro-batch.
json_t *nb_train_recipe(const nb_train_options *options, uint64_t n_steps, uint32_t rows);

#endif
