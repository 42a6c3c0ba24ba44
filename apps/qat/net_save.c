// SPDX-License-Identifier: Apache-2.0
// A net as a Hugging Face directory that nibble, transformers and others load.
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/qat/net_state.h"
#include "apps/qat/quantize_config.h"
#include "apps/qat/staging.h"
#include "kernels/floats.h"
#include "platform/path.h"
#include "runtime/safetensors_write.h"

// ---- tensors ------------------------------------------------------------------------------------------------------

// What a tensor of the result is made of.
typedef struct source {
    const float *values;
    size_t n;
} source;

typedef struct tensor_list {
    nb_tensor *tensors, **order;
    source *sources; // as tensors
    size_t n;
} tensor_list;

static bool list_create(tensor_list *list, size_t n)
{
    *list = (tensor_list){calloc(n + 1, sizeof *list->tensors), calloc(n + 1, sizeof *list->order),
                          calloc(n + 1, sizeof *list->sources), n};
    for (size_t i = 0; list->tensors && list->order && i < n; i++)
        list->order[i] = &list->tensors[i];
    return list->tensors && list->order && list->sources;
}

static void list_free(tensor_list *list)
{
    free(list->tensors);
    free(list->order);
    free(list->sources);
}

static nb_status put(nb_safetensors_writer *writer, const source *from, nb_dtype dtype, nb_error *error)
{
    if (dtype == NB_DTYPE_F32)
        return nb_safetensors_writer_put(writer, from->values, from->n * sizeof(float), error);
    for (size_t i = 0; i < from->n;) {
        uint16_t halves[1024];
        size_t n = nb_min(NB_COUNT(halves), from->n - i);
        for (size_t j = 0; j < n; j++)
            halves[j] = nb_bf16_encode(from->values[i + j]);
        NB_TRY(nb_safetensors_writer_put(writer, halves, n * sizeof *halves, error));
        i += n;
    }
    return NB_OK;
}

static nb_status write_file(const tensor_list *list, const char *directory, const char *name, size_t begin, size_t end,
                            nb_error *error)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", directory, name) >= (int)sizeof path)
        return nb_path_error("write", directory, ENAMETOOLONG, error);
    nb_safetensors_writer writer;
    NB_TRY(nb_safetensors_writer_open(&writer, path, list->order + begin, end - begin, error));
    nb_status status = NB_OK;
    for (size_t i = begin; i < end && status == NB_OK; i++)
        status = put(&writer, &list->sources[list->order[i] - list->tensors], list->order[i]->dtype, error);
    if (status == NB_OK)
        return nb_safetensors_writer_commit(&writer, error);
    nb_safetensors_writer_abort(&writer);
    return status;
}

static nb_status write_weights(const nb_net *net, const char *directory, nb_net_dtype dtype, nb_error *error)
{
    tensor_list list;
    size_t *first = calloc(net->n_params + 1, sizeof *first);
    nb_status status = NB_OK;
    if (!list_create(&list, net->n_params) || !first)
        status = nb_error_set(error, NB_ERR_FIT, "out of memory for %zu tensors", net->n_params);
    size_t n_shards = 0;
    for (size_t i = 0; status == NB_OK && i < net->n_params; i++) {
        const nb_param *param = &net->params[i];
        list.tensors[i] = (nb_tensor){.name = param->name,
                                      .dtype = dtype == NB_NET_F32 ? NB_DTYPE_F32 : NB_DTYPE_BF16,
                                      .rank = param->rank,
                                      .shape = {param->shape[0], param->shape[1]}};
        list.sources[i] = (source){param->value, param->n};
    }
    if (status == NB_OK)
        n_shards = nb_shards_cut((const nb_tensor *const *)list.order, list.n, NB_SHARD_BYTES, first);
    for (size_t i = 0; status == NB_OK && i < n_shards; i++) {
        char name[NB_SHARD_NAME_BYTES];
        status = write_file(&list, directory, nb_shard_name(i, n_shards, name), first[i], first[i + 1], error);
    }
    if (status == NB_OK && n_shards > 1) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/model.safetensors.index.json", directory);
        status = nb_shards_write_index(path, (const nb_tensor *const *)list.order, first, n_shards, error);
    }
    list_free(&list);
    free(first);
    return status;
}

