// SPDX-License-Identifier: Apache-2.0
#include "apps/qat/quantize_config.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/common/growing_text.h"
#include "platform/file.h"
#include "platform/path.h"
#include "runtime/json.h"
#include "runtime/limits.h"
#include "runtime/nibble.h"

// vLLM reads hf_quant_config.json only when the producer is called "modelopt"; the version names the layout that is
// followed and, as its local part, who wrote it.
#define PRODUCER_NAME    "modelopt"
#define PRODUCER_VERSION "0.47.0+nibble." NB_VERSION

static nb_status join_path(char path[PATH_MAX], const char *directory, const char *name, nb_error *error)
{
    if (snprintf(path, PATH_MAX, "%s/%s", directory, name) >= PATH_MAX)
        return nb_path_error("open", directory, ENAMETOOLONG, error);
    return NB_OK;
}

// Several pieces into one new file.
static nb_status write_file(const char *directory, const char *name, const char *const *texts, const size_t *bytes,
                            size_t n_texts, nb_error *error)
{
    char path[PATH_MAX];
    nb_writer file;
    NB_TRY(join_path(path, directory, name, error));
    NB_TRY(nb_writer_open(&file, path, error));
    for (size_t i = 0; i < n_texts; i++)
        NB_TRY(nb_writer_write(&file, texts[i], bytes[i], error));
    return nb_writer_commit(&file, error);
}

// ---- declarations -------------------------------------------------------------------------------------------------

// NULL when a pattern is not UTF-8.
static json_t *exclude_list(const char *const *ignore, size_t n_ignore)
{
    json_t *list = json_pack("[s]", "lm_head");
    for (size_t i = 0; i < n_ignore; i++)
        if (json_array_append_new(list, json_string(ignore[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

// The flat form, for config.json.
static json_t *flat_declaration(const char *const *ignore, size_t n_ignore)
{
    static const char args[] = "{s:b, s:i, s:s, s:i}";
    json_t *weights = json_pack(args, "dynamic", 0, "num_bits", 4, "type", "float", "group_size", 16);
    json_t *inputs = json_pack(args, "dynamic", 0, "num_bits", 4, "type", "float", "group_size", 16);
    return json_pack("{s:{s:{s:o, s:o, s:[s]}}, s:o, s:s, s:{s:s, s:s}, s:s}", "config_groups", "group_0",
                     "input_activations", inputs, "weights", weights, "targets", "Linear", "ignore",
                     exclude_list(ignore, n_ignore), "quant_algo", "NVFP4", "producer", "name", PRODUCER_NAME,
                     "version", PRODUCER_VERSION, "quant_method", "modelopt");
}

// The older form with a wrapper, for hf_quant_config.json. Loaders want all four keys of "quantization" present.
static json_t *wrapped_declaration(const char *const *ignore, size_t n_ignore)
{
    return json_pack("{s:{s:s, s:s}, s:{s:s, s:n, s:i, s:o}}", "producer", "name", PRODUCER_NAME, "version",
                     PRODUCER_VERSION, "quantization", "quant_algo", "NVFP4", "kv_cache_quant_algo", "group_size", 16,
                     "exclude_modules", exclude_list(ignore, n_ignore));
}

static nb_status dump(json_t *object, nb_growing *text, nb_error *error)
{
    if (!object)
        return nb_error_set(error, NB_ERR_INPUT, "--ignore: expected patterns in UTF-8, found other bytes");
    nb_growing_add_json(text, object, JSON_INDENT(2));
    return NB_OK;
}

// The declaration goes in before the last brace, as text, so that numbers and order of all else stay as they were.
static nb_status add_declaration(const char *target, const char *config, size_t bytes, const char *declaration,
                                 nb_error *error)
{
    size_t end = bytes;
    while (config[end - 1] != '}')
        end--;
    size_t body = end - 1;
    while (strchr(" \t\r\n", config[body - 1]))
        body--;
    const char *key = config[body - 1] == '{' ? "\n  \"quantization_config\": " : ",\n  \"quantization_config\": ";
    const char *texts[] = {config, key, declaration, "\n}\n"};
    const size_t sizes[] = {body, strlen(key), strlen(declaration), 3};
    return write_file(target, "config.json", texts, sizes, 4, error);
}

static nb_status rewrite_config(const char *config, size_t bytes, const char *target, const char *declaration,
                                nb_error *error)
{
    json_t *object = NULL;
    NB_TRY(nb_json_parse(&object, config, bytes, NB_LIMIT_CONFIG_VALUES, "config.json", error));
    bool is_declared = json_object_get(object, "quantization_config") != NULL; // null counts: a key may not come twice
    json_decref(object);
    if (is_declared)
        return nb_error_set(error, NB_ERR_INPUT,
                            "config.json: expected no quantization_config, found one; "
                            "try the full-precision model");
    return add_declaration(target, config, bytes, declaration, error);
}

nb_status nb_quantize_write_config(const char *source, const char *target, const char *const *ignore, size_t n_ignore,
                                   nb_error *error)
{
    char path[PATH_MAX], *config = NULL;
    size_t bytes;
    nb_growing flat = {0}, wrapped = {0};
    NB_TRY(join_path(path, source, "config.json", error));
    NB_TRY(nb_file_read(path, NB_LIMIT_CONFIG_BYTES, &config, &bytes, error));
    nb_status status = dump(flat_declaration(ignore, n_ignore), &flat, error);
    if (status == NB_OK)
        status = dump(wrapped_declaration(ignore, n_ignore), &wrapped, error);
    if (status == NB_OK)
        status = rewrite_config(config, bytes, target, flat.text, error);
    if (status == NB_OK)
        status = write_file(target, "hf_quant_config.json", (const char *[]){wrapped.text, "\n"},
                            (const size_t[]){wrapped.bytes, 1}, 2, error);
    free(config);
    nb_growing_release(&flat);
    nb_growing_release(&wrapped);
    return status;
}

// ---- copies -------------------------------------------------------------------------------------------------------

static bool is_wanted(const char *name)
{
    static const char *const patterns[] = {
        "tokenizer.json",
        "tokenizer_config.json",
        "tokenizer.model",
        "vocab.json",
        "vocab.txt",
        "merges.txt",
        "added_tokens.json",
        "special_tokens_map.json",
        "generation_config.json",
        "chat_template.jinja",
        "chat_template.json",
        "training.json",
        "LICENSE*",
        "NOTICE*",
        "README*",
        "USE_POLICY*",
    };
    for (size_t i = 0; i < NB_COUNT(patterns); i++)
        if (fnmatch(patterns[i], name, 0) == 0)
            return true;
    return false;
}

static nb_status copy_file(const char *source, const char *target, const char *name, nb_error *error)
{
    char path[PATH_MAX];
    nb_map map;
    NB_TRY(join_path(path, source, name, error));
    NB_TRY(nb_map_open(&map, path, error));
    nb_status status =
        write_file(target, name, (const char *[]){(const char *)map.data}, (const size_t[]){map.bytes}, 1, error);
    nb_map_close(&map);
    return status;
}

nb_status nb_quantize_copy_files(const char *source, const char *target, nb_error *error)
{
    DIR *directory = opendir(source);
    if (!directory)
        return nb_path_error("read", source, errno, error);
    nb_status status = NB_OK;
    for (struct dirent *entry; status == NB_OK && (entry = readdir(directory));)
        if (is_wanted(entry->d_name))
            status = copy_file(source, target, entry->d_name, error);
    closedir(directory);
    return status;
}
