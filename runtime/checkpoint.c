// SPDX-License-Identifier: Apache-2.0
#include "runtime/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/json.h"

static const char single_file[] = "model.safetensors";
static const char index_file[] = "model.safetensors.index.json";
static const char shift_file[] = "k_shift.st";

static nb_status out_of_memory(nb_error *error)
{
    return nb_error_set(error, NB_ERR_SYSTEM, "out of memory while opening a checkpoint");
}

// ---- index -------------------------------------------------------------------------------------------------------

// A hostile index must not lead out of its directory.
static bool is_plain_name(const char *name)
{
    return name[0] != '\0' && name[0] != '.' && !strchr(name, '/') && !strchr(name, '\\') && strlen(name) < 256;
}

static int by_string(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static nb_status collect_names(const json_t *map, const char **names, size_t *n_names, nb_error *error)
{
    size_t n = 0;
    for (void *it = json_object_iter((json_t *)map); it; it = json_object_iter_next((json_t *)map, it)) {
        const char *name = json_string_value(json_object_iter_value(it));
        if (!name || !is_plain_name(name))
            return nb_error_set(error, NB_ERR_INPUT, "%s: weight_map %.100s: expected a plain file name, found %.100s",
                                index_file, json_object_iter_key(it), name ? name : "something else");
        names[n++] = name;
    }
    qsort(names, n, sizeof *names, by_string);
    size_t n_unique = 0;
    for (size_t i = 0; i < n; i++)
        if (n_unique == 0 || strcmp(names[n_unique - 1], names[i]) != 0)
            names[n_unique++] = names[i];
    if (n_unique == 0 || n_unique > NB_LIMIT_SHARDS)
        return nb_error_set(error, NB_ERR_INPUT, "%s: weight_map: expected 1 to %u files, found %zu", index_file,
                            NB_LIMIT_SHARDS, n_unique);
    *n_names = n_unique;
    return NB_OK;
}

nb_status nb_index_parse(const char *text, size_t bytes, json_t **index, const char ***names, size_t *n_names,
                         nb_error *error)
{
    *names = NULL;
    NB_TRY(nb_json_parse(index, text, bytes, NB_LIMIT_INDEX_VALUES, index_file, error));
    const json_t *map = NULL;
    nb_status status =
        nb_json_object(&(nb_json_reader){*index, index_file, error}, "weight_map", NB_JSON_REQUIRED, &map);
    if (status == NB_OK) {
        *names = malloc((json_object_size(map) + 1) * sizeof **names);
        status = *names ? collect_names(map, *names, n_names, error) : out_of_memory(error);
    }
    if (status != NB_OK) {
        free(*names);
        *names = NULL;
        json_decref(*index);
        *index = NULL;
    }
    return status;
}

// Every tensor of the index must be where the index says.
static nb_status check_index(const nb_checkpoint *checkpoint, const json_t *index, nb_error *error)
{
    json_t *map = json_object_get(index, "weight_map");
    for (void *it = json_object_iter(map); it; it = json_object_iter_next(map, it)) {
        const char *name = json_object_iter_key(it), *shard = json_string_value(json_object_iter_value(it));
        const nb_entry *entry = nb_checkpoint_find(checkpoint, name);
        if (!entry || strcmp(checkpoint->shards[entry->shard].name, shard) != 0)
            return nb_error_set(error, NB_ERR_INPUT, "%s: tensor %.100s: expected in %.100s, found %s%.100s",
                                index_file, name, shard, entry ? "in " : "nowhere",
                                entry ? checkpoint->shards[entry->shard].name : "");
    }
    return NB_OK;
}

// ---- shards ------------------------------------------------------------------------------------------------------

static nb_status add_shard(nb_checkpoint *checkpoint, const char *directory, const char *name, nb_error *error)
{
    nb_shard *shard = &checkpoint->shards[checkpoint->n_shards++];
    shard->name = strdup(name);
    if (!shard->name || asprintf(&shard->path, "%s/%s", directory, name) < 0) {
        shard->path = NULL;
        return out_of_memory(error);
    }
    NB_TRY(nb_map_open(&shard->map, shard->path, error));
    return nb_safetensors_parse(&shard->header, shard->map.data, shard->map.bytes, shard->name, error);
}

static nb_status add_shards(nb_checkpoint *checkpoint, const char *directory, const char *const *names, size_t n_names,
                            nb_error *error)
{
    checkpoint->shards = calloc(n_names + 1, sizeof *checkpoint->shards); // one more for the sidecar
    if (!checkpoint->shards)
        return out_of_memory(error);
    for (size_t i = 0; i < n_names; i++)
        NB_TRY(add_shard(checkpoint, directory, names[i], error));
    return NB_OK;
}

static int by_name(const void *left, const void *right)
{
    return strcmp(((const nb_entry *)left)->tensor->name, ((const nb_entry *)right)->tensor->name);
}

static nb_status build_table(nb_checkpoint *checkpoint, nb_error *error)
{
    size_t n = 0;
    for (size_t i = 0; i < checkpoint->n_shards; i++)
        n += checkpoint->shards[i].header.n_tensors;
    checkpoint->entries = calloc(n + 1, sizeof *checkpoint->entries);
    if (!checkpoint->entries)
        return out_of_memory(error);
    for (size_t i = 0; i < checkpoint->n_shards; i++)
        for (size_t j = 0; j < checkpoint->shards[i].header.n_tensors; j++)
            checkpoint->entries[checkpoint->n_entries++] =
                (nb_entry){.tensor = &checkpoint->shards[i].header.tensors[j], .shard = (uint32_t)i};
    qsort(checkpoint->entries, n, sizeof *checkpoint->entries, by_name);
    for (size_t i = 1; i < n; i++) {
        const nb_entry *a = &checkpoint->entries[i - 1], *b = &checkpoint->entries[i];
        if (strcmp(a->tensor->name, b->tensor->name) == 0)
            return nb_error_set(error, NB_ERR_INPUT, "tensor %.100s: expected in one file, found in %.100s and %.100s",
                                a->tensor->name, checkpoint->shards[a->shard].name, checkpoint->shards[b->shard].name);
    }
    return NB_OK;
}

// ---- directories -------------------------------------------------------------------------------------------------

static nb_status exists_in(const char *directory, const char *name, bool *exists, nb_error *error)
{
    char *path;
    if (asprintf(&path, "%s/%s", directory, name) < 0)
        return out_of_memory(error);
    *exists = nb_file_exists(path);
    free(path);
    return NB_OK;
}

static nb_status read_index(const char *directory, json_t **index, const char ***names, size_t *n_names,
                            nb_error *error)
{
    char *path, *text;
    size_t bytes;
    if (asprintf(&path, "%s/%s", directory, index_file) < 0)
        return out_of_memory(error);
    nb_status status = nb_file_read(path, NB_LIMIT_INDEX_BYTES, &text, &bytes, error);
    free(path);
    NB_TRY(status);
    status = nb_index_parse(text, bytes, index, names, n_names, error);
    free(text);
    return status;
}

// The shards, then the sidecar, then one table of all.
static nb_status open_files(nb_checkpoint *checkpoint, const char *directory, const char *const *names, size_t n_names,
                            nb_error *error)
{
    bool has_shift = false;
    NB_TRY(exists_in(directory, shift_file, &has_shift, error));
    NB_TRY(add_shards(checkpoint, directory, names, n_names, error));
    if (has_shift)
        NB_TRY(add_shard(checkpoint, directory, shift_file, error));
    return build_table(checkpoint, error);
}

static nb_status open_indexed(nb_checkpoint *checkpoint, const char *directory, nb_error *error)
{
    json_t *index = NULL;
    const char **names = NULL;
    size_t n_names = 0;
    NB_TRY(read_index(directory, &index, &names, &n_names, error));
    nb_status status = open_files(checkpoint, directory, names, n_names, error);
    if (status == NB_OK)
        status = check_index(checkpoint, index, error);
    free(names);
    json_decref(index);
    return status;
}

static nb_status open_directory(nb_checkpoint *checkpoint, const char *directory, nb_error *error)
{
    bool has_single = false, has_index = false;
    NB_TRY(exists_in(directory, single_file, &has_single, error));
    NB_TRY(exists_in(directory, index_file, &has_index, error));
    if (has_index && !has_single)
        return open_indexed(checkpoint, directory, error);
    return open_files(checkpoint, directory, &(const char *){single_file}, 1, error); // neither: names the usual file
}

static nb_status open_file(nb_checkpoint *checkpoint, const char *path, nb_error *error)
{
    const char *slash = strrchr(path, '/');
    char *directory = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    if (!directory)
        return out_of_memory(error);
    nb_status status = add_shards(checkpoint, directory, &(const char *){slash ? slash + 1 : path}, 1, error);
    free(directory);
    return status == NB_OK ? build_table(checkpoint, error) : status;
}

nb_status nb_checkpoint_open(nb_checkpoint *checkpoint, const char *path, nb_error *error)
{
    *checkpoint = (nb_checkpoint){0};
    struct stat info;
    bool is_directory = stat(path, &info) == 0 && S_ISDIR(info.st_mode);
    nb_status status = is_directory ? open_directory(checkpoint, path, error) : open_file(checkpoint, path, error);
    if (status != NB_OK)
        nb_checkpoint_close(checkpoint);
    return status;
}

nb_entry *nb_checkpoint_find(const nb_checkpoint *checkpoint, const char *name)
{
    if (checkpoint->n_entries == 0)
        return NULL;
    nb_tensor key = {.name = name};
    return bsearch(&(nb_entry){.tensor = &key}, checkpoint->entries, checkpoint->n_entries, sizeof *checkpoint->entries,
                   by_name);
}

void nb_checkpoint_keep_maps(nb_checkpoint *checkpoint)
{
    for (size_t i = 0; i < checkpoint->n_shards; i++)
        nb_safetensors_release(&checkpoint->shards[i].header);
    free(checkpoint->entries);
    checkpoint->entries = NULL;
    checkpoint->n_entries = 0;
}

void nb_checkpoint_close(nb_checkpoint *checkpoint)
{
    nb_checkpoint_keep_maps(checkpoint);
    for (size_t i = 0; i < checkpoint->n_shards; i++) {
        nb_map_close(&checkpoint->shards[i].map);
        free(checkpoint->shards[i].name);
        free(checkpoint->shards[i].path);
    }
    free(checkpoint->shards);
    *checkpoint = (nb_checkpoint){0};
}
