// SPDX-License-Identifier: Apache-2.0
#include "runtime/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/file.h"
#include "runtime/config_read.h"
#include "runtime/family.h"
#include "runtime/limits.h"

static const char config_file[] = "config.json";
static const char quant_file[] = "hf_quant_config.json";
static const char generation_file[] = "generation_config.json";

static nb_status read_family(nb_config *config, const nb_json_reader *reader)
{
    const char *model_type = NULL;
    NB_TRY(nb_json_string(reader, "model_type", NB_JSON_REQUIRED, &model_type));
    const nb_family *family = nb_family_find(model_type);
    if (!family)
        return nb_json_unexpected(reader, "model_type", "a supported family (llama, qwen2, qwen3)",
                                  nb_json_find(reader, "model_type"));
    snprintf(config->model_type, sizeof config->model_type, "%s", family->model_type);
    return NB_OK;
}

static nb_status read_sizes(nb_config *c, const nb_json_reader *r)
{
    NB_TRY(nb_json_u32(r, "hidden_size", NB_JSON_REQUIRED, 1, NB_LIMIT_HIDDEN, &c->hidden_size));
    NB_TRY(nb_json_u32(r, "intermediate_size", NB_JSON_REQUIRED, 1, NB_LIMIT_FFN, &c->ffn_size));
    NB_TRY(nb_json_u32(r, "num_hidden_layers", NB_JSON_REQUIRED, 1, NB_LIMIT_LAYERS, &c->n_layers));
    NB_TRY(nb_json_u32(r, "num_attention_heads", NB_JSON_REQUIRED, 1, NB_LIMIT_HEADS, &c->n_heads));
    NB_TRY(nb_json_u32(r, "vocab_size", NB_JSON_REQUIRED, 1, NB_LIMIT_VOCAB, &c->vocab_size));
    NB_TRY(nb_json_u32(r, "max_position_embeddings", NB_JSON_REQUIRED, 1, NB_LIMIT_POSITIONS, &c->max_positions));
    c->n_kv_heads = c->n_heads;
    NB_TRY(nb_json_u32(r, "num_key_value_heads", NB_JSON_OPTIONAL, 1, NB_LIMIT_HEADS, &c->n_kv_heads));
    if (c->n_heads % c->n_kv_heads != 0)
        return nb_json_unexpected(r, "num_key_value_heads", "a divisor of num_attention_heads",
                                  nb_json_find(r, "num_key_value_heads"));
    if (!nb_json_find(r, "head_dim") && c->hidden_size % c->n_heads != 0)
        return nb_json_unexpected(r, "hidden_size", "a multiple of num_attention_heads (no head_dim is given)",
                                  nb_json_find(r, "hidden_size"));
    c->head_dim = c->hidden_size / c->n_heads;
    NB_TRY(nb_json_u32(r, "head_dim", NB_JSON_OPTIONAL, 1, NB_LIMIT_HEAD_DIM, &c->head_dim));
    if (c->head_dim % 2 != 0 || c->head_dim == 0 || c->head_dim > NB_LIMIT_HEAD_DIM)
        return nb_error_set(r->error, NB_ERR_INPUT, "%s: head_dim: expected an even number up to %u, found %u", r->file,
                            NB_LIMIT_HEAD_DIM, c->head_dim);
    return NB_OK;
}

static nb_status read_layer_types(const nb_json_reader *reader)
{
    const json_t *types = NULL;
    NB_TRY(nb_json_array(reader, "layer_types", NB_JSON_OPTIONAL, &types));
    for (size_t i = 0; i < json_array_size(types); i++) {
        const json_t *type = json_array_get(types, i);
        if (!json_is_string(type) || strcmp(json_string_value(type), "full_attention") != 0)
            return nb_json_unexpected(reader, "layer_types", "full_attention (others are not supported)", type);
    }
    return NB_OK;
}

