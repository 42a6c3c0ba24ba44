// SPDX-License-Identifier: Apache-2.0
// What the Hub, a proxy or the network answers instead of files: each its own sentence, and the token stays where it
// belongs.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/hub/pull_case.h"
#include "tests/support/data_path.h"

static const char token[] = "hf_SecretSecretSecretSecretSecret";

// Nothing of the repository is there to be seen.
static void expect_nothing(pull_case *c)
{
    pull_expect_only(c, NULL);
    pull_expect_tidy(c, true);
}

// ---- tokens ------------------------------------------------------------------------------------------------------

// It went to the Hub with every request, and nowhere else.
static void expect_discreet(pull_case *c)
{
    size_t n_with = 0;
    for (size_t i = 0; i < mock_request_count(c->hub); i++) {
        mock_request r = mock_request_get(c->hub, i);
        bool has = strstr(r.headers, token) != NULL;
        if (strcmp(r.host, "cdn") == 0 && (has || strstr(r.path, token) || strcasestr(r.headers, "Authorization")))
            fail_msg("the second host got the token: %s\n%s", r.path, r.headers);
        assert_null(strstr(r.path, token));
        n_with += has;
    }
    assert_true(n_with > 0);
    assert_null(strstr(c->out, token));
    assert_null(strstr(c->err, token));
}

static void a_private_repository(void **state)
{
    pull_case *c = *state;
    mock_repo_make_private(c->repo, token);
    pull_set(c, "HF_TOKEN", token);
    pull_run(c, "acme/tiny --json");
    pull_expect_success(c);
    pull_expect_tree(c);
    expect_discreet(c);
    assert_false(pull_disk_holds(c, token));
    pull_set(c, "HF_TOKEN", NULL);
    pull_run(c, "acme/tiny"); // what is here does not open the Hub
    pull_expect_error(c, 3, "acme/tiny", "private|token", NULL);
    assert_null(strstr(c->err, token));
}

static void tokens_in_files(void **state)
{
    pull_case *c = *state;
    char path[400], line[100], command[700];
    mock_repo_make_private(c->repo, token);
    snprintf(command, sizeof command, "mkdir -p %s/hf", c->folder);
    assert_int_equal(system(command), 0);
    snprintf(path, sizeof path, "%s/hf/token", c->folder);
    int n = snprintf(line, sizeof line, "%s\n", token);
    nb_test_file_write(path, line, (size_t)n);
    pull_run(c, "acme/tiny --dry-run");
    pull_expect_success(c);
    expect_discreet(c);
    nb_test_file_write(path, "hf_other\n", 9);
    pull_run(c, "acme/tiny --dry-run");
    pull_expect_error(c, 3, "acme/tiny", NULL);
    snprintf(path, sizeof path, "%s/elsewhere", c->folder);
    nb_test_file_write(path, line, (size_t)n);
    pull_set(c, "HF_TOKEN_PATH", path);
    pull_run(c, "acme/tiny --dry-run");
    pull_expect_success(c);
    pull_set(c, "HF_TOKEN", "hf_other"); // goes before the file
    pull_run(c, "acme/tiny --dry-run");
    pull_expect_error(c, 3, "acme/tiny", NULL);
}

static void a_token_that_would_end_its_header(void **state)
{
    pull_case *c = *state;
    pull_set(c, "HF_TOKEN", "hf_a\r\nX-Evil: 1");
    pull_run(c, "acme/tiny");
    assert_int_not_equal(c->exit_code, 0);
    assert_null(strstr(c->err, "Evil"));
    for (size_t i = 0; i < mock_request_count(c->hub); i++)
        assert_null(strstr(mock_request_get(c->hub, i).headers, "Evil"));
}

static void a_gated_repository(void **state)
{
    pull_case *c = *state;
    char page[300];
    mock_repo_make_gated(c->repo, token, false);
    snprintf(page, sizeof page, "%s/acme/tiny", mock_hub_endpoint(c->hub));
    for (char *s = page; (s = strchr(s, '[')); s++)
        *s = '.';
    pull_run(c, "acme/tiny");
    pull_expect_error(c, 3, "acme/tiny", "gated", "token|HF_TOKEN", page, NULL);
    expect_nothing(c);
    pull_set(c, "HF_TOKEN", token);
    pull_run(c, "acme/tiny");
    pull_expect_error(c, 3, "acme/tiny", "gated", "accept", page, NULL);
    expect_nothing(c);
    expect_discreet(c);
    mock_repo_make_gated(c->repo, token, true);
    pull_run(c, "acme/tiny");
    pull_expect_success(c);
    pull_expect_tree(c);
    expect_discreet(c);
}

