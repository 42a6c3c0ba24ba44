// SPDX-License-Identifier: Apache-2.0
// Repositories: their files, and what the API says of them.
#include <ftw.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <unistd.h>

#include "tests/hub/mock_state.h"

// ---- names of contents -------------------------------------------------------------------------------------------

static void hash(const EVP_MD *kind, const char *head, size_t head_bytes, const void *data, uint64_t bytes, char *hex)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (!context || !EVP_DigestInit_ex(context, kind, NULL) || !EVP_DigestUpdate(context, head, head_bytes) ||
        !EVP_DigestUpdate(context, data, bytes) || !EVP_DigestFinal_ex(context, digest, &n))
        mock_die("no hash");
    EVP_MD_CTX_free(context);
    for (unsigned i = 0; i < n; i++)
        sprintf(hex + 2 * i, "%02x", digest[i]);
}

// SHA-1 of "blob <size>\0" and the bytes, as git names a file.
static void hash_as_git(const void *data, uint64_t bytes, char hex[41])
{
    char head[32];
    int n = snprintf(head, sizeof head, "blob %llu", (unsigned long long)bytes);
    hash(EVP_sha1(), head, (size_t)n + 1, data, bytes, hex);
}

// What git holds of an LFS file is a text that points to it.
static void name_contents(mock_item *item)
{
    if (item->store == MOCK_GIT) {
        hash_as_git(item->data, item->bytes, item->git);
        return;
    }
    char pointer[256];
    hash(EVP_sha256(), "", 0, item->data, item->bytes, item->sha256);
    int n = snprintf(pointer, sizeof pointer, "version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %llu\n",
                     item->sha256, (unsigned long long)item->bytes);
    hash_as_git(pointer, (uint64_t)n, item->git);
}

// ---- building ----------------------------------------------------------------------------------------------------

mock_repo *mock_repo_add(mock_hub *hub, const char *id, const char *commit)
{
    mock_repo *repo = mock_memory(sizeof *repo);
    unsigned n = 0;
    repo->hub = hub;
    snprintf(repo->id, sizeof repo->id, "%s", id);
    pthread_mutex_lock(&hub->lock);
    for (const mock_repo *r = hub->repos; r; r = r->next)
        n++;
    if (commit) {
        snprintf(repo->commit, sizeof repo->commit, "%s", commit);
    } else {
        char text[256];
        snprintf(text, sizeof text, "%s %u", id, n);
        hash_as_git(text, strlen(text), repo->commit);
    }
    repo->next = hub->repos;
    hub->repos = repo;
    pthread_mutex_unlock(&hub->lock);
    return repo;
}

const char *mock_repo_commit(const mock_repo *repo)
{
    return repo->commit;
}

void mock_repo_tag(mock_repo *repo, const char *tag)
{
    if (repo->n_tags == MOCK_MAX_TAGS)
        mock_die("too many tags");
    pthread_mutex_lock(&repo->hub->lock);
    snprintf(repo->tags[repo->n_tags++], sizeof repo->tags[0], "%s", tag);
    pthread_mutex_unlock(&repo->hub->lock);
}

static void free_item(mock_item *item)
{
    free(item->path);
    free(item);
}

void mock_repo_put_raw(mock_repo *repo, const char *path, size_t path_bytes, const void *data, uint64_t bytes,
                       mock_store store)
{
    mock_item *item = mock_memory(sizeof *item);
    item->path = mock_memory(path_bytes + 1);
    memcpy(item->path, path, path_bytes);
    item->path_bytes = path_bytes;
    item->data = data;
    item->bytes = bytes;
    item->store = store;
    name_contents(item);
    mock_item **at = &repo->items;
    pthread_mutex_lock(&repo->hub->lock);
    while (*at && strcmp((*at)->path, item->path) < 0)
        at = &(*at)->next;
    mock_item *old = *at && (*at)->path_bytes == path_bytes && memcmp((*at)->path, path, path_bytes) == 0 ? *at : NULL;
    item->next = old ? old->next : *at;
    *at = item;
    if (old) {
        old->next = repo->replaced; // an answer may still hold it
        repo->replaced = old;
    }
    pthread_mutex_unlock(&repo->hub->lock);
}

void mock_repo_put(mock_repo *repo, const char *path, const void *data, uint64_t bytes, mock_store store)
{
    mock_repo_put_raw(repo, path, strlen(path), data, bytes, store);
}

// nftw hands nothing on.
static mock_repo *filling;
static size_t filling_prefix;

static int put_file(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)where;
    if (kind != FTW_F)
        return 0;
    size_t n = strlen(path);
    bool is_large = info->st_size >= 1 << 20 || (n > 12 && strcmp(path + n - 12, ".safetensors") == 0);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        mock_die(path);
    const void *data =
        info->st_size ? mmap(NULL, (size_t)info->st_size, PROT_READ, MAP_SHARED, file, 0) : (const void *)"";
    close(file);
    if (data == MAP_FAILED)
        mock_die(path);
    mock_repo_put(filling, path + filling_prefix, data, (uint64_t)info->st_size, is_large ? MOCK_LFS : MOCK_GIT);
    return 0;
}

void mock_repo_put_folder(mock_repo *repo, const char *folder)
{
    filling = repo;
    filling_prefix = strlen(folder) + 1;
    if (nftw(folder, put_file, 16, 0) != 0)
        mock_die(folder);
}

