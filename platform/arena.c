// SPDX-License-Identifier: Apache-2.0
#include "platform/arena.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif

#ifdef HAS_ASAN
#include <sanitizer/asan_interface.h>
enum { RED_ZONE_BYTES = 64 }; // poisoned, after every buffer
#define POISON(address, bytes)   ASAN_POISON_MEMORY_REGION(address, bytes)
#define UNPOISON(address, bytes) ASAN_UNPOISON_MEMORY_REGION(address, bytes)
#else
enum { RED_ZONE_BYTES = 0 };
#define POISON(address, bytes)   ((void)(address), (void)(bytes))
#define UNPOISON(address, bytes) ((void)(address), (void)(bytes))
#endif

enum { HUGE_PAGE_WORTH_BYTES = 4 << 20 };

const char *nb_memory_class_name(nb_memory_class class)
{
    static const char *const names[NB_MEMORY_N_CLASSES] = {"weights", "host", "cache", "scratch", "exchange"};
    return (unsigned)class < NB_MEMORY_N_CLASSES ? names[class] : "unknown";
}

void nb_arena_init(nb_arena *arena, nb_memory_class class)
{
    *arena = (nb_arena){.class = class, .phase = NB_ARENA_COUNTING};
}

// Where the next buffer begins and what lies behind it. False: the sum does not fit a size_t.
static bool next_range(size_t used, size_t bytes, size_t alignment, size_t *begin, size_t *end)
{
    if (used > SIZE_MAX - (alignment - 1))
        return false;
    *begin = nb_align_up(used, alignment);
    return !__builtin_add_overflow(*begin, bytes, end) && !__builtin_add_overflow(*end, (size_t)RED_ZONE_BYTES, end);
}

void *nb_arena_take(nb_arena *arena, size_t bytes, size_t alignment)
{
    NB_ASSERT(alignment <= NB_ARENA_MAX_ALIGNMENT && (alignment & (alignment - 1)) == 0);
    NB_ASSERT(arena->phase != NB_ARENA_SEALED);
    size_t begin = 0, end = 0;
    bool fits = next_range(arena->used_bytes, bytes, nb_max(alignment, NB_ARENA_MIN_ALIGNMENT), &begin, &end);
    if (arena->phase == NB_ARENA_COUNTING) {
        arena->used_bytes = fits ? end : SIZE_MAX;
        arena->counted_bytes = arena->used_bytes;
        return NULL;
    }
    NB_ASSERT(fits && end <= arena->counted_bytes);
    arena->used_bytes = end;
    UNPOISON(arena->base + begin, bytes);
    return arena->base + begin;
}

nb_status nb_arena_place(nb_arena *arena, nb_error *error)
{
    NB_ASSERT(arena->phase == NB_ARENA_COUNTING);
    const char *name = nb_memory_class_name(arena->class);
    if (arena->counted_bytes > SIZE_MAX / 2)
        return nb_error_set(error, NB_ERR_FIT, "the plan for %s memory is larger than the address space", name);
    if (arena->counted_bytes > 0) {
        void *base = mmap(NULL, arena->counted_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (base == MAP_FAILED)
            return nb_error_set(error, NB_ERR_FIT, "cannot take %zu bytes of %s memory: %s", arena->counted_bytes, name,
                                strerror(errno));
        arena->base = base;
        if (arena->counted_bytes >= HUGE_PAGE_WORTH_BYTES)
            (void)madvise(base, arena->counted_bytes, MADV_HUGEPAGE); // a hint: fewer TLB misses, same result
        POISON(base, arena->counted_bytes);
    }
    arena->used_bytes = 0;
    arena->phase = NB_ARENA_PLACING;
    return NB_OK;
}

void nb_arena_seal(nb_arena *arena)
{
    NB_ASSERT(arena->phase == NB_ARENA_PLACING);
    arena->phase = NB_ARENA_SEALED;
}

void nb_arena_release(nb_arena *arena)
{
    if (arena->base) {
        UNPOISON(arena->base, arena->counted_bytes); // the addresses will be somebody else's
        munmap(arena->base, arena->counted_bytes);
    }
    nb_arena_init(arena, arena->class);
}
