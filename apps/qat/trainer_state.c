// SPDX-License-Identifier: Apache-2.0
#include "apps/qat/trainer_state.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/path.h"
#include "runtime/json.h"
#include "runtime/safetensors_write.h"

enum { HASH_BYTES = 32, NAME_BYTES = 128, N_SETS = 3, MAX_RECORD_VALUES = 4096 };
static const char *const prefixes[N_SETS] = {"", "first.", "second."};

// ---- writing ------------------------------------------------------------------------------------------------------

typedef struct sink {
    nb_safetensors_writer writer;
    EVP_MD_CTX *hash;
} sink;

typedef struct layout {
    nb_tensor *tensors, **order;
    char (*names)[NAME_BYTES];
    size_t n;
} layout;

static nb_status no_memory(nb_error *error)
{
    return nb_error_set(error, NB_ERR_FIT, "out of memory for a checkpoint of the training");
}

static bool make_layout(layout *l, const nb_param *params, size_t n_params, size_t record_bytes)
{
    l->n = N_SETS * n_params + 2;
    l->tensors = calloc(l->n, sizeof *l->tensors);
    l->order = calloc(l->n, sizeof *l->order);
    l->names = calloc(l->n, sizeof *l->names);
    if (!l->tensors || !l->order || !l->names)
        return false;
    for (size_t i = 0; i < l->n; i++)
        l->order[i] = &l->tensors[i];
    for (size_t i = 0; i < N_SETS * n_params; i++) {
        const nb_param *param = &params[i % n_params];
        snprintf(l->names[i], NAME_BYTES, "%s%s", prefixes[i / n_params], param->name);
        l->tensors[i] = (nb_tensor){.name = l->names[i],
                                    .dtype = NB_DTYPE_F32,
                                    .rank = param->rank,
                                    .shape = {param->shape[0], param->shape[1]}};
    }
    l->tensors[l->n - 2] = (nb_tensor){.name = "training", .dtype = NB_DTYPE_U8, .rank = 1, .shape = {record_bytes}};
    l->tensors[l->n - 1] = (nb_tensor){.name = "sha256", .dtype = NB_DTYPE_U8, .rank = 1, .shape = {HASH_BYTES}};
    return true;
}

static nb_status put(sink *out, const void *data, size_t bytes, nb_error *error)
{
    if (EVP_DigestUpdate(out->hash, data, bytes) != 1)
        return no_memory(error);
    return nb_safetensors_writer_put(&out->writer, data, bytes, error);
}

static nb_status put_moments(sink *out, const nb_param *params, size_t n_params, const float *moments, nb_error *error)
{
    for (size_t i = 0; i < n_params; i++) {
        NB_TRY(put(out, moments, params[i].n * sizeof *moments, error));
        moments += params[i].n;
    }
    return NB_OK;
}

static nb_status put_all(sink *out, const nb_param *params, size_t n_params, const float *first, const float *second,
                         const char *record, nb_error *error)
{
    uint8_t hash[HASH_BYTES];
    for (size_t i = 0; i < n_params; i++)
        NB_TRY(put(out, params[i].value, params[i].n * sizeof(float), error));
    NB_TRY(put_moments(out, params, n_params, first, error));
    NB_TRY(put_moments(out, params, n_params, second, error));
    NB_TRY(put(out, record, strlen(record), error));
    if (EVP_DigestFinal_ex(out->hash, hash, NULL) != 1)
        return no_memory(error);
    NB_TRY(nb_safetensors_writer_put(&out->writer, hash, sizeof hash, error));
    return nb_safetensors_writer_commit(&out->writer, error);
}

nb_status nb_train_state_save(const char *path, const nb_param *params, size_t n_params, const float *first,
                              const float *second, const json_t *record, nb_error *error)
{
    char *text = nb_json_text(record, JSON_COMPACT);
    layout l = {0};
    sink out = {.hash = EVP_MD_CTX_new()};
    nb_status status = NB_OK;
    if (!text || !out.hash || EVP_DigestInit_ex(out.hash, EVP_sha256(), NULL) != 1 ||
        !make_layout(&l, params, n_params, strlen(text)))
        status = no_memory(error);
    if (status == NB_OK)
        status = nb_safetensors_writer_open(&out.writer, path, l.order, l.n, error);
    if (status == NB_OK) {
        status = put_all(&out, params, n_params, first, second, text, error);
        nb_safetensors_writer_abort(&out.writer);
    }
    EVP_MD_CTX_free(out.hash);
    free(l.tensors);
    free(l.order);
    free(l.names);
    free(text);
    return status;
}

