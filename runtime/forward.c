// SPDX-License-Identifier: Apache-2.0
// The page to read after nibble.h: what happens to a token. Shapes: T rows of this pass, D hidden, H heads, G kv heads,
// E head width, F ffn. Seven calls a layer, each one slot of the op table (kernels/ops.h):
//
//   x [T, D] -> norm, pack -> q k v products, QK-norm, RoPE, K - shift, K and V into the ring
//            -> attention over the packed ring, pack -> o product added to x
//            -> norm, pack -> gate and up products, silu(gate) * up, pack -> down product added to x
//
// "pack" turns rows into NVFP4 when the weights that consume them are NVFP4 and the engine runs with 4-bit activations.
// Nothing here knows a family, a file or an ISA.
#include "runtime/forward.h"

// Whether the products with `weight` take packed rows.
static bool packs(const nb_machinery *m, const nb_weight *weight)
{
    return m->pack_activations && weight->format == NB_FORMAT_NVFP4;
}

// Of weights that share an input, the one that decides its form: one plain matrix does not unpack the others' rows, and
// is itself multiplied with the rows' f32; where their input scales differ the largest counts, as in other engines.
static const nb_weight *decider(const nb_weight *a, const nb_weight *b, const nb_weight *c)
{
    const nb_weight *others[] = {b, c}, *chosen = a;
    for (size_t i = 0; i < NB_COUNT(others); i++)
        if (others[i]->format == NB_FORMAT_NVFP4 &&
            (chosen->format != NB_FORMAT_NVFP4 || others[i]->input_scale > chosen->input_scale))
            chosen = others[i];
    return chosen;
}

// g for all rows, or 0: a g of each row's own.
static float static_scale(const nb_machinery *m, const nb_weight *weight)
{
    return m->static_activations ? weight->input_scale : 0.0f;
}

static void see(const nb_observer *observer, nb_stage stage, uint32_t layer, const float *values, uint32_t n_rows,
                uint32_t n_cols)
{
    if (observer)
        observer->see(observer->user, stage, layer, values, n_rows, n_cols);
}

static void norm_into(const nb_machinery *m, const float *x, const float *weight, const nb_weight *consumer,
                      nb_act *act)
{
    m->ops->norm_quantize(m->ops, m->exec,
                          &(nb_norm_quantize_args){.norm = {.x = x,
                                                            .weight = weight,
                                                            .epsilon = m->model->config.norm_epsilon,
                                                            .n_rows = act->n_rows,
                                                            .n_cols = act->n_cols},
                                                   .act = act,
                                                   .pack = packs(m, consumer),
                                                   .static_scale = static_scale(m, consumer)});
}

static void add_product(const nb_machinery *m, const nb_act *act, const nb_weight *weight, float *x)
{
    m->ops->linear(m->exec, &(nb_linear_args){.act = act, .weights = {weight}, .y = {x}, .n_weights = 1, .add = true});
}

