// SPDX-License-Identifier: Apache-2.0
// How a checkpoint declares its quantisation: ModelOpt (hf_quant_config.json, or flat in config.json) and
// compressed-tensors (config.json). Schemas: docs/CHECKPOINTS.md.
#include <stdlib.h>
#include <string.h>

#include "runtime/config_read.h"
#include "runtime/limits.h"

static nb_status read_excludes(nb_config *config, const nb_json_reader *reader, const char *key)
{
    const json_t *list = NULL;
    NB_TRY(nb_json_array(reader, key, NB_JSON_OPTIONAL, &list));
    size_t n = json_array_size(list);
    if (n > NB_LIMIT_EXCLUDES)
        return nb_json_unexpected(reader, key, "at most 16384 patterns", list);
    if (n == 0)
        return NB_OK;
    config->exclude_modules = calloc(n, sizeof *config->exclude_modules);
    if (!config->exclude_modules)
        return nb_error_set(reader->error, NB_ERR_SYSTEM, "%s: out of memory", reader->file);
    for (size_t i = 0; i < n; i++) {
        const json_t *pattern = json_array_get(list, i);
        if (!json_is_string(pattern) || json_string_length(pattern) > NB_LIMIT_PATTERN_BYTES)
            return nb_json_unexpected(reader, key, "module names of at most 256 bytes", pattern);
        config->exclude_modules[i] = strdup(json_string_value(pattern));
        if (!config->exclude_modules[i])
            return nb_error_set(reader->error, NB_ERR_SYSTEM, "%s: out of memory", reader->file);
        config->n_exclude_modules++;
    }
    return NB_OK;
}

static nb_status check_group_size(const nb_json_reader *reader)
{
    uint32_t group_size = 16;
    NB_TRY(nb_json_u32(reader, "group_size", NB_JSON_OPTIONAL, 0, UINT32_MAX, &group_size));
    return group_size == 16 ? NB_OK
                            : nb_json_unexpected(reader, "group_size", "16", nb_json_find(reader, "group_size"));
}

// NVFP4, W4A16_NVFP4, or null (nothing but the cache is quantised).
static nb_status read_algorithm(nb_config *config, const nb_json_reader *reader)
{
    const char *algorithm = NULL;
    NB_TRY(nb_json_string(reader, "quant_algo", NB_JSON_OPTIONAL, &algorithm));
    if (!algorithm)
        return NB_OK;
    bool weights_only = strcmp(algorithm, "W4A16_NVFP4") == 0;
    if (!weights_only && strcmp(algorithm, "NVFP4") != 0)
        return nb_json_unexpected(reader, "quant_algo", "NVFP4 or W4A16_NVFP4 (others are not supported yet)",
                                  nb_json_find(reader, "quant_algo"));
    config->quant = NB_QUANT_MODELOPT;
    config->quant_activations = !weights_only;
    return NB_OK;
}

// Other algorithms of the cache (NVFP4_AFFINE, INT8) carry scales of another meaning: they count as not declared.
static void declare_cache(nb_config *config, const char *algorithm)
{
    config->kv_declared_fp4 = algorithm && strcmp(algorithm, "NVFP4") == 0;
    config->kv_declared_fp8 = algorithm && strcmp(algorithm, "FP8") == 0;
}

static nb_status read_modelopt_section(nb_config *config, const nb_json_reader *reader)
{
    const char *cache = NULL;
    NB_TRY(read_algorithm(config, reader));
    NB_TRY(check_group_size(reader));
    NB_TRY(nb_json_string(reader, "kv_cache_quant_algo", NB_JSON_OPTIONAL, &cache));
    declare_cache(config, cache);
    return read_excludes(config, reader, "exclude_modules");
}

nb_status nb_config_read_quant_legacy(nb_config *config, const nb_json_reader *reader)
{
    const json_t *section = NULL;
    NB_TRY(nb_json_object(reader, "quantization", NB_JSON_REQUIRED, &section));
    return read_modelopt_section(config, &(nb_json_reader){section, reader->file, reader->error});
}

// Must be 4-bit floats in groups of 16.
static nb_status check_scheme(const nb_json_reader *reader, const json_t *scheme)
{
    const char *type = NULL;
    uint32_t n_bits = 0;
    nb_json_reader inner = {scheme, reader->file, reader->error};
    NB_TRY(nb_json_u32(&inner, "num_bits", NB_JSON_REQUIRED, 1, 64, &n_bits));
    if (n_bits != 4)
        return nb_json_unexpected(&inner, "num_bits", "4 (others are not supported yet)",
                                  nb_json_find(&inner, "num_bits"));
    NB_TRY(nb_json_string(&inner, "type", NB_JSON_REQUIRED, &type));
    if (strcmp(type, "float") != 0)
        return nb_json_unexpected(&inner, "type", "float", nb_json_find(&inner, "type"));
    return check_group_size(&inner);
}

