// SPDX-License-Identifier: Apache-2.0
// The forward pass: runtime/forward.c for whole documents, with what the backward pass needs kept.
//
//   x -> norm, round -> q k v product, QK-norm, RoPE, K - shift, K and V rounded -> attention within each document
//     -> round -> o product added to x -> norm, round -> gate and up products -> silu(gate) up, round -> down product
//        added to x
#include <string.h>

#include "apps/qat/net_state.h"

nb_act nb_net_pack_row(const nb_net *net, uint32_t worker, const float *x, uint32_t n_cols, float g)
{
    nb_act act = net->workers[worker].act;
    act.n_rows = 1;
    act.n_cols = n_cols;
    act.x = (float *)(uintptr_t)x; // the quantiser only reads it
    net->exec.cpu->pack(&act, 0, g);
    return act;
}

void nb_net_round_row(const nb_net *net, uint32_t worker, const float *x, uint32_t n_cols, float g, float *factor,
                      float *out)
{
    nb_act act = nb_net_pack_row(net, worker, x, n_cols, g);
    if (factor) {
        *factor = act.globals[0];
        act.globals[0] = 1;
    }
    net->grad.unpack(&act, 0, out);
}

void nb_net_input_rows(const nb_net *net, uint32_t worker, const float *x, const nb_net_norm *norm, uint32_t n_rows,
                       float *factors, float *out)
{
    uint32_t n = net->model.config.hidden_size;
    for (uint32_t i = 0; i < n_rows; i++, x += n, out += n) {
        net->exec.cpu->norm(x, norm->value, net->model.config.norm_epsilon, n, out);
        if (nb_net_rounds(net))
            nb_net_round_row(net, worker, out, n, 0, factors ? &factors[i] : NULL, out);
    }
}

void nb_net_mixed_rows(const nb_net *net, uint32_t worker, const float *mixed, uint32_t n_rows, float *factors,
                       float *out)
{
    uint32_t n = net->model.config.n_heads * net->model.config.head_dim;
    if (!nb_net_rounds(net))
        memcpy(out, mixed, (size_t)n_rows * n * sizeof *out);
    else
        for (uint32_t i = 0; i < n_rows; i++)
            nb_net_round_row(net, worker, mixed + (size_t)i * n, n, 0, factors ? &factors[i] : NULL,
                             out + (size_t)i * n);
}

void nb_net_ffn_rows(const nb_net *net, uint32_t worker, const float *gate_up, uint32_t n_rows, float *factors,
                     float *out)
{
    uint32_t n = net->model.config.ffn_size;
    for (uint32_t i = 0; i < n_rows; i++, gate_up += 2 * (size_t)n, out += n) {
        net->exec.cpu->swiglu(gate_up, gate_up + n, n, out);
        if (nb_net_rounds(net))
            nb_net_round_row(net, worker, out, n, 0, factors ? &factors[i] : NULL, out);
    }
}

// ---- jobs of a layer ----------------------------------------------------------------------------------------------

typedef struct layer_job {
    nb_net *net;
    nb_net_layer *layer;
    float *x_out; // NULL: not wanted
} layer_job;

// One key or value through the cache's encoder, as it is stored, and back.
static void round_kv(const nb_net *net, uint32_t worker, float *x)
{
    uint32_t width = net->model.config.head_dim;
    uint8_t *vector = net->workers[worker].kv;
    net->exec.cpu->store_v(NB_KV_FORMAT_E1M2, x, 1.0f, width, 0, vector);
    net->grad.kv_decode(vector, width, x);
}

