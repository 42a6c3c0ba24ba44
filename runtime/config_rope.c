// SPDX-License-Identifier: Apache-2.0
// Rotary positions, with the defaults of transformers' modeling_rope_utils.
#include <string.h>

#include "kernels/math_f64.h"
#include "runtime/config_read.h"

static nb_status read_kind(const nb_json_reader *reader, nb_rope_kind *kind)
{
    static const char *const names[] = {
        [NB_ROPE_DEFAULT] = "default", [NB_ROPE_LINEAR] = "linear", [NB_ROPE_DYNAMIC] = "dynamic",
        [NB_ROPE_LLAMA3] = "llama3",   [NB_ROPE_YARN] = "yarn",
    };
    const char *key = nb_json_find(reader, "rope_type") ? "rope_type" : "type";
    const char *name = "default";
    NB_TRY(nb_json_string(reader, key, NB_JSON_OPTIONAL, &name));
    for (size_t i = 0; i < NB_COUNT(names); i++)
        if (strcmp(names[i], name) == 0) {
            *kind = (nb_rope_kind)i;
            return NB_OK;
        }
    return nb_json_unexpected(reader, key, "default, linear, dynamic, llama3 or yarn", nb_json_find(reader, key));
}

static nb_status read_original_positions(nb_config *config, const nb_json_reader *top, const nb_json_reader *rope)
{
    const char *key = "original_max_position_embeddings";
    config->rope.original_max_positions = config->max_positions;
    NB_TRY(nb_json_number(rope, key, NB_JSON_OPTIONAL, 1, 1e9, &config->rope.original_max_positions));
    return nb_json_number(top, key, NB_JSON_OPTIONAL, 1, 1e9, &config->rope.original_max_positions);
}

static double yarn_mscale(double factor, double mscale)
{
    return factor <= 1 ? 1 : 0.1 * mscale * nb_log_f64(factor) + 1;
}

static nb_status read_yarn(nb_rope *rope, const nb_json_reader *reader)
{
    double mscale = 0, mscale_all_dim = 0;
    rope->beta_fast = 32;
    rope->beta_slow = 1;
    rope->truncate = true;
    NB_TRY(nb_json_number(reader, "beta_fast", NB_JSON_OPTIONAL, 1e-3, 1e6, &rope->beta_fast));
    NB_TRY(nb_json_number(reader, "beta_slow", NB_JSON_OPTIONAL, 1e-3, 1e6, &rope->beta_slow));
    NB_TRY(nb_json_bool(reader, "truncate", NB_JSON_OPTIONAL, &rope->truncate));
    NB_TRY(nb_json_number(reader, "mscale", NB_JSON_OPTIONAL, 0, 1e3, &mscale));
    NB_TRY(nb_json_number(reader, "mscale_all_dim", NB_JSON_OPTIONAL, 0, 1e3, &mscale_all_dim));
    rope->attention_factor = mscale > 0 && mscale_all_dim > 0
                                 ? yarn_mscale(rope->factor, mscale) / yarn_mscale(rope->factor, mscale_all_dim)
                                 : yarn_mscale(rope->factor, 1);
    return nb_json_number(reader, "attention_factor", NB_JSON_OPTIONAL, 1e-3, 1e3, &rope->attention_factor);
}

static nb_status read_llama3(nb_rope *rope, const nb_json_reader *reader)
{
    NB_TRY(nb_json_number(reader, "low_freq_factor", NB_JSON_REQUIRED, 1e-3, 1e6, &rope->low_freq_factor));
    NB_TRY(nb_json_number(reader, "high_freq_factor", NB_JSON_REQUIRED, 1e-3, 1e6, &rope->high_freq_factor));
    if (rope->high_freq_factor <= rope->low_freq_factor)
        return nb_json_unexpected(reader, "high_freq_factor", "more than low_freq_factor",
                                  nb_json_find(reader, "high_freq_factor"));
    return NB_OK;
}

