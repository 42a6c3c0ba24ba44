// SPDX-License-Identifier: Apache-2.0
// What is shown of a pull: on a terminal lines that fit and never fall back, elsewhere JSON lines.
#include "apps/hub/hub_progress.h"

#include <fcntl.h>
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "apps/common/cli.h"

enum { COLUMNS = 60, BLOB_BYTES = 1000 };

static const char etag_a[] = "0123456789abcdef0123456789abcdef01234567",
                  etag_b[] = "1123456789abcdef0123456789abcdef01234567";

typedef struct world {
    nb_hub_place place;
    nb_hub_listing listing;
    nb_hub_plan plan;
    nb_model_name name;
} world;

static void build(world *w)
{
    static const bool is_taken[] = {true, true, true};
    char why[128];
    memset(w, 0, sizeof *w);
    nb_hub_listing_put(&w->listing, "a", BLOB_BYTES, etag_a);
    nb_hub_listing_put(&w->listing, "a-of-the-same-content", BLOB_BYTES, etag_a);
    nb_hub_listing_put(&w->listing, "b/with/a/name/that/is/longer/than/its/column/h\xc3\xa9lo.safetensors", BLOB_BYTES,
                       etag_b);
    assert_true(nb_hub_listing_finish(&w->listing, why, sizeof why));
    nb_hub_plan_make(&w->plan, &w->place, &w->listing, is_taken);
    assert_true(nb_model_name_parse(&w->name, "o/n@main"));
}

static void release(world *w)
{
    nb_hub_plan_release(&w->plan);
    nb_hub_listing_release(&w->listing);
}

static void pause_ms(long ms)
{
    const struct timespec time = {.tv_nsec = ms * 1000 * 1000};
    nanosleep(&time, NULL);
}

// A pull that goes on, is tried again, and ends; `tick_ms` between two looks.
static void play(world *w, nb_hub_progress *progress, long tick_ms)
{
    static const uint64_t a[] = {0, 100, 400, 400, 900, 1000}, b[] = {0, 0, 300, 600, 600, 999};
    const nb_hub_failure cut = {.problem = NB_HUB_CUT};
    nb_hub_progress_plan(progress, &w->plan, &w->name, etag_a);
    for (size_t i = 0; i < NB_COUNT_OF(a); i++) {
        w->plan.blobs[0].done_bytes = a[i];
        w->plan.blobs[1].done_bytes = b[i];
        pause_ms(tick_ms);
        nb_hub_progress_tick(progress);
        if (i == 3)
            nb_hub_progress_retry(progress, w->listing.files[0].path, &cut, 2);
    }
    nb_hub_progress_file(progress, &w->plan.blobs[0], "fetched");
    nb_hub_progress_file(progress, &w->plan.blobs[1], "resumed");
    pause_ms(tick_ms);
    nb_hub_progress_tick(progress);
    nb_hub_progress_end(progress);
}

// stderr is `descriptor` for the time of a play.
static void play_on(world *w, int descriptor, bool is_json, long tick_ms)
{
    int before = dup(STDERR_FILENO);
    fflush(stderr);
    assert_true(dup2(descriptor, STDERR_FILENO) >= 0);
    nb_hub_progress *progress = nb_hub_progress_create(is_json);
    play(w, progress, tick_ms);
    nb_hub_progress_free(progress);
    fflush(stderr);
    dup2(before, STDERR_FILENO);
    close(before);
}

static size_t n_columns(const char *line)
{
    size_t n = 0;
    for (; *line; line++)
        n += ((unsigned char)*line & 0xc0) != 0x80 && *line != '\r';
    return n;
}

// Characters without the escapes that move the cursor.
static void strip_escapes(char *line)
{
    char *to = line;
    for (const char *s = line; *s; s++) {
        if (*s == '\033')
            s += strcspn(s, "AK");
        else
            *to++ = *s;
    }
    *to = 0;
}

static void a_terminal_sees_lines_that_never_fall_back(void **state)
{
    (void)state;
    world w;
    int master, slave, last = -1, n_totals = 0, n_kept = 0;
    const struct winsize size = {.ws_row = 24, .ws_col = COLUMNS};
    static char text[65536];
    build(&w);
    setenv("TERM", "xterm", 1);
    assert_int_equal(openpty(&master, &slave, NULL, NULL, &size), 0);
    play_on(&w, slave, false, 110);
    fcntl(master, F_SETFL, O_NONBLOCK);
    ssize_t n = read(master, text, sizeof text - 1);
    assert_true(n > 0);
    text[n] = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        int n_done, n_all, percent = 0;
        strip_escapes(line);
        n_kept += strstr(line, "fetched") || strstr(line, "resumed");
        if (strncmp(line, "nibble: ", 8) != 0 && n_columns(line) >= COLUMNS)
            fail_msg("too long: %s", line);
        const char *share = strchr(line, '(');
        if (sscanf(line, "%*[\r]%d of %d files", &n_done, &n_all) != 2 &&
            sscanf(line, "%d of %d files", &n_done, &n_all) != 2)
            continue;
        assert_int_equal(n_all, 3);
        assert_true(share && sscanf(share, "(%d", &percent) == 1);
        assert_true(percent >= last && percent <= 100);
        last = percent;
        n_totals++;
    }
    assert_true(n_totals >= 5);
    assert_int_equal(last, 100);
    assert_int_equal(n_kept, 3); // one line a file
    close(master);
    close(slave);
    release(&w);
}

static void a_file_gets_json_lines(void **state)
{
    (void)state;
    world w;
    FILE *file = tmpfile();
    char line[1024];
    json_int_t last = -1;
    int n_files = 0, n_progress = 0, n_retries = 0, n_plans = 0;
    assert_non_null(file);
    build(&w);
    play_on(&w, fileno(file), false, 700);
    rewind(file);
    while (fgets(line, sizeof line, file)) {
        json_t *event = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        const char *kind = json_string_value(json_object_get(event, "event"));
        if (!kind)
            fail_msg("no event: %s", line);
        n_plans += strcmp(kind, "plan") == 0;
        n_files += strcmp(kind, "file") == 0;
        n_retries += strcmp(kind, "retry") == 0;
        if (strcmp(kind, "progress") == 0) {
            json_int_t done = json_integer_value(json_object_get(event, "done_bytes"));
            assert_true(done >= last && done <= 2 * BLOB_BYTES);
            last = done;
            n_progress++;
        }
        json_decref(event);
    }
    assert_int_equal(n_plans, 1);
    assert_int_equal(n_files, 3);
    assert_int_equal(n_retries, 1);
    assert_true(n_progress >= 1);
    fclose(file);
    release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_terminal_sees_lines_that_never_fall_back),
        cmocka_unit_test(a_file_gets_json_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
