// SPDX-License-Identifier: Apache-2.0
// What quantising a checkpoint consists of: which tensors are linear layers, which of them share a scale, and the
// tensors of the result in the order in which they will be written.
#ifndef NB_APPS_QUANTIZE_PLAN_H
#define NB_APPS_QUANTIZE_PLAN_H

#include "runtime/checkpoint.h"
#include "runtime/model.h"

// Linears of one layer that share weight_scale_2 and input_scale, since other engines fuse them.
typedef enum nb_quant_group { NB_QUANT_QKV, NB_QUANT_O, NB_QUANT_GATE_UP, NB_QUANT_DOWN } nb_quant_group;
enum { NB_QUANT_GROUPS = 4 };

enum { NB_QUANT_MODULE_BYTES = 128, NB_QUANT_NAME_BYTES = 160 };

typedef struct nb_quant_linear {
    char module[NB_QUANT_MODULE_BYTES]; // "model.layers.0.self_attn.q_proj"
    const nb_tensor *source;            // its weight, [n_rows, n_cols]
    const uint8_t *data;
    size_t n_rows, n_cols; // n_cols: a multiple of 16
    size_t i_group;        // layer * NB_QUANT_GROUPS + nb_quant_group
} nb_quant_linear;

typedef enum nb_quant_part {
    NB_QUANT_COPY,   // a tensor of the source, byte for byte
    NB_QUANT_GLOBAL, // weight_scale_2, F32 []
    NB_QUANT_INPUT,  // input_scale, F32 []
    NB_QUANT_CODES,  // weight, U8 [n_rows, n_cols / 2]
    NB_QUANT_SCALES, // weight_scale, F8_E4M3 [n_rows, n_cols / 16]; always the next one after the codes
} nb_quant_part;

// One tensor of the result.
typedef struct nb_quant_item {
    nb_tensor tensor; // the first member: the writer sorts pointers to it
    char name[NB_QUANT_NAME_BYTES];
    nb_quant_part part;
    const uint8_t *data;           // COPY: the bytes
    const nb_quant_linear *linear; // the other parts
} nb_quant_item;

typedef struct nb_quant_items {
    nb_quant_item *items;
    size_t n_items;
} nb_quant_items;

typedef struct nb_quant_plan {
    nb_model model;       // the source, bound: proof that it is complete, and what calibration runs
    nb_checkpoint source; // the same, by name
    nb_quant_linear *linears;
    size_t n_linears;
    nb_quant_items weights; // of the shards
    nb_quant_items shifts;  // of k_shift.st
    float *global_scales;   // [n_groups] g; filled by nb_quantize_survey
    float *input_scales;    // [n_groups]
    size_t n_groups;
    uint64_t source_bytes; // of all tensors
} nb_quant_plan;

// Opens SRC and decides. `ignore`: patterns (fnmatch) of modules that stay as they are. Errors: NB_ERR_INPUT (not a
// complete full-precision model, a name too long, only part of a fused group ignored).
NB_MUST_USE nb_status nb_quant_plan_open(nb_quant_plan *plan, const char *directory, const char *const *ignore,
                                         size_t n_ignore, nb_error *error);
void nb_quant_plan_close(nb_quant_plan *plan);

// Replaces the shifts by those of the safetensors file opened as `file`, which must outlive the plan. Every tensor
// must be `model.layers.N.self_attn.k_shift` in the shape of the model. Errors: NB_ERR_INPUT.
NB_MUST_USE nb_status nb_quant_plan_shift(nb_quant_plan *plan, const nb_checkpoint *file, nb_error *error);

#endif
