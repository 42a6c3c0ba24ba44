// SPDX-License-Identifier: Apache-2.0
// nibble doctor: what this machine is, what it gives, what to change.
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include "apps/common/commands.h"
#include "apps/common/engine_args.h"
#include "apps/doctor/doctor_weights.h"

static const double MEASURE_S = 0.5;

typedef struct doctor_args {
    bool is_json, is_quick;
} doctor_args;

static const nb_option options[] = {
    {.name = "json", .kind = NB_OPTION_FLAG, .offset = offsetof(doctor_args, is_json), .help = "one JSON object"},
    {.name = "quick",
     .kind = NB_OPTION_FLAG,
     .offset = offsetof(doctor_args, is_quick),
     .help = "leave the weights unmeasured; nothing is written"},
};

static const nb_command command = {
    .name = "doctor",
    .usage = "[OPTION]...",
    .summary =
        "What this machine is, which operations it runs, how fast its memory is, and what to change. How fast weights "
        "are\n"
        "read, mapped and resident, is stored in $NIBBLE_HOME/machine.json and decides --weights auto. Some seconds.",
    .example = "nibble doctor",
    .groups = {{"Options", options, NB_COUNT_OF(options)}},
};

enum { MAX_ADVICE = 8, NO_LIMIT = 0 };

typedef struct report {
    nb_machine machine;
    struct utsname os;
    double bandwidth_1, bandwidth_n;                  // bytes a second
    uint64_t address_limit, lock_limit, cgroup_limit; // bytes, NO_LIMIT: none
    double cgroup_cpus;                               // 0: no quota
    const char *ops;                                  // the table an engine would get: the last of machine.isas
    nb_placement_rates rates;                         // 0: not measured
    bool is_stored;
    char why[320]; // not measured or not stored
    const char *advice[MAX_ADVICE];
    size_t n_advice;
} report;

