// SPDX-License-Identifier: Apache-2.0
// The fault injector itself: what it fails, what it lets through, and that it sees inside libraries.
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "tests/support/faults.h"

// Called through volatile pointers, since a compiler may leave out allocations it sees the end of.
static void *(*volatile get)(size_t) = malloc;
static void *(*volatile get_zeroed)(size_t, size_t) = calloc;
static void *(*volatile resize)(void *, size_t) = realloc;
static void *(*volatile get_aligned)(size_t, size_t) = aligned_alloc;

static void nth_allocation_fails_once(void **state)
{
    (void)state;
    nb_faults_fail_at(NB_FAULT_MALLOC, 2);
    for (int i = 1; i <= 4; i++) {
        void *data = i % 2 ? get(10) : get_zeroed(1, 10);
        assert_true((data == NULL) == (i == 2));
        free(data);
    }
    assert_true(nb_faults_reset());
    assert_false(nb_faults_reset());
}

static void every_allocator_is_seen(void **state)
{
    (void)state;
    nb_counters before = nb_counters_read();
    void *data = get_aligned(64, 128);
    assert_int_equal((uintptr_t)data % 64, 0);
    free(data);
    assert_int_equal(posix_memalign(&data, 256, 100), 0);
    assert_int_equal((uintptr_t)data % 256, 0);
    free(data);
    free(resize(get(10), 1000));
    free(get_zeroed(3, 3));
    assert_int_equal(nb_counters_since(&before, NB_FAULT_MALLOC), 5);
    nb_faults_fail_at(NB_FAULT_MALLOC, 1);
    assert_int_equal(posix_memalign(&data, 64, 100), ENOMEM);
    assert_true(nb_faults_reset());
}

static void shared_libraries_are_seen(void **state)
{
    (void)state;
    uint64_t n = 1;
    for (;; n++) {
        nb_faults_fail_at(NB_FAULT_MALLOC, n);
        json_t *json = json_loads("{\"a\": [1, 2.5, \"text\"]}", JSON_REJECT_DUPLICATES, NULL);
        bool fired = nb_faults_reset();
        assert_true(fired == (json == NULL));
        json_decref(json);
        if (!fired)
            break;
    }
    assert_true(n > 4); // the object, the array and three values at least
}

static void files_fail(void **state)
{
    (void)state;
    char byte;
    nb_faults_fail_at(NB_FAULT_OPEN, 1);
    assert_int_equal(open("/dev/zero", O_RDONLY), -1);
    assert_int_equal(errno, EMFILE);
    assert_true(nb_faults_reset());
    int fd = open("/dev/zero", O_RDONLY);
    assert_true(fd >= 0);
    nb_faults_fail_with(NB_FAULT_READ, 1, EINTR);
    assert_int_equal(read(fd, &byte, 1), -1);
    assert_int_equal(errno, EINTR);
    assert_int_equal(read(fd, &byte, 1), 1);
    assert_true(nb_faults_reset());
    char many[8];
    nb_faults_shorten(3);
    assert_int_equal(pread(fd, many, sizeof many, 0), 3);
    nb_faults_reset();
    assert_int_equal(pread(fd, many, sizeof many, 0), 8);
    close(fd);
    nb_faults_fail_at(NB_FAULT_MMAP, 1);
    assert_ptr_equal(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), MAP_FAILED);
    assert_int_equal(errno, ENOMEM);
    assert_true(nb_faults_reset());
    nb_faults_fail_at(NB_FAULT_OPEN, 1);
    assert_null(fopen("/dev/zero", "r"));
    assert_true(nb_faults_reset());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nth_allocation_fails_once),
        cmocka_unit_test(every_allocator_is_seen),
        cmocka_unit_test(shared_libraries_are_seen),
        cmocka_unit_test(files_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
