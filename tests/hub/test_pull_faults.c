// SPDX-License-Identifier: Apache-2.0
// Transfers that go wrong. Each fault is met for ever (an error that names it, nothing half-done to be seen, what came
// kept), then healed (the same tree, no more fetched than was missing), and once (the pull gets over it by itself).
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tests/hub/pull_case.h"

enum { BUFFER_BYTES = 1 << 20 }; // at most so much of a file is fetched twice

static const char cdn[] = "GET cdn *", model[] = "model.safetensors";

typedef struct trouble {
    const char *name;
    mock_fault fault;
    int exit_code;
    const char *pattern; // of the error line
    int64_t kept_bytes;  // of the model, at least; -1: no part may be left
} trouble;

static const trouble troubles[] = {
    {"cut before the first byte", {.kind = MOCK_CUT, .at = 0}, 1, "127\\.0\\.0\\.2", 0},
    {"cut after one byte", {.kind = MOCK_CUT, .at = 1}, 1, "127\\.0\\.0\\.2", 1},
    {"cut after 1000 bytes", {.kind = MOCK_CUT, .at = 1000}, 1, "127\\.0\\.0\\.2", 1000},
    {"cut in the middle", {.kind = MOCK_CUT, .at = 700000}, 1, "127\\.0\\.0\\.2", 700000},
    {"cut before the last byte", {.kind = MOCK_CUT, .at = PULL_MODEL_BYTES - 1}, 1, "127\\.0\\.0\\.2|length", 1499999},
    {"reset", {.kind = MOCK_RESET, .at = 700000}, 1, "127\\.0\\.0\\.2", 0},
    {"stalled", {.kind = MOCK_STALL, .at = 700000}, 1, "127\\.0\\.0\\.2", 700000},
    {"silent", {.kind = MOCK_SILENCE}, 1, "127\\.0\\.0\\.2", 0},
    {"one byte wrong", {.kind = MOCK_FLIP, .at = 700000}, 1, "model\\.safetensors.*hash|hash.*model\\.saf", -1},
    {"three bytes short", {.kind = MOCK_SHORT, .at = 3}, 1, "model\\.safetensors", 0},
    {"three bytes too many", {.kind = MOCK_LONG, .at = 3}, 1, "model\\.safetensors", 0},
    {"cut in the status line", {.kind = MOCK_RAW, .body = "HTTP/1.1 20"}, 1, "127\\.0\\.0\\.2", 0},
    {"cut in the headers", {.kind = MOCK_RAW, .body = "HTTP/1.1 200 OK\r\nContent-Le"}, 1, "127\\.0|model", 0},
    {"cut after the headers", {.kind = MOCK_RAW, .body = "HTTP/1.1 200 OK\r\n\r\n"}, 1, "127\\.0|model", 0},
    {"no HTTP", {.kind = MOCK_RAW, .body = "SSH-2.0-OpenSSH_9.2p1\r\n"}, 1, "127\\.0|model", 0},
    {"endless header",
     {.kind = MOCK_RAW,
      .headers = "HTTP/1.1 200 OK\r\n",
      .body = "X-Filler: 0123456789012345678901234567\r\n",
      .at = UINT64_MAX},
     1,
     "127\\.0\\.0\\.2.*header|header.*127\\.0",
     0},
    {"endless header line",
     {.kind = MOCK_RAW,
      .headers = "HTTP/1.1 200 OK\r\nX: ",
      .body = "0123456789012345678901234567890123456789",
      .at = UINT64_MAX},
     1,
     "127\\.0\\.0\\.2",
     0},
    {"endless body", {.kind = MOCK_ENDLESS, .body = "abcdefgh"}, 1, "model\\.safetensors", 0},
    {"500", {.kind = MOCK_ANSWER, .status = 500, .body = "oops"}, 1, "500", 0},
    {"502", {.kind = MOCK_ANSWER, .status = 502, .body = "oops"}, 1, "502", 0},
    {"503", {.kind = MOCK_ANSWER, .status = 503, .body = "oops", .headers = "Retry-After: 0\n"}, 1, "503", 0},
    {"504", {.kind = MOCK_ANSWER, .status = 504, .body = ""}, 1, "504", 0},
    {"408", {.kind = MOCK_ANSWER, .status = 408, .body = ""}, 1, "408", 0},
    {"429", {.kind = MOCK_ANSWER, .status = 429, .body = "", .headers = "Retry-After: 0\n"}, 1, "429", 0},
    {"signed URLs refused", {.kind = MOCK_ANSWER, .status = 403, .body = "<Error/>"}, 1, "403", 0},
    {"a web page instead",
     {.kind = MOCK_ANSWER, .status = 200, .body = "<html>Sign in to the WiFi</html>"},
     1,
     "model\\.safetensors",
     0},
    {"gzip", {.kind = MOCK_HEADERS, .headers = "Content-Encoding: gzip\n"}, 1, "encod|gzip|model", 0},
};

