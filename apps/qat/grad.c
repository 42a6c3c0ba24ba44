// SPDX-License-Identifier: Apache-2.0
// nibble-qat grad: loss and all gradients of one batch, for checking the trainer against others.
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "apps/common/ids_file.h"
#include "apps/common/model_store.h"
#include "apps/common/option_table.h"
#include "apps/qat/net.h"
#include "apps/qat/qat_commands.h"
#include "apps/qat/workers.h"
#include "runtime/safetensors_write.h"

typedef struct grad_options {
    const char *ids, *mask, *out, *isa;
    int quant, loss, products;
    double lambda, entropy_threshold;
    uint64_t n_threads;
    bool is_recomputing, is_plan_only, is_json;
} grad_options;

#define AT(field) offsetof(grad_options, field)
static const nb_option grad_table[] = {
    {.name = "ids",
     .kind = NB_OPTION_TEXT,
     .offset = AT(ids),
     .value = "FILE",
     .help = "token ids, one sequence a line; - is standard input"},
    {.name = "mask",
     .kind = NB_OPTION_TEXT,
     .offset = AT(mask),
     .value = "FILE",
     .help = "0 or 1 for each id: 1 is a target, predicted by the token before it"},
    {.name = "out",
     .kind = NB_OPTION_TEXT,
     .offset = AT(out),
     .value = "FILE",
     .help = "the gradients, as a safetensors file with the model's names, F32"},
    {.name = "quant",
     .kind = NB_OPTION_CHOICE,
     .offset = AT(quant),
     .help = "operands of the forward pass (default none)",
     .choices = "none|w4a4kv4"},
    {.name = "loss",
     .kind = NB_OPTION_CHOICE,
     .offset = AT(loss),
     .help = "cross-entropy, or with selective entropy minimisation (default ce)",
     .choices = "ce|sem"},
    {.name = "lambda",
     .kind = NB_OPTION_REAL,
     .offset = AT(lambda),
     .value = "X",
     .help = "weight of the SEM term (default 0.1)",
     .real_min = 0,
     .real_max = 1e6},
    {.name = "entropy-threshold",
     .kind = NB_OPTION_REAL,
     .offset = AT(entropy_threshold),
     .value = "Q",
     .help = "share of positions, those of the lowest entropy, that SEM counts (default 0.75)",
     .real_min = 0,
     .real_max = 1},
    {.name = "products",
     .kind = NB_OPTION_CHOICE,
     .offset = AT(products),
     .help = "operands of the products, sums are f32 (default f32)",
     .choices = "f32|bf16"},
    {.name = "recompute",
     .kind = NB_OPTION_FLAG,
     .offset = AT(is_recomputing),
     .help = "compute activations again in the backward pass: less memory, the same bits"},
    {.name = "threads",
     .kind = NB_OPTION_WHOLE,
     .offset = AT(n_threads),
     .value = "N",
     .help = "worker threads (default: physical cores)",
     .whole_min = 1,
     .whole_max = NB_POOL_MAX_THREADS},
    {.name = "isa",
     .kind = NB_OPTION_TEXT,
     .offset = AT(isa),
     .value = "NAME",
     .help = "kernels to use: scalar, avx2, avx512, neon, i8mm (default: the best of this CPU)"},
    {.name = "plan", .kind = NB_OPTION_FLAG, .offset = AT(is_plan_only), .help = "print the memory plan and stop"},
    {.name = "json", .kind = NB_OPTION_FLAG, .offset = AT(is_json), .help = "one JSON object on stdout"},
};
#undef AT

static const nb_command grad_command = {
    .program = "nibble-qat",
    .name = "grad",
    .usage = "MODEL --ids FILE --mask FILE --out FILE [OPTION]...",
    .summary = "Loss and all gradients of one batch: every line of ids is a document of its own. The loss is the mean\n"
               "over all targets.",
    .example = "nibble-qat grad ./my-model --ids ids.txt --mask mask.txt --out gradients.safetensors --loss sem",
    .n_args_min = 1,
    .n_args_max = 1,
    .groups = {{"Options", grad_table, NB_COUNT_OF(grad_table)}},
};

typedef struct grad_job {
    grad_options options;
    char directory[PATH_MAX];
    nb_ids_file ids, mask;
    nb_batch batch;
    uint32_t *starts;
    uint8_t *targets;
    uint64_t n_targets;
    nb_pool *pool;
    nb_net *net;
    nb_net_plan plan;
    nb_net_sums sums;
    nb_error error;
} grad_job;

