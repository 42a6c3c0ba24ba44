// SPDX-License-Identifier: Apache-2.0
// The test Hub itself, asked by libcurl: what it says is what the protocol says, and each fault is what its name says.
#include <curl/curl.h>
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/hub/mock_hub.h"

enum { FILE_BYTES = 100000, ANSWER_BYTES = 1 << 20 };

static uint8_t content[FILE_BYTES];
static char answer[ANSWER_BYTES], headers[1 << 16];
static size_t n_answer, n_headers;
static long status;

static size_t keep(char *bytes, size_t size, size_t n, void *to_headers)
{
    char *to = to_headers ? headers : answer;
    size_t *n_to = to_headers ? &n_headers : &n_answer, capacity = to_headers ? sizeof headers : sizeof answer;
    if (*n_to + size * n >= capacity)
        return 0;
    memcpy(to + *n_to, bytes, size * n);
    *n_to += size * n;
    to[*n_to] = 0;
    return size * n;
}

// Asks once; `extra`: a header line or NULL. `path` with a scheme is a whole URL.
static CURLcode ask(mock_hub *hub, const char *method, const char *path, const char *extra, bool is_following)
{
    char url[1024];
    CURL *curl = curl_easy_init();
    struct curl_slist *list = extra ? curl_slist_append(NULL, extra) : NULL;
    snprintf(url, sizeof url, "%s%s", strstr(path, "://") ? "" : mock_hub_endpoint(hub), path);
    n_answer = n_headers = 0;
    answer[0] = headers[0] = 0;
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOBODY, strcmp(method, "HEAD") == 0 ? 1L : 0L);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, NULL);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, keep);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, (void *)headers);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, is_following ? 1L : 0L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, 1L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    if (strncmp(mock_hub_endpoint(hub), "https", 5) == 0) {
        struct curl_blob authority = {(void *)(uintptr_t)mock_tls_authority(hub), strlen(mock_tls_authority(hub)), 0};
        curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &authority);
    }
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(list);
    curl_easy_cleanup(curl);
    return code;
}

static void expect_header(const char *line)
{
    if (!strstr(headers, line))
        fail_msg("no header \"%s\" in:\n%s", line, headers);
}

static const char commit[] = "0123456789012345678901234567890123456789";
static const char large[] = "/acme/tiny/resolve/main/model.safetensors",
                  small[] = "/acme/tiny/resolve/main/config.json";

static mock_hub *start(const mock_options *options)
{
    mock_hub *hub = mock_hub_start(options);
    if (!hub)
        return NULL;
    mock_repo *repo = mock_repo_add(hub, "acme/tiny", commit);
    mock_repo_put(repo, "config.json", "hello\n", 6, MOCK_GIT);
    mock_repo_put(repo, "model.safetensors", content, sizeof content, MOCK_LFS);
    mock_repo_put(repo, "sub/100% right.txt", "x", 1, MOCK_GIT);
    return hub;
}

static void files_and_their_names(void **state)
{
    (void)state;
    mock_hub *hub = start(NULL);
    char digest[65];
    uint8_t sha[32];
    unsigned n = 0;
    assert_true(EVP_Digest(content, sizeof content, sha, &n, EVP_sha256(), NULL));
    for (unsigned i = 0; i < n; i++)
        sprintf(digest + 2 * i, "%02x", sha[i]);
    // The names as `git hash-object` and `sha256sum` give them.
    assert_int_equal(ask(hub, "HEAD", small, NULL, false), CURLE_OK);
    assert_int_equal(status, 307);
    expect_header("Location: /api/resolve-cache/");
    expect_header("X-Linked-ETag: \"ce013625030ba8dba906f756967f9e9ca394464a\"");
    expect_header("X-Repo-Commit: 0123456789012345678901234567890123456789");
    assert_int_equal(ask(hub, "GET", small, NULL, true), CURLE_OK);
    assert_string_equal(answer, "hello\n");
    assert_int_equal(ask(hub, "HEAD", large, NULL, false), CURLE_OK);
    assert_int_equal(status, 302);
    expect_header("X-Linked-Size: 100000");
    expect_header(digest);
    assert_int_equal(ask(hub, "GET", large, NULL, true), CURLE_OK);
    assert_int_equal(status, 200);
    assert_int_equal(n_answer, FILE_BYTES);
    assert_memory_equal(answer, content, FILE_BYTES);
    assert_int_equal(mock_request_bytes(hub, "GET cdn /acme/tiny/model.safetensors"), FILE_BYTES);
    assert_int_equal(ask(hub, "GET", "/acme/tiny/resolve/main/sub/100%25%20right.txt", NULL, true), CURLE_OK);
    assert_string_equal(answer, "x");
    mock_hub_stop(hub);
}

