// SPDX-License-Identifier: Apache-2.0
// Listings that mean harm: names that lead elsewhere, entries that are none. Refused as a whole, before any file.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/hub/pull_case.h"

// Nothing was fetched or made, and nothing on the terminal but print.
static void expect_refused(pull_case *c, const char *what)
{
    if (c->exit_code == 0)
        fail_msg("\"%s\" is taken: %s", what, c->out);
    pull_expect_error(c, 3, "acme/tiny", NULL);
    for (const char *s = c->err; *s; s++)
        if (((unsigned char)*s < 0x20 && *s != '\n') || *s == 0x7f)
            fail_msg("byte %#x is printed of \"%s\"", (unsigned char)*s, what);
    pull_expect_only(c, NULL);
    assert_int_equal(mock_request_matching(c->hub, "* */resolve/*"), 0);
    assert_int_equal(mock_request_matching(c->hub, "* cdn *"), 0);
    char *listing = pull_listing(c->folder), *evil = strstr(listing, "evil");
    if (evil)
        fail_msg("it made a file: %s", listing);
    free(listing);
}

static void try_name(pull_case *c, const char *name, size_t n)
{
    pull_restart(c, NULL);
    mock_repo_put_raw(c->repo, name, n, "evil", 4, MOCK_GIT);
    pull_run(c, "acme/tiny --include *");
    expect_refused(c, name);
}

// With --to the names are those of the disk itself.
static void hostile_names_for_a_directory(void **state)
{
    static const char *const names[] = {"../evil", "/evil", "a/../../evil", ".cache/huggingface/evil"};
    pull_case *c = *state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        pull_restart(c, NULL);
        mock_repo_put(c->repo, names[i], "evil", 4, MOCK_GIT);
        pull_run(c, "acme/tiny --include * --to %s/out", c->folder);
        expect_refused(c, names[i]);
    }
}

static void hostile_names(void **state)
{
    static const char *const names[] = {
        "../evil",  "../../../../evil", "a/../../../evil", "..",           ".",        "a/..",
        "./evil",   "a/./evil",         "/evil",           "//evil",       "a//evil",  "evil/",
        "evil\n",   "evil\r",           "evil\t.txt",      "\x1b[31mevil", "evil\x7f", "evil\xc2\x85",
        "..\\evil", "a\\..\\..\\evil",
    };
    pull_case *c = *state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        try_name(c, names[i], strlen(names[i]));
    try_name(c, "evil\0.json", 10);
    try_name(c, "\0evil", 5);
}

static void long_names(void **state)
{
    pull_case *c = *state;
    static char name[6000];
    memset(name, 'a', 300);
    memcpy(name, "evil", 4);
    try_name(c, name, 300); // longer than a file's name can be
    for (size_t i = 0; i < 5000; i += 2)
        memcpy(name + i, "a/", 2);
    memcpy(name + 5000, "evil", 4);
    try_name(c, name, 5004); // longer than a path can be
}

// What the cache or the client's own records are called.
static void reserved_names(void **state)
{
    static const char *const names[] = {".cache/huggingface/download/model.safetensors.metadata", ".git/config",
                                        ".cache/huggingface/.gitignore"};
    pull_case *c = *state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        try_name(c, names[i], strlen(names[i]));
}

static void try_listing(pull_case *c, const char *listing)
{
    pull_restart(c, NULL);
    mock_fault_add(c->hub,
                   (mock_fault){.kind = MOCK_ANSWER, .match = "GET hub /api/*/tree/*", .status = 200, .body = listing});
    pull_run(c, "acme/tiny");
    expect_refused(c, listing);
}

#define HEX40                  "0123456789012345678901234567890123456789"
#define HEX64                  "0123456789012345678901234567890123456789012345678901234567890123"
#define ENTRY(path, oid, size) "{\"type\":\"file\",\"path\":" path ",\"oid\":" oid ",\"size\":" size "}"

static void entries_that_are_none(void **state)
{
    static const char *const listings[] = {
        "[" ENTRY("\"config.json\"", "\"../../../../evil\"", "2") "]",
        "[" ENTRY("\"config.json\"", "\"0123\"", "2") "]",
        "[" ENTRY("\"config.json\"", "\"0123456789012345678901234567890123456/89\"", "2") "]",
        "[" ENTRY("\"config.json\"", "12", "2") "]",
        "[" ENTRY("\"config.json\"", "null", "2") "]",
        "[" ENTRY("12", "\"" HEX40 "\"", "2") "]",
        "[" ENTRY("\"\"", "\"" HEX40 "\"", "2") "]",
        "[" ENTRY("\"config.json\"", "\"" HEX40 "\"", "-1") "]",
        "[" ENTRY("\"config.json\"", "\"" HEX40 "\"", "\"2\"") "]",
        "[" ENTRY("\"config.json\"", "\"" HEX40 "\"", "1.5") "]",
        "[" ENTRY("\"config.json\"", "\"" HEX40 "\"", "9223372036854775808") "]",
        "[" ENTRY("\"config.json\"", "\"" HEX40 "\"", "1e400") "]",
        "[{\"type\":\"file\",\"path\":\"model.safetensors\",\"oid\":\"" HEX40
        "\",\"size\":2,\"lfs\":{\"oid\":\"../evil\","
        "\"size\":2}}]",
        "[{\"type\":\"file\",\"path\":\"model.safetensors\",\"oid\":\"" HEX40 "\",\"size\":2,\"lfs\":{\"oid\":\"" HEX64
        "\","
        "\"size\":-2}}]",
        // Two files of one name, a file that is a folder too, bytes that are no text.
        "[" ENTRY("\"config.json\"", "\"" HEX40 "\"", "2") "," ENTRY("\"config.json\"", "\"" HEX40 "\"", "3") "]",
        "[" ENTRY("\"config.json\"", "\"" HEX40 "\"", "2") "," ENTRY("\"config.json/evil\"", "\"" HEX40 "\"", "3") "]",
        "[" ENTRY("\"evil\xff\xfe\"", "\"" HEX40 "\"", "2") "]",
        "[" ENTRY("\"evil\\ud800\"", "\"" HEX40 "\"", "2") "]",
    };
    pull_case *c = *state;
    for (size_t i = 0; i < sizeof listings / sizeof *listings; i++)
        try_listing(c, listings[i]);
}

// A size that is possible, but not here: refused before the first byte, with exit code 4.
static void more_than_the_disk(void **state)
{
    static const char listing[] =
        "[{\"type\":\"file\",\"path\":\"model.safetensors\",\"oid\":\"" HEX40
        "\",\"size\":281474976710656,\"lfs\":{\"oid\":\"" HEX64 "\",\"size\":281474976710656}}]";
    pull_case *c = *state;
    mock_fault_add(c->hub,
                   (mock_fault){.kind = MOCK_ANSWER, .match = "GET hub /api/*/tree/*", .status = 200, .body = listing});
    pull_run(c, "acme/tiny");
    pull_expect_error(c, 4, "disk|room|space", "[0-9] ?[A-Z]?B", NULL);
    pull_expect_only(c, NULL);
    assert_int_equal(mock_request_matching(c->hub, "* */resolve/*"), 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, pull_enter, pull_leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(hostile_names),  CASE(hostile_names_for_a_directory), CASE(long_names),
        CASE(reserved_names), CASE(entries_that_are_none),         CASE(more_than_the_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
