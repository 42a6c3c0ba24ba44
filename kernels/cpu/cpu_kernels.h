// SPDX-License-Identifier: Apache-2.0
// The kernels behind the CPU's op table: what one worker does with one chunk. Each ISA exports one fragment of this
// table; a missing entry is taken from the scalar one. Every entry equals its scalar twin bit for bit, so the canonical
// order of every sum stands here.
//
// Lanes: a sum over k is kept in 16 lanes, lane j taking the elements (or blocks) k = j, j + 16, j + 32, ... in order,
// each by one fma; then the fixed tree: lane i += lane i + 8, then + 4, + 2, + 1.
#ifndef NB_KERNELS_CPU_CPU_KERNELS_H
#define NB_KERNELS_CPU_CPU_KERNELS_H

#include "kernels/ops.h"

// For what must become part of its caller, so that its sums stay in registers.
#define NB_INLINE static inline __attribute__((always_inline))

// Rows [row_begin, row_end) of y = W x for every row of act; y[t * y_stride + n].
typedef struct nb_linear_chunk {
    const nb_weight *weight;
    const nb_act *act;
    uint32_t row_begin, row_end;
    float *y;
    size_t y_stride;
    bool add;
} nb_linear_chunk;

enum { NB_ATTEND_QUERIES = 8 };

// One segment of attention for up to 8 queries (rows and heads) that share a KV head and a ring.
// Per query, over the segment's slots t that its view holds, value(.) the decoded element without block scale:
//   block sum  B_b(t) = fma(q_d, value(k_td), .) over d = 16b .. min(16b + 15, E - 1) in order, from 0
//   dot(t)     = fma(B_b(t), s_b(t), .) over b in order, from 0     (s = 1 for bf16 and f32)
//   score(t)   = dot(t) * qk_scale;  m = max score(t);  p(t) = nb_exp(score(t) - m), 0 outside the view
//   l          = 16 lanes by t mod 16, plain additions in ascending t, from 0, then the tree
//   o_d        = fma(p(t), value(v_td) * s_b(t), .) over t in ascending order, from 0; the product in it is exact
// Tiles of 16 slots of which no query sees a slot may be skipped (they add zeros). A query that sees no slot of the
// segment gets m = -INFINITY, l = 0, o = 0.
typedef struct nb_attend_chunk {
    nb_kv_format format;
    uint32_t head_dim;
    const uint8_t *k, *v;          // the head's areas of the ring (kernels/kv.h)
    uint32_t slot_begin, slot_end; // the segment; begin a multiple of 256, at most 256 slots, end a multiple of 16
    float qk_scale;
    uint32_t n_queries;
    const float *q[NB_ATTEND_QUERIES]; // [E] each
    const nb_kv_view *views[NB_ATTEND_QUERIES];
    float *partials[NB_ATTEND_QUERIES]; // [E + 2] each: o, then m, then l
} nb_attend_chunk;

struct nb_cpu_kernels {
    const char *isa;
    // y = (0.25 S) (g_w g_a) [+ bias] [added to y], S over blocks in lanes: fma(float(integer block sum), s_w * s_a, .)
    void (*linear_nvfp4)(const nb_linear_chunk *chunk);
    // y = S [* g_w] [+ bias] [added to y], S over k in lanes: fma(w_k, x_k, .); w decoded exactly (NVFP4: e2m1 * s_b)
    void (*linear_float)(const nb_linear_chunk *chunk);
    void (*attend)(const nb_attend_chunk *chunk);
    // Row-wise; n columns, one row.
    void (*norm)(const float *x, const float *weight, float epsilon, uint32_t n, float *y);
    void (*pack)(const nb_act *act, uint32_t row, float static_scale);
    void (*swiglu)(const float *gate, const float *up, uint32_t n, float *out);
    void (*rope)(float *x, const float *cosines, const float *sines, uint32_t head_dim); // one head, rotate-half
    // One K (shift may be NULL) or V vector into slot `slot` of its area. scale: g.
    void (*store_k)(nb_kv_format format, const float *k, const float *shift, float scale, uint32_t head_dim,
                    uint32_t slot, uint8_t *area);
    void (*store_v)(nb_kv_format format, const float *v, float scale, uint32_t head_dim, uint32_t slot, uint8_t *area);
    // out_d = (sum_i fma(o_i,d, c_i, .)) / (sum_i fma(l_i, c_i, .)) * v_scale, c_i = nb_exp(m_i - max m), segments i in
    // order, those with m = -INFINITY left out. partials: [n_segments][E + 2]
    void (*combine)(const float *partials, uint32_t n_segments, uint32_t head_dim, float v_scale, float *out);
};

// The functions of one ISA, one translation unit an operation: kernels/cpu/<operation>_<isa>.c.
#define NB_DECLARE_KERNELS(isa)                                                                                        \
    void nb_linear_nvfp4_##isa(const nb_linear_chunk *chunk);                                                          \
    void nb_linear_float_##isa(const nb_linear_chunk *chunk);                                                          \
    void nb_attend_##isa(const nb_attend_chunk *chunk);                                                                \
    void nb_norm_##isa(const float *x, const float *weight, float epsilon, uint32_t n, float *y);                      \
    void nb_pack_##isa(const nb_act *act, uint32_t row, float static_scale);                                           \
    void nb_swiglu_##isa(const float *gate, const float *up, uint32_t n, float *out);                                  \
    void nb_rope_##isa(float *x, const float *cosines, const float *sines, uint32_t head_dim);                         \
    void nb_store_k_##isa(nb_kv_format format, const float *k, const float *shift, float scale, uint32_t head_dim,     \
                          uint32_t slot, uint8_t *area);                                                               \
    void nb_store_v_##isa(nb_kv_format format, const float *v, float scale, uint32_t head_dim, uint32_t slot,          \
                          uint8_t *area);                                                                              \
    void nb_combine_##isa(const float *partials, uint32_t n_segments, uint32_t head_dim, float v_scale, float *out);
NB_DECLARE_KERNELS(scalar)
#if defined(__x86_64__)
NB_DECLARE_KERNELS(avx2)
NB_DECLARE_KERNELS(avx512)
#elif defined(__aarch64__)
NB_DECLARE_KERNELS(neon)
void nb_linear_nvfp4_i8mm(const nb_linear_chunk *chunk);
#endif

// The complete tables that this build holds, worst first, ending with NULL (kernels/cpu/cpu_tables.c).
extern const nb_cpu_kernels *const nb_cpu_tables[];

// Whether this CPU can run the table of that name.
bool nb_cpu_table_runs(const nb_cpu_kernels *table);

// The CPU backend's operations (kernels/cpu/ops_cpu.c); fused slots empty.
void nb_ops_cpu(nb_ops *ops);

// The fixed tree over 16 lanes.
static inline float nb_lane_sum(float *lanes)
{
    for (int half = 8; half >= 1; half /= 2)
        for (int i = 0; i < half; i++)
            lanes[i] += lanes[i + half];
    return lanes[0];
}

// The end of every product: bias, residual, store.
static inline void nb_linear_put(const nb_linear_chunk *chunk, uint32_t row, uint32_t t, float y)
{
    if (chunk->weight->bias)
        y = y + chunk->weight->bias[row];
    float *at = chunk->y + t * chunk->y_stride + row;
    *at = chunk->add ? *at + y : y;
}

#endif