static void what_is_not_there(void **state)
{
    pull_case *c = *state;
    mock_repo_tag(c->repo, "v1.0");
    pull_run(c, "acme/none");
    pull_expect_error(c, 3, "acme/none", "token|private|spelling", NULL);
    pull_set(c, "HF_TOKEN", "hf_other");
    pull_run(c, "acme/none");
    pull_expect_error(c, 3, "acme/none", "404|no (such )?repository", NULL);
    pull_run(c, "acme/tiny@v2.0");
    pull_expect_error(c, 3, "v2\\.0", "revision", NULL);
    pull_run(c, "acme/tiny --include modle.safetensors");
    pull_expect_error(c, 3, "model\\.safetensors", NULL); // did you mean
    pull_set(c, "HF_TOKEN", "hf_nobody");
    pull_run(c, "acme/tiny");
    pull_expect_error(c, 3, "token", "401", NULL);
    char *listing = pull_listing(c->cache);
    assert_null(strstr(listing, "none"));
    free(listing);
    expect_nothing(c);
}

// What there is instead: from the Hub's lists of revisions and of an author's models.
static void did_you_mean(void **state)
{
    pull_case *c = *state;
    mock_fault_add(
        c->hub, (mock_fault){.kind = MOCK_ANSWER,
                             .match = "GET hub /api/models/acme/tiny/refs",
                             .status = 200,
                             .body = "{\"branches\":[{\"name\":\"main\"}],\"tags\":[{\"name\":\"v1.0\"},{\"x\":1}]}"});
    mock_fault_add(c->hub, (mock_fault){.kind = MOCK_ANSWER,
                                        .match = "GET hub /api/models",
                                        .status = 200,
                                        .body = "[{\"id\":\"acme/large\"},{\"id\":\"acme/tiny\"},7]"});
    pull_run(c, "acme/tiny@v1.1");
    pull_expect_error(c, 3, "v1\\.1", "try @v1\\.0", NULL);
    pull_run(c, "acme/tinny");
    pull_expect_error(c, 3, "acme/tinny", "try acme/tiny", NULL);
    pull_run(c, "acme/something-else");
    pull_expect_error(c, 3, "token|spelling", NULL);
    assert_null(strstr(c->err, "try acme"));
}

static void wrong_usage(void **state)
{
    pull_case *c = *state;
    static const char *const words[] = {"", "acme/tiny acme/more", "acme/tiny --jobs 0", "acme/tiny --jobs x",
                                        "acme/tiny --nonesuch"};
    static const char *const names[] = {"../x",       "acme/../x",      "/etc/x", "a/b/c",         "acme/",
                                        "acme/tiny@", "acme/tiny@../x", ".a/b",   "acme/tiny?x=y", "acme/ti%2Fny"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        pull_run(c, "%s", words[i]);
        assert_int_equal(c->exit_code, 2);
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        pull_run(c, "%s", names[i]);
        if (c->exit_code != 2 && c->exit_code != 3)
            fail_msg("%s: %d %s", names[i], c->exit_code, c->err);
    }
    assert_int_equal(mock_connection_count(c->hub), 0);
}

// ---- the API -----------------------------------------------------------------------------------------------------

typedef struct oddity {
    const char *match;
    mock_fault fault;
    int exit_code;
    const char *pattern;
} oddity;

static const char revision[] = "GET hub /api/*/revision/*", tree[] = "GET hub /api/*/tree/*";

#define TEXT(status_, text)                                                                                            \
    {                                                                                                                  \
        .kind = MOCK_ANSWER, .status = (status_), .body = (text)                                                       \
    }

