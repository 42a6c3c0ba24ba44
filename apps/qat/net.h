// SPDX-License-Identifier: Apache-2.0
// A model in training: F32 master parameters, gradients, and one micro-batch's forward and backward pass. The network
// is the one that inference runs: same configuration and family table, same RoPE angles, norms and masks; with
// NB_NET_W4A4KV4 every operand passes through the inference encoders and decoders (docs/NUMERICS.md 2 and 3), and
// gradients pass straight through them. With NB_PRODUCT_BF16 operands of the products of linears and head are rounded
// to bf16, sums and everything else stay f32; what is quantised is multiplied exactly in the forward pass.
//
// A training step of the caller, over one or more micro-batches:
//
//   nb_net_zero_gradients(net);
//   for each micro-batch: nb_net_step(net, &batch, &loss, &sums);      adds to the gradients
//   ... clip, AdamW: change parameter values in place ...
//   nb_net_update(net);                                                 makes this step's operands of the new values
//
// Letters as in runtime/config.h. All results are the same bits whatever the number of threads, with and without
// recomputing. Calls on one net must not overlap.
#ifndef NB_APPS_NET_H
#define NB_APPS_NET_H

#include "kernels/grad/product.h"
#include "platform/pool.h"
#include "runtime/model.h"

typedef struct nb_net nb_net;

typedef enum nb_net_quant { NB_NET_PLAIN, NB_NET_W4A4KV4 } nb_net_quant;

typedef struct nb_net_options {
    nb_pool *pool;       // borrowed; outlives the net
    const char *isa;     // NULL: the best of this CPU
    uint32_t n_rows_max; // tokens of the largest micro-batch
    nb_net_quant quant;
    nb_product_kind products;
    bool recompute;    // keep only the residual stream of each layer; compute the rest again in the backward pass
    bool forward_only; // no gradients: nb_net_evaluate alone
} nb_net_options;

// One trainable tensor. Values and gradients live as long as the net; those of all parameters lie one after another,
// in order and without gaps. Values may be changed between steps (then nb_net_update).
typedef struct nb_param {
    char name[96];     // as in the checkpoint: "model.layers.0.self_attn.q_proj.weight"
    float *value;      // [n]
    float *grad;       // [n]; NULL when forward_only
    size_t n;          // product of shape
    uint32_t rank;     // 1 or 2
    uint64_t shape[2]; // shape[1] = 1 for rank 1
    int32_t group;     // linears of one group share g when quantised (q k v; gate up); -1: never quantised
    bool decays;       // a matrix; norms and biases are never decayed
} nb_param;

// Several documents, one after another. A token attends to the tokens of its own document up to itself. Positions count
// from 0 in each document, unless given.
typedef struct nb_batch {
    uint32_t n_rows, n_documents;
    const int32_t *ids;        // [n_rows], each within the vocabulary
    const uint32_t *starts;    // [n_documents + 1], ascending, starts[0] = 0, last = n_rows; no document is empty
    const uint32_t *positions; // [n_rows] below max_positions, or NULL
    const uint8_t *targets;    // [n_rows] 1: this token is to be predicted by the one before it; a document's first
                               // token never counts
} nb_batch;

typedef enum nb_net_loss_kind { NB_LOSS_CE, NB_LOSS_SEM } nb_net_loss_kind;

// L = (1/T) (sum of CE + lambda * sum of w_t H_t), docs/REQAT.md; tau and H_min are of the micro-batch.
typedef struct nb_net_loss {
    nb_net_loss_kind kind;
    double lambda;            // 0.1
    double entropy_threshold; // q, 0.75
    uint64_t n_targets;       // T: target tokens of the whole accumulated batch
} nb_net_loss;

typedef struct nb_net_sums {
    uint64_t n_targets; // of this micro-batch, first tokens of documents not counted
    double ce;          // sum of -ln p over the targets, nats
    double sem;         // sum of w_t H_t, also when the loss is CE
    double entropy;     // sum of H_t
    uint64_t n_correct; // targets that are the most likely token
    double tau, h_min;  // of this micro-batch
} nb_net_sums;

// What the net takes, by purpose; bytes.
typedef struct nb_net_plan {
    uint64_t parameter_bytes;  // F32 masters
    uint64_t gradient_bytes;   // F32
    uint64_t operand_bytes;    // what the products read: rounded, transposed or bf16 copies of the weights
    uint64_t activation_bytes; // kept from the forward for the backward pass
    uint64_t scratch_bytes;    // of one layer at a time, logits, workers
    uint64_t total_bytes;
} nb_net_plan;

