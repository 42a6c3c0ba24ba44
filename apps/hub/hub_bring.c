// SPDX-License-Identifier: Apache-2.0
#include "apps/hub/hub_bring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/common/cli.h"
#include "apps/common/stop.h"
#include "apps/hub/hub_record.h"

enum {
    MAX_BAD = 2,               // contents that are not what the list says: one more try
    PROGRESS_BYTES = 64 << 10, // tries that together brought less were in vain
};

static bool is_cancelled(const nb_hub_fetch *fetch)
{
    return nb_stop_requested() || atomic_load_explicit(fetch->is_cancelled, memory_order_relaxed);
}

// For the display, which never goes back.
static void show(nb_hub_blob *blob, uint64_t bytes)
{
    if (bytes > atomic_load_explicit(&blob->done_bytes, memory_order_relaxed))
        atomic_store_explicit(&blob->done_bytes, bytes, memory_order_relaxed);
}

static bool tell_hashed(void *user, uint64_t bytes)
{
    nb_hub_bringer *w = user;
    show(w->blob, bytes);
    return !is_cancelled(w->fetch);
}

// ---- one answer ----------------------------------------------------------------------------------------------------

// Decides by the headers whether the bytes to come go on where the part ends.
static bool on_start(void *user, const nb_http_head *head, nb_hub_failure *failure)
{
    nb_hub_bringer *w = user;
    const nb_hub_file *file = w->blob->file;
    if (head->commit[0] && strcmp(head->commit, w->fetch->commit) != 0) {
        nb_hub_failure_set(failure, NB_HUB_COMMIT, "%.64s", head->commit);
        return false;
    }
    if (head->status == 206) {
        bool is_right = head->has_range && head->range_first == w->range_from && !head->is_encoded &&
                        (head->range_total == UINT64_MAX || head->range_total == file->bytes);
        if (is_right)
            return true;
        w->ignores_range = true;
        nb_hub_failure_set(failure, NB_HUB_RANGE, "another range");
        return false;
    }
    if (!head->is_encoded && head->body_bytes != UINT64_MAX && head->body_bytes != file->bytes) {
        nb_hub_failure_set(failure, NB_HUB_LENGTH, "%llu bytes, not %llu", (unsigned long long)head->body_bytes,
                           (unsigned long long)file->bytes);
        return false;
    }
    return w->part.at_bytes == 0 || nb_hub_part_restart(&w->part, failure); // all of it comes, asked for or not
}

static bool on_bytes(void *user, const void *data, size_t bytes, nb_hub_failure *failure)
{
    nb_hub_bringer *w = user;
    atomic_fetch_add_explicit(&w->fetch->fetched_bytes, bytes, memory_order_relaxed);
    bool is_written = nb_hub_part_append(&w->part, data, bytes, failure);
    show(w->blob, w->part.at_bytes);
    nb_hub_failure other = {0};
    if (failure->problem == NB_HUB_LENGTH && !nb_hub_part_restart(&w->part, &other)) // of a longer file, all of it
        *failure = other;
    return is_written;
}

static bool ask(nb_hub_bringer *w, nb_hub_failure *failure)
{
    nb_hub_fetch *fetch = w->fetch;
    nb_http_head *head = nb_alloc(sizeof *head);
    nb_growing url = {0};
    nb_hub_file_url(&url, fetch->options, fetch->name->repository, fetch->commit, w->blob->file->path);
    w->range_from = w->ignores_range ? 0 : w->part.at_bytes;
    nb_http_request request = {.url = url.text,
                               .range_from = w->range_from,
                               .stall_s = fetch->options->stall_s,
                               .on_start = on_start,
                               .on_bytes = on_bytes,
                               .user = w};
    bool is_whole = nb_http_get(w->http, &request, head, failure);
    double delay_s = nb_hub_pace_learn(fetch->pace, NB_HUB_ASK_FILE, head);
    if (is_whole && delay_s >= 1)
        nb_hub_progress_retry(fetch->progress, NULL, &(nb_hub_failure){.problem = NB_HUB_RATE_LIMITED}, delay_s);
    if (is_whole && w->part.at_bytes < w->blob->file->bytes) {
        nb_hub_failure_set(failure, NB_HUB_CUT, "%llu of %llu bytes", (unsigned long long)w->part.at_bytes,
                           (unsigned long long)w->blob->file->bytes);
        is_whole = false;
    }
    w->ignores_range = failure->problem == NB_HUB_RANGE;
    nb_growing_release(&url);
    free(head);
    return is_whole;
}