void mock_repo_make_private(mock_repo *repo, const char *token)
{
    pthread_mutex_lock(&repo->hub->lock);
    snprintf(repo->token, sizeof repo->token, "%s", token);
    repo->is_private = true;
    pthread_mutex_unlock(&repo->hub->lock);
}

void mock_repo_make_gated(mock_repo *repo, const char *token, bool is_accepted)
{
    pthread_mutex_lock(&repo->hub->lock);
    snprintf(repo->token, sizeof repo->token, "%s", token);
    repo->is_gated = true;
    repo->is_accepted = is_accepted;
    pthread_mutex_unlock(&repo->hub->lock);
}

void mock_repo_free_all(mock_repo *repo)
{
    for (mock_repo *next; repo; repo = next) {
        next = repo->next;
        for (mock_item *item; (item = repo->items);) {
            repo->items = item->next;
            free_item(item);
        }
        for (mock_item *item; (item = repo->replaced);) {
            repo->replaced = item->next;
            free_item(item);
        }
        free(repo);
    }
}

// ---- finding -----------------------------------------------------------------------------------------------------

static bool is_named(const mock_repo *repo, const char *revision)
{
    for (size_t i = 0; i < repo->n_tags; i++)
        if (strcmp(repo->tags[i], revision) == 0)
            return true;
    return strcmp(repo->commit, revision) == 0;
}

mock_repo *mock_repo_find(mock_hub *hub, const char *id, const char *revision, bool *has_name)
{
    mock_repo *found = NULL;
    *has_name = false;
    pthread_mutex_lock(&hub->lock);
    for (mock_repo *repo = hub->repos; repo && !found; repo = repo->next) {
        if (strcmp(repo->id, id) != 0)
            continue;
        if ((!*has_name && strcmp(revision, "main") == 0) || is_named(repo, revision))
            found = repo;
        *has_name = true;
    }
    pthread_mutex_unlock(&hub->lock);
    return found;
}

mock_item *mock_repo_item(const mock_repo *repo, const char *path)
{
    mock_item *item;
    pthread_mutex_lock(&repo->hub->lock);
    for (item = repo->items; item && strcmp(item->path, path) != 0;)
        item = item->next;
    pthread_mutex_unlock(&repo->hub->lock);
    return item;
}

const char *mock_repo_etag(const mock_repo *repo, const char *path)
{
    const mock_item *item = mock_repo_item(repo, path);
    if (!item)
        mock_die(path);
    return item->store == MOCK_LFS ? item->sha256 : item->git;
}

// ---- what the API says -------------------------------------------------------------------------------------------

static char *text_of(json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT);
    if (!text)
        mock_die("not to be written as JSON");
    json_decref(value);
    return text;
}

char *mock_repo_describe(const mock_repo *repo)
{
    json_t *siblings = json_array();
    for (const mock_item *item = repo->items; item; item = item->next)
        json_array_append_new(siblings, json_pack("{s:o}", "rfilename", json_stringn(item->path, item->path_bytes)));
    return text_of(json_pack("{s:s, s:s, s:s, s:s, s:b, s:o, s:b, s:[], s:i, s:i, s:o}", "_id",
                             "0123456789abcdef01234567", "id", repo->id, "modelId", repo->id, "sha", repo->commit,
                             "private", repo->is_private, "gated",
                             repo->is_gated ? json_string("manual") : json_false(), "disabled", 0, "tags", "downloads",
                             0, "likes", 0, "siblings", siblings));
}

static json_t *entry_of(const mock_item *item)
{
    json_t *entry = json_pack("{s:s, s:s, s:I, s:o}", "type", "file", "oid", item->git, "size", (json_int_t)item->bytes,
                              "path", json_stringn(item->path, item->path_bytes));
    if (item->store == MOCK_LFS)
        json_object_set_new(
            entry, "lfs",
            json_pack("{s:s, s:I, s:i}", "oid", item->sha256, "size", (json_int_t)item->bytes, "pointerSize", 135));
    return entry;
}

// Folders stand in the tree too, each before its first file.
static void put_folder(json_t *page, const mock_item *item, const mock_item *before)
{
    const char *slash = strrchr(item->path, '/');
    size_t n = slash ? (size_t)(slash - item->path) : 0;
    if (n == 0 || (before && strncmp(before->path, item->path, n + 1) == 0))
        return;
    char oid[41];
    hash_as_git(item->path, n, oid);
    json_t *path = json_stringn(item->path, n);
    if (path)
        json_array_append_new(
            page, json_pack("{s:s, s:s, s:i, s:o}", "type", "directory", "oid", oid, "size", 0, "path", path));
}

char *mock_repo_page(const mock_repo *repo, size_t begin, size_t n_files, size_t *next)
{
    json_t *page = json_array();
    const mock_item *before = NULL;
    size_t i = 0;
    *next = 0;
    for (const mock_item *item = repo->items; item && *next == 0; item = item->next, i++) {
        if (i >= begin + n_files) {
            *next = i;
        } else if (i >= begin) {
            put_folder(page, item, before);
            json_array_append_new(page, entry_of(item));
        }
        before = item;
    }
    return text_of(page);
}