static const oddity oddities[] = {
    {revision, TEXT(500, "oops"), 1, "500"},
    {revision, TEXT(503, ""), 1, "503"},
    {revision, TEXT(418, "teapot"), 1, "418"},
    {revision, TEXT(204, ""), -1, "."},
    {revision, TEXT(200, ""), -1, "."},
    {revision, TEXT(200, "<html>Sign in to the WiFi</html>"), -1, "."},
    {revision, TEXT(200, "{\"id\":\"acme/tiny\"}"), -1, "."},
    {revision, TEXT(200, "{\"sha\":\"../../../../etc\"}"), -1, "."},
    {revision, TEXT(200, "{\"sha\":\"main\"}"), -1, "."},
    {revision, TEXT(200, "{\"sha\":12}"), -1, "."},
    {revision, TEXT(200, "{\"sha\":\"0123456789012345678901234567890123456789\""), -1, "."},
    {revision, {.kind = MOCK_CUT, .at = 20}, 1, "127\\.0\\.0\\.1"},
    {revision, {.kind = MOCK_STALL, .at = 20}, 1, "127\\.0\\.0\\.1"},
    {revision, {.kind = MOCK_SILENCE}, 1, "127\\.0\\.0\\.1"},
    {revision, {.kind = MOCK_ENDLESS, .body = " "}, -1, "."},
    {tree, TEXT(500, "oops"), 1, "500"},
    {tree, TEXT(200, "{}"), -1, "list|acme/tiny"},
    {tree, TEXT(200, "[]"), -1, "."},
    {tree, TEXT(200, "[1,2]"), -1, "list|acme/tiny"},
    {tree, TEXT(200, "[{\"type\":\"file\",\"path\":\"config.json\"}]"), -1, "list|acme/tiny"},
    {tree, {.kind = MOCK_CUT, .at = 20}, 1, "127\\.0\\.0\\.1"},
    {tree, {.kind = MOCK_LINK_FOR_EVER}, -1, "list|acme/tiny"},
    {tree, {.kind = MOCK_ENDLESS, .body = " [[[[[[[["}, -1, "."},
    {tree, {.kind = MOCK_ENDLESS, .body = "[{\"type\":\"file\",\"path\":\"x\",\"size\":1,\"oid\":\"abc\"},"}, -1, "."},
    {tree,
     {.kind = MOCK_HEADERS, .headers = "Link: <{cdn}/api/models/acme/tiny/tree/x?cursor=1>; rel=\"next\"\n"},
     -1,
     "127\\.0\\.0\\.2|link|page|list"},
    {tree, {.kind = MOCK_HEADERS, .headers = "Link: <file:///etc/passwd>; rel=\"next\"\n"}, -1, "."},
    {tree,
     {.kind = MOCK_RAW,
      .headers = "HTTP/1.1 200 OK\r\n",
      .body = "X-Filler: 01234567890123456789012\r\n",
      .at = UINT64_MAX},
     1,
     "header"},
    {tree,
     {.kind = MOCK_RAW, .headers = "HTTP/1.1 200 OK\r\nLink: <", .body = "0123456789abcdef", .at = UINT64_MAX},
     1,
     "127\\.0\\.0\\.1"},
};

static void odd_answers_of_the_api(void **state)
{
    pull_case *c = *state;
    pull_set(c, "HF_TOKEN", token);
    mock_repo_make_private(c->repo, token);
    for (size_t i = 0; i < sizeof oddities / sizeof *oddities; i++) {
        const oddity *o = &oddities[i];
        mock_fault fault = o->fault;
        fprintf(stderr, "# %zu: %s kind %d status %u %s\n", i, o->match, fault.kind, fault.status,
                fault.body ? fault.body : "");
        fault.match = o->match;
        mock_fault_clear(c->hub);
        mock_fault_add(c->hub, fault);
        mock_request_forget(c->hub);
        bool is_silent = fault.kind == MOCK_STALL || fault.kind == MOCK_SILENCE;
        pull_run(c, "acme/tiny --retries 1 %s", is_silent ? "--stall-timeout 1" : "");
        pull_expect_error(c, o->exit_code > 0 ? o->exit_code : c->exit_code == 3 ? 3 : 1, o->pattern, NULL);
        expect_nothing(c);
        expect_discreet(c);
        assert_int_equal(mock_request_matching(c->hub, "* cdn /acme/*"), 0);
        if (c->seconds > 20)
            fail_msg("%.1f s", c->seconds);
    }
    mock_fault_clear(c->hub);
    pull_run(c, "acme/tiny");
    pull_expect_success(c);
    pull_expect_tree(c);
}

// ---- redirects ---------------------------------------------------------------------------------------------------

