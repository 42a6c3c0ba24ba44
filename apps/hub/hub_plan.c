// SPDX-License-Identifier: Apache-2.0
#include "apps/hub/hub_plan.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "apps/common/cli.h"
#include "apps/common/small_file.h"
#include "apps/hub/hub_record.h"

static const uint64_t SMALL_BYTES = 1 << 20;
static const uint64_t SPARE_BYTES = 16 << 20; // left free for everybody else, and for folders and links

bool nb_hub_part_path(char path[PATH_MAX], const nb_hub_place *place, const char *etag)
{
    return nb_path_make(path, "%s/%s/%s.nibble.incomplete", place->root,
                        place->is_directory ? ".cache/huggingface/download" : "blobs", etag);
}

bool nb_hub_cached_path(char path[PATH_MAX], const nb_hub_place *place, const char *etag)
{
    return nb_hub_blob_path(path, place->cache_folder, etag);
}

bool nb_hub_file_path(char path[PATH_MAX], const nb_hub_place *place, const char *path_in_repository)
{
    return nb_path_make(path, "%s/%s", place->root, path_in_repository);
}

static int compare_etags(const void *a, const void *b)
{
    const nb_hub_file *x = ((const nb_hub_blob *)a)->file, *y = ((const nb_hub_blob *)b)->file;
    int order = strcmp(x->etag, y->etag);
    return order ? order : strcmp(x->path, y->path);
}

// The order in which they are brought: the small ones by name, so that the configuration and any trouble come first,
// then the large ones from the largest down, so that no worker is left alone with much at the end.
static int compare_order(const void *a, const void *b)
{
    const nb_hub_file *x = ((const nb_hub_blob *)a)->file, *y = ((const nb_hub_blob *)b)->file;
    uint64_t x_bytes = x->bytes < SMALL_BYTES ? 0 : x->bytes, y_bytes = y->bytes < SMALL_BYTES ? 0 : y->bytes;
    if (x_bytes == y_bytes)
        return strcmp(x->path, y->path);
    return x_bytes == 0 || (y_bytes != 0 && x_bytes > y_bytes) ? -1 : 1;
}

void nb_hub_plan_make(nb_hub_plan *plan, const nb_hub_place *place, const nb_hub_listing *listing, const bool *is_taken)
{
    memset(plan, 0, sizeof *plan);
    plan->place = place;
    plan->files = nb_alloc(listing->n_files * sizeof *plan->files);
    plan->blobs = nb_alloc(listing->n_files * sizeof *plan->blobs);
    for (size_t i = 0; i < listing->n_files; i++) {
        if (!is_taken[i])
            continue;
        plan->blobs[plan->n_files].file = &listing->files[i];
        plan->files[plan->n_files++] = &listing->files[i];
    }
    qsort(plan->blobs, plan->n_files, sizeof *plan->blobs, compare_etags);
    for (size_t i = 0; i < plan->n_files; i++) {
        const nb_hub_file *file = plan->blobs[i].file;
        if (plan->n_blobs > 0 && strcmp(file->etag, plan->blobs[plan->n_blobs - 1].file->etag) == 0) {
            plan->blobs[plan->n_blobs - 1].n_names++;
            continue;
        }
        plan->blobs[plan->n_blobs].n_names = 1;
        plan->blobs[plan->n_blobs++].file = file;
        plan->total_bytes += file->bytes;
    }
    qsort(plan->blobs, plan->n_blobs, sizeof *plan->blobs, compare_order);
}

void nb_hub_plan_release(nb_hub_plan *plan)
{
    free(plan->files);
    free(plan->blobs);
    memset(plan, 0, sizeof *plan);
}

static bool is_file_of(const char *path, uint64_t bytes)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode) && (uint64_t)info.st_size == bytes;
}

static uint64_t part_bytes_of(const nb_hub_place *place, const nb_hub_file *file)
{
    char path[PATH_MAX];
    struct stat info;
    if (!nb_hub_part_path(path, place, file->etag) || lstat(path, &info) != 0 || !S_ISREG(info.st_mode) ||
        (uint64_t)info.st_size > file->bytes)
        return 0;
    return (uint64_t)info.st_size;
}

bool nb_hub_cached_find(char path[PATH_MAX], const nb_hub_place *place, const nb_hub_file *file)
{
    struct stat info;
    if (nb_hub_cached_path(path, place, file->etag) && is_file_of(path, file->bytes))
        return true;
    return place->snapshot[0] && nb_path_make(path, "%s/%s", place->snapshot, file->path) && lstat(path, &info) == 0 &&
           S_ISREG(info.st_mode) && (uint64_t)info.st_size == file->bytes;
}

