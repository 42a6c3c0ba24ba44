// SPDX-License-Identifier: Apache-2.0
#include "apps/models/store_add.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "apps/common/cli.h"
#include "apps/common/small_file.h"
#include "apps/common/stop.h"
#include "apps/common/terminal.h"
#include "apps/common/tree_walk.h"
#include "apps/hub/hub_digest.h"
#include "apps/models/pull_mark.h"

enum { BUFFER_BYTES = 1 << 20, SPARE_BYTES = 16 << 20 };

// While files are read.
typedef struct copy {
    const nb_add *add;
    char staging[PATH_MAX];
    nb_hub_digest *digest;
    char *buffer;
    nb_progress progress;
    uint64_t done_bytes, total_bytes;
} copy;

static int fail_system(const char *what, const char *path)
{
    return nb_fail(NB_EXIT_FAILED, "cannot %s %.300s; expected it to work, found: %s", what, path, strerror(errno));
}

bool nb_add_staging(char path[PATH_MAX], const char *home, const char *repository)
{
    const char *slash = strchr(repository, '/');
    return nb_path_make(path, "%s/models/" NB_STORE_ADDING "%.*s--%s", home, slash ? (int)(slash - repository) : 0,
                        repository, slash ? slash + 1 : repository);
}

// ---- one file ------------------------------------------------------------------------------------------------------

static bool write_all(int fd, const char *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t n = write(fd, data, bytes);
        if (n < 0 && errno != EINTR)
            return false;
        data += n > 0 ? n : 0;
        bytes -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

// Reads `in` to its end, into the hash and into `out` (-1: nowhere).
static int pour(copy *c, const nb_hub_file *file, int in, int out)
{
    uint64_t bytes = 0;
    bool is_hashed = file->etag[0] && nb_hub_digest_start(c->digest, file->etag, file->bytes);
    for (ssize_t n; (n = read(in, c->buffer, BUFFER_BYTES)) != 0;) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_system("read", file->path);
        if (nb_stop_requested())
            return NB_EXIT_INTERRUPTED;
        if (is_hashed && !nb_hub_digest_add(c->digest, c->buffer, (size_t)n))
            return nb_fail(NB_EXIT_FAILED, "cannot hash %.300s", file->path);
        if (out >= 0 && !write_all(out, c->buffer, (size_t)n))
            return fail_system("write", file->path);
        bytes += (uint64_t)n;
        c->done_bytes += (uint64_t)n;
        nb_progress_update(&c->progress, c->done_bytes, c->total_bytes);
    }
    if (bytes != file->bytes)
        return nb_fail(NB_EXIT_INPUT, "%.300s changed while it was read; expected %llu bytes, found %llu; try again",
                       file->path, (unsigned long long)file->bytes, (unsigned long long)bytes);
    if (is_hashed && !nb_hub_digest_equals(c->digest, file->etag))
        return nb_fail(NB_EXIT_INPUT,
                       "%.300s is not what was pulled; expected bytes of hash %.12s, found others; try a copy that is "
                       "sound, or remove %.300s/.cache when it was changed on purpose",
                       file->path, file->etag, c->add->source);
    return NB_EXIT_OK;
}

static bool is_equal_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

// A copy gets the time of its source when it is whole, so that one taken up later knows it.
static int copy_file(copy *c, const nb_hub_file *file, int in, const struct stat *source)
{
    char path[PATH_MAX];
    struct stat copied;
    if (!nb_path_make(path, "%s/%s", c->staging, file->path))
        return fail_system("write", file->path);
    if (lstat(path, &copied) == 0 && S_ISREG(copied.st_mode) && copied.st_size == source->st_size &&
        is_equal_time(&copied.st_mtim, &source->st_mtim)) {
        c->done_bytes += file->bytes;
        return NB_EXIT_OK;
    }
    int out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (out < 0)
        return fail_system("write", path);
    int code = pour(c, file, in, out);
    struct timespec times[2] = {source->st_mtim, source->st_mtim};
    if (code == NB_EXIT_OK && (fsync(out) != 0 || futimens(out, times) != 0))
        code = fail_system("write", path);
    if (close(out) != 0 && code == NB_EXIT_OK)
        code = fail_system("write", path);
    return code;
}

static int take_file(copy *c, const nb_hub_file *file)
{
    char path[PATH_MAX];
    struct stat source;
    if (!nb_path_make(path, "%s/%s", c->add->source, file->path))
        return fail_system("read", file->path);
    int in = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (in < 0)
        return fail_system("read", path);
    int code = fstat(in, &source) != 0 || !S_ISREG(source.st_mode)
                   ? nb_fail(NB_EXIT_INPUT, "%.300s is no file; expected one, found something else", path)
               : c->add->way == NB_ADD_COPY ? copy_file(c, file, in, &source)
               : file->etag[0]              ? pour(c, file, in, -1)
                                            : NB_EXIT_OK;
    close(in);
    return code;
}

static int take_files(copy *c)
{
    int code = NB_EXIT_OK;
    c->digest = nb_hub_digest_create();
    c->buffer = nb_alloc(BUFFER_BYTES);
    nb_progress_start(&c->progress, c->add->way == NB_ADD_COPY ? "copying" : "checking");
    for (size_t i = 0; i < c->add->files->n_files && code == NB_EXIT_OK; i++)
        code = c->digest ? take_file(c, &c->add->files->files[i])
                         : nb_fail(NB_EXIT_FAILED, "libcrypto has no SHA-256 or SHA-1 here");
    nb_progress_end(&c->progress);
    nb_hub_digest_free(c->digest);
    free(c->buffer);
    return code;
}