// Silence alone is waited for.
static const char *patience(const trouble *t)
{
    return t->fault.kind == MOCK_STALL || t->fault.kind == MOCK_SILENCE ? "--stall-timeout 1" : "";
}

static const char *model_etag(const pull_case *c)
{
    return mock_repo_etag(c->repo, model);
}

// Of the model at least what was said.
static void expect_kept(pull_case *c, const trouble *t)
{
    int64_t bytes = pull_part_bytes(c, model_etag(c));
    pull_expect_only(c, NULL);
    pull_expect_tidy(c, true);
    if (t->kept_bytes < 0 ? bytes > 0 : bytes < t->kept_bytes && t->kept_bytes > 0)
        fail_msg("%s: %lld bytes are kept", t->name, (long long)bytes);
}

static void for_ever_then_healed(pull_case *c, const trouble *t)
{
    mock_fault fault = t->fault;
    fault.match = cdn;
    mock_fault_add(c->hub, fault);
    pull_run(c, "acme/tiny --retries 0 %s", patience(t));
    pull_expect_error(c, t->exit_code, t->pattern, NULL);
    expect_kept(c, t);
    int64_t here = pull_part_bytes(c, model_etag(c));
    bool has_tokenizer = pull_blob_bytes(c, mock_repo_etag(c->repo, "tokenizer.json")) == 70000;
    mock_fault_clear(c->hub);
    mock_request_forget(c->hub);
    pull_run(c, "acme/tiny");
    pull_expect_success(c);
    pull_expect_tree(c);
    uint64_t missing = PULL_MODEL_BYTES - (uint64_t)(here > 0 ? here : 0);
    if (t->fault.kind != MOCK_SHORT && t->fault.kind != MOCK_LONG && t->fault.kind != MOCK_ENDLESS)
        assert_int_equal(mock_request_bytes(c->hub, cdn), missing);
    assert_int_equal(mock_request_matching(c->hub, "GET hub */resolve/*/tokenizer.json"), has_tokenizer ? 0 : 1);
}

static void once(pull_case *c, const trouble *t)
{
    mock_fault fault = t->fault;
    if (t->fault.kind == MOCK_RAW && (t->fault.at == UINT64_MAX || strncmp(t->fault.body, "SSH", 3) == 0))
        return; // not worth another try
    fault.match = cdn;
    fault.times = 1;
    mock_fault_add(c->hub, fault);
    pull_run(c, "acme/tiny %s", patience(t));
    pull_expect_success(c);
    pull_expect_tree(c);
    assert_int_equal(mock_fault_count(c->hub), 1);
}

static void each_trouble(void **state, void (*meet)(pull_case *c, const trouble *t))
{
    (void)state;
    for (size_t i = 0; i < sizeof troubles / sizeof *troubles; i++) {
        void *own = NULL;
        fprintf(stderr, "# %s\n", troubles[i].name);
        pull_enter(&own);
        double begin_s = pull_now_s();
        meet(own, &troubles[i]);
        fprintf(stderr, "#    %.2f s\n", pull_now_s() - begin_s);
        pull_leave(&own);
    }
}

static void troubles_for_ever(void **state)
{
    each_trouble(state, for_ever_then_healed);
}

static void troubles_once(void **state)
{
    each_trouble(state, once);
}

