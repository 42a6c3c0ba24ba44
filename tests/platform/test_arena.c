// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "platform/arena.h"
#include "tests/support/faults.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif
#ifdef HAS_ASAN
#include <sanitizer/asan_interface.h>
#endif

typedef struct buffers {
    uint8_t *a, *b, *c, *d;
} buffers;

// The one description that is counted and placed.
static buffers describe(nb_arena *arena)
{
    buffers b;
    b.a = nb_arena_take(arena, 1, 1);
    b.b = nb_arena_take(arena, 100000, 64);
    b.c = nb_arena_take(arena, 0, 256);
    b.d = nb_arena_take(arena, 65, NB_ARENA_MAX_ALIGNMENT);
    return b;
}

static void check_buffer(uint8_t *data, size_t bytes, size_t alignment)
{
    assert_non_null(data);
    assert_int_equal((uintptr_t)data % alignment, 0);
    for (size_t i = 0; i < bytes; i++)
        assert_int_equal(data[i], 0);
    memset(data, 0xa5, bytes);
}

static void plan_place_seal(void **state)
{
    (void)state;
    nb_arena arena;
    nb_arena_init(&arena, NB_MEMORY_SCRATCH);
    buffers b = describe(&arena);
    assert_true(!b.a && !b.b && !b.c && !b.d);
    size_t counted = arena.counted_bytes;
    assert_true(counted >= 100000 + 65 && counted < 100000 + 65 + 3 * NB_ARENA_MAX_ALIGNMENT);
    nb_counters before = nb_counters_read();
    assert_int_equal(nb_arena_place(&arena, NULL), NB_OK);
    assert_int_equal(nb_counters_since(&before, NB_FAULT_MMAP), 1);
    b = describe(&arena);
    check_buffer(b.a, 1, NB_ARENA_MIN_ALIGNMENT);
    check_buffer(b.b, 100000, NB_ARENA_MIN_ALIGNMENT);
    check_buffer(b.c, 0, 256);
    check_buffer(b.d, 65, NB_ARENA_MAX_ALIGNMENT); // still zero: the others' writes did not touch it
    assert_int_equal(arena.used_bytes, counted);
    assert_int_equal(nb_counters_since(&before, NB_FAULT_MMAP) + nb_counters_since(&before, NB_FAULT_MALLOC), 1);
    nb_arena_seal(&arena);
    assert_int_equal(b.b[99999], 0xa5);
    nb_arena_release(&arena);
    nb_arena_release(&arena);
    assert_null(arena.base);
    assert_int_equal(arena.counted_bytes, 0);
}

static void sums_saturate(void **state)
{
    (void)state;
    static const size_t sizes[][2] = {
        {SIZE_MAX, 1}, {SIZE_MAX - 62, 1}, {SIZE_MAX / 2, SIZE_MAX / 2 + 1}, {SIZE_MAX - 200, 300}};
    for (size_t i = 0; i < NB_COUNT(sizes); i++) {
        nb_arena arena;
        nb_error error = {0};
        nb_arena_init(&arena, NB_MEMORY_CACHE);
        nb_arena_take(&arena, sizes[i][0], 64);
        nb_arena_take(&arena, sizes[i][1], 64);
        assert_true(arena.counted_bytes == SIZE_MAX);
        nb_arena_take(&arena, 1, 4096);
        assert_true(arena.counted_bytes == SIZE_MAX);
        assert_int_equal(nb_arena_place(&arena, &error), NB_ERR_FIT);
        assert_string_equal(error.text, "the plan for cache memory is larger than the address space");
        assert_null(arena.base);
    }
    assert_true(nb_size_product(SIZE_MAX / 2, 3) == SIZE_MAX);
    assert_int_equal(nb_size_product(12, 12), 144);
    assert_true(nb_size_sum(SIZE_MAX - 3, 4) == SIZE_MAX);
    assert_int_equal(nb_size_sum(12, 12), 24);
}

