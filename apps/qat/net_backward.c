// SPDX-License-Identifier: Apache-2.0
// The backward pass of one layer after another. What is cheap to make again (norms, SwiGLU, rounding) is made again;
// rounding passes gradients straight through.
#include <string.h>

#include "apps/qat/net_state.h"

// ---- jobs of a layer ----------------------------------------------------------------------------------------------

typedef struct weight_product {
    const nb_net_linear *linear;
    nb_net_matrix dy, x; // [T, n_rows], [T, n_cols]
} weight_product;

typedef struct layer_job {
    nb_net *net;
    const nb_net_layer *layer;
    weight_product products[4];
} layer_job;

static float *partials_of(const nb_net *net, uint32_t tile)
{
    return net->partials + tile * net->n_partials;
}

static void sum_bias(const nb_net *net, const nb_net_linear *linear, const float *dy, uint32_t n_rows, float *partials)
{
    for (uint32_t i = 0; linear->bias && i < n_rows; i++)
        net->grad.add(partials + linear->bias_partial, dy + (size_t)i * linear->n_rows, linear->n_rows);
}

// dx = residual + norm's part of dy, both [rows, D].
static void through_norm(const nb_net *net, const nb_net_norm *norm, const float *x, const float *dy,
                         const float *residual, uint32_t n_rows, float *dx, float *partials)
{
    uint32_t n = net->model.config.hidden_size;
    memcpy(dx, residual, (size_t)n_rows * n * sizeof *dx);
    for (size_t i = 0; i < n_rows; i++)
        net->grad.norm_backward(x + i * n, norm->value, net->model.config.norm_epsilon, dy + i * n, n, dx + i * n,
                                partials + norm->partial);
}

// From dx to d_mixed: down, SwiGLU, gate and up, norm, o.
static void ffn_tile(void *context, uint32_t tile, uint32_t worker)
{
    const layer_job *job = context;
    nb_net *net = job->net;
    const nb_config *config = &net->model.config;
    const nb_net_layer *layer = job->layer;
    uint32_t begin = tile * NB_NET_TILE, n = nb_net_tile_end(net, tile) - begin, f = config->ffn_size;
    uint32_t d = config->hidden_size, he = layer->o.n_cols;
    nb_net_worker *w = &net->workers[worker];
    float *partials = partials_of(net, tile), *x_mid = nb_net_row(layer->x_mid, begin, d);
    float *dx = nb_net_row(net->dx.f32, begin, d), *dx_mid = nb_net_row(net->dx_mid.f32, begin, d);
    float *ffn = nb_net_row(layer->ffn, begin, 2 * f), *d_ffn = nb_net_row(net->d_gate_up.f32, begin, 2 * f);
    float *mixed = nb_net_row(layer->mixed, begin, he), *d_mixed = nb_net_row(net->d_mixed, begin, he);
    memset(partials, 0, net->n_partials * sizeof *partials);
    float *in = nb_net_operand_place(net, worker, &net->in_down, begin);
    nb_net_ffn_rows(net, worker, ffn, n, NULL, in);
    nb_net_operands(net, in, &net->in_down, begin, n);
    nb_net_product_back(net, worker, &layer->down, &net->dx, begin, n, w->wide);
    for (size_t i = 0; i < n; i++)
        net->grad.swiglu_backward(ffn + i * 2 * f, ffn + i * 2 * f + f, w->wide + i * f, f, d_ffn + i * 2 * f,
                                  d_ffn + i * 2 * f + f);
    in = nb_net_operand_place(net, worker, &net->in_gate_up, begin);
    nb_net_input_rows(net, worker, x_mid, &layer->mlp_norm, n, NULL, in);
    nb_net_operands(net, in, &net->in_gate_up, begin, n);
    nb_net_product_back(net, worker, &layer->gate_up, &net->d_gate_up, begin, n, w->a);
    through_norm(net, &layer->mlp_norm, x_mid, w->a, dx, n, dx_mid, partials);
    in = nb_net_operand_place(net, worker, &net->in_o, begin);
    nb_net_mixed_rows(net, worker, mixed, n, NULL, in);
    nb_net_operands(net, in, &net->in_o, begin, n);
    nb_net_product_back(net, worker, &layer->o, &net->dx_mid, begin, n, d_mixed);
    for (size_t i = 0; i < n; i++)
        for (uint32_t h = 0; h < config->n_heads; h++) {
            size_t at = i * he + (size_t)h * config->head_dim;
            net->delta[(begin + i) * config->n_heads + h] = net->grad.dot(mixed + at, d_mixed + at, config->head_dim);
        }
    sum_bias(net, &layer->down, dx, n, partials);
    sum_bias(net, &layer->gate_up, d_ffn, n, partials);
    sum_bias(net, &layer->o, dx_mid, n, partials);
}

