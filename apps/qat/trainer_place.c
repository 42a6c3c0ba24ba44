// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/common/unfinished.h"
#include "apps/qat/folder_lock.h"
#include "apps/qat/trainer.h"
#include "platform/path.h"

static nb_status name_files(nb_train_place *place, const char *out, nb_error *error)
{
    size_t bytes = strlen(out);
    while (bytes > 1 && out[bytes - 1] == '/')
        bytes--;
    if (bytes == 0 || bytes + 32 > sizeof place->path)
        return nb_path_error("write", out, bytes ? ENAMETOOLONG : ENOENT, error);
    snprintf(place->path, sizeof place->path, "%.*s.training", (int)bytes, out);
    snprintf(place->traces, sizeof place->traces, "%.*s.training/traces", (int)bytes, out);
    snprintf(place->state, sizeof place->state, "%.*s.training/state", (int)bytes, out);
    return NB_OK;
}

// What killed runs left of files that they were writing.
static void remove_leftovers(const nb_train_place *place)
{
    DIR *directory = opendir(place->path);
    if (!directory)
        return;
    for (struct dirent *entry; (entry = readdir(directory));)
        if (strncmp(entry->d_name, "state.tmp-", 10) == 0 || strncmp(entry->d_name, "traces.tmp-", 11) == 0)
            (void)unlinkat(dirfd(directory), entry->d_name, 0);
    closedir(directory);
}

// A folder without a checkpoint goes too.
static void close_unfinished(void *place)
{
    remove_leftovers(place);
    nb_train_place_close(place);
}

nb_status nb_train_place_open(nb_train_place *place, const char *out, nb_error *error)
{
    NB_TRY(name_files(place, out, error));
    NB_TRY(nb_folder_lock(&place->fd, place->path, 0, place->path, error));
    place->is_open = true;
    nb_unfinished_add(close_unfinished, place);
    remove_leftovers(place);
    return NB_OK;
}

void nb_train_place_clear(nb_train_place *place)
{
    if (!place->is_open)
        return;
    (void)unlink(place->state);
    (void)unlink(place->traces);
}

void nb_train_place_close(nb_train_place *place)
{
    if (!place->is_open)
        return;
    if (access(place->state, F_OK) != 0)
        (void)unlink(place->traces); // of a training that never came to a checkpoint
    (void)rmdir(place->path);        // stays while something is in it
    close(place->fd);
    place->is_open = false;
    nb_unfinished_remove(place);
}
