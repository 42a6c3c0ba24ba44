// SPDX-License-Identifier: Apache-2.0
// Disks that are full: before the first byte, in the middle, and with what is already there counted. Small file systems
// in memory, mounted where only this program sees them; without the right to mount, skipped.
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/hub/pull_case.h"
#include "tests/support/data_path.h"

static const char cdn[] = "GET cdn *", model[] = "model.safetensors";
static bool can_mount;

enum {
    ROOM_BYTES = 24 << 20,
    SPARE_BYTES = 16 << 20, // what a pull leaves to others
};

static bool put(const char *path, const char *text)
{
    int file = open(path, O_WRONLY | O_CLOEXEC);
    bool is_put = file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text);
    close(file);
    return is_put;
}

// Mounts of this process alone: as root, or as root of a user namespace. Before any thread is there.
static bool enter_namespace(void)
{
    char map[64];
    unsigned user = getuid(), group = getgid();
    if (unshare(CLONE_NEWNS) != 0) {
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
            return false;
        snprintf(map, sizeof map, "0 %u 1", user);
        if (!put("/proc/self/uid_map", map) || !put("/proc/self/setgroups", "deny"))
            return false;
        snprintf(map, sizeof map, "0 %u 1", group);
        if (!put("/proc/self/gid_map", map))
            return false;
    }
    return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

// The cache's home on a file system of so many bytes; skips the test where that is not permitted.
static void mount_home(pull_case *c, size_t bytes)
{
    char path[300], options[64];
    snprintf(path, sizeof path, "%s/hf", c->folder);
    snprintf(options, sizeof options, "size=%zu,mode=0700", bytes);
    mkdir(path, 0700);
    if (!can_mount || mount("nibble-test", path, "tmpfs", 0, options) != 0) {
        fprintf(stderr, "SKIPPED: a file system cannot be mounted here (%s)\n", strerror(errno));
        skip();
    }
}

static int leave(void **state)
{
    pull_case *c = *state;
    char path[300];
    snprintf(path, sizeof path, "%s/hf", c->folder);
    umount2(path, MNT_DETACH);
    return pull_leave(state);
}

static void too_small_from_the_start(void **state)
{
    pull_case *c = *state;
    mount_home(c, 1 << 20);
    pull_run(c, "acme/tiny");
    pull_expect_error(c, 4, "disk|room|space", "[0-9.]+ MB.*1\\.0 MB", "hf", NULL);
    pull_expect_only(c, NULL);
    assert_int_equal(mock_request_matching(c->hub, "GET * */model.safetensors"), 0);
    assert_int_equal(mock_request_matching(c->hub, "GET * */resolve/*"), 0);
}

// Room for the rest, not for all: what is there counts.
static void what_is_there_is_counted(void **state)
{
    pull_case *c = *state;
    mount_home(c, ROOM_BYTES);
    mock_fault_add(c->hub, (mock_fault){.kind = MOCK_CUT, .match = cdn, .at = 1200000});
    pull_run(c, "acme/tiny --retries 0");
    pull_expect_error(c, 1, "127\\.0\\.0\\.2", NULL);
    mock_fault_clear(c->hub);
    char path[400];
    struct statvfs info;
    snprintf(path, sizeof path, "%s/hf", c->folder);
    assert_int_equal(statvfs(path, &info), 0);
    // Of 1.5 MB 0.3 are missing.
    size_t filler = info.f_bavail * info.f_frsize - (SPARE_BYTES + 800000);
    snprintf(path, sizeof path, "%s/hf/filler", c->folder);
    nb_test_file_write(path, pull_bytes(77, filler), filler);
    mock_request_forget(c->hub);
    pull_run(c, "acme/tiny");
    pull_expect_success(c);
    unlink(path);
    pull_expect_tree(c);
    assert_int_equal(mock_request_bytes(c->hub, cdn), PULL_MODEL_BYTES - 1200000);
}

// Somebody else fills the disk meanwhile.
static void full_in_the_middle(void **state)
{
    pull_case *c = *state;
    char path[400];
    mount_home(c, ROOM_BYTES);
    mock_fault_add(c->hub, (mock_fault){.kind = MOCK_PACE, .match = cdn, .at = 1 << 20});
    pid_t child = pull_start(c, "run", "acme/tiny");
    for (int i = 0; i < 2000 && pull_part_bytes(c, mock_repo_etag(c->repo, model)) < 200000; i++)
        nanosleep(&(struct timespec){.tv_nsec = 5 * 1000 * 1000}, NULL);
    snprintf(path, sizeof path, "%s/hf/filler", c->folder);
    int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    while (write(file, pull_bytes(78, 4096), 4096) > 0)
        ;
    close(file);
    pull_finish(c, "run", child);
    pull_expect_error(c, 4, "no space|full|room", NULL);
    pull_expect_only(c, NULL);
    int64_t part = pull_part_bytes(c, mock_repo_etag(c->repo, model));
    assert_true(part >= 200000);
    // Still full: it is said at once, and nothing is lost.
    pull_run(c, "acme/tiny");
    pull_expect_error(c, 4, "disk|room|space", NULL);
    assert_int_equal(pull_part_bytes(c, mock_repo_etag(c->repo, model)), part);
    unlink(path);
    mock_fault_clear(c->hub);
    mock_request_forget(c->hub);
    pull_run(c, "acme/tiny");
    pull_expect_success(c);
    pull_expect_tree(c);
    assert_int_equal(mock_request_bytes(c->hub, cdn), PULL_MODEL_BYTES - part);
}

static void a_disk_that_cannot_be_written(void **state)
{
    pull_case *c = *state;
    char path[300];
    mount_home(c, ROOM_BYTES);
    snprintf(path, sizeof path, "%s/hf", c->folder);
    assert_int_equal(mount("nibble-test", path, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
    pull_run(c, "acme/tiny");
    pull_expect_error(c, 1, "read-only", path, NULL);
    assert_int_equal(mock_request_matching(c->hub, cdn), 0);
}

// A model that is here can be pulled from a disk that is full.
static void nothing_to_do_on_a_full_disk(void **state)
{
    pull_case *c = *state;
    char path[400];
    mount_home(c, ROOM_BYTES);
    pull_run(c, "acme/tiny");
    pull_expect_success(c);
    snprintf(path, sizeof path, "%s/hf/filler", c->folder);
    int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    while (write(file, pull_bytes(78, 4096), 4096) > 0)
        ;
    close(file);
    pull_run(c, "acme/tiny");
    pull_expect_success(c);
    unlink(path);
    pull_expect_tree(c);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, pull_enter, leave)

int main(void)
{
    can_mount = enter_namespace();
    const struct CMUnitTest tests[] = {
        CASE(too_small_from_the_start),      CASE(what_is_there_is_counted),     CASE(full_in_the_middle),
        CASE(a_disk_that_cannot_be_written), CASE(nothing_to_do_on_a_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