static void attention_job(void *context, uint32_t job_index, uint32_t worker)
{
    const layer_job *job = context;
    nb_grad_attend args = nb_net_attend_args(job->net, job->layer, job_index, worker);
    job->net->grad.attend_backward(&args);
}

// Row t of the gradients of q k v: RoPE and QK-norm undone.
static void undo_row(const nb_net *net, const nb_net_layer *layer, uint32_t t, float *partials)
{
    const nb_config *config = &net->model.config;
    uint32_t width = config->head_dim, n_rotated = config->n_heads + config->n_kv_heads;
    size_t angles = (size_t)t * (width / 2), at = (size_t)t * net->width;
    for (uint32_t h = 0; h < n_rotated; h++, at += width) {
        const nb_net_norm *norm = h < config->n_heads ? &layer->q_norm : &layer->k_norm;
        net->grad.rope_backward(net->d_qkv.f32 + at, net->cosines + angles, net->sines + angles, width);
        if (!layer->raw)
            continue;
        float dx[NB_LIMIT_HEAD_DIM] = {0};
        net->grad.norm_backward(layer->raw + at, norm->value, config->norm_epsilon, net->d_qkv.f32 + at, width, dx,
                                partials + norm->partial);
        memcpy(net->d_qkv.f32 + at, dx, width * sizeof *dx);
    }
}

// From d_qkv to dx_in: RoPE, q k v, norm.
static void qkv_tile(void *context, uint32_t tile, uint32_t worker)
{
    const layer_job *job = context;
    nb_net *net = job->net;
    const nb_net_layer *layer = job->layer;
    uint32_t begin = tile * NB_NET_TILE, end = nb_net_tile_end(net, tile), n = end - begin;
    uint32_t d = net->model.config.hidden_size;
    float *partials = partials_of(net, tile), *a = net->workers[worker].a;
    float *d_qkv = nb_net_row(net->d_qkv.f32, begin, net->width), *x = nb_net_row(layer->x, begin, d);
    float *in = nb_net_operand_place(net, worker, &net->in_qkv, begin);
    for (uint32_t t = begin; t < end; t++)
        undo_row(net, layer, t, partials);
    sum_bias(net, &layer->qkv, d_qkv, n, partials);
    nb_net_input_rows(net, worker, x, &layer->attention_norm, n, NULL, in);
    nb_net_operands(net, in, &net->in_qkv, begin, n);
    nb_net_product_back(net, worker, &layer->qkv, &net->d_qkv, begin, n, a);
    through_norm(net, &layer->attention_norm, x, a, nb_net_row(net->dx_mid.f32, begin, d), n,
                 nb_net_row(net->dx_in, begin, d), partials);
}

