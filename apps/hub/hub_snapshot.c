// SPDX-License-Identifier: Apache-2.0
#include "apps/hub/hub_snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/common/cli.h"
#include "apps/common/small_file.h"
#include "apps/common/tree_walk.h"

static bool fail(nb_hub_failure *failure, const char *what, const char *path)
{
    nb_hub_failure_errno(failure, what, path);
    return false;
}

bool nb_hub_repository_prepare(const nb_hub_place *place, const char *cache, nb_hub_failure *failure)
{
    static const char *const folders[] = {"blobs", "snapshots"};
    char path[PATH_MAX];
    if (!nb_hub_cache_make(cache))
        return fail(failure, "make the cache", cache);
    for (size_t i = 0; i < NB_COUNT_OF(folders); i++)
        if (!nb_path_make(path, "%s/%s", place->root, folders[i]) || !nb_folder_make(path))
            return fail(failure, "make the folder", path);
    return true;
}

// ---- links ---------------------------------------------------------------------------------------------------------

// PATH -> ../../blobs/ETAG, with one more ../ for every folder in PATH.
static void make_target(nb_growing *target, const nb_hub_file *file)
{
    nb_growing_clear(target);
    nb_growing_add(target, "../../", 6);
    for (const char *s = file->path; (s = strchr(s, '/')); s++)
        nb_growing_add(target, "../", 3);
    nb_growing_add(target, "blobs/", 6);
    nb_growing_add(target, file->etag, strlen(file->etag));
}

// Where links were not possible the official client leaves the file itself.
static bool is_plain_file(const char *path, uint64_t bytes)
{
    struct stat info;
    return lstat(path, &info) == 0 && S_ISREG(info.st_mode) && (uint64_t)info.st_size == bytes;
}

static bool is_link_to(const char *path, const char *target)
{
    char found[PATH_MAX];
    ssize_t n = readlink(path, found, sizeof found - 1);
    if (n <= 0)
        return false;
    found[n] = 0;
    return strcmp(found, target) == 0;
}

// One link; what is there instead gives way at once.
static bool add_link(const char *folder, const char *spare, const nb_hub_file *file, nb_growing *target,
                     nb_hub_failure *failure)
{
    char path[PATH_MAX], parent[PATH_MAX];
    make_target(target, file);
    if (!nb_path_make(path, "%s/%s", folder, file->path))
        return fail(failure, "name", file->path);
    *strrchr(strcpy(parent, path), '/') = 0;
    if (!nb_folder_make(parent))
        return fail(failure, "make the folder", parent);
    if (symlink(target->text, path) == 0)
        return true;
    if (is_link_to(path, target->text) || is_plain_file(path, file->bytes))
        return true;
    unlink(spare);
    if (symlink(target->text, spare) != 0 || rename(spare, path) != 0)
        return fail(failure, "make a link (where a file system has none, --to DIR does without), here:", path);
    return true;
}

static bool add_links(const nb_hub_plan *plan, const char *folder, nb_hub_failure *failure)
{
    char own[PATH_MAX], spare[PATH_MAX];
    nb_growing target = {0};
    if (!nb_path_make(own, "%s/.nibble", plan->place->root) || !nb_folder_make(own))
        return fail(failure, "make the folder", own);
    bool is_good = nb_path_make(spare, "%s/link", own) || fail(failure, "name a link in", own);
    for (size_t i = 0; is_good && i < plan->n_files; i++)
        is_good = add_link(folder, spare, plan->files[i], &target, failure);
    nb_growing_release(&target);
    return is_good;
}

typedef struct syncing {
    const char *root;
    int reason; // of the last that could not be
} syncing;

static void sync_entry(void *user, const nb_tree_entry *entry)
{
    syncing *s = user;
    char path[PATH_MAX];
    if (S_ISDIR(entry->stats.st_mode) && (!nb_path_make(path, "%s/%s", s->root, entry->path) || !nb_folder_sync(path)))
        s->reason = errno;
}

static bool sync_folders(const char *root, nb_hub_failure *failure)
{
    char why[256] = "";
    syncing s = {.root = root};
    nb_tree tree = {.visit = sync_entry, .user = &s, .why = why};
    nb_tree_walk(&tree, nb_tree_open(AT_FDCWD, root, why));
    if (why[0]) {
        nb_hub_failure_set(failure, NB_HUB_DISK, "cannot read %.120s/%.120s", root, why);
        return false;
    }
    errno = s.reason;
    return (s.reason == 0 && nb_folder_sync(root)) || fail(failure, "write", root);
}

