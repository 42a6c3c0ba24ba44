// SPDX-License-Identifier: Apache-2.0
// Single tensors: found by name, checked against what the family expects, mapped, copied or converted.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/floats.h"
#include "platform/bulk.h"
#include "runtime/model_bind.h"

enum { NAME_BYTES = 160 };

static void full_name(const nb_binder *binder, const char *suffix, char name[NAME_BYTES])
{
    snprintf(name, NAME_BYTES, "%s%s", binder->module, suffix);
}

static void dtype_list(uint32_t dtypes, char *text, size_t capacity)
{
    text[0] = '\0';
    for (uint32_t i = 0; i < 32; i++)
        if (dtypes >> i & 1) {
            size_t used = strlen(text);
            snprintf(text + used, capacity - used, "%s%s", used ? "/" : "", nb_dtype_name((nb_dtype)i));
        }
}

bool nb_bind_has(const nb_binder *binder, const char *suffix)
{
    char name[NAME_BYTES];
    full_name(binder, suffix, name);
    return nb_checkpoint_find(binder->checkpoint, name) != NULL;
}

static bool fits(const nb_tensor *tensor, uint32_t dtypes, uint32_t rank, const uint64_t *shape)
{
    return (dtypes >> tensor->dtype & 1) && tensor->rank == rank &&
           (rank == 0 || memcmp(tensor->shape, shape, rank * sizeof *shape) == 0);
}

nb_status nb_bind_find(nb_binder *binder, const char *suffix, uint32_t dtypes, uint32_t rank, const uint64_t *shape,
                       nb_entry **entry)
{
    char name[NAME_BYTES], dtype_text[64], shape_text[64], found[200];
    full_name(binder, suffix, name);
    *entry = nb_checkpoint_find(binder->checkpoint, name);
    if (*entry && fits((*entry)->tensor, dtypes, rank, shape)) {
        (*entry)->used = true;
        return NB_OK;
    }
    dtype_list(dtypes, dtype_text, sizeof dtype_text);
    nb_shape_text(shape, rank, shape_text, sizeof shape_text);
    if (!*entry)
        return nb_error_set(binder->error, NB_ERR_INPUT, "tensor %s is missing; expected %s %s, found none", name,
                            dtype_text, shape_text);
    const nb_tensor *tensor = (*entry)->tensor;
    nb_shape_text(tensor->shape, tensor->rank, found, sizeof found);
    return nb_error_set(binder->error, NB_ERR_INPUT, "%s: tensor %s; expected %s %s, found %s %s",
                        binder->checkpoint->shards[(*entry)->shard].name, name, dtype_text, shape_text,
                        nb_dtype_name(tensor->dtype), found);
}

static uint64_t tensor_bytes(const nb_entry *entry)
{
    return entry->tensor->end - entry->tensor->begin;
}

static void report(nb_binder *binder, const nb_entry *entry)
{
    binder->model->weight_bytes += tensor_bytes(entry);
    binder->done_bytes += tensor_bytes(entry);
    if (binder->on_progress && binder->tables->phase == NB_ARENA_PLACING)
        binder->on_progress(binder->progress_user, binder->done_bytes, binder->total_bytes);
}

static const uint8_t *mapped_bytes(const nb_binder *binder, const nb_entry *entry)
{
    const uint8_t *data = NULL;
    bool inside =
        nb_map_view(&binder->checkpoint->shards[entry->shard].map, entry->tensor->begin, tensor_bytes(entry), &data);
    NB_ASSERT(inside); // nb_safetensors_parse has checked every range
    return data;
}

// Only block scales are stored as E4M3.
static nb_status request(nb_binder *binder, const nb_entry *entry, uint8_t *copy)
{
    nb_bind_request wanted = {entry, copy, entry->tensor->dtype == NB_DTYPE_F8_E4M3};
    if (nb_buffer_append(&binder->requests, &wanted, sizeof wanted))
        return NB_OK;
    return nb_error_set(binder->error, NB_ERR_SYSTEM, "out of memory while loading weights");
}

nb_status nb_bind_bytes(nb_binder *binder, nb_entry *entry, const uint8_t **data)
{
    uint64_t bytes = tensor_bytes(entry);
    if (!binder->resident) {
        *data = mapped_bytes(binder, entry);
        report(binder, entry);
        return NB_OK;
    }
    uint8_t *copy = nb_arena_take(binder->weights, bytes, NB_ARENA_MIN_ALIGNMENT);
    *data = copy;
    binder->model->weight_bytes += bytes;
    return copy ? request(binder, entry, copy) : NB_OK;
}

nb_status nb_bind_check_scales(const nb_binder *binder, const nb_entry *entry, const uint8_t *scales)
{
    size_t n = tensor_bytes(entry), at = 0;
    uint8_t max = 0;
    for (size_t i = 0; i < n; i++)
        max = scales[i] > max ? scales[i] : max;
    if (max <= 0x7e)
        return NB_OK;
    while (scales[at] <= 0x7e)
        at++;
    size_t n_blocks = entry->tensor->shape[1];
    return nb_error_set(binder->error, NB_ERR_INPUT,
                        "%s: tensor %.100s: row %zu, block %zu: expected a finite non-negative E4M3 scale, found byte "
                        "0x%02x (%s)",
                        binder->checkpoint->shards[entry->shard].name, entry->tensor->name, at / n_blocks,
                        at % n_blocks, scales[at], (scales[at] & 0x7f) == 0x7f ? "NaN" : "negative");
}

