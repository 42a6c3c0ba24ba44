// SPDX-License-Identifier: Apache-2.0
#include "apps/qat/init_model.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/tutor/traces/chance.h"
#include "kernels/floats.h"
#include "platform/path.h"
#include "runtime/safetensors_write.h"

enum { NAME_BYTES = 64, TENSORS_A_LAYER = 12, TENSORS_OUTSIDE = 3 };

typedef enum fill { FILL_ZERO, FILL_ONE, FILL_NORMAL, FILL_RESIDUAL } fill;

typedef struct init_list {
    nb_tensor *tensors, **order;
    char (*names)[NAME_BYTES];
    fill *fills; // as tensors
    size_t n;
    nb_dtype dtype;
} init_list;

// `columns` 0: a vector.
static void add(init_list *list, const char *name, uint64_t rows, uint64_t columns, fill how)
{
    snprintf(list->names[list->n], NAME_BYTES, "%s", name);
    list->tensors[list->n] = (nb_tensor){
        .name = list->names[list->n], .dtype = list->dtype, .rank = columns ? 2 : 1, .shape = {rows, columns}};
    list->fills[list->n] = how;
    list->order[list->n] = &list->tensors[list->n];
    list->n++;
}

static void add_layer(init_list *list, const nb_config *config, uint32_t layer)
{
    const uint64_t D = config->hidden_size, F = config->ffn_size, E = config->head_dim;
    const uint64_t q = config->n_heads * E, kv = config->n_kv_heads * E;
    const struct {
        const char *name;
        uint64_t rows, columns;
        fill how;
    } parts[TENSORS_A_LAYER] = {
        {"input_layernorm.weight", D, 0, FILL_ONE},          {"self_attn.q_proj.weight", q, D, FILL_NORMAL},
        {"self_attn.q_proj.bias", q, 0, FILL_ZERO},          {"self_attn.k_proj.weight", kv, D, FILL_NORMAL},
        {"self_attn.k_proj.bias", kv, 0, FILL_ZERO},         {"self_attn.v_proj.weight", kv, D, FILL_NORMAL},
        {"self_attn.v_proj.bias", kv, 0, FILL_ZERO},         {"self_attn.o_proj.weight", D, q, FILL_RESIDUAL},
        {"post_attention_layernorm.weight", D, 0, FILL_ONE}, {"mlp.gate_proj.weight", F, D, FILL_NORMAL},
        {"mlp.up_proj.weight", F, D, FILL_NORMAL},           {"mlp.down_proj.weight", D, F, FILL_RESIDUAL},
    };
    for (size_t i = 0; i < TENSORS_A_LAYER; i++) {
        char name[NAME_BYTES];
        snprintf(name, sizeof name, "model.layers.%u.%s", layer, parts[i].name);
        add(list, name, parts[i].rows, parts[i].columns, parts[i].how);
    }
}

static bool list_tensors(init_list *list, const nb_config *config)
{
    size_t n = (size_t)TENSORS_A_LAYER * config->n_layers + TENSORS_OUTSIDE;
    list->tensors = calloc(n, sizeof *list->tensors);
    list->order = calloc(n, sizeof *list->order);
    list->names = calloc(n, sizeof *list->names);
    list->fills = calloc(n, sizeof *list->fills);
    if (!list->tensors || !list->order || !list->names || !list->fills)
        return false;
    add(list, "model.embed_tokens.weight", config->vocab_size, config->hidden_size, FILL_NORMAL);
    for (uint32_t layer = 0; layer < config->n_layers; layer++)
        add_layer(list, config, layer);
    add(list, "model.norm.weight", config->hidden_size, 0, FILL_ONE);
    if (!config->tied_head)
        add(list, "lm_head.weight", config->vocab_size, config->hidden_size, FILL_NORMAL);
    return true;
}

static void free_list(init_list *list)
{
    free(list->tensors);
    free(list->order);
    free(list->names);
    free(list->fills);
}

// Mean 0 and variance 1, within 6: the sum of twelve uniform numbers of 16 bits, their middles taken.
static double draw_normal(nb_chance *chance)
{
    int64_t sum = 0;
    for (int i = 0; i < 3; i++) {
        uint64_t bits = nb_chance_next(chance);
        for (int j = 0; j < 4; j++)
            sum += (int64_t)(bits >> (16 * j) & 0xffff) * 2 + 1;
    }
    return (double)(sum - 12 * 65536) / (2 * 65536);
}

static float draw(nb_chance *chance, fill how, double std, double residual_std)
{
    if (how == FILL_ZERO || how == FILL_ONE)
        return how == FILL_ONE;
    return (float)(draw_normal(chance) * (how == FILL_RESIDUAL ? residual_std : std));
}

static nb_status put_tensor(nb_safetensors_writer *file, const init_list *list, size_t index, nb_chance *chance,
                            double std, double residual_std, nb_error *error)
{
    const nb_tensor *tensor = &list->tensors[index];
    uint64_t n = tensor->shape[0] * (tensor->rank > 1 ? tensor->shape[1] : 1);
    while (n) {
        float values[1024];
        uint16_t halves[1024];
        size_t part = n < NB_COUNT(values) ? (size_t)n : NB_COUNT(values);
        for (size_t i = 0; i < part; i++) {
            values[i] = draw(chance, list->fills[index], std, residual_std);
            halves[i] = nb_bf16_encode(values[i]);
        }
        bool is_f32 = list->dtype == NB_DTYPE_F32;
        NB_TRY(nb_safetensors_writer_put(file, is_f32 ? (const void *)values : halves,
                                         part * (is_f32 ? sizeof *values : sizeof *halves), error));
        n -= part;
    }
    return NB_OK;
}

static nb_status write_weights(init_list *list, double std, double residual_std, uint64_t seed, const char *path,
                               nb_error *error)
{
    nb_safetensors_writer file;
    NB_TRY(nb_safetensors_writer_open(&file, path, list->order, list->n, error));
    nb_status status = NB_OK;
    for (size_t i = 0; i < list->n && status == NB_OK; i++) {
        nb_chance chance = {nb_chance_mix(seed + 1) ^ nb_chance_mix(~(uint64_t)i)}; // one stream for each tensor
        status = put_tensor(&file, list, i, &chance, std, residual_std, error);
    }
    if (status == NB_OK)
        return nb_safetensors_writer_commit(&file, error);
    nb_safetensors_writer_abort(&file);
    return status;
}

nb_status nb_init_weights(const nb_config *config, double std, uint64_t seed, nb_dtype dtype, const char *directory,
                          nb_error *error)
{
    char path[PATH_MAX];
    if (strcmp(config->model_type, "qwen2") != 0 || config->quant != NB_QUANT_NONE)
        return nb_error_set(error, NB_ERR_INPUT, "config.json: expected a plain qwen2 model, found %s%s",
                            config->model_type, config->quant == NB_QUANT_NONE ? "" : ", quantised");
    if (snprintf(path, sizeof path, "%s/model.safetensors", directory) >= (int)sizeof path)
        return nb_path_error("write", directory, ENAMETOOLONG, error);
    init_list list = {.dtype = dtype};
    nb_status status = nb_error_set(error, NB_ERR_SYSTEM, "out of memory");
    if (list_tensors(&list, config))
        status = write_weights(&list, std, std / sqrt(2.0 * config->n_layers), seed, path, error);
    free_list(&list);
    return status;
}
