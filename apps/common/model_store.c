// SPDX-License-Identifier: Apache-2.0
#include "apps/common/model_store.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "apps/common/cli.h"
#include "apps/common/hub_cache.h"
#include "apps/common/small_file.h"

typedef struct search {
    nb_model_name want;
    char store[PATH_MAX];
    char hub[PATH_MAX];
    char found[2][PATH_MAX]; // the second only to tell that the name is ambiguous
    int n_found;
} search;

// A path into a directory that this user may not enter: whether something lies there is not known.
static bool is_forbidden(const char *path)
{
    struct stat info;
    return stat(path, &info) != 0 && errno == EACCES;
}

static const char *home_directory(void)
{
    const char *home = getenv("HOME");
    return home && home[0] ? home : ".";
}

void nb_store_home(char *path, size_t bytes)
{
    const char *home = getenv("NIBBLE_HOME");
    if (home && home[0])
        snprintf(path, bytes, "%s", home);
    else
        snprintf(path, bytes, "%s/.local/share/nibble", home_directory());
}

static void try_directory(search *s, const char *path)
{
    if (s->n_found < 2 && nb_is_directory(path))
        strcpy(s->found[s->n_found++], path);
}

static void search_store(search *s)
{
    char models[PATH_MAX], path[PATH_MAX];
    if (s->want.revision[0] || !nb_path_make(models, "%s/models", s->store))
        return;
    if (nb_path_make(path, "%s/%s", models, s->want.repository))
        try_directory(s, path);
    DIR *orgs = s->want.org[0] ? NULL : opendir(models);
    for (struct dirent *entry; orgs && (entry = readdir(orgs));)
        if (entry->d_name[0] != '.' && nb_path_make(path, "%s/%s/%s", models, entry->d_name, s->want.name))
            try_directory(s, path);
    if (orgs)
        closedir(orgs);
}

static void try_repository(search *s, const char *folder)
{
    char path[PATH_MAX], commit[NB_MODEL_COMMIT_BYTES];
    if (nb_hub_snapshot_find(commit, folder, s->want.revision) && nb_hub_snapshot_path(path, folder, commit))
        try_directory(s, path);
}

static bool is_wanted(const nb_model_name *want, const char *repository)
{
    const char *slash = strchr(repository, '/');
    return strcmp(repository, want->repository) == 0 || (!want->org[0] && slash && strcmp(slash + 1, want->name) == 0);
}

static void search_hub(search *s)
{
    DIR *folders = opendir(s->hub);
    for (struct dirent *entry; folders && (entry = readdir(folders));) {
        char path[PATH_MAX], repository[NB_MODEL_REPOSITORY_BYTES];
        if (nb_hub_folder_repository(repository, entry->d_name) && is_wanted(&s->want, repository) &&
            nb_hub_folder(path, s->hub, repository))
            try_repository(s, path);
    }
    if (folders)
        closedir(folders);
}

int nb_store_find(char path[PATH_MAX], const char *name)
{
    search s = {.n_found = 0};
    if (nb_is_directory(name) && strlen(name) < PATH_MAX) {
        strcpy(path, name);
        return NB_EXIT_OK;
    }
    if (is_forbidden(name))
        return nb_fail(NB_EXIT_INPUT, "cannot read %.300s; expected permission, found none for this user", name);
    nb_store_home(s.store, sizeof s.store);
    if (!nb_hub_cache(s.hub))
        return nb_fail(NB_EXIT_INPUT, "HF_HUB_CACHE or HF_HOME is no usable path; expected at most %d bytes",
                       PATH_MAX - 1);
    if (!nb_model_name_parse(&s.want, name))
        return nb_fail(NB_EXIT_INPUT,
                       "no such model; expected a directory or ORG/NAME[@REVISION], found \"%.300s\"; "
                       "try the path of a model directory",
                       name);
    search_store(&s);
    if (s.n_found == 0 || !s.want.org[0]) // a full name in the store goes before the cache
        search_hub(&s);
    if (s.n_found == 0)
        return nb_fail(NB_EXIT_INPUT,
                       "no model \"%.120s\"; expected a directory, or a name in %.300s/models or %.300s, found "
                       "none; try nibble pull %.120s, or the path of a model directory",
                       name, s.store, s.hub, name);
    if (s.n_found > 1)
        return nb_fail(NB_EXIT_INPUT,
                       "more than one model is called \"%.120s\"; expected one, found %.300s and %.300s; try "
                       "ORG/NAME",
                       name, s.found[0], s.found[1]);
    memcpy(path, s.found[0], PATH_MAX);
    return NB_EXIT_OK;
}
