// SPDX-License-Identifier: Apache-2.0
#include "platform/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "platform/file.h"

enum { TEXT_BYTES = 16384, PATH_BYTES = 4096 };

// The number after `key` at the beginning of a line of `text`; false when there is none.
static bool find_number(const char *text, const char *key, uint64_t *number)
{
    size_t n_key = strlen(key);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, n_key) != 0)
            continue;
        char *end;
        *number = strtoull(line + n_key, &end, 10);
        return end != line + n_key;
    }
    return false;
}

// The number a file consists of; false for "max" and for a file that is not there.
static bool read_number(const char *folder, const char *name, uint64_t *number)
{
    char path[PATH_BYTES], text[64];
    int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    return n > 0 && (size_t)n < sizeof path && nb_file_read_head(path, text, sizeof text) > 0 &&
           find_number(text, "", number);
}

typedef struct cgroup_files {
    const char *line; // how its line in /proc/self/cgroup continues after the first colon
    const char *mount;
    const char *limit, *usage;
    const char *reclaimable; // key in memory.stat: page cache that is given up on demand
} cgroup_files;

static const cgroup_files versions[] = {
    {":/", "/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file "},
    {"memory:/", "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file "},
};

// Lowers total and available to what the group `folder` allows.
static void apply_group(nb_memory *memory, const cgroup_files *files, const char *folder)
{
    uint64_t limit, usage = 0, reclaimable = 0;
    if (!read_number(folder, files->limit, &limit) || limit >= memory->total_bytes)
        return;
    char path[PATH_BYTES], text[TEXT_BYTES];
    (void)read_number(folder, files->usage, &usage);
    int n = snprintf(path, sizeof path, "%s/memory.stat", folder);
    if (n > 0 && (size_t)n < sizeof path && nb_file_read_head(path, text, sizeof text) > 0)
        (void)find_number(text, files->reclaimable, &reclaimable);
    usage -= reclaimable < usage ? reclaimable : usage;
    uint64_t left = usage < limit ? limit - usage : 0;
    memory->total_bytes = limit;
    memory->available_bytes = left < memory->available_bytes ? left : memory->available_bytes;
}

// Every group from ours up to the mount may set a limit. Inside a container the path may name folders of the host that
// do not exist here; those are passed over.
static void apply_groups(nb_memory *memory, const cgroup_files *files, const char *root, const char *group)
{
    char folder[PATH_BYTES];
    int n = snprintf(folder, sizeof folder, "%s%s%.*s", root, files->mount, (int)strcspn(group, "\n"), group);
    if (n < 0 || (size_t)n >= sizeof folder)
        return;
    char *begin = folder + strlen(root) + strlen(files->mount);
    for (;;) {
        apply_group(memory, files, folder);
        char *slash = strrchr(begin, '/');
        if (!slash)
            return;
        *slash = '\0';
    }
}

static void apply_limits(nb_memory *memory, const char *root)
{
    char path[PATH_BYTES], text[TEXT_BYTES];
    int n = snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    if (n < 0 || (size_t)n >= sizeof path || nb_file_read_head(path, text, sizeof text) == 0)
        return;
    for (const char *line = text; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        size_t n_id = strcspn(line, ":\n"); // "0::/path" (version 2), "4:memory:/path" (version 1)
        if (line[n_id] != ':')
            continue;
        for (size_t i = 0; i < NB_COUNT(versions); i++) {
            size_t n_line = strlen(versions[i].line);
            if (strncmp(line + n_id + 1, versions[i].line, n_line) == 0)
                apply_groups(memory, &versions[i], root, line + n_id + n_line);
        }
    }
}

void nb_memory_probe_under(nb_memory *memory, const char *root)
{
    *memory = (nb_memory){.page_bytes = (uint64_t)sysconf(_SC_PAGESIZE)};
    char path[PATH_BYTES], text[TEXT_BYTES];
    int n = snprintf(path, sizeof path, "%s/proc/meminfo", root);
    if (n > 0 && (size_t)n < sizeof path && nb_file_read_head(path, text, sizeof text) > 0) {
        const struct {
            const char *key;
            uint64_t *bytes;
        } fields[] = {{"MemTotal:", &memory->total_bytes},
                      {"MemAvailable:", &memory->available_bytes},
                      {"Cached:", &memory->cached_bytes},
                      {"Hugepagesize:", &memory->huge_page_bytes}};
        for (size_t i = 0; i < NB_COUNT(fields); i++)
            if (find_number(text, fields[i].key, fields[i].bytes))
                *fields[i].bytes *= 1024;
    }
    apply_limits(memory, root);
    memory->floor_bytes = nb_max(256u << 20, memory->total_bytes / 100 * 3);
}

void nb_memory_probe(nb_memory *memory)
{
    nb_memory_probe_under(memory, "");
}
