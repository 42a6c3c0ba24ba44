// SPDX-License-Identifier: Apache-2.0
#include "platform/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/path.h"

// Opens for reading without waiting (a FIFO has nobody at the other end) and insists on a regular file.
static nb_status open_regular(const char *path, int *fd_out, uint64_t *bytes, nb_error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return nb_path_error("read", path, errno, error);
    struct stat info;
    if (fstat(fd, &info) != 0) {
        int reason = errno;
        close(fd);
        return nb_path_error("read", path, reason, error);
    }
    if (!S_ISREG(info.st_mode)) {
        close(fd);
        return nb_path_kind_error("read", path, info.st_mode, error);
    }
    *fd_out = fd;
    *bytes = (uint64_t)info.st_size;
    return NB_OK;
}

static nb_status size_error(const char *what, const char *path, const char *expected, uint64_t expected_bytes,
                            uint64_t found_bytes, nb_error *error)
{
    return nb_error_set(error, NB_ERR_INPUT, "%s%s %s; expected %s%" PRIu64 " bytes, found %" PRIu64,
                        nb_path_dots(path), nb_path_tail(path), what, expected, expected_bytes, found_bytes);
}

// ---- maps ---------------------------------------------------------------------------------------------------------

nb_status nb_map_open(nb_map *map, const char *path, nb_error *error)
{
    *map = (nb_map){.fd = -1};
    int fd = -1;
    uint64_t bytes = 0;
    NB_TRY(open_regular(path, &fd, &bytes, error));
    void *data = NULL;
    if (bytes > 0) {
        data = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
        if (data == MAP_FAILED) {
            int reason = errno;
            close(fd);
            return nb_path_error("map", path, reason, error);
        }
    }
    *map = (nb_map){.data = data, .bytes = bytes, .fd = fd, .is_open = true};
    return NB_OK;
}

void nb_map_close(nb_map *map)
{
    if (!map->is_open)
        return;
    if (map->data)
        munmap((void *)(uintptr_t)map->data, map->bytes);
    close(map->fd);
    *map = (nb_map){.fd = -1};
}

nb_status nb_map_check(const nb_map *map, const char *path, nb_error *error)
{
    NB_ASSERT(map->is_open);
    struct stat info;
    if (fstat(map->fd, &info) != 0)
        return nb_path_error("check", path, errno, error);
    if ((uint64_t)info.st_size != map->bytes)
        return size_error("was changed while in use", path, "", map->bytes, (uint64_t)info.st_size, error);
    return NB_OK;
}

void nb_map_rest(const nb_map *map)
{
    if (map->data)
        (void)madvise((void *)(uintptr_t)map->data, map->bytes, MADV_DONTNEED);
}

void nb_map_fault_in(const nb_map *map, uint64_t begin, uint64_t bytes)
{
    enum { PAGE_BYTES = 4096 };
    NB_ASSERT(begin <= map->bytes && bytes <= map->bytes - begin);
    uint64_t first = begin / PAGE_BYTES * PAGE_BYTES;
    if (bytes > 0)
        (void)madvise((void *)(uintptr_t)(map->data + first), begin + bytes - first, MADV_POPULATE_READ);
}

bool nb_map_view(const nb_map *map, uint64_t begin, uint64_t bytes, const uint8_t **view)
{
    if (begin > map->bytes || bytes > map->bytes - begin)
        return false;
    *view = map->data ? map->data + begin : NULL;
    return true;
}

// ---- reading ------------------------------------------------------------------------------------------------------

// Reads until `bytes` are there or the file ends; returns how many, or -1 with errno.
static ssize_t read_fully(int fd, void *dst, size_t bytes, uint64_t offset)
{
    size_t n_read = 0;
    while (n_read < bytes) {
        ssize_t n = pread(fd, (char *)dst + n_read, bytes - n_read, (off_t)(offset + n_read));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        n_read += (size_t)n;
    }
    return (ssize_t)n_read;
}

static nb_status read_text(int fd, const char *path, size_t bytes, char **data, nb_error *error)
{
    char *text = malloc(bytes + 1);
    if (!text)
        return nb_path_error("read", path, ENOMEM, error);
    ssize_t n_read = read_fully(fd, text, bytes, 0);
    if (n_read < 0 || (size_t)n_read < bytes) {
        int reason = errno;
        free(text);
        return n_read < 0 ? nb_path_error("read", path, reason, error)
                          : size_error("was changed while it was read", path, "", bytes, (uint64_t)n_read, error);
    }
    text[bytes] = '\0';
    *data = text;
    return NB_OK;
}

nb_status nb_file_read(const char *path, size_t max_bytes, char **data, size_t *bytes, nb_error *error)
{
    *data = NULL;
    *bytes = 0;
    int fd = -1;
    uint64_t file_bytes = 0;
    NB_TRY(open_regular(path, &fd, &file_bytes, error));
    nb_status status = NB_OK;
    if (file_bytes > nb_min(max_bytes, SIZE_MAX / 2))
        status = size_error("is too large", path, "at most ", max_bytes, file_bytes, error);
    else
        status = read_text(fd, path, (size_t)file_bytes, data, error);
    close(fd);
    if (status == NB_OK)
        *bytes = (size_t)file_bytes;
    return status;
}

void nb_file_forget(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return;
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
}

size_t nb_file_read_head(const char *path, char *text, size_t capacity)
{
    NB_ASSERT(capacity > 0);
    text[0] = '\0';
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return 0;
    size_t n_read = 0;
    while (n_read < capacity - 1) { // read, not pread: files of /proc and /sys may come in pieces
        ssize_t n = read(fd, text + n_read, capacity - 1 - n_read);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        n_read += (size_t)n;
    }
    close(fd);
    text[n_read] = '\0';
    return n_read;
}

bool nb_file_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}
