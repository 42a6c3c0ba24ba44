// SPDX-License-Identifier: Apache-2.0
// Maps and reads. The writer is in test_writer.c.
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "platform/file.h"
#include "tests/support/faults.h"
#include "tests/support/scratch.h"

static void put(const char *path, const void *data, size_t bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, bytes), (ssize_t)bytes);
    close(fd);
}

// Descriptors in use: a failed operation must not leave one behind.
static int lowest_free_fd(void)
{
    int fd = dup(0);
    close(fd);
    return fd;
}

static void map_shows_the_bytes(void **state)
{
    (void)state;
    nb_map map;
    put("f", "0123456789", 10);
    assert_int_equal(nb_map_open(&map, "f", NULL), NB_OK);
    assert_int_equal(map.bytes, 10);
    assert_memory_equal(map.data, "0123456789", 10);
    assert_int_equal(nb_map_check(&map, "f", NULL), NB_OK);
    nb_map_close(&map);
    nb_map_close(&map);
}

static void an_empty_file_is_an_empty_map(void **state)
{
    (void)state;
    nb_map map;
    const uint8_t *view = NULL;
    put("empty", "", 0);
    assert_int_equal(nb_map_open(&map, "empty", NULL), NB_OK);
    assert_null(map.data);
    assert_int_equal(map.bytes, 0);
    assert_true(nb_map_view(&map, 0, 0, &view));
    assert_false(nb_map_view(&map, 0, 1, &view));
    nb_map_close(&map);
}

static void views_stay_inside(void **state)
{
    (void)state;
    nb_map map;
    put("f", "0123456789", 10);
    assert_int_equal(nb_map_open(&map, "f", NULL), NB_OK);
    static const struct {
        uint64_t begin, bytes;
        bool is_inside;
    } cases[] = {
        {0, 10, true},
        {0, 0, true},
        {10, 0, true},
        {9, 1, true},
        {0, 11, false},
        {10, 1, false},
        {11, 0, false},
        {1, 10, false},
        {UINT64_MAX, 0, false},
        {UINT64_MAX, 1, false},
        {1, UINT64_MAX, false},
        {5, UINT64_MAX - 4, false},
        {UINT64_MAX - 9, 10, false},
        {0, UINT64_MAX, false},
    };
    for (size_t i = 0; i < NB_COUNT(cases); i++) {
        const uint8_t *view = (const uint8_t *)"untouched";
        bool is_inside = nb_map_view(&map, cases[i].begin, cases[i].bytes, &view);
        assert_int_equal(is_inside, cases[i].is_inside);
        if (is_inside)
            assert_ptr_equal(view, map.data + cases[i].begin);
        else
            assert_string_equal((const char *)view, "untouched");
    }
    nb_map_close(&map);
}

static void a_changed_file_is_noticed(void **state)
{
    (void)state;
    nb_map map;
    nb_error error = {0};
    put("f", "0123456789", 10);
    assert_int_equal(nb_map_open(&map, "f", NULL), NB_OK);
    assert_int_equal(truncate("f", 4), 0);
    assert_int_equal(nb_map_check(&map, "f", &error), NB_ERR_INPUT);
    assert_string_equal(error.text, "f was changed while in use; expected 10 bytes, found 4");
    nb_map_close(&map);
}

// Everything that opens a file for reading says the same about a path that leads to none.
static nb_status read_by_map(const char *path, nb_error *error)
{
    nb_map map;
    nb_status status = nb_map_open(&map, path, error);
    nb_map_close(&map);
    return status;
}

static nb_status read_whole(const char *path, nb_error *error)
{
    char *data = (char *)1;
    size_t bytes = 1;
    nb_status status = nb_file_read(path, 100, &data, &bytes, error);
    if (status != NB_OK)
        assert_true(data == NULL && bytes == 0);
    free(data);
    return status;
}

static nb_status (*const readers[])(const char *, nb_error *) = {read_by_map, read_whole};

static void only_regular_files_are_read(void **state)
{
    (void)state;
    char long_path[600];
    memset(long_path, 'n', sizeof long_path);
    long_path[sizeof long_path - 1] = '\0';
    put("f", "text", 4);
    assert_int_equal(mkdir("folder", 0700), 0);
    assert_int_equal(mkfifo("fifo", 0600), 0);
    assert_int_equal(symlink("loop", "loop"), 0);
    assert_int_equal(symlink("nowhere", "dangling"), 0);
    const struct {
        const char *path, *text;
    } cases[] = {
        {"folder", "cannot read folder; expected a regular file, found a directory"},
        {"fifo", "cannot read fifo; expected a regular file, found a FIFO"},
        {"/dev/null", "cannot read /dev/null; expected a regular file, found a device"},
        {"missing", "cannot read missing; expected a file, found none"},
        {"dangling", "cannot read dangling; expected a file, found none"},
        {"", "cannot read ; expected a file, found none"},
        {"loop", "cannot read loop; expected a file, found a loop of symbolic links"},
        {"f/x", "cannot read f/x; expected directories on the way to it, found a file"},
        {long_path, "nnn; expected a shorter path, found one that the file system does not take"},
    };
    int fd = lowest_free_fd();
    for (size_t i = 0; i < NB_COUNT(cases); i++)
        for (size_t j = 0; j < NB_COUNT(readers); j++) {
            nb_error error = {0};
            assert_int_equal(readers[j](cases[i].path, &error), NB_ERR_INPUT);
            if (!strstr(error.text, cases[i].text))
                fail_msg("found \"%s\"", error.text);
        }
    assert_int_equal(lowest_free_fd(), fd);
}

