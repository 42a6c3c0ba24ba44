// SPDX-License-Identifier: Apache-2.0
#include "apps/common/model_use.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/common/model_store.h"
#include "apps/common/small_file.h"

// "--" is in no repository's name, so that no two models share a key.
void nb_model_use_key(char key[NAME_MAX + 1], const char *repository, const char *commit)
{
    const char *slash = strchr(repository, '/');
    int n = slash ? (int)(slash - repository) : 0;
    if (snprintf(key, NAME_MAX + 1, "%.*s--%s%s%s", n, repository, slash ? slash + 1 : repository,
                 commit[0] ? "--" : "", commit) > NAME_MAX)
        key[0] = 0;
}

static bool find_path(char path[PATH_MAX], const char *key)
{
    char home[PATH_MAX];
    nb_store_home(home, sizeof home);
    return key[0] && nb_path_make(path, "%s/used/%s", home, key);
}

void nb_model_use_record(const char *key)
{
    enum { FLAGS = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK };
    char path[PATH_MAX], folder[PATH_MAX];
    if (!find_path(path, key))
        return;
    int fd = open(path, FLAGS, 0666);
    if (fd < 0 && errno == ENOENT) {
        *strrchr(strcpy(folder, path), '/') = 0;
        fd = nb_folder_make(folder) ? open(path, FLAGS, 0666) : -1;
    }
    if (fd < 0)
        return;
    (void)futimens(fd, NULL);
    close(fd);
}

time_t nb_model_use_time(const char *key)
{
    char path[PATH_MAX];
    struct stat info;
    return find_path(path, key) && lstat(path, &info) == 0 && S_ISREG(info.st_mode) ? info.st_mtime : 0;
}

void nb_model_use_forget(const char *key)
{
    char path[PATH_MAX];
    if (find_path(path, key))
        (void)unlink(path);
}
