// SPDX-License-Identifier: Apache-2.0
#include "apps/models/hub_remove.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "apps/common/small_file.h"
#include "apps/common/tree_walk.h"

static bool fail(char why[256], const char *what)
{
    if (!why[0])
        snprintf(why, 256, "%.100s: %.140s", what, strerror(errno));
    return false;
}

static bool goes(const nb_hub_removal *removal, const nb_scan_snapshot *snapshot)
{
    return !removal->commit[0] || snapshot->is_removed || strcmp(snapshot->commit, removal->commit) == 0;
}

// Users of blob i among the snapshots that go.
static uint32_t count_going_users(const nb_hub_removal *removal, size_t blob)
{
    uint32_t n = 0;
    for (size_t i = 0; i < removal->scan.n_snapshots; i++) {
        const nb_scan_snapshot *snapshot = &removal->scan.snapshots[i];
        size_t low = 0, high = goes(removal, snapshot) ? snapshot->n_blobs : 0;
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            if (snapshot->blobs[middle] < blob)
                low = middle + 1;
            else
                high = middle;
        }
        n += goes(removal, snapshot) && low < snapshot->n_blobs && snapshot->blobs[low] == blob;
    }
    return n;
}

// A blob without a user may be one whose link another program is about to make; it goes with the whole folder alone.
static bool blob_goes(const nb_hub_removal *removal, size_t blob)
{
    uint32_t n_users = removal->scan.blobs[blob].n_users;
    return !removal->commit[0] || (n_users > 0 && count_going_users(removal, blob) == n_users);
}

static void count_bytes(nb_hub_removal *removal)
{
    const nb_hub_scan *scan = &removal->scan;
    for (size_t i = 0; i < scan->n_blobs; i++) {
        const nb_scan_blob *blob = &scan->blobs[i];
        bool is_free = blob_goes(removal, i);
        bool is_touched = is_free || count_going_users(removal, i) > 0;
        removal->bytes_free += is_free ? blob->bytes_free : 0;
        removal->bytes_other += is_touched ? blob->bytes - (is_free ? blob->bytes_free : 0) : 0;
    }
    for (size_t i = 0; i < scan->n_snapshots; i++)
        removal->bytes_free += goes(removal, &scan->snapshots[i]) ? scan->snapshots[i].plain_bytes : 0;
}

bool nb_hub_removal_plan(nb_hub_removal *removal, const char *cache, const char *repository, const char *commit,
                         char why[256])
{
    memset(removal, 0, sizeof *removal);
    why[0] = 0;
    nb_hub_scan *scan = &removal->scan;
    if (!nb_hub_scan_make(scan, cache, repository)) {
        errno = ENOENT;
        return fail(why, "no folder of the cache, or a link to elsewhere");
    }
    if (scan->why[0]) {
        snprintf(why, 256, "%s", scan->why);
        return false;
    }
    bool is_only = scan->n_snapshots == 1 && scan->partial_bytes == 0 && strcmp(scan->snapshots[0].commit, commit) == 0;
    snprintf(removal->commit, sizeof removal->commit, "%s", is_only ? "" : commit);
    count_bytes(removal);
    return true;
}

bool nb_hub_removed_find(char commit[NB_MODEL_COMMIT_BYTES], const char *folder, const char *revision)
{
    char path[PATH_MAX];
    if (!nb_hub_is_snapshot(revision) ||
        !nb_path_make(path, "%s/" NB_HUB_OWN "/" NB_HUB_REMOVED "%s", folder, revision) || !nb_is_directory(path))
        return false;
    strcpy(commit, revision);
    return true;
}

void nb_hub_removal_release(nb_hub_removal *removal)
{
    nb_hub_scan_release(&removal->scan);
}

// ---- steps ---------------------------------------------------------------------------------------------------------

static bool remove_refs(const nb_hub_removal *removal, int folder, char why[256])
{
    const nb_hub_scan *scan = &removal->scan;
    for (size_t i = 0; i < scan->n_refs; i++) {
        char path[PATH_MAX];
        bool is_going = !removal->commit[0] || strcmp(scan->refs[i].commit, removal->commit) == 0;
        if (!is_going || !nb_path_make(path, "refs/%s", scan->refs[i].revision))
            continue;
        if (unlinkat(folder, path, 0) != 0 && errno != ENOENT)
            return fail(why, path);
        // Folders of refs/pr/1 that are empty now; what is not empty stays.
        for (char *slash; (slash = strrchr(path, '/')) && slash != path + 4;) {
            *slash = 0;
            if (unlinkat(folder, path, AT_REMOVEDIR) != 0)
                break;
        }
    }
    return true;
}

