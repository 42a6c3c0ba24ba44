// SPDX-License-Identifier: Apache-2.0
// nibble-qat quantize: a full-precision model directory becomes a ModelOpt NVFP4 directory.
#include <getopt.h>
#include <stdlib.h>

#include "apps/common/model_store.h"
#include "apps/common/option_table.h"
#include "apps/common/stop.h"
#include "apps/common/terminal.h"
#include "apps/qat/qat_commands.h"
#include "apps/qat/quantize_calib.h"
#include "apps/qat/quantize_config.h"
#include "apps/qat/quantize_write.h"
#include "apps/qat/staging.h"
#include "apps/qat/workers.h"
#include "runtime/safetensors_write.h"

typedef struct quantize_options {
    const char *calib, *shift;
    nb_option_texts ignore;
    bool is_forced, is_json;
    uint64_t n_threads;
    uint64_t shard_mb;
} quantize_options;

#define AT(field) offsetof(quantize_options, field)
static const nb_option quantize_table[] = {
    {.name = "calib",
     .kind = NB_OPTION_TEXT,
     .offset = AT(calib),
     .value = "FILE",
     .help = "token ids, one sequence a line: measure input_scale on them (default: assume activations up to 336)"},
    {.name = "shift",
     .kind = NB_OPTION_TEXT,
     .offset = AT(shift),
     .value = "FILE",
     .help = "key shift to ship with the model (default: the source's own, if any)"},
    {.name = "ignore",
     .kind = NB_OPTION_TEXTS,
     .offset = AT(ignore),
     .value = "PATTERN",
     .help = "leave matching linear layers as they are, e.g. 'model.layers.0.*'; may be repeated"},
    {.name = "force",
     .kind = NB_OPTION_FLAG,
     .offset = AT(is_forced),
     .help = "replace DST when it is a model directory"},
    {.name = "json", .kind = NB_OPTION_FLAG, .offset = AT(is_json), .help = "the summary as one JSON object on stdout"},
    {.name = "threads",
     .kind = NB_OPTION_WHOLE,
     .offset = AT(n_threads),
     .value = "N",
     .help = "worker threads (default: physical cores)",
     .whole_min = 1,
     .whole_max = NB_POOL_MAX_THREADS},
    {.name = "shard-mb",
     .kind = NB_OPTION_WHOLE,
     .offset = AT(shard_mb),
     .value = "N",
     .help = "largest shard in megabytes of 10^6 bytes (default 5000)",
     .whole_min = 1,
     .whole_max = 1000000},
};

static const nb_command quantize_command = {
    .program = "nibble-qat",
    .name = "quantize",
    .usage = "SRC DST [OPTION]...",
    .summary = "Rounds the linear layers of a full-precision model (a directory or name, BF16, F16 or F32) to NVFP4\n"
               "and writes a directory that nibble and other engines load. DST appears whole or not at all.",
    .example = "nibble-qat quantize Qwen2.5-1.5B-Instruct Qwen2.5-1.5B-Instruct-NVFP4 --calib ids.txt",
    .n_args_min = 2,
    .n_args_max = 2,
    .groups = {{"Options", quantize_table, NB_COUNT_OF(quantize_table)}},
};

static bool on_progress(void *user, uint64_t done_bytes, uint64_t total_bytes)
{
    nb_progress_update(user, done_bytes, total_bytes);
    return !nb_stop_requested();
}

// ---- the work -----------------------------------------------------------------------------------------------------

typedef struct quantize_job {
    const char *source, *target;
    quantize_options options;
    nb_quant_plan plan;
    nb_checkpoint shift; // of --shift
    nb_pool *pool;
    nb_staging staging;
    nb_quantize_run run;
    nb_error error;
} quantize_job;

static nb_status open_inputs(quantize_job *job)
{
    const quantize_options *options = &job->options;
    NB_TRY(nb_staging_check_source(job->source, job->target, &job->error));
    NB_TRY(nb_quant_plan_open(&job->plan, job->source, options->ignore.items, options->ignore.n_items, &job->error));
    if (options->shift) {
        NB_TRY(nb_checkpoint_open(&job->shift, options->shift, &job->error));
        nb_error detail = {0};
        nb_status status = nb_quant_plan_shift(&job->plan, &job->shift, &detail);
        if (status != NB_OK)
            return nb_error_set(&job->error, status, "%s: %s", options->shift, detail.text);
    }
    return nb_workers_create(&job->pool, options->n_threads, &job->error);
}

