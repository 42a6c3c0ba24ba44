// SPDX-License-Identifier: Apache-2.0
#include "apps/common/model_store.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/common/cli.h"
#include "apps/common/hub_cache.h"
#include "apps/common/model_use.h"
#include "apps/common/small_file.h"
#include "apps/common/word_distance.h"

typedef struct search {
    nb_model_name want;
    char home[PATH_MAX], hub[PATH_MAX];
    nb_store_hit hits[2]; // the second only to tell that the name is ambiguous
    int n_hits;
    nb_store_hit half;                       // a repository of the cache without the wanted snapshot
    char nearest[NB_MODEL_REPOSITORY_BYTES]; // a name that resembles the one wanted
    size_t nearest_distance;
} search;

// A path into a directory that this user may not enter: whether something lies there is not known.
static bool is_forbidden(const char *path)
{
    struct stat info;
    return stat(path, &info) != 0 && errno == EACCES;
}

void nb_store_home(char *path, size_t bytes)
{
    const char *home = getenv("NIBBLE_HOME");
    char own[PATH_MAX] = "";
    if (!home || !home[0])
        home = nb_hub_expand(own, "~/.local/share/nibble") ? own : ".";
    snprintf(path, bytes, "%s", home);
}

bool nb_store_places(char home[PATH_MAX], char cache[PATH_MAX])
{
    nb_store_home(home, PATH_MAX - sizeof "/models");
    if (nb_hub_cache(cache))
        return true;
    nb_fail(NB_EXIT_INPUT, "HF_HUB_CACHE or HF_HOME is too long; expected a path of at most %d bytes", PATH_MAX - 1);
    return false;
}

bool nb_store_is_model(const char *directory)
{
    char path[PATH_MAX];
    return nb_path_make(path, "%s/config.json", directory) && access(path, F_OK) == 0;
}

static bool is_wanted(const nb_model_name *want, const char *repository)
{
    const char *slash = strchr(repository, '/');
    return strcmp(repository, want->repository) == 0 || (!want->org[0] && slash && strcmp(slash + 1, want->name) == 0);
}

static void lower(char text[NB_MODEL_REPOSITORY_BYTES], const char *name)
{
    size_t i = 0;
    for (; name[i] && i + 1 < NB_MODEL_REPOSITORY_BYTES; i++)
        text[i] = (char)tolower((unsigned char)name[i]);
    text[i] = 0;
}

// A name that is there, and how much the wanted one resembles it, whatever the case of letters.
static void compare_name(search *s, const char *repository)
{
    char wanted[NB_MODEL_REPOSITORY_BYTES], here[NB_MODEL_REPOSITORY_BYTES];
    lower(wanted, s->want.repository);
    lower(here, repository);
    const char *slash = strchr(here, '/');
    size_t distance = nb_word_distance(wanted, here);
    if (slash && !s->want.org[0] && nb_word_distance(wanted, slash + 1) < distance)
        distance = nb_word_distance(wanted, slash + 1);
    lower(wanted, s->want.name);
    if (distance > 2 && strlen(wanted) > 2 && strstr(here, wanted))
        distance = 2;
    if (distance <= 1 + strlen(s->want.repository) / 6 && distance < s->nearest_distance &&
        strlen(repository) < sizeof s->nearest) {
        strcpy(s->nearest, repository);
        s->nearest_distance = distance;
    }
}

// ---- store ---------------------------------------------------------------------------------------------------------

static void try_stored(search *s, const char *repository)
{
    nb_store_hit hit = {.in_hub = false};
    if (strlen(repository) >= sizeof hit.repository)
        return;
    strcpy(hit.repository, repository);
    compare_name(s, repository);
    if (is_wanted(&s->want, repository) && !s->want.revision[0] && s->n_hits < 2 &&
        nb_path_make(hit.directory, "%s/models/%s", s->home, repository) && nb_is_directory(hit.directory))
        s->hits[s->n_hits++] = hit;
}

static void search_org(search *s, const char *org, const char *folder)
{
    char repository[PATH_MAX];
    DIR *names = opendir(folder);
    for (struct dirent *entry; names && (entry = readdir(names));)
        if (entry->d_name[0] != '.' && nb_path_make(repository, "%s/%s", org, entry->d_name))
            try_stored(s, repository);
    if (names)
        closedir(names);
}

static void search_store(search *s)
{
    char models[PATH_MAX], path[PATH_MAX];
    DIR *orgs = nb_path_make(models, "%s/models", s->home) ? opendir(models) : NULL;
    for (struct dirent *entry; orgs && (entry = readdir(orgs));) {
        if (entry->d_name[0] == '.' || !nb_path_make(path, "%s/%s", models, entry->d_name))
            continue;
        if (nb_store_is_model(path))
            try_stored(s, entry->d_name);
        else
            search_org(s, entry->d_name, path);
    }
    if (orgs)
        closedir(orgs);
}