bool nb_hub_snapshot_publish(const nb_hub_plan *plan, const nb_model_name *name, const char *commit,
                             nb_hub_failure *failure)
{
    char snapshot[PATH_MAX], fresh[PATH_MAX], parent[PATH_MAX];
    const char *root = plan->place->root;
    if (!nb_hub_snapshot_path(snapshot, root, commit) || !nb_path_make(fresh, "%s/.nibble/%s", root, commit) ||
        !nb_path_make(parent, "%s/snapshots", root))
        return fail(failure, "name a snapshot in", root);
    if (nb_is_directory(snapshot)) {
        if (!add_links(plan, snapshot, failure) || !sync_folders(snapshot, failure))
            return false;
    } else {
        nb_tree_discard(fresh); // of a run that was killed
        if (!add_links(plan, fresh, failure) || !sync_folders(fresh, failure))
            return false;
        if (rename(fresh, snapshot) != 0)
            return fail(failure, "make the snapshot", snapshot);
    }
    if (!nb_folder_sync(parent))
        return fail(failure, "write", parent);
    if (!nb_hub_is_commit(name->revision) && !nb_hub_ref_write(root, name->revision, commit))
        return fail(failure, "write the ref in", root);
    if (nb_path_make(fresh, "%s/.nibble", root))
        nb_tree_discard(fresh); // also what killed runs left
    return true;
}

bool nb_hub_snapshot_is_published(const nb_hub_plan *plan, const nb_model_name *name, const char *commit)
{
    char snapshot[PATH_MAX], path[PATH_MAX], named[NB_MODEL_COMMIT_BYTES];
    bool is_named = nb_hub_is_commit(name->revision) ||
                    (nb_hub_ref_read(named, plan->place->root, name->revision) && strcmp(named, commit) == 0);
    bool is_whole = is_named && nb_hub_snapshot_path(snapshot, plan->place->root, commit) &&
                    nb_path_make(path, "%s/.nibble", plan->place->root) && !nb_is_directory(path);
    nb_growing target = {0};
    for (size_t i = 0; is_whole && i < plan->n_files; i++) {
        make_target(&target, plan->files[i]);
        is_whole = nb_path_make(path, "%s/%s", snapshot, plan->files[i]->path) &&
                   (is_link_to(path, target.text) || is_plain_file(path, plan->files[i]->bytes));
    }
    nb_growing_release(&target);
    return is_whole;
}

// ---- listing -------------------------------------------------------------------------------------------------------

typedef struct snapshot_list {
    nb_hub_listing *listing;
    size_t *n_strange;
} snapshot_list;

static void list_entry(void *user, const nb_tree_entry *entry)
{
    const snapshot_list *l = user;
    char target[PATH_MAX];
    struct stat info;
    if (S_ISDIR(entry->stats.st_mode))
        return;
    ssize_t n = readlinkat(entry->folder, entry->name, target, sizeof target - 1);
    target[n > 0 ? n : 0] = 0;
    const char *slash = strrchr(target, '/');
    const char *etag = slash ? slash + 1 : "";
    bool is_blob = nb_hub_is_hex(etag, 40) || nb_hub_is_hex(etag, 64);
    if (is_blob && fstatat(entry->folder, entry->name, &info, 0) == 0 && S_ISREG(info.st_mode) &&
        !nb_hub_path_refusal(entry->path) && l->listing->n_files < NB_HUB_MAX_FILES)
        nb_hub_listing_put(l->listing, entry->path, (uint64_t)info.st_size, etag);
    else
        ++*l->n_strange;
}

bool nb_hub_snapshot_list(const nb_hub_place *place, const char *commit, nb_hub_listing *listing, size_t *n_strange,
                          nb_hub_failure *failure)
{
    char snapshot[PATH_MAX], why[256] = "";
    snapshot_list l = {.listing = listing, .n_strange = n_strange};
    nb_tree tree = {.visit = list_entry, .user = &l, .why = why};
    memset(listing, 0, sizeof *listing);
    *n_strange = 0;
    if (!nb_hub_snapshot_path(snapshot, place->cache_folder, commit))
        return fail(failure, "name a snapshot in", place->cache_folder);
    int fd = open(snapshot, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail(failure, "read", snapshot);
    nb_tree_walk(&tree, fd);
    if (why[0]) {
        nb_hub_failure_set(failure, NB_HUB_DISK, "cannot read %.120s/%.120s", snapshot, why);
        return false;
    }
    if (nb_hub_listing_finish(listing, why, sizeof why))
        return true;
    nb_hub_failure_set(failure, NB_HUB_LISTING, "%s", why);
    return false;
}
