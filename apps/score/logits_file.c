// SPDX-License-Identifier: Apache-2.0
#include "apps/score/logits_file.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/common/unfinished.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "rows are written as they lie in memory");

struct nb_logits_file {
    FILE *stream;
    char path[PATH_MAX];
    char temporary[PATH_MAX]; // "": written in place, because the path is no regular file (a pipe, a device)
    int error;
};

static void remove_temporary(void *user)
{
    const nb_logits_file *file = user;
    if (file->temporary[0])
        unlink(file->temporary);
}

static int fail_open(nb_logits_file *file, const char *path)
{
    int code = nb_fail(NB_EXIT_FAILED, "cannot write %s: %s", path, strerror(errno));
    remove_temporary(file);
    free(file);
    return code;
}

int nb_logits_file_open(nb_logits_file **opened, const char *path)
{
    nb_logits_file *file = nb_alloc(sizeof *file);
    struct stat info;
    if (snprintf(file->path, sizeof file->path, "%s", path) >= (int)sizeof file->path - 8) {
        errno = ENAMETOOLONG;
        return fail_open(file, path);
    }
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) {
        file->stream = fopen(path, "wb");
    } else {
        memcpy(file->temporary, file->path, sizeof file->path);
        strcat(file->temporary, ".XXXXXX");
        int descriptor = mkstemp(file->temporary);
        mode_t mask = umask(0);
        umask(mask);
        if (descriptor >= 0 && fchmod(descriptor, 0666 & ~mask) == 0)
            file->stream = fdopen(descriptor, "wb");
    }
    if (!file->stream)
        return fail_open(file, path);
    nb_unfinished_add(remove_temporary, file);
    *opened = file;
    return NB_EXIT_OK;
}

bool nb_logits_file_write(nb_logits_file *file, const float *row, size_t n)
{
    if (fwrite(row, sizeof *row, n, file->stream) == n)
        return true;
    file->error = errno ? errno : EIO;
    return false;
}

int nb_logits_file_error(const nb_logits_file *file)
{
    return file->error;
}

int nb_logits_file_close(nb_logits_file *file, bool is_whole)
{
    int code = NB_EXIT_OK;
    bool is_closed = fclose(file->stream) == 0;
    if (is_whole && is_closed && file->temporary[0])
        is_closed = rename(file->temporary, file->path) == 0;
    if (is_whole && !is_closed)
        code = nb_fail(NB_EXIT_FAILED, "cannot write %s: %s", file->path, strerror(errno));
    if (!is_whole || !is_closed)
        remove_temporary(file);
    nb_unfinished_remove(file);
    free(file);
    return code;
}
