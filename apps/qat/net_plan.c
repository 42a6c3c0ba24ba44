// SPDX-License-Identifier: Apache-2.0
// Every buffer of a net, described once: counted for the plan, then placed.
#include "apps/qat/net_state.h"

static float *take(nb_arena *arena, size_t a, size_t b)
{
    return nb_arena_take(arena, nb_size_product(nb_size_product(a, b), sizeof(float)), 64);
}

static uint16_t *take_bf16(const nb_net *net, nb_arena *arena, size_t a, size_t b)
{
    if (!nb_net_multiplies_bf16(net))
        return NULL;
    return nb_arena_take(arena, nb_size_product(nb_size_product(a, b), sizeof(uint16_t)), 64);
}

static nb_net_matrix take_matrix(nb_net *net, size_t n_rows, size_t n_cols)
{
    return (nb_net_matrix){take(&net->scratch, n_rows, n_cols), take_bf16(net, &net->scratch, n_rows, n_cols),
                           (uint32_t)n_cols};
}

// Of which only products read more than a tile.
static nb_net_matrix take_input(nb_net *net, size_t n_cols)
{
    size_t n_rows = net->options.n_rows_max;
    if (!nb_net_multiplies_bf16(net))
        return take_matrix(net, n_rows, n_cols);
    return (nb_net_matrix){NULL, take_bf16(net, &net->scratch, n_rows, n_cols), (uint32_t)n_cols};
}

static void describe_operand(nb_net *net, nb_net_linear *linear)
{
    linear->bf16 = take_bf16(net, &net->operands, linear->n_rows, linear->n_cols);
    if (nb_net_multiplies_bf16(net))
        return;
    linear->transposed_stride = linear->n_rows + 16;
    linear->transposed = take(&net->operands, linear->n_cols, linear->transposed_stride);
    if (nb_net_rounds(net))
        linear->rounded = take(&net->operands, linear->n_rows, linear->n_cols);
}

static void describe_kept(nb_net *net, nb_net_layer *layer)
{
    const nb_config *config = &net->model.config;
    nb_arena *arena = &net->activations;
    size_t n = net->options.n_rows_max;
    layer->raw = layer->q_norm.n ? take(arena, n, net->width) : NULL;
    layer->heads = take(arena, n, net->width);
    layer->mixed = take(arena, n, (size_t)config->n_heads * config->head_dim);
    layer->lse = take(arena, n, config->n_heads);
    layer->x_mid = take(arena, n, config->hidden_size);
    layer->ffn = take(arena, n, 2 * (size_t)config->ffn_size);
}

static void describe_layers(nb_net *net)
{
    const nb_config *config = &net->model.config;
    bool shares = net->options.recompute || net->options.forward_only;
    for (uint32_t i = 0; i < config->n_layers; i++) {
        nb_net_layer *layer = &net->layers[i];
        nb_net_linear *linears[] = {&layer->qkv, &layer->o, &layer->gate_up, &layer->down};
        for (size_t j = 0; j < NB_COUNT(linears); j++)
            describe_operand(net, linears[j]);
        if (i == 0 || !shares) {
            describe_kept(net, layer);
        } else {
            const nb_net_layer *first = &net->layers[0];
            layer->raw = first->raw;
            layer->heads = first->heads;
            layer->mixed = first->mixed;
            layer->lse = first->lse;
            layer->x_mid = first->x_mid;
            layer->ffn = first->ffn;
        }
    }
    net->head.bf16 = take_bf16(net, &net->operands, config->vocab_size, config->hidden_size);
    for (uint32_t i = 0; i <= config->n_layers; i++) {
        bool is_own = i < 2 || !net->options.forward_only;
        net->residual[i] =
            is_own ? take(&net->activations, net->options.n_rows_max, config->hidden_size) : net->residual[i - 2];
        if (i < config->n_layers)
            net->layers[i].x = net->residual[i];
    }
}