static bool hide_snapshots(const nb_hub_removal *removal, int folder, char why[256])
{
    const nb_hub_scan *scan = &removal->scan;
    if (mkdirat(folder, NB_HUB_OWN, 0777) != 0 && errno != EEXIST)
        return fail(why, NB_HUB_OWN);
    int snapshots = nb_tree_open(folder, "snapshots", why), own = nb_tree_open(folder, NB_HUB_OWN, why);
    bool is_done = !why[0];
    for (size_t i = 0; i < scan->n_snapshots && is_done; i++) {
        char hidden[sizeof NB_HUB_REMOVED + NB_MODEL_COMMIT_BYTES];
        const nb_scan_snapshot *snapshot = &scan->snapshots[i];
        if (snapshot->is_removed || !goes(removal, snapshot))
            continue;
        snprintf(hidden, sizeof hidden, NB_HUB_REMOVED "%s", snapshot->commit);
        is_done = nb_tree_remove(own, hidden, NULL, why) &&
                  (renameat(snapshots, snapshot->commit, own, hidden) == 0 || fail(why, snapshot->commit));
    }
    is_done = is_done && (snapshots < 0 || fsync(snapshots) == 0) && fsync(own) == 0;
    if (snapshots >= 0)
        close(snapshots);
    if (own >= 0)
        close(own);
    return is_done || fail(why, "snapshots");
}

static bool remove_blobs(const nb_hub_removal *removal, int folder, uint64_t *bytes_free, char why[256])
{
    const nb_hub_scan *scan = &removal->scan;
    int blobs = nb_tree_open(folder, "blobs", why);
    for (size_t i = 0; i < scan->n_blobs && blobs >= 0; i++) {
        if (!blob_goes(removal, i))
            continue;
        if (unlinkat(blobs, scan->blobs[i].name, 0) == 0)
            *bytes_free += scan->blobs[i].bytes_free;
        else if (errno != ENOENT)
            fail(why, scan->blobs[i].name);
    }
    if (blobs >= 0)
        close(blobs);
    return !why[0];
}

// What the official client notes about a commit, in a folder of its own; never through a link.
static void remove_note(int folder, const char *parent, const char *commit, const char *ending)
{
    char name[NB_MODEL_COMMIT_BYTES + 8], ignored[256] = "";
    int fd = nb_tree_open(folder, parent, ignored);
    snprintf(name, sizeof name, "%s%s", commit, ending);
    if (fd < 0)
        return;
    (void)nb_tree_remove(fd, name, NULL, ignored);
    close(fd);
}

static bool remove_hidden(const nb_hub_removal *removal, int folder, uint64_t *bytes_free, char why[256])
{
    const nb_hub_scan *scan = &removal->scan;
    for (size_t i = 0; i < scan->n_snapshots; i++) {
        char path[PATH_MAX];
        const char *commit = scan->snapshots[i].commit;
        if (!goes(removal, &scan->snapshots[i]))
            continue;
        remove_note(folder, ".no_exist", commit, "");
        remove_note(folder, "trees", commit, ".json");
        if (!nb_path_make(path, NB_HUB_OWN "/" NB_HUB_REMOVED "%s", commit) ||
            !nb_tree_remove(folder, path, bytes_free, why))
            return false;
    }
    (void)unlinkat(folder, NB_HUB_OWN, AT_REMOVEDIR); // unless something else is in it
    return true;
}

bool nb_hub_removal_run(const nb_hub_removal *removal, const char *cache, uint64_t *bytes_free, char why[256])
{
    char name[PATH_MAX];
    *bytes_free = 0;
    why[0] = 0;
    int top = open(cache, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_done = false;
    int folder = top >= 0 && nb_hub_folder_name(name, removal->scan.repository) ? nb_tree_open(top, name, why) : -1;
    if (folder >= 0) {
        is_done = remove_refs(removal, folder, why) && hide_snapshots(removal, folder, why) &&
                  remove_blobs(removal, folder, bytes_free, why) && remove_hidden(removal, folder, bytes_free, why);
        if (is_done && !removal->commit[0])
            is_done = nb_tree_remove(top, name, bytes_free, why);
        close(folder);
    }
    if (top >= 0)
        close(top);
    return is_done || fail(why, removal->scan.folder);
}
