// SPDX-License-Identifier: Apache-2.0
// System calls and allocations that fail on demand, and counts of them.
//
// Linked into every test program; nothing else is needed. faults.c defines malloc, open, mmap, ... itself and forwards
// to the C library (or to the sanitizer's versions), so calls made inside libnibble.a and inside shared libraries such
// as jansson are seen too. Calls the C library makes to itself (fopen's inner open) are not; malloc always is. oneDNN's
// own calls pass uncounted and never fail (faults.c says why). All threads of the program are counted together.
//
//     nb_faults_fail_at(NB_FAULT_READ, 2);  // the second read from now on fails, once, with EIO
//     status = nb_file_read(...);
//     fired = nb_faults_reset();            // disarms; false: there was no second read
#ifndef NB_TESTS_SUPPORT_FAULTS_H
#define NB_TESTS_SUPPORT_FAULTS_H

#include "platform/base.h"

typedef enum nb_fault {
    NB_FAULT_MALLOC, // malloc, calloc, realloc (also when it shrinks), aligned_alloc, posix_memalign: ENOMEM
    NB_FAULT_MMAP,   // ENOMEM
    NB_FAULT_OPEN,   // open, openat, fopen: EMFILE
    NB_FAULT_STAT,   // fstat: EIO
    NB_FAULT_READ,   // read, pread, preadv2: EIO
    NB_FAULT_WRITE,  // write, pwrite, copy_file_range: ENOSPC
    NB_FAULT_FSYNC,  // EIO
    NB_FAULT_RENAME, // rename, renameat2: EIO
    NB_FAULT_MKDIR,  // ENOSPC
    NB_FAULT_LINK,   // symlink: ENOSPC
    NB_FAULT_CUT,    // ftruncate: EIO
    NB_FAULT_REMOVE, // unlink, rmdir, remove: EIO
    NB_FAULT_LOCK,   // flock: ENOLCK
    NB_FAULT_THREAD, // pthread_create: EAGAIN
    NB_FAULT_CLOCK,  // clock_gettime; counted only, it cannot fail
    NB_FAULT_NAME,   // look-ups by name (look_ups.c), counted only
    NB_FAULT_N_KINDS,
} nb_fault;

const char *nb_fault_name(nb_fault kind);

// The n-th call of this kind from now on (1 is the next) fails without being made; others pass. n 0 disarms the kind.
void nb_faults_fail_at(nb_fault kind, uint64_t n);

// The same, with an errno of one's choice. EINTR and short transfers are what careful loops forget.
void nb_faults_fail_with(nb_fault kind, uint64_t n, int reason);

// Reads and writes move at most so many bytes a call; 0: as many as asked for.
void nb_faults_shorten(size_t max_bytes);

// From now on calls made by a library pass uncounted, and never fail: "/libcrypto.". Before threads are started.
void nb_faults_exempt(const char *library);

// Disarms everything; returns whether an armed call has failed since the last reset.
bool nb_faults_reset(void);

typedef struct nb_counters {
    uint64_t n[NB_FAULT_N_KINDS]; // calls since the program started, failed ones included
} nb_counters;

nb_counters nb_counters_read(void);

// Counts a call that never fails.
void nb_faults_count(nb_fault kind);

// Calls of this kind since `before`.
static inline uint64_t nb_counters_since(const nb_counters *before, nb_fault kind)
{
    nb_counters now = nb_counters_read();
    return now.n[kind] - before->n[kind];
}

// Bytes that mmap calls gave and munmap calls have not taken back since the program started, in whole pages: what no
// leak checker sees. Mappings the C library makes for itself do not count.
uint64_t nb_faults_mapped_bytes(void);

// Every call of a kind failed once, until one more would not happen:
//     for (uint64_t n = 1;; n++) {
//         nb_faults_fail_at(kind, n);
//         status = ...;
//         if (!nb_faults_reset())
//             break;                 // status is NB_OK here
//         ...                        // status is an error here and nothing is kept
//     }

#endif
