// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "platform/pool.h"
#include "tests/support/faults.h"

enum { MAX_CHUNKS = 5000 };

typedef struct tally {
    _Atomic(uint32_t) n_calls[MAX_CHUNKS];
    uint32_t plain[MAX_CHUNKS]; // without atomics: the run itself must order the accesses
    _Atomic(uint32_t) n_inside[NB_POOL_MAX_THREADS];
    _Atomic(uint32_t) n_errors;
    uint32_t n_threads;
    bool gives_way; // lets other threads run in the middle of a chunk
} tally;

static void count(void *context, uint32_t chunk, uint32_t worker)
{
    tally *t = context;
    if (worker >= t->n_threads || atomic_fetch_add(&t->n_inside[worker], 1) != 0)
        atomic_fetch_add(&t->n_errors, 1);
    if (t->gives_way)
        sched_yield();
    atomic_fetch_add(&t->n_calls[chunk], 1);
    t->plain[chunk] += chunk + 1;
    atomic_fetch_sub(&t->n_inside[worker], 1);
}

static void check_counts(tally *t, uint32_t n_chunks, uint32_t n_runs)
{
    assert_int_equal(atomic_load(&t->n_errors), 0);
    for (uint32_t i = 0; i < MAX_CHUNKS; i++) {
        uint32_t expected = i < n_chunks ? n_runs : 0;
        if (atomic_load(&t->n_calls[i]) != expected || t->plain[i] != expected * (i + 1))
            fail_msg("chunk %u of %u: expected %u calls, found %u", i, n_chunks, expected, atomic_load(&t->n_calls[i]));
    }
}

static nb_pool *open_pool(uint32_t n_threads)
{
    nb_pool *pool = NULL;
    nb_error error = {0};
    if (nb_pool_create(&pool, n_threads, &error) != NB_OK)
        fail_msg("%s", error.text);
    assert_int_equal(nb_pool_size(pool), n_threads);
    return pool;
}

static void every_chunk_runs_once(void **state)
{
    (void)state;
    static tally t;
    static const uint32_t threads[] = {1, 2, 3, 8, 33}, chunks[] = {0, 1, 2, 3, 7, 64, MAX_CHUNKS};
    for (size_t i = 0; i < NB_COUNT(threads); i++) {
        nb_pool *pool = open_pool(threads[i]);
        for (size_t j = 0; j < NB_COUNT(chunks); j++) {
            memset(&t, 0, sizeof t);
            t.n_threads = threads[i];
            for (int run = 0; run < 20; run++)
                nb_pool_run(pool, chunks[j], count, &t);
            check_counts(&t, chunks[j], 20);
        }
        nb_pool_free(pool);
    }
}

// Runs of changing jobs and lengths, close together and with pauses longer than the workers' patience.
static void runs_do_not_mix(void **state)
{
    (void)state;
    static tally a, b;
    memset(&a, 0, sizeof a);
    memset(&b, 0, sizeof b);
    a.n_threads = b.n_threads = 4;
    nb_pool *pool = open_pool(4);
    for (int run = 0; run < 3000; run++) {
        nb_pool_run(pool, 3, count, &a);
        nb_pool_run(pool, 17, count, &b);
        if (run % 100 == 0)
            nanosleep(&(struct timespec){.tv_nsec = 400000}, NULL);
    }
    check_counts(&a, 3, 3000);
    check_counts(&b, 17, 3000);
    nb_pool_free(pool);
}

typedef struct caller {
    nb_pool *pool;
    tally *t;
    uint32_t n_chunks, n_runs;
} caller;

static void *call_many(void *argument)
{
    caller *c = argument;
    for (uint32_t i = 0; i < c->n_runs; i++)
        nb_pool_run(c->pool, c->n_chunks, count, c->t);
    return NULL;
}

static void callers_take_turns(void **state)
{
    (void)state;
    static tally t[3];
    memset(t, 0, sizeof t);
    nb_pool *pool = open_pool(2);
    caller callers[3];
    pthread_t threads[3];
    for (uint32_t i = 0; i < 3; i++) {
        t[i].n_threads = 2;
        t[i].gives_way = true;
        callers[i] = (caller){pool, &t[i], 1 + 5 * i, 1000};
        assert_int_equal(pthread_create(&threads[i], NULL, call_many, &callers[i]), 0);
    }
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    for (uint32_t i = 0; i < 3; i++)
        check_counts(&t[i], callers[i].n_chunks, 1000);
    nb_pool_free(pool);
}

static void wait_inside(void *context, uint32_t chunk, uint32_t worker)
{
    (void)worker;
    // Chunk 0 ends only when chunk 1 has begun, so two workers must be there; 1 is slow enough for 0's to fall asleep.
    _Atomic(bool) *has_begun = context;
    if (chunk == 1) {
        atomic_store(has_begun, true);
        nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
    }
    while (!atomic_load(has_begun))
        nanosleep(&(struct timespec){.tv_nsec = 10000}, NULL);
}

static void work_is_shared_also_from_sleep(void **state)
{
    (void)state;
    nb_pool *pool = open_pool(2);
    for (int i = 0; i < 20; i++) {
        _Atomic(bool) has_begun = false;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); // the worker sleeps by now
        nb_pool_run(pool, 2, wait_inside, &has_begun);
    }
    nb_pool_free(pool);
}

