// SPDX-License-Identifier: Apache-2.0
// Hosts whose names lead nowhere. Below .invalid there is none (RFC 6761), so no network is needed: a resolver that
// says so, one that does not answer and none at all come to the same sentence.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/hub/pull_case.h"

static const char not_found[] = "name [a-z.]*\\.invalid(:[0-9]+)? is not found", advice[] = "DNS.*--offline";

static size_t count(const char *text, const char *word)
{
    size_t n = 0;
    for (; (text = strstr(text, word)); text += strlen(word))
        n++;
    return n;
}

static void of_the_endpoint(void **state)
{
    static const char *const endpoints[] = {"https://hub.nibble.invalid", "http://hub.nibble.invalid:8080"};
    pull_case *c = *state;
    pull_set(c, "HF_HUB_DOWNLOAD_TIMEOUT", "2"); // where the resolver is silent
    for (size_t i = 0; i < 2; i++) {
        pull_set(c, "HF_ENDPOINT", endpoints[i]);
        pull_run(c, "acme/tiny --retries 5");
        pull_expect_error(c, 1, not_found, advice, "hub\\.nibble\\.invalid", NULL);
        assert_int_equal(count(c->err, "name is not found"), 2); // nobody was ever reached: two more tries, not five
        char *listing = pull_listing(c->cache);
        assert_string_equal(listing, "");
        free(listing);
    }
    assert_int_equal(mock_connection_count(c->hub), 0);
}

// The Hub is there, and sends on to a host that is not: what came stays, and all tries are made.
static void of_the_second_host(void **state)
{
    pull_case *c = *state;
    pull_set(c, "HF_HUB_DOWNLOAD_TIMEOUT", "2");
    mock_fault_add(c->hub, (mock_fault){.kind = MOCK_ANSWER,
                                        .match = "GET hub */resolve/*/model.safetensors",
                                        .status = 302,
                                        .headers = "Location: https://files.nibble.invalid/model?signature=x\n",
                                        .body = ""});
    pull_run(c, "acme/tiny --retries 3");
    pull_expect_error(c, 1, not_found, advice, "files\\.nibble\\.invalid", NULL);
    assert_int_equal(mock_fault_count(c->hub), 4);
    pull_expect_only(c, NULL);
    pull_expect_tidy(c, true);
    assert_int_equal(pull_blob_bytes(c, mock_repo_etag(c->repo, "tokenizer.json")), 70000);
    assert_int_equal(pull_blob_bytes(c, mock_repo_etag(c->repo, "model.safetensors")), -1);
    mock_fault_clear(c->hub);
    mock_request_forget(c->hub);
    pull_run(c, "acme/tiny");
    pull_expect_success(c);
    pull_expect_tree(c);
    assert_int_equal(mock_request_matching(c->hub, "GET hub */resolve/*"), 1); // the rest was there
}

static void of_a_proxy(void **state)
{
    pull_case *c = *state;
    pull_set(c, "HF_HUB_DOWNLOAD_TIMEOUT", "2");
    pull_set(c, "http_proxy", "http://proxy.nibble.invalid:3128");
    pull_run(c, "acme/tiny --retries 5");
    pull_expect_error(c, 1, "proxy proxy\\.nibble\\.invalid:3128", "HTTPS_PROXY", NULL);
    assert_int_equal(count(c->err, "\"retry\""), 2);
    assert_int_equal(mock_connection_count(c->hub), 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, pull_enter, pull_leave)

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(of_the_endpoint), CASE(of_the_second_host), CASE(of_a_proxy)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
