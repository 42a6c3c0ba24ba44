// SPDX-License-Identifier: Apache-2.0
// A bound model: every name of the checkpoint looked up once, checked against the family's table, and turned into
// weight handles. After nb_model_open nothing is ever looked up by name again. Immutable.
#ifndef NB_RUNTIME_MODEL_H
#define NB_RUNTIME_MODEL_H

#include "kernels/tensor.h"
#include "platform/pool.h"
#include "runtime/config.h"

// Shapes in brackets; letters as in runtime/config.h. Float tables (norms, biases, shifts) are f32 copies in host
// memory.
typedef struct nb_layer {
    const float *attention_norm;  // [D]
    nb_weight q, k, v;            // [H*E, D], [G*E, D], [G*E, D]
    const float *q_norm, *k_norm; // [E] each or NULL (Qwen3)
    const float *k_shift;         // [G, E] or NULL: subtracted from keys after RoPE
    nb_weight o;                  // [D, H*E]
    const float *mlp_norm;        // [D]
    nb_weight gate, up;           // [F, D]
    nb_weight down;               // [D, F]
    float k_scale, v_scale;       // g of an E2M1 cache: as declared for an FP4 cache, else 1
} nb_layer;

typedef struct nb_model {
    nb_config config;
    const char *family;      // name of the family table
    const char *format;      // "bf16", "f16", "f32", "nvfp4-modelopt", "nvfp4-compressed-tensors"
    nb_weight embedding;     // [V, D], plain format
    nb_weight head;          // [V, D]; the embedding itself when tied
    const float *final_norm; // [D]
    nb_layer *layers;        // [L]
    bool is_quantised;       // the linears are NVFP4
    bool has_key_shift;
    bool is_resident; // weights were copied once; the files are closed
    uint64_t n_parameters;
    uint64_t weight_bytes;            // as stored
    uint64_t weight_bytes_per_token;  // linears and head, plus one embedding row
    uint64_t resident_bytes;          // of the one copy, 0 when mapped
    uint64_t host_bytes;              // f32 tables
    struct nb_model_storage *storage; // maps or the resident copy, and the tables
} nb_model;

typedef void (*nb_model_progress_fn)(void *user, uint64_t done_bytes, uint64_t total_bytes);

// Opening in two steps, so that what a model takes is known before it is taken. Counting finds and checks every tensor
// and fills in everything but the weights' addresses and the tables; loading takes the memory and fills it, after
// either way of counting. On failure the model is closed. Errors as nb_model_open.
NB_MUST_USE nb_status nb_model_count(nb_model *model, const char *directory, bool resident, nb_error *error);
NB_MUST_USE nb_status nb_model_count_shape(nb_model *model, const char *config_path, bool plain, nb_error *error);
NB_MUST_USE nb_status nb_model_load(nb_model *model, nb_model_progress_fn on_progress, void *progress_user,
                                    nb_error *error);

// Between the steps, a hint: enters the weights that every token reads, where they are mapped, into the page tables,
// unless they hardly fit memory. A fault for each few pages would cost the first token several times as much.
void nb_model_fault_in(const nb_model *model, nb_pool *pool);

// Both steps. `resident`: one copy in memory, files closed; else weights stay in the read-only maps.
// Errors: NB_ERR_INPUT naming tensor, expected and found; NB_ERR_FIT; NB_ERR_SYSTEM. Nothing is kept on failure.
NB_MUST_USE nb_status nb_model_open(nb_model *model, const char *directory, bool resident,
                                    nb_model_progress_fn on_progress, void *progress_user, nb_error *error);

// Random linears (NVFP4, or BF16 when `plain`), BF16 embedding and head, of the shapes in `config_path` (a
// config.json), resident.
NB_MUST_USE nb_status nb_model_open_shape(nb_model *model, const char *config_path, bool plain, nb_error *error);
void nb_model_close(nb_model *model);

#endif
