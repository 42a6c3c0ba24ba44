// SPDX-License-Identifier: Apache-2.0
// Inside of a net: its buffers and who computes what. Private to apps/qat/net*.c.
//
// Every pass over the rows is cut into tiles of NB_NET_TILE rows that a worker takes from end to end, so that what one
// operation wrote is still in its cache for the next. Sums over rows (biases, norms) are kept per tile and added up in
// order; gradients of weights are products over all rows, cut by rows of the weight. No cut depends on the threads.
#ifndef NB_APPS_NET_STATE_H
#define NB_APPS_NET_STATE_H

#include "apps/qat/net.h"
#include "kernels/cpu/cpu_kernels.h"
#include "kernels/grad/grad_kernels.h"
#include "kernels/grad/product.h"
#include "platform/arena.h"
#include "runtime/limits.h"
#include "runtime/rope.h"

enum {
    NB_NET_TILE = 128,        // rows of a tile
    NB_NET_WEIGHT_ROWS = 128, // rows of a weight gradient that one worker takes
    NB_NET_LOGIT_ROWS = 64,   // rows of logits that one worker takes
    NB_NET_GROUP_MAX = 1024,  // rows of logits held at a time, at most
};

// Linears that share an input, one below the other: q k v; o; gate up; down.
typedef struct nb_net_linear {
    uint32_t n_rows, n_cols;
    float *value, *grad;      // [n_rows, n_cols] in the parameters
    float *bias, *bias_grad;  // [n_rows] or NULL
    float *rounded;           // [n_rows, n_cols] when quantised, else NULL
    float *transposed;        // [n_cols, transposed_stride] of what is multiplied
    size_t transposed_stride; // off a power of two
    size_t bias_partial;      // where its sums lie among a tile's
} nb_net_linear;

// A norm's weight.
typedef struct nb_net_norm {
    float *value, *grad; // [n]
    uint32_t n;          // 0: the family has none
    size_t partial;
} nb_net_norm;

typedef struct nb_net_layer {
    nb_net_norm attention_norm, mlp_norm, q_norm, k_norm;
    nb_net_linear qkv, o, gate_up, down;
    const float *k_shift; // [G, E] or NULL
    // Kept for the backward pass; one set for all layers, but for x, when recomputing.
    float *x;     // [T, D] residual before the layer
    float *raw;   // [T, W] q k v before QK-norm, or NULL
    float *heads; // [T, W] after RoPE, k less shift, k and v rounded
    float *mixed; // [T, H*E] attention output
    float *lse;   // [T, H]
    float *x_mid; // [T, D] residual after attention
    float *ffn;   // [T, 2F] gate and up
} nb_net_layer;

// Scratch of one worker.
typedef struct nb_net_worker {
    float *a, *b;  // [tile, max(D, H*E)]
    float *wide;   // [tile, F]
    float *attend; // nb_grad_attend_floats
    nb_act act;    // one row in NVFP4
    uint8_t *kv;   // one vector of the cache
} nb_net_worker;

struct nb_net {
    nb_net_options options;
    nb_model model; // mapped: configuration, shifts
    nb_rope_table rope;
    nb_exec exec;
    nb_ops ops;
    nb_grad_kernels grad;
    nb_arena masters, gradients, operands, activations, scratch;
    nb_param *params;
    size_t n_params, n_values; // parameters; floats of all
    float *values, *grads;     // [n_values]
    float *embedding, *embedding_grad, *head, *head_grad;
    nb_net_norm final_norm;
    nb_net_layer *layers;
    uint32_t width;   // W = (H + 2G) E
    float **residual; // [L + 1] -> [T, D]
    // Of one pass.
    uint32_t n_rows, n_tiles;
    const nb_batch *batch;
    const nb_net_loss *loss;
    float *table_cosines, *table_sines; // [positions below n_rows_max, E/2]
    float *cosines, *sines;             // [T, E/2]
    uint32_t *scored_row;               // [T] rows whose next token is a target
    uint32_t *scored_next;              // [T] that token
    uint32_t n_scored;
    nb_grad_logits *stats;       // [T]
    float *nll, *weights;        // [T]
    float *sorted;               // [T]
    uint32_t group_rows;         // rows of logits held at a time
    float *logits;               // [group_rows, V]
    float *final_rows, *d_final; // [T, D] of the scored rows
    // Of one layer's backward pass.
    float *dx, *dx_mid, *dx_in; // [T, D]
    float *in_qkv, *in_gate_up; // [T, D] inputs as multiplied
    float *in_o, *d_mixed;      // [T, H*E]
    float *in_down, *d_gate_up; // [T, F], [T, 2F]
    float *d_qkv, *delta;       // [T, W], [T, H]
    float *partials;            // [tiles, n_partials]
    size_t n_partials;
    nb_net_worker *workers; // [pool]
};

static inline float *nb_net_row(float *x, uint32_t row, size_t n_cols)
{
    return x + row * n_cols;
}

static inline bool nb_net_rounds(const nb_net *net)
{
    return net->options.quant == NB_NET_W4A4KV4;
}

// Rows of tile `tile`.
static inline uint32_t nb_net_tile_end(const nb_net *net, uint32_t tile)
{
    return (uint32_t)nb_min((size_t)(tile + 1) * NB_NET_TILE, net->n_rows);
}

// Describes every buffer to the arenas; run to count and again to place (net_plan.c).
void nb_net_describe(nb_net *net);
void nb_net_count(const nb_net *net, nb_net_plan *plan);

// A row through the quantiser into the worker's act; `g` > 0: given, else the row's own. (net_forward.c)
nb_act nb_net_pack_row(const nb_net *net, uint32_t worker, const float *x, uint32_t n_cols, float g);
// The same and back. out may be x.
void nb_net_round_row(const nb_net *net, uint32_t worker, const float *x, uint32_t n_cols, float g, float *out);

// Tile `tile` of a layer: the inputs of q k v (a [rows, D], may be rounded), of o, of gate and up, of down.
void nb_net_input_rows(const nb_net *net, uint32_t worker, const float *x, const nb_net_norm *norm, uint32_t n_rows,
                       float *out);
void nb_net_mixed_rows(const nb_net *net, uint32_t worker, const float *mixed, uint32_t n_rows, float *out);
void nb_net_ffn_rows(const nb_net *net, uint32_t worker, const float *gate_up, uint32_t n_rows, float *out);

// net_forward.c: prepares the rows of a batch and runs the layers up to the last residual.
void nb_net_begin(nb_net *net, const nb_batch *batch, const nb_net_loss *loss);
void nb_net_forward(nb_net *net);
void nb_net_forward_layer(nb_net *net, uint32_t layer, bool with_output);
nb_grad_attend nb_net_attend_args(nb_net *net, const nb_net_layer *layer, uint32_t job, uint32_t worker);

// net_loss.c: everything behind the last residual; with `backward` the gradient of it in net->dx.
void nb_net_loss_run(nb_net *net, bool backward, nb_net_sums *sums);

// net_backward.c: net->dx through all layers and the embedding.
void nb_net_backward(nb_net *net);

#endif
