// SPDX-License-Identifier: Apache-2.0
#include "apps/models/hub_scan.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/common/cli.h"
#include "apps/common/tree_walk.h"

enum { LINK_BYTES_MAX = 4096 };

// While one snapshot is walked.
typedef struct visitor {
    nb_hub_scan *scan;
    nb_scan_snapshot *snapshot;
} visitor;

static void walk(visitor *v, int fd, void (*visit)(void *user, const nb_tree_entry *entry))
{
    nb_tree tree = {.visit = visit, .user = v, .why = v->scan->why};
    nb_tree_walk(&tree, fd);
}

static void *grown(void *items, size_t n, size_t bytes)
{
    return (n & (n - 1)) == 0 ? nb_resize(items, (n ? 2 * n : 1) * bytes) : items;
}

// ---- blobs ---------------------------------------------------------------------------------------------------------

// A blob may itself be a link to the payload that the cache's repositories share: ../../blobs/XX/HASH.
static bool is_shared_link(int folder, const char *name)
{
    static const char start[] = "../../blobs/";
    char text[LINK_BYTES_MAX];
    ssize_t n = readlinkat(folder, name, text, sizeof text - 1);
    text[n > 0 ? n : 0] = 0;
    return strncmp(text, start, sizeof start - 1) == 0 && !strstr(text + sizeof start - 1, "..");
}

static void visit_blob(void *user, const nb_tree_entry *entry)
{
    nb_hub_scan *scan = ((visitor *)user)->scan;
    struct stat stats = entry->stats;
    nb_scan_blob blob = {.n_users = 0};
    size_t bytes = strlen(entry->name);
    bool is_shared = S_ISLNK(stats.st_mode) && is_shared_link(entry->folder, entry->name);
    if (is_shared && fstatat(entry->folder, entry->name, &stats, 0) != 0)
        return; // a link to nothing
    if (!S_ISREG(stats.st_mode) || strchr(entry->path, '/') || bytes >= sizeof blob.name)
        return;
    strcpy(blob.name, entry->name);
    blob.bytes = (uint64_t)stats.st_size;
    blob.bytes_free = is_shared || stats.st_nlink > 1 ? 0 : blob.bytes;
    blob.is_partial = bytes > 11 && strcmp(blob.name + bytes - 11, ".incomplete") == 0;
    scan->blobs = grown(scan->blobs, scan->n_blobs, sizeof blob);
    scan->blobs[scan->n_blobs++] = blob;
    scan->bytes += blob.bytes;
    scan->partial_bytes += blob.is_partial ? blob.bytes : 0;
}

static int compare_blobs(const void *a, const void *b)
{
    return strcmp(((const nb_scan_blob *)a)->name, ((const nb_scan_blob *)b)->name);
}

static nb_scan_blob *find_blob(const nb_hub_scan *scan, const char *name)
{
    nb_scan_blob key;
    if (scan->n_blobs == 0 || snprintf(key.name, sizeof key.name, "%s", name) >= (int)sizeof key.name)
        return NULL;
    return bsearch(&key, scan->blobs, scan->n_blobs, sizeof key, compare_blobs);
}

// ---- snapshots -----------------------------------------------------------------------------------------------------

// The text of a link at snapshots/COMMIT/PATH that leads to a blob: as many "../" as lead up to the repository, or the
// repository's own path, then blobs/.
static bool leads_to_blobs(const nb_hub_scan *scan, const char *text, const char *path)
{
    size_t n_up = 2, folder_bytes = strlen(scan->folder);
    for (const char *slash = path; (slash = strchr(slash, '/')); slash++)
        n_up++;
    if (strncmp(text, scan->folder, folder_bytes) == 0 && text[folder_bytes] == '/')
        text += folder_bytes + 1;
    else
        for (; n_up > 0; n_up--, text += 3)
            if (strncmp(text, "../", 3) != 0)
                return false;
    return strncmp(text, "blobs/", 6) == 0 && !strchr(text + 6, '/');
}

static void add_user(visitor *v, nb_scan_blob *blob)
{
    nb_scan_snapshot *snapshot = v->snapshot;
    if (blob->last_user == v->scan->n_snapshots + 1)
        return;
    blob->last_user = v->scan->n_snapshots + 1;
    snapshot->blobs = grown(snapshot->blobs, snapshot->n_blobs, sizeof *snapshot->blobs);
    snapshot->blobs[snapshot->n_blobs++] = (size_t)(blob - v->scan->blobs);
}

static void visit_file(void *user, const nb_tree_entry *entry)
{
    visitor *v = user;
    char text[LINK_BYTES_MAX];
    if (S_ISDIR(entry->stats.st_mode))
        return;
    v->snapshot->n_files++;
    ssize_t n = S_ISLNK(entry->stats.st_mode) ? readlinkat(entry->folder, entry->name, text, sizeof text - 1) : -1;
    if (n < 0) {
        bool is_file = S_ISREG(entry->stats.st_mode);
        v->snapshot->n_bad += !is_file;
        v->snapshot->plain_bytes += is_file ? (uint64_t)entry->stats.st_size : 0;
        return;
    }
    text[n] = 0;
    const char *slash = strrchr(text, '/');
    nb_scan_blob *blob = find_blob(v->scan, slash ? slash + 1 : text);
    if (blob) // also through a link that leads there by another way: better kept than lost
        add_user(v, blob);
    v->snapshot->n_bad += !blob || !leads_to_blobs(v->scan, text, entry->path);
}

