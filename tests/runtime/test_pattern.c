// SPDX-License-Identifier: Apache-2.0
// Ruby's expressions through PCRE2: what is rewritten, what is refused, empty matches, limits.
#include "runtime/pattern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// The matches, with | between them.
static void expect(const char *regex, const char *text, const char *matches)
{
    nb_pattern *pattern;
    nb_matcher *matcher;
    nb_error error = {0};
    char found_all[1024] = "";
    if (nb_pattern_regex(&pattern, regex, strlen(regex), "test", &error) != NB_OK)
        fail_msg("%s", error.text);
    assert_int_equal(nb_matcher_create(&matcher, NULL), NB_OK);
    nb_match match = NB_MATCH_BEGIN;
    for (bool found;;) {
        assert_int_equal(nb_pattern_next(pattern, matcher, text, strlen(text), &match, &found, NULL), NB_OK);
        if (!found)
            break;
        size_t n = strlen(found_all);
        snprintf(found_all + n, sizeof found_all - n, "%.*s|", (int)(match.end - match.begin), text + match.begin);
    }
    assert_string_equal(found_all, matches);
    nb_matcher_free(matcher);
    nb_pattern_free(pattern);
}

static void classes_are_those_of_oniguruma(void **state)
{
    (void)state;
    expect("\\s+",
           "a\xe1\xa0\x8e"
           "b \xc2\x85\xc2\xa0 c",
           " \xc2\x85\xc2\xa0 |"); // U+180E is no space
    expect("[\\s]", "\xe1\xa0\x8e\t", "\t|");
    expect("\\S+", "\xe1\xa0\x8e x", "\xe1\xa0\x8e|x|");
    expect("[^\\S]", "\xe1\xa0\x8e ", " |");
    expect("\\w+", "a\xcc\x81_\xe2\x80\xbf\xc2\xbd-b", "a\xcc\x81_\xe2\x80\xbf\xc2\xbd|b|"); // marks, ties, one half
    expect("\\W", "a\xc2\xbd-", "-|");
    expect("\\p{Han}+", "\xe4\xba\xba\xe3\x80\x81", "\xe4\xba\xba|"); // a comma of Chinese text is no Han
    expect("(?m:a.b)", "a\nb", "a\nb|");                              // Ruby's m
    expect("^b$", "a\nb\nc", "b|");                                   // always lines
    expect("(?i:'S)", "'s'S", "'s|'S|");
    expect("[[:digit:]a]", "1ab", "1|a|");
}

static void empty_matches(void **state)
{
    (void)state;
    expect("x*", "axxb", "|xx||"); // as Oniguruma's iterator: none directly after a match
    expect("(?=b)", "ab", "|");
}

static void what_differs_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {"\\h", "\\Qa\\E", "[a[b]]", "[a&&b]",  "(*FAIL)", "[\\W]",
                                        "\\",  "(",       "[a",     "\\u0041", "\\C",     "\\p{Nonsense}"};
    for (size_t i = 0; i < NB_COUNT(cases); i++) {
        nb_pattern *pattern;
        nb_error error = {0};
        if (nb_pattern_regex(&pattern, cases[i], strlen(cases[i]), "here", &error) != NB_ERR_INPUT)
            fail_msg("%s is accepted", cases[i]);
        assert_null(pattern);
        assert_non_null(strstr(error.text, "here"));
    }
}

// Exponential in the length for a backtracking matcher: an error after a bounded number of steps, not hours.
static void searches_are_bounded(void **state)
{
    (void)state;
    nb_pattern *pattern;
    nb_matcher *matcher;
    nb_error error = {0};
    char text[64];
    memset(text, 'a', sizeof text);
    assert_int_equal(nb_pattern_regex(&pattern, "(a|aa)+\\d", 9, "test", NULL), NB_OK);
    assert_int_equal(nb_matcher_create(&matcher, NULL), NB_OK);
    nb_match match = NB_MATCH_BEGIN;
    bool found;
    assert_int_equal(nb_pattern_next(pattern, matcher, text, sizeof text, &match, &found, &error), NB_ERR_INPUT);
    assert_non_null(strstr(error.text, "steps"));
    nb_matcher_free(matcher);
    nb_pattern_free(pattern);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_are_those_of_oniguruma),
        cmocka_unit_test(empty_matches),
        cmocka_unit_test(what_differs_is_refused),
        cmocka_unit_test(searches_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