static void tries_are_counted(void **state)
{
    static const char *const patterns[] = {"GET cdn *", "GET hub /api/*/tree/*",
                                           "GET hub */resolve/*/model.safetensors"};
    pull_case *c = *state;
    for (size_t i = 0; i < 3; i++) {
        mock_fault_clear(c->hub);
        mock_fault_add(c->hub, (mock_fault){.kind = MOCK_ANSWER, .match = patterns[i], .status = 500, .body = ""});
        pull_run(c, "acme/tiny --retries 3");
        pull_expect_error(c, 1, "500", NULL);
        assert_int_equal(mock_fault_count(c->hub), 4);
    }
}

// ---- a little at a time ------------------------------------------------------------------------------------------

// The model's requests begin where the ones before were cut.
static void expect_steps(pull_case *c, size_t n_tries, uint64_t step_bytes)
{
    size_t n = 0;
    for (size_t i = 0; i < mock_request_count(c->hub); i++) {
        mock_request r = mock_request_get(c->hub, i);
        if (strcmp(r.host, "cdn") == 0)
            assert_int_equal(r.begin, step_bytes * n++);
    }
    assert_int_equal(n, n_tries);
}

static void expect_part(pull_case *c, size_t bytes)
{
    size_t n = 0;
    char *data = pull_blob_read(c, model_etag(c), &n);
    assert_non_null(data);
    assert_int_equal(n, bytes);
    assert_int_equal(pull_part_bytes(c, model_etag(c)), bytes);
    assert_memory_equal(data, pull_bytes(10, PULL_MODEL_BYTES), n);
    free(data);
}

// Tries that bring next to nothing are in vain, as many as --retries allows; what they brought is kept all the same.
static void one_byte_a_try(void **state)
{
    pull_case *c = *state;
    mock_fault_add(c->hub, (mock_fault){.kind = MOCK_CUT, .match = cdn, .at = 1});
    pull_run(c, "acme/tiny --retries 6");
    pull_expect_error(c, 1, "127\\.0\\.0\\.2", NULL);
    pull_expect_only(c, NULL);
    pull_expect_tidy(c, true);
    expect_steps(c, 7, 1);
    expect_part(c, 7);
    mock_fault_clear(c->hub);
    mock_request_forget(c->hub);
    pull_run(c, "acme/tiny");
    pull_expect_success(c);
    pull_expect_tree(c);
    assert_int_equal(mock_request_bytes(c->hub, cdn), PULL_MODEL_BYTES - 7);
}

// Cuts after 30,000 bytes, 49 of them: three together are progress, so three retries do, and one does not.
static void small_steps_that_lead_there(void **state)
{
    enum { STEP_BYTES = 30000 };
    pull_case *c = *state;
    mock_fault_add(c->hub, (mock_fault){.kind = MOCK_CUT, .match = cdn, .at = STEP_BYTES});
    pull_run(c, "acme/tiny --retries 1 --retry-wait 0.001");
    pull_expect_error(c, 1, "127\\.0\\.0\\.2", NULL);
    pull_expect_only(c, NULL);
    expect_steps(c, 2, STEP_BYTES);
    expect_part(c, 2 * STEP_BYTES);
    mock_request_forget(c->hub);
    pull_run(c, "acme/tiny --retries 3 --retry-wait 0.001");
    pull_expect_success(c);
    pull_expect_tree(c);
    assert_int_equal(mock_request_bytes(c->hub, cdn), PULL_MODEL_BYTES - 2 * STEP_BYTES);
    assert_int_equal(mock_request_matching(c->hub, cdn), PULL_MODEL_BYTES / STEP_BYTES - 2);
}

// ---- Range -------------------------------------------------------------------------------------------------------

// A part of 700000 bytes, made by a cut.
static void make_part(pull_case *c)
{
    mock_fault_clear(c->hub);
    mock_fault_add(c->hub, (mock_fault){.kind = MOCK_CUT, .match = cdn, .at = 700000});
    pull_run(c, "acme/tiny --retries 0");
    pull_expect_error(c, 1, "127\\.0\\.0\\.2", NULL);
    assert_int_equal(pull_part_bytes(c, model_etag(c)), 700000);
    mock_fault_clear(c->hub);
    mock_request_forget(c->hub);
}

static void a_resumed_part(void **state)
{
    pull_case *c = *state;
    make_part(c);
    pull_run(c, "acme/tiny");
    pull_expect_success(c);
    pull_expect_tree(c);
    assert_int_equal(mock_request_bytes(c->hub, cdn), PULL_MODEL_BYTES - 700000);
}