// What changes the computation and is not supported must be refused, not ignored.
static nb_status read_behaviour(nb_config *config, const nb_json_reader *reader)
{
    const char *activation = "silu";
    NB_TRY(nb_json_string(reader, "hidden_act", NB_JSON_OPTIONAL, &activation));
    if (strcmp(activation, "silu") != 0)
        return nb_json_unexpected(reader, "hidden_act", "silu", nb_json_find(reader, "hidden_act"));
    bool sliding = false;
    NB_TRY(nb_json_bool(reader, "use_sliding_window", NB_JSON_OPTIONAL, &sliding));
    if (sliding)
        return nb_json_unexpected(reader, "use_sliding_window", "false (sliding windows are not supported)",
                                  nb_json_find(reader, "use_sliding_window"));
    NB_TRY(read_layer_types(reader));
    double epsilon = 1e-6;
    NB_TRY(nb_json_number(reader, "rms_norm_eps", NB_JSON_OPTIONAL, 1e-12, 1e-1, &epsilon));
    config->norm_epsilon = (float)epsilon;
    NB_TRY(nb_json_bool(reader, "tie_word_embeddings", NB_JSON_OPTIONAL, &config->tied_head));
    NB_TRY(nb_json_bool(reader, "attention_bias", NB_JSON_OPTIONAL, &config->attention_bias));
    return nb_json_bool(reader, "mlp_bias", NB_JSON_OPTIONAL, &config->mlp_bias);
}

static nb_status add_eos(nb_config *config, const nb_json_reader *reader, const json_t *value)
{
    json_int_t id = json_integer_value(value);
    if (!json_is_integer(value) || id < 0 || id >= (json_int_t)NB_LIMIT_VOCAB)
        return nb_json_unexpected(reader, "eos_token_id", "token ids", value);
    for (uint32_t i = 0; i < config->n_eos_ids; i++)
        if (config->eos_ids[i] == (int32_t)id)
            return NB_OK;
    if (config->n_eos_ids == NB_LIMIT_EOS_IDS)
        return nb_json_unexpected(reader, "eos_token_id", "at most 16 ids", value);
    config->eos_ids[config->n_eos_ids++] = (int32_t)id;
    return NB_OK;
}

static nb_status read_special_ids(nb_config *config, const nb_json_reader *reader)
{
    uint32_t bos = 0;
    if (config->bos_id < 0 && nb_json_find(reader, "bos_token_id")) {
        NB_TRY(nb_json_u32(reader, "bos_token_id", NB_JSON_REQUIRED, 0, NB_LIMIT_VOCAB - 1, &bos));
        config->bos_id = (int32_t)bos;
    }
    const json_t *eos = nb_json_find(reader, "eos_token_id");
    if (!json_is_array(eos))
        return eos ? add_eos(config, reader, eos) : NB_OK;
    for (size_t i = 0; i < json_array_size(eos); i++)
        NB_TRY(add_eos(config, reader, json_array_get(eos, i)));
    return NB_OK;
}

nb_status nb_config_check_blocks(const nb_config *config, nb_error *error)
{
    const struct {
        const char *name;
        uint32_t size;
    } sizes[] = {{"hidden_size", config->hidden_size},
                 {"intermediate_size", config->ffn_size},
                 {"num_attention_heads * head_dim", config->n_heads * config->head_dim},
                 {"head_dim", config->head_dim}};
    for (size_t i = 0; config->quant != NB_QUANT_NONE && i < NB_COUNT(sizes); i++)
        if (sizes[i].size % 16 != 0)
            return nb_error_set(error, NB_ERR_INPUT,
                                "%s: %s: expected a multiple of 16 (the checkpoint is quantised), found %u",
                                config_file, sizes[i].name, sizes[i].size);
    return NB_OK;
}

