// SPDX-License-Identifier: Apache-2.0
// The text side of a model directory. tokenizer.json is the authority for tokens: tokenizer_config.json's
// added_tokens_decoder repeats its added tokens and is not read, and its tokenizer_class is ignored, since checkpoints
// name classes that contradict their own tokenizer.json.
#include "runtime/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/file.h"
#include "runtime/jinja.h"
#include "runtime/json.h"
#include "runtime/limits.h"

enum {
    TOKENIZER_BYTES_MAX = 256 << 20, // the largest published has 33 MB
    TEMPLATE_BYTES_MAX = 4 << 20,
    CONFIG_BYTES_MAX = 16 << 20, // tokenizer_config.json lists every added token again
    CONFIG_VALUES_MAX = 1 << 20,
    PATH_BYTES = 4096,
};

static nb_status join_path(char path[PATH_BYTES], const char *directory, const char *name, nb_error *error)
{
    int n = snprintf(path, PATH_BYTES, "%s/%s", directory, name);
    if (n < 0 || n >= PATH_BYTES)
        return nb_error_set(error, NB_ERR_INPUT, "directory name; expected at most %d bytes, found more",
                            PATH_BYTES - 32);
    return NB_OK;
}

// A JSON file of the directory; *root stays NULL when there is none.
static nb_status read_json(const char *directory, const char *name, json_t **root, nb_error *error)
{
    char path[PATH_BYTES];
    char *data;
    size_t bytes;
    *root = NULL;
    NB_TRY(join_path(path, directory, name, error));
    if (!nb_file_exists(path))
        return NB_OK;
    NB_TRY(nb_file_read(path, CONFIG_BYTES_MAX, &data, &bytes, error));
    nb_status status = nb_json_parse(root, data, bytes, CONFIG_VALUES_MAX, name, error);
    free(data);
    return status;
}

static nb_status copy_string(char **copy, const char *text, nb_error *error)
{
    *copy = strdup(text);
    return *copy ? NB_OK : nb_error_set(error, NB_ERR_SYSTEM, "text does not fit memory");
}

// ---- tokenizer_config.json ----------------------------------------------------------------------------------

// A special token is a string, an object with `content`, or null.
static nb_status read_special(const nb_json_reader *reader, const char *key, char **token)
{
    const json_t *value = nb_json_find(reader, key);
    const json_t *content = json_is_object(value) ? json_object_get(value, "content") : value;
    if (!value)
        return NB_OK;
    if (!json_is_string(content))
        return nb_json_unexpected(reader, key, "a string, an object with content, or null", value);
    return copy_string(token, json_string_value(content), reader->error);
}

// A template is a string, or a list of {"name", "template"} of which "default" is taken.
static nb_status read_template(const nb_json_reader *reader, char **source)
{
    const json_t *value = nb_json_find(reader, "chat_template");
    if (!value)
        return NB_OK;
    if (json_is_string(value))
        return copy_string(source, json_string_value(value), reader->error);
    if (!json_is_array(value))
        return nb_json_unexpected(reader, "chat_template", "a string or a list of named templates", value);
    for (size_t i = 0; i < json_array_size(value); i++) {
        nb_json_reader item = {json_array_get(value, i), "tokenizer_config.json: chat_template", reader->error};
        const char *name, *template;
        NB_TRY(nb_json_string(&item, "name", NB_JSON_REQUIRED, &name));
        NB_TRY(nb_json_string(&item, "template", NB_JSON_REQUIRED, &template));
        if (strcmp(name, "default") == 0)
            return copy_string(source, template, reader->error);
    }
    return NB_OK;
}

static nb_status read_config(nb_text *text, const json_t *root, nb_error *error)
{
    nb_json_reader reader = {root, "tokenizer_config.json", error};
    NB_TRY(read_special(&reader, "bos_token", &text->bos_token));
    NB_TRY(read_special(&reader, "eos_token", &text->eos_token));
    NB_TRY(read_special(&reader, "pad_token", &text->pad_token));
    NB_TRY(read_special(&reader, "unk_token", &text->unk_token));
    if (!text->chat_template) // chat_template.jinja comes first
        NB_TRY(read_template(&reader, &text->chat_template));
    return NB_OK;
}

static nb_status load_template_file(nb_text *text, const char *directory, nb_error *error)
{
    char path[PATH_BYTES];
    size_t bytes;
    NB_TRY(join_path(path, directory, "chat_template.jinja", error));
    if (!nb_file_exists(path))
        return NB_OK;
    NB_TRY(nb_file_read(path, TEMPLATE_BYTES_MAX, &text->chat_template, &bytes, error));
    if (strlen(text->chat_template) != bytes)
        return nb_error_set(error, NB_ERR_INPUT, "chat_template.jinja; expected text, found a zero byte");
    return NB_OK;
}

// A template that does not compile is no reason to refuse the tokenizer: `compiled` stays NULL, and asking for a chat
// tells why.
static nb_status compile_template(nb_text *text, nb_error *error)
{
    nb_error problem = {0};
    nb_status status = nb_template_compile(&text->compiled, text->chat_template, text->chat_template_bytes, &problem);
    return status == NB_ERR_SYSTEM ? nb_error_set(error, status, "%s", problem.text) : NB_OK;
}

static nb_status load_config(nb_text *text, const char *directory, nb_error *error)
{
    json_t *root;
    NB_TRY(load_template_file(text, directory, error));
    NB_TRY(read_json(directory, "tokenizer_config.json", &root, error));
    nb_status status = root ? read_config(text, root, error) : NB_OK;
    json_decref(root);
    text->chat_template_bytes = text->chat_template ? strlen(text->chat_template) : 0;
    if (status == NB_OK && text->chat_template)
        status = compile_template(text, error);
    return status;
}

