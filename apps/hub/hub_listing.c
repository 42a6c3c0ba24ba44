// SPDX-License-Identifier: Apache-2.0
#include "apps/hub/hub_listing.h"

#include <stdlib.h>
#include <string.h>

#include "apps/common/cli.h"

static json_t *load(const char *json, size_t bytes, char *why, size_t capacity)
{
    json_error_t reason;
    json_t *root = json_loadb(json, bytes, JSON_REJECT_DUPLICATES, &reason);
    if (!root)
        snprintf(why, capacity, "an answer that is no JSON (%.100s)", reason.text);
    return root;
}

bool nb_hub_commit_parse(char commit[NB_MODEL_COMMIT_BYTES], const char *json, size_t bytes, char *why, size_t capacity)
{
    json_t *root = load(json, bytes, why, capacity);
    if (!root)
        return false;
    const char *sha = json_string_value(json_object_get(root, "sha"));
    bool is_good = sha && nb_hub_is_commit(sha);
    if (is_good)
        strcpy(commit, sha);
    else
        snprintf(why, capacity, "an answer without a commit");
    json_decref(root);
    return is_good;
}

void nb_hub_listing_put(nb_hub_listing *listing, const char *path, uint64_t bytes, const char *etag)
{
    if (listing->n_files == listing->capacity) {
        listing->capacity = 2 * listing->capacity + 64;
        listing->files = nb_resize(listing->files, listing->capacity * sizeof *listing->files);
    }
    nb_hub_file *file = &listing->files[listing->n_files++];
    file->path = nb_copy_text(path);
    file->bytes = bytes;
    snprintf(file->etag, sizeof file->etag, "%s", etag);
}

// One entry of a page; folders and what else there may be are passed over.
static bool add_entry(nb_hub_listing *listing, const json_t *entry, char *why, size_t capacity)
{
    const char *type = json_string_value(json_object_get(entry, "type"));
    const json_t *path_json = json_object_get(entry, "path"), *lfs = json_object_get(entry, "lfs");
    const char *path = json_string_value(path_json);
    if (!type || !path) {
        snprintf(why, capacity, "an entry without type or path");
        return false;
    }
    const char *refusal =
        strlen(path) != json_string_length(path_json) ? "a zero character" : nb_hub_path_refusal(path);
    if (refusal) {
        snprintf(why, capacity, "a file name with %s: \"%.120s\"", refusal, path);
        return false;
    }
    if (strcmp(type, "file") != 0)
        return true;
    const json_t *source = json_is_object(lfs) ? lfs : entry;
    const json_t *size = json_object_get(source, "size");
    const char *oid = json_string_value(json_object_get(source, "oid"));
    if (!json_is_integer(size) || json_integer_value(size) < 0 || json_integer_value(size) > NB_HUB_FILE_BYTES ||
        !oid || !nb_hub_is_hex(oid, json_is_object(lfs) ? 64 : 40)) {
        snprintf(why, capacity, "no usable size or hash of \"%.120s\"", path);
        return false;
    }
    if (listing->n_files == NB_HUB_MAX_FILES) {
        snprintf(why, capacity, "more than %d files", NB_HUB_MAX_FILES);
        return false;
    }
    nb_hub_listing_put(listing, path, (uint64_t)json_integer_value(size), oid);
    return true;
}

bool nb_hub_listing_add(nb_hub_listing *listing, const char *json, size_t bytes, char *why, size_t capacity)
{
    json_t *root = load(json, bytes, why, capacity);
    if (!root)
        return false;
    bool is_good = json_is_array(root);
    if (!is_good)
        snprintf(why, capacity, "an answer that is no list of files");
    for (size_t i = 0; is_good && i < json_array_size(root); i++)
        is_good = add_entry(listing, json_array_get(root, i), why, capacity);
    json_decref(root);
    return is_good;
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const nb_hub_file *)a)->path, ((const nb_hub_file *)b)->path);
}

const nb_hub_file *nb_hub_listing_find(const nb_hub_listing *listing, const char *path)
{
    nb_hub_file key = {.path = (char *)(uintptr_t)path};
    return listing->n_files ? bsearch(&key, listing->files, listing->n_files, sizeof key, compare) : NULL;
}

// A folder of `path` that is listed as a file.
static bool lies_below_a_file(const nb_hub_listing *listing, const char *path)
{
    char folder[NB_HUB_PATH_BYTES];
    for (size_t i = 0; path[i]; i++) {
        folder[i] = path[i];
        if (path[i] != '/')
            continue;
        folder[i] = 0;
        if (nb_hub_listing_find(listing, folder))
            return true;
        folder[i] = '/';
    }
    return false;
}

bool nb_hub_listing_finish(nb_hub_listing *listing, char *why, size_t capacity)
{
    if (listing->n_files)
        qsort(listing->files, listing->n_files, sizeof *listing->files, compare);
    for (size_t i = 0; i < listing->n_files; i++) {
        const char *path = listing->files[i].path;
        bool is_twice = i > 0 && strcmp(path, listing->files[i - 1].path) == 0;
        if (!is_twice && !lies_below_a_file(listing, path))
            continue;
        snprintf(why, capacity, "%s \"%.120s\"", is_twice ? "a file listed twice:" : "a file below a file:", path);
        return false;
    }
    return true;
}

void nb_hub_listing_release(nb_hub_listing *listing)
{
    for (size_t i = 0; i < listing->n_files; i++)
        free(listing->files[i].path);
    free(listing->files);
    memset(listing, 0, sizeof *listing);
}