// Opens a Hugging Face directory with BF16, F16 or F32 weights (any family), checks that every value is finite, and
// takes all memory. With `plan_only` nothing is taken and *net stays NULL. `plan` may be NULL.
// Errors: NB_ERR_INPUT (not a complete full-precision model; head_dim or widths not in blocks of 16 where quantised),
// NB_ERR_FIT (with the plan filled in), NB_ERR_ARGUMENT (isa; products that this CPU does not run), NB_ERR_SYSTEM.
NB_MUST_USE nb_status nb_net_open(nb_net **net, const char *directory, const nb_net_options *options, bool plan_only,
                                  nb_net_plan *plan, nb_error *error);
void nb_net_close(nb_net *net); // NULL is fine

const nb_config *nb_net_config(const nb_net *net);
const char *nb_net_isa(const nb_net *net);

// All parameters, in the order: embedding, layers, final norm, head (absent when tied).
nb_param *nb_net_params(nb_net *net, size_t *n_params);

void nb_net_zero_gradients(nb_net *net);

// Makes the operands of the products from the parameters' values: rounding, transposes. To be called whenever values
// have changed; nb_net_open has called it.
void nb_net_update(nb_net *net);

// Checks a batch that comes from outside: ids, starts, positions, sizes. NB_ERR_INPUT, NB_ERR_FIT (too many rows).
NB_MUST_USE nb_status nb_net_check(const nb_net *net, const nb_batch *batch, nb_error *error);

// Forward and backward of one micro-batch: adds dL/dparameter to every gradient. The batch passes nb_net_check.
// loss->n_targets > 0; with no target in the batch nothing is added.
void nb_net_step(nb_net *net, const nb_batch *batch, const nb_net_loss *loss, nb_net_sums *sums);

// What is wanted of each row; any pointer may be NULL. Row t holds the prediction of token t + 1, for rows whose next
// token is a target; other rows are left alone.
typedef struct nb_net_outputs {
    float *nll;     // [n_rows] -ln p of the next token
    float *entropy; // [n_rows] H_t
    int32_t *best;  // [n_rows] most likely token
} nb_net_outputs;

// The loss alone. `outputs` may be NULL.
void nb_net_evaluate(nb_net *net, const nb_batch *batch, const nb_net_loss *loss, nb_net_sums *sums,
                     const nb_net_outputs *outputs);

// Writes model.safetensors (one file or shards with an index), config.json (its dtype as written), k_shift.st where the
// model has a key shift, and copies of tokenizer, template and the like into an existing directory.
// `source`: the directory the net was opened from. Each file appears whole or not at all; for a directory that does so
// use nb_net_save.
typedef enum nb_net_dtype { NB_NET_F32, NB_NET_BF16 } nb_net_dtype;
NB_MUST_USE nb_status nb_net_write(const nb_net *net, const char *source, const char *directory, nb_net_dtype dtype,
                                   nb_error *error);

// config.json alone, every byte but the dtype as it was.
NB_MUST_USE nb_status nb_net_write_config(const char *source, const char *directory, nb_net_dtype dtype,
                                          nb_error *error);

// The same into a directory that appears whole or not at all (apps/qat/staging.h).
NB_MUST_USE nb_status nb_net_save(const nb_net *net, const char *source, const char *directory, nb_net_dtype dtype,
                                  bool may_replace, nb_error *error);

// Replaces all parameter values by those of a safetensors file of F32 tensors with the same names and shapes (a
// checkpoint of the trainer), then nb_net_update. NB_ERR_INPUT naming the tensor.
NB_MUST_USE nb_status nb_net_load(nb_net *net, const char *path, nb_error *error);

// The operands as they are multiplied: what linear `param` contributes to the forward products (rounded when quantised
// or in bf16). For tests and reports. Returns `out`, [n] in the layout of the parameter.
float *nb_net_operand(const nb_net *net, const nb_param *param, float *out);

// The same of a rounded linear as the quantiser encoded it, in the bytes of kernels/nvfp4.h: n/2 of codes, n/16 of
// scales. The operand knows no -0, so a code that is zero has no sign. Returns g.
float nb_net_operand_bytes(const nb_net *net, const nb_param *param, uint8_t *codes, uint8_t *scales);

#endif
