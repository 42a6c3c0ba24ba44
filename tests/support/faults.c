// SPDX-License-Identifier: Apache-2.0
#include "tests/support/faults.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

// These functions run before a sanitizer is ready, so they must not be instrumented.
#ifdef __clang__
#define RAW                                                                                                            \
    __attribute__((no_sanitize("address", "thread", "undefined", "coverage")))                                         \
    __attribute__((disable_sanitizer_instrumentation))
#else
#define RAW __attribute__((no_sanitize("address", "thread", "undefined")))
#endif
// Visible to shared libraries in spite of -fvisibility=hidden, so that their calls come here as well.
#define SEEN RAW __attribute__((visibility("default")))

typedef struct kind_state {
    _Atomic(uint64_t) n_calls;
    _Atomic(uint64_t) fail_at; // value of n_calls that fails; 0: none
    _Atomic(int) reason;
} kind_state;

extern void *__interceptor_malloc(size_t) __attribute__((weak)); // there under a sanitizer

static kind_state states[NB_FAULT_N_KINDS];
static _Atomic(bool) has_fired;
static _Atomic(size_t) max_transfer_bytes;
static _Atomic(uint64_t) mapped_bytes;

static const struct {
    const char *name;
    int reason;
} kinds[NB_FAULT_N_KINDS] = {
    [NB_FAULT_MALLOC] = {"malloc", ENOMEM}, [NB_FAULT_MMAP] = {"mmap", ENOMEM},
    [NB_FAULT_OPEN] = {"open", EMFILE},     [NB_FAULT_STAT] = {"fstat", EIO},
    [NB_FAULT_READ] = {"read", EIO},        [NB_FAULT_WRITE] = {"write", ENOSPC},
    [NB_FAULT_FSYNC] = {"fsync", EIO},      [NB_FAULT_RENAME] = {"rename", EIO},
    [NB_FAULT_MKDIR] = {"mkdir", ENOSPC},   [NB_FAULT_LINK] = {"symlink", ENOSPC},
    [NB_FAULT_CUT] = {"ftruncate", EIO},    [NB_FAULT_REMOVE] = {"unlink", EIO},
    [NB_FAULT_LOCK] = {"flock", ENOLCK},    [NB_FAULT_THREAD] = {"thread", EAGAIN},
    [NB_FAULT_CLOCK] = {"clock", EINVAL},   [NB_FAULT_NAME] = {"name", EINVAL},
};

const char *nb_fault_name(nb_fault kind)
{
    return kinds[kind].name;
}

void nb_faults_fail_with(nb_fault kind, uint64_t n, int reason)
{
    atomic_store(&states[kind].reason, reason);
    atomic_store(&states[kind].fail_at, n == 0 ? 0 : atomic_load(&states[kind].n_calls) + n);
}

void nb_faults_fail_at(nb_fault kind, uint64_t n)
{
    nb_faults_fail_with(kind, n, kinds[kind].reason);
}

void nb_faults_shorten(size_t max_bytes)
{
    atomic_store(&max_transfer_bytes, max_bytes);
}

bool nb_faults_reset(void)
{
    for (int kind = 0; kind < NB_FAULT_N_KINDS; kind++)
        atomic_store(&states[kind].fail_at, 0);
    atomic_store(&max_transfer_bytes, 0);
    return atomic_exchange(&has_fired, false);
}

nb_counters nb_counters_read(void)
{
    nb_counters counters;
    for (int kind = 0; kind < NB_FAULT_N_KINDS; kind++)
        counters.n[kind] = atomic_load(&states[kind].n_calls);
    return counters;
}

uint64_t nb_faults_mapped_bytes(void)
{
    return atomic_load(&mapped_bytes);
}

RAW static uint64_t whole_pages(size_t bytes)
{
    return ((uint64_t)bytes + 4095) / 4096 * 4096;
}

// ---- whose call ---------------------------------------------------------------------------------------------------

// oneDNN crashes when a mapping for the code that it makes at run time is refused, which no program can prevent. So its
// calls, and those made for it by the run time libraries of C++ and OpenMP, which nothing else here uses, pass
// uncounted: what happens when they fail is not tested.
static const char *const exempt_names[] = {"/libdnnl.", "/libstdc++.", "/libgomp."};
enum { MAX_EXEMPT = 8 };
static struct {
    uintptr_t begin, end;
} exempt[MAX_EXEMPT];
static size_t n_exempt;

