// SPDX-License-Identifier: Apache-2.0
// Finding models by name: in the store, in the Hub cache by revision, and never outside of either.
#include <pwd.h>
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
#include "apps/common/model_store.h"

static char root[] = "/var/tmp/nibble-store-XXXXXX";

static void make(const char *path) // folders below the root
{
    char whole[PATH_MAX];
    snprintf(whole, sizeof whole, "%s/%s/", root, path);
    for (char *slash = strchr(whole + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(whole, 0700);
        *slash = '/';
    }
}

static void write_file(const char *path, const char *text)
{
    char whole[PATH_MAX];
    snprintf(whole, sizeof whole, "%s/%s", root, path);
    FILE *file = fopen(whole, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int set_up(void **state)
{
    (void)state;
    char path[PATH_MAX];
    assert_non_null(mkdtemp(root));
    snprintf(path, sizeof path, "%s/home", root);
    setenv("NIBBLE_HOME", path, 1);
    snprintf(path, sizeof path, "%s/hub", root);
    setenv("HF_HUB_CACHE", path, 1);
    make("home/models/acme/tiny");
    make("home/models/plain");
    write_file("home/models/plain/config.json", "{}");
    make("home/models/acme/both");
    make("hub/models--acme--both/snapshots/c0");
    make("hub/models--acme--both/refs");
    write_file("hub/models--acme--both/refs/main", "c0\n");
    make("hub/models--acme--big-4B/snapshots/c1");
    make("hub/models--acme--big-4B/snapshots/c2");
    make("hub/models--acme--big-4B/refs");
    write_file("hub/models--acme--big-4B/refs/main", "c1");
    write_file("hub/models--acme--big-4B/refs/v2", "c2\n");
    make("hub/models--evil--out/refs");
    write_file("hub/models--evil--out/refs/main", "../../models--acme--big-4B/snapshots/c1");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[PATH_MAX + 16];
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

static void expect_found(const char *name, const char *below)
{
    char path[PATH_MAX], expected[PATH_MAX];
    snprintf(expected, sizeof expected, "%s/%s", root, below);
    assert_int_equal(nb_store_find(path, name), NB_EXIT_OK);
    assert_string_equal(path, expected);
}

static void expect_missing(const char *name)
{
    char path[PATH_MAX];
    assert_int_equal(nb_store_find(path, name), NB_EXIT_INPUT);
}

static void names_of_the_store(void **state)
{
    (void)state;
    expect_found("acme/tiny", "home/models/acme/tiny");
    expect_found("tiny", "home/models/acme/tiny");
    expect_found("plain", "home/models/plain");
    expect_found("acme/both", "home/models/acme/both"); // the store goes before the cache
    expect_missing("both");                             // a short name must be unique
}

static void names_of_the_cache(void **state)
{
    (void)state;
    expect_found("acme/big-4B", "hub/models--acme--big-4B/snapshots/c1");
    expect_found("big-4B", "hub/models--acme--big-4B/snapshots/c1");
    expect_found("acme/big-4B@v2", "hub/models--acme--big-4B/snapshots/c2");
    expect_found("big-4B@c2", "hub/models--acme--big-4B/snapshots/c2");
    expect_found("acme/both@main", "hub/models--acme--both/snapshots/c0"); // only the cache has revisions
    expect_missing("acme/big-4B@v3");
    expect_missing("acme/nothing");
    expect_missing("other/big-4B");
    expect_missing("4B");
}

static void names_do_not_leave_the_store(void **state)
{
    (void)state;
    static const char *const bad[] = {"..",  "../home", "acme/..",           "acme/tiny/x",  "/",       "",
                                      "@v2", "acme/",   "acme/big-4B@../c1", "acme/big-4B@", "evil/out"};
    for (size_t i = 0; i < NB_COUNT_OF(bad); i++) {
        char path[PATH_MAX];
        struct stat info;
        if (stat(bad[i], &info) != 0) // ".." and "/" are directories, which is fine
            assert_int_equal(nb_store_find(path, bad[i]), NB_EXIT_INPUT);
    }
}

static void without_home_the_user_s_own_counts(void **state)
{
    (void)state;
    char home[PATH_MAX], own[PATH_MAX], expected[PATH_MAX];
    const struct passwd *user = getpwuid(getuid());
    if (!user || strlen(user->pw_dir) < 2)
        skip();
    snprintf(expected, sizeof expected, "%s/.local/share/nibble", user->pw_dir);
    snprintf(own, sizeof own, "%s", getenv("NIBBLE_HOME"));
    unsetenv("NIBBLE_HOME");
    unsetenv("HOME");
    nb_store_home(home, sizeof home);
    assert_string_equal(home, expected);
    setenv("HOME", "/elsewhere", 1);
    nb_store_home(home, sizeof home);
    assert_string_equal(home, "/elsewhere/.local/share/nibble");
    setenv("NIBBLE_HOME", own, 1);
}

static void a_directory_is_itself(void **state)
{
    (void)state;
    char path[PATH_MAX];
    assert_int_equal(nb_store_find(path, root), NB_EXIT_OK);
    assert_string_equal(path, root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_the_store),           cmocka_unit_test(names_of_the_cache),
        cmocka_unit_test(names_do_not_leave_the_store), cmocka_unit_test(without_home_the_user_s_own_counts),
        cmocka_unit_test(a_directory_is_itself),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