// ---- reading ------------------------------------------------------------------------------------------------------

static nb_status refuse(const char *name, const char *what, nb_error *error)
{
    return nb_error_set(error, NB_ERR_INPUT, "%s%s; expected a checkpoint of a training, found %s", nb_path_dots(name),
                        nb_path_tail(name), what);
}

static bool is_bytes(const nb_tensor *tensor, const char *name)
{
    return strcmp(tensor->name, name) == 0 && tensor->dtype == NB_DTYPE_U8;
}

static nb_status check(nb_train_state *state, const uint8_t *data, const char *name, nb_error *error)
{
    uint8_t hash[HASH_BYTES];
    const nb_safetensors *header = &state->header;
    if (header->n_tensors < 2)
        return refuse(name, "too few tensors", error);
    const nb_tensor *record = &header->tensors[header->n_tensors - 2], *last = record + 1;
    if (!is_bytes(record, "training") || !is_bytes(last, "sha256") || last->end - last->begin != HASH_BYTES)
        return refuse(name, "a file without training and sha256 at its end", error);
    uint64_t begin = header->tensors[0].begin;
    if (EVP_Digest(data + begin, last->begin - begin, hash, NULL, EVP_sha256(), NULL) != 1)
        return no_memory(error);
    if (memcmp(hash, data + last->begin, HASH_BYTES) != 0)
        return refuse(name, "damage: its SHA-256 is another", error);
    return nb_json_parse(&state->record, (const char *)data + record->begin, record->end - record->begin,
                         MAX_RECORD_VALUES, name, error);
}

nb_status nb_train_state_parse(nb_train_state *state, const uint8_t *data, size_t bytes, const char *name,
                               nb_error *error)
{
    *state = (nb_train_state){.data = data};
    NB_TRY(nb_safetensors_parse(&state->header, data, bytes, name, error));
    nb_status status = check(state, data, name, error);
    if (status != NB_OK)
        nb_train_state_close(state);
    return status;
}

nb_status nb_train_state_open(nb_train_state *state, const char *path, nb_error *error)
{
    nb_map map;
    *state = (nb_train_state){0};
    NB_TRY(nb_map_open(&map, path, error));
    nb_status status = nb_train_state_parse(state, map.data, map.bytes, path, error);
    if (status == NB_OK)
        state->map = map;
    else
        nb_map_close(&map);
    return status;
}

void nb_train_state_close(nb_train_state *state)
{
    json_decref(state->record);
    nb_safetensors_release(&state->header);
    nb_map_close(&state->map);
    *state = (nb_train_state){0};
}

static bool is_tensor_of(const nb_tensor *tensor, const char *prefix, const nb_param *param)
{
    size_t n = strlen(prefix);
    return strncmp(tensor->name, prefix, n) == 0 && strcmp(tensor->name + n, param->name) == 0 &&
           tensor->dtype == NB_DTYPE_F32 && tensor->end - tensor->begin == param->n * sizeof(float);
}

nb_status nb_train_state_apply(const nb_train_state *state, nb_param *params, size_t n_params, float *first,
                               float *second, nb_error *error)
{
    const nb_tensor *tensors = state->header.tensors;
    if (state->header.n_tensors != N_SETS * n_params + 2)
        return refuse("the checkpoint", "one of another model", error);
    for (size_t i = 0; i < N_SETS * n_params; i++)
        if (!is_tensor_of(&tensors[i], prefixes[i / n_params], &params[i % n_params]))
            return nb_error_set(error, NB_ERR_INPUT, "the checkpoint is of another model; expected %s, found %s",
                                params[i % n_params].name, tensors[i].name);
    for (size_t i = 0; i < n_params; i++) {
        size_t bytes = params[i].n * sizeof(float);
        memcpy(params[i].value, state->data + tensors[i].begin, bytes);
        memcpy(first, state->data + tensors[n_params + i].begin, bytes);
        memcpy(second, state->data + tensors[2 * n_params + i].begin, bytes);
        first += params[i].n;
        second += params[i].n;
    }
    return NB_OK;
}