// Row t of q k v: QK-norm from `raw`, RoPE, shift, rounding.
static void finish_row(const nb_net *net, const nb_net_layer *layer, uint32_t worker, uint32_t t)
{
    const nb_config *config = &net->model.config;
    uint32_t width = config->head_dim, n_rotated = config->n_heads + config->n_kv_heads;
    float *row = layer->heads + (size_t)t * net->width;
    const float *raw = layer->raw ? layer->raw + (size_t)t * net->width : NULL;
    size_t angles = (size_t)t * (width / 2);
    for (uint32_t h = 0; h < n_rotated; h++) {
        const nb_net_norm *norm = h < config->n_heads ? &layer->q_norm : &layer->k_norm;
        if (raw)
            net->exec.cpu->norm(raw + h * width, norm->value, config->norm_epsilon, width, row + h * width);
        net->exec.cpu->rope(row + h * width, net->cosines + angles, net->sines + angles, width);
    }
    float *k = row + (size_t)config->n_heads * width, *v = k + (size_t)config->n_kv_heads * width;
    if (raw)
        memcpy(v, raw + n_rotated * width, (size_t)config->n_kv_heads * width * sizeof *v);
    if (!nb_net_rounds(net))
        return;
    for (uint32_t i = 0; layer->k_shift && i < config->n_kv_heads * width; i++)
        k[i] = k[i] - layer->k_shift[i];
    for (uint32_t i = 0; i < 2 * config->n_kv_heads; i++)
        round_kv(net, worker, k + i * width);
}

static void qkv_tile(void *context, uint32_t tile, uint32_t worker)
{
    const layer_job *job = context;
    nb_net *net = job->net;
    const nb_net_layer *layer = job->layer;
    uint32_t begin = tile * NB_NET_TILE, end = nb_net_tile_end(net, tile);
    nb_net_worker *w = &net->workers[worker];
    nb_net_input_rows(net, worker, nb_net_row(layer->x, begin, net->model.config.hidden_size), &layer->attention_norm,
                      end - begin, w->factors, w->a);
    nb_net_product(net, worker, &layer->qkv, w->a, end - begin, false,
                   nb_net_row(layer->raw ? layer->raw : layer->heads, begin, net->width));
    for (uint32_t t = begin; t < end; t++)
        finish_row(net, layer, worker, t);
}

static void ffn_tile(void *context, uint32_t tile, uint32_t worker)
{
    const layer_job *job = context;
    nb_net *net = job->net;
    const nb_config *config = &net->model.config;
    const nb_net_layer *layer = job->layer;
    uint32_t begin = tile * NB_NET_TILE, n = nb_net_tile_end(net, tile) - begin;
    nb_net_worker *w = &net->workers[worker];
    size_t row_bytes = config->hidden_size * sizeof(float);
    float *x_mid = nb_net_row(layer->x_mid, begin, config->hidden_size);
    nb_net_mixed_rows(net, worker, nb_net_row(layer->mixed, begin, layer->o.n_cols), n, w->factors, w->a);
    memcpy(x_mid, nb_net_row(layer->x, begin, config->hidden_size), n * row_bytes);
    nb_net_product(net, worker, &layer->o, w->a, n, true, x_mid);
    nb_net_input_rows(net, worker, x_mid, &layer->mlp_norm, n, w->factors, w->a);
    float *gate_up = nb_net_row(layer->ffn, begin, layer->gate_up.n_rows);
    nb_net_product(net, worker, &layer->gate_up, w->a, n, false, gate_up);
    if (!job->x_out)
        return;
    float *out = nb_net_row(job->x_out, begin, config->hidden_size);
    nb_net_ffn_rows(net, worker, gate_up, n, w->factors, w->wide);
    memcpy(out, x_mid, n * row_bytes);
    nb_net_product(net, worker, &layer->down, w->wide, n, true, out);
}

