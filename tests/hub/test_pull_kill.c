// SPDX-License-Identifier: Apache-2.0
// `nibble pull` ended in the middle: by SIGKILL at random moments, by Ctrl-C; and two of them at once.
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/hub/pull_case.h"
#include "tests/support/data_path.h"

enum {
    N_KILLS = 100,
    BIG_BYTES = 24 << 20,
    BUFFER_BYTES = 1 << 20, // of a file, fetched twice because of a kill: at most so many
};

static const char cdn[] = "GET cdn *", big[] = "GET cdn /acme/tiny/model.safetensors";

static uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    return *state ^= *state << 5;
}

static void sleep_us(uint32_t us)
{
    nanosleep(&(struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000}, NULL);
}

// At any moment: what is visible is whole.
static void expect_whole_or_hidden(pull_case *c)
{
    char path[800];
    snprintf(path, sizeof path, "%s/models--acme--tiny/snapshots/%s", c->cache, mock_repo_commit(c->repo));
    bool is_visible = access(path, F_OK) == 0;
    snprintf(path, sizeof path, "%s/models--acme--tiny/refs/main", c->cache);
    bool has_ref = access(path, F_OK) == 0;
    assert_true(is_visible || !has_ref);
    if (is_visible)
        pull_expect_files(c, c->repo, pull_taken, pull_n_taken);
    pull_expect_tidy(c, true);
}

static void kill_after(pull_case *c, uint32_t us)
{
    pid_t child = pull_start(c, "killed", "acme/tiny");
    sleep_us(us);
    kill(child, SIGKILL);
    pull_finish(c, "killed", child);
    assert_true(c->exit_code == 0 || c->exit_code == 128 + SIGKILL);
}

// The part is a beginning of the file, and never shorter than it was.
static int64_t expect_part(pull_case *c, const uint8_t *content, int64_t before)
{
    size_t n = 0;
    char *data = pull_blob_read(c, mock_repo_etag(c->repo, "model.safetensors"), &n);
    int64_t bytes = data ? (int64_t)n : -1;
    if (bytes < before)
        fail_msg("the part of %lld bytes became one of %lld", (long long)before, (long long)bytes);
    if (data && memcmp(data, content, n) != 0)
        fail_msg("the part of %zu bytes is not the beginning of the file", n);
    free(data);
    return bytes;
}

// The shortest of some, at most a fifth of a second, so that a slow machine does not make the test a long one.
static uint32_t life_of_dry_run(pull_case *c)
{
    double shortest_s = 0.2;
    for (int i = 0; i < 3; i++) {
        double begin_s = pull_now_s();
        pull_run(c, "acme/tiny --dry-run");
        double took_s = pull_now_s() - begin_s;
        shortest_s = took_s < shortest_s ? took_s : shortest_s;
    }
    return (uint32_t)(shortest_s * 1e6);
}

static void killed_at_random_moments(void **state)
{
    pull_case *c = *state;
    const uint8_t *content = pull_bytes(40, BIG_BYTES);
    uint32_t random = 20261122;
    int64_t part = -1;
    mock_repo_put(c->repo, "model.safetensors", content, BIG_BYTES, MOCK_LFS);
    // So slow that a hundred lives do not suffice; each ends somewhere between its start and some time of transfer.
    mock_fault_add(c->hub, (mock_fault){.kind = MOCK_PACE, .match = cdn, .at = 4 << 20});
    uint32_t life_us = life_of_dry_run(c) + 100000;
    for (int i = 0; i < N_KILLS; i++) {
        uint64_t before = mock_request_bytes(c->hub, big);
        kill_after(c, 1000 + next_random(&random) % life_us);
        expect_whole_or_hidden(c);
        int64_t now = expect_part(c, content, part);
        uint64_t served = mock_request_bytes(c->hub, big) - before, kept = (uint64_t)(now - (part > 0 ? part : 0));
        if (now >= 0 && served > kept + BUFFER_BYTES)
            fail_msg("life %d: %llu bytes served, %llu kept", i, (unsigned long long)served, (unsigned long long)kept);
        part = now;
    }
    mock_fault_clear(c->hub);
    mock_request_forget(c->hub);
    pull_run(c, "acme/tiny");
    pull_expect_success(c);
    pull_expect_tree(c);
    assert_int_equal(mock_request_bytes(c->hub, big), BIG_BYTES - (part > 0 ? part : 0));
    fprintf(stderr, "# %lld of %d bytes came in %d lives\n", (long long)part, BIG_BYTES, N_KILLS);
}

