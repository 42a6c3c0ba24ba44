// SPDX-License-Identifier: Apache-2.0
#include "apps/models/pull_mark.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "apps/common/hub_cache.h"
#include "apps/common/small_file.h"

enum { METADATA_BYTES_MAX = 1024 };

static bool take_text(char *text, size_t capacity, const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    if (!value || strlen(value) >= capacity)
        return false;
    strcpy(text, value);
    return true;
}

static bool is_hash(const char *etag)
{
    size_t bytes = strlen(etag);
    return (bytes == 40 || bytes == 64) && nb_hub_is_hex(etag, bytes);
}

static bool take_file(nb_hub_listing *files, const json_t *file)
{
    char etag[65];
    const char *path = json_string_value(json_object_get(file, "path"));
    json_int_t bytes = json_integer_value(json_object_get(file, "bytes"));
    if (!path || nb_hub_path_refusal(path) || bytes < 0 || files->n_files == NB_HUB_MAX_FILES ||
        !take_text(etag, sizeof etag, file, "etag") || !is_hash(etag))
        return false;
    nb_hub_listing_put(files, path, (uint64_t)bytes, etag);
    return true;
}

static bool take_files(nb_hub_listing *files, const json_t *list)
{
    size_t i;
    const json_t *file;
    char why[256];
    json_array_foreach(list, i, file) if (!take_file(files, file)) return false;
    return files->n_files > 0 && nb_hub_listing_finish(files, why, sizeof why);
}

bool nb_pull_mark_parse(nb_pull_mark *mark, const char *text, size_t bytes)
{
    memset(mark, 0, sizeof *mark);
    json_t *root = bytes <= NB_PULL_MARK_BYTES ? json_loadb(text, bytes, JSON_REJECT_DUPLICATES, NULL) : NULL;
    bool is_good = take_text(mark->repository, sizeof mark->repository, root, "repository") &&
                   nb_model_is_repository(mark->repository) &&
                   take_text(mark->commit, sizeof mark->commit, root, "commit") && nb_hub_is_snapshot(mark->commit) &&
                   take_files(&mark->files, json_object_get(root, "files"));
    json_decref(root);
    if (!is_good)
        nb_pull_mark_release(mark);
    return is_good;
}

bool nb_pull_mark_read(nb_pull_mark *mark, const char *directory)
{
    char path[PATH_MAX];
    size_t bytes = 0;
    char *text =
        nb_path_make(path, "%s/" NB_PULL_MARK, directory) ? nb_small_file_read(path, NB_PULL_MARK_BYTES, &bytes) : NULL;
    bool is_good = text && nb_pull_mark_parse(mark, text, bytes);
    free(text);
    return is_good;
}

void nb_pull_mark_release(nb_pull_mark *mark)
{
    nb_hub_listing_release(&mark->files);
    memset(mark, 0, sizeof *mark);
}

bool nb_pull_metadata_read(char etag[65], const char *directory, const char *path)
{
    char whole[PATH_MAX];
    size_t bytes = 0;
    char *text = nb_path_make(whole, "%s/.cache/huggingface/download/%s.metadata", directory, path)
                     ? nb_small_file_read(whole, METADATA_BYTES_MAX, &bytes)
                     : NULL;
    bool is_good = text && sscanf(text, "%*40[0-9a-f]%*[ \r\n]%64[0-9a-f]", etag) == 1 && is_hash(etag);
    free(text);
    return is_good;
}
