// SPDX-License-Identifier: Apache-2.0
#include "apps/hub/hub_blob.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/common/cli.h"
#include "apps/common/small_file.h"
#include "apps/hub/hub_record.h"

enum {
    READ_BYTES = 256 << 10,
    FLUSH_BYTES = 32 << 20, // after so many the disk is told to begin, or the last fsync would take them all at once
};

static bool fail(nb_hub_failure *failure, const char *what, const char *path)
{
    nb_hub_failure_errno(failure, what, path);
    return false;
}

// ---- reading -------------------------------------------------------------------------------------------------------

typedef struct reading {
    nb_hub_digest *digest;
    bool (*tell)(void *user, uint64_t bytes);
    void *user;
} reading;

// Hashes from the start of `fd` to its end, at most max_bytes. False with failure.
static bool hash_all(const reading *r, int fd, const char *path, uint64_t max_bytes, uint64_t *bytes,
                     nb_hub_failure *failure)
{
    char *buffer = nb_alloc(READ_BYTES);
    bool is_good = true;
    *bytes = 0;
    posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    while (is_good && *bytes < max_bytes) {
        uint64_t left = max_bytes - *bytes;
        ssize_t n = pread(fd, buffer, left < READ_BYTES ? (size_t)left : READ_BYTES, (off_t)*bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            is_good = fail(failure, "read", path);
        if (n <= 0)
            break;
        *bytes += (uint64_t)n;
        is_good = nb_hub_digest_add(r->digest, buffer, (size_t)n);
        if (!is_good)
            nb_hub_failure_set(failure, NB_HUB_CRYPTO, "libcrypto cannot hash");
        if (is_good && r->tell && !r->tell(r->user, *bytes)) {
            failure->problem = NB_HUB_STOPPED;
            is_good = false;
        }
    }
    free(buffer);
    return is_good;
}

static bool start(nb_hub_digest *digest, const nb_hub_file *file, nb_hub_failure *failure)
{
    if (nb_hub_digest_start(digest, file->etag, file->bytes))
        return true;
    nb_hub_failure_set(failure, NB_HUB_CRYPTO, "libcrypto cannot hash; expected SHA-256 and SHA-1, found them refused");
    return false;
}

bool nb_hub_file_check(const char *path, const nb_hub_file *file, nb_hub_digest *digest,
                       bool (*tell)(void *user, uint64_t bytes), void *user, bool *is_true, nb_hub_failure *failure)
{
    reading r = {digest, tell, user};
    uint64_t bytes;
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return fail(failure, "read", path);
    bool is_read = start(digest, file, failure) && hash_all(&r, fd, path, file->bytes, &bytes, failure);
    *is_true = is_read && bytes == file->bytes && fstat(fd, &info) == 0 && (uint64_t)info.st_size == bytes &&
               nb_hub_digest_equals(digest, file->etag);
    close(fd);
    return is_read;
}

// ---- the part ------------------------------------------------------------------------------------------------------

bool nb_hub_part_restart(nb_hub_part *part, nb_hub_failure *failure)
{
    part->at_bytes = part->flushed_bytes = 0;
    if (ftruncate(part->fd, 0) != 0)
        return fail(failure, "empty", part->path);
    return start(part->digest, part->file, failure);
}

bool nb_hub_part_open(nb_hub_part *part, const nb_hub_place *place, const nb_hub_file *file, nb_hub_digest *digest,
                      bool (*tell)(void *user, uint64_t bytes), void *user, nb_hub_failure *failure)
{
    reading r = {digest, tell, user};
    struct stat info;
    *part = (nb_hub_part){.fd = -1, .file = file, .digest = digest};
    if (!nb_hub_part_path(part->path, place, file->etag))
        return fail(failure, "name a part in", place->root);
    part->fd = open(part->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
    if (part->fd < 0 || fstat(part->fd, &info) != 0)
        return fail(failure, "open", part->path);
    if (!S_ISREG(info.st_mode)) {
        errno = EINVAL;
        return fail(failure, "write to", part->path);
    }
    if ((uint64_t)info.st_size > file->bytes)
        return nb_hub_part_restart(part, failure);
    return start(digest, file, failure) && hash_all(&r, part->fd, part->path, file->bytes, &part->at_bytes, failure);
}

bool nb_hub_part_append(nb_hub_part *part, const void *data, size_t bytes, nb_hub_failure *failure)
{
    const char *from = data;
    size_t done = 0;
    if (bytes > part->file->bytes - part->at_bytes) {
        nb_hub_failure_set(failure, NB_HUB_LENGTH, "more than its %llu bytes", (unsigned long long)part->file->bytes);
        return false;
    }
    while (done < bytes) {
        ssize_t n = pwrite(part->fd, from + done, bytes - done, (off_t)(part->at_bytes + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    int reason = errno;
    bool is_hashed = nb_hub_digest_add(part->digest, data, done); // of what came to the disk
    part->at_bytes += done;
    if (part->at_bytes - part->flushed_bytes >= FLUSH_BYTES) {
        sync_file_range(part->fd, (off_t)part->flushed_bytes, (off_t)(part->at_bytes - part->flushed_bytes),
                        SYNC_FILE_RANGE_WRITE);
        part->flushed_bytes = part->at_bytes;
    }
    errno = reason;
    if (done < bytes)
        return fail(failure, "write", part->path);
    if (!is_hashed)
        nb_hub_failure_set(failure, NB_HUB_CRYPTO, "libcrypto cannot hash");
    return is_hashed;
}

bool nb_hub_part_is_true(nb_hub_part *part)
{
    return part->at_bytes == part->file->bytes && nb_hub_digest_equals(part->digest, part->file->etag);
}

void nb_hub_part_close(nb_hub_part *part)
{
    if (part->fd >= 0)
        close(part->fd);
    part->fd = -1;
}

// ---- into place ----------------------------------------------------------------------------------------------------

static bool sync_folder_of(const char *path, nb_hub_failure *failure)
{
    char folder[PATH_MAX];
    strcpy(folder, path);
    char *slash = strrchr(folder, '/');
    if (slash && slash > folder)
        *slash = 0;
    return nb_folder_sync(folder) || fail(failure, "write", folder);
}

static bool make_folder_of(const char *path, nb_hub_failure *failure)
{
    char folder[PATH_MAX];
    *strrchr(strcpy(folder, path), '/') = 0;
    return nb_folder_make(folder) || fail(failure, "make the folder", folder);
}

// Another file of the same content.
static bool copy_file(const char *from, const char *to, nb_hub_failure *failure)
{
    char temporary[PATH_MAX];
    if (!nb_path_make(temporary, "%s.nibble.incomplete", to))
        return fail(failure, "name", to);
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    ssize_t n = in >= 0 && out >= 0 ? 1 : -1;
    while (n > 0)
        n = copy_file_range(in, NULL, out, NULL, 1 << 30, 0);
    bool is_copied = n == 0 && fsync(out) == 0 && rename(temporary, to) == 0;
    if (!is_copied)
        fail(failure, "write", to);
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    return is_copied;
}

static bool place_in_directory(nb_hub_part *part, const nb_hub_plan *plan, const char *commit, nb_hub_failure *failure)
{
    const nb_hub_file *last = NULL;
    char path[PATH_MAX];
    for (size_t i = 0; i < plan->n_files; i++) {
        const nb_hub_file *file = plan->files[i];
        if (strcmp(file->etag, part->file->etag) != 0)
            continue;
        if (!nb_hub_file_path(path, plan->place, file->path))
            return fail(failure, "name", file->path);
        if (!make_folder_of(path, failure))
            return false;
        if (last) { // the copies first, so that the part is there until all are
            char other[PATH_MAX];
            if (!nb_hub_file_path(other, plan->place, last->path) || !copy_file(part->path, other, failure))
                return false;
            if (!nb_hub_record_write(plan->place, last, commit))
                return fail(failure, "record", last->path);
        }
        last = file;
    }
    if (rename(part->path, path) != 0)
        return fail(failure, "write", path);
    if (!sync_folder_of(path, failure))
        return false;
    return nb_hub_record_write(plan->place, last, commit) || fail(failure, "record", last->path);
}

bool nb_hub_part_place(nb_hub_part *part, const nb_hub_plan *plan, const char *commit, nb_hub_failure *failure)
{
    char path[PATH_MAX];
    bool is_synced = fsync(part->fd) == 0;
    if (close(part->fd) != 0)
        is_synced = false;
    part->fd = -1;
    if (!is_synced)
        return fail(failure, "write", part->path);
    if (plan->place->is_directory)
        return place_in_directory(part, plan, commit, failure);
    if (!nb_hub_cached_path(path, plan->place, part->file->etag) || rename(part->path, path) != 0)
        return fail(failure, "write", path);
    return sync_folder_of(path, failure);
}
