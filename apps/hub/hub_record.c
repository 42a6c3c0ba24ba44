// SPDX-License-Identifier: Apache-2.0
#include "apps/hub/hub_record.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "apps/common/cli.h"
#include "apps/common/growing_text.h"
#include "apps/common/small_file.h"
#include "apps/common/tree_walk.h"

static bool record_path(char path[PATH_MAX], const nb_hub_place *place, const nb_hub_file *file)
{
    return nb_path_make(path, "%s/.cache/huggingface/download/%s.metadata", place->root, file->path);
}

static bool mark_path(char path[PATH_MAX], const nb_hub_place *place)
{
    return nb_path_make(path, "%s/.cache/huggingface/nibble.json", place->root);
}

// Where files are until they have their name, so that what a killed run left is found.
static bool own_path(char path[PATH_MAX], const nb_hub_place *place)
{
    return nb_path_make(path, "%s/.cache/huggingface/.nibble", place->root);
}

static bool write_file(const nb_hub_place *place, const char *path, const void *data, size_t bytes)
{
    char own[PATH_MAX], stem[PATH_MAX];
    return own_path(own, place) && nb_folder_make(own) && nb_path_make(stem, "%s/file", own) &&
           nb_small_file_write(path, stem, data, bytes);
}

bool nb_hub_record_tells(const nb_hub_place *place, const nb_hub_file *file, const char *commit)
{
    char path[PATH_MAX], own[PATH_MAX], etag[65] = "", found[65] = "";
    size_t bytes;
    double time_s = 0;
    struct stat info;
    char *text = record_path(path, place, file) ? nb_small_file_read(path, 1024, &bytes) : NULL;
    bool is_read = text && sscanf(text, "%64[0-9a-f] %64[0-9a-f] %lf", found, etag, &time_s) == 3;
    free(text);
    return is_read && (!commit || strcmp(found, commit) == 0) && strcmp(etag, file->etag) == 0 &&
           nb_hub_file_path(own, place, file->path) && stat(own, &info) == 0 &&
           (double)info.st_mtim.tv_sec - 1 <= time_s;
}

bool nb_hub_record_write(const nb_hub_place *place, const nb_hub_file *file, const char *commit)
{
    char path[PATH_MAX], folder[PATH_MAX], text[256];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int n = snprintf(text, sizeof text, "%s\n%s\n%lld.%06ld\n", commit, file->etag, (long long)now.tv_sec,
                     now.tv_nsec / 1000);
    if (!record_path(path, place, file))
        return false;
    *strrchr(strcpy(folder, path), '/') = 0;
    return nb_folder_make(folder) && write_file(place, path, text, (size_t)n);
}

void nb_hub_record_remove(const nb_hub_place *place, const nb_hub_file *file)
{
    char path[PATH_MAX];
    if (record_path(path, place, file))
        unlink(path);
}

bool nb_hub_record_prepare(const nb_hub_place *place)
{
    char path[PATH_MAX];
    return nb_path_make(path, "%s/.cache/huggingface/download", place->root) && nb_folder_make(path) &&
           nb_path_make(path, "%s/.cache/huggingface/.gitignore", place->root) &&
           (access(path, F_OK) == 0 || write_file(place, path, "*", 1));
}

bool nb_hub_mark_write(const nb_hub_plan *plan, const nb_model_name *name, const char *commit)
{
    char path[PATH_MAX];
    json_t *files = json_array();
    for (size_t i = 0; i < plan->n_files; i++) {
        const nb_hub_file *file = plan->files[i];
        if (!nb_hub_record_tells(plan->place, file, commit) && !nb_hub_record_write(plan->place, file, commit)) {
            json_decref(files);
            return false;
        }
        json_array_append_new(files, json_pack("{s:s, s:I, s:s}", "path", file->path, "bytes", (json_int_t)file->bytes,
                                               "etag", file->etag));
    }
    json_t *root = json_pack("{s:s, s:s, s:s, s:o}", "repository", name->repository, "revision", name->revision,
                             "commit", commit, "files", files);
    nb_growing mark = {0};
    nb_growing_add_json(&mark, root, JSON_INDENT(1));
    bool is_written = mark_path(path, plan->place) && write_file(plan->place, path, mark.text, mark.bytes);
    if (is_written && own_path(path, plan->place))
        nb_tree_discard(path);
    nb_growing_release(&mark);
    return is_written;
}

void nb_hub_mark_remove(const nb_hub_place *place)
{
    char path[PATH_MAX];
    if (mark_path(path, place))
        unlink(path);
}
