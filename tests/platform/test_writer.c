// SPDX-License-Identifier: Apache-2.0
// The writer of platform/file.h: all or nothing, whatever fails.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "platform/file.h"
#include "tests/support/faults.h"
#include "tests/support/scratch.h"

static int count_entries(void)
{
    int n = 0;
    DIR *folder = opendir(".");
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));)
        n += entry->d_name[0] != '.';
    closedir(folder);
    return n;
}

// The only file is `path` and holds `text`; NULL: the folder is empty.
static void check_folder(const char *path, const char *text)
{
    assert_int_equal(count_entries(), text ? 1 : 0);
    if (!text)
        return;
    char *data;
    size_t bytes;
    assert_int_equal(nb_file_read(path, 1000, &data, &bytes, NULL), NB_OK);
    assert_string_equal(data, text);
    free(data);
}

static nb_status write_text(const char *path, const char *text, nb_error *error)
{
    nb_writer writer;
    NB_TRY(nb_writer_open(&writer, path, error));
    size_t half = strlen(text) / 2;
    nb_status status = nb_writer_write(&writer, text, half, error);
    if (status == NB_OK)
        status = nb_writer_write(&writer, text + half, strlen(text) - half, error);
    if (status == NB_OK)
        status = nb_writer_commit(&writer, error);
    nb_writer_abort(&writer);
    return status;
}

static void files_are_created_and_replaced(void **state)
{
    (void)state;
    mode_t mask = umask(027);
    assert_int_equal(write_text("f", "first", NULL), NB_OK);
    umask(mask);
    check_folder("f", "first");
    struct stat info;
    assert_int_equal(stat("f", &info), 0);
    assert_int_equal(info.st_mode & 07777, 0640);
    assert_int_equal(write_text("f", "second, longer", NULL), NB_OK);
    check_folder("f", "second, longer");
    assert_int_equal(write_text("./f", "", NULL), NB_OK);
    check_folder("f", "");
}

static void nothing_shows_before_commit(void **state)
{
    (void)state;
    nb_writer writer;
    assert_int_equal(write_text("f", "old", NULL), NB_OK);
    assert_int_equal(nb_writer_open(&writer, "f", NULL), NB_OK);
    assert_int_equal(nb_writer_write(&writer, "new", 3, NULL), NB_OK);
    assert_int_equal(count_entries(), 2);
    char text[8];
    nb_file_read_head("f", text, sizeof text);
    assert_string_equal(text, "old");
    nb_writer_abort(&writer);
    nb_writer_abort(&writer);
    check_folder("f", "old");
}

static void two_writers_do_not_meet(void **state)
{
    (void)state;
    nb_writer a, b;
    assert_int_equal(nb_writer_open(&a, "f", NULL), NB_OK);
    assert_int_equal(nb_writer_open(&b, "f", NULL), NB_OK);
    assert_int_equal(nb_writer_write(&a, "aaaa", 4, NULL), NB_OK);
    assert_int_equal(nb_writer_write(&b, "bb", 2, NULL), NB_OK);
    assert_int_equal(nb_writer_commit(&b, NULL), NB_OK);
    assert_int_equal(nb_writer_commit(&a, NULL), NB_OK);
    check_folder("f", "aaaa");
}

static void bad_targets_are_refused_at_once(void **state)
{
    (void)state;
    char path[NB_WRITER_PATH_BYTES + 10];
    memset(path, 'n', sizeof path);
    path[sizeof path - 1] = '\0';
    assert_int_equal(mkdir("folder", 0700), 0);
    const struct {
        const char *path, *text;
    } cases[] = {
        {"folder", "cannot write folder; expected a regular file, found a directory"},
        {"/dev/null", "cannot write /dev/null; expected a regular file, found a device"},
        {"missing/f", "cannot write missing/f; expected an existing directory for it, found none"},
        {path, "expected a shorter path"},
        {path + 8, "expected a shorter path"}, // fits, but the temporary name does not
    };
    for (size_t i = 0; i < NB_COUNT(cases); i++) {
        nb_error error = {0};
        nb_writer writer;
        assert_int_equal(nb_writer_open(&writer, cases[i].path, &error), NB_ERR_SYSTEM);
        if (!strstr(error.text, cases[i].text))
            fail_msg("found \"%s\"", error.text);
        nb_writer_abort(&writer);
    }
    assert_int_equal(count_entries(), 1);
}