static int find_exempt(struct dl_phdr_info *info, size_t info_bytes, void *user)
{
    (void)info_bytes;
    for (size_t j = 0; j < info->dlpi_phnum && strstr(info->dlpi_name, user) && n_exempt < MAX_EXEMPT; j++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[j];
        if (part->p_type == PT_LOAD && part->p_flags & PF_X) {
            exempt[n_exempt].begin = info->dlpi_addr + part->p_vaddr;
            exempt[n_exempt].end = exempt[n_exempt].begin + part->p_memsz;
            n_exempt++;
        }
    }
    return 0;
}

void nb_faults_exempt(const char *library)
{
    dl_iterate_phdr(find_exempt, (void *)(uintptr_t)library);
}

__attribute__((constructor)) static void find_all_exempt(void)
{
    for (size_t i = 0; i < NB_COUNT(exempt_names); i++)
        nb_faults_exempt(exempt_names[i]);
}

RAW static bool is_exempt(const void *caller)
{
    for (size_t i = 0; i < n_exempt; i++)
        if ((uintptr_t)caller - exempt[i].begin < exempt[i].end - exempt[i].begin)
            return true;
    return false;
}

#define CALLER __builtin_return_address(0)

// Counts a call; true, with errno set, when it has to fail.
RAW static bool must_fail(nb_fault kind, const void *caller)
{
    kind_state *state = &states[kind];
    if (is_exempt(caller))
        return false;
    // A sanitizer allocates at the start of each thread and ends the program when it cannot; the library's own worker
    // threads allocate nothing.
    if (kind == NB_FAULT_MALLOC && __interceptor_malloc && gettid() != getpid())
        return false;
    uint64_t n = atomic_fetch_add(&state->n_calls, 1) + 1;
    if (n != atomic_load(&state->fail_at))
        return false;
    atomic_store(&has_fired, true);
    errno = atomic_load(&state->reason);
    return true;
}

RAW void nb_faults_count(nb_fault kind)
{
    atomic_fetch_add(&states[kind].n_calls, 1);
}

RAW static size_t shortened(size_t bytes)
{
    size_t max_bytes = atomic_load(&max_transfer_bytes);
    return max_bytes != 0 && max_bytes < bytes ? max_bytes : bytes;
}

// ---- the real functions -------------------------------------------------------------------------------------------

