// SPDX-License-Identifier: Apache-2.0
// Ruby's expressions through PCRE2: what is rewritten, what is refused, empty matches, limits.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

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

static nb_status split(const char *regex, const char *text, size_t bytes, size_t *ends, size_t *n, nb_error *error)
{
    nb_pattern *pattern;
    nb_matcher *matcher;
    nb_match match = NB_MATCH_BEGIN;
    bool found = true;
    assert_int_equal(nb_pattern_regex(&pattern, regex, strlen(regex), "test", NULL), NB_OK);
    assert_int_equal(nb_matcher_create(&matcher, NULL), NB_OK);
    nb_status status = NB_OK;
    for (*n = 0; found && status == NB_OK;) {
        status = nb_pattern_next(pattern, matcher, text, bytes, &match, &found, error);
        if (found && status == NB_OK)
            ends[(*n)++] = match.end;
    }
    nb_matcher_free(matcher);
    nb_pattern_free(pattern);
    return status;
}

// Each search is short of any limit, or matches one letter after a look at all the others: only the sum is long.
static void the_sum_of_searches_is_bounded(void **state)
{
    (void)state;
    enum { BYTES = 300000 };
    static const char *const costly[] = {"a(?=.*b)|a", "a(?=(?:.)*b)|a", "(?:a|a)*b|a", "a(?=[^b]*b)|a"};
    char *text = malloc(BYTES);
    size_t *ends = malloc(BYTES * sizeof *ends), n;
    memset(text, 'a', BYTES);
    for (size_t i = 0; i < sizeof costly / sizeof costly[0]; i++) {
        nb_error error = {0};
        assert_int_equal(split(costly[i], text, BYTES, ends, &n, &error), NB_ERR_INPUT);
        assert_non_null(strstr(error.text, "steps"));
        assert_true(n < BYTES / 10);
    }
    // Long matches earn what they cost.
    static const char *const honest[] = {"a+", "[ab]+?(?=b)|a+", "\\p{L}+|\\s+(?!\\S)|\\s+"};
    for (size_t i = 0; i < sizeof honest / sizeof honest[0]; i++) {
        assert_int_equal(split(honest[i], text, BYTES, ends, &n, NULL), NB_OK);
        assert_true(n == 1 && ends[0] == BYTES);
    }
    free(ends);
    free(text);
}

// The matches of PCRE2 over the whole text at once, through parts that end anywhere.
static void parts_change_nothing(void **state)
{
    (void)state;
    static const char regex[] =
        "(?i:'s|'t)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^ \\t\\n\\p{L}\\p{N}]+[\\r\\n]*|"
        "[ \\t\\n]*\\n|[ \\t\\n]+(?![^ \\t\\n])|[ \\t\\n]+|(?<=x)y$";
    static const char *const pieces[] = {"a", "word",     "'s",           " ",  "\n", "\t",
                                         "7", "\xc3\xa9", "\xe6\x97\xa5", "!?", "xy", "\r"};
    enum { BYTES = 100000 };
    char *text = malloc(BYTES + 16);
    size_t *ends = malloc(BYTES * sizeof *ends), n, bytes = 0, offset;
    uint32_t random = 1;
    while (bytes < BYTES) {
        random = random * 1664525u + 1013904223u;
        const char *piece = pieces[(random >> 20) % (sizeof pieces / sizeof pieces[0])];
        uint32_t n_times = (random >> 16) % 16 ? 1 : (random >> 8) % 3000; // some runs are longer than a part
        for (; n_times > 0 && bytes < BYTES; n_times--)
            bytes += (size_t)sprintf(text + bytes, "%s", piece);
    }
    assert_int_equal(split(regex, text, bytes, ends, &n, NULL), NB_OK);
    int number;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)regex, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE,
                                     &number, &offset, NULL);
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    assert_true(code && data && n > 1000);
    size_t from = 0, i = 0;
    for (; pcre2_match(code, (PCRE2_SPTR)text, bytes, from, 0, data, NULL) >= 0; i++) {
        from = pcre2_get_ovector_pointer(data)[1];
        assert_true(i < n && ends[i] == from);
    }
    assert_int_equal(i, n);
    pcre2_match_data_free(data);
    pcre2_code_free(code);
    free(ends);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_are_those_of_oniguruma), cmocka_unit_test(empty_matches),
        cmocka_unit_test(what_differs_is_refused),        cmocka_unit_test(searches_are_bounded),
        cmocka_unit_test(the_sum_of_searches_is_bounded), cmocka_unit_test(parts_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
