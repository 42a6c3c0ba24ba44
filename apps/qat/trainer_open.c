// SPDX-License-Identifier: Apache-2.0
// What a training needs before its first step, cheap checks first.
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "apps/common/cli.h"
#include "apps/common/model_store.h"
#include "apps/qat/staging.h"
#include "apps/qat/trainer.h"
#include "apps/qat/trainer_record.h"
#include "apps/qat/workers.h"
#include "platform/memory.h"
#include "platform/path.h"

enum { CALIB_TRACES = 128 }; // what qfit takes

// Whether OUT may be written, before hours of work; nb_staging_open asks again at the end.
static nb_status check_out(const nb_trainer *t, nb_error *error)
{
    struct stat info;
    const char *out = t->options.out;
    NB_TRY(nb_staging_check_source(t->model_directory, out, error));
    if (lstat(out, &info) != 0 || t->options.is_forced)
        return NB_OK;
    return nb_error_set(error, NB_ERR_INPUT,
                        "cannot write %s%s; expected a new directory, found an existing %s; "
                        "try another name, or --force to replace it",
                        nb_path_dots(out), nb_path_tail(out), S_ISDIR(info.st_mode) ? "one" : "file");
}

static nb_status open_place(nb_trainer *t, nb_error *error)
{
    NB_TRY(check_out(t, error));
    NB_TRY(nb_train_place_open(&t->place, t->options.out, error));
    if (t->options.is_forced)
        nb_train_place_clear(&t->place);
    if (!t->options.resume && nb_file_exists(t->place.state))
        return nb_error_set(error, NB_ERR_INPUT,
                            "%s%s holds an unfinished training; expected none; try --resume to go on with it, or "
                            "--force to begin anew",
                            nb_path_dots(t->place.path), nb_path_tail(t->place.path));
    return NB_OK;
}

static nb_net_options net_options(const nb_trainer *t, uint32_t rows)
{
    return (nb_net_options){.pool = t->pool,
                            .isa = t->options.isa,
                            .n_rows_max = rows,
                            .quant = t->options.is_qat ? NB_NET_W4A4KV4 : NB_NET_PLAIN,
                            .products = t->products,
                            .recompute = t->options.recompute};
}

static void choose_products(nb_trainer *t)
{
    bool has_bf16 = nb_product_has_bf16();
    t->products = (nb_product_kind)t->options.products;
    if (t->options.products == NB_PRODUCTS_AUTO)
        t->products = has_bf16 ? NB_PRODUCT_BF16 : NB_PRODUCT_F32;
    if (t->products == NB_PRODUCT_BF16 && !has_bf16 && nb_product_runs(t->products))
        nb_note("this CPU has neither AVX512_BF16 nor AMX; products in bf16 are slower here than in f32");
}

// Refuses a wrong model before the traces are read. Also the lengths that it allows.
static nb_status look_at_model(nb_trainer *t, nb_error *error)
{
    nb_config config;
    nb_net *none = NULL;
    nb_net_options options = net_options(t, 2);
    NB_TRY(nb_net_open(&none, t->model_directory, &options, true, NULL, error));
    NB_TRY(nb_config_open(&config, t->model_directory, error));
    uint32_t n_positions = config.max_positions;
    nb_config_release(&config);
    if (t->options.max_length > n_positions)
        return nb_error_set(error, NB_ERR_ARGUMENT,
                            "--max-length; expected at most the %u positions of the model, found %" PRIu64, n_positions,
                            t->options.max_length);
    t->max_length = t->options.max_length ? (uint32_t)t->options.max_length : n_positions;
    if (t->max_length < 2)
        return nb_error_set(error, NB_ERR_INPUT, "a model of one position; expected two or more");
    return nb_training_read(&t->training, t->model_directory, error);
}

static nb_status open_text(nb_trainer *t, nb_error *error)
{
    char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/tokenizer.json", t->model_directory);
    return nb_file_exists(path) ? nb_text_open(&t->text, t->model_directory, error) : NB_OK;
}

// ---- traces -------------------------------------------------------------------------------------------------------

static nb_status build_traces(nb_trainer *t, nb_traces *traces, const char *path, uint32_t vocab_size, nb_error *error)
{
    nb_progress progress;
    nb_progress_start(&progress, "tokenising");
    nb_trace_rules rules = {.text = t->text,
                            .vocab_size = vocab_size,
                            .max_length = t->max_length,
                            .if_long = (nb_trace_long)t->options.if_long,
                            .on_progress = nb_progress_update,
                            .progress_user = &progress};
    nb_status status = nb_traces_build(traces, path, &rules, error);
    nb_progress_end(&progress);
    return status;
}

