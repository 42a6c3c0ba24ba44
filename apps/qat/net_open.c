// SPDX-License-Identifier: Apache-2.0
// From a Hugging Face directory to a net: the parameters in order, their memory, their values.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/qat/net_state.h"
#include "kernels/floats.h"
#include "kernels/nvfp4.h"
#include "platform/memory.h"
#include "runtime/checkpoint.h"
#include "runtime/family.h"

// ---- the list of parameters ---------------------------------------------------------------------------------------

// Walks over the model twice: without memory it counts, with it every tensor gets its place.
typedef struct layout {
    nb_net *net;
    const nb_family *family;
    nb_param *next; // NULL while counting
    size_t n_params, n_values;
} layout;

// Where the next tensor goes.
static float *place(const layout *l, float *base)
{
    return base ? base + l->n_values : NULL;
}

static void add_param(layout *l, const char *name, uint64_t rows, uint64_t cols, int32_t group)
{
    size_t n = (size_t)(rows * (cols ? cols : 1));
    if (l->next) {
        nb_param *p = l->next + l->n_params;
        *p = (nb_param){.value = place(l, l->net->values),
                        .grad = place(l, l->net->grads),
                        .n = n,
                        .rank = cols ? 2 : 1,
                        .shape = {rows, cols ? cols : 1},
                        .group = group,
                        .decays = cols != 0};
        snprintf(p->name, sizeof p->name, "%s", name);
    }
    l->n_params++;
    l->n_values += n;
}

static void add_norm(layout *l, int layer, size_t slot, nb_net_norm *norm)
{
    const nb_config *config = &l->net->model.config;
    for (size_t i = 0; i < l->family->n_norms; i++)
        if (l->family->norms[i].slot == slot) {
            char name[96];
            size_t n = nb_family_size(config, l->family->norms[i].size);
            snprintf(name, sizeof name, "model.layers.%d.%s.weight", layer, l->family->norms[i].name);
            norm->n = (uint32_t)n;
            norm->value = place(l, l->net->values);
            norm->grad = place(l, l->net->grads);
            add_param(l, name, n, 0, -1);
        }
}

static const nb_family_linear *linear_of(const layout *l, size_t slot)
{
    size_t i = 0;
    while (l->family->linears[i].slot != slot)
        i++;
    return &l->family->linears[i];
}

// Weights of one shared input one after another, then their biases.
static void add_linear(layout *l, int layer, const size_t *slots, size_t n_slots, int group, nb_net_linear *linear)
{
    const nb_config *config = &l->net->model.config;
    char name[96];
    linear->n_rows = 0;
    linear->value = place(l, l->net->values);
    linear->grad = place(l, l->net->grads);
    for (size_t i = 0; i < n_slots; i++) {
        const nb_family_linear *part = linear_of(l, slots[i]);
        uint64_t rows = nb_family_size(config, part->rows);
        linear->n_cols = (uint32_t)nb_family_size(config, part->cols);
        linear->n_rows += (uint32_t)rows;
        snprintf(name, sizeof name, "model.layers.%d.%s.weight", layer, part->name);
        add_param(l, name, rows, linear->n_cols, group);
    }
    if (!nb_family_has_bias(config, linear_of(l, slots[0])->bias))
        return;
    linear->bias = place(l, l->net->values);
    linear->bias_grad = place(l, l->net->grads);
    for (size_t i = 0; i < n_slots; i++) {
        const nb_family_linear *part = linear_of(l, slots[i]);
        snprintf(name, sizeof name, "model.layers.%d.%s.bias", layer, part->name);
        add_param(l, name, nb_family_size(config, part->rows), 0, -1);
    }
}