static nb_status write_shift(const nb_net *net, const char *directory, nb_error *error)
{
    const nb_config *config = &net->model.config;
    if (!net->model.has_key_shift)
        return NB_OK;
    tensor_list list;
    char(*names)[64] = calloc(config->n_layers, sizeof *names);
    nb_status status = NB_OK;
    if (!list_create(&list, config->n_layers) || !names)
        status = nb_error_set(error, NB_ERR_FIT, "out of memory for the key shift");
    for (uint32_t i = 0; status == NB_OK && i < config->n_layers; i++) {
        snprintf(names[i], sizeof names[i], "model.layers.%u.self_attn.k_shift", i);
        list.tensors[i] = (nb_tensor){
            .name = names[i], .dtype = NB_DTYPE_F32, .rank = 2, .shape = {config->n_kv_heads, config->head_dim}};
        list.sources[i] = (source){net->layers[i].k_shift, (size_t)config->n_kv_heads * config->head_dim};
    }
    if (status == NB_OK)
        status = write_file(&list, directory, "k_shift.st", 0, list.n, error);
    list_free(&list);
    free(names);
    return status;
}

// ---- config.json --------------------------------------------------------------------------------------------------

// Behind the string that begins at text[at] == '"'.
static size_t skip_string(const char *text, size_t at)
{
    for (at++; text[at] != '"'; at++)
        at += text[at] == '\\';
    return at + 1;
}

static bool is_key(const char *text, size_t begin, size_t end, const char *name)
{
    return end - begin == strlen(name) + 2 && memcmp(text + begin + 1, name, strlen(name)) == 0;
}

// The value of the outermost object's string `dtype` or `torch_dtype`, quotes included, in JSON that has been parsed.
// False: there is none.
static bool find_dtype(const char *text, size_t bytes, size_t *begin, size_t *end)
{
    int depth = 0;
    for (size_t at = 0; at < bytes;) {
        depth += (text[at] == '{' || text[at] == '[') - (text[at] == '}' || text[at] == ']');
        if (text[at] != '"') {
            at++;
            continue;
        }
        size_t key = at, behind = skip_string(text, at);
        at = behind + strspn(text + behind, " \t\r\n");
        if (depth != 1 || text[at] != ':' ||
            !(is_key(text, key, behind, "dtype") || is_key(text, key, behind, "torch_dtype")))
            continue;
        at++;
        *begin = at + strspn(text + at, " \t\r\n");
        if (text[*begin] != '"')
            continue;
        *end = skip_string(text, *begin);
        return true;
    }
    return false;
}

nb_status nb_net_write_config(const char *source_directory, const char *directory, nb_net_dtype dtype, nb_error *error)
{
    char path[PATH_MAX], *text;
    size_t bytes, begin = 0, end = 0;
    if (snprintf(path, sizeof path, "%s/config.json", source_directory) >= (int)sizeof path)
        return nb_path_error("read", source_directory, ENAMETOOLONG, error);
    NB_TRY(nb_file_read(path, NB_LIMIT_CONFIG_BYTES, &text, &bytes, error));
    nb_writer file;
    nb_config config; // its text is sound JSON when it can be read
    nb_status status = nb_config_open(&config, source_directory, error);
    if (status == NB_OK)
        nb_config_release(&config);
    if (status == NB_OK && snprintf(path, sizeof path, "%s/config.json", directory) >= (int)sizeof path)
        status = nb_path_error("write", directory, ENAMETOOLONG, error);
    if (status == NB_OK)
        status = nb_writer_open(&file, path, error);
    if (status == NB_OK) {
        const char *name = dtype == NB_NET_F32 ? "\"float32\"" : "\"bfloat16\"";
        bool is_named = find_dtype(text, bytes, &begin, &end);
        status = nb_writer_write(&file, text, begin, error);
        if (status == NB_OK && is_named)
            status = nb_writer_write(&file, name, strlen(name), error);
        if (status == NB_OK)
            status = nb_writer_write(&file, text + end, bytes - end, error);
        if (status == NB_OK)
            status = nb_writer_commit(&file, error);
    }
    free(text);
    return status;
}

// ---- the directory ------------------------------------------------------------------------------------------------

nb_status nb_net_write(const nb_net *net, const char *source_directory, const char *directory, nb_net_dtype dtype,
                       nb_error *error)
{
    NB_TRY(nb_net_write_config(source_directory, directory, dtype, error));
    NB_TRY(nb_quantize_copy_files(source_directory, directory, error));
    NB_TRY(write_shift(net, directory, error));
    return write_weights(net, directory, dtype, error);
}

nb_status nb_net_save(const nb_net *net, const char *source_directory, const char *directory, nb_net_dtype dtype,
                      bool may_replace, nb_error *error)
{
    nb_staging staging;
    NB_TRY(nb_staging_open(&staging, directory, may_replace, error));
    nb_status status = nb_net_write(net, source_directory, staging.path, dtype, error);
    if (status == NB_OK)
        return nb_staging_publish(&staging, error);
    nb_staging_discard(&staging);
    return status;
}
