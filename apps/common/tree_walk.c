// SPDX-License-Identifier: Apache-2.0
#include "apps/common/tree_walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { DEPTH_MAX = 32, ENTRIES_MAX = 200000 };

static void note(char why[256], const char *what, const char *path)
{
    if (!why[0])
        snprintf(why, 256, "%s: %.180s", path[0] ? path : ".", what);
}

int nb_tree_open(int parent, const char *name, char why[256])
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT)
        note(why, errno == ELOOP || errno == ENOTDIR ? "a link or a file where a folder belongs" : strerror(errno),
             name);
    return fd;
}

static void walk(nb_tree *tree, int fd, int depth)
{
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    size_t length = strlen(tree->path);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        nb_tree_entry found = {.folder = dirfd(folder), .name = entry->d_name, .path = tree->path};
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (++tree->n_entries > ENTRIES_MAX || depth > DEPTH_MAX ||
            length + strlen(entry->d_name) + 2 > sizeof tree->path) {
            note(tree->why, "too many files, or too deep", tree->path);
            break;
        }
        sprintf(tree->path + length, "%s%s", length ? "/" : "", entry->d_name);
        if (fstatat(found.folder, found.name, &found.stats, AT_SYMLINK_NOFOLLOW) != 0) {
            note(tree->why, strerror(errno), tree->path);
        } else {
            if (S_ISDIR(found.stats.st_mode))
                walk(tree, nb_tree_open(found.folder, found.name, tree->why), depth + 1);
            tree->visit(tree->user, &found);
        }
        tree->path[length] = 0;
    }
    if (folder) {
        closedir(folder);
    } else if (fd >= 0) {
        note(tree->why, strerror(errno), tree->path);
        close(fd);
    }
}

void nb_tree_walk(nb_tree *tree, int fd)
{
    tree->path[0] = 0;
    tree->n_entries = 0;
    walk(tree, fd, 0);
}

static void add_bytes(void *user, const nb_tree_entry *entry)
{
    struct stat stats = entry->stats;
    if (S_ISLNK(stats.st_mode) && fstatat(entry->folder, entry->name, &stats, 0) != 0)
        return;
    if (S_ISREG(stats.st_mode))
        *(uint64_t *)user += (uint64_t)stats.st_size;
}

uint64_t nb_tree_bytes(const char *path)
{
    char why[256] = "";
    uint64_t bytes = 0;
    nb_tree tree = {.visit = add_bytes, .user = &bytes, .why = why};
    nb_tree_walk(&tree, open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return bytes;
}

typedef struct removal {
    char *why;
    uint64_t bytes;
} removal;

static void remove_entry(void *user, const nb_tree_entry *entry)
{
    removal *r = user;
    bool is_folder = S_ISDIR(entry->stats.st_mode);
    if (unlinkat(entry->folder, entry->name, is_folder ? AT_REMOVEDIR : 0) != 0 && errno != ENOENT)
        note(r->why, strerror(errno), entry->path);
    else if (S_ISREG(entry->stats.st_mode) && entry->stats.st_nlink == 1)
        r->bytes += (uint64_t)entry->stats.st_size;
}

bool nb_tree_remove(int parent, const char *name, uint64_t *bytes_free, char why[256])
{
    struct stat stats;
    removal r = {.why = why};
    nb_tree tree = {.visit = remove_entry, .user = &r, .why = why};
    if (fstatat(parent, name, &stats, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT || (note(why, strerror(errno), name), false);
    if (S_ISDIR(stats.st_mode) && unlinkat(parent, name, AT_REMOVEDIR) == 0) // empty: nothing to read, no memory taken
        return true;
    if (S_ISDIR(stats.st_mode))
        nb_tree_walk(&tree, nb_tree_open(parent, name, why));
    nb_tree_entry top = {.folder = parent, .name = name, .path = name, .stats = stats};
    if (!why[0])
        remove_entry(&r, &top);
    if (bytes_free)
        *bytes_free += r.bytes;
    return !why[0];
}

void nb_tree_discard(const char *path)
{
    char why[256] = "";
    (void)nb_tree_remove(AT_FDCWD, path, NULL, why);
}
