// SPDX-License-Identifier: Apache-2.0
#include "apps/models/store_remove.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "apps/common/small_file.h"
#include "apps/common/tree_walk.h"

#define HIDDEN ".removed-"

void nb_stored_bytes(const char *directory, uint64_t *bytes, bool *is_link)
{
    struct stat stats;
    *is_link = lstat(directory, &stats) == 0 && S_ISLNK(stats.st_mode);
    *bytes = *is_link ? 0 : nb_tree_bytes(directory);
}

// Everything that was moved out of sight, now or before.
static bool sweep(int models, uint64_t *bytes_free, char why[256])
{
    int fd = openat(models, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (strncmp(entry->d_name, HIDDEN, sizeof HIDDEN - 1) == 0 &&
            !nb_tree_remove(models, entry->d_name, bytes_free, why))
            break;
    if (folder)
        closedir(folder);
    return !why[0];
}

bool nb_stored_remove(const char *home, const char *repository, uint64_t *bytes_free, char why[256])
{
    char path[PATH_MAX], hidden[PATH_MAX];
    const char *slash = strchr(repository, '/');
    why[0] = 0;
    int n = slash ? (int)(slash - repository) : 0;
    if (!nb_path_make(path, "%s/models", home) ||
        !nb_path_make(hidden, HIDDEN "%.*s--%s", n, repository, slash ? slash + 1 : repository))
        return false;
    int models = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_done = models >= 0 && sweep(models, bytes_free, why) &&
                   (renameat(models, repository, models, hidden) == 0 || errno == ENOENT);
    if (!is_done && !why[0])
        snprintf(why, 256, "%.150s: %s", repository, strerror(errno));
    if (is_done && slash && nb_path_make(path, "%.*s", n, repository))
        (void)unlinkat(models, path, AT_REMOVEDIR); // the last one of that ORG
    is_done = is_done && sweep(models, bytes_free, why);
    if (models >= 0)
        close(models);
    return is_done;
}