// ---- stop ids -----------------------------------------------------------------------------------------------

static nb_status add_stop(nb_text *text, int64_t id, nb_error *error)
{
    if (id < 0 || id >= INT32_MAX) // an id beyond the vocabulary never comes, so it does no harm
        return NB_OK;
    for (uint32_t i = 0; i < text->n_stop_ids; i++)
        if (text->stop_ids[i] == id)
            return NB_OK;
    int32_t *grown = realloc(text->stop_ids, (text->n_stop_ids + 1) * sizeof *grown);
    if (!grown)
        return nb_error_set(error, NB_ERR_SYSTEM, "stop ids do not fit memory");
    text->stop_ids = grown;
    text->stop_ids[text->n_stop_ids++] = (int32_t)id;
    return NB_OK;
}

// eos_token_id of a file: a number, a list of numbers, or null.
static nb_status add_stops_of(nb_text *text, const nb_json_reader *reader)
{
    const json_t *value = nb_json_find(reader, "eos_token_id");
    size_t n = json_is_array(value) ? json_array_size(value) : value != NULL;
    if (n > NB_LIMIT_EOS_IDS)
        return nb_json_unexpected(reader, "eos_token_id", "at most 16 ids", value);
    for (size_t i = 0; i < n; i++) {
        const json_t *id = json_is_array(value) ? json_array_get(value, i) : value;
        if (!json_is_integer(id))
            return nb_json_unexpected(reader, "eos_token_id", "an id, a list of ids, or null", id);
        NB_TRY(add_stop(text, json_integer_value(id), reader->error));
    }
    return NB_OK;
}

static nb_status load_stops(nb_text *text, const char *directory, nb_error *error)
{
    static const char *const files[] = {"generation_config.json", "config.json"};
    for (size_t i = 0; i < NB_COUNT(files); i++) {
        json_t *root;
        NB_TRY(read_json(directory, files[i], &root, error));
        nb_json_reader reader = {root, files[i], error};
        nb_status status = root ? add_stops_of(text, &reader) : NB_OK;
        json_decref(root);
        NB_TRY(status);
    }
    if (!text->eos_token)
        return NB_OK;
    return add_stop(text, nb_tokenizer_find(text->tokenizer, text->eos_token, strlen(text->eos_token)), error);
}

// ---- opening ------------------------------------------------------------------------------------------------

static nb_status load_tokenizer(nb_text *text, const char *directory, nb_error *error)
{
    char path[PATH_BYTES];
    nb_map map; // read where it lies: a copy of 11 MB would be the largest thing that loading takes
    NB_TRY(join_path(path, directory, "tokenizer.json", error));
    NB_TRY(nb_map_open(&map, path, error));
    nb_status status = NB_OK;
    if (map.bytes > TOKENIZER_BYTES_MAX)
        status = nb_error_set(error, NB_ERR_INPUT, "tokenizer.json; expected at most %d bytes, found %zu",
                              TOKENIZER_BYTES_MAX, map.bytes);
    else
        status = nb_tokenizer_parse_file(&text->tokenizer, &map, error);
    nb_map_close(&map);
    return status;
}

static nb_status load(nb_text *text, const char *directory, nb_error *error)
{
    NB_TRY(load_tokenizer(text, directory, error));
    NB_TRY(load_config(text, directory, error));
    NB_TRY(load_stops(text, directory, error));
    text->think_open_id = nb_tokenizer_find_added(text->tokenizer, "<think>", 7);
    text->think_close_id = nb_tokenizer_find_added(text->tokenizer, "</think>", 8);
    text->bos_id = text->bos_token ? nb_tokenizer_find(text->tokenizer, text->bos_token, strlen(text->bos_token)) : -1;
    return NB_OK;
}

nb_status nb_text_open(nb_text **text, const char *directory, nb_error *error)
{
    *text = NULL;
    if (!directory)
        return nb_error_set(error, NB_ERR_ARGUMENT, "directory; expected a name, found NULL");
    nb_text *made = calloc(1, sizeof *made);
    if (!made)
        return nb_error_set(error, NB_ERR_SYSTEM, "text does not fit memory");
    nb_status status = load(made, directory, error);
    if (status == NB_OK)
        *text = made;
    else
        nb_text_close(made);
    return status;
}

void nb_text_close(nb_text *text)
{
    if (!text)
        return;
    nb_tokenizer_free(text->tokenizer);
    nb_template_free(text->compiled);
    free(text->chat_template);
    free(text->bos_token);
    free(text->eos_token);
    free(text->pad_token);
    free(text->unk_token);
    free(text->stop_ids);
    free(text);
}

void nb_text_info_get(const nb_text *text, nb_text_info *info)
{
    *info = (nb_text_info){
        .n_tokens = nb_tokenizer_count(text->tokenizer),
        .bos_id = text->bos_id,
        .think_open_id = text->think_open_id,
        .think_close_id = text->think_close_id,
        .stop_ids = text->stop_ids,
        .n_stop_ids = text->n_stop_ids,
        .has_chat_template = text->chat_template != NULL,
    };
}

nb_status nb_text_encode(const nb_text *text, const char *string, size_t bytes, unsigned flags, int32_t *ids,
                         size_t capacity, size_t *n_ids, nb_error *error)
{
    return nb_tokenizer_encode(text->tokenizer, string, bytes, NULL, flags, ids, capacity, n_ids, error);
}

nb_status nb_text_decode(const nb_text *text, const int32_t *ids, size_t n_ids, unsigned flags, char *string,
                         size_t capacity, size_t *bytes, nb_error *error)
{
    return nb_tokenizer_decode(text->tokenizer, ids, n_ids, flags, string, capacity, bytes, error);
}
