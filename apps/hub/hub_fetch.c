// SPDX-License-Identifier: Apache-2.0
#include "apps/hub/hub_fetch.h"

#include <stdlib.h>
#include <string.h>

#include "apps/common/cli.h"
#include "apps/common/stop.h"
#include "apps/hub/hub_bring.h"
#include "apps/hub/hub_watch.h"

// What all workers share besides the caller's struct.
typedef struct shared {
    nb_hub_fetch *fetch;
    atomic_size_t next;
    atomic_bool is_closing; // no other blob is begun
    pthread_mutex_t lock;
    pthread_cond_t is_over;
    uint32_t n_running;
} shared;

typedef struct worker {
    shared *shared;
    pthread_t thread;
    bool owns_http;
    nb_hub_bringer bringer;
} worker;

static bool is_cancelled(const nb_hub_fetch *fetch)
{
    return nb_stop_requested() || atomic_load_explicit(fetch->is_cancelled, memory_order_relaxed);
}

// A file that is not what it should be is its own affair. Where tries run out no other file is begun, and what already
// runs may end by itself. Anything else ends all.
static void report(worker *w, const nb_hub_failure *failure)
{
    nb_hub_fetch *fetch = w->shared->fetch;
    pthread_mutex_lock(&w->shared->lock);
    if (fetch->failure.problem == NB_HUB_FINE || fetch->failure.problem == NB_HUB_STOPPED) {
        fetch->failure = *failure;
        fetch->failed_file = w->bringer.blob->file;
    }
    pthread_mutex_unlock(&w->shared->lock);
    if (nb_hub_is_bad_content(failure) || failure->problem == NB_HUB_NO_FILE || failure->problem == NB_HUB_DAMAGED)
        return;
    atomic_store(nb_hub_is_worth_retrying(failure) ? &w->shared->is_closing : fetch->is_cancelled, true);
}

static void *work(void *user)
{
    worker *w = user;
    nb_hub_plan *plan = w->shared->fetch->plan;
    for (;;) {
        size_t i = atomic_fetch_add(&w->shared->next, 1);
        if (i >= plan->n_blobs || is_cancelled(w->shared->fetch) || atomic_load(&w->shared->is_closing))
            break;
        nb_hub_failure failure = {0};
        if (!nb_hub_bring(&w->bringer, &plan->blobs[i], &failure))
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
    nb_hub_bringer *bringer = &w->bringer;
    w->shared = s;
    w->owns_http = fetch->http && !is_first;
    bringer->fetch = fetch;
    bringer->http = w->owns_http ? nb_http_create_beside(fetch->http) : fetch->http;
    bringer->digest = nb_hub_digest_create();
    if (!bringer->digest || (fetch->http && !bringer->http))
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
        nb_http_free(w->bringer.http);
    nb_hub_digest_free(w->bringer.digest);
}

// Shows how far it is until the last worker is done.
static void watch(shared *s)
{
    pthread_mutex_lock(&s->lock);
    while (s->n_running > 0) {
        nb_hub_wait(&s->is_over, &s->lock);
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