static void permission_is_asked_of_the_system(void **state)
{
    (void)state;
    put("f", "text", 4);
    for (size_t j = 0; j < NB_COUNT(readers); j++) { // injected, since a test run as root may read anything
        nb_error error = {0};
        nb_faults_fail_with(NB_FAULT_OPEN, 1, EACCES);
        assert_int_equal(readers[j]("f", &error), NB_ERR_INPUT);
        assert_true(nb_faults_reset());
        assert_string_equal(error.text, "cannot read f; expected permission, found none for this user");
    }
}

static void every_failing_call_is_reported(void **state)
{
    (void)state;
    put("f", "text", 4);
    int fd = lowest_free_fd();
    static const nb_fault kinds[] = {NB_FAULT_MALLOC, NB_FAULT_MMAP, NB_FAULT_OPEN, NB_FAULT_STAT, NB_FAULT_READ};
    static const uint64_t n_expected[NB_COUNT(readers)][NB_COUNT(kinds)] = {{0, 1, 1, 1, 0}, {1, 0, 1, 1, 1}};
    for (size_t j = 0; j < NB_COUNT(readers); j++)
        for (size_t k = 0; k < NB_COUNT(kinds); k++) {
            uint64_t n = 1;
            for (;; n++) {
                nb_error error = {0};
                nb_faults_fail_at(kinds[k], n);
                nb_status status = readers[j]("f", &error);
                if (!nb_faults_reset()) {
                    assert_int_equal(status, NB_OK);
                    break;
                }
                assert_int_equal(status, NB_ERR_SYSTEM);
                assert_non_null(strstr(error.text, " f: "));
                assert_int_equal(lowest_free_fd(), fd);
            }
            assert_int_equal(n - 1, n_expected[j][k]);
        }
}

static void whole_files_are_read(void **state)
{
    (void)state;
    char *data;
    size_t bytes;
    nb_error error = {0};
    put("f",
        "01234\0"
        "6789",
        10);
    assert_int_equal(nb_file_read("f", 10, &data, &bytes, NULL), NB_OK);
    assert_int_equal(bytes, 10);
    assert_memory_equal(data,
                        "01234\0"
                        "6789\0",
                        11);
    free(data);
    assert_int_equal(nb_file_read("f", 9, &data, &bytes, &error), NB_ERR_INPUT);
    assert_string_equal(error.text, "f is too large; expected at most 9 bytes, found 10");
    put("f", "", 0);
    assert_int_equal(nb_file_read("f", 0, &data, &bytes, NULL), NB_OK);
    assert_int_equal(bytes, 0);
    assert_string_equal(data, "");
    free(data);
}

static void interrupted_and_short_reads_go_on(void **state)
{
    (void)state;
    char *data;
    size_t bytes;
    put("f", "0123456789", 10);
    nb_faults_shorten(3);
    nb_faults_fail_with(NB_FAULT_READ, 2, EINTR);
    assert_int_equal(nb_file_read("f", 10, &data, &bytes, NULL), NB_OK);
    assert_true(nb_faults_reset());
    assert_string_equal(data, "0123456789");
    free(data);
}

static void heads_are_read_from_anything(void **state)
{
    (void)state;
    char text[8];
    put("f", "0123456789", 10);
    assert_int_equal(nb_file_read_head("f", text, sizeof text), 7);
    assert_string_equal(text, "0123456");
    assert_int_equal(nb_file_read_head("missing", text, sizeof text), 0);
    assert_string_equal(text, "");
    nb_faults_shorten(2);
    nb_faults_fail_with(NB_FAULT_READ, 2, EINTR);
    assert_int_equal(nb_file_read_head("f", text, 6), 5);
    assert_string_equal(text, "01234");
    assert_true(nb_faults_reset());
    assert_true(nb_file_read_head("/proc/self/stat", text, sizeof text) > 0); // says it has 0 bytes
}

static void existence(void **state)
{
    (void)state;
    put("f", "", 0);
    assert_int_equal(symlink("nowhere", "dangling"), 0);
    assert_true(nb_file_exists("f"));
    assert_true(nb_file_exists("."));
    assert_false(nb_file_exists("missing"));
    assert_false(nb_file_exists("dangling"));
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, nb_scratch_enter, nb_scratch_leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(map_shows_the_bytes),
        IN_FOLDER(an_empty_file_is_an_empty_map),
        IN_FOLDER(views_stay_inside),
        IN_FOLDER(a_changed_file_is_noticed),
        IN_FOLDER(only_regular_files_are_read),
        IN_FOLDER(permission_is_asked_of_the_system),
        IN_FOLDER(every_failing_call_is_reported),
        IN_FOLDER(whole_files_are_read),
        IN_FOLDER(interrupted_and_short_reads_go_on),
        IN_FOLDER(heads_are_read_from_anything),
        IN_FOLDER(existence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
