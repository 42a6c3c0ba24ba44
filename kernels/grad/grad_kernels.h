// SPDX-License-Identifier: Apache-2.0
// The kernels of training: what the backward pass needs besides those of inference (kernels/cpu/cpu_kernels.h). One
// table an ISA, one body for all of them in *_template.h. Sums are taken in an order that depends on the ISA alone,
// never on threads. Training only: apps/qat includes this, the library does not hold it.
//
// Letters: T tokens, H heads, G kv heads, E head width, V vocabulary. "+=" adds to what the output holds.
#ifndef NB_KERNELS_GRAD_KERNELS_H
#define NB_KERNELS_GRAD_KERNELS_H

#include "kernels/ops.h"

enum {
    NB_GRAD_QUERIES = 48, // query rows of one block of attention
    NB_GRAD_KEYS = 512,   // keys whose scores are held at a time
    NB_GRAD_PANEL = 32,   // keys of one transposed panel
    NB_GRAD_SCORES = 528, // floats of a row of scores: off a power of two, which would strain one set of the cache
};

// Causal attention of one document and KV head: `group` query heads share its keys and values.
//   s_ij = q_i k_j / sqrt E (j <= i),  lse_i = ln sum_j e^s_ij,  p_ij = e^(s_ij - lse_i),  o_i = sum_j p_ij v_j
// Backward, delta_i = do_i o_i:
//   dv_j = sum_i p_ij do_i,  ds_ij = p_ij (do_i v_j - delta_i),  dq_i = sum_j ds_ij k_j / sqrt E,  dk_j likewise
// Scores are held for NB_GRAD_QUERIES x NB_GRAD_KEYS at a time and computed again in the backward pass.
// Rows of q, k, v and of their gradients are qkv_stride floats apart, those of o and d_o o_stride, of lse and delta
// n_heads; a query head follows the one before it by E (1 in lse and delta).
typedef struct nb_grad_attend {
    uint32_t n_rows, head_dim, group, n_heads;
    size_t qkv_stride, o_stride;
    const float *q, *k, *v;
    float *o, *lse;           // written by forward, read by backward (o only through delta)
    const float *d_o, *delta; // backward
    float *dq, *dk, *dv;      // backward, written
    float *scratch;           // nb_grad_attend_floats()
} nb_grad_attend;

static inline size_t nb_grad_attend_floats(uint32_t n_rows_max, uint32_t head_dim)
{
    return 2 * nb_align_up(n_rows_max, NB_GRAD_PANEL) * head_dim + 2 * (size_t)NB_GRAD_QUERIES * NB_GRAD_SCORES +
           (size_t)NB_GRAD_QUERIES * head_dim;
}

// What one row of logits says: l = ln sum e^z, H = entropy in nats, both accurate to f32 rounding of the sums.
typedef struct nb_grad_logits {
    float lse, entropy;
    uint32_t best; // the first largest
} nb_grad_logits;

typedef struct nb_grad_kernels {
    const char *isa;
    // y = x r w, r = 1 / sqrt(mean x^2 + eps): dx += r (w dy) - x r^3 / n sum(w dy x), dweight += dy x r
    void (*norm_backward)(const float *x, const float *weight, float epsilon, const float *dy, uint32_t n, float *dx,
                          float *dweight);
    // out = silu(gate) up
    void (*swiglu_backward)(const float *gate, const float *up, const float *dout, uint32_t n, float *dgate,
                            float *dup);
    void (*rope_backward)(float *dx, const float *cosines, const float *sines, uint32_t head_dim); // one head, in place
    // Row `row` of a packed operand as f32: (e2m1 s_b) g, as kernels/nvfp4.h decodes it.
    void (*unpack)(const nb_act *act, uint32_t row, float *x);
    // A vector of the E1M2 cache (the V layout of kernels/kv.h) as f32, g = 1.
    void (*kv_decode)(const uint8_t *vector, uint32_t head_dim, float *x);
    float (*dot)(const float *x, const float *y, uint32_t n);
    void (*add)(float *sum, const float *x, uint32_t n);                      // sum += x
    void (*add_scaled)(float *sum, const float *x, float factor, uint32_t n); // sum += factor x
    void (*to_bf16)(const float *x, uint32_t n, uint16_t *out);               // nearest, ties to even
    void (*logit_stats)(const float *z, uint32_t n, nb_grad_logits *stats);
    // z becomes scale p - sem p (ln p + H), less `scale` at `target`; p = e^(z - lse)
    void (*logit_gradient)(float *z, uint32_t n, const nb_grad_logits *stats, uint32_t target, float scale, float sem);
    void (*attend_forward)(const nb_grad_attend *args);
    void (*attend_backward)(const nb_grad_attend *args);
} nb_grad_kernels;

#define NB_DECLARE_GRAD_KERNELS(isa_name)                                                                              \
    extern const nb_grad_kernels nb_grad_rows_##isa_name;                                                              \
    void nb_grad_attend_forward_##isa_name(const nb_grad_attend *args);                                                \
    void nb_grad_attend_backward_##isa_name(const nb_grad_attend *args);
NB_DECLARE_GRAD_KERNELS(scalar)
#if defined(__x86_64__)
NB_DECLARE_GRAD_KERNELS(avx2)
NB_DECLARE_GRAD_KERNELS(avx512)
#elif defined(__aarch64__)
NB_DECLARE_GRAD_KERNELS(neon)
#endif

// The table beside the inference kernels of that name (those of NEON serve i8mm too).
nb_grad_kernels nb_grad_select(const nb_cpu_kernels *cpu);

#endif
