// SPDX-License-Identifier: Apache-2.0
// Response headers: the forms of their RFCs and of the Hub's documentation, and what is none of them.
#include "apps/hub/hub_header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect_next(const char *value, const char *expected)
{
    char url[128] = "";
    bool is_found = nb_hub_link_next(value, url, sizeof url);
    if (is_found != (expected != NULL) || (expected && strcmp(url, expected) != 0))
        fail_msg("%s: found \"%s\"", value, url);
}

// RFC 8288: several links, parameters in any order and case, several relations in one.
static void links_are_followed_by_their_relation(void **state)
{
    (void)state;
    expect_next("<https://h/x?cursor=a>; rel=\"next\"", "https://h/x?cursor=a");
    expect_next("</api?c=1>;rel=next", "/api?c=1");
    expect_next("<a>; rel=\"prev\", <b>; rel=\"next\"", "b");
    expect_next("<a>; title=\"x, <c>; rel=next\"; rel=\"prev\", <b>; REL=\"NEXT last\"", "b");
    expect_next("<a>; rel=\"prev next\"", "a");
    expect_next("<a>; rel=\"prev\"", NULL);
    expect_next("<a>; rel=\"nextmost\"", NULL);
    expect_next("<a>; relx=\"next\"", NULL);
    expect_next("<>; rel=\"next\"", NULL);
    expect_next("<a; rel=\"next\"", NULL);
    expect_next("a; rel=next", NULL);
    expect_next("", NULL);
    expect_next("<a>", NULL);
    expect_next("<a>; rel=\"next", "a"); // an unclosed string ends with the value
}

static void a_link_too_long_is_none(void **state)
{
    (void)state;
    char url[8];
    assert_true(nb_hub_link_next("<1234567>; rel=next", url, sizeof url));
    assert_false(nb_hub_link_next("<12345678>; rel=next", url, sizeof url));
}

static void rate_limits_are_read(void **state)
{
    (void)state;
    uint64_t n_left = 9, reset_s = 9;
    assert_true(nb_hub_rate_limit("\"api\";r=0;t=55", &n_left, &reset_s)); // the Hub's documentation
    assert_int_equal(n_left, 0);
    assert_int_equal(reset_s, 55);
    assert_true(nb_hub_rate_limit("\"api\" ; t = 300 ; r = 12", &n_left, &reset_s));
    assert_int_equal(n_left, 12);
    assert_int_equal(reset_s, 300);
    assert_false(nb_hub_rate_limit("\"api\";r=0", &n_left, &reset_s));
    assert_false(nb_hub_rate_limit("\"api\";r=x;t=5", &n_left, &reset_s));
    assert_false(nb_hub_rate_limit("\"api\";r=0;t=99999999999999999999999", &n_left, &reset_s));
    assert_false(nb_hub_rate_limit("", &n_left, &reset_s));
    assert_false(nb_hub_rate_limit("\"api", &n_left, &reset_s));
}

static void retry_after_has_two_forms(void **state)
{
    (void)state;
    const time_t now = 784111777; // Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110
    uint64_t wait_s = 1;
    assert_true(nb_hub_retry_after("120", now, &wait_s));
    assert_int_equal(wait_s, 120);
    assert_true(nb_hub_retry_after("Sun, 06 Nov 1994 08:49:47 GMT", now, &wait_s));
    assert_int_equal(wait_s, 10);
    assert_true(nb_hub_retry_after("Sun, 06 Nov 1994 08:49:00 GMT", now, &wait_s)); // gone by
    assert_int_equal(wait_s, 0);
    assert_false(nb_hub_retry_after("soon", now, &wait_s));
    assert_false(nb_hub_retry_after("-5", now, &wait_s));
    assert_false(nb_hub_retry_after("", now, &wait_s));
    assert_false(nb_hub_retry_after("u0622222222Nov1", now, &wait_s)); // a year that libcurl takes for one
}

static void ranges_are_whole_or_nothing(void **state)
{
    (void)state;
    uint64_t first, last, total;
    assert_true(nb_hub_content_range("bytes 42-1233/1234", &first, &last, &total));
    assert_int_equal(first, 42);
    assert_int_equal(last, 1233);
    assert_int_equal(total, 1234);
    assert_true(nb_hub_content_range("bytes 42-1233/*", &first, &last, &total));
    assert_true(total == UINT64_MAX);
    static const char *const bad[] = {"bytes */1234",
                                      "bytes 5-4/10",
                                      "bytes 0-10/10",
                                      "items 0-1/2",
                                      "bytes 0-1",
                                      "bytes -1-2/3",
                                      "bytes 0-1/2x",
                                      "bytes0-1/2",
                                      "bytes 99999999999999999999-1/2",
                                      ""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (nb_hub_content_range(bad[i], &first, &last, &total))
            fail_msg("taken: %s", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(links_are_followed_by_their_relation),
        cmocka_unit_test(a_link_too_long_is_none),
        cmocka_unit_test(rate_limits_are_read),
        cmocka_unit_test(retry_after_has_two_forms),
        cmocka_unit_test(ranges_are_whole_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