static nb_status read_scaling(nb_config *config, const nb_json_reader *top, const nb_json_reader *reader)
{
    nb_rope *rope = &config->rope;
    if (rope->kind == NB_ROPE_DEFAULT)
        return NB_OK;
    // Only yarn may leave the factor out: it is then the ratio of the two lengths.
    bool has_lengths = rope->kind == NB_ROPE_YARN && nb_json_find(reader, "original_max_position_embeddings");
    if (rope->kind == NB_ROPE_LLAMA3 || rope->kind == NB_ROPE_YARN)
        NB_TRY(read_original_positions(config, top, reader));
    else if (rope->kind == NB_ROPE_DYNAMIC)
        rope->original_max_positions = config->max_positions;
    if (has_lengths)
        rope->factor = config->max_positions / rope->original_max_positions;
    NB_TRY(
        nb_json_number(reader, "factor", has_lengths ? NB_JSON_OPTIONAL : NB_JSON_REQUIRED, 1e-3, 1e6, &rope->factor));
    if (rope->kind == NB_ROPE_DYNAMIC && rope->factor < 1)
        return nb_json_unexpected(reader, "factor", "at least 1", nb_json_find(reader, "factor"));
    return rope->kind == NB_ROPE_YARN     ? read_yarn(rope, reader)
           : rope->kind == NB_ROPE_LLAMA3 ? read_llama3(rope, reader)
                                          : NB_OK;
}

static nb_status refuse_unsupported(const nb_json_reader *reader)
{
    double partial = 1;
    NB_TRY(nb_json_number(reader, "partial_rotary_factor", NB_JSON_OPTIONAL, 0, 1, &partial));
    if (partial != 1)
        return nb_json_unexpected(reader, "partial_rotary_factor", "1 (others are not supported)",
                                  nb_json_find(reader, "partial_rotary_factor"));
    const json_t *sections = nb_json_find(reader, "mrope_section");
    return sections ? nb_json_unexpected(reader, "mrope_section", "nothing (not supported)", sections) : NB_OK;
}

nb_status nb_config_read_rope(nb_config *config, const nb_json_reader *reader)
{
    nb_rope *rope = &config->rope;
    *rope = (nb_rope){.kind = NB_ROPE_DEFAULT, .theta = 10000, .attention_factor = 1};
    NB_TRY(refuse_unsupported(reader));
    NB_TRY(nb_json_number(reader, "rope_theta", NB_JSON_OPTIONAL, 1.001, 1e12, &rope->theta));

    const json_t *scaling = NULL, *parameters = NULL;
    NB_TRY(nb_json_object(reader, "rope_parameters", NB_JSON_OPTIONAL, &parameters));
    NB_TRY(nb_json_object(reader, "rope_scaling", NB_JSON_OPTIONAL, &scaling));
    if (json_object_size(scaling) == 0) // where both are written, transformers takes rope_scaling
        scaling = parameters;
    if (!scaling)
        return NB_OK;
    nb_json_reader inner = {scaling, reader->file, reader->error};
    const json_t *by_layer_type = NULL; // parameters for each attention type; only full attention is supported
    NB_TRY(nb_json_object(&inner, "full_attention", NB_JSON_OPTIONAL, &by_layer_type));
    if (by_layer_type)
        inner.object = by_layer_type;
    NB_TRY(refuse_unsupported(&inner));
    NB_TRY(nb_json_number(&inner, "rope_theta", NB_JSON_OPTIONAL, 1.001, 1e12, &rope->theta));
    NB_TRY(read_kind(&inner, &rope->kind));
    if (rope->kind == NB_ROPE_DYNAMIC && config->head_dim < 4) // its exponent is E / (E - 2)
        return nb_error_set(reader->error, NB_ERR_INPUT,
                            "%s: head_dim: expected at least 4 with dynamic RoPE, found %u", reader->file,
                            config->head_dim);
    return read_scaling(config, reader, &inner);
}
