// SPDX-License-Identifier: Apache-2.0
#include "apps/hub/hub_fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "apps/common/cli.h"
#include "apps/common/stop.h"
#include "apps/hub/hub_blob.h"

enum { MAX_BAD = 2, PROGRESS_BYTES = 64 << 10 };

// What all workers share besides the caller's struct.
typedef struct shared {
    nb_hub_fetch *fetch;
    atomic_size_t next;
    pthread_mutex_t lock;
    pthread_cond_t is_over;
    uint32_t n_running;
} shared;

typedef struct worker {
    shared *shared;
    pthread_t thread;
    nb_http *http;
    bool owns_http;
    nb_hub_digest *digest;
    // The blob at hand.
    nb_hub_blob *blob;
    nb_hub_part part;
    bool ignores_range; // the server's ranges are not to be trusted: from the start
    uint64_t range_from;
} worker;

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
    worker *w = user;
    show(w->blob, bytes);
    return !is_cancelled(w->shared->fetch);
}

// ---- one answer ----------------------------------------------------------------------------------------------------

// Decides by the headers whether the bytes to come go on where the part ends.
static bool on_start(void *user, const nb_http_head *head, nb_hub_failure *failure)
{
    worker *w = user;
    const nb_hub_file *file = w->blob->file;
    if (head->commit[0] && strcmp(head->commit, w->shared->fetch->commit) != 0) {
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
    worker *w = user;
    atomic_fetch_add_explicit(&w->shared->fetch->fetched_bytes, bytes, memory_order_relaxed);
    bool is_written = nb_hub_part_append(&w->part, data, bytes, failure);
    show(w->blob, w->part.at_bytes);
    return is_written;
}

static bool ask(worker *w, nb_hub_failure *failure)
{
    nb_hub_fetch *fetch = w->shared->fetch;
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
    nb_hub_pace_learn(fetch->pace, NB_HUB_ASK_FILE, head);
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
static bool throw_away(worker *w, nb_hub_failure *failure)
{
    nb_hub_failure ignored = {0};
    if (failure->problem != NB_HUB_HASH && failure->problem != NB_HUB_LENGTH)
        return true;
    if (nb_hub_part_restart(&w->part, &ignored))
        return true;
    *failure = ignored;
    return false;
}

static bool is_bad_content(const nb_hub_failure *failure)
{
    return failure->problem == NB_HUB_HASH || failure->problem == NB_HUB_LENGTH || failure->problem == NB_HUB_RANGE;
}

// After a failed try: waits for the next. False when there is none.
static bool wait_for_next(worker *w, nb_hub_tries *tries, uint32_t *n_bad, uint64_t progress_bytes,
                          nb_hub_failure *failure)
{
    nb_hub_fetch *fetch = w->shared->fetch;
    double wait_s;
    if (is_bad_content(failure) && ++*n_bad >= MAX_BAD + (failure->problem == NB_HUB_RANGE))
        return false;
    if (!is_bad_content(failure) && progress_bytes >= (failure->problem == NB_HUB_STALLED ? PROGRESS_BYTES : 1))
        tries->n_failed = 0;
    if (!nb_hub_tries_next(tries, failure, &wait_s))
        return false;
    nb_hub_progress_retry(fetch->progress, w->blob->file->path, failure, wait_s);
    if (nb_hub_pace_sleep(fetch->pace, wait_s))
        return true;
    failure->problem = NB_HUB_STOPPED;
    return false;
}

// Until the part is whole and true.
static bool complete(worker *w, nb_hub_failure *failure)
{
    nb_hub_fetch *fetch = w->shared->fetch;
    nb_hub_tries tries = {.options = fetch->options};
    uint32_t n_bad = 0;
    for (;;) {
        uint64_t before_bytes = w->part.at_bytes;
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
        uint64_t progress_bytes = w->part.at_bytes > before_bytes ? w->part.at_bytes - before_bytes : 0;
        if (!throw_away(w, failure) || !wait_for_next(w, &tries, &n_bad, progress_bytes, failure))
            return false;
    }
}

// Removes a part that turned out to be worth nothing.
static void close_part(worker *w, const nb_hub_failure *failure)
{
    nb_hub_part_close(&w->part);
    if (w->part.at_bytes == 0 && w->part.path[0] && failure->problem != NB_HUB_FINE)
        unlink(w->part.path);
}

// --to: from the cache into the part. False without a failure when the cache's copy is not good.
static bool copy_cached(worker *w, nb_hub_failure *failure)
{
    enum { COPY_BYTES = 1 << 20 };
    char path[PATH_MAX];
    int fd = nb_hub_cached_path(path, w->shared->fetch->plan->place, w->blob->file->etag)
                 ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
                 : -1;
    if (fd < 0 || !nb_hub_part_restart(&w->part, failure))
        return false;
    char *buffer = nb_alloc(COPY_BYTES);
    ssize_t n = 1;
    bool is_good = true;
    while (is_good && n > 0 && w->part.at_bytes < w->blob->file->bytes) {
        n = read(fd, buffer, COPY_BYTES);
        is_good = n < 0 ? errno == EINTR : nb_hub_part_append(&w->part, buffer, (size_t)n, failure);
        n = n < 0 ? 1 : n;
        if (is_good && !tell_hashed(w, w->part.at_bytes)) {
            failure->problem = NB_HUB_STOPPED;
            is_good = false;
        }
    }
    free(buffer);
    close(fd);
    return is_good && nb_hub_part_is_true(&w->part);
}

static bool bring(worker *w, nb_hub_failure *failure)
{
    nb_hub_fetch *fetch = w->shared->fetch;
    nb_hub_blob *blob = w->blob;
    if (!nb_hub_part_open(&w->part, fetch->plan->place, blob->file, w->digest, tell_hashed, w, failure)) {
        nb_hub_part_close(&w->part);
        return false;
    }
    const char *how = w->part.at_bytes > 0 ? "resumed" : "fetched";
    bool is_copied = blob->state == NB_HUB_CACHED && copy_cached(w, failure), is_there = is_copied;
    if (is_copied)
        how = "copied";
    else if (failure->problem == NB_HUB_FINE && fetch->http)
        is_there = (blob->state != NB_HUB_CACHED || nb_hub_part_restart(&w->part, failure)) && complete(w, failure);
    else if (failure->problem == NB_HUB_FINE)
        nb_hub_failure_set(failure, NB_HUB_HASH, "another hash");
    is_there = is_there && nb_hub_part_place(&w->part, fetch->plan, fetch->commit, failure);
    if (is_there)
        nb_hub_progress_file(fetch->progress, blob, how);
    close_part(w, failure);
    return is_there;
}

// Hashes what is here already. True when it is good; false without a failure when it must be fetched.
static bool is_good_here(worker *w, nb_hub_failure *failure)
{
    nb_hub_fetch *fetch = w->shared->fetch;
    const nb_hub_file *file = w->blob->file;
    char path[PATH_MAX];
    bool is_true = true;
    bool is_named = fetch->plan->place->is_directory ? nb_hub_file_path(path, fetch->plan->place, file->path)
                                                     : nb_hub_cached_path(path, fetch->plan->place, file->etag);
    if (!is_named || !nb_hub_file_check(path, file, w->digest, tell_hashed, w, &is_true, failure))
        return false;
    if (is_true)
        return true;
    if (!fetch->http) {
        nb_hub_failure_set(failure, NB_HUB_HASH, "another hash");
        return false;
    }
    nb_hub_progress_note(fetch->progress, "%.300s is damaged: thrown away, fetched anew", file->path);
    if (unlink(path) != 0 && errno != ENOENT)
        nb_hub_failure_errno(failure, "remove", path);
    return false;
}

static bool do_blob(worker *w, nb_hub_failure *failure)
{
    nb_hub_fetch *fetch = w->shared->fetch;
    nb_hub_blob *blob = w->blob;
    bool is_here = blob->state == NB_HUB_PRESENT || blob->state == NB_HUB_UNSURE;
    if (is_here && (fetch->does_verify || blob->state == NB_HUB_UNSURE)) {
        if (is_good_here(w, failure)) {
            nb_hub_progress_file(fetch->progress, blob, "verified");
            return true;
        }
        if (failure->problem != NB_HUB_FINE)
            return false;
    } else if (is_here) {
        nb_hub_progress_file(fetch->progress, blob, "present");
        return true;
    }
    return bring(w, failure);
}

// ---- workers -------------------------------------------------------------------------------------------------------

// A failure of one file alone lets the others go on.
static void report(worker *w, const nb_hub_failure *failure)
{
    nb_hub_fetch *fetch = w->shared->fetch;
    bool is_of_file = is_bad_content(failure) || failure->problem == NB_HUB_NO_FILE;
    pthread_mutex_lock(&w->shared->lock);
    if (fetch->failure.problem == NB_HUB_FINE || fetch->failure.problem == NB_HUB_STOPPED) {
        fetch->failure = *failure;
        fetch->failed_file = w->blob->file;
    }
    pthread_mutex_unlock(&w->shared->lock);
    if (!is_of_file)
        atomic_store(fetch->is_cancelled, true);
}

static void *work(void *user)
{
    worker *w = user;
    nb_hub_plan *plan = w->shared->fetch->plan;
    for (;;) {
        size_t i = atomic_fetch_add(&w->shared->next, 1);
        if (i >= plan->n_blobs || is_cancelled(w->shared->fetch))
            break;
        nb_hub_failure failure = {0};
        w->blob = &plan->blobs[i];
        if (!do_blob(w, &failure))
            report(w, &failure);
    }
    pthread_mutex_lock(&w->shared->lock);
    w->shared->n_running--;
    pthread_cond_signal(&w->shared->is_over);
    pthread_mutex_unlock(&w->shared->lock);
    return NULL;
}

static bool start(worker *w, shared *s, bool is_first)
{
    nb_hub_fetch *fetch = s->fetch;
    w->shared = s;
    w->owns_http = fetch->http && !is_first;
    w->http = w->owns_http ? nb_http_create(fetch->options, fetch->is_cancelled) : fetch->http;
    w->digest = nb_hub_digest_create();
    if (!w->digest || (w->owns_http && !w->http))
        return false;
    pthread_mutex_lock(&s->lock);
    bool is_started = pthread_create(&w->thread, NULL, work, w) == 0;
    s->n_running += is_started;
    pthread_mutex_unlock(&s->lock);
    return is_started;
}

static void release(worker *w)
{
    if (w->owns_http)
        nb_http_free(w->http);
    nb_hub_digest_free(w->digest);
}

// Shows how far it is until the last worker is done.
static void watch(shared *s)
{
    pthread_mutex_lock(&s->lock);
    while (s->n_running > 0) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 100 * 1000 * 1000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&s->is_over, &s->lock, &until);
        pthread_mutex_unlock(&s->lock);
        nb_hub_progress_tick(s->fetch->progress);
        pthread_mutex_lock(&s->lock);
    }
    pthread_mutex_unlock(&s->lock);
}

bool nb_hub_fetch_run(nb_hub_fetch *fetch)
{
    shared s = {.fetch = fetch, .lock = PTHREAD_MUTEX_INITIALIZER, .is_over = PTHREAD_COND_INITIALIZER};
    size_t n = fetch->n_jobs < fetch->plan->n_blobs ? fetch->n_jobs : fetch->plan->n_blobs, n_started = 0;
    worker *workers = nb_alloc(n * sizeof *workers);
    while (n_started < n && start(&workers[n_started], &s, n_started == 0))
        n_started++;
    if (n_started < n)
        release(&workers[n_started]); // fewer do it too
    watch(&s);
    for (size_t i = 0; i < n_started; i++) {
        pthread_join(workers[i].thread, NULL);
        release(&workers[i]);
    }
    free(workers);
    if (n_started == 0 && n > 0)
        nb_hub_failure_set(&fetch->failure, NB_HUB_CRYPTO,
                           "cannot start; expected threads, hashes and libcurl, found "
                           "one of them refused");
    else if (fetch->failure.problem == NB_HUB_FINE && is_cancelled(fetch))
        fetch->failure.problem = NB_HUB_STOPPED;
    return fetch->failure.problem == NB_HUB_FINE;
}