static int by_place(const void *left, const void *right)
{
    const nb_bind_request *a = left, *b = right;
    if (a->entry->shard != b->entry->shard)
        return a->entry->shard < b->entry->shard ? -1 : 1;
    return (a->entry->tensor->begin > b->entry->tensor->begin) - (a->entry->tensor->begin < b->entry->tensor->begin);
}

static void report_read(void *user, uint64_t done_bytes)
{
    nb_binder *binder = user;
    if (binder->on_progress)
        binder->on_progress(binder->progress_user, binder->done_bytes + done_bytes, binder->total_bytes);
}

// The requests of one shard: n of them.
static nb_status read_shard(nb_binder *binder, const nb_bind_request *requests, size_t n)
{
    const nb_shard *shard = &binder->checkpoint->shards[requests->entry->shard];
    nb_range *ranges = malloc(n * sizeof *ranges);
    uint64_t bytes = 0;
    if (!ranges)
        return nb_error_set(binder->error, NB_ERR_SYSTEM, "out of memory while loading weights");
    for (size_t i = 0; i < n; i++) {
        ranges[i] = (nb_range){requests[i].entry->tensor->begin, tensor_bytes(requests[i].entry), requests[i].copy};
        bytes += ranges[i].bytes;
    }
    nb_status status = nb_bulk_read(&shard->map, shard->path, ranges, n, report_read, binder, binder->error);
    free(ranges);
    NB_TRY(status);
    binder->done_bytes += bytes;
    for (size_t i = 0; i < n; i++)
        if (requests[i].is_scales)
            NB_TRY(nb_bind_check_scales(binder, requests[i].entry, requests[i].copy));
    return NB_OK;
}

nb_status nb_bind_read(nb_binder *binder)
{
    for (size_t i = 0; i < binder->checkpoint->n_shards && binder->resident; i++)
        nb_map_rest(&binder->checkpoint->shards[i].map); // the tables are read; a page of the file may be 2 MB
    nb_bind_request *requests = (nb_bind_request *)(void *)binder->requests.data;
    size_t n = binder->requests.bytes / sizeof *requests;
    nb_status status = NB_OK;
    if (n)
        qsort(requests, n, sizeof *requests, by_place);
    for (size_t first = 0, end; first < n && status == NB_OK; first = end) {
        for (end = first + 1; end < n && requests[end].entry->shard == requests[first].entry->shard;)
            end++;
        status = read_shard(binder, requests + first, end - first);
    }
    return status;
}

// Element `i` of a float tensor at any address.
static float element(const uint8_t *data, nb_dtype dtype, size_t i)
{
    uint16_t half;
    float single;
    double wide;
    switch (dtype) {
    case NB_DTYPE_BF16:
        memcpy(&half, data + 2 * i, 2);
        return nb_bf16_decode(half);
    case NB_DTYPE_F16:
        memcpy(&half, data + 2 * i, 2);
        return nb_f16_decode(half);
    case NB_DTYPE_F64:
        memcpy(&wide, data + 8 * i, 8);
        return (float)wide;
    default:
        NB_ASSERT(dtype == NB_DTYPE_F32);
        memcpy(&single, data + 4 * i, 4);
        return single;
    }
}

static nb_status bad_value(const nb_binder *binder, const nb_entry *entry, size_t i, const char *expected, float found)
{
    return nb_error_set(binder->error, NB_ERR_INPUT, "%s: tensor %.100s: element %zu: expected %s, found %g",
                        binder->checkpoint->shards[entry->shard].name, entry->tensor->name, i, expected, (double)found);
}

nb_status nb_bind_table(nb_binder *binder, nb_entry *entry, size_t n, const float **table)
{
    float *values = nb_arena_take(binder->tables, n * sizeof *values, NB_ARENA_MIN_ALIGNMENT);
    *table = values;
    report(binder, entry);
    if (!values)
        return NB_OK;
    const uint8_t *data = mapped_bytes(binder, entry);
    for (size_t i = 0; i < n; i++) {
        values[i] = element(data, entry->tensor->dtype, i);
        if (!isfinite(values[i]))
            return bad_value(binder, entry, i, "a finite number", values[i]);
    }
    return NB_OK;
}

nb_status nb_bind_scalar(nb_binder *binder, const char *suffix, bool zero_allowed, float *value)
{
    char name[NAME_BYTES];
    full_name(binder, suffix, name);
    nb_entry *entry = nb_checkpoint_find(binder->checkpoint, name);
    uint32_t rank = entry && entry->tensor->rank == 1 ? 1 : 0; // both [] and [1] are written
    NB_TRY(nb_bind_find(binder, suffix, NB_PLAIN_DTYPES, rank, (const uint64_t[]){1}, &entry));
    report(binder, entry);
    *value = element(mapped_bytes(binder, entry), entry->tensor->dtype, 0);
    if (!isfinite(*value) || *value < 0 || (*value == 0 && !zero_allowed))
        return bad_value(binder, entry, 0, "a finite positive number", *value);
    return NB_OK;
}