// The store is mapped rather than held in memory.
static nb_status keep_traces(nb_trainer *t, uint32_t vocab_size, nb_error *error)
{
    NB_TRY(nb_traces_save(&t->traces, t->place.traces, error));
    nb_traces_close(&t->traces);
    return nb_traces_open(&t->traces, t->place.traces, vocab_size, error);
}

static nb_status open_traces(nb_trainer *t, nb_error *error)
{
    nb_config config;
    const nb_train_options *o = &t->options;
    NB_TRY(nb_config_open(&config, t->model_directory, error));
    uint32_t vocab_size = config.vocab_size;
    nb_config_release(&config);
    bool is_resumed = t->place.is_open && o->resume && nb_file_exists(t->place.state);
    if (is_resumed && nb_file_exists(t->place.traces))
        NB_TRY(nb_traces_open(&t->traces, t->place.traces, vocab_size, error));
    else
        NB_TRY(build_traces(t, &t->traces, o->traces, vocab_size, error));
    if (t->traces.image && t->place.is_open)
        NB_TRY(keep_traces(t, vocab_size, error));
    return o->eval_traces ? build_traces(t, &t->eval_traces, o->eval_traces, vocab_size, error) : NB_OK;
}

// Trace alignment: what qat sees is what sft saw.
static nb_status check_alignment(const nb_trainer *t, nb_error *error)
{
    const char *before = nb_training_traces(t->training);
    if (!t->options.is_qat || t->options.other_traces || !before || strcmp(before, t->traces.sha256) == 0)
        return NB_OK;
    return nb_error_set(error, NB_ERR_INPUT,
                        "%s%s: not the traces that sft saw; expected SHA-256 %.16s..., found %.16s...; try the traces "
                        "and --max-length of sft, or --other-traces to train on these",
                        nb_path_dots(t->options.traces), nb_path_tail(t->options.traces), before, t->traces.sha256);
}

// ---- sizes --------------------------------------------------------------------------------------------------------

static nb_status count_steps(nb_trainer *t, nb_error *error)
{
    const nb_train_options *o = &t->options;
    double epochs = o->epochs > 0 ? o->epochs : 1;
    double n_steps = o->n_steps ? (double)o->n_steps : ceil(epochs * (double)t->traces.n_documents / (double)o->batch);
    if (n_steps > 1e9)
        return nb_error_set(error, NB_ERR_ARGUMENT, "--epochs; expected at most 10^9 steps, found %.3g", n_steps);
    t->n_steps = (uint64_t)n_steps;
    t->eval_every = o->eval_every ? o->eval_every : nb_max(1, t->n_steps / 10);
    return NB_OK;
}

static void choose_rows(nb_trainer *t)
{
    uint64_t longest = nb_max(t->traces.longest, t->eval_traces.longest);
    uint64_t rows = nb_max(longest, nb_min(t->options.rows, longest * t->options.batch));
    t->rows = (uint32_t)rows; // at most 2^24 positions, and as many rows
}

static nb_status make_plan(nb_trainer *t, nb_error *error)
{
    nb_memory memory;
    nb_net *none = NULL;
    nb_net_options options = net_options(t, t->rows);
    nb_memory_probe(&memory);
    nb_status status = nb_net_open(&none, t->model_directory, &options, true, &t->net_plan, error);
    if (status != NB_OK && status != NB_ERR_FIT)
        return status;
    t->adamw_bytes = 2 * t->net_plan.parameter_bytes;
    t->batch_bytes = nb_trace_packer_bytes(t->rows) + t->traces.n_documents * sizeof(uint32_t) + t->traces.image_bytes +
                     t->eval_traces.image_bytes;
    t->total_bytes = t->net_plan.total_bytes + t->adamw_bytes + t->batch_bytes;
    t->available_bytes = nb_memory_takeable(&memory);
    if (status != NB_OK || t->total_bytes <= t->available_bytes || t->options.is_plan_only)
        return status;
    char total[32], available[32];
    return nb_error_set(error, NB_ERR_FIT,
                        "the training does not fit memory; expected at most %s, found %s; try --recompute, a smaller "
                        "--rows or --max-length",
                        nb_bytes_text(available, (double)t->available_bytes),
                        nb_bytes_text(total, (double)t->total_bytes));
}

