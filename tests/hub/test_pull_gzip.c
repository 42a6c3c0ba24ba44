// SPDX-License-Identifier: Apache-2.0
// Bodies that come compressed though nobody asked for that: what is meant is taken, what is not whole or has no end is
// refused, and a part on the disk is always the beginning of the file itself.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/hub/pull_case.h"

enum { PART_BYTES = 700000, GZIP_BLOCK_BYTES = 65535 };

static const char cdn[] = "GET cdn *", model[] = "model.safetensors", as_gzip[] = "Content-Encoding: gzip\n";
// Zeros for ever: a gzip header (no byte of it 0), the start of a block, and 2064 bytes of 0 in every thirteen.
static const mock_fault bomb = {
    .kind = MOCK_RAW,
    .headers = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x01\x01\x01\x01\x01\x02\x03\x62\x18",
    .body = "\x05\xa3\x60\x14\x8c\x82\x51\x30\x0a\x46\xc1\x28\x18",
    .at = UINT64_MAX};

static void arm(pull_case *c, mock_fault fault, const char *match, unsigned times)
{
    mock_fault_clear(c->hub);
    mock_request_forget(c->hub);
    fault.match = match;
    fault.times = times;
    mock_fault_add(c->hub, fault);
}

static void disarm(pull_case *c)
{
    mock_fault_clear(c->hub);
    mock_request_forget(c->hub);
}

static void empty_the_cache(pull_case *c)
{
    char command[600];
    snprintf(command, sizeof command, "rm -rf %s", c->cache);
    assert_int_equal(system(command), 0);
}

static void expect_whole(pull_case *c)
{
    pull_expect_success(c);
    pull_expect_tree(c);
}

// The part is the model's first bytes.
static size_t expect_part(pull_case *c)
{
    size_t n = 0;
    const char *etag = mock_repo_etag(c->repo, model);
    char *data = pull_blob_read(c, etag, &n);
    pull_expect_only(c, NULL);
    pull_expect_tidy(c, true);
    assert_non_null(data);
    assert_int_equal(pull_part_bytes(c, etag), n);
    assert_true(n <= PULL_MODEL_BYTES);
    assert_memory_equal(data, pull_bytes(10, PULL_MODEL_BYTES), n);
    free(data);
    return n;
}

static void make_part(pull_case *c)
{
    arm(c, (mock_fault){.kind = MOCK_CUT, .at = PART_BYTES}, cdn, 0);
    pull_run(c, "acme/tiny --retries 0");
    pull_expect_error(c, 1, "127\\.0\\.0\\.2", NULL);
    assert_int_equal(expect_part(c), PART_BYTES);
}

// ---- what the API answers ----------------------------------------------------------------------------------------

static const char *const questions[] = {"GET hub /api/*/revision/*", "GET hub /api/*/tree/*"};

static void answers_of_the_api(void **state)
{
    pull_case *c = *state;
    for (size_t i = 0; i < 2; i++) {
        arm(c, (mock_fault){.kind = MOCK_GZIP}, questions[i], 0);
        pull_run(c, "acme/tiny");
        expect_whole(c);
        assert_int_equal(mock_fault_count(c->hub), 1);
        for (size_t j = 0; j < mock_request_count(c->hub); j++) {
            mock_request r = mock_request_get(c->hub, j);
            assert_non_null(strstr(r.headers, "Accept-Encoding: identity\n"));
        }
        empty_the_cache(c);
    }
}