// A sanitizer's runtime wraps each function as __interceptor_NAME and must keep seeing the calls. Without one, the
// allocation functions exist under a second name (dlsym itself allocates); the others are found by dlsym.
#define INTERCEPTOR(type, name, ...) extern type __interceptor_##name(__VA_ARGS__) __attribute__((weak))
INTERCEPTOR(void *, calloc, size_t, size_t);
INTERCEPTOR(void *, realloc, void *, size_t);
INTERCEPTOR(void *, aligned_alloc, size_t, size_t);
INTERCEPTOR(int, posix_memalign, void **, size_t, size_t);
INTERCEPTOR(void *, mmap, void *, size_t, int, int, int, off_t);
INTERCEPTOR(int, munmap, void *, size_t);
INTERCEPTOR(int, open, const char *, int, ...);
INTERCEPTOR(FILE *, fopen, const char *, const char *);
INTERCEPTOR(int, fstat, int, struct stat *);
INTERCEPTOR(ssize_t, read, int, void *, size_t);
INTERCEPTOR(ssize_t, pread, int, void *, size_t, off_t);
INTERCEPTOR(ssize_t, preadv2, int, const struct iovec *, int, off_t, int);
INTERCEPTOR(ssize_t, write, int, const void *, size_t);
INTERCEPTOR(ssize_t, pwrite, int, const void *, size_t, off_t);
INTERCEPTOR(int, pthread_create, pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

// The next definition of a function after ours; looked up once.
RAW static void *next_function(const char *name, _Atomic(void *) *cache)
{
    void *found = atomic_load(cache);
    if (!found) {
        found = dlsym(RTLD_NEXT, name);
        if (!found)
            abort();
        atomic_store(cache, found);
    }
    return found;
}

// Declare `real`, a pointer of the right type to the function behind ours.
#define REAL(name)                                                                                                     \
    static _Atomic(void *) cache_##name;                                                                               \
    __typeof__(&name) real;                                                                                            \
    *(void **)&real = next_function(#name, &cache_##name)

#define REAL_OR_INTERCEPTOR(name)                                                                                      \
    static _Atomic(void *) cache_##name;                                                                               \
    __typeof__(&name) real = __interceptor_##name;                                                                     \
    if (!real)                                                                                                         \
    *(void **)&real = next_function(#name, &cache_##name)

// ---- allocation ---------------------------------------------------------------------------------------------------

SEEN void *malloc(size_t bytes)
{
    if (must_fail(NB_FAULT_MALLOC, CALLER))
        return NULL;
    return __interceptor_malloc ? __interceptor_malloc(bytes) : __libc_malloc(bytes);
}

SEEN void *calloc(size_t n, size_t bytes)
{
    if (must_fail(NB_FAULT_MALLOC, CALLER))
        return NULL;
    return __interceptor_calloc ? __interceptor_calloc(n, bytes) : __libc_calloc(n, bytes);
}

SEEN void *realloc(void *old, size_t bytes)
{
    if (must_fail(NB_FAULT_MALLOC, CALLER))
        return NULL;
    return __interceptor_realloc ? __interceptor_realloc(old, bytes) : __libc_realloc(old, bytes);
}

SEEN void *aligned_alloc(size_t alignment, size_t bytes)
{
    if (must_fail(NB_FAULT_MALLOC, CALLER))
        return NULL;
    return __interceptor_aligned_alloc ? __interceptor_aligned_alloc(alignment, bytes)
                                       : __libc_memalign(alignment, bytes);
}

SEEN int posix_memalign(void **out, size_t alignment, size_t bytes)
{
    if (must_fail(NB_FAULT_MALLOC, CALLER))
        return errno;
    if (__interceptor_posix_memalign)
        return __interceptor_posix_memalign(out, alignment, bytes);
    void *data = __libc_memalign(alignment, bytes);
    if (!data)
        return ENOMEM;
    *out = data;
    return 0;
}

SEEN void *mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    if (must_fail(NB_FAULT_MMAP, CALLER))
        return MAP_FAILED;
    REAL_OR_INTERCEPTOR(mmap);
    void *found = real(address, bytes, protection, flags, fd, offset);
    if (found != MAP_FAILED && !is_exempt(CALLER))
        atomic_fetch_add(&mapped_bytes, whole_pages(bytes));
    return found;
}

SEEN int munmap(void *address, size_t bytes)
{
    REAL_OR_INTERCEPTOR(munmap);
    int result = real(address, bytes);
    if (result == 0 && !is_exempt(CALLER))
        atomic_fetch_sub(&mapped_bytes, whole_pages(bytes));
    return result;
}

// ---- files --------------------------------------------------------------------------------------------------------

static mode_t mode_argument(int flags, va_list args)
{
    return (flags & (O_CREAT | O_TMPFILE)) ? va_arg(args, mode_t) : 0;
}

SEEN int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = mode_argument(flags, args);
    va_end(args);
    if (must_fail(NB_FAULT_OPEN, CALLER))
        return -1;
    REAL_OR_INTERCEPTOR(open);
    return real(path, flags, mode);
}

SEEN int openat(int folder, const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = mode_argument(flags, args);
    va_end(args);
    if (must_fail(NB_FAULT_OPEN, CALLER))
        return -1;
    REAL(openat);
    return real(folder, path, flags, mode);
}

SEEN FILE *fopen(const char *path, const char *mode)
{
    if (must_fail(NB_FAULT_OPEN, CALLER))
        return NULL;
    REAL_OR_INTERCEPTOR(fopen);
    return real(path, mode);
}

SEEN int fstat(int fd, struct stat *info)
{
    if (must_fail(NB_FAULT_STAT, CALLER))
        return -1;
    REAL_OR_INTERCEPTOR(fstat);
    return real(fd, info);
}

SEEN ssize_t read(int fd, void *data, size_t bytes)
{
    if (must_fail(NB_FAULT_READ, CALLER))
        return -1;
    REAL_OR_INTERCEPTOR(read);
    return real(fd, data, shortened(bytes));
}

SEEN ssize_t pread(int fd, void *data, size_t bytes, off_t offset)
{
    if (must_fail(NB_FAULT_READ, CALLER))
        return -1;
    REAL_OR_INTERCEPTOR(pread);
    return real(fd, data, shortened(bytes), offset);
}

SEEN ssize_t preadv2(int fd, const struct iovec *parts, int n_parts, off_t offset, int flags)
{
    if (must_fail(NB_FAULT_READ, CALLER))
        return -1;
    REAL_OR_INTERCEPTOR(preadv2);
    struct iovec first = {parts->iov_base, shortened(parts->iov_len)};
    return real(fd, n_parts == 1 ? &first : parts, n_parts, offset, flags);
}

SEEN ssize_t write(int fd, const void *data, size_t bytes)
{
    if (must_fail(NB_FAULT_WRITE, CALLER))
        return -1;
    REAL_OR_INTERCEPTOR(write);
    return real(fd, data, shortened(bytes));
}

SEEN ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset)
{
    if (must_fail(NB_FAULT_WRITE, CALLER))
        return -1;
    REAL_OR_INTERCEPTOR(pwrite);
    return real(fd, data, shortened(bytes), offset);
}

