// SPDX-License-Identifier: Apache-2.0
// The op table: every operation of the forward pass, one const argument struct each. A table is built once at open
// (nb_ops_select): the backend's own operations, and composed versions for the fused slots that are left empty, so that
// callers never test for NULL. The composed path defines what is right; a fused kernel must give the same bits.
//
// Operations are the data plane: void, no error, no allocation; shapes are checked where a model is bound. All pointers
// of one call are distinct buffers unless a field says otherwise. T = rows of the pass (tokens), D hidden, F ffn, H
// heads, G kv heads, E head width, K input width, N output width. "act" is an activation operand, see nb_act.
#ifndef NB_KERNELS_OPS_H
#define NB_KERNELS_OPS_H

#include "kernels/kv.h"
#include "kernels/tensor.h"
#include "platform/pool.h"

typedef struct nb_cpu_kernels nb_cpu_kernels;

// What a backend needs to run: threads, and the kernels chosen for this CPU.
typedef struct nb_exec {
    nb_pool *pool;
    const nb_cpu_kernels *cpu;
} nb_exec;

enum {
    NB_ACT_STEP = 256,       // columns of one step
    NB_ACT_ZERO = 0x4b400000 // the bits of 1.5 * 2^23: with |i| < 2^22 added they are those of 1.5 * 2^23 + i
};

// 256 columns = 16 blocks of a packed row, as the integer dot product consumes them: group 0 holds of every block the
// columns 0 2 4 6 of it, group 1 columns 1 3 5 7, group 2 columns 8 10 12 14, group 3 columns 9 11 13 15, four bytes a
// block (the nibbles of a packed weight come apart in this order). Padding blocks of a row's last step are zero.
typedef struct nb_act_step {
    _Alignas(64) int8_t codes[NB_ACT_STEP]; // [4, 64]: twice the E2M1 value
    int32_t offsets[16];                    // NB_ACT_ZERO - 12 * sum of the block's codes (weights come as twice + 12)
    float scales[16];                       // the E4M3 block scale, decoded; 0 in padding
} nb_act_step;

// The input of a product, [n_rows, n_cols]: always as f32, and in NVFP4 when a weight asks for it.
typedef struct nb_act {
    uint32_t n_rows, n_cols;
    bool is_packed;     // the fields below hold the NVFP4 form of x
    float *x;           // [n_rows, n_cols]
    nb_act_step *steps; // [n_rows, n_steps]
    float *globals;     // [n_rows]: g of the row
} nb_act;

#define NB_ACT_ZERO_F32 0x1.8p23f

static inline uint32_t nb_act_steps(uint32_t n_cols)
{
    return (n_cols + NB_ACT_STEP - 1) / NB_ACT_STEP;
}

// Byte of column k (0..255) within the codes of a step.
static inline uint32_t nb_act_code_index(uint32_t k)
{
    uint32_t block = k / 16, e = k % 16;
    return (e / 8 * 2 + e % 2) * 64 + block * 4 + e % 8 / 2;
}

typedef struct nb_embed_args {
    const nb_weight *table; // [V, D], plain
    const int32_t *ids;     // [T]
    uint32_t n_rows;
    float *x; // [T, D]
} nb_embed_args;

// y = x / sqrt(mean(x^2) + epsilon) * weight
typedef struct nb_norm_args {
    const float *x;      // [T, D]
    const float *weight; // [D]
    float epsilon;
    uint32_t n_rows, n_cols;
    float *y; // [T, D]
} nb_norm_args;

// act->x to the packed form (numerics 2). static_scale > 0: g of every row; else g = absmax / 2688 of each row.
typedef struct nb_quantize_args {
    nb_act *act;
    float static_scale;
} nb_quantize_args;

enum { NB_LINEAR_MAX = 3 };

// y_i = W_i act + bias_i, for up to three weights that share the input (q k v; gate up). Where W_i is NVFP4 and act is
// packed: y = (0.25 sum) (g_w g_a) + bias (numerics 4); else f32 products (numerics 5 order) of decoded weights.
// add: y_i += result (the residual).
typedef struct nb_linear_args {
    const nb_act *act;
    const nb_weight *weights[NB_LINEAR_MAX];
    float *y[NB_LINEAR_MAX]; // [T, N_i]
    uint32_t n_weights;
    bool add;
} nb_linear_args;

// Where the rows of a pass belong. Rows of one session are consecutive, in ascending position.
typedef struct nb_rows {
    uint32_t n_rows;
    const uint32_t *positions;    // [T]
    const nb_ring *const *rings;  // [T]: the ring of the row's session
    const float *cosines, *sines; // [T, E/2]: RoPE of the row's position
} nb_rows;

