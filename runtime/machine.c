// SPDX-License-Identifier: Apache-2.0
// What this machine is, for `doctor` and for judging a benchmark.
#include <stdio.h>
#include <string.h>

#include "kernels/cpu/cpu_kernels.h"
#include "platform/arena.h"
#include "platform/clock.h"
#include "platform/cpu.h"
#include "platform/memory.h"
#include "platform/pool.h"
#include "runtime/nibble.h"

enum {
    CHUNK_BYTES = 1 << 20,
    MAX_CHUNKS = 4096,
    WANTED_BYTES = 512 << 20, // or four times the last cache, if that is more
    LEAST_BYTES = 64 << 20,
};

// The tables that are compiled in and run here, best last.
static void list_isas(char *text, size_t bytes)
{
    size_t at = 0;
    for (const nb_cpu_kernels *const *table = nb_cpu_tables; *table; table++)
        if (nb_cpu_table_runs(*table) && at < bytes)
            at += (size_t)snprintf(text + at, bytes - at, "%s%s", at ? " " : "", (*table)->isa);
}

void nb_machine_probe(nb_machine *machine)
{
    nb_cpu cpu;
    nb_memory memory;
    nb_cpu_probe(&cpu);
    nb_memory_probe(&memory);
    *machine = (nb_machine){
        .n_cores = cpu.n_cores,
        .n_threads = cpu.n_threads,
        .memory_total = memory.total_bytes,
        .memory_available = memory.available_bytes,
        .page_cache = memory.cached_bytes,
        .l1d_bytes = cpu.l1d_bytes,
        .l2_bytes = cpu.l2_bytes,
        .l3_bytes = cpu.l3_bytes,
        .page_bytes = memory.page_bytes,
        .huge_page_bytes = memory.huge_page_bytes,
    };
    snprintf(machine->cpu, sizeof machine->cpu, "%s", cpu.model);
    list_isas(machine->isas, sizeof machine->isas);
}

typedef uint64_t lanes __attribute__((vector_size(16)));

enum { N_STREAMS = 4, STREAM_LANES = CHUNK_BYTES / N_STREAMS / sizeof(lanes) };

typedef struct sweep {
    uint8_t *data;             // n_chunks * CHUNK_BYTES
    uint64_t sums[MAX_CHUNKS]; // kept, so that the reading cannot be optimised away
} sweep;

static void fill_chunk(void *context, uint32_t chunk, uint32_t worker)
{
    sweep *s = context;
    memset(s->data + (size_t)chunk * CHUNK_BYTES, (int)(worker + 1), CHUNK_BYTES);
}

// Four streams at once keep more lines on their way than one does, and four sums never wait for each other.
static void sum_chunk(void *context, uint32_t chunk, uint32_t worker)
{
    (void)worker;
    sweep *s = context;
    const lanes *data = (const lanes *)(const void *)(s->data + (size_t)chunk * CHUNK_BYTES);
    lanes sums[N_STREAMS] = {0};
    for (size_t i = 0; i < STREAM_LANES; i++)
        for (size_t stream = 0; stream < N_STREAMS; stream++)
            sums[stream] += data[stream * STREAM_LANES + i];
    lanes sum = sums[0] + sums[1] + sums[2] + sums[3];
    s->sums[chunk] = sum[0] + sum[1];
}

static double measure(nb_pool *pool, sweep *s, uint32_t n_chunks, double seconds)
{
    nb_pool_run(pool, n_chunks, fill_chunk, s);
    uint64_t begin_ns = nb_clock_ns(), elapsed_ns = 0, n_passes = 0;
    do {
        nb_pool_run(pool, n_chunks, sum_chunk, s);
        n_passes++;
        elapsed_ns = nb_clock_ns() - begin_ns;
    } while ((double)elapsed_ns < seconds * 1e9);
    return (double)n_passes * n_chunks * CHUNK_BYTES / ((double)elapsed_ns * 1e-9);
}

// Half of what may be taken at most, in whole chunks; 0 when that says nothing about memory.
static uint32_t choose_chunks(void)
{
    nb_cpu cpu;
    nb_memory memory;
    nb_cpu_probe(&cpu);
    nb_memory_probe(&memory);
    uint64_t bytes = nb_min(nb_max(WANTED_BYTES, 4 * cpu.l3_bytes), nb_memory_takeable(&memory) / 2);
    if (bytes < nb_max(LEAST_BYTES, 2 * cpu.l3_bytes))
        return 0;
    return (uint32_t)nb_min(bytes / CHUNK_BYTES, MAX_CHUNKS);
}

double nb_machine_read_bandwidth(uint32_t n_threads, double seconds)
{
    uint32_t n_chunks = choose_chunks();
    nb_pool *pool = NULL;
    if (n_chunks == 0 || nb_pool_create(&pool, n_threads, NULL) != NB_OK)
        return 0;
    nb_arena arena;
    nb_arena_init(&arena, NB_MEMORY_SCRATCH);
    double rate = 0;
    for (int pass = 0; pass < 2; pass++) { // counting, then placing
        sweep *s = nb_arena_take(&arena, sizeof *s, 0);
        uint8_t *data = nb_arena_take(&arena, (size_t)n_chunks * CHUNK_BYTES, NB_ARENA_MAX_ALIGNMENT);
        if (pass == 0 && nb_arena_place(&arena, NULL) != NB_OK)
            break;
        if (pass == 1) {
            s->data = data;
            rate = measure(pool, s, n_chunks, seconds);
        }
    }
    nb_arena_release(&arena);
    nb_pool_free(pool);
    return rate;
}