SEEN int fsync(int fd)
{
    if (must_fail(NB_FAULT_FSYNC, CALLER))
        return -1;
    REAL(fsync);
    return real(fd);
}

SEEN int rename(const char *from, const char *to)
{
    if (must_fail(NB_FAULT_RENAME, CALLER))
        return -1;
    REAL(rename);
    return real(from, to);
}

SEEN int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags)
{
    if (must_fail(NB_FAULT_RENAME, CALLER))
        return -1;
    REAL(renameat2);
    return real(from_folder, from, to_folder, to, flags);
}

SEEN ssize_t copy_file_range(int from, off64_t *from_offset, int to, off64_t *to_offset, size_t bytes, unsigned flags)
{
    if (must_fail(NB_FAULT_WRITE, CALLER))
        return -1;
    REAL(copy_file_range);
    return real(from, from_offset, to, to_offset, shortened(bytes), flags);
}

SEEN int ftruncate(int fd, off_t bytes)
{
    if (must_fail(NB_FAULT_CUT, CALLER))
        return -1;
    REAL(ftruncate);
    return real(fd, bytes);
}

SEEN int mkdir(const char *path, mode_t mode)
{
    if (must_fail(NB_FAULT_MKDIR, CALLER))
        return -1;
    REAL(mkdir);
    return real(path, mode);
}

SEEN int symlink(const char *target, const char *path)
{
    if (must_fail(NB_FAULT_LINK, CALLER))
        return -1;
    REAL(symlink);
    return real(target, path);
}

SEEN int unlink(const char *path)
{
    if (must_fail(NB_FAULT_REMOVE, CALLER))
        return -1;
    REAL(unlink);
    return real(path);
}

SEEN int rmdir(const char *path)
{
    if (must_fail(NB_FAULT_REMOVE, CALLER))
        return -1;
    REAL(rmdir);
    return real(path);
}

SEEN int remove(const char *path)
{
    if (must_fail(NB_FAULT_REMOVE, CALLER))
        return -1;
    REAL(remove);
    return real(path);
}

SEEN int flock(int fd, int operation)
{
    if (must_fail(NB_FAULT_LOCK, CALLER))
        return -1;
    REAL(flock);
    return real(fd, operation);
}

SEEN int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument)
{
    if (must_fail(NB_FAULT_THREAD, CALLER))
        return errno;
    REAL_OR_INTERCEPTOR(pthread_create);
    return real(thread, attributes, start, argument);
}

// ---- clocks -------------------------------------------------------------------------------------------------------

SEEN int clock_gettime(clockid_t clock, struct timespec *now)
{
    (void)must_fail(NB_FAULT_CLOCK, CALLER);
    return (int)syscall(SYS_clock_gettime, clock, now);
}
