// SPDX-License-Identifier: Apache-2.0
#include "apps/qat/qfit_fold.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/qat/quantize_encode.h"
#include "kernels/floats.h"
#include "platform/path.h"
#include "runtime/safetensors_write.h"

enum { PIECE = 1024 };

typedef enum fold_side { FOLD_NONE, FOLD_K, FOLD_Q } fold_side;

typedef struct fold_item {
    nb_tensor tensor; // the first member: the writer sorts pointers to it
    const nb_tensor *source;
    const uint8_t *data;
    fold_side side;
    uint32_t layer;
    char name[64]; // of a shift
} fold_item;

// ---- which tensors ------------------------------------------------------------------------------------------------

// The part of a layer's tensor name behind "model.layers.N.self_attn."; NULL for other names.
static const char *attention_part(const char *name, uint32_t *layer)
{
    static const char prefix[] = "model.layers.", middle[] = ".self_attn.";
    char *end;
    if (strncmp(name, prefix, sizeof prefix - 1) != 0)
        return NULL;
    *layer = (uint32_t)strtoul(name + sizeof prefix - 1, &end, 10);
    return strncmp(end, middle, sizeof middle - 1) == 0 ? end + sizeof middle - 1 : NULL;
}

static fold_side side_of(const char *part, bool has_norms)
{
    static const char *const plain[2][2] = {{"k_proj.weight", "k_proj.bias"}, {"q_proj.weight", "q_proj.bias"}};
    static const char *const norms[2] = {"k_norm.weight", "q_norm.weight"};
    for (int side = 0; part && side < 2; side++) {
        bool is_fitted = has_norms ? strcmp(part, norms[side]) == 0
                                   : strcmp(part, plain[side][0]) == 0 || strcmp(part, plain[side][1]) == 0;
        if (is_fitted)
            return side == 0 ? FOLD_K : FOLD_Q;
    }
    return FOLD_NONE;
}

static bool has_norms(const nb_checkpoint *source)
{
    return nb_checkpoint_find(source, "model.layers.0.self_attn.k_norm.weight") != NULL;
}

// Every tensor of the source but its shifts; returns their number.
static size_t list_weights(const nb_qfit_fold *fold, fold_item *items)
{
    size_t n = 0;
    for (size_t i = 0; i < fold->source->n_shards; i++) {
        const nb_shard *shard = &fold->source->shards[i];
        for (size_t j = 0; j < shard->header.n_tensors; j++) {
            const nb_tensor *tensor = &shard->header.tensors[j];
            uint32_t layer = 0;
            const char *part = attention_part(tensor->name, &layer);
            if (part && strcmp(part, "k_shift") == 0)
                continue;
            items[n] = (fold_item){.tensor = *tensor,
                                   .source = tensor,
                                   .data = shard->map.data + tensor->begin,
                                   .side = side_of(part, has_norms(fold->source)),
                                   .layer = layer};
            if (fold->converts && nb_quantize_is_float(tensor->dtype))
                items[n].tensor.dtype = fold->dtype;
            n++;
        }
    }
    return n;
}

// ---- values -------------------------------------------------------------------------------------------------------

// s of row `row` of a projection or its bias, or of element `row` of a norm's weight.
static double scale_of(const nb_qfit_fold *fold, const fold_item *item, size_t row)
{
    const nb_config *config = fold->config;
    size_t e = config->head_dim, head = row / e;
    size_t g = item->side == FOLD_Q ? head / (config->n_heads / config->n_kv_heads) : head;
    return fold->layers[item->layer].scales[g * (e / 2) + row % (e / 2)];
}

// To odd: what is rounded again to fewer bits is then rounded as if once.
static float narrow(double x)
{
    float y = (float)x;
    if ((double)y == x || !isfinite(y))
        return y;
    uint32_t bits = nb_f32_bits(y);
    bits -= fabs((double)y) > fabs(x);
    return nb_f32_from_bits(bits | 1);
}

static void encode(nb_dtype dtype, const double *x, size_t n, uint8_t *bytes)
{
    for (size_t i = 0; i < n; i++) {
        float y = dtype == NB_DTYPE_F32 ? (float)x[i] : narrow(x[i]);
        uint16_t half = dtype == NB_DTYPE_F16 ? nb_f16_encode(y) : nb_bf16_encode(y);
        if (dtype == NB_DTYPE_F32)
            memcpy(bytes + 4 * i, &y, 4);
        else
            memcpy(bytes + 2 * i, &half, 2);
    }
}

static nb_status check_finite(const nb_qfit_fold *fold, const fold_item *item, const uint8_t *bytes, size_t n)
{
    float y[PIECE];
    nb_quantize_row_decode(item->tensor.dtype, bytes, n, y);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(y[i]))
            return nb_error_set(fold->error, NB_ERR_INPUT,
                                "tensor %.150s: expected finite values, found NaN or infinity, or a value that %s "
                                "cannot hold; try --dtype f32",
                                item->tensor.name, nb_dtype_name(item->tensor.dtype));
    return NB_OK;
}

