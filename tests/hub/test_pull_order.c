// SPDX-License-Identifier: Apache-2.0
// In which order a pull's files become visible: each gets its name by a rename, so that nobody who looks finds a part
// of it; the blobs first, the snapshot when it has all of them, the ref last.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/hub/pull_case.h"

enum { FOLDERS_MAX = 3, EVENTS_BYTES = 1 << 16 };

// What appeared in some folders while a pull ran, in its order.
typedef struct watch {
    int notify;
    int ids[FOLDERS_MAX];
    _Alignas(struct inotify_event) char events[EVENTS_BYTES];
    ssize_t bytes;
} watch;

// Folders below the case's own; they are made.
static void watch_begin(watch *w, const pull_case *c, const char *const folders[FOLDERS_MAX])
{
    w->notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    assert_true(w->notify >= 0);
    for (size_t i = 0; i < FOLDERS_MAX && folders[i]; i++) {
        char path[900], command[1000];
        snprintf(path, sizeof path, "%s/%s", c->folder, folders[i]);
        snprintf(command, sizeof command, "mkdir -p %s", path);
        assert_int_equal(system(command), 0);
        w->ids[i] = inotify_add_watch(w->notify, path, IN_CREATE | IN_MOVED_TO);
        assert_true(w->ids[i] >= 0);
    }
}

static void watch_end(watch *w)
{
    w->bytes = read(w->notify, w->events, sizeof w->events);
    assert_true(w->bytes > 0);
    close(w->notify);
}

// The place of a name among the events of one folder and all others, from 1 on; it came once, by a rename.
static size_t place_of(const watch *w, size_t folder, const char *name)
{
    size_t place = 0, n = 0;
    const struct inotify_event *event;
    for (ssize_t at = 0; at < w->bytes; at += (ssize_t)sizeof *event + event->len) {
        event = (const struct inotify_event *)(const void *)(w->events + at);
        assert_false(event->mask & IN_Q_OVERFLOW);
        n++;
        if (event->wd != w->ids[folder] || event->len == 0 || strcmp(event->name, name) != 0)
            continue;
        if (place != 0 || !(event->mask & IN_MOVED_TO))
            fail_msg("%s: came %s", name, place != 0 ? "twice" : "without a rename");
        place = n;
    }
    if (place == 0)
        fail_msg("%s never came", name);
    return place;
}

static void blobs_then_snapshot_then_ref(void **state)
{
    static const char *const folders[FOLDERS_MAX] = {
        "hf/hub/models--acme--tiny/blobs", "hf/hub/models--acme--tiny/snapshots", "hf/hub/models--acme--tiny/refs"};
    pull_case *c = *state;
    watch w = {0};
    watch_begin(&w, c, folders);
    pull_run(c, "acme/tiny --jobs 4");
    pull_expect_success(c);
    watch_end(&w);
    pull_expect_tree(c);
    size_t snapshot = place_of(&w, 1, mock_repo_commit(c->repo));
    for (size_t i = 0; i < pull_n_taken; i++)
        assert_true(place_of(&w, 0, mock_repo_etag(c->repo, pull_taken[i])) < snapshot);
    assert_true(snapshot < place_of(&w, 2, "main"));
}

static void files_of_a_directory_then_its_mark(void **state)
{
    static const char *const folders[FOLDERS_MAX] = {"dir", "dir/.cache/huggingface"};
    pull_case *c = *state;
    watch w = {0};
    watch_begin(&w, c, folders);
    pull_run(c, "acme/tiny --jobs 4 --to %s/dir", c->folder);
    pull_expect_success(c);
    watch_end(&w);
    size_t mark = place_of(&w, 1, "nibble.json");
    for (size_t i = 0; i < pull_n_taken; i++)
        assert_true(place_of(&w, 0, pull_taken[i]) < mark);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, pull_enter, pull_leave)

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(blobs_then_snapshot_then_ref), CASE(files_of_a_directory_then_its_mark)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
