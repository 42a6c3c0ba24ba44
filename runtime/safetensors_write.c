// SPDX-License-Identifier: Apache-2.0
#include "runtime/safetensors_write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/json.h"

bool nb_tensor_data_bytes(const nb_tensor *tensor, uint64_t *bytes)
{
    uint64_t bits = nb_dtype_bits(tensor->dtype);
    for (uint32_t i = 0; i < tensor->rank; i++)
        if (__builtin_mul_overflow(bits, tensor->shape[i], &bits))
            return false;
    *bytes = bits / 8;
    return bits % 8 == 0 && *bytes <= NB_LIMIT_FILE_NUMBER;
}

// A stable sort by element size; there are only a few sizes. False when memory is short.
static bool sort_by_element_size(nb_tensor **tensors, size_t n_tensors)
{
    static const uint32_t sizes[] = {64, 32, 16, 8, 6, 4};
    nb_tensor **sorted = malloc((n_tensors + 1) * sizeof *sorted);
    if (!sorted)
        return false;
    size_t n_sorted = 0;
    for (size_t s = 0; s < NB_COUNT(sizes); s++)
        for (size_t i = 0; i < n_tensors; i++)
            if (nb_dtype_bits(tensors[i]->dtype) == sizes[s])
                sorted[n_sorted++] = tensors[i];
    NB_ASSERT(n_sorted == n_tensors);
    memcpy(tensors, sorted, n_tensors * sizeof *sorted);
    free(sorted);
    return true;
}

// Fills begin and end, relative to the start of the data, and the total.
static nb_status place(nb_tensor **tensors, size_t n_tensors, uint64_t *total_bytes, nb_error *error)
{
    *total_bytes = 0;
    for (size_t i = 0; i < n_tensors; i++) {
        uint64_t bytes;
        if (!nb_tensor_data_bytes(tensors[i], &bytes) || *total_bytes + bytes > NB_LIMIT_FILE_NUMBER)
            return nb_error_set(error, NB_ERR_ARGUMENT,
                                "cannot write tensor %.200s; expected a whole number of bytes below 2^48, found none",
                                tensors[i]->name);
        tensors[i]->begin = *total_bytes;
        tensors[i]->end = *total_bytes += bytes;
    }
    return NB_OK;
}

// NULL when memory is short.
static json_t *entry_of(const nb_tensor *tensor)
{
    json_t *shape = json_array();
    for (uint32_t i = 0; i < tensor->rank; i++)
        if (json_array_append_new(shape, json_integer((json_int_t)tensor->shape[i])) != 0) {
            json_decref(shape);
            return NULL;
        }
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", nb_dtype_name(tensor->dtype), "shape", shape, "data_offsets",
                     (json_int_t)tensor->begin, (json_int_t)tensor->end);
}

// The header's JSON, not padded. The caller frees it.
static nb_status header_text(nb_tensor **tensors, size_t n_tensors, char **text, nb_error *error)
{
    json_t *header = json_pack("{s:{s:s}}", "__metadata__", "format", "pt");
    for (size_t i = 0; i < n_tensors; i++) {
        json_t *entry = entry_of(tensors[i]);
        bool is_used = json_object_get(header, tensors[i]->name) != NULL;
        if (entry && !is_used && json_object_set_new(header, tensors[i]->name, entry) == 0)
            continue;
        json_decref(is_used ? entry : NULL);
        json_decref(header);
        return nb_error_set(error, entry ? NB_ERR_ARGUMENT : NB_ERR_SYSTEM, "cannot write tensor %.200s; %s",
                            tensors[i]->name,
                            entry ? "expected a UTF-8 name used once, found another" : "out of memory");
    }
    *text = nb_json_text(header, JSON_COMPACT);
    json_decref(header);
    return *text ? NB_OK : nb_error_set(error, NB_ERR_SYSTEM, "out of memory for the header of a safetensors file");
}

static nb_status write_header(nb_safetensors_writer *writer, const char *text, uint64_t *data_begin, nb_error *error)
{
    size_t text_bytes = strlen(text), header_bytes = nb_align_up(text_bytes, 8);
    if (header_bytes > NB_LIMIT_HEADER_BYTES)
        return nb_error_set(error, NB_ERR_ARGUMENT,
                            "header of a safetensors file: expected at most %u bytes, found %zu", NB_LIMIT_HEADER_BYTES,
                            header_bytes);
    uint8_t length[8];
    for (int i = 0; i < 8; i++)
        length[i] = (uint8_t)((uint64_t)header_bytes >> 8 * i);
    *data_begin = 8 + header_bytes;
    NB_TRY(nb_writer_write(&writer->file, length, sizeof length, error));
    NB_TRY(nb_writer_write(&writer->file, text, text_bytes, error));
    return nb_writer_write(&writer->file, "       ", header_bytes - text_bytes, error);
}