// What is answered instead of the rest, each for ever and once: the tree is right in the end.
static void ranges_that_are_wrong(void **state)
{
    static const mock_fault faults[] = {
        {.kind = MOCK_IGNORE_RANGE},
        {.kind = MOCK_SHIFT_RANGE, .at = 4096},
        {.kind = MOCK_SHIFT_RANGE, .at = UINT64_MAX},
        {.kind = MOCK_LIE_RANGE, .at = 4096},
        {.kind = MOCK_ANSWER, .status = 416, .body = "", .headers = "Content-Range: bytes */1500000\n"},
        {.kind = MOCK_ANSWER, .status = 416, .body = ""},
        {.kind = MOCK_ANSWER, .status = 206, .body = "abc", .headers = "Content-Range: nonsense\n"},
        {.kind = MOCK_ANSWER, .status = 206, .body = "abc"},
    };
    (void)state;
    for (size_t i = 0; i < 2 * sizeof faults / sizeof *faults; i++) {
        void *own = NULL;
        mock_fault fault = faults[i / 2];
        fprintf(stderr, "# kind %d, status %u, %s\n", fault.kind, fault.status, i % 2 ? "once" : "for ever");
        pull_enter(&own);
        pull_case *c = own;
        make_part(c);
        fault.match = cdn;
        fault.times = i % 2;
        mock_fault_add(c->hub, fault);
        if (pull_run(c, "acme/tiny") != 0) {
            assert_true(i % 2 == 0 && fault.kind != MOCK_IGNORE_RANGE);
            pull_expect_error(c, 1, "model\\.safetensors|127\\.0\\.0\\.2", NULL);
            pull_expect_only(c, NULL);
            mock_fault_clear(c->hub);
            pull_run(c, "acme/tiny");
        }
        pull_expect_success(c);
        pull_expect_tree(c);
        pull_leave(&own);
    }
}

static void a_part_that_was_spoilt(void **state)
{
    pull_case *c = *state;
    char command[900];
    make_part(c);
    snprintf(command, sizeof command,
             "for f in %s/models--acme--tiny/blobs/%s*; do printf x | dd of=$f bs=1 seek=1000 "
             "conv=notrunc 2>/dev/null; done",
             c->cache, model_etag(c));
    assert_int_equal(system(command), 0);
    pull_run(c, "acme/tiny");
    pull_expect_success(c);
    pull_expect_tree(c);
    if (mock_request_bytes(c->hub, cdn) > 2 * PULL_MODEL_BYTES)
        fail_msg("%llu bytes", (unsigned long long)mock_request_bytes(c->hub, cdn));
}

// ---- changes under way -------------------------------------------------------------------------------------------

static void main_moves_between_runs(void **state)
{
    pull_case *c = *state;
    make_part(c);
    mock_repo *newer = mock_repo_add(c->hub, "acme/tiny", NULL);
    pull_fill(newer, 1);
    pull_run(c, "acme/tiny");
    pull_expect_success(c);
    pull_expect_snapshot(c, newer, pull_taken, pull_n_taken);
    pull_expect_only(c, mock_repo_commit(newer));
    assert_int_equal(mock_request_bytes(c->hub, cdn), PULL_MODEL_BYTES);
}

// The same commit shows other bytes: what history forbids, and a mirror may do.
static void bytes_change_between_runs(void **state)
{
    pull_case *c = *state;
    make_part(c);
    mock_repo_put(c->repo, model, pull_bytes(99, PULL_MODEL_BYTES), PULL_MODEL_BYTES, MOCK_LFS);
    pull_run(c, "acme/tiny");
    pull_expect_success(c);
    pull_expect_snapshot(c, c->repo, pull_taken, pull_n_taken);
    assert_int_equal(mock_request_bytes(c->hub, cdn), PULL_MODEL_BYTES);
}