static void attention_block(const nb_machinery *m, nb_scratch *s, const nb_rows *rows, uint32_t i,
                            const nb_observer *observer)
{
    const nb_config *config = &m->model->config;
    const nb_layer *layer = &m->model->layers[i];
    const nb_attention_layer shape = {.layer = i,
                                      .n_heads = config->n_heads,
                                      .n_kv_heads = config->n_kv_heads,
                                      .head_dim = config->head_dim,
                                      .q_norm = layer->q_norm,
                                      .k_norm = layer->k_norm,
                                      .k_shift = layer->k_shift,
                                      .epsilon = config->norm_epsilon,
                                      .k_scale = layer->k_scale,
                                      .v_scale = layer->v_scale};
    norm_into(m, s->x, layer->attention_norm, decider(&layer->q, &layer->k, &layer->v), &s->hidden);
    see(observer, NB_STAGE_ATTN_IN, i, s->hidden.x, rows->n_rows, config->hidden_size);
    m->ops->qkv_append(m->ops, m->exec,
                       &(nb_qkv_append_args){.qkv = {.act = &s->hidden,
                                                     .weights = {&layer->q, &layer->k, &layer->v},
                                                     .y = {s->q, s->k, s->v},
                                                     .n_weights = 3},
                                             .layer = &shape,
                                             .rows = rows});
    see(observer, NB_STAGE_Q, i, s->q, rows->n_rows, config->n_heads * config->head_dim);
    see(observer, NB_STAGE_K, i, s->k, rows->n_rows, config->n_kv_heads * config->head_dim);
    see(observer, NB_STAGE_V, i, s->v, rows->n_rows, config->n_kv_heads * config->head_dim);
    m->ops->attention_quantize(m->ops, m->exec,
                               &(nb_attention_quantize_args){.attention = {.layer = &shape,
                                                                           .rows = rows,
                                                                           .q = s->q,
                                                                           .partials = s->partials,
                                                                           .n_slots_max = s->n_slots_max},
                                                             .act = &s->mixed,
                                                             .pack = packs(m, &layer->o),
                                                             .static_scale = static_scale(m, &layer->o)});
    see(observer, NB_STAGE_ATTN_OUT, i, s->mixed.x, rows->n_rows, s->mixed.n_cols);
    add_product(m, &s->mixed, &layer->o, s->x);
}

static void ffn_block(const nb_machinery *m, nb_scratch *s, uint32_t n_rows, uint32_t i, const nb_observer *observer)
{
    const nb_layer *layer = &m->model->layers[i];
    norm_into(m, s->x, layer->mlp_norm, decider(&layer->gate, &layer->gate, &layer->up), &s->hidden);
    see(observer, NB_STAGE_MLP_IN, i, s->hidden.x, n_rows, s->hidden.n_cols);
    m->ops->gate_up(m->ops, m->exec,
                    &(nb_gate_up_args){.gate_up = {.act = &s->hidden,
                                                   .weights = {&layer->gate, &layer->up},
                                                   .y = {s->gate, s->up},
                                                   .n_weights = 2},
                                       .out = &s->ffn,
                                       .pack = packs(m, &layer->down),
                                       .static_scale = static_scale(m, &layer->down)});
    see(observer, NB_STAGE_MLP_ACT, i, s->ffn.x, n_rows, s->ffn.n_cols);
    add_product(m, &s->ffn, &layer->down, s->x);
}

void nb_forward(const nb_machinery *m, nb_scratch *s, uint32_t n_rows, const nb_observer *observer)
{
    const nb_config *config = &m->model->config;
    NB_ASSERT(n_rows > 0 && n_rows <= s->n_rows_max);
    s->hidden.n_rows = s->mixed.n_rows = s->ffn.n_rows = n_rows;
    for (uint32_t t = 0; t < n_rows; t++)
        nb_rope_angles(m->rope, s->positions[t], s->cosines + (size_t)t * m->rope->n_pairs,
                       s->sines + (size_t)t * m->rope->n_pairs);
    const nb_rows rows = {n_rows, s->positions, s->rings, s->cosines, s->sines};
    m->ops->embed(m->exec, &(nb_embed_args){&m->model->embedding, s->ids, n_rows, s->x});
    for (uint32_t i = 0; i < config->n_layers; i++) {
        see(observer, NB_STAGE_HIDDEN_IN, i, s->x, n_rows, config->hidden_size);
        attention_block(m, s, &rows, i, observer);
        see(observer, NB_STAGE_HIDDEN_MID, i, s->x, n_rows, config->hidden_size);
        ffn_block(m, s, n_rows, i, observer);
    }
}

void nb_forward_logits(const nb_machinery *m, nb_scratch *s, uint32_t row_begin, uint32_t n_rows, float *logits)
{
    NB_ASSERT(n_rows > 0 && n_rows <= s->n_logit_rows);
    s->last.n_rows = n_rows;
    norm_into(m, s->x + (size_t)row_begin * s->last.n_cols, m->model->final_norm, &m->model->head, &s->last);
    m->ops->linear(m->exec,
                   &(nb_linear_args){.act = &s->last, .weights = {&m->model->head}, .y = {logits}, .n_weights = 1});
}
