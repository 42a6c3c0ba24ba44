// SPDX-License-Identifier: Apache-2.0
#include "apps/qat/staging.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/common/unfinished.h"
#include "apps/qat/folder_lock.h"
#include "platform/path.h"

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)type;
    (void)walk;
    return remove(path);
}

// The directory and all in it; symbolic links are removed, not followed. 0, or -1 with errno.
static int remove_tree(const char *path)
{
    return nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static bool is_empty_directory(const char *path)
{
    DIR *directory = opendir(path);
    if (!directory)
        return false;
    int n_entries = 0;
    while (readdir(directory))
        n_entries++;
    closedir(directory);
    return n_entries == 2; // . and ..
}

static bool has_file(const char *directory, const char *name)
{
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return access(path, F_OK) == 0;
}

// A model, a tokenizer, or nothing.
static bool is_replaceable(const char *path)
{
    return has_file(path, "config.json") || has_file(path, "tokenizer.json") || is_empty_directory(path);
}

// Whether the final place is free, or holds what may be replaced.
static nb_status check_final(const nb_staging *staging, nb_error *error)
{
    struct stat info;
    const char *path = staging->final_path, *dots = nb_path_dots(path), *tail = nb_path_tail(path);
    if (lstat(path, &info) != 0)
        return errno == ENOENT ? NB_OK : nb_path_error("write", path, errno, error);
    if (!staging->may_replace)
        return nb_error_set(error, NB_ERR_INPUT,
                            "cannot write %s%s; expected a new directory, found an existing %s; "
                            "try another name, or --force to replace it",
                            dots, tail, S_ISDIR(info.st_mode) ? "one" : "file");
    if (!S_ISDIR(info.st_mode) || !is_replaceable(path))
        return nb_error_set(error, NB_ERR_INPUT,
                            "cannot replace %s%s; expected a directory with config.json or tokenizer.json or an "
                            "empty one, found something else; try another name",
                            dots, tail);
    return NB_OK;
}

// Fills final_path and path from `directory`.
static nb_status name_paths(nb_staging *staging, const char *directory, nb_error *error)
{
    size_t bytes = strlen(directory);
    while (bytes > 1 && directory[bytes - 1] == '/')
        bytes--;
    const char *slash = memrchr(directory, '/', bytes);
    size_t parent_bytes = slash ? (size_t)(slash - directory) + 1 : 0;
    int name_bytes = (int)(bytes - parent_bytes);
    const char *name = directory + parent_bytes;
    if (bytes + 32 > sizeof staging->path)
        return nb_path_error("write", directory, ENAMETOOLONG, error);
    if (name_bytes == 0 || (name_bytes <= 2 && strncmp(name, "..", (size_t)name_bytes) == 0))
        return nb_error_set(error, NB_ERR_INPUT, "cannot write %s; expected the name of a new directory, found none",
                            directory);
    snprintf(staging->final_path, sizeof staging->final_path, "%.*s", (int)bytes, directory);
    snprintf(staging->path, sizeof staging->path, "%.*s.%.*s.nibble-partial", (int)parent_bytes, directory, name_bytes,
             name);
    return NB_OK;
}

static bool is_same_directory(const char *left, const char *right)
{
    struct stat a, b;
    return stat(left, &a) == 0 && stat(right, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

nb_status nb_staging_check_source(const char *source, const char *directory, nb_error *error)
{
    char path[PATH_MAX];
    if (!realpath(source, path))
        return NB_OK; // opening it will say what is wrong
    for (char *slash; path[0]; *slash = '\0') {
        if (is_same_directory(path, directory))
            return nb_error_set(error, NB_ERR_INPUT,
                                "cannot write %s; expected a directory other than the source, found %s", directory,
                                is_same_directory(source, directory) ? "the same" : "one that holds it");
        slash = strrchr(path, '/');
    }
    return NB_OK;
}

// What a killed process left behind.
static int empty_directory(const char *path)
{
    DIR *directory = opendir(path);
    if (!directory)
        return -1;
    int result = 0;
    for (struct dirent *entry; result == 0 && (entry = readdir(directory));) {
        char name[PATH_MAX + 256];
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            result = remove_tree(name);
    }
    closedir(directory);
    return result;
}

static void discard(void *staging)
{
    nb_staging_discard(staging);
}

nb_status nb_staging_open(nb_staging *staging, const char *directory, bool may_replace, nb_error *error)
{
    memset(staging, 0, sizeof *staging);
    staging->may_replace = may_replace;
    nb_status status = name_paths(staging, directory, error);
    if (status == NB_OK)
        status = check_final(staging, error);
    if (status == NB_OK)
        status = nb_folder_lock(&staging->fd, staging->path, O_NOFOLLOW, staging->final_path, error);
    if (status != NB_OK) {
        memset(staging, 0, sizeof *staging);
        return status;
    }
    nb_unfinished_add(discard, staging);
    if (empty_directory(staging->path) != 0) {
        status = nb_path_error("empty", staging->path, errno, error);
        nb_staging_discard(staging);
    }
    return status;
}

// Exchanges the new directory with an old one, in one step where the file system can, else in two. 0, or -1 with errno.
static int swap_in(const nb_staging *staging)
{
    if (renameat2(AT_FDCWD, staging->path, AT_FDCWD, staging->final_path, RENAME_EXCHANGE) == 0)
        return 0;
    char old[PATH_MAX + 8];
    snprintf(old, sizeof old, "%s-old", staging->path);
    if (rename(staging->final_path, old) != 0)
        return -1;
    if (rename(staging->path, staging->final_path) == 0)
        return rename(old, staging->path);
    int reason = errno;
    if (rename(old, staging->final_path) != 0)
        return -1;
    errno = reason;
    return -1;
}

static int sync_parent(const char *path)
{
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');
    snprintf(parent, sizeof parent, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd < 0 ? -1 : fsync(fd);
    if (fd >= 0)
        close(fd);
    return result;
}

nb_status nb_staging_publish(nb_staging *staging, nb_error *error)
{
    struct stat info;
    nb_status status = check_final(staging, error); // it may have come into being meanwhile
    if (status == NB_OK) {
        bool replaces = lstat(staging->final_path, &info) == 0;
        int result = fsync(staging->fd);
        if (result == 0)
            result = replaces ? swap_in(staging) : rename(staging->path, staging->final_path);
        if (result == 0 && !replaces)
            staging->path[0] = 0; // nothing is left to remove
        if (result != 0 || sync_parent(staging->final_path) != 0)
            status = nb_path_error("write", staging->final_path, errno, error);
    }
    nb_staging_discard(staging); // after a failure the new directory, after a replacement the old one
    return status;
}

void nb_staging_discard(nb_staging *staging)
{
    if (staging->path[0] && remove_tree(staging->path) != 0)
        remove_tree(staging->path); // what was short may be there by now; else the next run removes it
    if (staging->final_path[0])
        close(staging->fd);
    nb_unfinished_remove(staging);
    memset(staging, 0, sizeof *staging);
}