// ---- one blob ------------------------------------------------------------------------------------------------------

// Bytes of which the hash is wrong are worth nothing.
static bool throw_away(nb_hub_bringer *w, nb_hub_failure *failure)
{
    nb_hub_failure other = {0};
    if (failure->problem != NB_HUB_HASH || nb_hub_part_restart(&w->part, &other))
        return true;
    *failure = other;
    return false;
}

// After a failed try: waits for the next. False when there is none. `*from_bytes` is where the part ended when tries
// were last counted anew.
static bool wait_for_next(nb_hub_bringer *w, nb_hub_tries *tries, uint32_t *n_bad, uint64_t *from_bytes,
                          nb_hub_failure *failure)
{
    nb_hub_fetch *fetch = w->fetch;
    double wait_s;
    if (nb_hub_is_bad_content(failure) && ++*n_bad >= MAX_BAD + (failure->problem == NB_HUB_RANGE))
        return false;
    if (w->part.at_bytes < *from_bytes) // it was begun anew
        *from_bytes = w->part.at_bytes;
    if (!nb_hub_is_bad_content(failure) && w->part.at_bytes - *from_bytes >= PROGRESS_BYTES) {
        *from_bytes = w->part.at_bytes;
        tries->n_failed = 0;
    }
    if (!nb_hub_tries_next(tries, failure, &wait_s))
        return false;
    nb_hub_progress_retry(fetch->progress, w->blob->file->path, failure, wait_s);
    if (nb_hub_pace_sleep(fetch->pace, wait_s))
        return true;
    failure->problem = NB_HUB_STOPPED;
    return false;
}

// Until the part is whole and true.
static bool complete(nb_hub_bringer *w, nb_hub_failure *failure)
{
    nb_hub_fetch *fetch = w->fetch;
    nb_hub_tries tries = {.options = fetch->options};
    uint32_t n_bad = 0;
    uint64_t from_bytes = w->part.at_bytes;
    for (;;) {
        memset(failure, 0, sizeof *failure);
        bool is_whole = w->part.at_bytes == w->blob->file->bytes;
        if (!is_whole && !nb_hub_pace_wait(fetch->pace, NB_HUB_ASK_FILE)) {
            failure->problem = NB_HUB_STOPPED;
            return false;
        }
        if (is_whole || ask(w, failure)) {
            if (nb_hub_part_is_true(&w->part))
                return true;
            nb_hub_failure_set(failure, NB_HUB_HASH, "another hash");
        }
        if (!throw_away(w, failure) || !wait_for_next(w, &tries, &n_bad, &from_bytes, failure))
            return false;
    }
}

// Removes a part that turned out to be worth nothing.
static void close_part(nb_hub_bringer *w, const nb_hub_failure *failure)
{
    nb_hub_part_close(&w->part);
    if (w->part.at_bytes == 0 && w->part.path[0] && failure->problem != NB_HUB_FINE)
        unlink(w->part.path);
}