static void place_can_fail(void **state)
{
    (void)state;
    nb_arena arena;
    nb_error error = {0};
    nb_arena_init(&arena, NB_MEMORY_WEIGHTS);
    nb_arena_take(&arena, 1000000, 64);
    nb_faults_fail_at(NB_FAULT_MMAP, 1);
    assert_int_equal(nb_arena_place(&arena, &error), NB_ERR_FIT);
    assert_true(nb_faults_reset());
    assert_non_null(strstr(error.text, "of weights memory: Cannot allocate memory"));
    assert_int_equal(arena.phase, NB_ARENA_COUNTING);
    assert_int_equal(nb_arena_place(&arena, NULL), NB_OK); // and may be tried again
    nb_arena_release(&arena);
}

static void an_empty_plan_is_fine(void **state)
{
    (void)state;
    nb_arena arena;
    nb_arena_init(&arena, NB_MEMORY_HOST);
    assert_int_equal(nb_arena_place(&arena, NULL), NB_OK);
    nb_arena_seal(&arena);
    nb_arena_release(&arena);
}

static void take_when_sealed(void)
{
    nb_arena arena;
    nb_arena_init(&arena, NB_MEMORY_HOST);
    nb_arena_take(&arena, 64, 64);
    if (nb_arena_place(&arena, NULL) != NB_OK)
        return;
    nb_arena_seal(&arena);
    nb_arena_take(&arena, 1, 64);
}

static void take_more_than_counted(void)
{
    nb_arena arena;
    nb_arena_init(&arena, NB_MEMORY_HOST);
    nb_arena_take(&arena, 64, 64);
    if (nb_arena_place(&arena, NULL) != NB_OK)
        return;
    nb_arena_take(&arena, 64, 64);
    nb_arena_take(&arena, 1, 64);
}

static void place_twice(void)
{
    nb_arena arena;
    nb_arena_init(&arena, NB_MEMORY_HOST);
    if (nb_arena_place(&arena, NULL) != NB_OK || nb_arena_place(&arena, NULL) != NB_OK)
        return;
}

static void odd_alignment(void)
{
    nb_arena arena;
    nb_arena_init(&arena, NB_MEMORY_HOST);
    nb_arena_take(&arena, 64, 96);
}

// Runs `broken` in a child, which must die of an assertion.
static void check_dies(void (*broken)(void))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        close(2);
        broken();
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void broken_promises_end_the_process(void **state)
{
    (void)state;
    check_dies(take_when_sealed);
    check_dies(take_more_than_counted);
    check_dies(place_twice);
    check_dies(odd_alignment);
}

#ifdef HAS_ASAN
static void red_zones_surround_buffers(void **state)
{
    (void)state;
    nb_arena arena;
    nb_arena_init(&arena, NB_MEMORY_SCRATCH);
    (void)describe(&arena);
    assert_int_equal(nb_arena_place(&arena, NULL), NB_OK);
    buffers b = describe(&arena);
    assert_false(__asan_address_is_poisoned(b.b));
    assert_false(__asan_address_is_poisoned(b.b + 99999));
    assert_true(__asan_address_is_poisoned(b.a + 1));
    assert_true(__asan_address_is_poisoned(b.b - 1));
    assert_true(__asan_address_is_poisoned(b.b + 100000));
    assert_true(__asan_address_is_poisoned(b.d + 65));
    uint8_t *data = b.b;
    nb_arena_release(&arena);
    assert_false(__asan_address_is_poisoned(data)); // whoever gets the addresses next finds them clean
}
#endif

static void classes_have_names(void **state)
{
    (void)state;
    assert_string_equal(nb_memory_class_name(NB_MEMORY_WEIGHTS), "weights");
    assert_string_equal(nb_memory_class_name(NB_MEMORY_EXCHANGE), "exchange");
    assert_string_equal(nb_memory_class_name(NB_MEMORY_N_CLASSES), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plan_place_seal),
        cmocka_unit_test(sums_saturate),
        cmocka_unit_test(place_can_fail),
        cmocka_unit_test(an_empty_plan_is_fine),
        cmocka_unit_test(broken_promises_end_the_process),
#ifdef HAS_ASAN
        cmocka_unit_test(red_zones_surround_buffers),
#endif
        cmocka_unit_test(classes_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
