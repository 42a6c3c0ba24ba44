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

// Rows that products read. Where products are bf16 they read `bf16`, which nb_net_operands makes of `f32`.
typedef struct nb_net_matrix {
    float *f32;     // NULL: computed a tile at a time, kept in bf16 alone
    uint16_t *bf16; // NULL: products are f32
    uint32_t n_cols;
} nb_net_matrix;

// Linears that share an input, one below the other: q k v; o; gate up; down.
typedef struct nb_net_linear {
    uint32_t n_rows, n_cols;
    float *value, *grad;      // [n_rows, n_cols] in the parameters
    float *bias, *bias_grad;  // [n_rows] or NULL
    float *rounded;           // [n_rows, n_cols] when quantised, else NULL
    float *transposed;        // [n_cols, transposed_stride] of what is multiplied
    size_t transposed_stride; // off a power of two
    uint16_t *bf16;           // [n_rows, n_cols] in place of both where products are bf16, to be multiplied by ...
    float factor;             // ... g when quantised, else 1
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
    float *a, *b;   // [tile, max(D, H*E)]
    float *wide;    // [tile, F]
    uint16_t *bf16; // [tile, max(D, H*E, F)] an operand, where products are bf16
    float *spare;   // [tile, widest of all] there too: sums to be scaled, inputs on their way to bf16
    float *factors; // [tile] there when quantised: g of the rows of an operand; else NULL
    float *attend;  // nb_grad_attend_floats
    nb_act act;     // one row in NVFP4
    uint8_t *kv;    // one vector of the cache
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
    float *embedding, *embedding_grad, *head_grad;
    nb_net_matrix head; // [V, D]
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
    nb_grad_logits *stats;    // [T]
    float *nll, *weights;     // [T]
    float *sorted;            // [T]
    uint32_t group_rows;      // rows of logits held at a time
    nb_net_matrix logits;     // [group_rows, V], then their gradients
    nb_net_matrix final_rows; // [T, D] of the scored rows
    float *d_final;           // [T, D]
    // Of one layer's backward pass.
    nb_net_matrix dx, dx_mid;                        // [T, D]
    nb_net_matrix d_gate_up, d_qkv;                  // [T, 2F], [T, W]
    nb_net_matrix in_qkv, in_gate_up, in_o, in_down; // inputs as multiplied: [T, D], [T, D], [T, H*E], [T, F]
    float *dx_in, *d_mixed;                          // [T, D], [T, H*E]
    float *delta;                                    // [T, H]
    float *partials;                                 // [tiles, n_partials]
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

static inline bool nb_net_multiplies_bf16(const nb_net *net)
{
    return net->options.products == NB_PRODUCT_BF16;
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
// The same and back; out may be x. With `factor` out is code times block scale, which bf16 holds exactly, and *factor
// the g that it is to be multiplied by.
void nb_net_round_row(const nb_net *net, uint32_t worker, const float *x, uint32_t n_cols, float g, float *factor,
                      float *out);

// Rows of a tile of a layer: the inputs of q k v and of gate and up (both of a norm), of o, of down; rounded when
// quantised. `factors`: NULL, or [n_rows] as the factor of nb_net_round_row.
void nb_net_input_rows(const nb_net *net, uint32_t worker, const float *x, const nb_net_norm *norm, uint32_t n_rows,
                       float *factors, float *out);
void nb_net_mixed_rows(const nb_net *net, uint32_t worker, const float *mixed, uint32_t n_rows, float *factors,
                       float *out);
void nb_net_ffn_rows(const nb_net *net, uint32_t worker, const float *gate_up, uint32_t n_rows, float *factors,
                     float *out);

// net_product.c: every product of a net, f32 or bf16.

// x from row and column on, as products read it.
nb_const_matrix nb_net_operand_at(const nb_net_matrix *x, size_t row, size_t col);
// Where rows of x from `begin` on are to be computed: in place, or in the worker's memory.
float *nb_net_operand_place(const nb_net *net, uint32_t worker, const nb_net_matrix *x, size_t begin);
// Rows of x from `begin` on are computed, in that place: makes what products read of them.
void nb_net_operands(const nb_net *net, const float *rows, const nb_net_matrix *x, size_t begin, size_t n_rows);
// y = x W^T (+ y) + bias. Where products are bf16 and the net is quantised, x lacks the worker's factors.
void nb_net_product(const nb_net *net, uint32_t worker, const nb_net_linear *linear, const float *x, uint32_t n_rows,
                    bool add, float *y);
// dx = dy W of rows of dy from `begin` on, whose f32 are there; what products read of them is made too.
void nb_net_product_back(const nb_net *net, uint32_t worker, const nb_net_linear *linear, const nb_net_matrix *dy,
                         size_t begin, uint32_t n_rows, float *dx);

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
