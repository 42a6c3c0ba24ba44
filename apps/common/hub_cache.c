// SPDX-License-Identifier: Apache-2.0
#include "apps/common/hub_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/common/small_file.h"

enum { REF_BYTES_MAX = 256, PREFIX_BYTES_MIN = 4 };

#define LETTERS_DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
#define VARIABLE       LETTERS_DIGITS "_"

// ---- places --------------------------------------------------------------------------------------------------------

static bool append(char *text, size_t capacity, const char *more, size_t bytes)
{
    size_t used = strlen(text);
    if (bytes >= capacity - used)
        return false;
    memcpy(text + used, more, bytes);
    text[used + bytes] = 0;
    return true;
}

// The home that a leading `~` or `~user` stands for, and where the text goes on behind it; NULL: none, it stays.
static const char *home_of(const char **text)
{
    char user[64];
    size_t bytes = strcspn(*text, "/");
    if ((*text)[0] != '~' || bytes > sizeof user)
        return NULL;
    snprintf(user, sizeof user, "%.*s", (int)bytes - 1, *text + 1);
    const char *home = user[0] ? NULL : getenv("HOME");
    if (!home) {
        struct passwd *entry = user[0] ? getpwnam(user) : getpwuid(getuid());
        home = entry ? entry->pw_dir : NULL;
    }
    *text += home ? bytes : 0;
    return home;
}

// One `$NAME` or `${NAME}` at `text` appended by its value, or as it stands when there is no such variable.
static bool append_variable(char *path, const char **text)
{
    const char *name = *text + 1;
    size_t bytes = name[0] == '{' ? strcspn(++name, "}") : strspn(name, VARIABLE);
    size_t whole = (size_t)(name - *text) + bytes + (name[-1] == '{' && name[bytes] == '}');
    char variable[128] = "";
    if (bytes > 0 && bytes < sizeof variable && (name[-1] != '{' || name[bytes] == '}'))
        append(variable, sizeof variable, name, bytes);
    const char *value = variable[0] ? getenv(variable) : NULL;
    bool is_done = value ? append(path, PATH_MAX, value, strlen(value)) : append(path, PATH_MAX, *text, whole);
    *text += whole;
    return is_done;
}

bool nb_hub_expand(char path[PATH_MAX], const char *text)
{
    char whole[PATH_MAX];
    const char *home = home_of(&text);
    size_t home_bytes = home ? strlen(home) : 0;
    while (home_bytes > 0 && home[home_bytes - 1] == '/')
        home_bytes--;
    if (!nb_path_make(whole, "%.*s%s", (int)home_bytes, home ? home : "",
                      home && home_bytes + strlen(text) == 0 ? "/" : text))
        return false;
    path[0] = 0;
    for (const char *at = whole; *at;) {
        size_t plain = strcspn(at, "$");
        if (!append(path, PATH_MAX, at, plain))
            return false;
        at += plain;
        if (*at && !append_variable(path, &at))
            return false;
    }
    return true;
}

// "" stands for the current folder, and joined to a name it adds nothing.
static bool join(char path[PATH_MAX], const char *folder, const char *name)
{
    size_t bytes = strlen(folder);
    return nb_path_make(path, "%s%s%s", folder, bytes == 0 || folder[bytes - 1] == '/' ? "" : "/", name);
}

static bool find_home(char path[PATH_MAX])
{
    char home[PATH_MAX];
    const char *own = getenv("HF_HOME"), *xdg = getenv("XDG_CACHE_HOME");
    if (own)
        return nb_hub_expand(path, own);
    return join(home, xdg ? xdg : "~/.cache", "huggingface") && nb_hub_expand(path, home);
}

bool nb_hub_home(char path[PATH_MAX])
{
    bool is_found = find_home(path);
    if (is_found && path[0] == 0)
        strcpy(path, ".");
    return is_found;
}

bool nb_hub_cache(char path[PATH_MAX])
{
    char home[PATH_MAX], cache[PATH_MAX];
    const char *own = getenv("HF_HUB_CACHE"), *old = getenv("HUGGINGFACE_HUB_CACHE");
    if (!find_home(home) || !join(cache, home, "hub") || !nb_hub_expand(path, own ? own : old ? old : cache))
        return false;
    if (path[0] == 0)
        strcpy(path, ".");
    return true;
}

// ---- names ---------------------------------------------------------------------------------------------------------

static bool is_word(const char *name, size_t bytes_max)
{
    size_t bytes = strlen(name);
    return bytes > 0 && bytes <= bytes_max && name[0] != '.' && strspn(name, LETTERS_DIGITS "._-") == bytes;
}

bool nb_hub_is_snapshot(const char *name)
{
    return is_word(name, NB_MODEL_COMMIT_BYTES - 1);
}

bool nb_hub_is_blob(const char *name)
{
    return is_word(name, 64);
}

static bool is_commit(const char *commit)
{
    return strlen(commit) == 40 && strspn(commit, "0123456789abcdef") == 40;
}

bool nb_hub_folder_name(char name[PATH_MAX], const char *repository)
{
    const char *slash = strchr(repository, '/');
    return nb_model_is_repository(repository) &&
           nb_path_make(name, "models--%.*s%s%s", slash ? (int)(slash - repository) : 0, repository, slash ? "--" : "",
                        slash ? slash + 1 : repository);
}