// ---- Hub cache -----------------------------------------------------------------------------------------------------

static void try_repository(search *s, const char *repository)
{
    char folder[PATH_MAX];
    nb_store_hit hit = {.in_hub = true};
    compare_name(s, repository);
    if (!is_wanted(&s->want, repository) || !nb_hub_folder(folder, s->hub, repository))
        return;
    strcpy(hit.repository, repository);
    strcpy(hit.revision, s->want.revision);
    if (!nb_hub_snapshot_find(hit.commit, folder, s->want.revision) ||
        !nb_hub_snapshot_path(hit.directory, folder, hit.commit)) {
        s->half = hit;
        s->half.commit[0] = 0;
    } else if (s->n_hits < 2) {
        s->hits[s->n_hits++] = hit;
    }
}

static void search_hub(search *s)
{
    DIR *folders = opendir(s->hub);
    for (struct dirent *entry; folders && (entry = readdir(folders));) {
        char repository[NB_MODEL_REPOSITORY_BYTES];
        if (nb_hub_folder_repository(repository, entry->d_name))
            try_repository(s, repository);
    }
    if (folders)
        closedir(folders);
}

// ---- what is said --------------------------------------------------------------------------------------------------

static int fail_missing(const search *s, const char *name)
{
    const char *org = s->want.org[0] ? "" : "ORG/", *half = s->half.repository;
    if (half[0] && s->want.revision[0])
        return nb_fail(NB_EXIT_INPUT,
                       "%.200s has no revision \"%.100s\" here; expected one that nibble models shows, found none; try "
                       "nibble pull %.200s@%.100s",
                       half, s->want.revision, half, s->want.revision);
    if (half[0])
        return nb_fail(NB_EXIT_INPUT,
                       "%.200s is not complete; expected a snapshot of main in %.300s, found none; try nibble pull "
                       "%.200s, which goes on where it stopped",
                       half, s->hub, half);
    if (s->nearest[0])
        return nb_fail(NB_EXIT_INPUT,
                       "no model \"%.120s\"; expected a directory, or a name in %.250s/models or %.250s, found one "
                       "like it; try %.120s, or nibble pull %s%.120s",
                       name, s->home, s->hub, s->nearest, org, name);
    return nb_fail(NB_EXIT_INPUT,
                   "no model \"%.120s\"; expected a directory, or a name in %.250s/models or %.250s, found none; try "
                   "nibble pull %s%.120s, or the path of a model directory",
                   name, s->home, s->hub, org, name);
}

static int find(search *s, const char *name, bool even_incomplete)
{
    if (!nb_model_name_parse(&s->want, name))
        return nb_fail(NB_EXIT_INPUT,
                       "no such model; expected a directory or ORG/NAME[@REVISION], found \"%.300s\"; "
                       "try the path of a model directory",
                       name);
    if (!nb_store_places(s->home, s->hub))
        return NB_EXIT_INPUT;
    search_store(s);
    if (s->n_hits == 0 || !s->want.org[0]) // a full name in the store goes before the cache
        search_hub(s);
    if (s->n_hits == 0 && even_incomplete && s->half.repository[0])
        s->hits[s->n_hits++] = s->half;
    if (s->n_hits == 0)
        return fail_missing(s, name);
    if (s->n_hits > 1)
        return nb_fail(NB_EXIT_INPUT,
                       "more than one model is called \"%.120s\"; expected one, found %.300s and %.300s; try "
                       "ORG/NAME",
                       name, s->hits[0].directory, s->hits[1].directory);
    return NB_EXIT_OK;
}

int nb_store_resolve(nb_store_hit *hit, const char *name, bool even_incomplete)
{
    search *s = nb_alloc(sizeof *s);
    s->nearest_distance = SIZE_MAX;
    int code = find(s, name, even_incomplete);
    if (code == NB_EXIT_OK)
        *hit = s->hits[0];
    free(s);
    return code;
}

int nb_store_find(char path[PATH_MAX], const char *name)
{
    nb_store_hit hit;
    char key[NAME_MAX + 1];
    if (nb_is_directory(name) && strlen(name) < PATH_MAX) {
        strcpy(path, name);
        return NB_EXIT_OK;
    }
    if (is_forbidden(name))
        return nb_fail(NB_EXIT_INPUT, "cannot read %.300s; expected permission, found none for this user", name);
    int code = nb_store_resolve(&hit, name, false);
    if (code != NB_EXIT_OK)
        return code;
    strcpy(path, hit.directory);
    nb_model_use_key(key, hit.repository, hit.commit);
    nb_model_use_record(key);
    return NB_EXIT_OK;
}
