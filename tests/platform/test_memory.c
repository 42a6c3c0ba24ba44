// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <cmocka.h>

#include "platform/memory.h"
#include "tests/support/scratch.h"

static const uint64_t MIB = 1 << 20;

// The root of the tests is the current folder: paths begin with "./proc", "./sys".
static void put(const char *path, const char *text)
{
    assert_true(nb_scratch_put(path, text));
}

static void put_meminfo(void) // 16 GiB, of which 12 are available
{
    put("./proc/meminfo",
        "MemTotal:       16777216 kB\nMemFree:         1048576 kB\nMemAvailable:   12582912 kB\n"
        "Buffers:            1024 kB\nCached:          8388608 kB\nSwapCached:         2048 kB\nHugepagesize:       "
        "2048 kB\n");
}

static void check(uint64_t total_mib, uint64_t available_mib)
{
    nb_memory memory;
    nb_memory_probe_under(&memory, ".");
    assert_int_equal(memory.total_bytes, total_mib * MIB);
    assert_int_equal(memory.available_bytes, available_mib * MIB);
}

static void meminfo_is_read(void **state)
{
    (void)state;
    nb_memory memory;
    put_meminfo();
    nb_memory_probe_under(&memory, ".");
    assert_int_equal(memory.total_bytes, 16384 * MIB);
    assert_int_equal(memory.available_bytes, 12288 * MIB);
    assert_int_equal(memory.cached_bytes, 8192 * MIB);
    assert_int_equal(memory.huge_page_bytes, 2 * MIB);
    assert_int_equal(memory.page_bytes, sysconf(_SC_PAGESIZE));
    assert_int_equal(memory.floor_bytes, 16384 * MIB / 100 * 3);
    assert_int_equal(nb_memory_takeable(&memory), 12288 * MIB - 16384 * MIB / 100 * 3);
}

static void the_floor_has_a_floor(void **state)
{
    (void)state;
    nb_memory memory;
    put("./proc/meminfo", "MemTotal: 1048576 kB\nMemAvailable: 131072 kB\n");
    nb_memory_probe_under(&memory, ".");
    assert_int_equal(memory.floor_bytes, 256 * MIB);
    assert_int_equal(nb_memory_takeable(&memory), 0);
}

static void group_limits_count_v2(void **state)
{
    (void)state;
    put_meminfo();
    put("./proc/self/cgroup", "0::/outer/inner\n");
    put("./sys/fs/cgroup/outer/inner/memory.max", "max\n");
    put("./sys/fs/cgroup/outer/inner/memory.current", "1048576\n");
    check(16384, 12288);
    put("./sys/fs/cgroup/outer/memory.max", "4294967296\n");
    put("./sys/fs/cgroup/outer/memory.current", "3221225472\n"); // 3 GiB, of which 2 are droppable cache
    put("./sys/fs/cgroup/outer/memory.stat", "anon 1073741824\nfile 2147483648\ninactive_file 2147483648\n");
    check(4096, 3072);
    put("./sys/fs/cgroup/outer/inner/memory.max", "1073741824\n");
    check(1024, 1023);
}

static void group_limits_count_in_a_container(void **state)
{
    (void)state;
    put_meminfo();
    put("./proc/self/cgroup", "0::/\n");
    put("./sys/fs/cgroup/memory.max", "2147483648\n");
    put("./sys/fs/cgroup/memory.current", "3221225472\n"); // over its limit: nothing is left
    check(2048, 0);
}

static void group_limits_count_v1(void **state)
{
    (void)state;
    put_meminfo();
    put("./proc/self/cgroup", "12:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n1:name=systemd:/docker/abc\n");
    // Inside a container the host's folder name leads nowhere; the mount itself is the group.
    put("./sys/fs/cgroup/memory/memory.limit_in_bytes", "2147483648\n");
    put("./sys/fs/cgroup/memory/memory.usage_in_bytes", "1073741824\n");
    put("./sys/fs/cgroup/memory/memory.stat", "cache 1\ntotal_inactive_file 536870912\n");
    check(2048, 1536);
    put("./sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"); // version 1's "no limit"
    check(16384, 12288);
}

static void nonsense_is_survived(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "\n", ":", "::", "0::", "0::/\n0::/", "x\0", "memory:/", "4:memory:"};
    check(0, 0); // nothing there at all
    put_meminfo();
    for (size_t i = 0; i < NB_COUNT(texts); i++) {
        put("./proc/self/cgroup", texts[i]);
        check(16384, 12288);
    }
    put("./proc/meminfo", "MemTotal: lots\nMemAvailable\nCached");
    check(0, 0);
}

static void this_machine_makes_sense(void **state)
{
    (void)state;
    nb_memory memory;
    struct sysinfo info;
    assert_int_equal(sysinfo(&info), 0);
    nb_memory_probe(&memory);
    assert_true(memory.total_bytes > 0 && memory.total_bytes <= (uint64_t)info.totalram * info.mem_unit);
    assert_true(memory.available_bytes > 0 && memory.available_bytes <= memory.total_bytes);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, nb_scratch_enter, nb_scratch_leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(meminfo_is_read),
        IN_FOLDER(the_floor_has_a_floor),
        IN_FOLDER(group_limits_count_v2),
        IN_FOLDER(group_limits_count_in_a_container),
        IN_FOLDER(group_limits_count_v1),
        IN_FOLDER(nonsense_is_survived),
        cmocka_unit_test(this_machine_makes_sense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
