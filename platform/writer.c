// SPDX-License-Identifier: Apache-2.0
// The writer of platform/file.h.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/file.h"
#include "platform/path.h"

enum { MAX_TEMP_NAMES = 100 }; // leftovers of killed processes with our id

static int open_temp(nb_writer *writer)
{
    for (int i = 0; i < MAX_TEMP_NAMES; i++) {
        int n = snprintf(writer->temp_path, sizeof writer->temp_path, "%s.tmp-%ld-%d", writer->path, (long)getpid(), i);
        if (n < 0 || (size_t)n >= sizeof writer->temp_path) {
            errno = ENAMETOOLONG;
            return -1;
        }
        int fd = open(writer->temp_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

nb_status nb_writer_open(nb_writer *writer, const char *path, nb_error *error)
{
    writer->is_open = false;
    struct stat info;
    if (strlen(path) >= sizeof writer->path)
        return nb_path_error("write", path, ENAMETOOLONG, error);
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) // or the move at the end would fail, after all the work
        return nb_path_kind_error("write", path, info.st_mode, error);
    strcpy(writer->path, path);
    writer->fd = open_temp(writer);
    if (writer->fd < 0)
        return nb_path_error("write", path, errno, error);
    writer->is_open = true;
    return NB_OK;
}

static nb_status give_up(nb_writer *writer, int reason, nb_error *error)
{
    nb_writer_abort(writer);
    return nb_error_set(error, NB_ERR_SYSTEM, "cannot write %s%s: %s", nb_path_dots(writer->path),
                        nb_path_tail(writer->path), strerror(reason));
}

nb_status nb_writer_write(nb_writer *writer, const void *data, size_t bytes, nb_error *error)
{
    if (!writer->is_open)
        return give_up(writer, EBADF, error);
    for (size_t done = 0; done < bytes;) {
        ssize_t n = write(writer->fd, (const char *)data + done, bytes - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return give_up(writer, n < 0 ? errno : ENOSPC, error);
        done += (size_t)n;
    }
    return NB_OK;
}

// Makes the new name itself survive a power cut.
static int sync_parent(const nb_writer *writer)
{
    char parent[NB_WRITER_PATH_BYTES];
    strcpy(parent, writer->path);
    char *slash = strrchr(parent, '/');
    if (!slash)
        strcpy(parent, ".");
    else
        slash[slash == parent ? 1 : 0] = '\0';
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == EACCES ? 0 : errno; // a folder may be writable but not readable
    int reason = fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP ? 0 : errno; // some file systems cannot
    close(fd);
    return reason;
}

nb_status nb_writer_commit(nb_writer *writer, nb_error *error)
{
    if (!writer->is_open)
        return give_up(writer, EBADF, error);
    if (fsync(writer->fd) != 0)
        return give_up(writer, errno, error);
    int fd = writer->fd;
    writer->fd = -1;
    if (close(fd) != 0) // network file systems report a full disk here
        return give_up(writer, errno, error);
    if (rename(writer->temp_path, writer->path) != 0)
        return give_up(writer, errno, error);
    writer->is_open = false;
    int reason = sync_parent(writer);
    if (reason != 0)
        return nb_error_set(error, NB_ERR_SYSTEM, "%s%s is written, but may not survive a power cut: %s",
                            nb_path_dots(writer->path), nb_path_tail(writer->path), strerror(reason));
    return NB_OK;
}

void nb_writer_abort(nb_writer *writer)
{
    if (!writer->is_open)
        return;
    writer->is_open = false;
    if (writer->fd >= 0)
        close(writer->fd);
    unlink(writer->temp_path);
}

nb_status nb_file_write(const char *path, const void *data, size_t bytes, nb_error *error)
{
    nb_writer file;
    NB_TRY(nb_writer_open(&file, path, error));
    NB_TRY(nb_writer_write(&file, data, bytes, error));
    return nb_writer_commit(&file, error);
}
