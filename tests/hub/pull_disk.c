// SPDX-License-Identifier: Apache-2.0
// The disk after a pull.
#include <ftw.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/hub/mock_state.h"
#include "tests/hub/pull_case.h"
#include "tests/support/data_path.h"

static const char repository[] = "models--acme--tiny";

// ---- listings ----------------------------------------------------------------------------------------------------

// nftw hands nothing on.
static char **found;
static size_t n_found, prefix_bytes;

static int note(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info, (void)where;
    if (strlen(path) <= prefix_bytes)
        return 0;
    found = realloc(found, (n_found + 1) * sizeof *found);
    found[n_found] = malloc(strlen(path) + 2);
    sprintf(found[n_found++], "%s%s", path + prefix_bytes + 1, kind == FTW_D || kind == FTW_DP ? "/" : "");
    return 0;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char *pull_listing(const char *folder)
{
    found = NULL;
    n_found = 0;
    prefix_bytes = strlen(folder);
    nftw(folder, note, 16, FTW_PHYS);
    if (n_found)
        qsort(found, n_found, sizeof *found, by_text);
    size_t bytes = 1;
    for (size_t i = 0; i < n_found; i++)
        bytes += strlen(found[i]) + 1;
    char *text = mock_memory(bytes), *end = text;
    for (size_t i = 0; i < n_found; i++) {
        end = stpcpy(stpcpy(end, found[i]), "\n");
        free(found[i]);
    }
    free(found);
    return text;
}

static void path_in(const pull_case *c, char path[2048], const char *kind, const char *name)
{
    snprintf(path, 2048, "%s/%s/%s/%s", c->cache, repository, kind, name);
}

// ---- snapshots ---------------------------------------------------------------------------------------------------

static void expect_link(const char *path, const char *file, const char *etag)
{
    char target[1024], expected[1024] = "../../";
    for (const char *s = file; *s; s++)
        if (*s == '/')
            strcat(expected, "../");
    strcat(strcat(expected, "blobs/"), etag);
    ssize_t n = readlink(path, target, sizeof target - 1);
    if (n < 0)
        fail_msg("%s is no link", path);
    target[n] = 0;
    assert_string_equal(target, expected);
}

static void expect_file(pull_case *c, const mock_repo *repo, const char *file)
{
    char folder[2048], path[4096];
    size_t n;
    path_in(c, folder, "snapshots", mock_repo_commit(repo));
    snprintf(path, sizeof path, "%s/%s", folder, file);
    const mock_item *item = mock_repo_item(repo, file);
    assert_non_null(item);
    expect_link(path, file, mock_repo_etag(repo, file));
    char *data = nb_test_file_read(path, &n);
    if (n != item->bytes || memcmp(data, item->data, n) != 0)
        fail_msg("%s is not what the Hub has (%zu bytes)", path, n);
    free(data);
}

static void expect_ref(const pull_case *c, const char *commit)
{
    char path[2048];
    path_in(c, path, "refs", "main");
    if (!commit) {
        assert_int_not_equal(access(path, F_OK), 0);
        return;
    }
    char *text = nb_test_file_read(path, NULL);
    text[strcspn(text, "\n")] = 0;
    assert_string_equal(text, commit);
    free(text);
}

void pull_expect_files(pull_case *c, const mock_repo *repo, const char *const *paths, size_t n_paths)
{
    char folder[2048];
    for (size_t i = 0; i < n_paths; i++)
        expect_file(c, repo, paths[i]);
    path_in(c, folder, "snapshots", mock_repo_commit(repo));
    char *listing = pull_listing(folder);
    size_t n_files = 0;
    for (char *line = listing; *line; line += strcspn(line, "\n") + 1)
        n_files += line[strcspn(line, "\n") - 1] != '/';
    if (n_files != n_paths)
        fail_msg("%zu files, expected %zu:\n%s", n_files, n_paths, listing);
    free(listing);
}

void pull_expect_snapshot(pull_case *c, const mock_repo *repo, const char *const *paths, size_t n_paths)
{
    pull_expect_files(c, repo, paths, n_paths);
    expect_ref(c, mock_repo_commit(repo));
}

void pull_expect_tree(pull_case *c)
{
    pull_expect_snapshot(c, c->repo, pull_taken, pull_n_taken);
    pull_expect_tidy(c, false);
}

void pull_expect_only(pull_case *c, const char *commit)
{
    char folder[2048];
    path_in(c, folder, "snapshots", "");
    folder[strlen(folder) - 1] = 0;
    char *listing = pull_listing(folder);
    for (char *line = listing; *line; line += strcspn(line, "\n") + 1)
        if (!commit || strncmp(line, commit, 40) != 0)
            fail_msg("there is a snapshot %.*s", (int)strcspn(line, "\n"), line);
    if (commit)
        assert_true(listing[0]);
    free(listing);
    expect_ref(c, commit);
}

// ---- what has a place --------------------------------------------------------------------------------------------

static bool is_like(const char *text, size_t n, const char *pattern)
{
    char line[4096];
    regex_t regex;
    snprintf(line, sizeof line, "%.*s", (int)n, text);
    assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
    bool is = regexec(&regex, line, 0, NULL, 0) == 0;
    regfree(&regex);
    return is;
}

void pull_expect_tidy(pull_case *c, bool is_midway)
{
    static const char always[] =
        "^(CACHEDIR\\.TAG|\\.locks/.*|models--acme--tiny/(|(refs|blobs|snapshots)/|refs/(main|v1\\.0|refs/(pr/(7)?)?)|"
        "blobs/[0-9a-f]{40}|blobs/[0-9a-f]{64}|snapshots/[0-9a-f]{40}/.*))$";
    // Besides parts, what is being put together, and small files before they get their names.
    static const char midway[] = "^(models--acme--tiny/(blobs/[0-9a-f]{40,64}[.a-z0-9]*"
                                 "\\.incomplete|\\.nibble/.*))$";
    char *listing = pull_listing(c->cache), home[300];
    for (char *line = listing; *line; line += strcspn(line, "\n") + 1) {
        size_t n = strcspn(line, "\n");
        if (!is_like(line, n, always) && !(is_midway && is_like(line, n, midway)))
            fail_msg("%.*s has no place here:\n%s", (int)n, line, listing);
    }
    free(listing);
    snprintf(home, sizeof home, "%s/home", c->folder);
    listing = pull_listing(home);
    assert_string_equal(listing, "");
    free(listing);
}

// The part of a blob, by whatever name its program gives it.
static bool find_part(pull_case *c, const char *etag, char path[4200])
{
    char folder[2048];
    bool is_found = false;
    path_in(c, folder, "blobs", "");
    folder[strlen(folder) - 1] = 0;
    char *listing = pull_listing(folder);
    for (char *line = listing; *line && !is_found; line += strcspn(line, "\n") + 1) {
        snprintf(path, 4200, "%s/%.*s", folder, (int)strcspn(line, "\n"), line);
        is_found = strncmp(line, etag, strlen(etag)) == 0 && strstr(path, ".incomplete");
    }
    free(listing);
    return is_found;
}

int64_t pull_part_bytes(pull_case *c, const char *etag)
{
    char path[4200];
    struct stat info;
    return find_part(c, etag, path) && stat(path, &info) == 0 ? (int64_t)info.st_size : -1;
}

int64_t pull_blob_bytes(pull_case *c, const char *etag)
{
    char path[2048];
    struct stat info;
    path_in(c, path, "blobs", etag);
    return stat(path, &info) == 0 ? (int64_t)info.st_size : pull_part_bytes(c, etag);
}

char *pull_blob_read(pull_case *c, const char *etag, size_t *bytes)
{
    char path[4200];
    path_in(c, path, "blobs", etag);
    if (access(path, F_OK) != 0 && !find_part(c, etag, path))
        return NULL;
    return nb_test_file_read(path, bytes);
}

// ---- texts -------------------------------------------------------------------------------------------------------

static const char *wanted;
static bool is_held;

static int look(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info, (void)where;
    is_held |= strstr(path, wanted) != NULL;
    if (kind != FTW_F)
        return 0;
    size_t n;
    char *data = nb_test_file_read(path, &n);
    is_held |= memmem(data, n, wanted, strlen(wanted)) != NULL;
    free(data);
    return 0;
}

bool pull_disk_holds(pull_case *c, const char *text)
{
    wanted = text;
    is_held = false;
    nftw(c->folder, look, 16, FTW_PHYS);
    return is_held;
}