static uint64_t resource_limit(__rlimit_resource_t resource)
{
    struct rlimit limit;
    if (getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return NO_LIMIT;
    return limit.rlim_cur ? limit.rlim_cur : 1;
}

static bool read_line(const char *path, char *line, int bytes)
{
    FILE *file = fopen(path, "r");
    bool is_read = file && fgets(line, bytes, file);
    if (file)
        fclose(file);
    return is_read;
}

// This process's cgroup v2 folder; "" without one.
static void find_cgroup(char *folder, size_t bytes)
{
    char line[512];
    folder[0] = 0;
    FILE *file = fopen("/proc/self/cgroup", "r");
    while (file && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        if (strncmp(line, "0::", 3) == 0)
            snprintf(folder, bytes, "/sys/fs/cgroup%s", strcmp(line + 3, "/") ? line + 3 : "");
    }
    if (file)
        fclose(file);
}

static void read_cgroup(report *r)
{
    char folder[600], path[640], line[64];
    unsigned long long value;
    double quota, period;
    find_cgroup(folder, sizeof folder);
    if (!folder[0])
        return;
    snprintf(path, sizeof path, "%s/memory.max", folder);
    if (read_line(path, line, sizeof line) && sscanf(line, "%llu", &value) == 1)
        r->cgroup_limit = value;
    snprintf(path, sizeof path, "%s/cpu.max", folder);
    if (read_line(path, line, sizeof line) && sscanf(line, "%lf %lf", &quota, &period) == 2 && period > 0)
        r->cgroup_cpus = quota / period;
}

static void advise(report *r, bool applies, const char *advice)
{
    if (applies && r->n_advice < MAX_ADVICE)
        r->advice[r->n_advice++] = advice;
}

static void find_advice(report *r)
{
    const nb_machine *m = &r->machine;
    bool is_scalar = strcmp(r->ops, "scalar") == 0;
    advise(r, is_scalar,
           "this CPU runs the portable operations alone, which are slow; an AVX-512 machine is many times faster");
    advise(r, m->gpu[0] == 0, "no GPU is used; decoding runs at the speed of main memory");
    advise(r, m->memory_available < m->memory_total / 4,
           "less than a quarter of the memory is available; close other programs before opening a large model");
    advise(r, r->address_limit != NO_LIMIT,
           "the address space is limited (ulimit -v); large models will not map; try ulimit -v unlimited");
    advise(r, r->cgroup_limit && r->cgroup_limit < m->memory_total,
           "a control group limits the memory below what the machine has; raise it where a model does not fit");
    advise(r, r->cgroup_cpus > 0 && r->cgroup_cpus < m->n_cores,
           "a control group limits the CPU time below the cores there are; give --threads as many as it allows");
    advise(r, m->n_threads < m->n_cores, "this process may use fewer CPUs than there are cores; see taskset");
    advise(r, r->bandwidth_n > 0 && r->bandwidth_n < 1.1 * r->bandwidth_1 && m->n_cores > 1,
           "one core reads memory as fast as all do; more --threads will not speed up decoding");
}

static bool is_measured(const report *r)
{
    return r->rates.decode_resident > 0;
}

static void examine_weights(report *r)
{
    nb_machine_file file;
    nb_machine_file_here(&file);
    if (!nb_doctor_measure_weights(&r->rates, r->why, sizeof r->why)) {
        r->rates = (nb_placement_rates){0};
        return;
    }
    file.rates = r->rates;
    r->is_stored = nb_machine_file_store(&file, r->why, sizeof r->why);
}

static void examine(report *r, bool is_quick)
{
    memset(r, 0, sizeof *r);
    nb_machine_probe(&r->machine);
    uname(&r->os);
    const char *last = strrchr(r->machine.isas, ' ');
    r->ops = last ? last + 1 : r->machine.isas;
    r->address_limit = resource_limit(RLIMIT_AS);
    r->lock_limit = resource_limit(RLIMIT_MEMLOCK);
    read_cgroup(r);
    r->bandwidth_1 = nb_machine_read_bandwidth(1, MEASURE_S);
    r->bandwidth_n = nb_machine_read_bandwidth(r->machine.n_cores, MEASURE_S);
    if (is_quick)
        snprintf(r->why, sizeof r->why, "not measured");
    else
        examine_weights(r);
    find_advice(r);
}

static void add_rates_json(json_t *object, const report *r)
{
    const struct {
        const char *name;
        double rate;
    } rates[] = {
        {"decode_mapped_gb_s", r->rates.decode_mapped},
        {"decode_resident_gb_s", r->rates.decode_resident},
        {"load_mapped_warm_gb_s", r->rates.load_mapped_warm},
        {"load_mapped_cold_gb_s", r->rates.load_mapped_cold},
        {"load_resident_warm_gb_s", r->rates.load_resident_warm},
        {"load_resident_cold_gb_s", r->rates.load_resident_cold},
    };
    for (size_t i = 0; i < NB_COUNT_OF(rates); i++)
        json_object_set_new(object, rates[i].name, is_measured(r) ? nb_json_real(rates[i].rate) : json_null());
    nb_weights weights = is_measured(r) ? nb_placement_choose(&r->rates) : NB_WEIGHTS_MAPPED;
    json_object_set_new(object, "weights_auto", json_string(nb_weights_name(weights)));
    json_object_set_new(object, "stored", json_boolean(r->is_stored));
}

static json_t *limit_json(uint64_t limit)
{
    return limit == NO_LIMIT ? json_null() : json_integer((json_int_t)limit);
}

static int print_json(const report *r)
{
    const nb_machine *m = &r->machine;
    json_t *isas = json_array(), *advice = json_array();
    char words[sizeof m->isas], *rest = words;
    memcpy(words, m->isas, sizeof words);
    for (char *word; (word = strsep(&rest, " "));)
        if (word[0])
            json_array_append_new(isas, json_string(word));
    for (size_t i = 0; i < r->n_advice; i++)
        json_array_append_new(advice, json_string(r->advice[i]));
    json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:o, s:s, s:i, s:i}", "version", nb_version(), "system",
                               r->os.sysname, "release", r->os.release, "cpu", m->cpu, "isas", isas, "ops", r->ops,
                               "cores", (int)m->n_cores, "threads", (int)m->n_threads);
    if (!object)
        return nb_fail(NB_EXIT_FAILED, "the report is not valid text");
    json_object_set_new(object, "gpu", m->gpu[0] ? json_string(m->gpu) : json_null());
    const struct {
        const char *name;
        uint64_t bytes;
    } sizes[] = {
        {"memory_total_bytes", m->memory_total},
        {"memory_available_bytes", m->memory_available},
        {"page_cache_bytes", m->page_cache},
        {"l1d_bytes", m->l1d_bytes},
        {"l2_bytes", m->l2_bytes},
        {"l3_bytes", m->l3_bytes},
        {"page_bytes", m->page_bytes},
        {"huge_page_bytes", m->huge_page_bytes},
    };
    for (size_t i = 0; i < NB_COUNT_OF(sizes); i++)
        json_object_set_new(object, sizes[i].name, json_integer((json_int_t)sizes[i].bytes));
    json_object_set_new(object, "membw_1_gb_s", nb_json_real(r->bandwidth_1 / 1e9));
    json_object_set_new(object, "membw_gb_s", nb_json_real(r->bandwidth_n / 1e9));
    add_rates_json(object, r);
    json_object_set_new(object, "limit_address_bytes", limit_json(r->address_limit));
    json_object_set_new(object, "limit_lock_bytes", limit_json(r->lock_limit));
    json_object_set_new(object, "limit_cgroup_bytes", limit_json(r->cgroup_limit));
    json_object_set_new(object, "limit_cgroup_cpus", r->cgroup_cpus > 0 ? nb_json_real(r->cgroup_cpus) : json_null());
    json_object_set_new(object, "advice", advice);
    return nb_out_json(object);
}