static void the_previous_snapshot_stays(void **state)
{
    pull_case *c = *state;
    pull_run(c, "acme/tiny");
    pull_expect_success(c);
    mock_repo *newer = mock_repo_add(c->hub, "acme/tiny", NULL);
    pull_fill(newer, 1);
    mock_fault_add(c->hub, (mock_fault){.kind = MOCK_CUT, .match = cdn, .at = 700000});
    pull_run(c, "acme/tiny --retries 0");
    pull_expect_error(c, 1, "127\\.0\\.0\\.2", NULL);
    pull_expect_only(c, mock_repo_commit(c->repo));
    pull_expect_snapshot(c, c->repo, pull_taken, pull_n_taken);
    mock_fault_clear(c->hub);
    pull_run(c, "acme/tiny");
    pull_expect_success(c);
    pull_expect_snapshot(c, newer, pull_taken, pull_n_taken);
    pull_expect_tidy(c, false);
}

static void expire(void *user, const mock_request *request)
{
    if (strcmp(request->host, "hub") == 0 && strstr(request->path, model))
        mock_hub_expire(user);
}

// Each signed URL is no longer good a moment after it was made: the first times, then no more.
static void signed_urls_that_expire(void **state)
{
    pull_case *c = *state;
    mock_fault_add(c->hub, (mock_fault){.kind = MOCK_CUT, .match = cdn, .at = 300000, .times = 1});
    mock_fault_add(c->hub, (mock_fault){.kind = MOCK_ANSWER,
                                        .match = cdn,
                                        .status = 403,
                                        .times = 1,
                                        .body = "<Error><Code>AccessDenied</Code></Error>"});
    mock_request_watch(c->hub, expire, c->hub); // addresses of before the cut are refused
    pull_run(c, "acme/tiny --retries 4");
    pull_expect_success(c);
    pull_expect_tree(c);
    assert_true(mock_request_matching(c->hub, "GET hub */resolve/*/model.safetensors") >= 3);
    if (mock_request_bytes(c->hub, cdn) > PULL_MODEL_BYTES + BUFFER_BYTES)
        fail_msg("too much");
}

// ---- waiting as the Hub says -------------------------------------------------------------------------------------

static void expect_waited(pull_case *c, const char *pattern, const char *headers, double at_least_s)
{
    mock_fault_clear(c->hub);
    mock_fault_add(
        c->hub,
        (mock_fault){
            .kind = MOCK_ANSWER, .match = pattern, .status = 429, .times = 1, .headers = headers, .body = "slow down"});
    pull_run(c, "acme/tiny");
    pull_expect_success(c);
    pull_expect_tree(c);
    if (c->seconds < at_least_s || c->seconds > at_least_s + 4)
        fail_msg("%s: waited %.2f s", headers, c->seconds);
    char command[600];
    snprintf(command, sizeof command, "rm -rf %s", c->cache);
    assert_int_equal(system(command), 0);
}

static void waits_that_are_asked_for(void **state)
{
    pull_case *c = *state;
    char line[200], date[64];
    expect_waited(c, cdn, "Retry-After: 1\n", 1);
    expect_waited(c, "GET hub /api/*/tree/*",
                  "RateLimit: \"api\";r=0;t=1\nRateLimit-Policy: \"fixed window\";"
                  "\"api\";q=500;w=300\n",
                  1);
    time_t at = time(NULL) + 2; // the date has whole seconds
    struct tm utc;
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&at, &utc));
    snprintf(line, sizeof line, "Retry-After: %s\n", date);
    expect_waited(c, "GET hub */resolve/*/config.json", line, 0.9);
}

// An hour is not waited for.
static void waits_that_are_too_long(void **state)
{
    pull_case *c = *state;
    mock_fault_add(
        c->hub,
        (mock_fault){.kind = MOCK_ANSWER, .match = cdn, .status = 429, .body = "", .headers = "Retry-After: 360000\n"});
    pull_run(c, "acme/tiny");
    pull_expect_error(c, 1, "429", "360000|100 h|4 d", NULL);
    pull_expect_only(c, NULL);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, pull_enter, pull_leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(troubles_for_ever),
        cmocka_unit_test(troubles_once),
        CASE(tries_are_counted),
        CASE(one_byte_a_try),
        CASE(small_steps_that_lead_there),
        CASE(a_resumed_part),
        cmocka_unit_test(ranges_that_are_wrong),
        CASE(a_part_that_was_spoilt),
        CASE(main_moves_between_runs),
        CASE(bytes_change_between_runs),
        CASE(the_previous_snapshot_stays),
        CASE(signed_urls_that_expire),
        CASE(waits_that_are_asked_for),
        CASE(waits_that_are_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
