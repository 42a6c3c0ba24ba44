// SPDX-License-Identifier: Apache-2.0
#include "runtime/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/json.h"

static const struct {
    const char *name;
    uint32_t bits;
} dtypes[] = {
    [NB_DTYPE_BOOL] = {"BOOL", 8},
    [NB_DTYPE_F4] = {"F4", 4},
    [NB_DTYPE_F6_E2M3] = {"F6_E2M3", 6},
    [NB_DTYPE_F6_E3M2] = {"F6_E3M2", 6},
    [NB_DTYPE_U8] = {"U8", 8},
    [NB_DTYPE_I8] = {"I8", 8},
    [NB_DTYPE_F8_E5M2] = {"F8_E5M2", 8},
    [NB_DTYPE_F8_E4M3] = {"F8_E4M3", 8},
    [NB_DTYPE_F8_E8M0] = {"F8_E8M0", 8},
    [NB_DTYPE_F8_E4M3FNUZ] = {"F8_E4M3FNUZ", 8},
    [NB_DTYPE_F8_E5M2FNUZ] = {"F8_E5M2FNUZ", 8},
    [NB_DTYPE_I16] = {"I16", 16},
    [NB_DTYPE_U16] = {"U16", 16},
    [NB_DTYPE_F16] = {"F16", 16},
    [NB_DTYPE_BF16] = {"BF16", 16},
    [NB_DTYPE_I32] = {"I32", 32},
    [NB_DTYPE_U32] = {"U32", 32},
    [NB_DTYPE_F32] = {"F32", 32},
    [NB_DTYPE_C64] = {"C64", 64},
    [NB_DTYPE_F64] = {"F64", 64},
    [NB_DTYPE_I64] = {"I64", 64},
    [NB_DTYPE_U64] = {"U64", 64},
};

const char *nb_dtype_name(nb_dtype dtype)
{
    NB_ASSERT((size_t)dtype < NB_COUNT(dtypes));
    return dtypes[dtype].name;
}

uint32_t nb_dtype_bits(nb_dtype dtype)
{
    NB_ASSERT((size_t)dtype < NB_COUNT(dtypes));
    return dtypes[dtype].bits;
}

const char *nb_shape_text(const uint64_t *shape, uint32_t rank, char *text, size_t capacity)
{
    size_t used = (size_t)snprintf(text, capacity, "[");
    for (uint32_t i = 0; i < rank && used < capacity; i++)
        used += (size_t)snprintf(text + used, capacity - used, "%s%llu", i ? ", " : "", (unsigned long long)shape[i]);
    if (used < capacity)
        snprintf(text + used, capacity - used, "]");
    return text;
}

// What the parse of one file needs everywhere.
typedef struct parse {
    const char *file;
    const char *tensor;
    uint64_t data_begin, data_bytes;
    nb_error *error;
} parse;

static nb_status wrong(const parse *p, const char *what, const char *expected, const char *found)
{
    return nb_error_set(p->error, NB_ERR_INPUT, "%s: tensor %.100s: %s: expected %s, found %.80s", p->file, p->tensor,
                        what, expected, found);
}

// A non-negative integer up to the limit.
static nb_status read_number(const parse *p, const char *what, const json_t *value, uint64_t *number)
{
    json_int_t integer = json_integer_value(value);
    if (!json_is_integer(value))
        return wrong(p, what, "an integer", json_is_real(value) ? "a fractional number" : "something else");
    if (integer < 0 || (uint64_t)integer > NB_LIMIT_FILE_NUMBER) {
        char found[24];
        snprintf(found, sizeof found, "%lld", (long long)integer);
        return wrong(p, what, "an integer from 0 to 2^48", found);
    }
    *number = (uint64_t)integer;
    return NB_OK;
}

static nb_status read_dtype(const parse *p, const json_t *value, nb_dtype *dtype)
{
    if (!json_is_string(value))
        return wrong(p, "dtype", "a string", value ? "something else" : "nothing");
    for (size_t i = 0; i < NB_COUNT(dtypes); i++)
        if (strcmp(dtypes[i].name, json_string_value(value)) == 0) {
            *dtype = (nb_dtype)i;
            return NB_OK;
        }
    return wrong(p, "dtype", "a known dtype", json_string_value(value));
}

