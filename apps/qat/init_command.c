// SPDX-License-Identifier: Apache-2.0
// nibble-qat init: a new model directory with random weights.
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "apps/common/model_store.h"
#include "apps/common/option_table.h"
#include "apps/qat/init_model.h"
#include "apps/qat/json_file.h"
#include "apps/qat/qat_commands.h"
#include "apps/qat/quantize_config.h"
#include "apps/qat/staging.h"
#include "platform/file.h"
#include "platform/path.h"
#include "runtime/limits.h"

typedef struct init_options {
    const char *config, *tokenizer, *out;
    uint64_t seed, hidden, ffn, layers, heads, kv_heads, ctx;
    double std, theta;
    int dtype;
    bool is_untied, is_forced;
} init_options;

#define AT(field) offsetof(init_options, field)
#define SHAPE(label, field, max, text)                                                                                 \
    {                                                                                                                  \
        .name = label, .kind = NB_OPTION_WHOLE, .offset = AT(field), .value = "N", .help = text, .whole_min = 1,       \
        .whole_max = max                                                                                               \
    }
static const nb_option init_table[] = {
    {.name = "tokenizer",
     .kind = NB_OPTION_TEXT,
     .offset = AT(tokenizer),
     .value = "DIR",
     .help = "the tokenizer's directory, or a model's name; its files are copied (required)"},
    {.name = "out",
     .letter = 'o',
     .kind = NB_OPTION_TEXT,
     .offset = AT(out),
     .value = "DIR",
     .help = "the new directory (required)"},
    {.name = "config",
     .kind = NB_OPTION_TEXT,
     .offset = AT(config),
     .value = "FILE",
     .help = "a config.json (qwen2) with the shapes, instead of the options below"},
    SHAPE("hidden", hidden, 65536, "hidden size (default 256)"),
    SHAPE("ffn", ffn, 1 << 20, "intermediate size (default 768)"),
    SHAPE("layers", layers, 512, "layers (default 6)"),
    SHAPE("heads", heads, 1024, "query heads (default 8)"),
    SHAPE("kv-heads", kv_heads, 1024, "key/value heads (default 4)"),
    SHAPE("max-length", ctx, 1 << 24, "positions (default 512)"),
    {.name = "theta",
     .kind = NB_OPTION_REAL,
     .offset = AT(theta),
     .value = "X",
     .help = "RoPE base (default 10000)",
     .real_min = 1,
     .real_max = 1e12},
    {.name = "untied", .kind = NB_OPTION_FLAG, .offset = AT(is_untied), .help = "an lm_head of its own"},
    {.name = "dtype",
     .kind = NB_OPTION_CHOICE,
     .offset = AT(dtype),
     .value = "NAME",
     .choices = "bf16|f32",
     .help = "bf16 or f32 (default bf16)"},
    {.name = "std",
     .kind = NB_OPTION_REAL,
     .offset = AT(std),
     .value = "X",
     .help = "standard deviation of the weights (default 0.02)",
     .real_min = 1e-6,
     .real_max = 10},
    {.name = "seed",
     .kind = NB_OPTION_WHOLE,
     .offset = AT(seed),
     .value = "N",
     .help = "the same seed gives the same bytes on every machine (default 1)",
     .whole_max = UINT32_MAX},
    {.name = "force",
     .kind = NB_OPTION_FLAG,
     .offset = AT(is_forced),
     .help = "replace DIR when it is a model directory"},
};

static const nb_command init_command = {
    .program = "nibble-qat",
    .name = "init",
    .usage = "--tokenizer DIR --out DIR [OPTION]...",
    .summary = "Makes a Qwen2 model directory with random weights, to begin training from.",
    .example = "nibble-qat init --tokenizer tokenizer --hidden 256 --layers 6 --out init",
    .groups = {{"Options", init_table, NB_COUNT_OF(init_table)}},
};

// ---- config -------------------------------------------------------------------------------------------------------

static json_t *layer_types(uint64_t n_layers)
{
    json_t *list = json_array();
    for (uint64_t i = 0; i < n_layers; i++)
        json_array_append_new(list, json_string("full_attention"));
    return list;
}

// As transformers writes it.
static json_t *config_object(const init_options *options, uint32_t n_tokens, int32_t eos_id)
{
    return json_pack("{s:[s], s:f, s:n, s:s, s:i, s:s, s:I, s:f, s:I, s:o, s:I, s:I, s:s, s:I, s:I, s:I, s:n, s:f, "
                     "s:{s:f, s:s}, s:n, "
                     "s:b, s:b, s:b, s:I}",
                     "architectures", "Qwen2ForCausalLM", "attention_dropout", 0.0, "bos_token_id", "dtype",
                     options->dtype ? "float32" : "bfloat16", "eos_token_id", eos_id, "hidden_act", "silu",
                     "hidden_size", (json_int_t)options->hidden, "initializer_range", options->std, "intermediate_size",
                     (json_int_t)options->ffn, "layer_types", layer_types(options->layers), "max_position_embeddings",
                     (json_int_t)options->ctx, "max_window_layers", (json_int_t)options->layers, "model_type", "qwen2",
                     "num_attention_heads", (json_int_t)options->heads, "num_hidden_layers",
                     (json_int_t)options->layers, "num_key_value_heads", (json_int_t)options->kv_heads, "pad_token_id",
                     "rms_norm_eps", 1e-6, "rope_parameters", "rope_theta", options->theta, "rope_type", "default",
                     "sliding_window", "tie_word_embeddings", !options->is_untied, "use_cache", 1, "use_sliding_window",
                     0, "vocab_size", (json_int_t)n_tokens);
}

