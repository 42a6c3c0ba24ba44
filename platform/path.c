// SPDX-License-Identifier: Apache-2.0
#include "platform/path.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum { SHOWN_PATH_BYTES = 320 };

const char *nb_path_dots(const char *path)
{
    return strlen(path) > SHOWN_PATH_BYTES ? "..." : "";
}

const char *nb_path_tail(const char *path)
{
    size_t n = strlen(path);
    return n > SHOWN_PATH_BYTES ? path + n - SHOWN_PATH_BYTES : path;
}

// What is wrong with the path, or NULL when the path is not the reason.
static const char *path_fault(int reason, bool is_output)
{
    switch (reason) {
    case ENOENT:
        return is_output ? "expected an existing directory for it, found none" : "expected a file, found none";
    case ENOTDIR:
        return "expected directories on the way to it, found a file";
    case EISDIR:
        return "expected a regular file, found a directory";
    case EACCES:
    case EPERM:
        return "expected permission, found none for this user";
    case EROFS:
        return "expected a place that can be written, found a read-only file system";
    case ELOOP:
        return "expected a file, found a loop of symbolic links";
    case ENAMETOOLONG:
        return "expected a shorter path, found one that the file system does not take";
    case ENXIO:
    case ENODEV:
        return "expected a regular file, found a device or socket";
    default:
        return NULL;
    }
}

static bool is_of_output(const char *verb)
{
    return strcmp(verb, "write") == 0;
}

nb_status nb_path_error(const char *verb, const char *path, int reason, nb_error *error)
{
    bool is_output = is_of_output(verb);
    const char *fault = path_fault(reason, is_output);
    return nb_error_set(error, fault && !is_output ? NB_ERR_INPUT : NB_ERR_SYSTEM, "cannot %s %s%s%s %s", verb,
                        nb_path_dots(path), nb_path_tail(path), fault ? ";" : ":", fault ? fault : strerror(reason));
}

static const char *kind_name(mode_t mode)
{
    if (S_ISDIR(mode))
        return "a directory";
    if (S_ISFIFO(mode))
        return "a FIFO";
    if (S_ISSOCK(mode))
        return "a socket";
    return "a device";
}

nb_status nb_path_kind_error(const char *verb, const char *path, mode_t mode, nb_error *error)
{
    return nb_error_set(error, is_of_output(verb) ? NB_ERR_SYSTEM : NB_ERR_INPUT,
                        "cannot %s %s%s; expected a regular file, found %s", verb, nb_path_dots(path),
                        nb_path_tail(path), kind_name(mode));
}