// ---- the batch ----------------------------------------------------------------------------------------------------

static int check_mask(const grad_job *job)
{
    const nb_ids_file *ids = &job->ids, *mask = &job->mask;
    if (ids->n_sequences != mask->n_sequences)
        return nb_fail(NB_EXIT_INPUT, "%s: expected a line for each of the %zu of %s, found %zu", job->options.mask,
                       ids->n_sequences, job->options.ids, mask->n_sequences);
    for (size_t s = 0; s < ids->n_sequences; s++)
        if (nb_ids_count(ids, s) != nb_ids_count(mask, s))
            return nb_fail(NB_EXIT_INPUT, "%s: line %zu: expected %zu values, as many as ids, found %zu",
                           job->options.mask, s + 1, nb_ids_count(ids, s), nb_ids_count(mask, s));
    for (size_t s = 0; s < mask->n_sequences; s++)
        for (size_t i = 0; i < nb_ids_count(mask, s); i++)
            if (nb_ids_of(mask, s)[i] > 1)
                return nb_fail(NB_EXIT_INPUT,
                               "%s: value %zu of line %zu is no part of a mask; expected 1 (this token is a target) or "
                               "0 (it is none), found %d",
                               job->options.mask, i + 1, s + 1, nb_ids_of(mask, s)[i]);
    return NB_EXIT_OK;
}

// Lines without ids are no documents.
static int make_batch(grad_job *job)
{
    const nb_ids_file *ids = &job->ids;
    if (ids->n_ids > UINT32_MAX)
        return nb_fail(NB_EXIT_FIT, "%s: expected at most %u ids, found %zu", job->options.ids, UINT32_MAX, ids->n_ids);
    job->starts = nb_alloc((ids->n_sequences + 1) * sizeof *job->starts);
    job->targets = nb_alloc(ids->n_ids + 1);
    uint32_t n_documents = 0;
    for (size_t s = 0; s < ids->n_sequences; s++) {
        size_t begin = ids->starts[s], n = nb_ids_count(ids, s);
        for (size_t i = 0; i < n; i++) {
            job->targets[begin + i] = (uint8_t)job->mask.ids[begin + i];
            job->n_targets += i > 0 && job->targets[begin + i];
        }
        if (n > 0)
            job->starts[n_documents++] = (uint32_t)begin;
    }
    job->starts[n_documents] = (uint32_t)ids->n_ids;
    job->batch = (nb_batch){.n_rows = (uint32_t)ids->n_ids,
                            .n_documents = n_documents,
                            .ids = ids->ids,
                            .starts = job->starts,
                            .targets = job->targets};
    if (job->n_targets == 0)
        return nb_fail(NB_EXIT_INPUT, "%s: expected a 1 behind the first id of a line, found none", job->options.mask);
    return NB_EXIT_OK;
}

static int read_batch(grad_job *job)
{
    nb_config config;
    nb_status status = nb_config_open(&config, job->directory, &job->error);
    if (status != NB_OK)
        return nb_fail_error(status, &job->error);
    uint32_t vocab_size = config.vocab_size;
    nb_config_release(&config);
    int code = nb_ids_read(&job->ids, job->options.ids, vocab_size);
    if (code == NB_EXIT_OK)
        code = nb_ids_read(&job->mask, job->options.mask, UINT32_MAX);
    if (code == NB_EXIT_OK)
        code = check_mask(job);
    return code == NB_EXIT_OK ? make_batch(job) : code;
}

// ---- the result ---------------------------------------------------------------------------------------------------

static nb_status write_gradients(grad_job *job)
{
    size_t n;
    const nb_param *params = nb_net_params(job->net, &n);
    nb_tensor *tensors = nb_alloc(n * sizeof *tensors), **order = nb_alloc(n * sizeof *order);
    for (size_t i = 0; i < n; i++) {
        tensors[i] = (nb_tensor){.name = params[i].name,
                                 .dtype = NB_DTYPE_F32,
                                 .rank = params[i].rank,
                                 .shape = {params[i].shape[0], params[i].shape[1]}};
        order[i] = &tensors[i];
    }
    nb_safetensors_writer writer;
    nb_status status = nb_safetensors_writer_open(&writer, job->options.out, order, n, &job->error);
    for (size_t i = 0; i < n && status == NB_OK; i++) {
        const nb_param *param = &params[order[i] - tensors];
        status = nb_safetensors_writer_put(&writer, param->grad, param->n * sizeof(float), &job->error);
    }
    if (status == NB_OK)
        status = nb_safetensors_writer_commit(&writer, &job->error);
    else
        nb_safetensors_writer_abort(&writer);
    free(tensors);
    free(order);
    return status;
}