static nb_status read_shape(const parse *p, const json_t *value, nb_tensor *tensor)
{
    if (!json_is_array(value))
        return wrong(p, "shape", "an array of integers", value ? "something else" : "nothing");
    if (json_array_size(value) > NB_LIMIT_RANK)
        return wrong(p, "shape", "at most 8 dimensions", "more");
    tensor->rank = (uint32_t)json_array_size(value);
    for (uint32_t i = 0; i < tensor->rank; i++)
        NB_TRY(read_number(p, "shape", json_array_get(value, i), &tensor->shape[i]));
    return NB_OK;
}

static nb_status read_offsets(const parse *p, const json_t *value, nb_tensor *tensor)
{
    if (!json_is_array(value) || json_array_size(value) != 2)
        return wrong(p, "data_offsets", "an array of two integers", value ? "something else" : "nothing");
    NB_TRY(read_number(p, "data_offsets", json_array_get(value, 0), &tensor->begin));
    NB_TRY(read_number(p, "data_offsets", json_array_get(value, 1), &tensor->end));
    if (tensor->end < tensor->begin)
        return wrong(p, "data_offsets", "begin <= end", "begin > end");
    return NB_OK;
}

// The byte range must be what dtype and shape imply.
static nb_status check_size(const parse *p, const nb_tensor *tensor)
{
    uint64_t bits = dtypes[tensor->dtype].bits, n = 1;
    bool overflow = false;
    for (uint32_t i = 0; i < tensor->rank; i++)
        overflow |= __builtin_mul_overflow(n, tensor->shape[i], &n);
    overflow |= __builtin_mul_overflow(n, bits, &bits);
    if (overflow)
        return wrong(p, "shape", "a size below 2^64 bits", "more");
    if (bits % 8 != 0)
        return wrong(p, "shape", "a whole number of bytes", "a part of one");
    if (tensor->end - tensor->begin != bits / 8) {
        char shape[200], expected[300], found[24];
        nb_shape_text(tensor->shape, tensor->rank, shape, sizeof shape);
        snprintf(expected, sizeof expected, "%llu bytes of %s %s", (unsigned long long)(bits / 8),
                 dtypes[tensor->dtype].name, shape);
        snprintf(found, sizeof found, "%llu", (unsigned long long)(tensor->end - tensor->begin));
        return wrong(p, "data_offsets", expected, found);
    }
    return NB_OK;
}

static nb_status read_entry(const parse *p, const json_t *entry, nb_tensor *tensor)
{
    if (!json_is_object(entry))
        return wrong(p, "entry", "an object", "something else");
    tensor->name = p->tensor;
    NB_TRY(read_dtype(p, json_object_get(entry, "dtype"), &tensor->dtype));
    NB_TRY(read_shape(p, json_object_get(entry, "shape"), tensor));
    NB_TRY(read_offsets(p, json_object_get(entry, "data_offsets"), tensor));
    return check_size(p, tensor);
}

static nb_status check_metadata(const parse *p, const json_t *metadata)
{
    if (!json_is_object(metadata))
        return nb_error_set(p->error, NB_ERR_INPUT, "%s: __metadata__: expected an object", p->file);
    for (void *it = json_object_iter((json_t *)metadata); it; it = json_object_iter_next((json_t *)metadata, it))
        if (!json_is_string(json_object_iter_value(it)))
            return nb_error_set(p->error, NB_ERR_INPUT, "%s: __metadata__ %.100s: expected a string", p->file,
                                json_object_iter_key(it));
    return NB_OK;
}

static int by_offset(const void *left, const void *right)
{
    const nb_tensor *a = left, *b = right;
    if (a->begin != b->begin)
        return a->begin < b->begin ? -1 : 1;
    if (a->end != b->end)
        return a->end < b->end ? -1 : 1;
    return strcmp(a->name, b->name); // empty tensors may share a place: a total order for any sort
}

