// SPDX-License-Identifier: Apache-2.0
#include "apps/hub/hub_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/common/cli.h"

bool nb_hub_owner_parse(nb_hub_owner *owner, const char *text)
{
    unsigned long long process, start_time;
    memset(owner, 0, sizeof *owner);
    if (strlen(text) > 200 || sscanf(text, "%20llu %20llu %36[0-9a-f-]", &process, &start_time, owner->boot) != 3 ||
        process > INT32_MAX) {
        memset(owner, 0, sizeof *owner);
        return false;
    }
    owner->process = process;
    owner->start_time = start_time;
    return process > 0;
}

// Field 22 of /proc/PID/stat; the second, in brackets, may hold anything.
static bool read_start_time(uint64_t process, uint64_t *start_time)
{
    char path[64], text[1024];
    unsigned long long value;
    snprintf(path, sizeof path, "/proc/%llu/stat", (unsigned long long)process);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = 0;
    const char *rest = strrchr(text, ')');
    if (!rest ||
        sscanf(rest, ") %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu", &value) != 1)
        return false;
    *start_time = value;
    return true;
}

static void read_boot(char boot[40])
{
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    boot[0] = 0;
    if (!file || fscanf(file, "%36[0-9a-f-]", boot) != 1)
        strcpy(boot, "0");
    if (file)
        fclose(file);
}

bool nb_hub_owner_here(nb_hub_owner *owner)
{
    memset(owner, 0, sizeof *owner);
    owner->process = (uint64_t)getpid();
    read_boot(owner->boot);
    return read_start_time(owner->process, &owner->start_time);
}

bool nb_hub_owner_lives(const nb_hub_owner *owner)
{
    char boot[40];
    uint64_t start_time;
    read_boot(boot);
    return owner->process > 0 && strcmp(boot, owner->boot) == 0 && read_start_time(owner->process, &start_time) &&
           start_time == owner->start_time;
}

static void read_owner(int fd, nb_hub_owner *owner)
{
    char text[256];
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = 0;
    nb_hub_owner_parse(owner, text);
}

static bool write_owner(int fd)
{
    nb_hub_owner here;
    char text[128];
    nb_hub_owner_here(&here);
    int n = snprintf(text, sizeof text, "%llu %llu %s\n", (unsigned long long)here.process,
                     (unsigned long long)here.start_time, here.boot);
    ssize_t n_written;
    do
        n_written = ftruncate(fd, 0) == 0 ? pwrite(fd, text, (size_t)n, 0) : -1;
    while (n_written < 0 && errno == EINTR);
    return n_written == n;
}

nb_hub_lock_state nb_hub_lock_try(nb_hub_lock *lock, const char *path, nb_hub_owner *owner)
{
    struct stat info;
    nb_hub_owner here;
    lock->fd = -1;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
    if (fd < 0 || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        if (fd >= 0)
            close(fd);
        return NB_HUB_LOCK_FAILED;
    }
    bool is_granted = flock(fd, LOCK_EX | LOCK_NB) == 0;
    bool is_busy = !is_granted && errno == EWOULDBLOCK; // else the file system has no such locks
    read_owner(fd, owner);
    nb_hub_owner_here(&here);
    bool is_other = owner->process != here.process || owner->start_time != here.start_time;
    if (is_busy || (is_other && nb_hub_owner_lives(owner))) {
        close(fd);
        return NB_HUB_LOCK_BUSY;
    }
    // On a full disk flock alone must do, for those who need no room.
    if (!write_owner(fd) && !(is_granted && errno == ENOSPC)) {
        int reason = errno;
        close(fd);
        errno = reason;
        return NB_HUB_LOCK_FAILED;
    }
    lock->fd = fd;
    return NB_HUB_LOCK_HELD;
}

void nb_hub_lock_release(nb_hub_lock *lock)
{
    if (lock->fd < 0)
        return;
    if (ftruncate(lock->fd, 0) != 0) {
        // The owner named in it is gone in a moment, which frees it too.
    }
    close(lock->fd);
    lock->fd = -1;
}
