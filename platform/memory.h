// SPDX-License-Identifier: Apache-2.0
// How much memory the machine has, and how much of it may be taken.
#ifndef NB_PLATFORM_MEMORY_H
#define NB_PLATFORM_MEMORY_H

#include "platform/base.h"

typedef struct nb_memory {
    uint64_t total_bytes;     // MemTotal, or the limit of the process's control group when lower
    uint64_t available_bytes; // MemAvailable, or what the control group has left when lower
    uint64_t cached_bytes;    // page cache of the whole machine
    uint64_t floor_bytes;     // left to the rest of the machine: max(256 MiB, 3 % of total)
    uint64_t page_bytes;
    uint64_t huge_page_bytes; // 0 when unknown
} nb_memory;

void nb_memory_probe(nb_memory *memory);

// The same with /proc and /sys looked up under `root`: "" is the machine, a folder is a test's copy.
void nb_memory_probe_under(nb_memory *memory, const char *root);

// What a plan may take: available less the floor, not below 0.
static inline uint64_t nb_memory_takeable(const nb_memory *memory)
{
    return memory->available_bytes > memory->floor_bytes ? memory->available_bytes - memory->floor_bytes : 0;
}

#endif
