// SPDX-License-Identifier: Apache-2.0
// The layout of the Hugging Face cache, against what its official client says (tests/golden/hub_places.jsonl), and refs
// that anybody may have written.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "apps/common/cli.h"
#include "apps/common/hub_cache.h"
#include "apps/common/small_file.h"
#include "tests/support/data_path.h"
#include "tests/support/faults.h"
#include "tests/support/jsonl.h"
#include "tests/support/scratch.h"

static const char *const variables[] = {"HOME", "XDG_CACHE_HOME", "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE",
                                        "VAR",  "UNSET"};
static const char commit_a[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

// ---- golden --------------------------------------------------------------------------------------------------------

static const char *or_here(const json_t *line, const char *key)
{
    const char *text = json_string_value(json_object_get(line, key));
    return text && text[0] ? text : "."; // the client's empty path is the current folder
}

static void check_line(void *user, const json_t *line)
{
    char path[PATH_MAX], back[NB_MODEL_REPOSITORY_BYTES];
    const char *repository = json_string_value(json_object_get(line, "repository"));
    const json_t *environment = json_object_get(line, "environment");
    ++*(size_t *)user;
    if (repository) {
        const char *folder = json_string_value(json_object_get(line, "folder"));
        assert_int_equal(nb_hub_folder_name(path, repository), folder != NULL);
        if (folder) {
            assert_string_equal(path, folder);
            assert_true(nb_hub_folder_repository(back, folder));
            assert_string_equal(back, repository);
        }
        return;
    }
    for (size_t i = 0; i < NB_COUNT_OF(variables); i++) {
        const char *value = json_string_value(json_object_get(environment, variables[i]));
        assert_int_equal(value ? setenv(variables[i], value, 1) : unsetenv(variables[i]), 0);
    }
    assert_true(nb_hub_home(path));
    assert_string_equal(path, or_here(line, "home"));
    assert_true(nb_hub_cache(path));
    assert_string_equal(path, or_here(line, "cache"));
}

static void places_are_the_clients(void **state)
{
    (void)state;
    size_t n = 0;
    nb_jsonl_each("tests/golden/hub_places.jsonl", check_line, &n);
    assert_true(n > 100);
}

static void too_long_places_are_refused(void **state)
{
    (void)state;
    char path[PATH_MAX], text[PATH_MAX + 10];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    assert_false(nb_hub_expand(path, text));
    text[PATH_MAX - 1] = 0;
    assert_true(nb_hub_expand(path, text));
    text[PATH_MAX - 5] = 0;
    assert_int_equal(setenv("VAR", text, 1), 0);
    assert_false(nb_hub_expand(path, "$VAR/12345"));
    assert_true(nb_hub_expand(path, "$VAR/123"));
    assert_int_equal(setenv("HF_HUB_CACHE", text, 1), 0);
    assert_true(nb_hub_cache(path));
    assert_false(nb_hub_folder(text, path, "acme/tiny"));
}

// ---- names ---------------------------------------------------------------------------------------------------------

static void folders_that_are_no_models(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "models",
                                      "models--",
                                      "models----",
                                      "models--a--",
                                      "models----a",
                                      "datasets--a--b",
                                      "models--a--b--c",
                                      "models--.a",
                                      "models--a\xff",
                                      "models--a b",
                                      "models--a--..",
                                      "models--a/b",
                                      "xmodels--a"};
    char repository[NB_MODEL_REPOSITORY_BYTES];
    for (size_t i = 0; i < NB_COUNT_OF(bad); i++)
        assert_false(nb_hub_folder_repository(repository, bad[i]));
}

