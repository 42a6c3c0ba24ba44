// SPDX-License-Identifier: Apache-2.0
#include "apps/models/model_table.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "apps/common/cli.h"
#include "apps/common/model_store.h"
#include "apps/common/model_use.h"
#include "apps/common/small_file.h"
#include "apps/common/tree_walk.h"
#include "apps/models/hub_scan.h"
#include "apps/models/pull_mark.h"
#include "apps/models/store_add.h"

static nb_model_row *add_row(nb_model_table *table, const char *repository, const char *commit, const char *directory)
{
    table->rows = nb_resize(table->rows, (table->n_rows + 1) * sizeof *table->rows);
    nb_model_row *row = &table->rows[table->n_rows++];
    char key[NAME_MAX + 1];
    memset(row, 0, sizeof *row);
    snprintf(row->repository, sizeof row->repository, "%s", repository);
    snprintf(row->commit, sizeof row->commit, "%s", commit);
    row->directory = nb_copy_text(directory);
    row->revisions = nb_copy_text("");
    nb_model_use_key(key, repository, commit);
    row->last_use = nb_model_use_time(key);
    return row;
}

// What the library thinks of the directory: its format, or why it does not run, without the path in front.
static void examine(nb_model_row *row)
{
    static const char *const names[][2] = {
        {"nvfp4-modelopt", "NVFP4"},
        {"nvfp4-compressed-tensors", "NVFP4"},
        {"bf16", "BF16"},
        {"f16", "F16"},
        {"f32", "F32"},
    };
    nb_engine_options options = nb_engine_defaults();
    nb_engine *engine;
    nb_engine_info info;
    nb_error error = {0};
    options.count_only = true;
    if (nb_engine_open(&engine, row->directory, &options, &error) != NB_OK) {
        char *at = strstr(error.text, row->directory), *advice = strstr(error.text, "; try ");
        size_t skipped = strlen(row->directory) + 1;
        if (advice)
            *advice = 0;
        if (at && strlen(at) > skipped)
            memmove(at, at + skipped, strlen(at + skipped) + 1);
        snprintf(row->why, sizeof row->why, "%s", error.text);
        return;
    }
    nb_engine_info_get(engine, &info);
    const char *format = info.format;
    for (size_t i = 0; i < NB_COUNT_OF(names); i++)
        format = strcmp(info.format, names[i][0]) == 0 ? names[i][1] : format;
    snprintf(row->format, sizeof row->format, "%s", format);
    snprintf(row->family, sizeof row->family, "%s", info.family);
    row->n_parameters = info.n_parameters;
    nb_engine_close(engine);
}

// ---- store ---------------------------------------------------------------------------------------------------------

static void add_stored(nb_model_table *table, const char *directory, const char *repository)
{
    nb_model_name name;
    struct stat info;
    if (!nb_model_name_parse(&name, repository) || name.revision[0] || lstat(directory, &info) != 0)
        return;
    nb_model_row *row = add_row(table, repository, "", directory);
    row->place = S_ISLNK(info.st_mode) ? NB_PLACE_LINK : NB_PLACE_STORE;
    row->bytes = nb_tree_bytes(directory);
    nb_pull_mark mark;
    if (nb_pull_mark_read(&mark, directory)) {
        strcpy(row->commit, mark.commit);
        nb_pull_mark_release(&mark);
    }
    table->bytes += row->place == NB_PLACE_STORE ? row->bytes : 0;
    examine(row);
}

static void add_org(nb_model_table *table, const char *folder, const char *org)
{
    char path[PATH_MAX], repository[PATH_MAX];
    DIR *names = opendir(folder);
    for (struct dirent *entry; names && (entry = readdir(names));)
        if (entry->d_name[0] != '.' && nb_path_make(path, "%s/%s", folder, entry->d_name) && nb_is_directory(path) &&
            nb_path_make(repository, "%s/%s", org, entry->d_name))
            add_stored(table, path, repository);
    if (names)
        closedir(names);
}

// A copy into the store that has not ended: .adding-ORG--NAME.
static void add_copy(nb_model_table *table, const char *directory, const char *text)
{
    nb_model_name name;
    char repository[PATH_MAX];
    const char *split = strstr(text, "--");
    if (!split ||
        !nb_path_make(repository, "%.*s%s%s", (int)(split - text), text, split > text ? "/" : "", split + 2) ||
        !nb_model_name_parse(&name, repository) || name.revision[0])
        return;
    nb_model_row *row = add_row(table, repository, "", directory);
    row->place = NB_PLACE_STORE;
    row->is_incomplete = true;
    row->bytes = nb_tree_bytes(directory);
    table->bytes += row->bytes;
}

