// SPDX-License-Identifier: Apache-2.0
#include "tests/support/failure_matrix.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "apps/common/cli.h"

void nb_result_put(nb_result *r, const void *data, size_t bytes)
{
    assert_true(r->bytes + bytes <= sizeof r->data);
    memcpy(r->data + r->bytes, data, bytes);
    r->bytes += bytes;
}

extern int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

static size_t count_entries(const char *path)
{
    DIR *directory = opendir(path);
    size_t n = 0;
    assert_non_null(directory);
    while (readdir(directory))
        n++;
    closedir(directory);
    return n;
}

// A joined thread's entry may outlive the join by a moment.
static size_t count_threads(void)
{
    size_t n = 0;
    for (int i = 0; i < 200 && (i == 0 || n > 3); i++, usleep(i > 1 ? 500 : 0))
        n = count_entries("/proc/self/task");
    return n;
}

typedef struct held {
    size_t n_files, n_threads;
    uint64_t mapped_bytes;
} held;

static held what_is_held(void)
{
    return (held){count_entries("/proc/self/fd"), count_threads(), nb_faults_mapped_bytes()};
}

// Sends what is printed to nowhere; the return value goes to loud_again.
static int silent(void)
{
    fflush(NULL);
    int out = dup(1), err = dup(2), nowhere = open("/dev/null", O_WRONLY);
    assert_true(out >= 0 && err >= 0 && nowhere >= 0);
    dup2(nowhere, 1);
    dup2(nowhere, 2);
    close(nowhere);
    return out << 16 | err;
}

static void loud_again(int kept_fds)
{
    fflush(NULL);
    dup2(kept_fds >> 16, 1);
    dup2(kept_fds & 0xffff, 2);
    close(kept_fds >> 16);
    close(kept_fds & 0xffff);
}

typedef struct tally {
    nb_counters calls; // of the last run
    uint64_t n_failed, n_errors, n_harmless;
} tally;

static nb_counters calls_since(const nb_counters *before)
{
    nb_counters calls = nb_counters_read();
    for (int kind = 0; kind < NB_FAULT_N_KINDS; kind++)
        calls.n[kind] -= before->n[kind];
    return calls;
}

static void arm(nb_fault kind, uint64_t n, int reason)
{
    if (reason)
        nb_faults_fail_with(kind, n, reason);
    else
        nb_faults_fail_at(kind, n);
}

static bool is_exhaustive(void)
{
    const char *text = getenv("NB_FAULTS");
    return text && strcmp(text, "all") == 0;
}

// What a child tells.
typedef struct told {
    nb_counters calls;
    bool has_leaked;
    int wait_status; // what is known of its end
} told;

static told *shared; // memory of parent and children

// The test framework's handlers would go on with the test in the child, and remove the parent's folder at its end.
static void die_of_signals(void)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS};
    for (size_t i = 0; i < NB_COUNT(signals); i++)
        signal(signals[i], SIG_DFL);
}

