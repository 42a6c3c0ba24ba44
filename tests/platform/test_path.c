// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "platform/path.h"

static void reasons_are_sorted_and_worded(void **state)
{
    (void)state;
    static const struct {
        int reason;
        nb_status status;
        const char *text;
    } cases[] = {
        {ENOENT, NB_ERR_INPUT, "cannot read a/b; expected a file, found none"},
        {ENOTDIR, NB_ERR_INPUT, "cannot read a/b; expected directories on the way to it, found a file"},
        {EISDIR, NB_ERR_INPUT, "cannot read a/b; expected a regular file, found a directory"},
        {EACCES, NB_ERR_INPUT, "cannot read a/b; expected permission, found none for this user"},
        {EROFS, NB_ERR_INPUT, "cannot read a/b; expected a place that can be written, found a read-only file system"},
        {ELOOP, NB_ERR_INPUT, "cannot read a/b; expected a file, found a loop of symbolic links"},
        {ENXIO, NB_ERR_INPUT, "cannot read a/b; expected a regular file, found a device or socket"},
        {EIO, NB_ERR_SYSTEM, "cannot read a/b: Input/output error"},
        {ENOSPC, NB_ERR_SYSTEM, "cannot read a/b: No space left on device"},
        {EMFILE, NB_ERR_SYSTEM, "cannot read a/b: Too many open files"},
        {ENOMEM, NB_ERR_SYSTEM, "cannot read a/b: Cannot allocate memory"},
    };
    for (size_t i = 0; i < NB_COUNT(cases); i++) {
        nb_error error = {0};
        assert_int_equal(nb_path_error("read", "a/b", cases[i].reason, &error), cases[i].status);
        assert_string_equal(error.text, cases[i].text);
        assert_int_equal(nb_path_error("write", "a/b", cases[i].reason, &error), NB_ERR_SYSTEM); // no input
    }
    nb_error error = {0};
    assert_int_equal(nb_path_error("write", "a/b", ENOENT, &error), NB_ERR_SYSTEM);
    assert_string_equal(error.text, "cannot write a/b; expected an existing directory for it, found none");
}

static void kinds_have_names(void **state)
{
    (void)state;
    static const struct {
        mode_t mode;
        const char *text;
    } cases[] = {
        {S_IFDIR | 0700, "cannot write x; expected a regular file, found a directory"},
        {S_IFIFO, "cannot write x; expected a regular file, found a FIFO"},
        {S_IFSOCK, "cannot write x; expected a regular file, found a socket"},
        {S_IFBLK, "cannot write x; expected a regular file, found a device"},
    };
    for (size_t i = 0; i < NB_COUNT(cases); i++) {
        nb_error error = {0};
        assert_int_equal(nb_path_kind_error("write", "x", cases[i].mode, &error), NB_ERR_SYSTEM);
        assert_string_equal(error.text, cases[i].text);
        assert_int_equal(nb_path_kind_error("read", "x", cases[i].mode, &error), NB_ERR_INPUT);
    }
}

static void long_paths_leave_room_for_the_reason(void **state)
{
    (void)state;
    char path[2000];
    nb_error error = {0};
    memset(path, 'd', sizeof path);
    strcpy(path + sizeof path - 12, "/model.json");
    nb_path_error("read", path, ENOENT, &error);
    assert_memory_equal(error.text, "cannot read ...ddd", 18);
    assert_non_null(strstr(error.text, "ddd/model.json; expected a file, found none"));
    assert_string_equal(nb_path_dots("short"), "");
    assert_string_equal(nb_path_tail("short"), "short");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reasons_are_sorted_and_worded),
        cmocka_unit_test(kinds_have_names),
        cmocka_unit_test(long_paths_leave_room_for_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