// Small and fast, so that the kills meet the listing, the hashes, the renames.
static void killed_near_the_end(void **state)
{
    pull_case *c = *state;
    uint32_t random = 4;
    int n_done = 0;
    char command[600];
    snprintf(command, sizeof command, "rm -rf %s", c->cache);
    double begin_s = pull_now_s();
    pull_run(c, "acme/tiny");
    uint32_t whole_us = (uint32_t)((pull_now_s() - begin_s) * 1e6);
    assert_int_equal(system(command), 0);
    for (int i = 0; i < N_KILLS / 2; i++) {
        kill_after(c, whole_us / 4 + next_random(&random) % whole_us);
        expect_whole_or_hidden(c);
        if (c->exit_code != 0)
            continue;
        n_done++;
        pull_expect_tree(c);
        assert_int_equal(system(command), 0);
    }
    pull_run(c, "acme/tiny");
    pull_expect_success(c);
    pull_expect_tree(c);
    fprintf(stderr, "# %d of %d were faster\n", n_done, N_KILLS / 2);
}

// ---- Ctrl-C ------------------------------------------------------------------------------------------------------

static void wait_for_part(pull_case *c, int64_t bytes)
{
    double begin_s = pull_now_s();
    while (pull_part_bytes(c, mock_repo_etag(c->repo, "model.safetensors")) < bytes) {
        sleep_us(5000);
        if (pull_now_s() - begin_s > 20)
            fail_msg("no part of %lld bytes", (long long)bytes);
    }
}

static void expect_stopped(pull_case *c, pid_t child, int signal_number)
{
    double begin_s = pull_now_s();
    kill(child, signal_number);
    pull_finish(c, "stopped", child);
    double took_s = pull_now_s() - begin_s;
    assert_int_equal(c->exit_code, 130);
    if (took_s > 1)
        fail_msg("stopped after %.2f s", took_s);
    pull_expect_only(c, NULL);
    pull_expect_tidy(c, true);
}

// While bytes come, while none come, while one a second comes, and while it waits for another try.
static void ctrl_c_keeps_everything(void **state)
{
    static const mock_fault faults[] = {
        {.kind = MOCK_PACE, .match = "GET cdn *", .at = 1 << 20},
        {.kind = MOCK_STALL, .match = "GET cdn *", .at = 300000},
        {.kind = MOCK_TRICKLE, .match = "GET cdn *", .at = 300000},
    };
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        void *own = NULL;
        pull_enter(&own);
        pull_case *c = own;
        mock_fault_add(c->hub, faults[i]);
        pid_t child = pull_start(c, "stopped", "acme/tiny --stall-timeout 30");
        wait_for_part(c, 250000);
        expect_stopped(c, child, SIGINT);
        int64_t part = pull_part_bytes(c, mock_repo_etag(c->repo, "model.safetensors"));
        assert_true(part >= 250000);
        mock_fault_clear(c->hub);
        mock_request_forget(c->hub);
        pull_run(c, "acme/tiny");
        pull_expect_success(c);
        pull_expect_tree(c);
        assert_int_equal(mock_request_bytes(c->hub, cdn), PULL_MODEL_BYTES - part);
        pull_leave(&own);
    }
}

static void ctrl_c_while_it_waits(void **state)
{
    static const mock_fault faults[] = {
        {.kind = MOCK_ANSWER, .match = "GET hub /api/*", .status = 500, .body = ""},
        {.kind = MOCK_ANSWER, .match = "GET hub /api/*", .status = 429, .body = "", .headers = "Retry-After: 60\n"},
        {.kind = MOCK_SILENCE, .match = "GET hub /api/*"},
        {.kind = MOCK_SILENCE, .match = "* hub */resolve/*"},
    };
    pull_case *c = *state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        mock_fault_clear(c->hub);
        mock_fault_add(c->hub, faults[i]);
        pid_t child = pull_start(c, "stopped", "acme/tiny --retry-wait 30 --stall-timeout 30");
        for (int n = 0; n < 2000 && mock_fault_count(c->hub) == 0; n++)
            sleep_us(5000);
        sleep_us(100000);
        expect_stopped(c, child, i % 2 ? SIGTERM : SIGINT);
    }
}

