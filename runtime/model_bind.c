// SPDX-License-Identifier: Apache-2.0
// The walk over a model's tensors: the family's table decides names and shapes, the tensors that exist decide the
// format of each matrix.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runtime/model_bind.h"

static void enter_module(nb_binder *binder, int layer, const char *name)
{
    if (layer < 0)
        snprintf(binder->module, sizeof binder->module, "%s", name);
    else
        snprintf(binder->module, sizeof binder->module, "model.layers.%d.%s", layer, name);
}

// ---- matrices ----------------------------------------------------------------------------------------------------

static nb_format plain_format(nb_dtype dtype)
{
    return dtype == NB_DTYPE_F32 ? NB_FORMAT_F32 : dtype == NB_DTYPE_F16 ? NB_FORMAT_F16 : NB_FORMAT_BF16;
}

static nb_status bind_plain(nb_binder *binder, nb_weight *weight)
{
    nb_entry *entry;
    NB_TRY(nb_bind_find(binder, ".weight", NB_PLAIN_DTYPES, 2, (const uint64_t[]){weight->n_rows, weight->n_cols},
                        &entry));
    weight->format = plain_format(entry->tensor->dtype);
    weight->global_scale = 1;
    return nb_bind_bytes(binder, entry, &weight->data);
}

// compressed-tensors stores reciprocals of ModelOpt's global scales.
static nb_status bind_reciprocal(nb_binder *binder, const char *suffix, float *scale)
{
    float reciprocal = 1;
    NB_TRY(nb_bind_scalar(binder, suffix, false, &reciprocal));
    *scale = 1.0f / reciprocal;
    if (!isfinite(*scale))
        return nb_error_set(binder->error, NB_ERR_INPUT, "tensor %s%s: expected a finite reciprocal, found %g",
                            binder->module, suffix, (double)reciprocal);
    return NB_OK;
}

static nb_status bind_global_scales(nb_binder *binder, nb_weight *weight)
{
    if (binder->model->config.quant == NB_QUANT_COMPRESSED_TENSORS) {
        if (nb_bind_has(binder, ".input_global_scale"))
            NB_TRY(bind_reciprocal(binder, ".input_global_scale", &weight->input_scale));
        return bind_reciprocal(binder, ".weight_global_scale", &weight->global_scale);
    }
    if (nb_bind_has(binder, ".input_scale"))
        NB_TRY(nb_bind_scalar(binder, ".input_scale", false, &weight->input_scale));
    return nb_bind_scalar(binder, ".weight_scale_2", true, &weight->global_scale); // 0: the matrix is all zero
}

static nb_status bind_nvfp4(nb_binder *binder, nb_weight *weight, const char *codes)
{
    const uint64_t n_rows = weight->n_rows, n_cols = weight->n_cols;
    nb_entry *entry;
    weight->format = NB_FORMAT_NVFP4;
    NB_TRY(nb_bind_find(binder, codes, 1u << NB_DTYPE_U8, 2, (const uint64_t[]){n_rows, n_cols / 2}, &entry));
    NB_TRY(nb_bind_bytes(binder, entry, &weight->data));
    NB_TRY(nb_bind_find(binder, ".weight_scale", 1u << NB_DTYPE_F8_E4M3, 2, (const uint64_t[]){n_rows, n_cols / 16},
                        &entry));
    NB_TRY(nb_bind_bytes(binder, entry, &weight->scales));
    if (binder->tables->phase == NB_ARENA_PLACING && !binder->resident)
        NB_TRY(nb_bind_check_scales(binder, entry, weight->scales));
    binder->model->is_quantised = true;
    return bind_global_scales(binder, weight);
}

