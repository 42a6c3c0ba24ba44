// SPDX-License-Identifier: Apache-2.0
// A model of given shapes with random weights: what a speed measurement needs of a model that is not here. Values are
// chosen so that activations neither vanish nor overflow: matrices keep the size of a normalised row.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "platform/file.h"
#include "runtime/config_read.h"
#include "runtime/limits.h"
#include "runtime/model_bind.h"

// One walk, run twice as in nb_bind_model. Random bits are a function of a counter (SplitMix64).
typedef struct shaper {
    nb_model *model;
    bool plain; // BF16 linears
    nb_arena *weights, *tables;
    uint64_t counter;
} shaper;

static uint64_t random_bits(shaper *s)
{
    uint64_t x = s->counter++ * 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

// n bytes, each (random & mask) + base, eight at a time.
static uint8_t *random_bytes(shaper *s, size_t n, uint64_t mask, uint64_t base)
{
    uint8_t *bytes = nb_arena_take(s->weights, n, NB_ARENA_MIN_ALIGNMENT);
    s->model->weight_bytes += n;
    for (size_t i = 0; bytes && i < n; i += 8) {
        uint64_t word = (random_bits(s) & mask) + base;
        memcpy(bytes + i, &word, nb_min(8, n - i));
    }
    return bytes;
}

// BF16 of either sign and magnitude 2^-6 to 2^-5: rows of D values then have norms of a few tenths.
static nb_weight shape_plain(shaper *s, uint32_t n_rows, uint32_t n_cols)
{
    size_t n = (size_t)n_rows * n_cols;
    s->model->n_parameters += n;
    return (nb_weight){.format = NB_FORMAT_BF16,
                       .n_rows = n_rows,
                       .n_cols = n_cols,
                       .data = random_bytes(s, 2 * n, 0x807f807f807f807fu, 0x3c803c803c803c80u),
                       .global_scale = 1};
}

static const float *shape_table(shaper *s, size_t n, float value)
{
    float *table = nb_arena_take(s->tables, n * sizeof *table, NB_ARENA_MIN_ALIGNMENT);
    s->model->n_parameters += n;
    for (size_t i = 0; table && i < n; i++)
        table[i] = i % 2 ? value : fabsf(value);
    return table;
}

// Random codes have a root mean square of 2.9, scale bytes 0x30 to 0x3f a mean of 1.1.
static nb_weight shape_nvfp4(shaper *s, uint32_t n_rows, uint32_t n_cols)
{
    size_t n = (size_t)n_rows * n_cols;
    s->model->n_parameters += n;
    return (nb_weight){.format = NB_FORMAT_NVFP4,
                       .n_rows = n_rows,
                       .n_cols = n_cols,
                       .data = random_bytes(s, n / 2, UINT64_MAX, 0),
                       .scales = random_bytes(s, n / 16, 0x0f0f0f0f0f0f0f0fu, 0x3030303030303030u),
                       .global_scale = 1.0f / (3.2f * sqrtf((float)n_cols)),
                       .input_scale = 4.0f / 2688.0f};
}

static void shape_linear(shaper *s, const nb_family_linear *linear, nb_weight *weight)
{
    const nb_config *config = &s->model->config;
    uint32_t n_rows = (uint32_t)nb_family_size(config, linear->rows);
    uint32_t n_cols = (uint32_t)nb_family_size(config, linear->cols);
    uint64_t before = s->model->weight_bytes;
    *weight = s->plain ? shape_plain(s, n_rows, n_cols) : shape_nvfp4(s, n_rows, n_cols);
    s->model->weight_bytes_per_token += s->model->weight_bytes - before;
    if (nb_family_has_bias(config, linear->bias))
        weight->bias = shape_table(s, n_rows, -0.01f);
}

static void shape_layer(shaper *s, const nb_family *family, nb_layer *layer)
{
    layer->k_scale = layer->v_scale = 1;
    for (size_t i = 0; i < family->n_norms; i++)
        *(const float **)((char *)layer + family->norms[i].slot) =
            shape_table(s, nb_family_size(&s->model->config, family->norms[i].size), 1);
    for (size_t i = 0; i < family->n_linears; i++)
        shape_linear(s, &family->linears[i], (nb_weight *)((char *)layer + family->linears[i].slot));
}

static void shape_model(shaper *s)
{
    nb_model *model = s->model;
    const nb_config *config = &model->config;
    const nb_family *family = nb_family_find(config->model_type);
    model->n_parameters = model->weight_bytes = model->weight_bytes_per_token = s->counter = 0;
    model->family = family->model_type;
    model->format = s->plain ? "bf16" : "nvfp4-modelopt";
    model->is_quantised = !s->plain;
    model->is_resident = true;
    model->embedding = shape_plain(s, config->vocab_size, config->hidden_size);
    model->head = config->tied_head ? model->embedding : shape_plain(s, config->vocab_size, config->hidden_size);
    model->final_norm = shape_table(s, config->hidden_size, 1);
    model->weight_bytes_per_token = 2ull * config->hidden_size * (config->vocab_size + 1ull);
    for (uint32_t i = 0; i < config->n_layers; i++)
        shape_layer(s, family, &model->layers[i]);
}

static nb_status read_config(nb_config *config, const char *path, bool plain, nb_error *error)
{
    char *json;
    size_t bytes;
    NB_TRY(nb_file_read(path, NB_LIMIT_CONFIG_BYTES, &json, &bytes, error));
    nb_status status = nb_config_parse(config, json, bytes, NULL, 0, NULL, 0, error);
    free(json);
    NB_TRY(status);
    config->quant = plain ? NB_QUANT_NONE : NB_QUANT_MODELOPT;
    config->quant_activations = !plain;
    return plain ? NB_OK : nb_config_check_blocks(config, error);
}

static nb_status count_shape(nb_model *model, const char *config_path, bool plain, nb_error *error)
{
    NB_TRY(read_config(&model->config, config_path, plain, error));
    NB_TRY(nb_model_allocate(model, error));
    shape_model(&(shaper){
        .model = model, .plain = plain, .weights = &model->storage->weights, .tables = &model->storage->tables});
    nb_model_note_counted(model);
    return NB_OK;
}

nb_status nb_model_count_shape(nb_model *model, const char *config_path, bool plain, nb_error *error)
{
    *model = (nb_model){0};
    nb_status status = count_shape(model, config_path, plain, error);
    if (status != NB_OK)
        nb_model_close(model);
    return status;
}

nb_status nb_model_fill_shape(nb_model *model, nb_error *error)
{
    shaper s = {.model = model,
                .plain = !model->is_quantised,
                .weights = &model->storage->weights,
                .tables = &model->storage->tables};
    NB_TRY(nb_model_place(model, error));
    shape_model(&s);
    nb_arena_seal(s.weights);
    nb_arena_seal(s.tables);
    return NB_OK;
}

nb_status nb_model_open_shape(nb_model *model, const char *config_path, bool plain, nb_error *error)
{
    NB_TRY(nb_model_count_shape(model, config_path, plain, error));
    return nb_model_load(model, NULL, NULL, error);
}
