// SPDX-License-Identifier: Apache-2.0
#include "platform/bulk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "platform/arena.h"
#include "platform/path.h"
#include "platform/pool.h"

enum {
    PAGE_BYTES = 4096, // alignment that any device's direct reads accept
};

typedef struct bulk {
    const nb_map *map;
    const char *path;
    const nb_range *ranges;
    size_t n_ranges;
    int direct, buffered; // descriptors; direct -1: the file system has no such reads
    uint8_t *bounce;      // [NB_BULK_DEPTH] blocks
    _Atomic(uint64_t) done_bytes;
    uint64_t reported_bytes;
    nb_bulk_progress_fn on_progress;
    void *user;
    atomic_bool has_failed;
    nb_error errors[NB_BULK_DEPTH];
    nb_status statuses[NB_BULK_DEPTH];
} bulk;

// The first range that ends behind `offset`.
static size_t first_range(const bulk *b, uint64_t offset)
{
    size_t low = 0, high = b->n_ranges;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (b->ranges[middle].begin + b->ranges[middle].bytes > offset)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

// The part of block [begin, end) that the ranges need, widened to whole pages; false when they need none.
static bool needed_part(const bulk *b, uint64_t *begin, uint64_t *end)
{
    size_t first = first_range(b, *begin), last = first;
    if (first == b->n_ranges || b->ranges[first].begin >= *end)
        return false;
    while (last + 1 < b->n_ranges && b->ranges[last + 1].begin < *end)
        last++;
    *begin = nb_max(*begin, b->ranges[first].begin) / PAGE_BYTES * PAGE_BYTES;
    *end = nb_min(*end, b->ranges[last].begin + b->ranges[last].bytes);
    return true;
}

// Reads until `bytes` are there. 0, an errno, or -1: the file ends before.
static int read_block(int fd, uint8_t *dst, size_t bytes, size_t asked_bytes, uint64_t offset)
{
    size_t n_read = 0;
    while (n_read < bytes) {
        ssize_t n = pread(fd, dst + n_read, asked_bytes - n_read, (off_t)(offset + n_read));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? errno : -1;
        n_read += (size_t)n;
    }
    return 0;
}

// Never both copies.
static void forget(const bulk *b, uint64_t begin, size_t bytes)
{
    (void)posix_fadvise(b->buffered, (off_t)begin, (off_t)bytes, POSIX_FADV_DONTNEED);
}

// What the page cache holds is taken from there, without waiting for what it lacks. 0: all of it is in `dst`; -1: it is
// not all there; or an errno.
static int read_cached(const bulk *b, uint8_t *dst, size_t bytes, uint64_t offset)
{
    struct iovec part = {.iov_base = dst, .iov_len = bytes};
    ssize_t n = preadv2(b->buffered, &part, 1, (off_t)offset, RWF_NOWAIT);
    if (n >= 0)
        return (size_t)n == bytes ? 0 : -1;
    bool is_refused = errno == EAGAIN || errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL || errno == EINTR;
    return is_refused ? -1 : errno;
}

// Direct reads ask for whole pages, also at the end of the file, and may be cut short anywhere; what is left over then
// is no multiple of a page, and goes through the cache.
static int fill_bounce(const bulk *b, uint8_t *bounce, uint64_t begin, size_t bytes)
{
    int cached = read_cached(b, bounce, bytes, begin);
    if (cached >= 0) {
        forget(b, begin, bytes);
        return cached;
    }
    if (b->direct >= 0) {
        int reason = read_block(b->direct, bounce, bytes, nb_align_up(bytes, PAGE_BYTES), begin);
        if (reason != EINVAL)
            return reason;
    }
    int reason = read_block(b->buffered, bounce, bytes, bytes, begin);
    forget(b, begin, bytes);
    return reason;
}

static uint64_t scatter(const bulk *b, const uint8_t *bounce, uint64_t begin, uint64_t end)
{
    uint64_t n_copied = 0;
    for (size_t i = first_range(b, begin); i < b->n_ranges && b->ranges[i].begin < end; i++) {
        const nb_range *range = &b->ranges[i];
        uint64_t from = nb_max(begin, range->begin), to = nb_min(end, range->begin + range->bytes);
        memcpy(range->dst + (from - range->begin), bounce + (from - begin), to - from);
        n_copied += to - from;
    }
    return n_copied;
}

static void fail(bulk *b, uint32_t worker, int reason)
{
    nb_error *error = &b->errors[worker];
    b->statuses[worker] =
        reason > 0
            ? nb_path_error("read", b->path, reason, error)
            : nb_error_set(error, NB_ERR_INPUT, "%s%s was changed while it was read; expected %zu bytes, found fewer",
                           nb_path_dots(b->path), nb_path_tail(b->path), b->map->bytes);
    atomic_store(&b->has_failed, true);
}

static void read_chunk(void *context, uint32_t chunk, uint32_t worker)
{
    bulk *b = context;
    uint64_t begin = (uint64_t)chunk * NB_BULK_BLOCK_BYTES, end = nb_min(begin + NB_BULK_BLOCK_BYTES, b->map->bytes);
    if (atomic_load(&b->has_failed) || !needed_part(b, &begin, &end))
        return;
    uint8_t *bounce = b->bounce + (size_t)worker * NB_BULK_BLOCK_BYTES;
    int reason = fill_bounce(b, bounce, begin, end - begin);
    if (reason != 0) {
        fail(b, worker, reason);
        return;
    }
    uint64_t n_copied = scatter(b, bounce, begin, end);
    uint64_t done = atomic_fetch_add(&b->done_bytes, n_copied) + n_copied;
    if (worker == 0 && b->on_progress && done > b->reported_bytes) {
        b->reported_bytes = done;
        b->on_progress(b->user, done);
    }
}

static nb_status run(bulk *b, nb_error *error)
{
    nb_pool *pool;
    if (nb_pool_create(&pool, NB_BULK_DEPTH, NULL) != NB_OK) // no threads to be had: one after the other
        NB_TRY(nb_pool_create(&pool, 1, error));
    nb_pool_run(pool, (uint32_t)nb_div_ceil(b->map->bytes, NB_BULK_BLOCK_BYTES), read_chunk, b);
    nb_pool_free(pool);
    for (size_t i = 0; i < NB_BULK_DEPTH; i++)
        if (b->statuses[i] != NB_OK)
            return nb_error_set(error, b->statuses[i], "%s", b->errors[i].text);
    if (b->on_progress && atomic_load(&b->done_bytes) > b->reported_bytes)
        b->on_progress(b->user, atomic_load(&b->done_bytes));
    return NB_OK;
}

static nb_status with_bounce(bulk *b, nb_error *error)
{
    nb_arena arena;
    nb_arena_init(&arena, NB_MEMORY_SCRATCH);
    (void)nb_arena_take(&arena, (size_t)NB_BULK_DEPTH * NB_BULK_BLOCK_BYTES, NB_ARENA_MAX_ALIGNMENT);
    NB_TRY(nb_arena_place(&arena, error));
    b->bounce = nb_arena_take(&arena, (size_t)NB_BULK_DEPTH * NB_BULK_BLOCK_BYTES, NB_ARENA_MAX_ALIGNMENT);
    nb_status status = run(b, error);
    nb_arena_release(&arena);
    return status;
}

nb_status nb_bulk_read(const nb_map *map, const char *path, const nb_range *ranges, size_t n_ranges,
                       nb_bulk_progress_fn on_progress, void *user, nb_error *error)
{
    if (n_ranges == 0)
        return NB_OK;
    NB_ASSERT(ranges[n_ranges - 1].begin + ranges[n_ranges - 1].bytes <= map->bytes);
    bulk b = {.map = map,
              .path = path,
              .ranges = ranges,
              .n_ranges = n_ranges,
              .on_progress = on_progress,
              .user = user,
              .buffered = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)};
    if (b.buffered < 0)
        return nb_path_error("read", path, errno, error);
    b.direct = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_DIRECT);
    nb_status status = with_bounce(&b, error);
    close(b.buffered);
    if (b.direct >= 0)
        close(b.direct);
    return status;
}