// What one layer's attention needs besides the rows.
typedef struct nb_attention_layer {
    uint32_t layer, n_heads, n_kv_heads, head_dim;
    const float *q_norm, *k_norm; // [E] or NULL
    const float *k_shift;         // [G, E] or NULL
    float epsilon;
    float k_scale, v_scale; // g of an E2M1 cache, else 1
} nb_attention_layer;

// q and k in place: QK-norm, RoPE (rotate-half); then k' = k - shift and v quantised and stored in the ring.
typedef struct nb_append_args {
    const nb_attention_layer *layer;
    const nb_rows *rows;
    float *q;       // [T, H, E]
    float *k;       // [T, G, E]
    const float *v; // [T, G, E]
} nb_append_args;

// out = softmax(q K^T / sqrt E) V over each row's view of its ring. Canonical order: kernels/cpu/cpu_kernels.h.
typedef struct nb_attention_args {
    const nb_attention_layer *layer;
    const nb_rows *rows;
    const float *q;       // [T, H, E]
    float *partials;      // nb_attention_partial_floats(...) floats of scratch
    uint32_t n_slots_max; // largest n_slots of the rings in any pass: what partials was sized for
    float *out;           // [T, H, E]
} nb_attention_args;

// act->x = silu(gate) * up
typedef struct nb_swiglu_args {
    const float *gate, *up; // [T, F]
    uint32_t n_rows, n_cols;
    float *out; // [T, F]
} nb_swiglu_args;

// Fused: act->x = norm(x), then packed when `pack`.
typedef struct nb_norm_quantize_args {
    nb_norm_args norm; // norm.y is ignored: the result goes to act->x
    nb_act *act;
    bool pack;
    float static_scale;
} nb_norm_quantize_args;

// Fused: q, k, v products, then nb_append_args.
typedef struct nb_qkv_append_args {
    nb_linear_args qkv; // weights q, k, v; y = q, k, v buffers
    const nb_attention_layer *layer;
    const nb_rows *rows;
} nb_qkv_append_args;

// Fused: attention into act->x, then packed when `pack`.
typedef struct nb_attention_quantize_args {
    nb_attention_args attention; // attention.out is ignored
    nb_act *act;
    bool pack;
    float static_scale;
} nb_attention_quantize_args;

// Fused: gate and up products, SwiGLU into out->x, then packed when `pack`.
typedef struct nb_gate_up_args {
    nb_linear_args gate_up; // weights gate, up; y = gate, up buffers
    nb_act *out;
    bool pack;
    float static_scale;
} nb_gate_up_args;

typedef struct nb_ops nb_ops;
struct nb_ops {
    const char *name; // "scalar", "avx512"
    // required
    void (*embed)(nb_exec *exec, const nb_embed_args *args);
    void (*norm)(nb_exec *exec, const nb_norm_args *args);
    void (*quantize)(nb_exec *exec, const nb_quantize_args *args);
    void (*linear)(nb_exec *exec, const nb_linear_args *args);
    void (*append)(nb_exec *exec, const nb_append_args *args);
    void (*attention)(nb_exec *exec, const nb_attention_args *args);
    void (*swiglu)(nb_exec *exec, const nb_swiglu_args *args);
    // fused; composed of the required ones in this very table when a backend has none (kernels/ops_compose.c)
    void (*norm_quantize)(const nb_ops *ops, nb_exec *exec, const nb_norm_quantize_args *args);
    void (*qkv_append)(const nb_ops *ops, nb_exec *exec, const nb_qkv_append_args *args);
    void (*attention_quantize)(const nb_ops *ops, nb_exec *exec, const nb_attention_quantize_args *args);
    void (*gate_up)(const nb_ops *ops, nb_exec *exec, const nb_gate_up_args *args);
};

// Builds the table for this CPU. `isa` NULL: the best available; else that one ("scalar", "avx512"), NB_ERR_ARGUMENT
// naming what is available when this CPU or build lacks it. Sets exec->cpu too.
NB_MUST_USE nb_status nb_ops_select(nb_ops *ops, nb_exec *exec, const char *isa, nb_error *error);

// Fills empty fused slots with composed versions.
void nb_ops_compose(nb_ops *ops);

enum { NB_ATTENTION_ROWS = 16 }; // rows whose partial results are held at a time

// Floats of nb_attention_args.partials: partial sums of NB_ATTENTION_ROWS rows.
static inline size_t nb_attention_partial_floats(uint32_t n_heads, uint32_t head_dim, uint32_t n_slots)
{
    return (size_t)NB_ATTENTION_ROWS * n_heads * nb_div_ceil(n_slots, NB_KV_SEGMENT) * (head_dim + 2);
}

#endif