static void add_layer(layout *l, int i, nb_net_layer *layer)
{
    static const size_t qkv[] = {offsetof(nb_layer, q), offsetof(nb_layer, k), offsetof(nb_layer, v)};
    static const size_t o[] = {offsetof(nb_layer, o)}, down[] = {offsetof(nb_layer, down)};
    static const size_t gate_up[] = {offsetof(nb_layer, gate), offsetof(nb_layer, up)};
    add_norm(l, i, offsetof(nb_layer, attention_norm), &layer->attention_norm);
    add_linear(l, i, qkv, NB_COUNT(qkv), 4 * i, &layer->qkv);
    add_norm(l, i, offsetof(nb_layer, q_norm), &layer->q_norm);
    add_norm(l, i, offsetof(nb_layer, k_norm), &layer->k_norm);
    add_linear(l, i, o, 1, 4 * i + 1, &layer->o);
    add_norm(l, i, offsetof(nb_layer, mlp_norm), &layer->mlp_norm);
    add_linear(l, i, gate_up, NB_COUNT(gate_up), 4 * i + 2, &layer->gate_up);
    add_linear(l, i, down, 1, 4 * i + 3, &layer->down);
}

// Where the sums of a tile over its rows lie.
static void place_partials(nb_net_layer *layer)
{
    size_t at = 0;
    nb_net_norm *norms[] = {&layer->attention_norm, &layer->mlp_norm, &layer->q_norm, &layer->k_norm};
    nb_net_linear *linears[] = {&layer->qkv, &layer->o, &layer->gate_up, &layer->down};
    for (size_t i = 0; i < NB_COUNT(norms); i++) {
        norms[i]->partial = at;
        at += norms[i]->n;
    }
    for (size_t i = 0; i < NB_COUNT(linears); i++) {
        linears[i]->bias_partial = at;
        at += linears[i]->n_rows;
    }
}

static void lay_out(nb_net *net, nb_param *params)
{
    const nb_config *config = &net->model.config;
    layout l = {.net = net, .family = nb_family_find(config->model_type), .next = params};
    net->embedding = net->head.f32 = place(&l, net->values);
    net->head.n_cols = config->hidden_size;
    net->embedding_grad = net->head_grad = place(&l, net->grads);
    add_param(&l, "model.embed_tokens.weight", config->vocab_size, config->hidden_size, -1);
    for (uint32_t i = 0; i < config->n_layers; i++) {
        add_layer(&l, (int)i, &net->layers[i]);
        place_partials(&net->layers[i]);
        net->layers[i].k_shift = net->model.layers[i].k_shift;
    }
    net->final_norm = (nb_net_norm){place(&l, net->values), place(&l, net->grads), config->hidden_size, 0};
    add_param(&l, "model.norm.weight", config->hidden_size, 0, -1);
    if (!config->tied_head) {
        net->head.f32 = place(&l, net->values);
        net->head_grad = place(&l, net->grads);
        add_param(&l, "lm_head.weight", config->vocab_size, config->hidden_size, -1);
    }
    net->n_params = l.n_params;
    net->n_values = l.n_values;
}

// ---- values -------------------------------------------------------------------------------------------------------

static nb_status put_floats(const nb_checkpoint *checkpoint, const nb_param *param, bool f32_only, nb_error *error)
{
    const nb_entry *entry = nb_checkpoint_find(checkpoint, param->name);
    const nb_tensor *tensor = entry ? entry->tensor : NULL;
    char expected[64], found[128];
    uint64_t n = tensor ? (tensor->end - tensor->begin) * 8 / nb_dtype_bits(tensor->dtype) : 0;
    bool is_float = tensor && (tensor->dtype == NB_DTYPE_F32 ||
                               (!f32_only && (tensor->dtype == NB_DTYPE_F16 || tensor->dtype == NB_DTYPE_BF16 ||
                                              tensor->dtype == NB_DTYPE_F64)));
    if (!is_float || n != param->n || tensor->rank != param->rank || tensor->shape[0] != param->shape[0])
        return nb_error_set(error, NB_ERR_INPUT, "tensor %s: expected %s %s, found %s %s", param->name,
                            f32_only ? "F32" : "F32, F16 or BF16",
                            nb_shape_text(param->shape, param->rank, expected, sizeof expected),
                            tensor ? nb_dtype_name(tensor->dtype) : "none",
                            tensor ? nb_shape_text(tensor->shape, tensor->rank, found, sizeof found) : "");
    const uint8_t *data = checkpoint->shards[entry->shard].map.data + tensor->begin;
    for (size_t i = 0; i < param->n; i++) {
        uint16_t half;
        double wide;
        if (tensor->dtype == NB_DTYPE_F32) {
            memcpy(&param->value[i], data + 4 * i, 4);
        } else if (tensor->dtype == NB_DTYPE_F64) {
            memcpy(&wide, data + 8 * i, 8);
            param->value[i] = (float)wide;
        } else {
            memcpy(&half, data + 2 * i, 2);
            param->value[i] = tensor->dtype == NB_DTYPE_BF16 ? nb_bf16_decode(half) : nb_f16_decode(half);
        }
        if (!isfinite(param->value[i]))
            return nb_error_set(error, NB_ERR_INPUT,
                                "tensor %s: index %zu: expected a finite value, found NaN or "
                                "infinity",
                                param->name, i);
    }
    return NB_OK;
}