// Nobody reads what it says.
static void ctrl_c_on_a_full_pipe(void **state)
{
    static const char *const streams[] = {"out", "err"};
    static const char *const words[] = {"acme/tiny --json", "acme/tiny"};
    static const char zeros[4096];
    pull_case *c = *state;
    for (size_t i = 0; i < 2; i++) {
        char path[600];
        snprintf(path, sizeof path, "%s/stopped.%s", c->folder, streams[i]);
        assert_int_equal(mkfifo(path, 0600), 0);
        int pipe = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
        assert_true(pipe >= 0);
        while (write(pipe, zeros, sizeof zeros) > 0)
            ;
        pid_t child = pull_start(c, "stopped", words[i]);
        unlink(path);
        nb_test_file_write(path, "", 0); // where its output is looked for
        sleep_us(500000);
        expect_stopped(c, child, SIGINT);
        close(pipe);
    }
}

// ---- two at once -------------------------------------------------------------------------------------------------

static void two_pulls_of_one_model(void **state)
{
    pull_case *c = *state;
    mock_fault_add(c->hub, (mock_fault){.kind = MOCK_PACE, .match = cdn, .at = 1 << 20});
    pid_t first = pull_start(c, "first", "acme/tiny");
    wait_for_part(c, 1);
    pid_t second = pull_start(c, "second", "acme/tiny");
    pull_finish(c, "first", first);
    pull_expect_success(c);
    pull_finish(c, "second", second);
    if (c->exit_code != 0) {
        char pid[32];
        snprintf(pid, sizeof pid, "%d", (int)first);
        pull_expect_error(c, 1, pid, NULL); // it says who
    }
    pull_expect_tree(c);
    assert_int_equal(mock_request_bytes(c->hub, cdn), PULL_MODEL_BYTES);
}

static void the_lock_of_the_dead(void **state)
{
    pull_case *c = *state;
    mock_fault_add(c->hub, (mock_fault){.kind = MOCK_STALL, .match = cdn, .at = 400000});
    pid_t child = pull_start(c, "killed", "acme/tiny --stall-timeout 30");
    wait_for_part(c, 300000);
    kill(child, SIGKILL);
    pull_finish(c, "killed", child);
    int64_t part = pull_part_bytes(c, mock_repo_etag(c->repo, "model.safetensors"));
    mock_fault_clear(c->hub);
    mock_request_forget(c->hub);
    pull_run(c, "acme/tiny");
    pull_expect_success(c);
    pull_expect_tree(c);
    assert_true(c->seconds < 5);
    assert_int_equal(mock_request_bytes(c->hub, cdn), PULL_MODEL_BYTES - part);
}

static void two_models_at_once(void **state)
{
    pull_case *c = *state;
    mock_repo *other = mock_repo_add(c->hub, "acme/other", NULL);
    pull_fill(other, 1);
    mock_fault_add(c->hub, (mock_fault){.kind = MOCK_STALL, .match = "GET cdn /acme/other/*", .at = 1000});
    pid_t slow = pull_start(c, "stopped", "acme/other --stall-timeout 30");
    while (mock_fault_count(c->hub) == 0)
        sleep_us(5000);
    pull_run(c, "acme/tiny");
    pull_expect_success(c);
    pull_expect_snapshot(c, c->repo, pull_taken, pull_n_taken);
    kill(slow, SIGINT);
    pull_finish(c, "stopped", slow);
    assert_int_equal(c->exit_code, 130);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, pull_enter, pull_leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(killed_at_random_moments), CASE(killed_near_the_end),   cmocka_unit_test(ctrl_c_keeps_everything),
        CASE(ctrl_c_while_it_waits),    CASE(ctrl_c_on_a_full_pipe), CASE(two_pulls_of_one_model),
        CASE(the_lock_of_the_dead),     CASE(two_models_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