static int report(const grad_job *job)
{
    double n = (double)job->sums.n_targets, ce = job->sums.ce / n, sem = job->sums.sem / n;
    double loss = ce + (job->options.loss == NB_LOSS_SEM ? job->options.lambda * sem : 0);
    if (job->options.is_json)
        return nb_out_json(json_pack("{s:o, s:o, s:o, s:I, s:o}", "loss", nb_json_real(loss), "ce", nb_json_real(ce),
                                     "sem", nb_json_real(sem), "targets", (json_int_t)job->sums.n_targets, "entropy",
                                     nb_json_real(job->sums.entropy / n)));
    printf("loss %.7g, cross-entropy %.7g, SEM term %.7g, %llu targets, mean entropy %.7g\n", loss, ce, sem,
           (unsigned long long)job->sums.n_targets, job->sums.entropy / n);
    return nb_out_flush();
}

static int show_plan(const grad_job *job)
{
    const nb_net_plan *plan = &job->plan;
    if (job->options.is_json)
        return nb_out_json(json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "parameters", (json_int_t)plan->parameter_bytes,
                                     "gradients", (json_int_t)plan->gradient_bytes, "operands",
                                     (json_int_t)plan->operand_bytes, "activations", (json_int_t)plan->activation_bytes,
                                     "scratch", (json_int_t)plan->scratch_bytes, "total",
                                     (json_int_t)plan->total_bytes));
    const char *names[] = {"parameters", "gradients", "operands", "activations", "scratch", "total"};
    const uint64_t bytes[] = {plan->parameter_bytes,  plan->gradient_bytes, plan->operand_bytes,
                              plan->activation_bytes, plan->scratch_bytes,  plan->total_bytes};
    for (size_t i = 0; i < NB_COUNT(names); i++) {
        char text[32];
        printf("%-12s %12s\n", names[i], nb_bytes_text(text, (double)bytes[i]));
    }
    return nb_out_flush();
}

// ---- the command --------------------------------------------------------------------------------------------------

static nb_status compute(grad_job *job)
{
    NB_TRY(nb_workers_create(&job->pool, job->options.n_threads, &job->error));
    nb_net_options options = {.pool = job->pool,
                              .isa = job->options.isa,
                              .n_rows_max = job->batch.n_rows,
                              .quant = (nb_net_quant)job->options.quant,
                              .products = (nb_product_kind)job->options.products,
                              .recompute = job->options.is_recomputing};
    NB_TRY(nb_net_open(&job->net, job->directory, &options, job->options.is_plan_only, &job->plan, &job->error));
    if (job->options.is_plan_only)
        return NB_OK;
    NB_TRY(nb_net_check(job->net, &job->batch, &job->error));
    nb_net_loss loss = {.kind = (nb_net_loss_kind)job->options.loss,
                        .lambda = job->options.lambda,
                        .entropy_threshold = job->options.entropy_threshold,
                        .n_targets = job->n_targets};
    nb_net_zero_gradients(job->net);
    nb_net_step(job->net, &job->batch, &loss, &job->sums);
    return write_gradients(job);
}

static int run(grad_job *job)
{
    int code = read_batch(job);
    if (code != NB_EXIT_OK)
        return code;
    nb_status status = compute(job);
    if (status != NB_OK)
        return nb_fail_error(status, &job->error);
    return job->options.is_plan_only ? show_plan(job) : report(job);
}

int nb_command_grad(int argc, char **argv)
{
    grad_job job = {.options = {.lambda = 0.1, .entropy_threshold = 0.75}};
    int code;
    if (!nb_options_parse(&grad_command, (void *const[]){&job.options}, argc, argv, &code))
        return code;
    const char *missing = !job.options.ids ? "--ids" : !job.options.mask ? "--mask" : NULL;
    if (!missing && !job.options.out && !job.options.is_plan_only)
        missing = "--out";
    if (missing)
        return nb_fail(NB_EXIT_USAGE, "grad needs %s; try `nibble-qat grad --help`", missing);
    code = nb_store_find(job.directory, argv[optind]);
    if (code == NB_EXIT_OK)
        code = run(&job);
    nb_net_close(job.net);
    nb_pool_free(job.pool);
    nb_ids_release(&job.ids);
    nb_ids_release(&job.mask);
    free(job.starts);
    free(job.targets);
    return code;
}