static void redirects_that_are_refused(void **state)
{
    static const struct {
        const char *to, *pattern;
    } cases[] = {
        {"Location: file:///etc/passwd\n", "file:|redirect|leads"},
        {"Location: ftp://127.0.0.1/x\n", "ftp:|redirect|leads"},
        {"Location: gopher://127.0.0.1/x\n", "gopher:|redirect|leads"},
        {"Location: /acme/tiny/resolve/main/model.safetensors\n", "redirect|leads|loop"}, // round and round
        {"X-Nothing: here\n", "model|redirect|302"},
        {"Location: http://[::bad/x\n", "redirect|leads|address|model"},
    };
    pull_case *c = *state;
    pull_set(c, "HF_TOKEN", token);
    mock_repo_make_private(c->repo, token);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fprintf(stderr, "# %s", cases[i].to);
        mock_fault_clear(c->hub);
        mock_fault_add(c->hub, (mock_fault){.kind = MOCK_ANSWER,
                                            .match = "* hub */resolve/*/model.safetensors",
                                            .status = 302,
                                            .headers = cases[i].to,
                                            .body = ""});
        pull_run(c, "acme/tiny");
        pull_expect_error(c, 1, cases[i].pattern, NULL);
        expect_nothing(c);
        assert_int_equal(mock_request_bytes(c->hub, "* cdn *"), 0);
        expect_discreet(c);
    }
    if (mock_request_count(c->hub) > 400)
        fail_msg("%zu requests", mock_request_count(c->hub));
}

// From https to http, on another host and on the same.
static void redirects_from_https_to_http(void **state)
{
    pull_case *c = *state;
    char authority[400];
    pull_restart(c, &(mock_options){.tls = MOCK_TLS, .is_cdn_plain = true});
    snprintf(authority, sizeof authority, "%s/ca.pem", c->folder);
    nb_test_file_write(authority, mock_tls_authority(c->hub), strlen(mock_tls_authority(c->hub)));
    pull_set(c, "SSL_CERT_FILE", authority);
    pull_run(c, "acme/tiny");
    pull_expect_error(c, 1, "https", "127\\.0\\.0\\.2|redirect|leads", NULL);
    expect_nothing(c);
    assert_int_equal(mock_request_matching(c->hub, "* cdn *"), 0);
}

// ---- TLS, proxies, ports where nobody is ----------------------------------------------------------------------------

static void over_tls(void **state)
{
    static const char *const variables[] = {"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"};
    static const struct {
        mock_tls tls;
        const char *pattern;
    } cases[] = {{MOCK_TLS, NULL},
                 {MOCK_TLS_STRANGER, "certificate"},
                 {MOCK_TLS_OTHER_NAME, "certificate|name"},
                 {MOCK_TLS_EXPIRED, "clock"}};
    pull_case *c = *state;
    char authority[400];
    snprintf(authority, sizeof authority, "%s/ca.pem", c->folder);
    pull_set(c, "HF_TOKEN", token);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pull_restart(c, &(mock_options){.tls = cases[i].tls});
        mock_repo_make_private(c->repo, token);
        nb_test_file_write(authority, mock_tls_authority(c->hub), strlen(mock_tls_authority(c->hub)));
        for (size_t v = 0; v < (cases[i].pattern ? 1 : 3); v++) {
            pull_set(c, variables[v], authority);
            pull_run(c, "acme/tiny");
            if (cases[i].pattern) {
                pull_expect_error(c, 1, "127\\.0\\.0\\.1", cases[i].pattern, NULL);
                assert_int_equal(mock_request_count(c->hub), 0); // not a byte of HTTP
            } else {
                pull_expect_success(c);
                pull_expect_tree(c);
                expect_discreet(c);
            }
            pull_set(c, variables[v], NULL);
            char command[700];
            snprintf(command, sizeof command, "rm -rf %s", c->cache);
            assert_int_equal(system(command), 0);
        }
    }
    pull_set(c, "SSL_CERT_FILE", "/nonexistent/ca.pem");
    pull_run(c, "acme/tiny");
    pull_expect_error(c, 1, "certificate", "/nonexistent/ca\\.pem|SSL_CERT_FILE", NULL);
}

// The end of a TLS stream without its goodbye is no end of a file.
static void truncated_tls(void **state)
{
    pull_case *c = *state;
    char authority[400];
    pull_restart(c, &(mock_options){.tls = MOCK_TLS});
    snprintf(authority, sizeof authority, "%s/ca.pem", c->folder);
    nb_test_file_write(authority, mock_tls_authority(c->hub), strlen(mock_tls_authority(c->hub)));
    pull_set(c, "SSL_CERT_FILE", authority);
    static const mock_fault_kind kinds[] = {MOCK_CUT, MOCK_RESET};
    for (size_t i = 0; i < 2; i++) {
        mock_fault_add(c->hub, (mock_fault){.kind = kinds[i], .match = "GET cdn *", .at = 100000});
        pull_run(c, "acme/tiny --retries 0");
        pull_expect_error(c, 1, "127\\.0\\.0\\.2", NULL);
        expect_nothing(c);
        mock_fault_clear(c->hub);
    }
    pull_run(c, "acme/tiny");
    pull_expect_success(c);
    pull_expect_tree(c);
}