static void names_of_models(void **state)
{
    (void)state;
    nb_model_name name;
    assert_true(nb_model_name_parse(&name, "acme/tiny-4B@refs/pr/1"));
    assert_string_equal(name.org, "acme");
    assert_string_equal(name.name, "tiny-4B");
    assert_string_equal(name.repository, "acme/tiny-4B");
    assert_string_equal(name.revision, "refs/pr/1");
    assert_true(nb_model_name_parse(&name, "gpt2"));
    assert_string_equal(name.org, "");
    assert_string_equal(name.repository, "gpt2");
    static const char *const bad[] = {
        "",       "/",    "a/",     "/a",     "a//b",    "a/b/c", "a@",      "a@@",     "a@/b",        "a@b/", "a@b//c",
        "a@../b", "a@.b", "a@b/.c", "a@b..c", "a@b\\c",  "a@b c", "a@b\x01", "a@b\x7f", "a@b\xc3\xa9", "a@b~", "a@b^1",
        "a@b:c",  "a@b?", "a@b*",   "a@b[",   "a@b@{1}", "a@b.",  ".a",      "a/.b",    "a b",         "a\n",  "\xff"};
    for (size_t i = 0; i < NB_COUNT_OF(bad); i++)
        assert_false(nb_model_name_parse(&name, bad[i]));
    char longest[600] = "a@";
    memset(longest + 2, 'b', NB_MODEL_REVISION_BYTES - 1);
    assert_true(nb_model_name_parse(&name, longest));
    longest[2 + NB_MODEL_REVISION_BYTES - 1] = 'b';
    assert_false(nb_model_name_parse(&name, longest));
}

// ---- refs ----------------------------------------------------------------------------------------------------------

static void refs_are_written_whole(void **state)
{
    (void)state;
    char commit[NB_MODEL_COMMIT_BYTES];
    assert_true(nb_hub_ref_write("r", "refs/pr/1", commit_a));
    char *text = nb_test_file_read("r/refs/refs/pr/1", NULL);
    assert_string_equal(text, commit_a); // no newline: the official client takes the whole text
    free(text);
    assert_true(nb_hub_ref_read(commit, "r", "refs/pr/1"));
    assert_string_equal(commit, commit_a);
    assert_true(nb_hub_ref_write("r", "refs/pr/1", "other"));
    assert_true(nb_hub_ref_read(commit, "r", "refs/pr/1"));
    assert_string_equal(commit, "other");
    assert_false(nb_hub_ref_write("r", "../x", commit_a));
    assert_false(nb_hub_ref_write("r", "main", "../x"));
}

static void a_failed_ref_leaves_the_old_one(void **state)
{
    (void)state;
    static const nb_fault kinds[] = {NB_FAULT_OPEN, NB_FAULT_WRITE, NB_FAULT_FSYNC, NB_FAULT_RENAME};
    char commit[NB_MODEL_COMMIT_BYTES];
    assert_true(nb_hub_ref_write("r", "main", "old"));
    for (size_t i = 0; i < NB_COUNT_OF(kinds); i++) {
        nb_faults_fail_at(kinds[i], 1);
        assert_false(nb_hub_ref_write("r", "main", "new"));
        assert_true(nb_faults_reset());
        assert_true(nb_hub_ref_read(commit, "r", "main"));
        assert_string_equal(commit, "old");
        assert_int_equal(system("test $(find r -type f | wc -l) -eq 1"), 0);
    }
}

static void refs_that_are_none(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "", "\n", "..", "../../snapshots/a", ".a", "a/b", "a\xff", "a b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    char commit[NB_MODEL_COMMIT_BYTES];
    for (size_t i = 0; i < NB_COUNT_OF(texts); i++) {
        assert_true(nb_scratch_put("r/refs/main", texts[i]));
        assert_false(nb_hub_ref_read(commit, "r", "main"));
    }
    char huge[1000];
    memset(huge, 'a', sizeof huge - 1);
    huge[sizeof huge - 1] = 0;
    assert_true(nb_scratch_put("r/refs/main", huge));
    assert_false(nb_hub_ref_read(commit, "r", "main"));
    assert_true(nb_scratch_put("r/refs/main", "abc\r\nmore"));
    assert_true(nb_hub_ref_read(commit, "r", "main"));
    assert_string_equal(commit, "abc");
    assert_int_equal(mkdir("r/refs/folder", 0700), 0);
    assert_false(nb_hub_ref_read(commit, "r", "folder"));
    assert_int_equal(mkfifo("r/refs/pipe", 0600), 0);
    assert_false(nb_hub_ref_read(commit, "r", "pipe"));
}