bool nb_hub_folder_repository(char repository[NB_MODEL_REPOSITORY_BYTES], const char *folder_name)
{
    static const char prefix[] = "models--";
    if (strncmp(folder_name, prefix, sizeof prefix - 1) != 0 || strchr(folder_name, '/'))
        return false;
    const char *rest = folder_name + sizeof prefix - 1, *split = strstr(rest, "--");
    int n = split ? snprintf(repository, NB_MODEL_REPOSITORY_BYTES, "%.*s/%s", (int)(split - rest), rest, split + 2)
                  : snprintf(repository, NB_MODEL_REPOSITORY_BYTES, "%s", rest);
    return n > 0 && n < NB_MODEL_REPOSITORY_BYTES && nb_model_is_repository(repository);
}

// ---- paths ---------------------------------------------------------------------------------------------------------

bool nb_hub_folder(char path[PATH_MAX], const char *cache, const char *repository)
{
    char name[PATH_MAX];
    return nb_hub_folder_name(name, repository) && join(path, cache, name);
}

bool nb_hub_ref_path(char path[PATH_MAX], const char *folder, const char *revision)
{
    return nb_model_is_revision(revision) && nb_path_make(path, "%s/refs/%s", folder, revision);
}

bool nb_hub_blob_path(char path[PATH_MAX], const char *folder, const char *etag)
{
    return nb_hub_is_blob(etag) && nb_path_make(path, "%s/blobs/%s", folder, etag);
}

bool nb_hub_snapshot_path(char path[PATH_MAX], const char *folder, const char *commit)
{
    return nb_hub_is_snapshot(commit) && nb_path_make(path, "%s/snapshots/%s", folder, commit);
}

// ---- refs ----------------------------------------------------------------------------------------------------------

bool nb_hub_ref_read(char commit[NB_MODEL_COMMIT_BYTES], const char *folder, const char *revision)
{
    char path[PATH_MAX];
    size_t bytes = 0;
    char *text = nb_hub_ref_path(path, folder, revision) ? nb_small_file_read(path, REF_BYTES_MAX, &bytes) : NULL;
    if (!text)
        return false;
    text[strcspn(text, "\r\n")] = 0;
    bool is_good = nb_hub_is_snapshot(text);
    if (is_good)
        strcpy(commit, text);
    free(text);
    return is_good;
}

bool nb_hub_ref_write(const char *folder, const char *revision, const char *commit)
{
    char path[PATH_MAX], parent[PATH_MAX], spare[PATH_MAX], stem[PATH_MAX];
    errno = EINVAL;
    if (!nb_hub_is_snapshot(commit) || !nb_hub_ref_path(path, folder, revision))
        return false;
    // Not beside it: all that lies in refs/ is a revision to the official client.
    *strrchr(strcpy(parent, path), '/') = 0;
    if (!nb_path_make(spare, "%s/.nibble", folder) || !nb_path_make(stem, "%s/ref", spare) || !nb_folder_make(parent) ||
        !nb_folder_make(spare))
        return false;
    bool is_written = nb_small_file_write(path, stem, commit, strlen(commit));
    int reason = errno;
    rmdir(spare); // unless others use it
    errno = reason;
    return is_written;
}

static bool has_snapshot(const char *folder, const char *commit)
{
    char path[PATH_MAX];
    return nb_hub_snapshot_path(path, folder, commit) && nb_is_directory(path);
}

// The one snapshot whose name begins so.
static bool find_prefix(char commit[NB_MODEL_COMMIT_BYTES], const char *folder, const char *prefix)
{
    char path[PATH_MAX];
    size_t bytes = strlen(prefix), n_found = 0;
    DIR *snapshots = bytes >= PREFIX_BYTES_MIN && nb_path_make(path, "%s/snapshots", folder) ? opendir(path) : NULL;
    for (struct dirent *entry; snapshots && (entry = readdir(snapshots));) {
        if (strncmp(entry->d_name, prefix, bytes) != 0 || !has_snapshot(folder, entry->d_name))
            continue;
        strcpy(commit, entry->d_name);
        n_found++;
    }
    if (snapshots)
        closedir(snapshots);
    return n_found == 1;
}

bool nb_hub_snapshot_find(char commit[NB_MODEL_COMMIT_BYTES], const char *folder, const char *revision)
{
    const char *wanted = revision[0] ? revision : "main";
    bool is_ref = !is_commit(wanted) && nb_hub_ref_read(commit, folder, wanted);
    if (is_ref && has_snapshot(folder, commit))
        return true;
    if (!nb_hub_is_snapshot(wanted) || !has_snapshot(folder, wanted))
        return !is_ref && find_prefix(commit, folder, wanted);
    strcpy(commit, wanted);
    return true;
}

bool nb_hub_cache_make(const char *cache)
{
    static const char tag[] = "Signature: 8a477f597d28d172789f06886806bc55\n"
                              "# This folder is a cache of models; backups may pass it over.\n"
                              "# See https://bford.info/cachedir/\n";
    char path[PATH_MAX];
    if (!nb_folder_make(cache) || !join(path, cache, "CACHEDIR.TAG"))
        return false;
    // In place: a name of its own might stay behind, and a tag cut short costs a backup's time alone.
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return errno == EEXIST;
    ssize_t n;
    do
        n = write(fd, tag, sizeof tag - 1);
    while (n < 0 && errno == EINTR);
    return close(fd) == 0 && n == sizeof tag - 1;
}
