// SPDX-License-Identifier: Apache-2.0
// nibble-qat qfit: fits a full-precision model to the 4-bit cache.
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "apps/common/ids_file.h"
#include "apps/common/model_store.h"
#include "apps/common/option_table.h"
#include "apps/common/stop.h"
#include "apps/common/terminal.h"
#include "apps/qat/json_file.h"
#include "apps/qat/net.h"
#include "apps/qat/qat_commands.h"
#include "apps/qat/qfit_fold.h"
#include "apps/qat/quantize_config.h"
#include "apps/qat/staging.h"
#include "apps/qat/workers.h"

enum { MIN_TOKENS = 64, CELLS = 1000 };

typedef struct qfit_options {
    const char *calib, *report;
    int variant, dtype; // dtype -1: the source's
    bool is_forced, is_json;
    uint64_t n_threads, limit, n_tokens;
} qfit_options;

#define AT(field) offsetof(qfit_options, field)
static const nb_option qfit_table[] = {
    {.name = "calib-ids",
     .kind = NB_OPTION_TEXT,
     .offset = AT(calib),
     .value = "FILE",
     .help = "calibration tokens: ids, one sequence a line (needed)"},
    {.name = "limit",
     .kind = NB_OPTION_WHOLE,
     .offset = AT(limit),
     .value = "N",
     .help = "sequences used, from the first (default 128)",
     .whole_min = 1,
     .whole_max = 1000000},
    {.name = "tokens",
     .kind = NB_OPTION_WHOLE,
     .offset = AT(n_tokens),
     .value = "N",
     .help = "tokens used of each sequence, from the first (default 512)",
     .whole_min = 1,
     .whole_max = 1000000},
    {.name = "qfit-variant",
     .kind = NB_OPTION_CHOICE,
     .offset = AT(variant),
     .value = "NAME",
     .choices = "nibble|reference",
     .help = "nibble, or reference: the objective of ReQAT's published code (default nibble)"},
    {.name = "dtype",
     .kind = NB_OPTION_CHOICE,
     .offset = AT(dtype),
     .value = "NAME",
     .choices = "bf16|f32",
     .help = "bf16 or f32 for all tensors of DST (default: as they are)"},
    {.name = "report",
     .kind = NB_OPTION_TEXT,
     .offset = AT(report),
     .value = "OUT.json",
     .help = "write what was found"},
    {.name = "force",
     .kind = NB_OPTION_FLAG,
     .offset = AT(is_forced),
     .help = "replace DST when it is a model directory"},
    {.name = "json", .kind = NB_OPTION_FLAG, .offset = AT(is_json), .help = "the report as one JSON object on stdout"},
    {.name = "threads",
     .letter = 't',
     .kind = NB_OPTION_WHOLE,
     .offset = AT(n_threads),
     .value = "N",
     .help = "worker threads (default: physical cores)",
     .whole_min = 1,
     .whole_max = NB_POOL_MAX_THREADS},
};
#undef AT

static const nb_command qfit_command = {
    .program = "nibble-qat",
    .name = "qfit",
    .usage = "SRC DST --calib-ids FILE [OPTION]...",
    .summary =
        "Q-FIT: finds, layer by layer, the scales and the key shift with which the 4-bit cache changes attention\n"
        "least, folds the scales into the weights and writes DST with k_shift.st. In full precision DST computes\n"
        "what SRC computes. DST appears whole or not at all.",
    .example = "nibble-qat qfit ./my-model ./my-model-fit --calib-ids ids.txt --report qfit.json",
    .n_args_min = 2,
    .n_args_max = 2,
    .groups = {{"Options", qfit_table, NB_COUNT_OF(qfit_table)}},
};

typedef struct qfit_job {
    const char *source, *target;
    qfit_options options;
    const nb_qfit_variant *variant;
    nb_model model;
    nb_checkpoint checkpoint;
    nb_ids_file file;
    int32_t *ids; // of the sequences used
    size_t *starts;
    size_t n_sequences;
    nb_pool *pool;
    nb_qfit_capture capture;
    nb_qfit_result *layers;
    nb_staging staging;
    uint64_t result_bytes;
    nb_progress progress;
    double done_layers;
    double seconds;
    nb_error error;
} qfit_job;

// ---- inputs -------------------------------------------------------------------------------------------------------

static nb_status check_model(qfit_job *job)
{
    const nb_model *model = &job->model;
    if (model->is_quantised)
        return nb_error_set(&job->error, NB_ERR_INPUT,
                            "%s: expected a full-precision model (BF16, F16 or F32), found %s; try qfit before "
                            "quantize",
                            job->source, model->format);
    if (model->config.head_dim % NB_KV_TILE != 0)
        return nb_error_set(&job->error, NB_ERR_INPUT,
                            "%s: expected a head_dim in blocks of %d, as the 4-bit cache needs, found %u", job->source,
                            NB_KV_TILE, model->config.head_dim);
    return NB_OK;
}