static void the_tree_in_pages(void **state)
{
    (void)state;
    mock_hub *hub = start(&(mock_options){.page_files = 2});
    assert_int_equal(ask(hub, "GET", "/api/models/acme/tiny/revision/main", NULL, false), CURLE_OK);
    assert_non_null(strstr(answer, "\"sha\":\"0123456789012345678901234567890123456789\""));
    assert_int_equal(ask(hub, "GET", "/api/models/acme/tiny/tree/main?recursive=true", NULL, false), CURLE_OK);
    assert_non_null(strstr(answer, "\"oid\":\"ce013625030ba8dba906f756967f9e9ca394464a\",\"size\":6"));
    assert_non_null(strstr(answer, "\"lfs\":{\"oid\":"));
    char *link = strstr(headers, "Link: <"), *end = link ? strstr(link, ">; rel=\"next\"") : NULL;
    assert_non_null(end);
    *end = 0;
    assert_int_equal(ask(hub, "GET", link + 7, NULL, false), CURLE_OK);
    assert_non_null(strstr(answer, "{\"type\":\"directory\""));
    assert_non_null(strstr(answer, "sub/100% right.txt"));
    assert_null(strstr(headers, "Link:"));
    mock_hub_stop(hub);
}

static void expect_part(mock_hub *hub, mock_fault fault, long expected_status, size_t begin, size_t n,
                        const char *content_range)
{
    mock_fault_clear(hub);
    if (fault.match)
        mock_fault_add(hub, fault);
    assert_int_equal(ask(hub, "GET", large, "Range: bytes=60000-", true), CURLE_OK);
    assert_int_equal(status, expected_status);
    assert_int_equal(n_answer, n);
    assert_memory_equal(answer, content + begin, n);
    if (content_range)
        expect_header(content_range);
    assert_int_equal(mock_fault_count(hub), fault.match ? 1 : 0);
}

static void ranges(void **state)
{
    (void)state;
    static const char cdn[] = "GET cdn *";
    mock_hub *hub = start(NULL);
    expect_part(hub, (mock_fault){0}, 206, 60000, 40000, "Content-Range: bytes 60000-99999/100000");
    expect_part(hub, (mock_fault){.kind = MOCK_IGNORE_RANGE, .match = cdn}, 200, 0, 100000, NULL);
    expect_part(hub, (mock_fault){.kind = MOCK_SHIFT_RANGE, .match = cdn, .at = 500}, 206, 59500, 40500,
                "Content-Range: bytes 59500-99999/100000");
    expect_part(hub, (mock_fault){.kind = MOCK_LIE_RANGE, .match = cdn, .at = 500}, 206, 59500, 40000,
                "Content-Range: bytes 60000-99999/100000");
    mock_fault_clear(hub);
    assert_int_equal(ask(hub, "GET", large, "Range: bytes=100000-", true), CURLE_OK);
    assert_int_equal(status, 416);
    assert_int_equal(ask(hub, "GET", large, "Range: bytes=10-19", true), CURLE_OK);
    assert_int_equal(n_answer, 10);
    assert_memory_equal(answer, content + 10, 10);
    mock_hub_stop(hub);
}