static nb_status read_config(nb_config *config, const nb_json_reader *reader, bool has_legacy)
{
    NB_TRY(read_family(config, reader));
    NB_TRY(read_sizes(config, reader));
    if ((uint64_t)config->n_heads * config->head_dim > NB_LIMIT_HIDDEN)
        return nb_error_set(reader->error, NB_ERR_INPUT,
                            "%s: num_attention_heads * head_dim: expected at most %u, found %u", reader->file,
                            NB_LIMIT_HIDDEN, config->n_heads * config->head_dim);
    NB_TRY(read_behaviour(config, reader));
    NB_TRY(nb_config_read_rope(config, reader));
    NB_TRY(read_special_ids(config, reader));
    return has_legacy ? NB_OK : nb_config_read_quant(config, reader);
}

typedef nb_status (*read_fn)(nb_config *config, const nb_json_reader *reader, bool has_legacy);

static nb_status read_quant_file(nb_config *config, const nb_json_reader *reader, bool has_legacy)
{
    (void)has_legacy;
    return nb_config_read_quant_legacy(config, reader);
}

static nb_status read_generation_file(nb_config *config, const nb_json_reader *reader, bool has_legacy)
{
    (void)has_legacy;
    return read_special_ids(config, reader);
}

static nb_status read_document(nb_config *config, const char *file, const char *json, size_t bytes, read_fn read,
                               bool has_legacy, nb_error *error)
{
    json_t *root;
    NB_TRY(nb_json_parse(&root, json, bytes, NB_LIMIT_CONFIG_VALUES, file, error));
    nb_status status = read(config, &(nb_json_reader){root, file, error}, has_legacy);
    json_decref(root);
    return status;
}

nb_status nb_config_parse(nb_config *config, const char *json, size_t json_bytes, const char *quant_json,
                          size_t quant_bytes, const char *generation_json, size_t generation_bytes, nb_error *error)
{
    *config = (nb_config){.bos_id = -1};
    bool has_legacy = quant_json != NULL;
    nb_status status = read_document(config, config_file, json, json_bytes, read_config, has_legacy, error);
    if (status == NB_OK && quant_json)
        status = read_document(config, quant_file, quant_json, quant_bytes, read_quant_file, has_legacy, error);
    if (status == NB_OK && generation_json)
        status = read_document(config, generation_file, generation_json, generation_bytes, read_generation_file,
                               has_legacy, error);
    if (status == NB_OK)
        status = nb_config_check_blocks(config, error);
    if (status != NB_OK)
        nb_config_release(config);
    return status;
}

// Leaves `*text` NULL when the file is not there and need not be.
static nb_status read_file(const char *directory, const char *name, nb_json_need need, char **text, size_t *bytes,
                           nb_error *error)
{
    char *path;
    if (asprintf(&path, "%s/%s", directory, name) < 0)
        return nb_error_set(error, NB_ERR_SYSTEM, "%s: out of memory", name);
    nb_status status = NB_OK;
    if (need == NB_JSON_REQUIRED || nb_file_exists(path))
        status = nb_file_read(path, NB_LIMIT_CONFIG_BYTES, text, bytes, error);
    free(path);
    return status;
}

nb_status nb_config_open(nb_config *config, const char *directory, nb_error *error)
{
    *config = (nb_config){0};
    char *json = NULL, *quant = NULL, *generation = NULL;
    size_t json_bytes = 0, quant_bytes = 0, generation_bytes = 0;
    nb_status status = read_file(directory, config_file, NB_JSON_REQUIRED, &json, &json_bytes, error);
    if (status == NB_OK)
        status = read_file(directory, quant_file, NB_JSON_OPTIONAL, &quant, &quant_bytes, error);
    if (status == NB_OK)
        status = read_file(directory, generation_file, NB_JSON_OPTIONAL, &generation, &generation_bytes, error);
    if (status == NB_OK)
        status = nb_config_parse(config, json, json_bytes, quant, quant_bytes, generation, generation_bytes, error);
    free(json);
    free(quant);
    free(generation);
    return status;
}

void nb_config_release(nb_config *config)
{
    for (uint32_t i = 0; i < config->n_exclude_modules; i++)
        free(config->exclude_modules[i]);
    free(config->exclude_modules);
    *config = (nb_config){0};
}