static int compare_indices(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

static void finish_snapshot(nb_hub_scan *scan, nb_scan_snapshot *snapshot)
{
    if (snapshot->n_blobs)
        qsort(snapshot->blobs, snapshot->n_blobs, sizeof *snapshot->blobs, compare_indices);
    snapshot->bytes = snapshot->plain_bytes;
    for (size_t i = 0; i < snapshot->n_blobs; i++) {
        snapshot->bytes += scan->blobs[snapshot->blobs[i]].bytes;
        scan->blobs[snapshot->blobs[i]].n_users++;
    }
    scan->bytes += snapshot->plain_bytes;
}

static int compare_snapshots(const void *a, const void *b)
{
    const nb_scan_snapshot *x = a, *y = b;
    return x->is_removed != y->is_removed ? x->is_removed - y->is_removed : strcmp(x->commit, y->commit);
}

// The snapshots in a folder, their names behind `prefix`. Takes over the descriptor.
static void read_snapshots(nb_hub_scan *scan, int fd, const char *prefix)
{
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        struct stat stats;
        nb_scan_snapshot snapshot = {.is_removed = prefix[0] != 0};
        visitor v = {scan, &snapshot};
        const char *commit = entry->d_name + strlen(prefix);
        // A file or a link there is no snapshot.
        if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0 || !nb_hub_is_snapshot(commit) ||
            fstatat(dirfd(folder), entry->d_name, &stats, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(stats.st_mode))
            continue;
        strcpy(snapshot.commit, commit);
        walk(&v, nb_tree_open(dirfd(folder), entry->d_name, scan->why), visit_file);
        finish_snapshot(scan, &snapshot);
        scan->snapshots = grown(scan->snapshots, scan->n_snapshots, sizeof snapshot);
        scan->snapshots[scan->n_snapshots++] = snapshot;
    }
    if (folder)
        closedir(folder);
    if (scan->n_snapshots)
        qsort(scan->snapshots, scan->n_snapshots, sizeof *scan->snapshots, compare_snapshots);
}

// ---- refs ----------------------------------------------------------------------------------------------------------

static void visit_ref(void *user, const nb_tree_entry *entry)
{
    nb_hub_scan *scan = ((visitor *)user)->scan;
    nb_scan_ref ref = {.commit = ""};
    if (!S_ISREG(entry->stats.st_mode) || !nb_model_is_revision(entry->path))
        return;
    strcpy(ref.revision, entry->path);
    if (!nb_hub_ref_read(ref.commit, scan->folder, ref.revision))
        ref.commit[0] = 0;
    scan->refs = grown(scan->refs, scan->n_refs, sizeof ref);
    scan->refs[scan->n_refs++] = ref;
}

static int compare_refs(const void *a, const void *b)
{
    return strcmp(((const nb_scan_ref *)a)->revision, ((const nb_scan_ref *)b)->revision);
}

// ---- whole ---------------------------------------------------------------------------------------------------------

bool nb_hub_scan_make(nb_hub_scan *scan, const char *cache, const char *repository)
{
    memset(scan, 0, sizeof *scan);
    if (!nb_hub_folder(scan->folder, cache, repository))
        return false;
    strcpy(scan->repository, repository);
    int fd = open(scan->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return false;
    visitor v = {.scan = scan};
    walk(&v, nb_tree_open(fd, "blobs", scan->why), visit_blob);
    if (scan->n_blobs)
        qsort(scan->blobs, scan->n_blobs, sizeof *scan->blobs, compare_blobs);
    read_snapshots(scan, nb_tree_open(fd, "snapshots", scan->why), "");
    read_snapshots(scan, nb_tree_open(fd, NB_HUB_OWN, scan->why), NB_HUB_REMOVED);
    walk(&v, nb_tree_open(fd, "refs", scan->why), visit_ref);
    if (scan->n_refs)
        qsort(scan->refs, scan->n_refs, sizeof *scan->refs, compare_refs);
    close(fd);
    return true;
}

void nb_hub_scan_release(nb_hub_scan *scan)
{
    for (size_t i = 0; i < scan->n_snapshots; i++)
        free(scan->snapshots[i].blobs);
    free(scan->snapshots);
    free(scan->blobs);
    free(scan->refs);
    memset(scan, 0, sizeof *scan);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char **nb_hub_repositories(const char *cache, size_t *n)
{
    char **list = nb_alloc(1), repository[NB_MODEL_REPOSITORY_BYTES];
    *n = 0;
    DIR *folder = opendir(cache);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        if (!nb_hub_folder_repository(repository, entry->d_name))
            continue;
        list = grown(list, *n, sizeof *list);
        list[(*n)++] = nb_copy_text(repository);
    }
    if (folder)
        closedir(folder);
    if (*n)
        qsort(list, *n, sizeof *list, compare_texts);
    return list;
}