// Appends the whole of an open file.
static bool append_all(nb_hub_bringer *w, int fd, nb_hub_failure *failure)
{
    enum { COPY_BYTES = 256 << 10 };
    char *buffer = nb_alloc(COPY_BYTES);
    bool goes_on = true;
    while (goes_on) {
        ssize_t n = read(fd, buffer, COPY_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        goes_on = n > 0 && nb_hub_part_append(&w->part, buffer, (size_t)n, failure);
        if (goes_on && !tell_hashed(w, w->part.at_bytes)) {
            failure->problem = NB_HUB_STOPPED;
            goes_on = false;
        }
    }
    free(buffer);
    return failure->problem == NB_HUB_FINE;
}

// --to: from the cache into the part. False without a failure, and the part as it was or empty, when the cache has no
// good copy.
static bool copy_cached(nb_hub_bringer *w, nb_hub_failure *failure)
{
    const nb_hub_plan *plan = w->fetch->plan;
    char path[PATH_MAX];
    struct stat info;
    if (!plan->place->is_directory || !nb_hub_cached_find(path, plan->place, w->blob->file))
        return false;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return false;
    bool is_copied = fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && (uint64_t)info.st_size == w->blob->file->bytes &&
                     nb_hub_part_restart(&w->part, failure) && append_all(w, fd, failure);
    close(fd);
    if (!is_copied || nb_hub_part_is_true(&w->part))
        return is_copied;
    nb_hub_part_restart(&w->part, failure);
    return false;
}

static bool bring(nb_hub_bringer *w, nb_hub_failure *failure)
{
    nb_hub_fetch *fetch = w->fetch;
    w->ignores_range = false;
    if (!nb_hub_part_open(&w->part, fetch->plan->place, w->blob->file, w->digest, tell_hashed, w, failure)) {
        nb_hub_part_close(&w->part);
        return false;
    }
    const char *how = w->part.at_bytes > 0 ? "resumed" : "fetched";
    bool is_there = copy_cached(w, failure);
    if (w->part.at_bytes > 0)
        nb_hub_progress_rate_anew(fetch->progress);
    if (is_there)
        how = "copied";
    else if (failure->problem == NB_HUB_FINE && fetch->http)
        is_there = complete(w, failure);
    else if (failure->problem == NB_HUB_FINE)
        nb_hub_failure_set(failure, NB_HUB_DAMAGED, "another hash");
    is_there = is_there && nb_hub_part_place(&w->part, fetch->plan, fetch->commit, failure);
    if (is_there)
        nb_hub_progress_file(fetch->progress, w->blob, how);
    close_part(w, failure);
    return is_there;
}

// ---- what is here already ------------------------------------------------------------------------------------------

// A damaged blob is removed; a file of a directory stays until it is replaced, without the record that vouched for it.
static bool discard(nb_hub_bringer *w, const nb_hub_file *file, const char *path, nb_hub_failure *failure)
{
    nb_hub_fetch *fetch = w->fetch;
    if (!fetch->http && w->blob->state != NB_HUB_UNSURE) {
        nb_hub_failure_set(failure, NB_HUB_DAMAGED, "another hash");
        return false;
    }
    if (w->blob->state == NB_HUB_PRESENT)
        nb_hub_progress_note(fetch->progress, "%.300s is damaged: thrown away, to be fetched anew", file->path);
    if (fetch->plan->place->is_directory) {
        nb_hub_mark_remove(fetch->plan->place);
        nb_hub_record_remove(fetch->plan->place, file);
    } else if (unlink(path) != 0 && errno != ENOENT) {
        nb_hub_failure_errno(failure, "remove", path);
    }
    return false;
}

static bool is_good(nb_hub_bringer *w, const nb_hub_file *file, nb_hub_failure *failure)
{
    const nb_hub_place *place = w->fetch->plan->place;
    char path[PATH_MAX];
    bool is_true = false;
    bool is_named =
        place->is_directory ? nb_hub_file_path(path, place, file->path) : nb_hub_cached_find(path, place, file);
    if (!is_named || !nb_hub_file_check(path, file, w->digest, tell_hashed, w, &is_true, failure))
        return false;
    return is_true || discard(w, file, path, failure);
}

// Hashes every file of this content. True when all are good; false without a failure when it must be fetched.
static bool are_good(nb_hub_bringer *w, nb_hub_failure *failure)
{
    const nb_hub_plan *plan = w->fetch->plan;
    for (size_t i = 0; i < plan->n_files; i++) {
        const nb_hub_file *file = plan->files[i];
        if (strcmp(file->etag, w->blob->file->etag) != 0)
            continue;
        if (!is_good(w, file, failure))
            return false;
        if (plan->place->is_directory && !nb_hub_record_tells(plan->place, file, w->fetch->commit) &&
            !nb_hub_record_write(plan->place, file, w->fetch->commit)) {
            nb_hub_failure_errno(failure, "record", file->path);
            return false;
        }
    }
    return true;
}

bool nb_hub_bring(nb_hub_bringer *w, nb_hub_blob *blob, nb_hub_failure *failure)
{
    bool is_here = blob->state == NB_HUB_PRESENT || blob->state == NB_HUB_UNSURE;
    w->blob = blob;
    if (!is_here)
        return bring(w, failure);
    bool is_to_check = w->fetch->does_verify || blob->state == NB_HUB_UNSURE;
    if (!is_to_check || are_good(w, failure)) {
        nb_hub_progress_file(w->fetch->progress, blob, is_to_check ? "verified" : "present");
        return true;
    }
    return failure->problem == NB_HUB_FINE && bring(w, failure);
}