static json_t *generation_object(const nb_text_info *text)
{
    json_t *stops = json_array();
    for (uint32_t i = 0; i < text->n_stop_ids; i++)
        json_array_append_new(stops, json_integer(text->stop_ids[i]));
    return json_pack("{s:b, s:b, s:o}", "_from_model_config", 1, "do_sample", 0, "eos_token_id", stops);
}

static nb_status copy_config(const char *from, const char *directory, nb_error *error)
{
    char path[PATH_MAX], *text;
    size_t bytes;
    if (snprintf(path, sizeof path, "%s/config.json", directory) >= (int)sizeof path)
        return nb_path_error("write", directory, ENAMETOOLONG, error);
    NB_TRY(nb_file_read(from, NB_LIMIT_CONFIG_BYTES, &text, &bytes, error));
    nb_status status = nb_file_write(path, text, bytes, error);
    free(text);
    return status;
}

// ---- the directory ------------------------------------------------------------------------------------------------

static nb_status write_configs(const init_options *options, const char *directory, nb_error *error)
{
    nb_text *text;
    NB_TRY(nb_text_open(&text, directory, error));
    nb_text_info info;
    nb_text_info_get(text, &info);
    nb_status status;
    if (options->config)
        status = copy_config(options->config, directory, error);
    else if (info.n_stop_ids == 0)
        status = nb_error_set(error, NB_ERR_INPUT, "%s: expected an eos_token in tokenizer_config.json, found none",
                              options->tokenizer);
    else
        status = nb_json_file_write(directory, "config.json", config_object(options, info.n_tokens, info.stop_ids[0]),
                                    error);
    if (status == NB_OK && !options->config)
        status = nb_json_file_write(directory, "generation_config.json", generation_object(&info), error);
    nb_text_close(text);
    return status;
}

static nb_status write_model(const init_options *options, const char *directory, nb_config *config, nb_error *error)
{
    NB_TRY(nb_quantize_copy_files(options->tokenizer, directory, error));
    NB_TRY(write_configs(options, directory, error));
    NB_TRY(nb_config_open(config, directory, error));
    nb_text *text;
    NB_TRY(nb_text_open(&text, directory, error));
    nb_text_info info;
    nb_text_info_get(text, &info);
    nb_text_close(text);
    if (info.n_tokens > config->vocab_size)
        return nb_error_set(error, NB_ERR_INPUT,
                            "%s: expected a vocab_size of at least %u, as the tokenizer has, found %u", options->config,
                            info.n_tokens, config->vocab_size);
    return nb_init_weights(config, options->std, options->seed, options->dtype ? NB_DTYPE_F32 : NB_DTYPE_BF16,
                           directory, error);
}

static nb_status make_model(const init_options *options, nb_config *config, nb_error *error)
{
    nb_staging staging;
    NB_TRY(nb_staging_open(&staging, options->out, options->is_forced, error));
    nb_status status = write_model(options, staging.path, config, error);
    if (status == NB_OK)
        status = nb_staging_publish(&staging, error);
    nb_staging_discard(&staging);
    return status;
}

static double count_parameters(const nb_config *config)
{
    const double D = config->hidden_size, F = config->ffn_size, E = config->head_dim;
    const double q = config->n_heads * E, kv = config->n_kv_heads * E;
    double layer = 2 * D + (q + 2 * kv) * (D + 1) + q * D + 3 * D * F;
    return config->n_layers * layer + D + (config->tied_head ? 1 : 2) * D * config->vocab_size;
}

int nb_command_init(int argc, char **argv)
{
    init_options options = {.seed = 1,
                            .hidden = 256,
                            .ffn = 768,
                            .layers = 6,
                            .heads = 8,
                            .kv_heads = 4,
                            .ctx = 512,
                            .std = 0.02,
                            .theta = 10000};
    int exit_code;
    if (!nb_options_parse(&init_command, (void *const[]){&options}, argc, argv, &exit_code))
        return exit_code;
    if (!options.tokenizer || !options.out)
        return nb_fail(NB_EXIT_USAGE, "expected --tokenizer DIR and --out DIR; try `nibble-qat init --help`");
    char tokenizer[PATH_MAX];
    exit_code = nb_store_find(tokenizer, options.tokenizer);
    if (exit_code != NB_EXIT_OK)
        return exit_code;
    options.tokenizer = tokenizer;
    nb_config config = {0};
    nb_error error = {0};
    nb_status status = make_model(&options, &config, &error);
    if (status == NB_OK)
        printf("%s: %.0f parameters, %s\n", options.out, count_parameters(&config), options.dtype ? "f32" : "bf16");
    nb_config_release(&config);
    return status == NB_OK ? nb_out_flush() : nb_fail_error(status, &error);
}
