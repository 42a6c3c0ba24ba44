// SPDX-License-Identifier: Apache-2.0
// One pull of a repository at a time. The lock is a file that names its owner: process, start time, boot. flock() is
// taken besides, but some file systems grant it to everybody, so the owner's life decides too; a dead owner's lock is
// taken over. The file stays when the lock is given up, empty.
#ifndef NB_APPS_HUB_LOCK_H
#define NB_APPS_HUB_LOCK_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct nb_hub_owner {
    uint64_t process;    // 0: nobody
    uint64_t start_time; // of the process, in clock ticks since boot, as /proc/PID/stat has it
    char boot[40];       // /proc/sys/kernel/random/boot_id: other boots and machines have others
} nb_hub_owner;

typedef struct nb_hub_lock {
    int fd; // -1: not held
} nb_hub_lock;

typedef enum nb_hub_lock_state { NB_HUB_LOCK_HELD, NB_HUB_LOCK_BUSY, NB_HUB_LOCK_FAILED } nb_hub_lock_state;

bool nb_hub_owner_parse(nb_hub_owner *owner, const char *text);
bool nb_hub_owner_here(nb_hub_owner *owner);        // this process
bool nb_hub_owner_lives(const nb_hub_owner *owner); // on this machine, since this boot

// Tries once. BUSY: `owner` has it. FAILED: errno tells. HELD with owner->process not 0: taken over from a dead one.
nb_hub_lock_state nb_hub_lock_try(nb_hub_lock *lock, const char *path, nb_hub_owner *owner);
void nb_hub_lock_release(nb_hub_lock *lock);

#endif