static nb_status read_all(nb_net *net, const char *path, bool f32_only, nb_error *error)
{
    nb_checkpoint checkpoint;
    NB_TRY(nb_checkpoint_open(&checkpoint, path, error));
    nb_status status = NB_OK;
    for (size_t i = 0; i < net->n_params && status == NB_OK; i++)
        status = put_floats(&checkpoint, &net->params[i], f32_only, error);
    nb_checkpoint_close(&checkpoint);
    return status;
}

nb_status nb_net_load(nb_net *net, const char *path, nb_error *error)
{
    nb_status status = read_all(net, path, true, error);
    nb_net_update(net);
    return status;
}

// ---- opening ------------------------------------------------------------------------------------------------------

static nb_status check_products(const nb_net *net, nb_error *error)
{
    if (nb_product_runs(net->options.products))
        return NB_OK;
    return nb_error_set(
        error, NB_ERR_ARGUMENT,
        "products in bf16: expected an x86 CPU with AVX-512, for which oneDNN has them, found one without; "
        "try --products f32");
}

static nb_status check_model(const nb_net *net, const char *directory, nb_error *error)
{
    const nb_config *config = &net->model.config;
    if (net->model.is_quantised)
        return nb_error_set(error, NB_ERR_INPUT, "%s: expected a full-precision model (BF16, F16 or F32), found %s",
                            directory, net->model.format);
    uint32_t widths[] = {config->hidden_size, config->ffn_size, config->head_dim};
    for (size_t i = 0; nb_net_rounds(net) && i < NB_COUNT(widths); i++)
        if (widths[i] % NB_NVFP4_BLOCK != 0)
            return nb_error_set(error, NB_ERR_INPUT,
                                "%s: expected hidden_size, intermediate_size and head_dim in blocks of %d for 4-bit "
                                "operands, found %u",
                                directory, NB_NVFP4_BLOCK, widths[i]);
    return NB_OK;
}

static nb_status place_all(nb_net *net, const nb_net_plan *plan, nb_error *error)
{
    nb_memory memory;
    nb_memory_probe(&memory);
    if (plan->total_bytes > nb_memory_takeable(&memory))
        return nb_error_set(error, NB_ERR_FIT,
                            "training takes %.1f MB; expected at most %.1f MB, what is free less a reserve; try fewer "
                            "tokens a micro-batch, or recomputing",
                            (double)plan->total_bytes / 1e6, (double)nb_memory_takeable(&memory) / 1e6);
    nb_arena *arenas[] = {&net->masters, &net->gradients, &net->operands, &net->activations, &net->scratch};
    for (size_t i = 0; i < NB_COUNT(arenas); i++)
        if (arenas[i]->counted_bytes > 0)
            NB_TRY(nb_arena_place(arenas[i], error));
    nb_net_describe(net);
    for (size_t i = 0; i < NB_COUNT(arenas); i++)
        if (arenas[i]->counted_bytes > 0)
            nb_arena_seal(arenas[i]);
    return NB_OK;
}

