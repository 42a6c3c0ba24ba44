// SPDX-License-Identifier: Apache-2.0
#include "apps/common/small_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/common/cli.h"

bool nb_path_make(char path[PATH_MAX], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(path, PATH_MAX, format, args);
    va_end(args);
    if (n >= 0 && n < PATH_MAX)
        return true;
    path[0] = 0;
    errno = ENAMETOOLONG;
    return false;
}

bool nb_is_directory(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool nb_folder_make(const char *path)
{
    char folder[PATH_MAX];
    int reason = ENOTDIR; // the first that says why one could not be made
    if (!nb_path_make(folder, "%s", path))
        return false;
    size_t bytes = strlen(folder);
    for (size_t i = 1; i <= bytes; i++) {
        if (folder[i] != '/' && folder[i] != 0)
            continue;
        folder[i] = 0;
        if (mkdir(folder, 0777) != 0 && errno != EEXIST && reason == ENOTDIR)
            reason = errno;
        folder[i] = i < bytes ? '/' : 0;
    }
    bool is_there = nb_is_directory(folder);
    errno = reason;
    return is_there;
}

bool nb_folder_sync(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool is_synced = fsync(fd) == 0 || errno == EINVAL; // some file systems have no fsync for folders
    int reason = errno;
    close(fd);
    errno = reason;
    return is_synced;
}

static size_t read_all(int fd, char *data, size_t bytes)
{
    size_t done = 0;
    while (done < bytes) {
        ssize_t n = read(fd, data + done, bytes - done);
        if (n == 0 || (n < 0 && errno != EINTR))
            break;
        done += n > 0 ? (size_t)n : 0;
    }
    return done;
}

char *nb_small_file_read(const char *path, size_t bytes_max, size_t *bytes)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return NULL;
    char *text = NULL;
    int reason = fstat(fd, &info) != 0                ? errno
                 : !S_ISREG(info.st_mode)             ? EINVAL
                 : (uint64_t)info.st_size > bytes_max ? EFBIG
                                                      : 0;
    if (reason == 0) {
        text = nb_alloc((size_t)info.st_size + 1);
        *bytes = read_all(fd, text, (size_t)info.st_size);
    }
    close(fd);
    errno = reason;
    return text;
}

static bool write_all(int fd, const char *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t n = write(fd, data, bytes);
        if (n <= 0 && errno != EINTR)
            return false;
        data += n > 0 ? n : 0;
        bytes -= n > 0 ? (size_t)n : 0;
    }
    return fsync(fd) == 0;
}

// The folder a path is in.
static bool folder_of(char folder[PATH_MAX], const char *path)
{
    const char *slash = strrchr(path, '/');
    return nb_path_make(folder, "%.*s", slash > path ? (int)(slash - path) : 1, slash ? path : ".");
}

bool nb_small_file_write(const char *path, const char *stem, const void *data, size_t bytes)
{
    char temporary[PATH_MAX], folder[PATH_MAX];
    uint64_t ending = 0;
    if (getrandom(&ending, sizeof ending, 0) != sizeof ending || !folder_of(folder, path) ||
        !nb_path_make(temporary, "%s.%016llx", stem ? stem : path, (unsigned long long)ending))
        return false;
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0)
        return false;
    bool is_written = write_all(fd, data, bytes);
    is_written = close(fd) == 0 && is_written && rename(temporary, path) == 0;
    if (is_written)
        return nb_folder_sync(folder);
    int reason = errno;
    unlink(temporary);
    errno = reason;
    return false;
}