// A checkpoint is parameters and two moments; the next one is written while the last one is there, and then the model.
// Better to know of a full disk before the work than after it.
static nb_status check_disk(const nb_trainer *t, nb_error *error)
{
    struct statvfs disk;
    if (statvfs(t->place.path, &disk) != 0 || disk.f_blocks == 0)
        return NB_OK; // it does not tell
    uint64_t checkpoint_bytes = 3 * t->net_plan.parameter_bytes;
    uint64_t needed = nb_file_exists(t->place.state) ? checkpoint_bytes : 2 * checkpoint_bytes;
    uint64_t available = (uint64_t)disk.f_bavail * disk.f_frsize;
    char texts[2][32];
    if (needed <= available)
        return NB_OK;
    return nb_error_set(error, NB_ERR_SYSTEM,
                        "the disk of %s%s has no room for the checkpoints; expected %s free, found %s",
                        nb_path_dots(t->place.path), nb_path_tail(t->place.path),
                        nb_bytes_text(texts[0], (double)needed), nb_bytes_text(texts[1], (double)available));
}

// ---- all of it ----------------------------------------------------------------------------------------------------

static nb_status look(nb_trainer *t, nb_error *error)
{
    NB_TRY(nb_workers_create(&t->pool, t->options.n_threads, error));
    choose_products(t);
    NB_TRY(look_at_model(t, error));
    if (!t->options.is_plan_only)
        NB_TRY(open_place(t, error));
    NB_TRY(open_text(t, error));
    NB_TRY(open_traces(t, error));
    NB_TRY(check_alignment(t, error));
    if (t->options.calib_out)
        NB_TRY(nb_traces_write_ids(&t->traces, CALIB_TRACES, t->options.calib_out, error));
    NB_TRY(count_steps(t, error));
    choose_rows(t);
    NB_TRY(make_plan(t, error));
    return t->place.is_open ? check_disk(t, error) : NB_OK;
}

static nb_status take(nb_trainer *t, nb_error *error)
{
    const nb_train_options *o = &t->options;
    nb_net_options options = net_options(t, t->rows);
    nb_adamw_options adamw = {o->beta1, o->beta2, o->epsilon, o->weight_decay, o->clip};
    NB_TRY(nb_net_open(&t->net, t->model_directory, &options, false, NULL, error));
    t->params = nb_net_params(t->net, &t->n_params);
    NB_TRY(nb_adamw_create(&t->adamw, t->pool, t->params, t->n_params, &adamw, error));
    nb_trainer_hash(t, t->model_sha256);
    nb_trace_order_create(&t->order, &t->traces, o->seed, !o->in_order);
    nb_trace_packer_create(&t->packer, &t->traces, t->rows);
    t->documents = nb_alloc(o->batch * sizeof *t->documents);
    t->schedule = (nb_schedule){.kind = (nb_schedule_kind)o->schedule,
                                .rate = o->rate,
                                .floor = o->floor,
                                .warmup = o->warmup,
                                .n_steps = t->n_steps};
    t->recipe = nb_train_recipe(o, t->n_steps, t->rows);
    return nb_trainer_resume(t, error);
}

static nb_status open_log(nb_trainer *t, nb_error *error)
{
    if (!t->options.log)
        return NB_OK;
    struct stat info;
    const char *path = t->options.log;
    // Lines of steps that will be done again go.
    if (t->first_step > 0 && stat(path, &info) == 0 && (uint64_t)info.st_size > t->log_bytes &&
        truncate(path, (off_t)t->log_bytes) != 0)
        return nb_path_error("write", path, errno, error);
    t->log = fopen(path, t->first_step > 0 ? "ae" : "we");
    return t->log ? NB_OK : nb_path_error("write", path, errno, error);
}

bool nb_trainer_open(nb_trainer *t, int *exit_code)
{
    nb_error error = {0};
    t->eval_loss = -1;
    *exit_code = nb_store_find(t->model_directory, t->options.model);
    if (*exit_code != NB_EXIT_OK)
        return false;
    nb_status status = look(t, &error);
    bool is_known = t->net_plan.total_bytes > 0;
    if (is_known && (status == NB_OK || status == NB_ERR_FIT) && t->options.is_plan_only) {
        *exit_code = nb_trainer_print_plan(t);
        return false;
    }
    if (status == NB_OK)
        status = take(t, &error);
    if (status == NB_OK)
        status = open_log(t, &error);
    if (status != NB_OK)
        *exit_code = nb_fail_error(status, &error);
    return status == NB_OK;
}

void nb_trainer_close(nb_trainer *t)
{
    if (t->log)
        fclose(t->log);
    nb_adamw_free(t->adamw);
    nb_trace_order_free(&t->order);
    nb_trace_packer_free(&t->packer);
    free(t->documents);
    nb_net_close(t->net);
    nb_traces_close(&t->traces);
    nb_traces_close(&t->eval_traces);
    nb_text_close(t->text);
    nb_pool_free(t->pool);
    json_decref(t->recipe);
    json_decref(t->training);
    nb_train_place_close(&t->place);
}
