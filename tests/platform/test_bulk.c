// SPDX-License-Identifier: Apache-2.0
// Ranges of a file arrive whole, wherever they begin and end, by direct and by buffered reads; failures are reported.
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "platform/bulk.h"
#include "tests/support/faults.h"
#include "tests/support/scratch.h"

enum { FILE_BYTES = (5 << 20) + 12345 };

static uint8_t *make_file(const char *path)
{
    uint8_t *data = malloc(FILE_BYTES);
    FILE *file = fopen(path, "w");
    assert_true(data && file);
    for (uint32_t i = 0; i < FILE_BYTES; i++)
        data[i] = (uint8_t)(i * 2654435761u >> 24);
    assert_int_equal(fwrite(data, 1, FILE_BYTES, file), FILE_BYTES);
    assert_true(fflush(file) == 0 && fsync(fileno(file)) == 0);
    assert_int_equal(fclose(file), 0);
    return data;
}

// The page cache holds the file, or forgets it (not on a file system that lives there).
static void set_cache(const char *path, bool is_warm)
{
    char block[4096];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    if (!is_warm)
        assert_int_equal(posix_fadvise(fileno(file), 0, 0, POSIX_FADV_DONTNEED), 0);
    while (is_warm && fread(block, sizeof block, 1, file) == 1)
        ;
    fclose(file);
}

typedef struct seen {
    uint64_t done;
} seen;

static void on_progress(void *user, uint64_t done)
{
    seen *s = user;
    assert_true(done > s->done);
    s->done = done;
}

static const nb_range places[] = {{1, 1, NULL},
                                  {4095, 2, NULL},
                                  {5000, 0, NULL},
                                  {8192, 4096, NULL},
                                  {(1 << 20) - 3, 7, NULL},
                                  {(1 << 20) + 4, 3 << 20, NULL},
                                  {FILE_BYTES - 9, 9, NULL}};

static nb_status read_places(const char *path, const uint8_t *expected, nb_error *error)
{
    nb_map map;
    nb_range ranges[NB_COUNT(places)];
    uint64_t total = 0;
    seen s = {0};
    assert_int_equal(nb_map_open(&map, path, NULL), NB_OK);
    for (size_t i = 0; i < NB_COUNT(places); i++) {
        ranges[i] = places[i];
        ranges[i].dst = malloc(places[i].bytes + 1);
        ranges[i].dst[places[i].bytes] = 0xa5; // nothing is written behind a range
        total += places[i].bytes;
    }
    nb_status status = nb_bulk_read(&map, path, ranges, NB_COUNT(ranges), on_progress, &s, error);
    for (size_t i = 0; i < NB_COUNT(places); i++) {
        if (status == NB_OK)
            assert_memory_equal(ranges[i].dst, expected + places[i].begin, places[i].bytes);
        assert_int_equal(ranges[i].dst[places[i].bytes], 0xa5);
        free(ranges[i].dst);
    }
    if (status == NB_OK)
        assert_int_equal(s.done, total);
    nb_map_close(&map);
    return status;
}

static void read_in_every_way(const uint8_t *data, bool is_warm)
{
    set_cache("f", is_warm);
    assert_int_equal(read_places("f", data, NULL), NB_OK);
    set_cache("f", is_warm);
    nb_faults_fail_with(NB_FAULT_OPEN, 3, EINVAL); // the map, the buffered one, then the direct one: none here
    assert_int_equal(read_places("f", data, NULL), NB_OK);
    assert_true(nb_faults_reset());
    static const size_t shortest[] = {4096 * 3, 1000}; // such as direct reads can go on from, and others
    for (size_t i = 0; i < NB_COUNT(shortest); i++) {
        set_cache("f", is_warm);
        nb_faults_shorten(shortest[i]);
        assert_int_equal(read_places("f", data, NULL), NB_OK);
    }
    set_cache("f", is_warm);
    nb_faults_fail_with(NB_FAULT_READ, 2, EINTR);
    assert_int_equal(read_places("f", data, NULL), NB_OK);
    (void)nb_faults_reset();
    static const int refusals[] = {EAGAIN, EOPNOTSUPP, ENOSYS, EINVAL}; // of a read that would wait
    for (size_t i = 0; i < NB_COUNT(refusals); i++) {
        set_cache("f", is_warm);
        nb_faults_fail_with(NB_FAULT_READ, 1, refusals[i]);
        assert_int_equal(read_places("f", data, NULL), NB_OK);
        assert_true(nb_faults_reset());
    }
}

static void ranges_arrive_whole(void **state)
{
    (void)state;
    uint8_t *data = make_file("f");
    read_in_every_way(data, false);
    read_in_every_way(data, true);
    free(data);
}

static void failures_are_reported(void **state)
{
    (void)state;
    uint8_t *data = make_file("f");
    nb_error error = {0};
    for (uint64_t n = 1; n <= 3; n++) {
        error = (nb_error){0};
        nb_faults_fail_at(NB_FAULT_READ, n);
        assert_int_equal(read_places("f", data, &error), NB_ERR_SYSTEM);
        assert_true(nb_faults_reset());
        assert_non_null(strstr(error.text, "f"));
    }
    nb_faults_fail_at(NB_FAULT_THREAD, 1); // one thread does it as well
    assert_int_equal(read_places("f", data, NULL), NB_OK);
    assert_true(nb_faults_reset());
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ranges_arrive_whole, nb_scratch_enter, nb_scratch_leave),
        cmocka_unit_test_setup_teardown(failures_are_reported, nb_scratch_enter, nb_scratch_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
