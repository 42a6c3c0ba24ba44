// SPDX-License-Identifier: Apache-2.0
// How a run is published: `ticket` holds the run's number (high half) and the chunks nobody has claimed yet (low half).
// The job's fields are written before the ticket. A worker reads the ticket, then the fields, then claims by swapping
// the ticket for one with a chunk less. If the swap succeeds, a chunk of that very run was still unclaimed, so the run
// was not over and the fields it read are that run's; a worker that comes late can neither take a chunk of another run
// nor run an old job. Nobody has to be waited for but those who hold a chunk.
//
// Both kinds of sleep follow one pattern: the sleeper announces itself, then looks once more; the waker changes the
// word, then looks for sleepers. Both steps are sequentially consistent, so one of the two sees the other.
#include "platform/pool.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    LINE_BYTES = 64, // separate lines for words that different threads write
    // Counted, not timed: a pass waits hundreds of times, and reading the clock each time is what it must not do.
    SPIN_PAUSES = 256, // look for work with pauses (some 10 us), ...
    SPIN_YIELDS = 256, // then giving way to other threads (some 100 us), then sleep
};

typedef struct worker {
    nb_pool *pool;
    uint32_t index;
    pthread_t thread;
} worker;

struct nb_pool {
    uint32_t n_threads;
    pthread_mutex_t run_mutex; // one run at a time
    uint32_t run_number;       // under run_mutex

    _Alignas(LINE_BYTES) _Atomic(uint64_t) ticket;
    _Atomic(nb_job_fn) job;
    _Atomic(void *) context;
    _Atomic(uint32_t) n_chunks;
    _Atomic(bool) is_stopping;

    _Alignas(LINE_BYTES) _Atomic(uint32_t) n_done; // chunks finished; the caller sleeps on it
    _Atomic(bool) caller_sleeps;

    _Alignas(LINE_BYTES) _Atomic(uint32_t) wake_epoch; // workers sleep on it
    _Atomic(uint32_t) n_sleepers;

    _Alignas(LINE_BYTES) worker workers[]; // n_threads - 1
};

static void futex_wait(_Atomic(uint32_t) *word, uint32_t expected)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0); // returns early at will; callers look again
}

static void futex_wake(_Atomic(uint32_t) *word, int n_threads)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n_threads, NULL, NULL, 0);
}

static void cpu_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory"); // `yield` does nothing on most Arm cores
#endif
}

typedef struct spin {
    uint32_t n_looks;
} spin;

// Waits a moment; false once it is time to sleep.
static bool spin_again(spin *s)
{
    cpu_relax();
    if (++s->n_looks > SPIN_PAUSES)
        sched_yield();
    return s->n_looks < SPIN_PAUSES + SPIN_YIELDS;
}

static uint32_t unclaimed(uint64_t ticket)
{
    return (uint32_t)ticket;
}

// The caller waits until `n_done` is `n_total`.
static void report_done(nb_pool *pool, uint32_t n_more, uint32_t n_total)
{
    uint32_t n_before = atomic_fetch_add_explicit(&pool->n_done, n_more, memory_order_seq_cst);
    if (n_before + n_more == n_total && atomic_load_explicit(&pool->caller_sleeps, memory_order_seq_cst))
        futex_wake(&pool->n_done, 1);
}

// Claims and computes chunks until none is left, then reports how many it did.
static void claim_chunks(nb_pool *pool, uint32_t worker_index)
{
    uint32_t n_mine = 0, n_chunks = 0;
    uint64_t ticket = atomic_load_explicit(&pool->ticket, memory_order_acquire);
    while (unclaimed(ticket) != 0) {
        nb_job_fn job = atomic_load_explicit(&pool->job, memory_order_relaxed);
        void *context = atomic_load_explicit(&pool->context, memory_order_relaxed);
        n_chunks = atomic_load_explicit(&pool->n_chunks, memory_order_relaxed);
        if (!atomic_compare_exchange_weak_explicit(&pool->ticket, &ticket, ticket - 1, memory_order_acq_rel,
                                                   memory_order_acquire))
            continue;
        job(context, n_chunks - unclaimed(ticket), worker_index);
        n_mine++;
        ticket = atomic_load_explicit(&pool->ticket, memory_order_acquire);
    }
    if (n_mine != 0) // until it reports, the run cannot end, so n_chunks is still the run's own
        report_done(pool, n_mine, n_chunks);
}

static bool has_news(nb_pool *pool)
{
    return unclaimed(atomic_load_explicit(&pool->ticket, memory_order_seq_cst)) != 0 ||
           atomic_load_explicit(&pool->is_stopping, memory_order_seq_cst);
}

static void wait_for_work(nb_pool *pool)
{
    for (spin s = {0}; spin_again(&s);)
        if (has_news(pool))
            return;
    atomic_fetch_add_explicit(&pool->n_sleepers, 1, memory_order_seq_cst);
    uint32_t epoch = atomic_load_explicit(&pool->wake_epoch, memory_order_seq_cst);
    if (!has_news(pool))
        futex_wait(&pool->wake_epoch, epoch);
    atomic_fetch_sub_explicit(&pool->n_sleepers, 1, memory_order_seq_cst);
}