// ---- ways ----------------------------------------------------------------------------------------------------------

static uint64_t staged_bytes(const copy *c)
{
    return nb_is_directory(c->staging) ? nb_tree_bytes(c->staging) : 0;
}

static int check_room(const copy *c, const char *models)
{
    struct statvfs disk;
    char needed[32], found[32];
    uint64_t staged = staged_bytes(c), bytes = SPARE_BYTES + c->total_bytes - (staged < c->total_bytes ? staged : 0);
    if (statvfs(models, &disk) != 0)
        return fail_system("look at", models);
    uint64_t room = (uint64_t)disk.f_bavail * disk.f_frsize;
    if (room >= bytes)
        return NB_EXIT_OK;
    return nb_fail(NB_EXIT_FIT,
                   "no room for the copy; expected %s free in %.300s, found %s; try nibble rm, --link, or another disk "
                   "by NIBBLE_HOME",
                   nb_bytes_text(needed, (double)bytes), models, nb_bytes_text(found, (double)room));
}

// What lies in the staging folder and is none of the files goes: it was begun from another directory.
static bool clear_strangers(const copy *c, int fd, char why[256])
{
    int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = own >= 0 ? fdopendir(own) : NULL;
    why[0] = 0;
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            !nb_hub_listing_find(c->add->files, entry->d_name) && !nb_tree_remove(fd, entry->d_name, NULL, why))
            break;
    if (folder)
        closedir(folder);
    return !why[0];
}

// The folder becomes the model, in one step and for good.
static int place(const copy *c, const char *from)
{
    char target[PATH_MAX], parent[PATH_MAX];
    if (!nb_path_make(target, "%s/models/%s", c->add->home, c->add->repository))
        return fail_system("write", c->add->repository);
    *strrchr(strcpy(parent, target), '/') = 0;
    if (!nb_folder_make(parent))
        return fail_system("make", parent);
    if (c->add->way == NB_ADD_LINK ? symlink(from, target) != 0
                                   : renameat2(AT_FDCWD, from, AT_FDCWD, target, RENAME_NOREPLACE) != 0)
        return errno == EXDEV ? -1 : fail_system("make", target);
    return nb_folder_sync(parent) ? NB_EXIT_OK : fail_system("write", parent);
}

// Whose copy it is and of which commit.
static bool write_mark(const copy *c)
{
    char from[PATH_MAX], to[PATH_MAX], folder[PATH_MAX];
    size_t bytes;
    if (!nb_path_make(from, "%s/" NB_PULL_MARK, c->add->source) || !nb_path_make(to, "%s/" NB_PULL_MARK, c->staging))
        return false;
    char *text = nb_small_file_read(from, NB_PULL_MARK_BYTES, &bytes);
    *strrchr(strcpy(folder, to), '/') = 0;
    bool is_done = !text || (nb_folder_make(folder) && nb_small_file_write(to, NULL, text, bytes));
    free(text);
    return is_done;
}

static int copy_and_place(copy *c, const char *models)
{
    char why[256];
    if (mkdir(c->staging, 0777) != 0 && errno != EEXIST)
        return fail_system("make", c->staging);
    int lock = open(c->staging, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC); // until the process ends
    if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) != 0) {
        if (lock >= 0)
            close(lock);
        return nb_fail(NB_EXIT_FAILED,
                       "%.200s is being added by another process; expected to be alone, found it at "
                       "work; try again when it has ended",
                       c->add->repository);
    }
    int code = clear_strangers(c, lock, why) ? check_room(c, models) : nb_fail(NB_EXIT_FAILED, "%s", why);
    if (code == NB_EXIT_OK)
        code = take_files(c);
    else
        (void)rmdir(c->staging); // where nothing was begun nothing stays
    if (code == NB_EXIT_OK && !(write_mark(c) && nb_folder_sync(c->staging)))
        code = fail_system("write", c->staging);
    if (code == NB_EXIT_OK)
        code = place(c, c->staging);
    close(lock);
    return code;
}

int nb_add_run(const nb_add *add)
{
    char models[PATH_MAX], why[256] = "";
    copy c = {.add = add};
    if (!nb_path_make(models, "%s/models", add->home) || !nb_add_staging(c.staging, add->home, add->repository))
        return fail_system("write", add->home);
    if (!nb_folder_make(models))
        return fail_system("make", models);
    for (size_t i = 0; i < add->files->n_files; i++)
        c.total_bytes += add->files->files[i].bytes;
    nb_stop_install();
    if (add->way == NB_ADD_COPY)
        return copy_and_place(&c, models);
    int code = take_files(&c);
    if (code == NB_EXIT_OK)
        code = place(&c, add->source);
    if (code != -1)
        return code;
    nb_add copying = *add; // to another disk
    copying.way = NB_ADD_COPY;
    c = (copy){.add = &copying, .total_bytes = c.total_bytes};
    (void)nb_add_staging(c.staging, add->home, add->repository);
    code = copy_and_place(&c, models);
    if (code == NB_EXIT_OK && !nb_tree_remove(AT_FDCWD, add->source, NULL, why))
        return nb_fail(NB_EXIT_FAILED, "the model is in the store, but %.300s could not be removed: %s", add->source,
                       why);
    return code;
}