static const char *limit_text(char text[32], uint64_t limit)
{
    return limit == NO_LIMIT ? "none" : nb_bytes_text(text, (double)limit);
}

static void print_rates(const report *r)
{
    if (is_measured(r)) {
        printf("decoding   weights read at %.1f GB/s mapped, %.1f GB/s resident\n", r->rates.decode_mapped,
               r->rates.decode_resident);
        printf("loading    mapped %.1f GB/s cached, %.1f from disk; resident %.1f cached, %.1f from disk\n",
               r->rates.load_mapped_warm, r->rates.load_mapped_cold, r->rates.load_resident_warm,
               r->rates.load_resident_cold);
    }
    if (r->is_stored)
        printf("weights    auto means %s from now on\n", nb_weights_name(nb_placement_choose(&r->rates)));
    else
        printf("weights    %s; auto stays as it was\n", r->why);
}

static int print_table(const report *r)
{
    const nb_machine *m = &r->machine;
    char a[32], b[32], c[32];
    printf("nibble     %s\n", nb_version());
    printf("system     %s %s\n", r->os.sysname, r->os.release);
    printf("cpu        %s, %u cores, %u threads for this process\n", m->cpu, m->n_cores, m->n_threads);
    printf("gpu        %s\n", m->gpu[0] ? m->gpu : "none");
    printf("ops        %s (this CPU can run: %s)\n", r->ops, m->isas);
    printf("caches     L1d %.0f KiB, L2 %.0f KiB, L3 %.0f KiB\n", (double)m->l1d_bytes / 1024,
           (double)m->l2_bytes / 1024, (double)m->l3_bytes / 1024);
    printf("memory     %s, available %s, page cache %s\n", nb_bytes_text(a, (double)m->memory_total),
           nb_bytes_text(b, (double)m->memory_available), nb_bytes_text(c, (double)m->page_cache));
    printf("pages      %.0f KiB", (double)m->page_bytes / 1024);
    if (m->huge_page_bytes)
        printf(", huge %.0f KiB", (double)m->huge_page_bytes / 1024);
    printf("\nbandwidth  %.1f GB/s read by all cores, %.1f GB/s by one\n", r->bandwidth_n / 1e9, r->bandwidth_1 / 1e9);
    print_rates(r);
    printf("limits     address space %s, locked memory %s, control group %s", limit_text(a, r->address_limit),
           limit_text(b, r->lock_limit), limit_text(c, r->cgroup_limit));
    if (r->cgroup_cpus > 0)
        printf(" and %.1f CPUs", r->cgroup_cpus);
    printf("\n");
    for (size_t i = 0; i < r->n_advice; i++)
        printf("advice     %s\n", r->advice[i]);
    if (r->n_advice == 0)
        printf("advice     nothing to change\n");
    return nb_out_flush();
}

int nb_command_doctor(int argc, char **argv)
{
    doctor_args args = {0};
    int code;
    if (!nb_options_parse(&command, (void *const[]){&args}, argc, argv, &code))
        return code;
    report r;
    examine(&r, args.is_quick);
    return args.is_json ? print_json(&r) : print_table(&r);
}