static nb_status read_group(nb_config *config, const nb_json_reader *reader)
{
    const json_t *weights = NULL, *activations = NULL;
    NB_TRY(nb_json_object(reader, "weights", NB_JSON_REQUIRED, &weights));
    NB_TRY(check_scheme(reader, weights));
    NB_TRY(nb_json_object(reader, "input_activations", NB_JSON_OPTIONAL, &activations));
    if (!activations) {
        config->quant_activations = false;
        return NB_OK;
    }
    return check_scheme(reader, activations);
}

static nb_status read_groups(nb_config *config, const nb_json_reader *reader, nb_json_need need)
{
    const json_t *groups = NULL;
    NB_TRY(nb_json_object(reader, "config_groups", need, &groups));
    for (void *it = json_object_iter((json_t *)groups); it; it = json_object_iter_next((json_t *)groups, it)) {
        nb_json_reader group = {json_object_iter_value(it), reader->file, reader->error};
        if (!json_is_object(group.object))
            return nb_json_unexpected(reader, "config_groups", "objects", group.object);
        NB_TRY(read_group(config, &group));
    }
    return NB_OK;
}

// kv_cache_scheme: "NVFP4" or "FP8" (ModelOpt), or a scheme with num_bits.
static nb_status read_cache_scheme(nb_config *config, const nb_json_reader *reader)
{
    const json_t *scheme = nb_json_find(reader, "kv_cache_scheme");
    if (json_is_object(scheme)) {
        uint32_t n_bits = 0;
        nb_json_reader inner = {scheme, reader->file, reader->error};
        NB_TRY(nb_json_u32(&inner, "num_bits", NB_JSON_REQUIRED, 1, 64, &n_bits));
        declare_cache(config, n_bits == 4 ? "NVFP4" : n_bits == 8 ? "FP8" : NULL);
        return NB_OK;
    }
    declare_cache(config, json_string_value(scheme));
    return NB_OK;
}

static nb_status read_flat_modelopt(nb_config *config, const nb_json_reader *reader)
{
    const json_t *wrapped = NULL; // some repositories put the older file's content here
    NB_TRY(nb_json_object(reader, "quantization", NB_JSON_OPTIONAL, &wrapped));
    if (wrapped)
        return nb_config_read_quant_legacy(config, reader);
    NB_TRY(read_algorithm(config, reader));
    NB_TRY(read_groups(config, reader, NB_JSON_OPTIONAL));
    NB_TRY(read_cache_scheme(config, reader));
    return read_excludes(config, reader, "ignore");
}

static nb_status read_compressed_tensors(nb_config *config, const nb_json_reader *reader)
{
    const char *format = NULL;
    NB_TRY(nb_json_string(reader, "format", NB_JSON_REQUIRED, &format));
    if (strcmp(format, "nvfp4-pack-quantized") != 0)
        return nb_json_unexpected(reader, "format", "nvfp4-pack-quantized (others are not supported yet)",
                                  nb_json_find(reader, "format"));
    config->quant = NB_QUANT_COMPRESSED_TENSORS;
    config->quant_activations = true;
    NB_TRY(read_groups(config, reader, NB_JSON_REQUIRED));
    NB_TRY(read_cache_scheme(config, reader));
    return read_excludes(config, reader, "ignore");
}

nb_status nb_config_read_quant(nb_config *config, const nb_json_reader *reader)
{
    const json_t *section = NULL;
    NB_TRY(nb_json_object(reader, "quantization_config", NB_JSON_OPTIONAL, &section));
    if (!section)
        return NB_OK;
    nb_json_reader inner = {section, reader->file, reader->error};
    const char *method = NULL;
    NB_TRY(nb_json_string(&inner, "quant_method", NB_JSON_REQUIRED, &method));
    if (strcmp(method, "modelopt") == 0 || strcmp(method, "modelopt_fp4") == 0)
        return read_flat_modelopt(config, &inner);
    if (strcmp(method, "compressed-tensors") == 0)
        return read_compressed_tensors(config, &inner);
    return nb_json_unexpected(&inner, "quant_method", "modelopt or compressed-tensors (others are not supported yet)",
                              nb_json_find(&inner, "quant_method"));
}
