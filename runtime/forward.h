// SPDX-License-Identifier: Apache-2.0
// The forward pass, once for every model, backend, prefill, decode and batch.
#ifndef NB_RUNTIME_FORWARD_H
#define NB_RUNTIME_FORWARD_H

#include "kernels/ops.h"
#include "runtime/model.h"
#include "runtime/rope.h"

// Scratch of one pass of up to n_rows_max rows (runtime/plan.c places it). Letters as in runtime/config.h.
typedef struct nb_scratch {
    uint32_t n_rows_max;
    uint32_t n_slots_max;   // of the rings in a pass
    float *x;               // [T, D] residual stream
    nb_act hidden;          // [T, D] input of q k v and of gate up
    nb_act mixed;           // [T, H*E] input of o
    nb_act ffn;             // [T, F] input of down
    nb_act last;            // [R, D] input of the head
    uint32_t n_logit_rows;  // R
    float *q, *k, *v;       // [T, H*E], [T, G*E], [T, G*E]
    float *gate, *up;       // [T, F]
    float *cosines, *sines; // [T, E/2]
    uint32_t *positions;    // [T]
    const nb_ring **rings;  // [T]
    int32_t *ids;           // [T]
    float *partials;        // attention
} nb_scratch;

// What never changes for an engine.
typedef struct nb_machinery {
    const nb_model *model;
    const nb_ops *ops;
    nb_exec *exec;
    const nb_rope_table *rope;
    bool pack_activations;   // NVFP4 activations for NVFP4 weights
    bool static_activations; // g from the checkpoint's input_scale
} nb_machinery;

// What an observer sees of a pass; for tests and calibration.
typedef enum nb_stage {
    NB_STAGE_HIDDEN_IN,  // [T, D] residual before the layer
    NB_STAGE_ATTN_IN,    // [T, D] input of q k v
    NB_STAGE_Q,          // [T, H*E] after RoPE
    NB_STAGE_K,          // [T, G*E] after RoPE, before the shift
    NB_STAGE_V,          // [T, G*E]
    NB_STAGE_ATTN_OUT,   // [T, H*E] input of o
    NB_STAGE_HIDDEN_MID, // [T, D] residual after attention
    NB_STAGE_MLP_IN,     // [T, D] input of gate up
    NB_STAGE_MLP_ACT,    // [T, F] input of down
} nb_stage;

typedef struct nb_observer {
    void (*see)(void *user, nb_stage stage, uint32_t layer, const float *values, uint32_t n_rows, uint32_t n_cols);
    void *user;
} nb_observer;

// Runs rows 0 .. n_rows - 1 of scratch->{ids, positions, rings} through all layers: appends their K and V to the rings
// and leaves the residual stream in scratch->x. Rows of one ring are consecutive and ascending. observer: may be NULL.
void nb_forward(const nb_machinery *machinery, nb_scratch *scratch, uint32_t n_rows, const nb_observer *observer);

// Logits of rows row_begin .. row_begin + n_rows - 1 of scratch->x (n_rows <= n_logit_rows) into logits [n_rows, V].
void nb_forward_logits(const nb_machinery *machinery, nb_scratch *scratch, uint32_t row_begin, uint32_t n_rows,
                       float *logits);

#endif
