// SPDX-License-Identifier: Apache-2.0
// Binding: names of a checkpoint -> handles of nb_model. Internal to runtime/model*.c.
#ifndef NB_RUNTIME_MODEL_BIND_H
#define NB_RUNTIME_MODEL_BIND_H

#include "platform/arena.h"
#include "runtime/buffer.h"
#include "runtime/checkpoint.h"
#include "runtime/family.h"

struct nb_model_storage {
    nb_checkpoint checkpoint; // mapped weights: the maps
    nb_arena weights;         // resident weights: the one copy
    nb_arena tables;          // f32 norms, biases, shifts
};

// Layers and storage, both arenas counting; model->config must be set.
NB_MUST_USE nb_status nb_model_allocate(nb_model *model, nb_error *error);

// After a walk on counting arenas: their sizes as the model's.
void nb_model_note_counted(nb_model *model);

// Takes the memory of a model of random weights and fills it.
NB_MUST_USE nb_status nb_model_fill_shape(nb_model *model, nb_error *error);

// What was counted is checked against the memory that may be taken (NB_ERR_FIT), then taken.
NB_MUST_USE nb_status nb_model_place(nb_model *model, nb_error *error);

// A tensor that the placing walk wants copied.
typedef struct nb_bind_request {
    const nb_entry *entry;
    uint8_t *copy;
    bool is_scales; // to be checked when it is there
} nb_bind_request;

// One walk over all tensors of a model. It runs twice: while the arenas count, tensors are looked up, checked and
// their sizes added up; while they place, values are read, checked and converted.
typedef struct nb_binder {
    nb_model *model;
    const nb_family *family;
    nb_checkpoint *checkpoint;
    nb_arena *weights, *tables;
    bool resident;
    char module[96]; // name of the module at hand: "model.layers.3.mlp.up_proj"
    nb_model_progress_fn on_progress;
    void *progress_user;
    uint64_t done_bytes, total_bytes;
    nb_buffer requests; // nb_bind_request
    nb_error *error;
} nb_binder;

NB_MUST_USE nb_status nb_bind_model(nb_binder *binder);

// Resident weights, after the placing walk: all that it asked for is read at once.
NB_MUST_USE nb_status nb_bind_read(nb_binder *binder);

// Block scales are E4M3 without sign and without NaN: bytes up to 0x7e. A wrong one would poison every token.
NB_MUST_USE nb_status nb_bind_check_scales(const nb_binder *binder, const nb_entry *entry, const uint8_t *scales);

// After a walk: the first tensor that no one asked for, and that is not known to be harmless, is an error.
NB_MUST_USE nb_status nb_bind_check_unused(nb_binder *binder);

// ---- single tensors (model_tensor.c); names are `binder->module` + suffix

// Dtypes as bits: 1u << NB_DTYPE_F32 | ...
#define NB_PLAIN_DTYPES (1u << NB_DTYPE_F32 | 1u << NB_DTYPE_F16 | 1u << NB_DTYPE_BF16)
#define NB_FLOAT_DTYPES (NB_PLAIN_DTYPES | 1u << NB_DTYPE_F64)

bool nb_bind_has(const nb_binder *binder, const char *suffix);

// Finds the tensor and checks dtype and shape; marks it used.
NB_MUST_USE nb_status nb_bind_find(nb_binder *binder, const char *suffix, uint32_t dtypes, uint32_t rank,
                                   const uint64_t *shape, nb_entry **entry);

// The bytes of a weight: in the map, or copied into the weights arena. NULL while counting a copy.
NB_MUST_USE nb_status nb_bind_bytes(nb_binder *binder, nb_entry *entry, const uint8_t **data);

// A vector of `n` floats as an f32 table, every value finite. NULL while counting.
NB_MUST_USE nb_status nb_bind_table(nb_binder *binder, nb_entry *entry, size_t n, const float **table);

// A scalar, [] or [1]: finite, and at least `min`.
NB_MUST_USE nb_status nb_bind_scalar(nb_binder *binder, const char *suffix, bool zero_allowed, float *value);

#endif