// The sequences used, each cut to the tokens used; empty ones are left out.
static nb_status choose_tokens(qfit_job *job)
{
    const nb_ids_file *file = &job->file;
    const qfit_options *options = &job->options;
    size_t n_max = nb_min(options->n_tokens, job->model.config.max_positions), n_ids = 0;
    job->ids = malloc((file->n_ids + 1) * sizeof *job->ids);
    job->starts = calloc(file->n_sequences + 2, sizeof *job->starts);
    if (!job->ids || !job->starts)
        return nb_error_set(&job->error, NB_ERR_FIT, "out of memory for %zu tokens", file->n_ids);
    for (size_t i = 0; i < file->n_sequences && job->n_sequences < options->limit; i++) {
        size_t n = nb_min(nb_ids_count(file, i), n_max);
        if (n == 0)
            continue;
        memcpy(job->ids + n_ids, nb_ids_of(file, i), n * sizeof *job->ids);
        n_ids += n;
        job->starts[++job->n_sequences] = n_ids;
    }
    if (n_ids < MIN_TOKENS || n_ids > INT32_MAX)
        return nb_error_set(&job->error, NB_ERR_INPUT,
                            "%s: expected %d calibration tokens or more (65,536 are usual), found %zu", options->calib,
                            MIN_TOKENS, n_ids);
    return NB_OK;
}

// Returns an exit code.
static int open_inputs(qfit_job *job)
{
    nb_error *error = &job->error;
    nb_status status = nb_staging_check_source(job->source, job->target, error);
    if (status == NB_OK)
        status = nb_model_open(&job->model, job->source, false, NULL, NULL, error);
    if (status == NB_OK)
        status = check_model(job);
    if (status == NB_OK)
        status = nb_checkpoint_open(&job->checkpoint, job->source, error);
    if (status != NB_OK)
        return nb_fail_error(status, error);
    int code = nb_ids_read(&job->file, job->options.calib, job->model.config.vocab_size);
    if (code != NB_EXIT_OK)
        return code;
    status = choose_tokens(job);
    if (status == NB_OK)
        status = nb_workers_create(&job->pool, job->options.n_threads, error);
    return nb_fail_error(status, error);
}

// ---- the work -----------------------------------------------------------------------------------------------------

static bool on_progress(void *user, double done)
{
    qfit_job *job = user;
    nb_progress_update(&job->progress, (uint64_t)((job->done_layers + done) * CELLS),
                       (uint64_t)job->model.config.n_layers * CELLS);
    return !nb_stop_requested();
}

static bool on_capture(void *user, double done)
{
    return on_progress(user, 0.2 * done);
}

static bool on_search(void *user, double done)
{
    return on_progress(user, 0.2 + 0.8 * done);
}

static nb_status fit_layers(qfit_job *job)
{
    uint32_t n_layers = job->model.config.n_layers;
    job->layers = calloc(n_layers, sizeof *job->layers);
    if (!job->layers)
        return nb_error_set(&job->error, NB_ERR_FIT, "out of memory for %u layers", n_layers);
    NB_TRY(nb_qfit_capture_open(&job->capture, &job->model, job->pool, job->ids, job->starts, job->n_sequences,
                                &job->error));
    for (uint32_t i = 0; i < n_layers; i++) {
        NB_TRY(nb_qfit_capture_layer(&job->capture, &job->model, i, on_capture, job, &job->error));
        NB_TRY(nb_qfit_search(&job->capture.data, job->variant, &job->capture.exec, on_search, job, &job->layers[i],
                              &job->error));
        job->done_layers += 1;
    }
    return NB_OK;
}

static nb_status copy_config(const qfit_job *job, nb_error *error)
{
    char path[PATH_MAX], *text;
    size_t bytes;
    if (snprintf(path, sizeof path, "%s/config.json", job->source) >= (int)sizeof path)
        return nb_error_set(error, NB_ERR_INPUT, "the name of SRC is too long");
    NB_TRY(nb_file_read(path, NB_LIMIT_CONFIG_BYTES, &text, &bytes, error));
    snprintf(path, sizeof path, "%.*s/config.json", PATH_MAX - 32, job->staging.path);
    nb_status status = nb_file_write(path, text, bytes, error);
    free(text);
    return status;
}

