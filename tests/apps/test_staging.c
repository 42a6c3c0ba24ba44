// SPDX-License-Identifier: Apache-2.0
// A directory that appears whole or not at all: what a dead process leaves, and two processes at once.
#include "apps/qat/staging.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/faults.h"
#include "tests/support/scratch.h"

static bool exists(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0;
}

static void put_inside(const nb_staging *staging, const char *name)
{
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", staging->path, name);
    assert_true(nb_scratch_put(path, name));
}

static void what_is_published_is_all_there(void **state)
{
    (void)state;
    nb_staging staging;
    assert_int_equal(nb_staging_open(&staging, "sub/../model//", false, NULL), NB_ERR_SYSTEM);
    assert_int_equal(mkdir("sub", 0777), 0);
    assert_int_equal(nb_staging_open(&staging, "sub/model//", false, NULL), NB_OK);
    put_inside(&staging, "a");
    assert_false(exists("sub/model"));
    assert_int_equal(nb_staging_publish(&staging, NULL), NB_OK);
    assert_true(exists("sub/model/a"));
    assert_false(exists("sub/.model.nibble-partial"));
    nb_staging_discard(&staging); // harmless
    assert_true(exists("sub/model/a"));
}

static void what_is_discarded_is_gone(void **state)
{
    (void)state;
    nb_staging staging;
    assert_int_equal(nb_staging_open(&staging, "model", false, NULL), NB_OK);
    put_inside(&staging, "a");
    nb_staging_discard(&staging);
    nb_staging_discard(&staging);
    assert_int_equal(system("test -z \"$(ls -A)\""), 0);
}

static void a_lock_that_is_refused_leaves_nothing(void **state)
{
    (void)state;
    nb_staging staging;
    nb_error error = {0};
    nb_faults_fail_at(NB_FAULT_LOCK, 1);
    assert_int_equal(nb_staging_open(&staging, "model", false, &error), NB_ERR_SYSTEM);
    assert_true(nb_faults_reset());
    assert_non_null(strstr(error.text, "cannot lock"));
    assert_int_equal(system("test -z \"$(ls -A)\""), 0);
}

static void a_dead_process_is_succeeded(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        nb_staging staging;
        if (nb_staging_open(&staging, "model", false, NULL) == NB_OK)
            put_inside(&staging, "stale");
        _exit(0); // as after SIGKILL: nothing is cleaned up
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_true(exists(".model.nibble-partial/stale"));
    nb_staging staging;
    assert_int_equal(nb_staging_open(&staging, "model", false, NULL), NB_OK);
    assert_false(exists(".model.nibble-partial/stale"));
    put_inside(&staging, "fresh");
    assert_int_equal(nb_staging_publish(&staging, NULL), NB_OK);
    assert_true(exists("model/fresh") && !exists("model/stale"));
}

static void a_living_process_is_left_alone(void **state)
{
    (void)state;
    nb_staging first, second;
    nb_error error = {0};
    assert_int_equal(nb_staging_open(&first, "model", false, NULL), NB_OK);
    put_inside(&first, "a");
    assert_int_equal(nb_staging_open(&second, "model", false, &error), NB_ERR_INPUT);
    assert_non_null(strstr(error.text, "another process"));
    nb_staging_discard(&second); // not its directory
    assert_true(exists(".model.nibble-partial/a"));
    assert_int_equal(nb_staging_publish(&first, NULL), NB_OK);
    assert_true(exists("model/a"));
}

static void only_models_are_replaced(void **state)
{
    (void)state;
    nb_staging staging;
    assert_true(nb_scratch_put("photos/a.jpg", "a"));
    assert_int_equal(nb_staging_open(&staging, "photos", true, NULL), NB_ERR_INPUT);
    assert_true(nb_scratch_put("file", "a"));
    assert_int_equal(nb_staging_open(&staging, "file", true, NULL), NB_ERR_INPUT);
    assert_true(nb_scratch_put("tok/tokenizer.json", "{}"));
    assert_int_equal(nb_staging_open(&staging, "tok", true, NULL), NB_OK);
    nb_staging_discard(&staging);
    assert_true(nb_scratch_put("model/config.json", "{}"));
    assert_true(nb_scratch_put("model/original/deep", "old"));
    assert_int_equal(nb_staging_open(&staging, "model", false, NULL), NB_ERR_INPUT);
    assert_int_equal(nb_staging_open(&staging, "model", true, NULL), NB_OK);
    put_inside(&staging, "new");
    assert_true(exists("model/original/deep")); // until the end
    assert_int_equal(nb_staging_publish(&staging, NULL), NB_OK);
    assert_true(exists("model/new") && !exists("model/config.json") && !exists("model/original"));
    assert_false(exists(".model.nibble-partial"));
    assert_int_equal(mkdir("empty", 0777), 0);
    assert_int_equal(nb_staging_open(&staging, "empty", true, NULL), NB_OK);
    assert_int_equal(nb_staging_publish(&staging, NULL), NB_OK);
}

static void one_that_appears_meanwhile_is_kept(void **state)
{
    (void)state;
    nb_staging staging;
    assert_int_equal(nb_staging_open(&staging, "model", false, NULL), NB_OK);
    assert_true(nb_scratch_put("model/mine", "mine"));
    assert_int_equal(nb_staging_publish(&staging, NULL), NB_ERR_INPUT);
    assert_true(exists("model/mine"));
    assert_false(exists(".model.nibble-partial"));
}

static void a_link_is_not_followed(void **state)
{
    (void)state;
    nb_staging staging;
    assert_int_equal(mkdir("precious", 0777), 0);
    assert_true(nb_scratch_put("precious/a", "a"));
    assert_int_equal(symlink("precious", ".model.nibble-partial"), 0);
    assert_int_not_equal(nb_staging_open(&staging, "model", false, NULL), NB_OK);
    assert_true(exists("precious/a"));
    static const char *const names[] = {"/", ".", "..", "sub/.."};
    for (size_t i = 0; i < NB_COUNT(names); i++)
        assert_int_equal(nb_staging_open(&staging, names[i], true, NULL), NB_ERR_INPUT);
}

int main(void)
{
#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, nb_scratch_enter, nb_scratch_leave)
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(what_is_published_is_all_there),        IN_SCRATCH(what_is_discarded_is_gone),
        IN_SCRATCH(a_lock_that_is_refused_leaves_nothing), IN_SCRATCH(a_dead_process_is_succeeded),
        IN_SCRATCH(a_living_process_is_left_alone),        IN_SCRATCH(only_models_are_replaced),
        IN_SCRATCH(one_that_appears_meanwhile_is_kept),    IN_SCRATCH(a_link_is_not_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