static void add_store(nb_model_table *table, const char *home)
{
    char models[PATH_MAX], path[PATH_MAX];
    DIR *orgs = nb_path_make(models, "%s/models", home) ? opendir(models) : NULL;
    for (struct dirent *entry; orgs && (entry = readdir(orgs));) {
        static const char adding[] = NB_STORE_ADDING;
        if (!nb_path_make(path, "%s/%s", models, entry->d_name) || !nb_is_directory(path))
            continue;
        if (strncmp(entry->d_name, adding, sizeof adding - 1) == 0)
            add_copy(table, path, entry->d_name + sizeof adding - 1);
        else if (entry->d_name[0] == '.')
            continue;
        else if (nb_store_is_model(path))
            add_stored(table, path, entry->d_name);
        else
            add_org(table, path, entry->d_name);
    }
    if (orgs)
        closedir(orgs);
}

// ---- Hub cache -----------------------------------------------------------------------------------------------------

// "main" first, then the others by name.
static char *join_revisions(const nb_hub_scan *scan, const char *commit)
{
    size_t bytes = 1;
    for (size_t i = 0; i < scan->n_refs; i++)
        bytes += strlen(scan->refs[i].revision) + 1;
    char *text = nb_alloc(bytes), *end = text;
    for (int with_main = 1; with_main >= 0; with_main--)
        for (size_t i = 0; i < scan->n_refs; i++)
            if (strcmp(scan->refs[i].commit, commit) == 0 && (strcmp(scan->refs[i].revision, "main") == 0) == with_main)
                end += sprintf(end, "%s%s", end > text ? " " : "", scan->refs[i].revision);
    return text;
}

static void add_snapshot(nb_model_table *table, const nb_hub_scan *scan, const nb_scan_snapshot *snapshot)
{
    char path[PATH_MAX];
    if (!nb_hub_snapshot_path(path, scan->folder, snapshot->commit))
        return;
    if (snapshot->is_removed &&
        !nb_path_make(path, "%s/" NB_HUB_OWN "/" NB_HUB_REMOVED "%s", scan->folder, snapshot->commit))
        return;
    nb_model_row *row = add_row(table, scan->repository, snapshot->commit, path);
    free(row->revisions);
    row->revisions = join_revisions(scan, snapshot->commit);
    row->place = NB_PLACE_HUB;
    row->bytes = snapshot->bytes;
    row->is_removed = snapshot->is_removed;
    if (snapshot->is_removed)
        row->is_incomplete = true;
    else if (snapshot->n_bad)
        snprintf(row->why, sizeof row->why, "%zu of its %zu files lead nowhere or out of the cache", snapshot->n_bad,
                 snapshot->n_files);
    else
        examine(row);
}

static void add_repository(nb_model_table *table, const char *cache, const char *repository)
{
    nb_hub_scan scan;
    if (nb_hub_scan_make(&scan, cache, repository)) {
        for (size_t i = 0; i < scan.n_snapshots; i++)
            add_snapshot(table, &scan, &scan.snapshots[i]);
        if (scan.n_snapshots == 0 || scan.partial_bytes > 0) {
            nb_model_row *row = add_row(table, repository, "", scan.folder);
            row->place = NB_PLACE_HUB;
            row->is_incomplete = true;
            row->bytes = scan.n_snapshots ? scan.partial_bytes : scan.bytes;
            snprintf(row->why, sizeof row->why, "%s", scan.why);
        }
        table->bytes += scan.bytes;
    }
    nb_hub_scan_release(&scan);
}

// ---- whole ---------------------------------------------------------------------------------------------------------

static bool has_main(const nb_model_row *row)
{
    return strncmp(row->revisions, "main", 4) == 0 && (row->revisions[4] == 0 || row->revisions[4] == ' ');
}

static int compare_rows(const void *a, const void *b)
{
    const nb_model_row *x = a, *y = b;
    int order = strcasecmp(x->repository, y->repository);
    if (order == 0)
        order = strcmp(x->repository, y->repository);
    if (order == 0)
        order = (int)x->place - (int)y->place;
    if (order == 0)
        order = has_main(y) - has_main(x);
    return order ? order : strcmp(x->commit, y->commit);
}

void nb_model_table_make(nb_model_table *table, const char *home, const char *cache)
{
    size_t n;
    memset(table, 0, sizeof *table);
    add_store(table, home);
    char **repositories = nb_hub_repositories(cache, &n);
    for (size_t i = 0; i < n; i++) {
        add_repository(table, cache, repositories[i]);
        free(repositories[i]);
    }
    free(repositories);
    if (table->n_rows)
        qsort(table->rows, table->n_rows, sizeof *table->rows, compare_rows);
}

void nb_model_table_release(nb_model_table *table)
{
    for (size_t i = 0; i < table->n_rows; i++) {
        free(table->rows[i].revisions);
        free(table->rows[i].directory);
    }
    free(table->rows);
    memset(table, 0, sizeof *table);
}