// Modules on the checkpoint's exclude list are stored plain, so what is stored decides; the list is not consulted.
static nb_status bind_linear(nb_binder *binder, const nb_family_linear *linear, nb_weight *weight)
{
    const nb_config *config = &binder->model->config;
    nb_quant_schema schema = config->quant;
    weight->n_rows = (uint32_t)nb_family_size(config, linear->rows);
    weight->n_cols = (uint32_t)nb_family_size(config, linear->cols);
    uint64_t before = binder->model->weight_bytes;
    if (schema == NB_QUANT_COMPRESSED_TENSORS && !nb_bind_has(binder, ".weight"))
        NB_TRY(bind_nvfp4(binder, weight, ".weight_packed"));
    else if (schema == NB_QUANT_MODELOPT && nb_bind_has(binder, ".weight_scale"))
        NB_TRY(bind_nvfp4(binder, weight, ".weight"));
    else
        NB_TRY(bind_plain(binder, weight));
    binder->model->weight_bytes_per_token += binder->model->weight_bytes - before;
    binder->model->n_parameters += (uint64_t)weight->n_rows * weight->n_cols;
    if (!nb_family_has_bias(config, linear->bias))
        return NB_OK;
    nb_entry *entry;
    binder->model->n_parameters += weight->n_rows;
    NB_TRY(nb_bind_find(binder, ".bias", NB_FLOAT_DTYPES, 1, (const uint64_t[]){weight->n_rows}, &entry));
    return nb_bind_table(binder, entry, weight->n_rows, &weight->bias);
}

// ---- vectors -----------------------------------------------------------------------------------------------------

static nb_status bind_norm(nb_binder *binder, uint64_t size, const float **table)
{
    nb_entry *entry;
    binder->model->n_parameters += size;
    NB_TRY(nb_bind_find(binder, ".weight", NB_FLOAT_DTYPES, 1, &size, &entry));
    return nb_bind_table(binder, entry, size, table);
}

// [G, E], or [1, G, 1, E] as it broadcasts over a batch.
static nb_status bind_shift(nb_binder *binder, int layer, const float **table)
{
    const nb_config *config = &binder->model->config;
    const uint64_t G = config->n_kv_heads, E = config->head_dim;
    enter_module(binder, layer, "self_attn.k_shift");
    if (!binder->model->has_key_shift)
        return NB_OK;
    nb_entry *entry = nb_checkpoint_find(binder->checkpoint, binder->module);
    if (entry && entry->tensor->rank == 4)
        NB_TRY(nb_bind_find(binder, "", NB_FLOAT_DTYPES, 4, (const uint64_t[]){1, G, 1, E}, &entry));
    else
        NB_TRY(nb_bind_find(binder, "", NB_FLOAT_DTYPES, 2, (const uint64_t[]){G, E}, &entry));
    return nb_bind_table(binder, entry, G * E, table);
}

static nb_status bind_cache_scale(nb_binder *binder, int layer, const char *module, const char *suffix, float *scale)
{
    const nb_config *config = &binder->model->config;
    *scale = 1;
    enter_module(binder, layer, module);
    if (config->quant != NB_QUANT_MODELOPT || !config->kv_declared_fp4 || !nb_bind_has(binder, suffix))
        return NB_OK;
    return nb_bind_scalar(binder, suffix, false, scale);
}

// ---- the whole ---------------------------------------------------------------------------------------------------

static nb_status bind_layer(nb_binder *binder, int index, nb_layer *layer)
{
    const nb_family *family = binder->family;
    for (size_t i = 0; i < family->n_norms; i++) {
        enter_module(binder, index, family->norms[i].name);
        NB_TRY(bind_norm(binder, nb_family_size(&binder->model->config, family->norms[i].size),
                         (const float **)((char *)layer + family->norms[i].slot)));
    }
    for (size_t i = 0; i < family->n_linears; i++) {
        enter_module(binder, index, family->linears[i].name);
        NB_TRY(bind_linear(binder, &family->linears[i], (nb_weight *)((char *)layer + family->linears[i].slot)));
    }
    NB_TRY(bind_shift(binder, index, &layer->k_shift));
    NB_TRY(bind_cache_scale(binder, index, "self_attn.k_proj", ".k_scale", &layer->k_scale));
    return bind_cache_scale(binder, index, "self_attn.v_proj", ".v_scale", &layer->v_scale);
}

