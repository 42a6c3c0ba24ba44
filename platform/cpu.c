// SPDX-License-Identifier: Apache-2.0
#include "platform/cpu.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/file.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

enum { MAX_CPUS = 8192, PATH_BYTES = 128, SYSFS_BYTES = 4096 };

typedef struct cpu_set {
    cpu_set_t words[MAX_CPUS / CPU_SETSIZE];
} cpu_set;

// ---- instructions -------------------------------------------------------------------------------------------------

#if defined(__x86_64__)

static void probe_isa(nb_cpu *cpu)
{
    unsigned a, b, c = 0, d;
    bool f16c = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
    // The builtins ask the system too (XGETBV): registers that it does not save do not count.
    cpu->avx2 = f16c && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    cpu->avx512_vnni = cpu->avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                       __builtin_cpu_supports("avx512vnni");
}

#elif defined(__aarch64__)

static void probe_isa(nb_cpu *cpu)
{
    cpu->neon_dotprod = (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
    cpu->i8mm = cpu->neon_dotprod && (getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0;
}

#else

static void probe_isa(nb_cpu *cpu)
{
    (void)cpu;
}

#endif

// ---- name ---------------------------------------------------------------------------------------------------------

// Copies what follows "key<tabs>: " in /proc/cpuinfo.
static bool find_field(const char *text, const char *key, char *value, size_t capacity)
{
    const char *at = strstr(text, key);
    const char *colon = at ? strchr(at, ':') : NULL;
    if (!colon)
        return false;
    colon += 1 + strspn(colon + 1, " \t");
    snprintf(value, capacity, "%.*s", (int)strcspn(colon, "\n"), colon);
    return value[0] != '\0';
}

static void probe_model(nb_cpu *cpu)
{
    char text[SYSFS_BYTES], implementer[16], part[16];
    nb_file_read_head("/proc/cpuinfo", text, sizeof text);
    if (find_field(text, "model name", cpu->model, sizeof cpu->model))
        return;
    if (find_field(text, "CPU implementer", implementer, sizeof implementer) &&
        find_field(text, "CPU part", part, sizeof part)) // Arm kernels give numbers only
        snprintf(cpu->model, sizeof cpu->model, "Arm, implementer %s part %s", implementer, part);
}

// ---- cores --------------------------------------------------------------------------------------------------------

static size_t read_cpu_file(uint32_t cpu, const char *name, char *text, size_t capacity)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%u/%s", cpu, name);
    return nb_file_read_head(path, text, capacity);
}

// The list of processors ("0,4" or "0-3,8") holds one of `allowed` below `cpu`.
static bool has_lower(const char *list, uint32_t cpu, const cpu_set *allowed)
{
    while (*list >= '0' && *list <= '9') {
        char *end;
        unsigned long first = strtoul(list, &end, 10), last = first;
        if (*end == '-')
            last = strtoul(end + 1, &end, 10);
        for (unsigned long i = first; i <= last && i < cpu; i++)
            if (CPU_ISSET_S(i, sizeof *allowed, allowed->words))
                return true;
        list = end + (*end == ',');
    }
    return false;
}

// A core counts once, at the first of its processors that this process may use.
static void probe_cores(nb_cpu *cpu, uint32_t *first_cpu)
{
    cpu_set allowed;
    CPU_ZERO_S(sizeof allowed, allowed.words);
    *first_cpu = 0;
    cpu->n_cores = cpu->n_threads = 1;
    if (sched_getaffinity(0, sizeof allowed, allowed.words) != 0)
        return;
    uint32_t n_threads = 0, n_cores = 0;
    for (uint32_t i = 0; i < MAX_CPUS; i++) {
        if (!CPU_ISSET_S(i, sizeof allowed, allowed.words))
            continue;
        char list[SYSFS_BYTES];
        if (n_threads++ == 0)
            *first_cpu = i;
        if (read_cpu_file(i, "topology/thread_siblings_list", list, sizeof list) == 0 || !has_lower(list, i, &allowed))
            n_cores++;
    }
    cpu->n_threads = (uint32_t)nb_max(n_threads, 1);
    cpu->n_cores = (uint32_t)nb_max(n_cores, 1);
}

// ---- caches -------------------------------------------------------------------------------------------------------

static size_t parse_size(const char *text) // "32K", "36608K", "1M"
{
    char *end;
    size_t n = strtoull(text, &end, 10);
    return n << (*end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0);
}

static void probe_caches(nb_cpu *cpu, uint32_t first_cpu)
{
    for (int i = 0; i < 8; i++) {
        char name[48], level[16], type[32], size[32];
        snprintf(name, sizeof name, "cache/index%d/level", i);
        if (read_cpu_file(first_cpu, name, level, sizeof level) == 0)
            break;
        snprintf(name, sizeof name, "cache/index%d/type", i);
        read_cpu_file(first_cpu, name, type, sizeof type);
        snprintf(name, sizeof name, "cache/index%d/size", i);
        read_cpu_file(first_cpu, name, size, sizeof size);
        if (strncmp(type, "Instruction", 11) == 0)
            continue;
        size_t *bytes = level[0] == '1' ? &cpu->l1d_bytes : level[0] == '2' ? &cpu->l2_bytes : &cpu->l3_bytes;
        *bytes = parse_size(size);
    }
}

void nb_cpu_probe(nb_cpu *cpu)
{
    *cpu = (nb_cpu){0};
    uint32_t first_cpu;
    probe_isa(cpu);
    probe_model(cpu);
    probe_cores(cpu, &first_cpu);
    probe_caches(cpu, first_cpu);
}
