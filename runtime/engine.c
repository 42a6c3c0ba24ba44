// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine.h"

#include <stdio.h>
#include <stdlib.h>

#include "platform/cpu.h"
#include "platform/file.h"
#include "runtime/text.h"

const char *nb_version(void)
{
    return NB_VERSION;
}

nb_engine_options nb_engine_defaults(void)
{
    return (nb_engine_options){.weights = NB_WEIGHTS_AUTO, .act = NB_ACT_DEFAULT};
}

static bool all_have_input_scale(const nb_model *model)
{
    for (uint32_t i = 0; i < model->config.n_layers; i++) {
        const nb_layer *l = &model->layers[i];
        const nb_weight *weights[] = {&l->q, &l->k, &l->v, &l->o, &l->gate, &l->up, &l->down};
        for (size_t w = 0; w < NB_COUNT(weights); w++)
            if (weights[w]->format == NB_FORMAT_NVFP4 && !(weights[w]->input_scale > 0.0f))
                return false;
    }
    return true;
}

static nb_status choose_activations(nb_engine *engine, nb_activations wanted, nb_error *error)
{
    const nb_model *model = &engine->model;
    engine->act = wanted;
    if (wanted == NB_ACT_DEFAULT)
        engine->act = model->is_quantised && model->config.quant_activations ? NB_ACT_NVFP4 : NB_ACT_NONE;
    if (wanted > NB_ACT_NVFP4_STATIC)
        return nb_error_set(error, NB_ERR_ARGUMENT, "unknown activations %d; expected default, none, nvfp4 or static",
                            (int)wanted);
    if ((wanted == NB_ACT_NVFP4 || wanted == NB_ACT_NVFP4_STATIC) && !model->is_quantised)
        return nb_error_set(error, NB_ERR_ARGUMENT,
                            "4-bit activations need 4-bit weights; expected an NVFP4 checkpoint, found %s; try "
                            "nibble-qat quantize first",
                            model->format);
    if (wanted == NB_ACT_NVFP4_STATIC && !all_have_input_scale(model))
        return nb_error_set(error, NB_ERR_INPUT,
                            "static activation scales asked for; expected an input_scale for every quantised linear, "
                            "found some without; try nvfp4");
    return NB_OK;
}

// Dynamic RoPE stretches its base so that factor times the trained length can be used.
static uint32_t position_limit(const nb_config *config)
{
    if (config->rope.kind != NB_ROPE_DYNAMIC)
        return config->max_positions;
    double limit = config->max_positions * config->rope.factor;
    return limit < (double)INT32_MAX ? (uint32_t)limit : (uint32_t)INT32_MAX;
}

static nb_status start_threads(nb_engine *engine, uint32_t n_threads, nb_error *error)
{
    nb_cpu cpu;
    nb_cpu_probe(&cpu);
    return nb_pool_create(&engine->exec.pool, n_threads ? n_threads : cpu.n_cores, error);
}

static void assemble(nb_engine *engine)
{
    nb_rope_table_init(&engine->rope, &engine->model.config.rope, engine->model.config.head_dim);
    engine->machinery = (nb_machinery){.model = &engine->model,
                                       .ops = &engine->ops,
                                       .exec = &engine->exec,
                                       .rope = &engine->rope,
                                       .pack_activations = engine->act != NB_ACT_NONE,
                                       .static_activations = engine->act == NB_ACT_NVFP4_STATIC};
}

static nb_status open_text(nb_engine *engine, const char *directory, nb_error *error)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/tokenizer.json", directory) >= (int)sizeof path || !nb_file_exists(path))
        return NB_OK;
    NB_TRY(nb_text_open(&engine->text, directory, error));
    engine->text_bytes = nb_tokenizer_bytes(engine->text->tokenizer);
    return NB_OK;
}

static nb_status start(nb_engine **engine, const nb_engine_options *options, nb_error *error)
{
    *engine = calloc(1, sizeof **engine);
    if (!*engine)
        return nb_error_set(error, NB_ERR_SYSTEM, "no memory for the engine; expected %zu bytes", sizeof **engine);
    (*engine)->is_counted_only = options->count_only;
    nb_status status = nb_ops_select(&(*engine)->ops, &(*engine)->exec, options->isa, error);
    if (status == NB_OK && options->weights > NB_WEIGHTS_RESIDENT)
        status = nb_error_set(error, NB_ERR_ARGUMENT, "unknown weights policy; expected auto, mapped or resident");
    if (status != NB_OK) {
        nb_engine_close(*engine);
        *engine = NULL;
    }
    return status;
}

