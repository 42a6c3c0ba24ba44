// SPDX-License-Identifier: Apache-2.0
#include "apps/common/model_store.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "apps/common/cli.h"

typedef struct wanted {
    char org[128]; // "" for a short name
    char name[128];
    char revision[128]; // "" when not given
} wanted;

typedef struct search {
    wanted want;
    char store[PATH_MAX];
    char hub[PATH_MAX];
    char found[2][PATH_MAX]; // the second only to tell that the name is ambiguous
    int n_found;
} search;

static bool join(char *path, const char *first, const char *second)
{
    char joined[PATH_MAX];
    int n = snprintf(joined, sizeof joined, "%s/%s", first, second);
    if (n < 0 || (size_t)n >= sizeof joined)
        return false;
    strcpy(path, joined);
    return true;
}

static bool is_directory(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

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

static void find_hub(char *path, size_t bytes)
{
    const char *cache = getenv("HF_HUB_CACHE"), *home = getenv("HF_HOME"), *xdg = getenv("XDG_CACHE_HOME");
    if (cache && cache[0])
        snprintf(path, bytes, "%s", cache);
    else if (home && home[0])
        snprintf(path, bytes, "%s/hub", home);
    else if (xdg && xdg[0])
        snprintf(path, bytes, "%s/huggingface/hub", xdg);
    else
        snprintf(path, bytes, "%s/.cache/huggingface/hub", home_directory());
}

// One word of a name: letters, digits and "._-", no leading dot, so that no name leaves the store.
static bool take_word(const char **text, const char *ends, char *word, size_t bytes)
{
    size_t n = strcspn(*text, ends);
    if (n == 0 || n >= bytes || (*text)[0] == '.')
        return false;
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)(*text)[i]) && !strchr("._-", (*text)[i]))
            return false;
    memcpy(word, *text, n);
    word[n] = 0;
    *text += n;
    return true;
}

static bool parse_name(wanted *want, const char *text)
{
    memset(want, 0, sizeof *want);
    if (!take_word(&text, "/@", want->name, sizeof want->name))
        return false;
    if (*text == '/') {
        memcpy(want->org, want->name, sizeof want->org);
        text++;
        if (!take_word(&text, "/@", want->name, sizeof want->name))
            return false;
    }
    if (*text == '@') {
        text++;
        if (!take_word(&text, "", want->revision, sizeof want->revision))
            return false;
    }
    return *text == 0;
}

static void add_found(search *s, const char *path)
{
    if (s->n_found < 2)
        memcpy(s->found[s->n_found++], path, PATH_MAX);
}

static void try_directory(search *s, const char *parent, const char *name)
{
    char path[PATH_MAX];
    if (join(path, parent, name) && is_directory(path))
        add_found(s, path);
}

static void search_store(search *s)
{
    char path[PATH_MAX];
    if (s->want.revision[0] || !join(path, s->store, "models"))
        return;
    if (s->want.org[0]) {
        if (join(path, path, s->want.org))
            try_directory(s, path, s->want.name);
        return;
    }
    try_directory(s, path, s->want.name);
    DIR *orgs = opendir(path);
    for (struct dirent *entry; orgs && (entry = readdir(orgs));) {
        char org[PATH_MAX];
        if (entry->d_name[0] != '.' && join(org, path, entry->d_name))
            try_directory(s, org, s->want.name);
    }
    if (orgs)
        closedir(orgs);
}

// The snapshot of one repository folder of the Hub cache: refs/REVISION holds the commit, or REVISION is the commit.
static void try_repository(search *s, const char *repository)
{
    const char *revision = s->want.revision[0] ? s->want.revision : "main";
    char path[PATH_MAX], commit[128] = "";
    if (!join(path, repository, "refs") || !join(path, path, revision))
        return;
    FILE *file = fopen(path, "r");
    if (file && !fgets(commit, sizeof commit, file))
        commit[0] = 0;
    if (file)
        fclose(file);
    commit[strcspn(commit, "\r\n")] = 0;
    if (commit[0] == 0)
        snprintf(commit, sizeof commit, "%s", revision);
    if (commit[0] != '.' && !strchr(commit, '/') && join(path, repository, "snapshots"))
        try_directory(s, path, commit);
}

static bool is_repository(const wanted *want, const char *folder)
{
    const char *rest = strncmp(folder, "models--", 8) == 0 ? folder + 8 : NULL;
    const char *split = rest ? strstr(rest, "--") : NULL;
    if (!split || strcmp(split + 2, want->name) != 0)
        return false;
    return !want->org[0] ||
           (strlen(want->org) == (size_t)(split - rest) && strncmp(rest, want->org, strlen(want->org)) == 0);
}

static void search_hub(search *s)
{
    DIR *repositories = opendir(s->hub);
    for (struct dirent *entry; repositories && (entry = readdir(repositories));) {
        char path[PATH_MAX];
        if (is_repository(&s->want, entry->d_name) && join(path, s->hub, entry->d_name))
            try_repository(s, path);
    }
    if (repositories)
        closedir(repositories);
}

int nb_store_find(char path[PATH_MAX], const char *name)
{
    search s = {.n_found = 0};
    if (is_directory(name) && strlen(name) < PATH_MAX) {
        strcpy(path, name);
        return NB_EXIT_OK;
    }
    if (is_forbidden(name))
        return nb_fail(NB_EXIT_INPUT, "cannot read %.300s; expected permission, found none for this user", name);
    nb_store_home(s.store, sizeof s.store);
    find_hub(s.hub, sizeof s.hub);
    if (!parse_name(&s.want, name))
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
                       "none; try the path of a model directory",
                       name, s.store, s.hub);
    if (s.n_found > 1)
        return nb_fail(NB_EXIT_INPUT,
                       "more than one model is called \"%.120s\"; expected one, found %.300s and %.300s; try "
                       "ORG/NAME",
                       name, s.found[0], s.found[1]);
    memcpy(path, s.found[0], PATH_MAX);
    return NB_EXIT_OK;
}