nb_grad_attend nb_net_attend_args(nb_net *net, const nb_net_layer *layer, uint32_t job, uint32_t worker)
{
    const nb_config *config = &net->model.config;
    uint32_t document = job / config->n_kv_heads, kv_head = job % config->n_kv_heads;
    uint32_t first = net->batch->starts[document], group = config->n_heads / config->n_kv_heads;
    size_t width = config->head_dim, k_at = (size_t)(config->n_heads + kv_head) * width;
    size_t q_at = (size_t)kv_head * group * width, v_at = k_at + (size_t)config->n_kv_heads * width;
    size_t he = config->n_heads * width, row = first * (size_t)net->width, head = (size_t)kv_head * group;
    nb_grad_attend args = {.n_rows = net->batch->starts[document + 1] - first,
                           .head_dim = config->head_dim,
                           .group = group,
                           .n_heads = config->n_heads,
                           .qkv_stride = net->width,
                           .o_stride = he,
                           .q = layer->heads + row + q_at,
                           .k = layer->heads + row + k_at,
                           .v = layer->heads + row + v_at,
                           .o = layer->mixed + first * he + q_at,
                           .lse = layer->lse + (size_t)first * config->n_heads + head,
                           .scratch = net->workers[worker].attend};
    if (net->d_qkv.f32) {
        args.d_o = net->d_mixed + first * he + q_at;
        args.delta = net->delta + (size_t)first * config->n_heads + head;
        args.dq = net->d_qkv.f32 + row + q_at;
        args.dk = net->d_qkv.f32 + row + k_at;
        args.dv = net->d_qkv.f32 + row + v_at;
    }
    return args;
}

static void attention_job(void *context, uint32_t job_index, uint32_t worker)
{
    const layer_job *job = context;
    nb_grad_attend args = nb_net_attend_args(job->net, job->layer, job_index, worker);
    job->net->grad.attend_forward(&args);
}

void nb_net_forward_layer(nb_net *net, uint32_t layer, bool with_output)
{
    layer_job job = {net, &net->layers[layer], with_output ? net->residual[layer + 1] : NULL};
    nb_pool *pool = net->options.pool;
    nb_pool_run(pool, net->n_tiles, qkv_tile, &job);
    nb_pool_run(pool, net->batch->n_documents * net->model.config.n_kv_heads, attention_job, &job);
    nb_pool_run(pool, net->n_tiles, ffn_tile, &job);
}

// ---- the whole ----------------------------------------------------------------------------------------------------

static uint32_t position_of(const nb_net *net, uint32_t document, uint32_t t)
{
    return net->batch->positions ? net->batch->positions[t] : t - net->batch->starts[document];
}

static void fill_angles(nb_net *net)
{
    uint32_t n_pairs = net->model.config.head_dim / 2;
    size_t row_bytes = n_pairs * sizeof(float);
    for (uint32_t d = 0; d < net->batch->n_documents; d++)
        for (uint32_t t = net->batch->starts[d]; t < net->batch->starts[d + 1]; t++) {
            uint32_t position = position_of(net, d, t);
            float *cosines = net->cosines + (size_t)t * n_pairs, *sines = net->sines + (size_t)t * n_pairs;
            if (position >= net->options.n_rows_max) {
                nb_rope_angles(&net->rope, position, cosines, sines);
                continue;
            }
            memcpy(cosines, net->table_cosines + (size_t)position * n_pairs, row_bytes);
            memcpy(sines, net->table_sines + (size_t)position * n_pairs, row_bytes);
        }
}

void nb_net_begin(nb_net *net, const nb_batch *batch, const nb_net_loss *loss)
{
    net->batch = batch;
    net->loss = loss;
    net->n_rows = batch->n_rows;
    net->n_tiles = (uint32_t)nb_div_ceil(batch->n_rows, NB_NET_TILE);
    net->n_scored = 0;
    for (uint32_t d = 0; d < batch->n_documents; d++)
        for (uint32_t t = batch->starts[d] + 1; t < batch->starts[d + 1]; t++)
            if (batch->targets[t]) {
                net->scored_row[net->n_scored] = t - 1;
                net->scored_next[net->n_scored++] = (uint32_t)batch->ids[t];
            }
    fill_angles(net);
}

static void embed_tile(void *context, uint32_t tile, uint32_t worker)
{
    (void)worker;
    nb_net *net = context;
    size_t n = net->model.config.hidden_size;
    for (uint32_t t = tile * NB_NET_TILE; t < nb_net_tile_end(net, tile); t++)
        memcpy(net->residual[0] + t * n, net->embedding + (size_t)net->batch->ids[t] * n, n * sizeof(float));
}

void nb_net_forward(nb_net *net)
{
    nb_pool_run(net->options.pool, net->n_tiles, embed_tile, net);
    for (uint32_t i = 0; i < net->model.config.n_layers; i++)
        nb_net_forward_layer(net, i, true);
}