static void describe_rows(nb_net *net)
{
    const nb_config *config = &net->model.config;
    nb_arena *arena = &net->scratch;
    size_t n = net->options.n_rows_max, pairs = config->head_dim / 2;
    net->table_cosines = take(arena, n, pairs);
    net->table_sines = take(arena, n, pairs);
    net->cosines = take(arena, n, pairs);
    net->sines = take(arena, n, pairs);
    net->scored_row = nb_arena_take(arena, nb_size_product(n, sizeof(uint32_t)), 64);
    net->scored_next = nb_arena_take(arena, nb_size_product(n, sizeof(uint32_t)), 64);
    net->stats = nb_arena_take(arena, nb_size_product(n, sizeof(nb_grad_logits)), 64);
    net->nll = take(arena, n, 1);
    net->weights = take(arena, n, 1);
    net->sorted = take(arena, n, 1);
    // 64 MB of logits at most, a whole number of workers' tiles, one at least.
    size_t rows = (16u << 20) / config->vocab_size / NB_NET_LOGIT_ROWS * NB_NET_LOGIT_ROWS;
    rows = nb_min(nb_max(rows, NB_NET_LOGIT_ROWS), NB_NET_GROUP_MAX);
    net->group_rows = (uint32_t)nb_min(rows, nb_align_up(n, NB_NET_LOGIT_ROWS));
    net->logits = take_matrix(net, net->group_rows, config->vocab_size);
    net->final_rows = take_matrix(net, n, config->hidden_size);
}

static void describe_backward(nb_net *net)
{
    const nb_config *config = &net->model.config;
    nb_arena *arena = &net->scratch;
    size_t n = net->options.n_rows_max, d = config->hidden_size, f = config->ffn_size;
    size_t he = (size_t)config->n_heads * config->head_dim;
    net->d_final = take(arena, n, d);
    net->dx = take_matrix(net, n, d);
    net->dx_mid = take_matrix(net, n, d);
    net->dx_in = take(arena, n, d);
    net->in_qkv = take_input(net, d);
    net->in_gate_up = take_input(net, d);
    net->in_o = take_input(net, he);
    net->d_mixed = take(arena, n, he);
    net->in_down = take_input(net, f);
    net->d_gate_up = take_matrix(net, n, 2 * f);
    net->d_qkv = take_matrix(net, n, net->width);
    net->delta = take(arena, n, config->n_heads);
    net->n_partials = 2 * d + 2 * (size_t)config->head_dim + net->width + d + 2 * f + d;
    net->partials = take(arena, nb_div_ceil(n, NB_NET_LOGIT_ROWS), net->n_partials);
}

static void describe_worker(nb_net *net, nb_net_worker *worker)
{
    const nb_config *config = &net->model.config;
    nb_arena *arena = &net->scratch;
    size_t d = nb_max(config->hidden_size, (size_t)config->n_heads * config->head_dim);
    uint32_t widest = (uint32_t)nb_max(d, config->ffn_size), n_steps = nb_act_steps(widest);
    worker->a = take(arena, NB_NET_TILE, d);
    worker->b = take(arena, NB_NET_TILE, d);
    worker->wide = take(arena, NB_NET_TILE, config->ffn_size);
    worker->bf16 = take_bf16(net, arena, NB_NET_TILE, widest);
    if (nb_net_multiplies_bf16(net))
        worker->spare = take(arena, NB_NET_TILE, nb_max(nb_max(d, net->width), 2 * (size_t)config->ffn_size));
    if (nb_net_multiplies_bf16(net) && nb_net_rounds(net))
        worker->factors = take(arena, NB_NET_TILE, 1);
    worker->attend = take(arena, nb_grad_attend_floats(net->options.n_rows_max, config->head_dim), 1);
    worker->act.steps = nb_arena_take(arena, n_steps * sizeof(nb_act_step), _Alignof(nb_act_step));
    worker->act.globals = take(arena, 1, 1);
    worker->kv = nb_arena_take(arena, nb_kv_vector_bytes(NB_KV_FORMAT_E1M2, config->head_dim), 64);
}

void nb_net_describe(nb_net *net)
{
    net->values = take(&net->masters, net->n_values, 1);
    if (!net->options.forward_only)
        net->grads = take(&net->gradients, net->n_values, 1);
    describe_layers(net);
    describe_rows(net);
    if (!net->options.forward_only)
        describe_backward(net);
    for (uint32_t i = 0; i < nb_pool_size(net->options.pool); i++)
        describe_worker(net, &net->workers[i]);
}

void nb_net_count(const nb_net *net, nb_net_plan *plan)
{
    const nb_arena *arenas[] = {&net->masters, &net->gradients, &net->operands, &net->activations, &net->scratch};
    uint64_t *bytes[] = {&plan->parameter_bytes, &plan->gradient_bytes, &plan->operand_bytes, &plan->activation_bytes,
                         &plan->scratch_bytes};
    plan->total_bytes = 0;
    for (size_t i = 0; i < NB_COUNT(arenas); i++) {
        *bytes[i] = arenas[i]->counted_bytes;
        if (__builtin_add_overflow(plan->total_bytes, *bytes[i], &plan->total_bytes))
            plan->total_bytes = UINT64_MAX;
    }
}