static void every_failing_call_leaves_the_old_file(void **state)
{
    (void)state;
    static const nb_fault kinds[] = {NB_FAULT_OPEN, NB_FAULT_WRITE, NB_FAULT_FSYNC, NB_FAULT_RENAME};
    static const uint64_t n_expected[] = {2, 2, 2, 1}; // file and folder are opened and synced
    int fd = dup(0);
    close(fd);
    for (size_t k = 0; k < NB_COUNT(kinds); k++) {
        uint64_t n = 1;
        for (;; n++) {
            nb_error error = {0};
            assert_int_equal(write_text("f", "old", NULL), NB_OK);
            nb_faults_fail_at(kinds[k], n);
            nb_status status = write_text("f", "new", &error);
            if (!nb_faults_reset())
                break;
            assert_int_equal(status, NB_ERR_SYSTEM);
            bool is_moved = n == 2 && (kinds[k] == NB_FAULT_OPEN || kinds[k] == NB_FAULT_FSYNC);
            check_folder("f", is_moved ? "new" : "old");
            assert_non_null(strstr(error.text, is_moved ? "f is written, but may not survive" : "cannot write f: "));
            int fd_now = dup(0);
            close(fd_now);
            assert_int_equal(fd_now, fd);
        }
        check_folder("f", "new");
        assert_int_equal(n - 1, n_expected[k]);
    }
}

static void interrupted_and_short_writes_go_on(void **state)
{
    (void)state;
    nb_faults_shorten(3);
    nb_faults_fail_with(NB_FAULT_WRITE, 2, EINTR);
    assert_int_equal(write_text("f", "0123456789", NULL), NB_OK);
    assert_true(nb_faults_reset());
    check_folder("f", "0123456789");
}

static void a_failed_writer_stays_failed(void **state)
{
    (void)state;
    nb_writer writer;
    nb_error error = {0};
    assert_int_equal(nb_writer_open(&writer, "f", NULL), NB_OK);
    nb_faults_fail_at(NB_FAULT_WRITE, 1);
    assert_int_equal(nb_writer_write(&writer, "text", 4, &error), NB_ERR_SYSTEM);
    assert_true(nb_faults_reset());
    assert_string_equal(error.text, "cannot write f: No space left on device");
    assert_int_equal(nb_writer_write(&writer, "text", 4, NULL), NB_ERR_SYSTEM);
    assert_int_equal(nb_writer_commit(&writer, NULL), NB_ERR_SYSTEM);
    check_folder(NULL, NULL);
}

// A real limit of the system, not an injected one: half of the write goes through, the rest does not.
static void a_full_disk_leaves_the_old_file(void **state)
{
    (void)state;
    nb_error error = {0};
    char text[200];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(write_text("f", "old", NULL), NB_OK);
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 50;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    nb_status status = write_text("f", text, &error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(status, NB_ERR_SYSTEM);
    assert_string_equal(error.text, "cannot write f: File too large");
    check_folder("f", "old");
}

static void leftovers_of_others_do_not_disturb(void **state)
{
    (void)state;
    nb_writer first, second;
    assert_int_equal(nb_writer_open(&first, "f", NULL), NB_OK); // its temporary file plays the leftover
    assert_int_equal(nb_writer_open(&second, "f", NULL), NB_OK);
    assert_string_not_equal(first.temp_path, second.temp_path);
    nb_writer_abort(&second);
    assert_true(nb_file_exists(first.temp_path));
    nb_writer_abort(&first);
    check_folder(NULL, NULL);
    nb_writer_abort(&(nb_writer){0});
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, nb_scratch_enter, nb_scratch_leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(files_are_created_and_replaced),
        IN_FOLDER(nothing_shows_before_commit),
        IN_FOLDER(two_writers_do_not_meet),
        IN_FOLDER(bad_targets_are_refused_at_once),
        IN_FOLDER(every_failing_call_leaves_the_old_file),
        IN_FOLDER(interrupted_and_short_writes_go_on),
        IN_FOLDER(a_failed_writer_stays_failed),
        IN_FOLDER(a_full_disk_leaves_the_old_file),
        IN_FOLDER(leftovers_of_others_do_not_disturb),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
