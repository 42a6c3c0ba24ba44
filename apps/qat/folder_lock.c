// SPDX-License-Identifier: Apache-2.0
#include "apps/qat/folder_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/path.h"

// 0, or what is wrong.
static int lock(int fd, const char *path, int flags)
{
    struct stat here, there;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 || fstat(fd, &here) != 0)
        return errno;
    // The name may have been moved away between open and lock by a process that finished just now.
    if (fstatat(AT_FDCWD, path, &there, flags & O_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0) != 0)
        return errno == ENOENT ? EWOULDBLOCK : errno;
    return here.st_ino == there.st_ino && here.st_dev == there.st_dev ? 0 : EWOULDBLOCK;
}

nb_status nb_folder_lock(int *fd, const char *path, int flags, const char *shown, nb_error *error)
{
    bool is_new = mkdir(path, 0777) == 0;
    if (!is_new && errno != EEXIST)
        return nb_path_error("write", shown, errno, error);
    *fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);
    bool is_open = *fd >= 0;
    int reason = is_open ? lock(*fd, path, flags) : errno;
    if (reason == 0)
        return NB_OK;
    if (is_open)
        close(*fd);
    if (reason == EWOULDBLOCK)
        return nb_error_set(error, NB_ERR_INPUT,
                            "cannot write %s%s; another process is writing it; try again when it is done",
                            nb_path_dots(shown), nb_path_tail(shown));
    if (is_new)
        rmdir(path);
    return nb_path_error(is_open ? "lock" : "write", path, reason, error);
}