nb_status nb_safetensors_writer_open(nb_safetensors_writer *writer, const char *path, nb_tensor **tensors,
                                     size_t n_tensors, nb_error *error)
{
    memset(writer, 0, sizeof *writer);
    if (!sort_by_element_size(tensors, n_tensors))
        return nb_error_set(error, NB_ERR_SYSTEM, "out of memory for %zu tensors", n_tensors);
    NB_TRY(place(tensors, n_tensors, &writer->n_left, error));
    char *text = NULL;
    NB_TRY(header_text(tensors, n_tensors, &text, error));
    uint64_t data_begin = 0;
    nb_status status = nb_writer_open(&writer->file, path, error);
    if (status == NB_OK)
        status = write_header(writer, text, &data_begin, error);
    free(text);
    if (status != NB_OK)
        nb_writer_abort(&writer->file);
    for (size_t i = 0; i < n_tensors; i++) {
        tensors[i]->begin += data_begin;
        tensors[i]->end += data_begin;
    }
    return status;
}

nb_status nb_safetensors_writer_put(nb_safetensors_writer *writer, const void *data, size_t bytes, nb_error *error)
{
    NB_ASSERT(bytes <= writer->n_left);
    writer->n_left -= bytes;
    return nb_writer_write(&writer->file, data, bytes, error);
}

nb_status nb_safetensors_writer_commit(nb_safetensors_writer *writer, nb_error *error)
{
    NB_ASSERT(writer->n_left == 0);
    return nb_writer_commit(&writer->file, error);
}

void nb_safetensors_writer_abort(nb_safetensors_writer *writer)
{
    nb_writer_abort(&writer->file);
}

// ---- shards --------------------------------------------------------------------------------------------------------

size_t nb_shards_cut(const nb_tensor *const *tensors, size_t n_tensors, uint64_t max_bytes, size_t *first)
{
    size_t n_shards = 1;
    uint64_t shard_bytes = 0;
    first[0] = 0;
    for (size_t i = 0; i < n_tensors; i++) {
        uint64_t bytes = 0;
        if (!nb_tensor_data_bytes(tensors[i], &bytes))
            bytes = 0; // nb_safetensors_writer_open will refuse it
        if (i > first[n_shards - 1] && shard_bytes + bytes > max_bytes) {
            first[n_shards++] = i;
            shard_bytes = 0;
        }
        shard_bytes += bytes;
    }
    first[n_shards] = n_tensors;
    return n_shards;
}

const char *nb_shard_name(size_t shard, size_t n_shards, char name[NB_SHARD_NAME_BYTES])
{
    if (n_shards == 1)
        snprintf(name, NB_SHARD_NAME_BYTES, "model.safetensors");
    else
        snprintf(name, NB_SHARD_NAME_BYTES, "model-%05zu-of-%05zu.safetensors", shard + 1, n_shards);
    return name;
}

// NULL when memory is short.
static json_t *index_of(const nb_tensor *const *tensors, const size_t *first, size_t n_shards)
{
    json_t *map = json_object();
    uint64_t total_bytes = 0;
    bool is_whole = map != NULL;
    for (size_t shard = 0; shard < n_shards; shard++) {
        char name[NB_SHARD_NAME_BYTES];
        nb_shard_name(shard, n_shards, name);
        for (size_t i = first[shard]; i < first[shard + 1]; i++) {
            is_whole &= json_object_set_new(map, tensors[i]->name, json_string(name)) == 0;
            total_bytes += tensors[i]->end - tensors[i]->begin;
        }
    }
    if (is_whole)
        return json_pack("{s:{s:I}, s:o}", "metadata", "total_size", (json_int_t)total_bytes, "weight_map", map);
    json_decref(map);
    return NULL;
}

nb_status nb_shards_write_index(const char *path, const nb_tensor *const *tensors, const size_t *first, size_t n_shards,
                                nb_error *error)
{
    json_t *index = index_of(tensors, first, n_shards);
    char *text = nb_json_text(index, JSON_INDENT(2));
    json_decref(index);
    if (!text)
        return nb_error_set(error, NB_ERR_SYSTEM, "out of memory for %.200s", path);
    size_t bytes = strlen(text);
    text[bytes] = '\n'; // instead of the zero
    nb_status status = nb_file_write(path, text, bytes + 1, error);
    free(text);
    return status;
}