// Sorted ranges must tile the data exactly: no hole, no overlap, no byte left. Makes offsets absolute.
static nb_status check_tiling(parse *p, nb_safetensors *file)
{
    if (file->n_tensors > 0)
        qsort(file->tensors, file->n_tensors, sizeof *file->tensors, by_offset);
    uint64_t at = 0;
    for (size_t i = 0; i < file->n_tensors; i++) {
        nb_tensor *tensor = &file->tensors[i];
        p->tensor = tensor->name;
        if (tensor->begin != at || tensor->end > p->data_bytes) {
            bool outside = tensor->begin == at;
            char expected[64], found[24];
            snprintf(expected, sizeof expected, outside ? "end within the %llu data bytes of the file" : "begin %llu",
                     (unsigned long long)(outside ? p->data_bytes : at));
            snprintf(found, sizeof found, "%llu", (unsigned long long)(outside ? tensor->end : tensor->begin));
            return wrong(p, outside ? "data_offsets (file truncated?)" : "data_offsets (hole or overlap)", expected,
                         found);
        }
        at = tensor->end;
        tensor->begin += p->data_begin;
        tensor->end += p->data_begin;
    }
    if (at != p->data_bytes)
        return nb_error_set(p->error, NB_ERR_INPUT,
                            "%s: bytes after the last tensor; expected %llu data bytes, found %llu", p->file,
                            (unsigned long long)at, (unsigned long long)p->data_bytes);
    return NB_OK;
}

static nb_status read_entries(parse *p, nb_safetensors *file)
{
    json_t *header = file->header;
    const json_t *metadata = json_object_get(header, "__metadata__");
    if (metadata)
        NB_TRY(check_metadata(p, metadata));
    size_t n = json_object_size(header) - (metadata ? 1 : 0);
    if (n > NB_LIMIT_TENSORS)
        return nb_error_set(p->error, NB_ERR_INPUT, "%s: too many tensors; expected at most %u, found %zu", p->file,
                            NB_LIMIT_TENSORS, n);
    file->tensors = calloc(n ? n : 1, sizeof *file->tensors);
    if (!file->tensors)
        return nb_error_set(p->error, NB_ERR_SYSTEM, "%s: out of memory for %zu tensors", p->file, n);
    for (void *it = json_object_iter(header); it; it = json_object_iter_next(header, it)) {
        p->tensor = json_object_iter_key(it);
        if (json_object_iter_value(it) != metadata)
            NB_TRY(read_entry(p, json_object_iter_value(it), &file->tensors[file->n_tensors++]));
    }
    return check_tiling(p, file);
}

static nb_status header_length(const uint8_t *data, uint64_t bytes, const char *name, uint64_t *length, nb_error *error)
{
    if (bytes < 8)
        return nb_error_set(error, NB_ERR_INPUT, "%s: not a safetensors file; expected at least 8 bytes, found %llu",
                            name, (unsigned long long)bytes);
    uint64_t n = 0;
    for (int i = 7; i >= 0; i--)
        n = n << 8 | data[i];
    if (n > NB_LIMIT_HEADER_BYTES)
        return nb_error_set(error, NB_ERR_INPUT, "%s: header length; expected at most %u bytes, found %llu", name,
                            NB_LIMIT_HEADER_BYTES, (unsigned long long)n);
    if (n > bytes - 8)
        return nb_error_set(
            error, NB_ERR_INPUT,
            "%s: header length (file truncated?); expected at most the %llu bytes that follow, found %llu", name,
            (unsigned long long)(bytes - 8), (unsigned long long)n);
    *length = n;
    return NB_OK;
}

nb_status nb_safetensors_parse(nb_safetensors *file, const uint8_t *data, uint64_t bytes, const char *name,
                               nb_error *error)
{
    *file = (nb_safetensors){0};
    uint64_t length = 0;
    NB_TRY(header_length(data, bytes, name, &length, error));
    const char *text = (const char *)data + 8;
    if (length == 0 || text[0] != '{')
        return nb_error_set(error, NB_ERR_INPUT, "%s: header; expected '{' as its first byte, found %s", name,
                            length == 0 ? "nothing" : "another");
    parse p = {.file = name, .data_begin = 8 + length, .data_bytes = bytes - 8 - length, .error = error};
    nb_status status = nb_json_parse(&file->header, text, length, NB_LIMIT_HEADER_VALUES, name, error);
    if (status == NB_OK)
        status = read_entries(&p, file);
    if (status != NB_OK)
        nb_safetensors_release(file);
    return status;
}

void nb_safetensors_release(nb_safetensors *file)
{
    free(file->tensors);
    json_decref(file->header);
    *file = (nb_safetensors){0};
}