static void wake_workers(nb_pool *pool, uint32_t n_wanted)
{
    if (atomic_load_explicit(&pool->n_sleepers, memory_order_seq_cst) == 0)
        return;
    atomic_fetch_add_explicit(&pool->wake_epoch, 1, memory_order_seq_cst);
    futex_wake(&pool->wake_epoch, (int)nb_min(n_wanted, NB_POOL_MAX_THREADS));
}

static void *worker_main(void *argument)
{
    worker *self = argument;
    nb_pool *pool = self->pool;
    report_done(pool, 1, pool->n_threads - 1);
    while (!atomic_load_explicit(&pool->is_stopping, memory_order_acquire)) {
        claim_chunks(pool, self->index);
        wait_for_work(pool);
    }
    return NULL;
}

static void wait_for_reports(nb_pool *pool, uint32_t n_total)
{
    spin s = {0};
    do {
        if (atomic_load_explicit(&pool->n_done, memory_order_acquire) == n_total)
            return;
    } while (spin_again(&s));
    atomic_store_explicit(&pool->caller_sleeps, true, memory_order_seq_cst);
    for (;;) {
        uint32_t n_done = atomic_load_explicit(&pool->n_done, memory_order_seq_cst);
        if (n_done == n_total)
            break;
        futex_wait(&pool->n_done, n_done);
    }
    atomic_store_explicit(&pool->caller_sleeps, false, memory_order_relaxed);
}

void nb_pool_run(nb_pool *pool, uint32_t n_chunks, nb_job_fn job, void *context)
{
    if (pool->n_threads == 1 || n_chunks <= 1) {
        for (uint32_t chunk = 0; chunk < n_chunks; chunk++)
            job(context, chunk, 0);
        return;
    }
    pthread_mutex_lock(&pool->run_mutex);
    atomic_store_explicit(&pool->job, job, memory_order_relaxed);
    atomic_store_explicit(&pool->context, context, memory_order_relaxed);
    atomic_store_explicit(&pool->n_chunks, n_chunks, memory_order_relaxed);
    atomic_store_explicit(&pool->n_done, 0, memory_order_relaxed);
    uint64_t ticket = (uint64_t)++pool->run_number << 32 | n_chunks;
    atomic_store_explicit(&pool->ticket, ticket, memory_order_seq_cst);
    wake_workers(pool, n_chunks - 1);
    claim_chunks(pool, 0);
    wait_for_reports(pool, n_chunks);
    pthread_mutex_unlock(&pool->run_mutex);
}

uint32_t nb_pool_size(const nb_pool *pool)
{
    return pool->n_threads;
}

static void stop_workers(nb_pool *pool, uint32_t n_workers)
{
    atomic_store_explicit(&pool->is_stopping, true, memory_order_seq_cst);
    wake_workers(pool, NB_POOL_MAX_THREADS);
    for (uint32_t i = 0; i < n_workers; i++)
        pthread_join(pool->workers[i].thread, NULL);
    pthread_mutex_destroy(&pool->run_mutex);
    free(pool);
}

static int start_workers(nb_pool *pool, uint32_t *n_started)
{
    sigset_t all, before;
    sigfillset(&all); // signals belong to the program's own threads
    // but for a thread's own faults: blocked, they would end the process past the program's handler
    static const int faults[] = {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP};
    for (size_t i = 0; i < NB_COUNT(faults); i++)
        sigdelset(&all, faults[i]);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = 0;
    uint32_t n = 0;
    for (; n < pool->n_threads - 1; n++) {
        worker *w = &pool->workers[n];
        *w = (worker){.pool = pool, .index = n + 1};
        result = pthread_create(&w->thread, NULL, worker_main, w);
        if (result != 0)
            break;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    *n_started = n;
    return result;
}

nb_status nb_pool_create(nb_pool **pool_out, uint32_t n_threads, nb_error *error)
{
    *pool_out = NULL;
    if (n_threads < 1 || n_threads > NB_POOL_MAX_THREADS)
        return nb_error_set(error, NB_ERR_ARGUMENT, "bad number of threads; expected 1 to %d, found %u",
                            NB_POOL_MAX_THREADS, n_threads);
    size_t bytes = nb_align_up(sizeof(nb_pool) + (n_threads - 1) * sizeof(worker), LINE_BYTES);
    nb_pool *pool = aligned_alloc(LINE_BYTES, bytes);
    if (!pool)
        return nb_error_set(error, NB_ERR_SYSTEM, "cannot create %u threads; out of memory", n_threads);
    memset(pool, 0, bytes);
    pool->n_threads = n_threads;
    pthread_mutex_init(&pool->run_mutex, NULL);
    uint32_t n_started = 0;
    int result = start_workers(pool, &n_started);
    if (result != 0) {
        stop_workers(pool, n_started);
        return nb_error_set(error, NB_ERR_SYSTEM, "cannot create %u threads; thread %u: %s; try fewer threads",
                            n_threads, n_started + 2, strerror(result));
    }
    wait_for_reports(pool, n_threads - 1); // what a thread's start allocates is allocated now
    *pool_out = pool;
    return NB_OK;
}

void nb_pool_free(nb_pool *pool)
{
    if (pool)
        stop_workers(pool, pool->n_threads - 1);
}