static void answers_that_are_no_gzip(void **state)
{
    const struct {
        mock_fault fault;
        int exit_code;
        const char *pattern;
        unsigned n_tries;
    } cases[] = {
        {{.kind = MOCK_HEADERS, .headers = as_gzip}, 1, "127\\.0\\.0\\.1.*(encod|decod|gzip)", 3},
        {{.kind = MOCK_HEADERS, .headers = "Content-Encoding: unheard-of\n"}, 1, "127\\.0\\.0\\.1.*encod", 3},
        {{.kind = MOCK_GZIP, .at = 5}, 1, "127\\.0\\.0\\.1", 3},
        {{.kind = MOCK_GZIP, .at = 40}, 1, "127\\.0\\.0\\.1", 3},
        {bomb, 3, "acme/tiny.*more than [0-9]+ bytes", 1},
    };
    pull_case *c = *state;
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        fprintf(stderr, "# case %zu of %s\n", i / 2, questions[i % 2]);
        arm(c, cases[i / 2].fault, questions[i % 2], 0);
        pull_run(c, "acme/tiny --retries 2");
        pull_expect_error(c, cases[i / 2].exit_code, cases[i / 2].pattern, NULL);
        pull_expect_only(c, NULL);
        char *listing = pull_listing(c->cache); // before the list is known nothing is written
        assert_string_equal(listing, "");
        free(listing);
        assert_int_equal(mock_fault_count(c->hub), cases[i / 2].n_tries);
        assert_int_equal(mock_request_matching(c->hub, cdn), 0);
    }
    disarm(c);
    pull_run(c, "acme/tiny");
    expect_whole(c);
}

// ---- files -------------------------------------------------------------------------------------------------------

static void whole_files(void **state)
{
    static const char *const files[] = {cdn, "GET hub /api/resolve-cache/*", "GET * */*tokenizer.json"};
    pull_case *c = *state;
    for (size_t i = 0; i < 3; i++) {
        arm(c, (mock_fault){.kind = MOCK_GZIP}, files[i], 0);
        pull_run(c, "acme/tiny");
        expect_whole(c);
        assert_true(mock_fault_count(c->hub) > 0);
        assert_int_equal(mock_request_matching(c->hub, cdn), 1);
        empty_the_cache(c);
    }
}

// Cut in the middle: the part is what it stands for, and goes on from any server.
static void a_cut_in_gzip(void **state)
{
    pull_case *c = *state;
    arm(c, (mock_fault){.kind = MOCK_GZIP, .at = PART_BYTES}, cdn, 0);
    pull_run(c, "acme/tiny --retries 2");
    pull_expect_error(c, 1, "127\\.0\\.0\\.2", NULL);
    assert_int_equal(mock_fault_count(c->hub), 3); // each begins anew, so that no try is progress
    size_t kept = expect_part(c);
    if (kept > PART_BYTES || kept + 2 * GZIP_BLOCK_BYTES < PART_BYTES)
        fail_msg("%zu bytes are kept", kept);
    disarm(c);
    pull_run(c, "acme/tiny");
    expect_whole(c);
    assert_int_equal(mock_request_bytes(c->hub, cdn), PULL_MODEL_BYTES - kept);
}

// A part is there, and the rest is asked for.
static void the_rest_in_gzip(void **state)
{
    pull_case *c = *state;
    make_part(c);
    arm(c, (mock_fault){.kind = MOCK_GZIP}, cdn, 0); // all of it, whatever was asked
    pull_run(c, "acme/tiny");
    expect_whole(c);
    assert_int_equal(mock_fault_count(c->hub), 1);
    empty_the_cache(c);
    make_part(c);
    // 206: of a range of what is encoded nobody knows where it belongs.
    arm(c, (mock_fault){.kind = MOCK_HEADERS, .headers = as_gzip}, cdn, 1);
    pull_run(c, "acme/tiny");
    expect_whole(c);
    assert_int_equal(mock_request_matching(c->hub, cdn), 2);
    assert_int_equal(mock_request_get(c->hub, mock_request_count(c->hub) - 1).begin, 0);
}

static void files_without_end(void **state)
{
    pull_case *c = *state;
    make_part(c);
    arm(c, bomb, cdn, 0);
    pull_run(c, "acme/tiny --retries 3");
    pull_expect_error(c, 1, "model\\.safetensors.*more than its 1500000 bytes", NULL);
    assert_int_equal(mock_fault_count(c->hub), 2); // such a file gets one more try
    pull_expect_only(c, NULL);
    pull_expect_tidy(c, true);
    assert_int_equal(pull_blob_bytes(c, mock_repo_etag(c->repo, model)), -1);
    disarm(c);
    pull_run(c, "acme/tiny");
    expect_whole(c);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, pull_enter, pull_leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(answers_of_the_api), CASE(answers_that_are_no_gzip), CASE(whole_files),
        CASE(a_cut_in_gzip),      CASE(the_rest_in_gzip),         CASE(files_without_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