// n values of one row.
static nb_status put_piece(nb_qfit_fold *fold, nb_safetensors_writer *writer, const fold_item *item,
                           const uint8_t *data, size_t n, double scale)
{
    float x[PIECE];
    double y[PIECE];
    uint8_t bytes[PIECE * 4];
    nb_quantize_row_decode(item->source->dtype, data, n, x);
    for (size_t i = 0; i < n; i++)
        y[i] = item->side == FOLD_K ? (double)x[i] / scale : (double)x[i] * scale;
    encode(item->tensor.dtype, y, n, bytes);
    NB_TRY(check_finite(fold, item, bytes, n));
    return nb_safetensors_writer_put(writer, bytes, n * nb_dtype_bits(item->tensor.dtype) / 8, fold->error);
}

static nb_status put_values(nb_qfit_fold *fold, nb_safetensors_writer *writer, const fold_item *item)
{
    size_t element = nb_dtype_bits(item->source->dtype) / 8;
    size_t n = (item->source->end - item->source->begin) / element;
    bool is_matrix = item->source->rank == 2;
    size_t n_rows = is_matrix ? item->source->shape[0] : n, n_cols = is_matrix ? item->source->shape[1] : 1;
    for (size_t row = 0; row < n_rows; row++) {
        double scale = item->side == FOLD_NONE ? 1 : scale_of(fold, item, row);
        for (size_t i = 0; i < n_cols; i += PIECE)
            NB_TRY(put_piece(fold, writer, item, item->data + (row * n_cols + i) * element, nb_min(PIECE, n_cols - i),
                             scale));
    }
    return NB_OK;
}

static nb_status put_item(nb_qfit_fold *fold, nb_safetensors_writer *writer, const fold_item *item)
{
    size_t bytes = item->tensor.end - item->tensor.begin;
    fold->result_bytes += bytes;
    if (item->source && (item->side != FOLD_NONE || item->tensor.dtype != item->source->dtype))
        return put_values(fold, writer, item);
    return nb_safetensors_writer_put(writer, item->data, bytes, fold->error);
}

// ---- files --------------------------------------------------------------------------------------------------------

static nb_status write_file(nb_qfit_fold *fold, const char *directory, const char *name, nb_tensor **order, size_t n)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", directory, name) >= (int)sizeof path)
        return nb_path_error("write", directory, ENAMETOOLONG, fold->error);
    nb_safetensors_writer writer;
    NB_TRY(nb_safetensors_writer_open(&writer, path, order, n, fold->error));
    nb_status status = NB_OK;
    for (size_t i = 0; i < n && status == NB_OK; i++)
        status = put_item(fold, &writer, (const fold_item *)order[i]);
    if (status == NB_OK)
        return nb_safetensors_writer_commit(&writer, fold->error);
    nb_safetensors_writer_abort(&writer);
    return status;
}

static nb_status write_shards(nb_qfit_fold *fold, const char *directory, nb_tensor **order, size_t *first, size_t n)
{
    char name[NB_SHARD_NAME_BYTES], path[PATH_MAX];
    size_t n_shards = nb_shards_cut((const nb_tensor *const *)order, n, NB_SHARD_BYTES, first);
    for (size_t i = 0; i < n_shards; i++)
        NB_TRY(
            write_file(fold, directory, nb_shard_name(i, n_shards, name), order + first[i], first[i + 1] - first[i]));
    if (n_shards == 1)
        return NB_OK;
    snprintf(path, sizeof path, "%s/model.safetensors.index.json", directory);
    return nb_shards_write_index(path, (const nb_tensor *const *)order, first, n_shards, fold->error);
}

static nb_status write_shift(nb_qfit_fold *fold, const char *directory, fold_item *items, nb_tensor **order)
{
    const nb_config *config = fold->config;
    for (uint32_t i = 0; i < config->n_layers; i++) {
        items[i] =
            (fold_item){.tensor = {.dtype = NB_DTYPE_F32, .rank = 2, .shape = {config->n_kv_heads, config->head_dim}},
                        .data = (const uint8_t *)fold->layers[i].shift};
        snprintf(items[i].name, sizeof items[i].name, "model.layers.%u.self_attn.k_shift", i);
        items[i].tensor.name = items[i].name;
        order[i] = &items[i].tensor;
    }
    return write_file(fold, directory, "k_shift.st", order, config->n_layers);
}

nb_status nb_qfit_fold_write(nb_qfit_fold *fold, const char *directory)
{
    size_t capacity = nb_max(fold->source->n_entries, fold->config->n_layers);
    fold_item *items = calloc(capacity + 1, sizeof *items);
    nb_tensor **order = calloc(capacity + 1, sizeof *order);
    size_t *first = calloc(capacity + 1, sizeof *first);
    nb_status status = NB_OK;
    if (items && order && first) {
        size_t n = list_weights(fold, items);
        for (size_t i = 0; i < n; i++)
            order[i] = &items[i].tensor;
        status = write_shards(fold, directory, order, first, n);
        if (status == NB_OK)
            status = write_shift(fold, directory, items, order);
    } else {
        status = nb_error_set(fold->error, NB_ERR_FIT, "out of memory for %zu tensors", capacity);
    }
    free(items);
    free(order);
    free(first);
    return status;
}