static void nobody_listens(void **state)
{
    pull_case *c = *state;
    char address[64], pattern[64];
    unsigned port = mock_port_unused();
    snprintf(address, sizeof address, "http://127.0.0.1:%u", port);
    snprintf(pattern, sizeof pattern, "127\\.0\\.0\\.1:%u", port);
    pull_set(c, "HF_ENDPOINT", address);
    pull_run(c, "acme/tiny");
    pull_expect_error(c, 1, pattern, "connect", NULL);
    expect_nothing(c);
    pull_set(c, "HF_ENDPOINT", mock_hub_endpoint(c->hub));
    pull_set(c, "http_proxy", address);
    pull_run(c, "acme/tiny");
    pull_expect_error(c, 1, "proxy", pattern, NULL);
    assert_int_equal(mock_connection_count(c->hub), 0);
    pull_set(c, "no_proxy", "127.0.0.1,127.0.0.2");
    pull_run(c, "acme/tiny");
    pull_expect_success(c);
    pull_expect_tree(c);
}

static void ask_through(pull_case *c, const char *variable)
{
    pull_set(c, variable, mock_hub_endpoint(c->hub));
    mock_request_forget(c->hub);
    pull_run(c, "acme/tiny --dry-run");
    pull_expect_success(c);
    assert_true(mock_request_matching(c->hub, "GET hub /api/*") > 0);
    pull_set(c, variable, NULL);
}

// The Hub as the proxy of a host that is not there; at last over TLS, where the authorities told count for it too.
static void through_a_proxy(void **state)
{
    static const char *const variables[] = {"http_proxy", "HTTP_PROXY", "ALL_PROXY"};
    pull_case *c = *state;
    char address[64], authority[400];
    snprintf(address, sizeof address, "http://127.0.0.3:%u", mock_port_unused());
    pull_set(c, "HF_ENDPOINT", address);
    for (size_t i = 0; i < 3; i++)
        ask_through(c, variables[i]);
    assert_true(pull_restart(c, &(mock_options){.tls = MOCK_TLS}));
    snprintf(authority, sizeof authority, "%s/ca.pem", c->folder);
    nb_test_file_write(authority, mock_tls_authority(c->hub), strlen(mock_tls_authority(c->hub)));
    pull_set(c, "HF_ENDPOINT", address);
    pull_set(c, "http_proxy", mock_hub_endpoint(c->hub));
    pull_run(c, "acme/tiny --dry-run");
    pull_expect_error(c, 1, "certificate", NULL);
    pull_set(c, "SSL_CERT_FILE", authority);
    ask_through(c, "http_proxy");
}

static void endpoints_that_are_none(void **state)
{
    static const char *const endpoints[] = {"ftp://127.0.0.1", "not an address", "file:///etc", "http://", "//x"};
    pull_case *c = *state;
    for (size_t i = 0; i < sizeof endpoints / sizeof *endpoints; i++) {
        pull_set(c, "HF_ENDPOINT", endpoints[i]);
        pull_run(c, "acme/tiny");
        if (c->exit_code != 2 && c->exit_code != 3 && c->exit_code != 1)
            fail_msg("%s: %d", endpoints[i], c->exit_code);
        pull_expect_error(c, c->exit_code, "HF_ENDPOINT", NULL);
    }
    assert_int_equal(mock_connection_count(c->hub), 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, pull_enter, pull_leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_private_repository),
        CASE(tokens_in_files),
        CASE(a_token_that_would_end_its_header),
        CASE(a_gated_repository),
        CASE(what_is_not_there),
        CASE(did_you_mean),
        CASE(wrong_usage),
        CASE(odd_answers_of_the_api),
        CASE(redirects_that_are_refused),
        CASE(redirects_from_https_to_http),
        CASE(over_tls),
        CASE(truncated_tls),
        CASE(nobody_listens),
        CASE(through_a_proxy),
        CASE(endpoints_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
