// SPDX-License-Identifier: Apache-2.0
// The trainer of sft and qat: opens what it needs, runs steps, keeps checkpoints, writes the model.
#ifndef NB_APPS_TRAINER_H
#define NB_APPS_TRAINER_H

#include <limits.h>
#include <stdio.h>

#include "apps/common/terminal.h"
#include "apps/qat/adamw.h"
#include "apps/qat/schedule.h"
#include "apps/qat/trace_order.h"
#include "apps/qat/trainer_options.h"

// The folder OUT.training: the tokenised traces and the checkpoint. Locked while a training runs.
typedef struct nb_train_place {
    char path[PATH_MAX];
    char traces[PATH_MAX], state[PATH_MAX];
    int fd; // holds the lock
    bool is_open;
} nb_train_place;

// Creates or takes over the folder for output `out`. NB_ERR_INPUT (another process trains there, no such parent).
NB_MUST_USE nb_status nb_train_place_open(nb_train_place *place, const char *out, nb_error *error);
void nb_train_place_clear(nb_train_place *place); // removes the files
void nb_train_place_close(nb_train_place *place); // and the folder when it is empty; at exit by itself

// What a step, or an evaluation, came to.
typedef struct nb_train_sums {
    uint64_t n_tokens, n_targets, n_correct;
    double ce, sem, entropy; // sums over the targets
} nb_train_sums;

typedef struct nb_trainer {
    nb_train_options options;
    char model_directory[PATH_MAX];
    nb_train_place place;
    nb_text *text; // NULL: the model has none
    nb_traces traces, eval_traces;
    json_t *training; // training.json of the model
    nb_product_kind products;
    nb_pool *pool;
    nb_net *net;
    nb_param *params;
    size_t n_params;
    nb_net_plan net_plan;
    uint64_t adamw_bytes, batch_bytes, total_bytes, available_bytes;
    nb_adamw *adamw;
    nb_trace_order order;
    nb_trace_packer packer;
    uint32_t *documents; // of one step
    nb_schedule schedule;
    uint32_t rows, max_length;
    uint64_t n_steps, eval_every;
    json_t *recipe;
    char model_sha256[NB_HASH_TEXT_BYTES]; // of the parameters at the start
    FILE *log;
    bool log_failed;
    uint64_t log_bytes; // of the log when the checkpoint was written

    uint64_t step;                // done so far
    uint64_t first_step;          // of this run
    uint64_t n_tokens, n_targets; // trained on so far
    double first_loss, last_loss; // of the first and of the last step
    double eval_loss;             // < 0: not measured
    double seconds;               // of training, in all runs
    double start_s, saved_s, shown_s;
    bool is_shown;
} nb_trainer;

// Everything up to the first step. `*exit_code`; true to go on. With --plan: prints it and stops.
NB_MUST_USE bool nb_trainer_open(nb_trainer *trainer, int *exit_code);
// Steps until the end, --stop-after or an interrupt; a checkpoint at each of these.
// NB_ERR_STOPPED: interrupted; the checkpoint is written.
NB_MUST_USE nb_status nb_trainer_run(nb_trainer *trainer, nb_error *error);
// Writes the model directory and removes the folder of the training.
NB_MUST_USE nb_status nb_trainer_finish(nb_trainer *trainer, nb_error *error);
void nb_trainer_close(nb_trainer *trainer);

NB_MUST_USE nb_status nb_trainer_checkpoint(nb_trainer *trainer, nb_error *error);
NB_MUST_USE nb_status nb_trainer_resume(nb_trainer *trainer, nb_error *error); // without a checkpoint: nothing

double nb_trainer_loss(const nb_trainer *trainer, const nb_train_sums *sums);   // as it is minimised, a mean
void nb_trainer_hash(const nb_trainer *trainer, char text[NB_HASH_TEXT_BYTES]); // of the parameters

// ---- what is told (trainer_report.c)

void nb_trainer_show(nb_trainer *trainer, double loss, double rate); // progress line, on a terminal
void nb_trainer_hide(nb_trainer *trainer);
void nb_trainer_log_step(nb_trainer *trainer, const nb_train_sums *sums, double rate, double norm, double seconds);
void nb_trainer_log_eval(nb_trainer *trainer, const nb_train_sums *sums);
int nb_trainer_print_plan(const nb_trainer *trainer);
int nb_trainer_report(const nb_trainer *trainer);
json_t *nb_trainer_stage(const nb_trainer *trainer); // of training.json

#endif