static nb_status bind_ends(nb_binder *binder)
{
    nb_model *model = binder->model;
    const nb_config *config = &model->config;
    nb_weight shape = {.n_rows = config->vocab_size, .n_cols = config->hidden_size};
    uint64_t n = (uint64_t)shape.n_rows * shape.n_cols;
    model->embedding = shape;
    enter_module(binder, -1, "model.embed_tokens");
    NB_TRY(bind_plain(binder, &model->embedding));
    uint64_t embedding_bytes = model->weight_bytes;
    model->n_parameters += n;
    model->head = model->embedding;
    if (!config->tied_head) {
        model->head = shape;
        enter_module(binder, -1, "lm_head");
        NB_TRY(bind_plain(binder, &model->head));
        model->n_parameters += n;
    }
    uint64_t head_bytes = config->tied_head ? embedding_bytes : model->weight_bytes - embedding_bytes;
    model->weight_bytes_per_token += head_bytes + embedding_bytes / config->vocab_size;
    enter_module(binder, -1, "model.norm");
    return bind_norm(binder, config->hidden_size, &model->final_norm);
}

static const char *format_name(const nb_model *model)
{
    static const char *const plain[] = {[NB_FORMAT_F32] = "f32", [NB_FORMAT_F16] = "f16", [NB_FORMAT_BF16] = "bf16"};
    if (model->is_quantised)
        return model->config.quant == NB_QUANT_MODELOPT ? "nvfp4-modelopt" : "nvfp4-compressed-tensors";
    return plain[model->layers[0].q.format];
}

nb_status nb_bind_model(nb_binder *binder)
{
    nb_model *model = binder->model;
    model->n_parameters = model->weight_bytes = model->weight_bytes_per_token = 0;
    model->is_quantised = false;
    binder->done_bytes = 0;
    model->has_key_shift = false;
    for (size_t i = 0; i < binder->checkpoint->n_entries && !model->has_key_shift; i++) {
        const char *end = strstr(binder->checkpoint->entries[i].tensor->name, ".self_attn.k_shift");
        model->has_key_shift = end && strcmp(end, ".self_attn.k_shift") == 0; // one of them asks for all
    }
    NB_TRY(bind_ends(binder));
    for (uint32_t i = 0; i < model->config.n_layers; i++)
        NB_TRY(bind_layer(binder, (int)i, &model->layers[i]));
    model->format = format_name(model);
    binder->total_bytes = model->weight_bytes;
    return NB_OK;
}

// Tensors that change nothing here: recomputed angles, and scales that belong to other engines' caches and activations.
static bool is_harmless(const nb_config *config, const char *name)
{
    static const char *const always[] = {".rotary_emb.inv_freq"};
    static const char *const quantised[] = {".k_scale",     ".v_scale", ".q_scale", ".kv_scale",
                                            ".input_scale", ".k_bias",  ".v_bias"};
    if (config->tied_head && strcmp(name, "lm_head.weight") == 0)
        return true; // a second copy of the embedding, by the config's word
    size_t length = strlen(name);
    for (size_t i = 0; i < NB_COUNT(always); i++)
        if (length > strlen(always[i]) && strcmp(name + length - strlen(always[i]), always[i]) == 0)
            return true;
    for (size_t i = 0; config->quant != NB_QUANT_NONE && i < NB_COUNT(quantised); i++)
        if (length > strlen(quantised[i]) && strcmp(name + length - strlen(quantised[i]), quantised[i]) == 0)
            return true;
    return false;
}

nb_status nb_bind_check_unused(nb_binder *binder)
{
    const nb_config *config = &binder->model->config;
    for (size_t i = 0; i < binder->checkpoint->n_entries; i++) {
        const nb_entry *entry = &binder->checkpoint->entries[i];
        if (!entry->used && !is_harmless(config, entry->tensor->name))
            return nb_error_set(
                binder->error, NB_ERR_INPUT,
                "%s: tensor %.160s; expected only tensors of the family %s with %u layers, found this one",
                binder->checkpoint->shards[entry->shard].name, entry->tensor->name, config->model_type,
                config->n_layers);
    }
    return NB_OK;
}