static void expect_snapshot(const char *revision, const char *expected)
{
    char commit[NB_MODEL_COMMIT_BYTES];
    assert_int_equal(nb_hub_snapshot_find(commit, "r", revision), expected != NULL);
    if (expected)
        assert_string_equal(commit, expected);
}

static void snapshots_are_found(void **state)
{
    (void)state;
    assert_true(nb_scratch_put("r/snapshots/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/x", ""));
    assert_true(nb_scratch_put("r/snapshots/aaaab/x", ""));
    assert_true(nb_scratch_put("r/snapshots/bbbbbbbb/x", ""));
    assert_true(nb_scratch_put("r/snapshots/file", ""));
    expect_snapshot("", NULL);
    assert_true(nb_hub_ref_write("r", "main", "bbbbbbbb"));
    expect_snapshot("", "bbbbbbbb");
    expect_snapshot("main", "bbbbbbbb");
    expect_snapshot(commit_a, commit_a);
    expect_snapshot("aaaaaa", commit_a);
    expect_snapshot("aaaa", NULL); // two begin so
    expect_snapshot("aaaab", "aaaab");
    expect_snapshot("bbbb", "bbbbbbbb");
    expect_snapshot("bbb", NULL); // too short to be meant
    expect_snapshot("file", NULL);
    assert_true(nb_hub_ref_write("r", "aaaaaa", "bbbbbbbb")); // a branch goes before a commit's beginning
    expect_snapshot("aaaaaa", "bbbbbbbb");
    assert_true(nb_hub_ref_write("r", commit_a, "bbbbbbbb")); // but not before a commit
    expect_snapshot(commit_a, commit_a);
    assert_true(nb_hub_ref_write("r", "gone", "cccccccc"));
    expect_snapshot("gone", NULL);
}

static void the_cache_is_tagged(void **state)
{
    (void)state;
    assert_true(nb_hub_cache_make("deep/er/hub"));
    char *text = nb_test_file_read("deep/er/hub/CACHEDIR.TAG", NULL);
    static const char signature[] = "Signature: 8a477f597d28d172789f06886806bc55\n"; // bford.info/cachedir
    assert_int_equal(strncmp(text, signature, sizeof signature - 1), 0);
    free(text);
    nb_test_file_write("deep/er/hub/CACHEDIR.TAG", "own", 3);
    assert_true(nb_hub_cache_make("deep/er/hub"));
    text = nb_test_file_read("deep/er/hub/CACHEDIR.TAG", NULL);
    assert_string_equal(text, "own");
    free(text);
    assert_true(nb_scratch_put("file", ""));
    assert_false(nb_hub_cache_make("file"));
    assert_false(nb_hub_cache_make("file/hub"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_the_clients),
        cmocka_unit_test(too_long_places_are_refused),
        cmocka_unit_test(folders_that_are_no_models),
        cmocka_unit_test(names_of_models),
        cmocka_unit_test_setup_teardown(refs_are_written_whole, nb_scratch_enter, nb_scratch_leave),
        cmocka_unit_test_setup_teardown(a_failed_ref_leaves_the_old_one, nb_scratch_enter, nb_scratch_leave),
        cmocka_unit_test_setup_teardown(refs_that_are_none, nb_scratch_enter, nb_scratch_leave),
        cmocka_unit_test_setup_teardown(snapshots_are_found, nb_scratch_enter, nb_scratch_leave),
        cmocka_unit_test_setup_teardown(the_cache_is_tagged, nb_scratch_enter, nb_scratch_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