// One band of rows of one weight: dW += dy^T x over all rows of the pass.
static void weight_job(void *context, uint32_t band, uint32_t worker)
{
    (void)worker;
    const layer_job *job = context;
    const weight_product *p = job->products;
    for (uint32_t n; band >= (n = (uint32_t)nb_div_ceil(p->linear->n_rows, NB_NET_WEIGHT_ROWS)); p++)
        band -= n;
    const nb_net_linear *linear = p->linear;
    size_t begin = (size_t)band * NB_NET_WEIGHT_ROWS, n = nb_min(NB_NET_WEIGHT_ROWS, linear->n_rows - begin);
    nb_product_at(job->net->options.products, n, linear->n_cols, job->net->n_rows, nb_net_operand_at(&p->dy, 0, begin),
                  nb_net_operand_at(&p->x, 0, 0), true,
                  (nb_matrix){linear->grad + begin * linear->n_cols, linear->n_cols});
}

// ---- a layer ------------------------------------------------------------------------------------------------------

// Adds the tiles' sums in order.
static void reduce(const nb_net *net, size_t partial, uint32_t n, float *grad)
{
    for (uint32_t tile = 0; grad && tile < net->n_tiles; tile++)
        net->grad.add(grad, partials_of(net, tile) + partial, n);
}

static void reduce_layer(const nb_net *net, const nb_net_layer *layer)
{
    const nb_net_norm *norms[] = {&layer->attention_norm, &layer->mlp_norm, &layer->q_norm, &layer->k_norm};
    const nb_net_linear *linears[] = {&layer->qkv, &layer->o, &layer->gate_up, &layer->down};
    for (size_t i = 0; i < NB_COUNT(norms); i++)
        if (norms[i]->n)
            reduce(net, norms[i]->partial, norms[i]->n, norms[i]->grad);
    for (size_t i = 0; i < NB_COUNT(linears); i++)
        reduce(net, linears[i]->bias_partial, linears[i]->n_rows, linears[i]->bias_grad);
}

static void layer_backward(nb_net *net, uint32_t index)
{
    const nb_net_layer *layer = &net->layers[index];
    nb_pool *pool = net->options.pool;
    layer_job job = {.net = net,
                     .layer = layer,
                     .products = {{&layer->qkv, net->d_qkv, net->in_qkv},
                                  {&layer->o, net->dx_mid, net->in_o},
                                  {&layer->gate_up, net->d_gate_up, net->in_gate_up},
                                  {&layer->down, net->dx, net->in_down}}};
    uint32_t n_bands = 0;
    for (size_t i = 0; i < NB_COUNT(job.products); i++)
        n_bands += (uint32_t)nb_div_ceil(job.products[i].linear->n_rows, NB_NET_WEIGHT_ROWS);
    // The last layer's activations are still there.
    if (net->options.recompute && index + 1 < net->model.config.n_layers)
        nb_net_forward_layer(net, index, false);
    nb_pool_run(pool, net->n_tiles, ffn_tile, &job);
    nb_pool_run(pool, net->batch->n_documents * net->model.config.n_kv_heads, attention_job, &job);
    nb_pool_run(pool, net->n_tiles, qkv_tile, &job);
    nb_pool_run(pool, n_bands, weight_job, &job);
    reduce_layer(net, layer);
    float *swap = net->dx.f32;
    net->dx.f32 = net->dx_in;
    net->dx_in = swap;
}

// ---- embedding ----------------------------------------------------------------------------------------------------

enum { EMBED_COLS = 64 };

static void embed_columns(void *context, uint32_t chunk, uint32_t worker)
{
    (void)worker;
    nb_net *net = context;
    size_t d = net->model.config.hidden_size, begin = (size_t)chunk * EMBED_COLS, n = nb_min(EMBED_COLS, d - begin);
    for (uint32_t t = 0; t < net->n_rows; t++)
        net->grad.add(net->embedding_grad + (size_t)net->batch->ids[t] * d + begin, net->dx.f32 + t * d + begin,
                      (uint32_t)n);
}

void nb_net_backward(nb_net *net)
{
    for (uint32_t i = net->model.config.n_layers; i-- > 0;)
        layer_backward(net, i);
    nb_pool_run(net->options.pool, (uint32_t)nb_div_ceil(net->model.config.hidden_size, EMBED_COLS), embed_columns,
                net);
}