static nb_status write_directory(qfit_job *job)
{
    static const nb_dtype dtypes[] = {NB_DTYPE_BF16, NB_DTYPE_F32};
    const char *directory = job->staging.path;
    nb_error *error = &job->error;
    nb_qfit_fold fold = {
        .source = &job->checkpoint, .config = &job->model.config, .layers = job->layers, .error = error};
    if (job->options.dtype >= 0) {
        fold.converts = true;
        fold.dtype = dtypes[job->options.dtype];
        NB_TRY(nb_net_write_config(job->source, directory, job->options.dtype ? NB_NET_F32 : NB_NET_BF16, error));
    } else {
        NB_TRY(copy_config(job, error));
    }
    NB_TRY(nb_quantize_copy_files(job->source, directory, error));
    NB_TRY(nb_qfit_fold_write(&fold, directory));
    job->result_bytes = fold.result_bytes;
    nb_model written; // what was written must load
    NB_TRY(nb_model_open(&written, directory, false, NULL, NULL, error));
    nb_model_close(&written);
    return NB_OK;
}

// ---- the report ---------------------------------------------------------------------------------------------------

static json_t *layer_report(uint32_t i, const nb_qfit_result *layer)
{
    return json_pack("{s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "layer", (int)i, "alpha", layer->alpha, "beta",
                     layer->beta, "objective_00", layer->objective_00, "objective", layer->objective, "k_error_00",
                     layer->k_error_00, "k_error", layer->k_error, "v_error", layer->v_error, "work", layer->work);
}

static json_t *report_of(const qfit_job *job)
{
    json_t *layers = json_array();
    for (uint32_t i = 0; i < job->model.config.n_layers; i++)
        json_array_append_new(layers, layer_report(i, &job->layers[i]));
    return json_pack("{s:s, s:o, s:I, s:I, s:i, s:f}", "variant", job->variant->name, "layers", layers, "sequences",
                     (json_int_t)job->n_sequences, "tokens", (json_int_t)job->starts[job->n_sequences], "threads",
                     (int)nb_pool_size(job->pool), "seconds", job->seconds);
}

static int show(const qfit_job *job)
{
    if (job->options.is_json)
        return nb_out_json(report_of(job));
    printf("%5s %6s %6s %14s %14s %8s\n", "layer", "alpha", "beta", "error at 0, 0", "error", "factor");
    for (uint32_t i = 0; i < job->model.config.n_layers; i++) {
        const nb_qfit_result *layer = &job->layers[i];
        printf("%5u %6.2f %6.2f %14.6g %14.6g %8.2f\n", i, layer->alpha, layer->beta, layer->objective_00,
               layer->objective, layer->objective > 0 ? layer->objective_00 / layer->objective : 1);
    }
    printf("%s: %s, %zu tokens in %zu sequences, %.1f s\n", job->target, job->variant->name,
           job->starts[job->n_sequences], job->n_sequences, job->seconds);
    return nb_out_flush();
}

// ---- the command --------------------------------------------------------------------------------------------------

static nb_status fit(qfit_job *job)
{
    double start_s = nb_now_s();
    NB_TRY(nb_staging_open(&job->staging, job->target, job->options.is_forced, &job->error));
    nb_progress_start(&job->progress, "fitting");
    job->progress.unit = "thousandths of a layer";
    NB_TRY(fit_layers(job));
    NB_TRY(write_directory(job));
    job->seconds = nb_now_s() - start_s;
    if (job->options.report)
        NB_TRY(nb_json_file_write(NULL, job->options.report, report_of(job), &job->error));
    return nb_staging_publish(&job->staging, &job->error);
}

static void release(qfit_job *job)
{
    nb_staging_discard(&job->staging);
    for (uint32_t i = 0; job->layers && i < job->model.config.n_layers; i++)
        nb_qfit_result_release(&job->layers[i]);
    free(job->layers);
    nb_qfit_capture_close(&job->capture);
    nb_pool_free(job->pool);
    free(job->ids);
    free(job->starts);
    nb_ids_release(&job->file);
    nb_checkpoint_close(&job->checkpoint);
    nb_model_close(&job->model);
}

int nb_command_qfit(int argc, char **argv)
{
    qfit_job job = {.options = {.dtype = -1, .limit = 128, .n_tokens = 512}};
    int code;
    if (!nb_options_parse(&qfit_command, (void *const[]){&job.options}, argc, argv, &code))
        return code;
    if (!job.options.calib)
        return nb_fail(NB_EXIT_USAGE, "no calibration tokens; expected --calib-ids FILE; try nibble-qat qfit --help");
    char source[PATH_MAX];
    code = nb_store_find(source, argv[optind]);
    if (code != NB_EXIT_OK)
        return code;
    job.source = source;
    job.target = argv[optind + 1];
    job.variant = job.options.variant == 1 ? &nb_qfit_reference : &nb_qfit_nibble;
    nb_stop_install();
    code = open_inputs(&job);
    if (code == NB_EXIT_OK) {
        nb_status status = fit(&job);
        nb_progress_end(&job.progress);
        code = status == NB_ERR_STOPPED ? NB_EXIT_INTERRUPTED : nb_fail_error(status, &job.error);
    }
    if (code == NB_EXIT_OK)
        code = show(&job);
    release(&job);
    return code;
}