static nb_status write_directory(quantize_job *job)
{
    const char *directory = job->staging.path;
    nb_option_texts ignore = job->options.ignore;
    NB_TRY(nb_quantize_write_config(job->source, directory, ignore.items, ignore.n_items, &job->error));
    NB_TRY(nb_quantize_copy_files(job->source, directory, &job->error));
    NB_TRY(nb_quantize_write(&job->run, directory));
    nb_model written; // what was written must load
    NB_TRY(nb_model_open(&written, directory, false, NULL, NULL, &job->error));
    nb_model_close(&written);
    return nb_staging_publish(&job->staging, &job->error);
}

static nb_status quantize(quantize_job *job, nb_progress *progress)
{
    NB_TRY(open_inputs(job));
    NB_TRY(nb_staging_open(&job->staging, job->target, job->options.is_forced, &job->error));
    nb_progress_start(progress, "quantizing");
    job->run = (nb_quantize_run){.plan = &job->plan,
                                 .pool = job->pool,
                                 .on_progress = on_progress,
                                 .progress_user = progress,
                                 .shard_bytes = job->options.shard_mb * 1000000,
                                 .error = &job->error};
    NB_TRY(nb_quantize_survey(&job->run));
    NB_TRY(nb_quantize_calibrate(&job->run, job->options.calib));
    return write_directory(job);
}

static void release(quantize_job *job)
{
    nb_staging_discard(&job->staging);
    nb_pool_free(job->pool);
    nb_quant_plan_close(&job->plan);
    nb_checkpoint_close(&job->shift);
    free(job->options.ignore.items);
}

// ---- the command --------------------------------------------------------------------------------------------------

static int report(const quantize_job *job, double seconds)
{
    const nb_quant_plan *plan = &job->plan;
    double mean_error = plan->n_linears ? job->run.error_sum / (double)plan->n_linears : 0;
    size_t n_tensors = plan->weights.n_items + plan->shifts.n_items;
    if (job->options.is_json)
        return nb_out_json(json_pack("{s:I, s:I, s:I, s:I, s:f, s:s, s:f}", "tensors", (json_int_t)n_tensors, "linears",
                                     (json_int_t)plan->n_linears, "bytes_in", (json_int_t)plan->source_bytes,
                                     "bytes_out", (json_int_t)job->run.result_bytes, "mean_error", mean_error,
                                     "input_scale", job->options.calib ? "calibrated" : "assumed", "seconds", seconds));
    char before[32], after[32];
    printf("%s: %zu linear layers, %s -> %s, mean rounding error %.2f %%, %.1f s\n", job->target, plan->n_linears,
           nb_bytes_text(before, (double)plan->source_bytes), nb_bytes_text(after, (double)job->run.result_bytes),
           100 * mean_error, seconds);
    return nb_out_flush();
}

int nb_command_quantize(int argc, char **argv)
{
    quantize_job job = {.options = {.shard_mb = NB_SHARD_BYTES / 1000000}};
    int exit_code;
    if (!nb_options_parse(&quantize_command, (void *const[]){&job.options}, argc, argv, &exit_code))
        return exit_code;
    char source[PATH_MAX];
    exit_code = nb_store_find(source, argv[optind]);
    if (exit_code != NB_EXIT_OK)
        return exit_code;
    job.source = source;
    job.target = argv[optind + 1];
    nb_stop_install();
    double start_s = nb_now_s();
    nb_progress progress = {0};
    nb_status status = quantize(&job, &progress);
    nb_progress_end(&progress);
    if (status == NB_ERR_STOPPED)
        exit_code = NB_EXIT_INTERRUPTED;
    else if (status != NB_OK)
        exit_code = nb_fail_error(status, &job.error);
    else
        exit_code = report(&job, nb_now_s() - start_s);
    release(&job);
    return exit_code;
}