static nb_status run_command(const nb_operation *o, nb_fault kind, uint64_t n, int reason, tally *t, nb_error *error)
{
    *shared = (told){0};
    pid_t child = fork();
    if (child == 0) {
        static nb_result ignored;
        die_of_signals();
        nb_memory_install(); // as the programs' mains
        nb_counters counters = nb_counters_read();
        arm(kind, n, reason);
        nb_status status = o->run(&ignored, error);
        shared->calls = calls_since(&counters);
        nb_faults_reset();
        shared->has_leaked = __lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check() != 0;
        _exit(status == NB_OK ? 0 : 1);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    shared->wait_status = status;
    t->calls = shared->calls;
    if (status == 0)
        return NB_OK;
    return nb_error_set(error, NB_ERR_SYSTEM, "exit status %d", WEXITSTATUS(status));
}

static nb_status run_here(const nb_operation *o, nb_fault kind, uint64_t n, int reason, nb_result *found, tally *t,
                          nb_error *error)
{
    nb_counters counters = nb_counters_read();
    arm(kind, n, reason);
    nb_status status = o->run(found, error);
    t->calls = calls_since(&counters);
    return status;
}

// One run with call `n` of `kind` failing (0: none). False: there was no such call.
static bool run_once(const nb_operation *o, nb_fault kind, uint64_t n, int reason, const nb_result *expected,
                     nb_result *found, tally *t)
{
    nb_error error = {0};
    held before, after;
    found->bytes = 0;
    if (o->before)
        o->before();
    before = what_is_held();
    int fds = silent();
    nb_status status =
        o->is_command ? run_command(o, kind, n, reason, t, &error) : run_here(o, kind, n, reason, found, t, &error);
    bool fired = nb_faults_reset() || (o->is_command && n > 0); // only calls known to exist are asked to fail
    loud_again(fds);
    after = what_is_held();
    if (o->is_command && (!WIFEXITED(shared->wait_status) || shared->has_leaked))
        fail_msg("%s, %s %llu: %s %d", o->name, nb_fault_name(kind), (unsigned long long)n,
                 shared->has_leaked ? "memory is leaked; wait status" : "ended by signal",
                 shared->has_leaked ? shared->wait_status : WTERMSIG(shared->wait_status));
    if ((status == NB_OK) != (error.text[0] == 0) || (!fired && status != NB_OK))
        fail_msg("%s, %s %llu: status %d with '%s'", o->name, nb_fault_name(kind), (unsigned long long)n, (int)status,
                 error.text);
    if (status == NB_OK && expected &&
        (found->bytes != expected->bytes || memcmp(found->data, expected->data, found->bytes) != 0))
        fail_msg("%s, %s %llu: success with another result", o->name, nb_fault_name(kind), (unsigned long long)n);
    if (expected && (after.n_files != before.n_files || after.n_threads != before.n_threads ||
                     after.mapped_bytes != before.mapped_bytes))
        fail_msg("%s, %s %llu: files %zu to %zu, threads %zu to %zu, mapped %llu to %llu", o->name, nb_fault_name(kind),
                 (unsigned long long)n, before.n_files, after.n_files, before.n_threads, after.n_threads,
                 (unsigned long long)before.mapped_bytes, (unsigned long long)after.mapped_bytes);
    if (o->after)
        o->after(status == NB_OK);
    t->n_failed += fired;
    t->n_errors += fired && status != NB_OK;
    t->n_harmless += fired && status == NB_OK;
    return fired;
}

// The calls to fail: all, or the first two, the last two and some between; of a brief operation first, middle, last. A
// command under a sanitizer takes its time: all is every sixteenth there.
static uint64_t step_after(const nb_operation *o, uint64_t n, uint64_t n_calls)
{
    if (is_exhaustive())
        return n + (o->is_command && __lsan_do_recoverable_leak_check ? 16 : 1);
    if (o->is_brief)
        return n + nb_max(1, (n_calls - 1) / 2);
    return n < 2 || n + 2 >= n_calls ? n + 1 : nb_min(n + nb_max(1, n_calls / 4), n_calls - 1);
}

static void fail_each(const nb_operation *o, nb_fault kind, uint64_t n_calls, const nb_result *expected)
{
    static nb_result found;
    tally t = {0};
    for (uint64_t n = 1; n <= n_calls; n = step_after(o, n, n_calls))
        run_once(o, kind, n, 0, expected, &found, &t);
    if (__lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check() != 0)
        fail_msg("%s, %s: memory is leaked", o->name, nb_fault_name(kind));
    if (n_calls > 0)
        print_message("%-17s %-7s %6llu calls, %5llu failed: %5llu errors, %4llu without harm\n", o->name,
                      nb_fault_name(kind), (unsigned long long)n_calls, (unsigned long long)t.n_failed,
                      (unsigned long long)t.n_errors, (unsigned long long)t.n_harmless);
}

// A signal in the middle of a transfer, and transfers in pieces, are no failures.
static void interrupt_each(const nb_operation *o, const nb_counters *calls, const nb_result *expected)
{
    static const nb_fault kinds[] = {NB_FAULT_READ, NB_FAULT_WRITE};
    static nb_result found;
    tally t = {0};
    for (size_t k = 0; k < NB_COUNT(kinds); k++)
        for (uint64_t n = 1; n <= calls->n[kinds[k]]; n = step_after(o, n, calls->n[kinds[k]])) {
            run_once(o, kinds[k], n, EINTR, expected, &found, &t);
            if (t.n_errors > 0)
                fail_msg("%s, %s %llu: an interrupted call is no failure", o->name, nb_fault_name(kinds[k]),
                         (unsigned long long)n);
        }
    nb_faults_shorten(4093);
    run_once(o, NB_FAULT_READ, 0, 0, expected, &found, &t);
}

void nb_failures_run(const nb_operation *o)
{
    static nb_result expected, found;
    tally t = {0};
    if (!shared)
        shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    run_once(o, NB_FAULT_MALLOC, 0, 0, NULL, &expected, &t); // once for what libraries keep for ever
    run_once(o, NB_FAULT_MALLOC, 0, 0, NULL, &expected, &t);
    nb_counters calls = t.calls;
    run_once(o, NB_FAULT_MALLOC, 0, 0, &expected, &found, &t);
    for (int kind = 0; kind < NB_FAULT_CLOCK; kind++)
        if ((kind != NB_FAULT_REMOVE && kind != NB_FAULT_LOCK) || o->is_all_refused)
            fail_each(o, (nb_fault)kind, calls.n[kind], &expected);
    interrupt_each(o, &calls, &expected);
}
