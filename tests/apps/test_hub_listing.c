// SPDX-License-Identifier: Apache-2.0
// The Hub's JSON: a commit, pages of files, and everything that must not get past them.
#include "apps/hub/hub_listing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OID           "0123456789abcdef0123456789abcdef01234567"
#define SHA           "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define FILE_OF(path) "{\"type\":\"file\",\"path\":\"" path "\",\"size\":3,\"oid\":\"" OID "\"}"

static char why[256];

static bool add(nb_hub_listing *listing, const char *json)
{
    why[0] = 0;
    return nb_hub_listing_add(listing, json, strlen(json), why, sizeof why);
}

static void a_commit_is_read(void **state)
{
    (void)state;
    char commit[NB_MODEL_COMMIT_BYTES];
    static const char good[] = "{\"id\":\"a/b\",\"sha\":\"" OID "\",\"siblings\":[]}";
    assert_true(nb_hub_commit_parse(commit, good, strlen(good), why, sizeof why));
    assert_string_equal(commit, OID);
    static const char *const bad[] = {"",
                                      "{}",
                                      "[]",
                                      "{\"sha\":1}",
                                      "{\"sha\":\"../../x\"}",
                                      "<html>",
                                      "{\"sha\":\"" OID "\",\"sha\":\"" OID "\"}",
                                      "{\"sha\":\"" OID "0\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (nb_hub_commit_parse(commit, bad[i], strlen(bad[i]), why, sizeof why) || !why[0])
            fail_msg("taken: %s", bad[i]);
}

static void pages_add_up(void **state)
{
    (void)state;
    nb_hub_listing listing = {0};
    assert_true(
        add(&listing, "[{\"type\":\"directory\",\"path\":\"sub\",\"oid\":\"" OID "\",\"size\":0}," FILE_OF("z") "]"));
    assert_true(add(&listing,
                    "[{\"type\":\"file\",\"path\":\"sub/w\",\"size\":134,\"oid\":\"" OID "\",\"lfs\":{\"oid\":"
                    "\"" SHA "\",\"size\":5000000000,\"pointerSize\":134},\"xetHash\":\"x\"}]"));
    assert_true(add(&listing, "[]"));
    assert_true(nb_hub_listing_finish(&listing, why, sizeof why));
    assert_int_equal(listing.n_files, 2);
    assert_string_equal(listing.files[0].path, "sub/w"); // sorted
    assert_true(listing.files[0].bytes == UINT64_C(5000000000));
    assert_string_equal(listing.files[0].etag, SHA); // of LFS, not of its pointer
    assert_string_equal(nb_hub_listing_find(&listing, "z")->etag, OID);
    assert_null(nb_hub_listing_find(&listing, "sub"));
    nb_hub_listing_release(&listing);
}

static void bad_pages_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "{}",
        "[1]",
        "[{}]",
        "null",
        "[" FILE_OF("../a") "]",
        "[" FILE_OF("/a") "]",
        "[" FILE_OF("a\\\\b") "]",
        "[" FILE_OF("a\\u0000b") "]",
        "[" FILE_OF("a\\u001bb") "]",
        "[" FILE_OF("") "]",
        "[" FILE_OF("a") "",
        "[{\"type\":\"file\",\"path\":\"a\",\"size\":-1,\"oid\":\"" OID "\"}]",
        "[{\"type\":\"file\",\"path\":\"a\",\"size\":1.5,\"oid\":\"" OID "\"}]",
        "[{\"type\":\"file\",\"path\":\"a\",\"size\":9007199254740993000,\"oid\":\"" OID "\"}]",
        "[{\"type\":\"file\",\"path\":\"a\",\"size\":1,\"oid\":\"" SHA "\"}]",
        "[{\"type\":\"file\",\"path\":\"a\",\"size\":1,\"oid\":\"../" OID "\"}]",
        "[{\"type\":\"file\",\"path\":\"a\",\"size\":1,\"oid\":\"" OID "\",\"lfs\":{\"oid\":\"" OID "\",\"size\":1}}]",
        "[{\"type\":\"file\",\"path\":\"a\",\"size\":1,\"oid\":\"" OID "\",\"lfs\":{\"size\":1}}]",
        "[{\"type\":\"directory\",\"path\":\"../up\"}]",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        nb_hub_listing listing = {0};
        if (add(&listing, bad[i]) || !why[0])
            fail_msg("taken: %s", bad[i]);
        nb_hub_listing_release(&listing);
    }
}

static void expect_no_tree(const char *json)
{
    nb_hub_listing listing = {0};
    assert_true(add(&listing, json));
    if (nb_hub_listing_finish(&listing, why, sizeof why))
        fail_msg("taken: %s", json);
    nb_hub_listing_release(&listing);
}

static void what_is_no_tree_is_refused(void **state)
{
    (void)state;
    expect_no_tree("[" FILE_OF("a") "," FILE_OF("b") "," FILE_OF("a") "]");
    expect_no_tree("[" FILE_OF("a/b/c") "," FILE_OF("a-") "," FILE_OF("a/b") "]");
}

static void too_many_files_are_refused(void **state)
{
    (void)state;
    nb_hub_listing listing = {0};
    char json[256];
    for (int i = 0; i < NB_HUB_MAX_FILES; i++) {
        snprintf(json, sizeof json, "[{\"type\":\"file\",\"path\":\"f%d\",\"size\":1,\"oid\":\"" OID "\"}]", i);
        assert_true(add(&listing, json));
    }
    assert_false(add(&listing, "[" FILE_OF("last") "]"));
    nb_hub_listing_release(&listing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_commit_is_read),           cmocka_unit_test(pages_add_up),
        cmocka_unit_test(bad_pages_are_refused),      cmocka_unit_test(what_is_no_tree_is_refused),
        cmocka_unit_test(too_many_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
