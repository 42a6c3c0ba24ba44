// SPDX-License-Identifier: Apache-2.0
// Against what the kernel and util-linux say about the same processor.
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "platform/cpu.h"

// The first line of a command's output without its newline; skips the test when there is none.
static void ask(const char *command, char *answer, int capacity)
{
    FILE *pipe = popen(command, "r");
    answer[0] = '\0';
    bool has_answer = pipe && fgets(answer, capacity, pipe);
    if (pipe)
        pclose(pipe);
    answer[strcspn(answer, "\n")] = '\0';
    if (!has_answer || answer[0] == '\0') {
        print_message("no answer from: %s\n", command);
        skip();
    }
}

static void flags_match_the_kernel(void **state)
{
    (void)state;
    static char flags[16384];
    nb_cpu cpu;
    nb_cpu_probe(&cpu);
    ask("grep -m1 -i -E '^(flags|features)' /proc/cpuinfo | sed 's/[^:]*://; s/$/ /'", flags, sizeof flags);
#if defined(__x86_64__)
    bool avx2 = strstr(flags, " avx2 ") && strstr(flags, " fma ") && strstr(flags, " f16c ");
    assert_int_equal(cpu.avx2, avx2);
    assert_int_equal(cpu.avx512_vnni, avx2 && strstr(flags, " avx512f ") && strstr(flags, " avx512bw ") &&
                                          strstr(flags, " avx512dq ") && strstr(flags, " avx512vl ") &&
                                          strstr(flags, " avx512_vnni "));
    assert_false(cpu.neon_dotprod || cpu.i8mm);
#elif defined(__aarch64__)
    assert_int_equal(cpu.neon_dotprod, strstr(flags, " asimddp ") != NULL);
    assert_int_equal(cpu.i8mm, strstr(flags, " asimddp ") && strstr(flags, " i8mm "));
    assert_false(cpu.avx2 || cpu.avx512_vnni);
#endif
}

static void name_matches_the_kernel(void **state)
{
    (void)state;
    char name[256];
    nb_cpu cpu;
    nb_cpu_probe(&cpu);
    ask("sed -n 's/^model name[[:space:]]*: *//p' /proc/cpuinfo | head -n 1", name, sizeof name);
    name[sizeof cpu.model - 1] = '\0';
    assert_string_equal(cpu.model, name);
}

static void cores_match_lscpu(void **state)
{
    (void)state;
    char text[64];
    nb_cpu cpu;
    nb_cpu_probe(&cpu);
    ask("nproc", text, sizeof text);
    assert_int_equal(cpu.n_threads, atoi(text));
    assert_true(cpu.n_cores >= 1 && cpu.n_cores <= cpu.n_threads);
    if (cpu.n_threads != (uint32_t)sysconf(_SC_NPROCESSORS_ONLN)) // lscpu counts the whole machine
        return;
    ask("lscpu -p=CORE,SOCKET | grep -v '^#' | sort -u | wc -l | sed '/^0$/d'", text, sizeof text);
    assert_int_equal(cpu.n_cores, atoi(text));
}

static void affinity_is_respected(void **state)
{
    (void)state;
    cpu_set_t before, one;
    nb_cpu cpu;
    if (sched_getaffinity(0, sizeof before, &before) != 0)
        skip();
    int first = 0;
    while (!CPU_ISSET(first, &before))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    nb_cpu_probe(&cpu);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    assert_int_equal(cpu.n_threads, 1);
    assert_int_equal(cpu.n_cores, 1);
}

static void caches_match_the_c_library(void **state)
{
    (void)state;
    nb_cpu cpu;
    nb_cpu_probe(&cpu);
    const struct {
        int name;
        size_t found;
    } levels[] = {{_SC_LEVEL1_DCACHE_SIZE, cpu.l1d_bytes},
                  {_SC_LEVEL2_CACHE_SIZE, cpu.l2_bytes},
                  {_SC_LEVEL3_CACHE_SIZE, cpu.l3_bytes}};
    for (size_t i = 0; i < NB_COUNT(levels); i++) {
        long expected = sysconf(levels[i].name);
        if (expected > 0 && levels[i].found > 0) // both know
            assert_int_equal(levels[i].found, expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_match_the_kernel),     cmocka_unit_test(name_matches_the_kernel),
        cmocka_unit_test(cores_match_lscpu),          cmocka_unit_test(affinity_is_respected),
        cmocka_unit_test(caches_match_the_c_library),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
