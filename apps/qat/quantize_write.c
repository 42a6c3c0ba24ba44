// SPDX-License-Identifier: Apache-2.0
#include "apps/qat/quantize_write.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/nvfp4.h"
#include "platform/path.h"
#include "runtime/safetensors_write.h"

static nb_status advance(nb_quantize_run *run, uint64_t bytes)
{
    run->done_bytes += bytes;
    if (run->on_progress && !run->on_progress(run->progress_user, run->done_bytes, 2 * run->plan->source_bytes))
        return nb_error_set(run->error, NB_ERR_STOPPED, "interrupted");
    return NB_OK;
}

// ---- survey -------------------------------------------------------------------------------------------------------

// "row 3, column 7" of a matrix, "index 7" of anything else.
static nb_status not_finite(nb_quantize_run *run, const nb_tensor *tensor, size_t at)
{
    if (tensor->rank == 2)
        return nb_error_set(run->error, NB_ERR_INPUT,
                            "tensor %.150s: row %zu, column %zu: expected a finite value, found "
                            "NaN or infinity",
                            tensor->name, at / tensor->shape[1], at % tensor->shape[1]);
    return nb_error_set(run->error, NB_ERR_INPUT,
                        "tensor %.150s: index %zu: expected a finite value, found NaN or infinity", tensor->name, at);
}

static nb_status survey_tensor(nb_quantize_run *run, const nb_tensor *tensor, const uint8_t *data, float *absmax)
{
    *absmax = 0;
    uint64_t bytes = tensor->end - tensor->begin;
    if (nb_quantize_is_float(tensor->dtype)) {
        size_t n = bytes * 8 / nb_dtype_bits(tensor->dtype);
        nb_quantize_range range = nb_quantize_range_of(run->pool, tensor->dtype, data, n);
        if (range.bad_at < n)
            return not_finite(run, tensor, range.bad_at);
        *absmax = range.absmax;
    }
    return advance(run, bytes);
}

static nb_status survey_copies(nb_quantize_run *run, const nb_quant_items *list)
{
    float ignored;
    for (size_t i = 0; i < list->n_items; i++)
        if (list->items[i].part == NB_QUANT_COPY)
            NB_TRY(survey_tensor(run, &list->items[i].tensor, list->items[i].data, &ignored));
    return NB_OK;
}

nb_status nb_quantize_survey(nb_quantize_run *run)
{
    nb_quant_plan *plan = run->plan;
    NB_TRY(survey_copies(run, &plan->weights));
    NB_TRY(survey_copies(run, &plan->shifts));
    for (size_t i = 0; i < plan->n_linears; i++) {
        float absmax, *group = &plan->global_scales[plan->linears[i].i_group];
        NB_TRY(survey_tensor(run, plan->linears[i].source, plan->linears[i].data, &absmax));
        *group = absmax > *group ? absmax : *group;
    }
    for (size_t i = 0; i < plan->n_groups; i++)
        plan->global_scales[i] = nb_nvfp4_global_scale(plan->global_scales[i]);
    return NB_OK;
}

// ---- writing ------------------------------------------------------------------------------------------------------

static nb_status put_scalar(nb_safetensors_writer *writer, float value, nb_error *error)
{
    return nb_safetensors_writer_put(writer, &value, sizeof value, error);
}

static nb_status put_item(nb_quantize_run *run, nb_safetensors_writer *writer, const nb_quant_item *item,
                          nb_quantize_buffer *buffer)
{
    const nb_quant_linear *linear = item->linear;
    size_t bytes = item->tensor.end - item->tensor.begin;
    run->result_bytes += bytes;
    switch (item->part) {
    case NB_QUANT_COPY:
        NB_TRY(nb_safetensors_writer_put(writer, item->data, bytes, run->error));
        return advance(run, bytes);
    case NB_QUANT_GLOBAL:
        return put_scalar(writer, run->plan->global_scales[linear->i_group], run->error);
    case NB_QUANT_INPUT:
        return put_scalar(writer, run->plan->input_scales[linear->i_group], run->error);
    case NB_QUANT_CODES:
        run->error_sum += nb_quantize_linear(run->pool, buffer, linear, run->plan->global_scales[linear->i_group]);
        NB_TRY(nb_safetensors_writer_put(writer, buffer->codes, bytes, run->error));
        return advance(run, linear->source->end - linear->source->begin);
    case NB_QUANT_SCALES:
        return nb_safetensors_writer_put(writer, buffer->scales, bytes, run->error);
    }
    return NB_OK;
}

// One file with the tensors of `order`, which comes back in file order.
static nb_status write_file(nb_quantize_run *run, const char *directory, const char *name, nb_tensor **order, size_t n,
                            nb_quantize_buffer *buffer)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", directory, name) >= (int)sizeof path)
        return nb_path_error("write", directory, ENAMETOOLONG, run->error);
    nb_safetensors_writer writer;
    NB_TRY(nb_safetensors_writer_open(&writer, path, order, n, run->error));
    nb_status status = NB_OK;
    for (size_t i = 0; i < n && status == NB_OK; i++)
        status = put_item(run, &writer, (const nb_quant_item *)order[i], buffer);
    if (status == NB_OK)
        return nb_safetensors_writer_commit(&writer, run->error);
    nb_safetensors_writer_abort(&writer);
    return status;
}

static nb_status write_shards(nb_quantize_run *run, const char *directory, nb_tensor **order, size_t *first, size_t n,
                              nb_quantize_buffer *buffer)
{
    char name[NB_SHARD_NAME_BYTES], path[PATH_MAX];
    size_t n_shards = nb_shards_cut((const nb_tensor *const *)order, n, run->shard_bytes, first);
    for (size_t i = 0; i < n_shards; i++)
        NB_TRY(write_file(run, directory, nb_shard_name(i, n_shards, name), order + first[i], first[i + 1] - first[i],
                          buffer));
    if (n_shards == 1)
        return NB_OK;
    snprintf(path, sizeof path, "%s/model.safetensors.index.json", directory);
    return nb_shards_write_index(path, (const nb_tensor *const *)order, first, n_shards, run->error);
}

static nb_tensor **order_of(const nb_quant_items *list)
{
    nb_tensor **order = malloc((list->n_items + 1) * sizeof *order);
    for (size_t i = 0; order && i < list->n_items; i++)
        order[i] = &list->items[i].tensor;
    return order;
}

nb_status nb_quantize_write(nb_quantize_run *run, const char *directory)
{
    const nb_quant_plan *plan = run->plan;
    nb_quantize_buffer buffer;
    NB_TRY(nb_quantize_buffer_create(&buffer, plan, run->pool, run->error));
    nb_tensor **weights = order_of(&plan->weights), **shifts = order_of(&plan->shifts);
    size_t *first = malloc((plan->weights.n_items + 1) * sizeof *first);
    nb_status status = weights && shifts && first ? NB_OK : nb_error_set(run->error, NB_ERR_FIT, "out of memory");
    if (status == NB_OK)
        status = write_shards(run, directory, weights, first, plan->weights.n_items, &buffer);
    if (status == NB_OK && plan->shifts.n_items > 0)
        status = write_file(run, directory, "k_shift.st", shifts, plan->shifts.n_items, &buffer);
    free(weights);
    free(shifts);
    free(first);
    nb_quantize_buffer_free(&buffer);
    return status;
}