static void faults_of_transfers(void **state)
{
    (void)state;
    static const struct {
        mock_fault fault;
        CURLcode code;
        size_t n;
    } cases[] = {
        {{.kind = MOCK_CUT, .at = 777}, CURLE_PARTIAL_FILE, 777},
        {{.kind = MOCK_CUT, .at = 0}, CURLE_PARTIAL_FILE, 0},
        {{.kind = MOCK_RESET, .at = 0}, CURLE_RECV_ERROR, 0},
        {{.kind = MOCK_STALL, .at = 777}, CURLE_OPERATION_TIMEDOUT, 777},
        {{.kind = MOCK_SILENCE}, CURLE_OPERATION_TIMEDOUT, 0},
        {{.kind = MOCK_SHORT, .at = 3}, CURLE_OK, FILE_BYTES - 3},
        {{.kind = MOCK_LONG, .at = 3}, CURLE_OK, FILE_BYTES + 3},
        {{.kind = MOCK_CHUNKED}, CURLE_OK, FILE_BYTES},
        {{.kind = MOCK_RAW, .body = "HTTP/1.1 200 O"}, CURLE_GOT_NOTHING, 0},
        {{.kind = MOCK_RAW, .body = "HTTP/1.1 200 OK\r\nContent-Le"}, CURLE_OK, 0},
        {{.kind = MOCK_RAW, .body = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"}, CURLE_PARTIAL_FILE, 3},
        {{.kind = MOCK_ENDLESS, .body = "abc"}, CURLE_WRITE_ERROR, SIZE_MAX},
        {{.kind = MOCK_ANSWER, .status = 503, .headers = "Retry-After: 7\n", .body = "later"}, CURLE_OK, 5},
    };
    mock_hub *hub = start(NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mock_fault fault = cases[i].fault;
        fault.match = "GET cdn *";
        mock_fault_clear(hub);
        mock_fault_add(hub, fault);
        CURLcode code = ask(hub, "GET", large, NULL, true);
        if (code != cases[i].code || (cases[i].n != SIZE_MAX && n_answer != cases[i].n))
            fail_msg("case %zu: %s, %zu bytes, status %ld", i, curl_easy_strerror(code), n_answer, status);
    }
    assert_int_equal(status, 503);
    expect_header("Retry-After: 7");
    mock_hub_stop(hub);
}

static void turns_of_faults(void **state)
{
    (void)state;
    mock_hub *hub = start(NULL);
    mock_fault_add(hub, (mock_fault){.kind = MOCK_ANSWER,
                                     .match = "GET hub /acme/tiny/resolve/*",
                                     .status = 500,
                                     .after = 1,
                                     .times = 2,
                                     .headers = "Location: {cdn}/x\n"});
    for (int i = 0; i < 4; i++) {
        assert_int_equal(ask(hub, "GET", large, NULL, false), CURLE_OK);
        assert_int_equal(status, i == 0 || i == 3 ? 302 : 500);
        if (status == 500)
            assert_non_null(strstr(headers, mock_hub_cdn(hub)));
    }
    mock_hub_stop(hub);
}

static void signed_urls_expire(void **state)
{
    (void)state;
    mock_hub *hub = start(NULL);
    assert_int_equal(ask(hub, "HEAD", large, NULL, false), CURLE_OK);
    char *location = strstr(headers, "Location: ") + 10;
    location[strcspn(location, "\r\n")] = 0;
    char url[1024];
    snprintf(url, sizeof url, "%s", location);
    assert_int_equal(ask(hub, "GET", url, NULL, false), CURLE_OK);
    assert_int_equal(status, 200);
    mock_hub_expire(hub);
    assert_int_equal(ask(hub, "GET", url, NULL, false), CURLE_OK);
    assert_int_equal(status, 403);
    assert_int_equal(ask(hub, "GET", large, NULL, true), CURLE_OK);
    assert_int_equal(status, 200);
    mock_hub_stop(hub);
}

static void who_may_read(void **state)
{
    (void)state;
    mock_hub *hub = mock_hub_start(NULL);
    mock_repo *mine = mock_repo_add(hub, "acme/mine", NULL), *gated = mock_repo_add(hub, "acme/gated", NULL);
    mock_repo_make_private(mine, "hf_me");
    mock_repo_make_gated(gated, "hf_you", false);
    mock_repo_put(gated, "a", "b", 1, MOCK_GIT);
    static const struct {
        const char *path, *token;
        long status;
        const char *code;
    } cases[] = {
        {"/api/models/acme/mine/revision/main", NULL, 401, "X-Error-Code: RepoNotFound"},
        {"/api/models/acme/mine/revision/main", "Authorization: Bearer hf_other", 404, "X-Error-Code: RepoNotFound"},
        {"/api/models/acme/mine/revision/main", "Authorization: Bearer wrong", 401, "Invalid credentials"},
        {"/api/models/acme/mine/revision/main", "Authorization: Bearer hf_me", 200, NULL},
        {"/api/models/acme/none/revision/main", NULL, 401, "X-Error-Code: RepoNotFound"},
        {"/api/models/acme/mine/revision/v9", "Authorization: Bearer hf_me", 404, "X-Error-Code: RevisionNotFound"},
        {"/api/models/acme/gated/revision/main", NULL, 200, NULL},
        {"/acme/gated/resolve/main/a", NULL, 401, "X-Error-Code: GatedRepo"},
        {"/acme/gated/resolve/main/a", "Authorization: Bearer hf_you", 403, "X-Error-Code: GatedRepo"},
        {"/acme/mine/resolve/main/b", "Authorization: Bearer hf_me", 404, "X-Error-Code: EntryNotFound"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(ask(hub, "GET", cases[i].path, cases[i].token, false), CURLE_OK);
        if (status != cases[i].status)
            fail_msg("%s: %ld", cases[i].path, status);
        if (cases[i].code)
            expect_header(cases[i].code);
    }
    mock_hub_stop(hub);
}

static void certificates(void **state)
{
    (void)state;
    static const CURLcode codes[] = {[MOCK_TLS] = CURLE_OK,
                                     [MOCK_TLS_STRANGER] = CURLE_PEER_FAILED_VERIFICATION,
                                     [MOCK_TLS_OTHER_NAME] = CURLE_PEER_FAILED_VERIFICATION,
                                     [MOCK_TLS_EXPIRED] = CURLE_PEER_FAILED_VERIFICATION};
    for (mock_tls tls = MOCK_TLS; tls <= MOCK_TLS_EXPIRED; tls++) {
        mock_hub *hub = start(&(mock_options){.tls = tls});
        assert_int_equal(ask(hub, "GET", large, NULL, true), codes[tls]);
        mock_hub_stop(hub);
    }
}

static void the_other_internet(void **state)
{
    (void)state;
    mock_hub *hub = start(&(mock_options){.is_ipv6 = true});
    if (!hub) {
        fprintf(stderr, "SKIPPED: there is no ::1 here\n");
        skip();
    }
    assert_non_null(strstr(mock_hub_endpoint(hub), "http://[::1]:"));
    assert_int_equal(ask(hub, "GET", small, NULL, true), CURLE_OK);
    assert_string_equal(answer, "hello\n");
    mock_hub_stop(hub);
}

int main(void)
{
    for (size_t i = 0; i < sizeof content; i++)
        content[i] = (uint8_t)(i * 2654435761u >> 13);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_and_their_names),
        cmocka_unit_test(the_tree_in_pages),
        cmocka_unit_test(ranges),
        cmocka_unit_test(faults_of_transfers),
        cmocka_unit_test(turns_of_faults),
        cmocka_unit_test(signed_urls_expire),
        cmocka_unit_test(who_may_read),
        cmocka_unit_test(certificates),
        cmocka_unit_test(the_other_internet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