static nb_status finish(nb_engine **engine, nb_status status)
{
    if (status != NB_OK) {
        nb_engine_close(*engine);
        *engine = NULL;
    }
    return status;
}

// Everything is counted first; only what fits is taken. The text comes before the weights, because reading it takes
// working memory that is given back.
static nb_status fill(nb_engine *engine, const nb_engine_options *options, nb_error *error)
{
    nb_plan plan = {0};
    NB_TRY(choose_activations(engine, options->act, error));
    engine->max_positions = position_limit(&engine->model.config);
    nb_status status = nb_engine_check_plan(engine, options->session, &plan, error);
    if (options->plan)
        *options->plan = plan;
    if (status != NB_OK || options->count_only)
        return status;
    NB_TRY(start_threads(engine, options->n_threads, error));
    nb_model_fault_in(&engine->model, engine->exec.pool);
    NB_TRY(nb_model_load(&engine->model, options->on_progress, options->progress_user, error));
    assemble(engine);
    return NB_OK;
}

nb_status nb_engine_open(nb_engine **engine, const char *directory, const nb_engine_options *options, nb_error *error)
{
    nb_engine_options defaults = nb_engine_defaults();
    options = options ? options : &defaults;
    bool resident = options->weights == NB_WEIGHTS_RESIDENT;
    NB_TRY(start(engine, options, error));
    nb_status status = open_text(*engine, directory, error);
    if (status == NB_OK)
        status = nb_model_count(&(*engine)->model, directory, resident, error);
    return finish(engine, status == NB_OK ? fill(*engine, options, error) : status);
}

nb_status nb_engine_open_shape(nb_engine **engine, const char *config_json_path, const nb_engine_options *options,
                               nb_error *error)
{
    nb_engine_options defaults = nb_engine_defaults();
    options = options ? options : &defaults;
    NB_TRY(start(engine, options, error));
    nb_status status = nb_model_count_shape(&(*engine)->model, config_json_path, options->shape_plain, error);
    return finish(engine, status == NB_OK ? fill(*engine, options, error) : status);
}

void nb_engine_close(nb_engine *engine)
{
    if (!engine)
        return;
    nb_pool_free(engine->exec.pool);
    nb_text_close(engine->text);
    nb_model_close(&engine->model);
    free(engine);
}

void nb_engine_info_get(const nb_engine *engine, nb_engine_info *info)
{
    const nb_model *model = &engine->model;
    const nb_config *c = &model->config;
    *info = (nb_engine_info){.family = model->family,
                             .format = model->format,
                             .ops = engine->ops.name,
                             .weights = model->is_resident ? NB_WEIGHTS_RESIDENT : NB_WEIGHTS_MAPPED,
                             .act = engine->act,
                             .kv_default = model->is_quantised ? NB_KV_E1M2 : NB_KV_BF16,
                             .n_threads = engine->exec.pool ? nb_pool_size(engine->exec.pool) : 0,
                             .n_layers = c->n_layers,
                             .n_heads = c->n_heads,
                             .n_kv_heads = c->n_kv_heads,
                             .head_dim = c->head_dim,
                             .hidden_size = c->hidden_size,
                             .ffn_size = c->ffn_size,
                             .vocab_size = c->vocab_size,
                             .max_positions = engine->max_positions,
                             .has_key_shift = model->has_key_shift,
                             .n_parameters = model->n_parameters,
                             .weight_bytes = model->weight_bytes,
                             .weight_bytes_per_token = model->weight_bytes_per_token,
                             .text = engine->text,
                             .stop_ids = c->eos_ids,
                             .n_stop_ids = c->n_eos_ids};
    if (engine->text) {
        nb_text_info text;
        nb_text_info_get(engine->text, &text);
        info->stop_ids = text.stop_ids;
        info->n_stop_ids = text.n_stop_ids;
    }
}
