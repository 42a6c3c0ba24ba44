// SPDX-License-Identifier: Apache-2.0
// The safetensors format, read from a byte range that holds the whole file; no I/O here.
//   u64 little-endian N | N bytes of JSON, space-padded | data
// Every rule of docs/CHECKPOINTS.md is checked, so that afterwards every tensor is a valid, disjoint byte range.
// Alignment is not promised by the format: never cast a tensor's address.
#ifndef NB_RUNTIME_SAFETENSORS_H
#define NB_RUNTIME_SAFETENSORS_H

#include "runtime/limits.h"

typedef enum nb_dtype {
    NB_DTYPE_BOOL,
    NB_DTYPE_F4,
    NB_DTYPE_F6_E2M3,
    NB_DTYPE_F6_E3M2,
    NB_DTYPE_U8,
    NB_DTYPE_I8,
    NB_DTYPE_F8_E5M2,
    NB_DTYPE_F8_E4M3,
    NB_DTYPE_F8_E8M0,
    NB_DTYPE_F8_E4M3FNUZ,
    NB_DTYPE_F8_E5M2FNUZ,
    NB_DTYPE_I16,
    NB_DTYPE_U16,
    NB_DTYPE_F16,
    NB_DTYPE_BF16,
    NB_DTYPE_I32,
    NB_DTYPE_U32,
    NB_DTYPE_F32,
    NB_DTYPE_C64,
    NB_DTYPE_F64,
    NB_DTYPE_I64,
    NB_DTYPE_U64,
} nb_dtype;

const char *nb_dtype_name(nb_dtype dtype); // as in the file: "F8_E4M3"
uint32_t nb_dtype_bits(nb_dtype dtype);    // of one element

typedef struct nb_tensor {
    const char *name; // lives with the nb_safetensors; may hold any UTF-8: print it through nb_error_set
    nb_dtype dtype;
    uint32_t rank;
    uint64_t shape[NB_LIMIT_RANK];
    uint64_t begin, end; // absolute byte range in the file
} nb_tensor;

typedef struct nb_safetensors {
    nb_tensor *tensors; // in file order
    size_t n_tensors;
    struct json_t *header; // owns the names
} nb_safetensors;

// `data` is a whole file of `bytes` bytes; only its header is touched. `file` names it in errors.
// Errors: NB_ERR_INPUT with expected and found, NB_ERR_SYSTEM (memory). Nothing is kept on failure.
NB_MUST_USE nb_status nb_safetensors_parse(nb_safetensors *file, const uint8_t *data, uint64_t bytes, const char *name,
                                           nb_error *error);
void nb_safetensors_release(nb_safetensors *file);

// "[2, 3]" into `text`, for errors; returns `text`.
const char *nb_shape_text(const uint64_t *shape, uint32_t rank, char *text, size_t capacity);

#endif