// The first chunk begun ends only when all others are done. They are where whoever is free claims the next chunk; of
// chunks dealt out in advance those of the waiting worker would be left.
typedef struct unequal {
    uint32_t n_chunks;
    _Atomic(uint32_t) n_done;
    _Atomic(bool) has_begun, has_waited_in_vain;
} unequal;

static void first_waits_for_the_others(void *context, uint32_t chunk, uint32_t worker)
{
    (void)chunk, (void)worker;
    unequal *u = context;
    if (!atomic_exchange(&u->has_begun, true)) {
        for (uint32_t n = 0; atomic_load(&u->n_done) < u->n_chunks - 1; n++) {
            if (n == 100000) { // 10 s and more; without a bound a wrong pool would hang
                atomic_store(&u->has_waited_in_vain, true);
                break;
            }
            nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
        }
    }
    atomic_fetch_add(&u->n_done, 1);
}

static void a_slow_worker_holds_up_one_chunk(void **state)
{
    (void)state;
    static const uint32_t threads[] = {2, 2, 4}, chunks[] = {64, 2, 1000};
    for (size_t i = 0; i < NB_COUNT(threads); i++) {
        nb_pool *pool = open_pool(threads[i]);
        for (int run = 0; run < 20; run++) {
            unequal u = {.n_chunks = chunks[i]};
            nb_pool_run(pool, chunks[i], first_waits_for_the_others, &u);
            assert_false(atomic_load(&u.has_waited_in_vain));
            assert_int_equal(atomic_load(&u.n_done), chunks[i]);
        }
        nb_pool_free(pool);
    }
}

static uint64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void idle_burns_nothing(void **state)
{
    (void)state;
    static tally t;
    t.n_threads = 4;
    nb_pool *pool = open_pool(4);
    nb_pool_run(pool, 8, count, &t);
    nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL); // all have gone to sleep
    uint64_t begin_ns = cpu_ns();
    nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    uint64_t used_ns = cpu_ns() - begin_ns;
    assert_true(used_ns < 50000000); // a single spinning worker would use 200 ms
    nb_pool_free(pool);
}

static void find_signals(void *context, uint32_t chunk, uint32_t worker)
{
    (void)chunk;
    sigset_t *masks = context;
    pthread_sigmask(SIG_SETMASK, NULL, &masks[worker]);
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL); // leaves chunks to the others
}

static void signals_stay_with_the_program(void **state)
{
    (void)state;
    nb_pool *pool = open_pool(2);
    sigset_t masks[2];
    sigemptyset(&masks[0]);
    sigemptyset(&masks[1]);
    nb_pool_run(pool, 20, find_signals, masks);
    assert_false(sigismember(&masks[0], SIGINT)); // the caller's mask is as before
    assert_true(sigismember(&masks[1], SIGINT) && sigismember(&masks[1], SIGTERM) && sigismember(&masks[1], SIGALRM));
    nb_pool_free(pool);
}

static void runs_allocate_nothing(void **state)
{
    (void)state;
    static tally t;
    t.n_threads = 4;
    nb_pool *pool = open_pool(4);
    nb_pool_run(pool, 8, count, &t);
    nb_counters before = nb_counters_read();
    for (int i = 0; i < 100; i++)
        nb_pool_run(pool, 8, count, &t);
    for (nb_fault kind = 0; kind < NB_FAULT_N_KINDS; kind++)
        assert_int_equal(nb_counters_since(&before, kind), 0);
    nb_pool_free(pool);
}

static void failures_are_reported(void **state)
{
    (void)state;
    nb_pool *pool = (nb_pool *)1;
    nb_error error = {0};
    assert_int_equal(nb_pool_create(&pool, 0, &error), NB_ERR_ARGUMENT);
    assert_null(pool);
    assert_string_equal(error.text, "bad number of threads; expected 1 to 1024, found 0");
    assert_int_equal(nb_pool_create(&pool, NB_POOL_MAX_THREADS + 1, NULL), NB_ERR_ARGUMENT);

    nb_faults_fail_at(NB_FAULT_MALLOC, 1);
    assert_int_equal(nb_pool_create(&pool, 3, NULL), NB_ERR_SYSTEM);
    assert_true(nb_faults_reset());
    for (uint64_t n = 1; n <= 3; n++) { // of the three threads that are created
        error = (nb_error){0};
        nb_faults_fail_at(NB_FAULT_THREAD, n);
        assert_int_equal(nb_pool_create(&pool, 4, &error), NB_ERR_SYSTEM);
        assert_true(nb_faults_reset());
        assert_null(pool);
        assert_non_null(strstr(error.text, "try fewer threads"));
    }
    nb_pool_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_chunk_runs_once),
        cmocka_unit_test(runs_do_not_mix),
        cmocka_unit_test(callers_take_turns),
        cmocka_unit_test(work_is_shared_also_from_sleep),
        cmocka_unit_test(a_slow_worker_holds_up_one_chunk),
        cmocka_unit_test(idle_burns_nothing),
        cmocka_unit_test(signals_stay_with_the_program),
        cmocka_unit_test(runs_allocate_nothing),
        cmocka_unit_test(failures_are_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