size_t nb_hub_plan_leftovers(const nb_hub_plan *plan, bool does_remove)
{
    size_t n = 0;
    for (size_t i = 0; i < plan->n_blobs; i++) {
        char path[PATH_MAX], whole[PATH_MAX];
        const nb_hub_file *file = plan->blobs[i].file;
        if (!nb_hub_part_path(path, plan->place, file->etag) || access(path, F_OK) != 0 ||
            !nb_hub_cached_find(whole, plan->place, file))
            continue;
        n++;
        if (does_remove)
            unlink(path);
    }
    return n;
}

static nb_hub_state look_at_file(const nb_hub_place *place, const nb_hub_file *file)
{
    char path[PATH_MAX];
    if (!place->is_directory)
        return nb_hub_cached_find(path, place, file) ? NB_HUB_PRESENT : NB_HUB_ABSENT;
    if (!nb_hub_file_path(path, place, file->path) || !is_file_of(path, file->bytes))
        return NB_HUB_ABSENT;
    return nb_hub_record_tells(place, file, NULL) ? NB_HUB_PRESENT : NB_HUB_UNSURE;
}

// Every file of this content is there; with --to, and its record says so.
static nb_hub_state look_at_files(const nb_hub_plan *plan, const nb_hub_blob *blob)
{
    nb_hub_state state = look_at_file(plan->place, blob->file);
    for (size_t i = 0; i < plan->n_files && blob->n_names > 1 && state != NB_HUB_ABSENT; i++) {
        if (strcmp(plan->files[i]->etag, blob->file->etag) != 0)
            continue;
        nb_hub_state other = look_at_file(plan->place, plan->files[i]);
        state = other == NB_HUB_PRESENT ? state : other;
    }
    return state;
}

static nb_hub_state look(const nb_hub_plan *plan, nb_hub_blob *blob)
{
    char path[PATH_MAX];
    nb_hub_state state = look_at_files(plan, blob);
    blob->part_bytes = 0;
    if (state != NB_HUB_ABSENT)
        return state;
    blob->part_bytes = part_bytes_of(plan->place, blob->file);
    if (plan->place->is_directory && nb_hub_cached_find(path, plan->place, blob->file))
        return NB_HUB_CACHED;
    return blob->part_bytes ? NB_HUB_PART : NB_HUB_ABSENT;
}

void nb_hub_plan_look(nb_hub_plan *plan)
{
    plan->present_bytes = plan->part_bytes = plan->fetch_bytes = plan->disk_bytes = 0;
    for (size_t i = 0; i < plan->n_blobs; i++) {
        nb_hub_blob *blob = &plan->blobs[i];
        blob->state = look(plan, blob);
        if (blob->state == NB_HUB_PRESENT || blob->state == NB_HUB_UNSURE) {
            plan->present_bytes += blob->file->bytes;
            continue;
        }
        uint64_t left_bytes = blob->file->bytes - blob->part_bytes;
        plan->part_bytes += blob->part_bytes;
        plan->fetch_bytes += blob->state == NB_HUB_CACHED ? 0 : left_bytes;
        plan->disk_bytes += left_bytes;
        if (plan->place->is_directory) // each name has its own copy
            plan->disk_bytes += (blob->n_names - 1) * blob->file->bytes;
    }
}

// statvfs of a path or of what is there of it.
static bool find_room(const char *path, uint64_t *bytes)
{
    char folder[PATH_MAX];
    struct statvfs room;
    if (!nb_path_make(folder, "%s", path))
        return false;
    while (statvfs(folder, &room) != 0) {
        char *slash = strrchr(folder, '/');
        if (strcmp(folder, ".") == 0 || strcmp(folder, "/") == 0)
            return false;
        if (!slash)
            strcpy(folder, ".");
        else
            slash[slash == folder] = 0;
    }
    *bytes = (uint64_t)room.f_bavail * room.f_frsize;
    return true;
}

bool nb_hub_plan_fits(const nb_hub_plan *plan, nb_hub_failure *failure)
{
    uint64_t room;
    char need_text[32], room_text[32];
    if (plan->disk_bytes == 0 || !find_room(plan->place->root, &room) || plan->disk_bytes + SPARE_BYTES <= room)
        return true;
    nb_hub_failure_set(failure, NB_HUB_DISK_FULL, "not enough room in %.200s; expected %s free, found %s",
                       plan->place->root, nb_bytes_text(need_text, (double)(plan->disk_bytes + SPARE_BYTES)),
                       nb_bytes_text(room_text, (double)room));
    return false;
}