static nb_status allocate(nb_net *net, nb_error *error)
{
    uint32_t n_layers = net->model.config.n_layers;
    net->layers = calloc(n_layers, sizeof *net->layers);
    net->residual = calloc((size_t)n_layers + 1, sizeof *net->residual);
    net->workers = calloc(nb_pool_size(net->options.pool), sizeof *net->workers);
    if (net->layers && net->residual && net->workers)
        lay_out(net, NULL);
    net->params = calloc(net->n_params + 1, sizeof *net->params);
    if (net->layers && net->residual && net->workers && net->params)
        return NB_OK;
    return nb_error_set(error, NB_ERR_FIT, "out of memory for the list of parameters");
}

static void fill_angles(nb_net *net)
{
    uint32_t n_pairs = net->model.config.head_dim / 2;
    nb_rope_table_init(&net->rope, &net->model.config.rope, net->model.config.head_dim);
    for (uint32_t t = 0; t < net->options.n_rows_max; t++)
        nb_rope_angles(&net->rope, t, net->table_cosines + (size_t)t * n_pairs, net->table_sines + (size_t)t * n_pairs);
}

static nb_status open_net(nb_net *net, const char *directory, bool plan_only, nb_net_plan *plan, nb_error *error)
{
    const nb_config *config = &net->model.config;
    NB_TRY(nb_ops_select(&net->ops, &net->exec, net->options.isa, error));
    NB_TRY(check_products(net, error));
    net->grad = nb_grad_select(net->exec.cpu);
    NB_TRY(nb_model_open(&net->model, directory, false, NULL, NULL, error));
    NB_TRY(check_model(net, directory, error));
    net->width = (config->n_heads + 2 * config->n_kv_heads) * config->head_dim;
    NB_TRY(allocate(net, error));
    nb_net_describe(net);
    nb_net_count(net, plan);
    if (plan_only)
        return NB_OK;
    NB_TRY(place_all(net, plan, error));
    lay_out(net, net->params);
    NB_TRY(read_all(net, directory, false, error));
    fill_angles(net);
    nb_net_update(net);
    return NB_OK;
}

nb_status nb_net_open(nb_net **result, const char *directory, const nb_net_options *options, bool plan_only,
                      nb_net_plan *plan, nb_error *error)
{
    nb_net_plan unwanted;
    *result = NULL;
    nb_net *net = calloc(1, sizeof *net);
    if (!net)
        return nb_error_set(error, NB_ERR_FIT, "out of memory");
    net->options = *options;
    net->exec.pool = options->pool;
    nb_arena_init(&net->masters, NB_MEMORY_WEIGHTS);
    nb_arena_init(&net->gradients, NB_MEMORY_WEIGHTS);
    nb_arena_init(&net->operands, NB_MEMORY_WEIGHTS);
    nb_arena_init(&net->activations, NB_MEMORY_SCRATCH);
    nb_arena_init(&net->scratch, NB_MEMORY_SCRATCH);
    nb_status status = open_net(net, directory, plan_only, plan ? plan : &unwanted, error);
    if (status != NB_OK || plan_only)
        nb_net_close(net);
    else
        *result = net;
    return status;
}

void nb_net_close(nb_net *net)
{
    if (!net)
        return;
    nb_arena *arenas[] = {&net->masters, &net->gradients, &net->operands, &net->activations, &net->scratch};
    for (size_t i = 0; i < NB_COUNT(arenas); i++)
        nb_arena_release(arenas[i]);
    nb_model_close(&net->model);
    free(net->layers);
    free(net->residual);
    free(net->workers);
    free(net->params);
    free(net);
}

const nb_config *nb_net_config(const nb_net *net)
{
    return &net->model.config;
}

const char *nb_net_isa(const nb_net *net)
{
    return net->exec.cpu->isa;
}

nb_param *nb_net_params(nb_net *net, size_t *n_params)
{
    *n_params = net->n_params;
    return net->params;
}

void nb_net_zero_gradients(nb_net *net)
{
    memset(net->grads, 0, net->n_values * sizeof *net->grads);
}
