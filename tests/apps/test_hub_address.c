// SPDX-License-Identifier: Apache-2.0
// Whom an address leads to, where a redirect may lead, and which proxy is used.
#include "apps/hub/hub_address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static nb_hub_origin origin_of(const char *url)
{
    nb_hub_origin origin;
    if (!nb_hub_origin_of(&origin, url))
        fail_msg("no address: %s", url);
    return origin;
}

static void expect_equal(const char *a, const char *b, bool is_equal)
{
    nb_hub_origin x = origin_of(a), y = origin_of(b);
    if (nb_hub_origin_equal(&x, &y) != is_equal)
        fail_msg("%s and %s", a, b);
}

// Scheme, host and port; nothing else makes one origin, and nothing hides another.
static void origins_are_scheme_host_and_port(void **state)
{
    (void)state;
    expect_equal("https://huggingface.co", "https://HuggingFace.co:443/a?b", true);
    expect_equal("http://[::1]:8000/a", "http://[::1]:8000", true);
    expect_equal("https://huggingface.co", "http://huggingface.co", false);
    expect_equal("https://huggingface.co", "https://huggingface.co:8443", false);
    expect_equal("https://huggingface.co", "https://huggingface.co.evil.org", false);
    expect_equal("https://huggingface.co", "https://huggingface.co@evil.org/", false);
    expect_equal("https://huggingface.co", "https://evil.org/huggingface.co", false);
    nb_hub_origin origin;
    static const char *const bad[] = {"", "ftp://h/x", "file:///etc/passwd", "https://", "/x", "gopher://h"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (nb_hub_origin_of(&origin, bad[i]))
            fail_msg("taken: %s", bad[i]);
}

static void origins_are_told_without_the_usual_port(void **state)
{
    (void)state;
    char text[128];
    nb_hub_origin a = origin_of("https://hub.org/x"), b = origin_of("http://[::1]:81/"), c = origin_of("http://h:443");
    assert_string_equal(nb_hub_origin_text(&a, text, sizeof text), "hub.org");
    assert_string_equal(nb_hub_origin_text(&b, text, sizeof text), "[::1]:81");
    assert_string_equal(nb_hub_origin_text(&c, text, sizeof text), "h:443");
}

static void expect_follow(const char *endpoint, const char *target, bool may)
{
    nb_hub_origin from = origin_of(endpoint), to = origin_of(target);
    if (nb_hub_may_follow(&from, &to) != may)
        fail_msg("%s -> %s", endpoint, target);
}

static void redirects_lead_to_https(void **state)
{
    (void)state;
    expect_follow("https://hub.org", "https://cdn.org/x", true);
    expect_follow("https://hub.org", "http://cdn.org/x", false);
    expect_follow("https://hub.org", "http://hub.org/x", false);
    expect_follow("https://hub.org", "http://127.0.0.1/x", false);
    expect_follow("https://localhost", "http://localhost/x", false);
    expect_follow("http://127.0.0.1:81", "http://127.0.0.2:82/x", true);
    expect_follow("http://[::1]:81", "http://localhost/x", true);
    expect_follow("http://127.0.0.1:81", "http://10.0.0.1/x", false);
    expect_follow("http://127.0.0.1:81", "http://127.evil.org/x", false);
    expect_follow("http://mirror.lan", "http://mirror.lan/x", true);
    expect_follow("http://mirror.lan", "http://other.lan/x", false);
}

static void locations_are_joined(void **state)
{
    (void)state;
    char url[64];
    assert_true(nb_hub_address_join(url, sizeof url, "https://h/a/b?c", "/x y"));
    assert_string_equal(url, "https://h/x%20y");
    assert_true(nb_hub_address_join(url, sizeof url, "https://h/a/b", "https://cdn/z?s=%2F"));
    assert_string_equal(url, "https://cdn/z?s=%2F");
    assert_true(nb_hub_address_join(url, sizeof url, "https://h/a/b", "//evil/z"));
    assert_string_equal(url, "https://evil/z");
    assert_false(nb_hub_address_join(url, 16, "https://h/a/b", "/longer than that"));
}

static void expect_proxy(const char *url, const char *proxy)
{
    nb_hub_origin origin = origin_of(url);
    const char *found = nb_hub_proxy_of(&origin);
    if ((found == NULL) != (proxy == NULL) || (found && strcmp(found, proxy) != 0))
        fail_msg("%s: %s", url, found ? found : "none");
}

static void proxies_are_those_of_the_environment(void **state)
{
    (void)state;
    static const char *const names[] = {"http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY",
                                        "all_proxy",  "ALL_PROXY",  "no_proxy",    "NO_PROXY"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
    expect_proxy("https://hub.org", NULL);
    setenv("ALL_PROXY", "socks5://all:1", 1);
    setenv("HTTPS_PROXY", "http://secure:2", 1);
    expect_proxy("https://hub.org", "http://secure:2");
    expect_proxy("http://hub.org", "socks5://all:1");
    setenv("https_proxy", "lower:3", 1);
    expect_proxy("https://hub.org", "lower:3");
    setenv("no_proxy", "example.com, .hub.org,10.0.0.1", 1);
    expect_proxy("https://hub.org", NULL);
    expect_proxy("https://cdn.hub.org", NULL);
    expect_proxy("https://nothub.org", "lower:3");
    expect_proxy("https://10.0.0.1", NULL);
    setenv("no_proxy", "*", 1);
    expect_proxy("http://x.org", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(origins_are_scheme_host_and_port),
        cmocka_unit_test(origins_are_told_without_the_usual_port),
        cmocka_unit_test(redirects_lead_to_https),
        cmocka_unit_test(locations_are_joined),
        cmocka_unit_test(proxies_are_those_of_the_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
