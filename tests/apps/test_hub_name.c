// SPDX-License-Identifier: Apache-2.0
// What a person types as a name, what a Hub may call a file, and how either becomes part of an address.
#include "apps/hub/hub_name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect_target(const char *text, const char *repository, const char *revision)
{
    nb_model_name name;
    const char *why;
    if (!nb_hub_target_parse(&name, text, &why))
        fail_msg("%s: refused, expected %s", text, why);
    assert_string_equal(name.repository, repository);
    assert_string_equal(name.revision, revision);
}

static void names_are_taken_as_people_write_them(void **state)
{
    (void)state;
    expect_target("org/name", "org/name", "main");
    expect_target("gpt2", "gpt2", "main");
    expect_target("org/name@v1.0", "org/name", "v1.0");
    expect_target("org/name@refs/pr/3", "org/name", "refs/pr/3");
    expect_target("https://huggingface.co/org/name", "org/name", "main");
    expect_target("HTTPS://HuggingFace.co/org/name/tree/dev", "org/name", "dev");
    expect_target("hf.co/org/name@dev", "org/name", "dev");
}

static void other_names_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "/",
        "org/",
        "/name",
        "org/name/more",
        "../name",
        "org/..",
        "org/name@",
        "org/name@../x",
        "org/name@/x",
        "org name",
        "org/name\n",
        "org--x/y",
        "org/x.git",
        "-org/name",
        "org/name@a b",
        "http://other.org/a/b",
        "org/.name",
        "org\\name",
        "org/name/tree/dev",
        "https://huggingface.co/",
        "https://huggingface.co/org/name/tree/",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        nb_model_name name;
        const char *why = NULL;
        if (nb_hub_target_parse(&name, bad[i], &why))
            fail_msg("taken: \"%s\"", bad[i]);
        assert_non_null(why);
    }
}

static void hostile_paths_are_refused(void **state)
{
    (void)state;
    static const char *const good[] = {"config.json", "a/b/c.txt",   ".gitattributes", "...",
                                       "..a/b",       "a.git/b",     "a/.cache",       "ü/模型.json",
                                       "a b/c;d&e",   "sub/.hidden", "C:/windows.txt"};
    static const char *const bad[] = {
        "",         "/etc/passwd", "..",        "../x",        "a/../b",       "a/..",     ".",
        "./a",      "a/./b",       "a//b",      "a/",          "a\\b",         "..\\a",    "a\nb",
        "a\x1b[2J", "a\x7f",       "a\xc2\x9b", ".git/config", "a/.GIT/hooks", ".cache/x", ".Cache/huggingface/x",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (nb_hub_path_refusal(good[i]))
            fail_msg("refused: %s: %s", good[i], nb_hub_path_refusal(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (!nb_hub_path_refusal(bad[i]))
            fail_msg("taken: \"%s\"", bad[i]);
}

static void long_paths_are_refused(void **state)
{
    (void)state;
    char path[1100];
    memset(path, 'a', sizeof path);
    path[255] = 0;
    assert_null(nb_hub_path_refusal(path));
    path[255] = 'a';
    path[256] = 0;
    assert_non_null(nb_hub_path_refusal(path)); // no file system takes such a component
    for (size_t i = 0; i < 1024; i++)
        path[i] = i % 2 ? '/' : 'a';
    path[1023] = 0;
    assert_null(nb_hub_path_refusal(path));
    path[1023] = 'a';
    path[1024] = 0;
    assert_non_null(nb_hub_path_refusal(path));
}

static void quoting_leaves_what_needs_none(void **state)
{
    (void)state;
    nb_growing url = {0};
    nb_hub_quote(&url, "a/b c%?#\xc3\xbc~._-Z9", true);
    assert_string_equal(url.text, "a/b%20c%25%3F%23%C3%BC~._-Z9");
    nb_growing_clear(&url);
    nb_hub_quote(&url, "refs/pr/1", false);
    assert_string_equal(url.text, "refs%2Fpr%2F1");
    nb_growing_release(&url);
}

static void commits_are_forty_digits(void **state)
{
    (void)state;
    assert_true(nb_hub_is_commit("0123456789abcdef0123456789abcdef01234567"));
    assert_false(nb_hub_is_commit("0123456789ABCDEF0123456789abcdef01234567"));
    assert_false(nb_hub_is_commit("0123456789abcdef0123456789abcdef0123456"));
    assert_false(nb_hub_is_commit(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_taken_as_people_write_them),
        cmocka_unit_test(other_names_are_refused),
        cmocka_unit_test(hostile_paths_are_refused),
        cmocka_unit_test(long_paths_are_refused),
        cmocka_unit_test(quoting_leaves_what_needs_none),
        cmocka_unit_test(commits_are_forty_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
