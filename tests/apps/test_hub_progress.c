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

enum { BLOB_BYTES = 1000 };

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

static void play_fast(world *w, nb_hub_progress *progress)
{
    play(w, progress, 110);
}

static void play_slowly(world *w, nb_hub_progress *progress)
{
    play(w, progress, 700);
}

// stderr is `descriptor` for the time of a play.
static void play_on(world *w, int descriptor, bool is_json, void (*perform)(world *w, nb_hub_progress *progress))
{
    int before = dup(STDERR_FILENO);
    fflush(stderr);
    assert_true(dup2(descriptor, STDERR_FILENO) >= 0);
    nb_hub_progress *progress = nb_hub_progress_create(is_json);
    perform(w, progress);
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
        else if (*s != '\r')
            *to++ = *s;
    }
    *to = 0;
}

// What a terminal of so many columns gets of a play.
static const char *play_on_terminal(unsigned short n_wide, void (*perform)(world *w, nb_hub_progress *progress))
{
    world w;
    int master, slave;
    const struct winsize size = {.ws_row = 24, .ws_col = n_wide};
    static char text[65536];
    build(&w);
    setenv("TERM", "xterm", 1);
    assert_int_equal(openpty(&master, &slave, NULL, NULL, &size), 0);
    play_on(&w, slave, false, perform);
    fcntl(master, F_SETFL, O_NONBLOCK);
    ssize_t n = read(master, text, sizeof text - 1);
    assert_true(n > 0);
    text[n] = 0;
    close(master);
    close(slave);
    release(&w);
    return text;
}

static void lines_never_fall_back(int n_wide, int n_files_least, int n_kept_expected)
{
    int last = -1, n_totals = 0, n_kept = 0;
    char *text = strdup(play_on_terminal((unsigned short)n_wide, play_fast));
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        int n_done, n_all, percent = 0;
        strip_escapes(line);
        n_kept += strstr(line, "fetched") || strstr(line, "resumed");
        if (strncmp(line, "nibble: ", 8) != 0 && n_columns(line) >= (size_t)n_wide)
            fail_msg("too long: %s", line);
        const char *share = strchr(line, '(');
        if (!share || sscanf(share, "(%d", &percent) != 1)
            continue;
        if (sscanf(line, "%d of %d files", &n_done, &n_all) == 2)
            n_files_least -= n_all == 3;
        assert_true(percent >= last && percent <= 100);
        last = percent;
        n_totals++;
    }
    assert_true(n_totals >= 5);
    assert_int_equal(last, 100);
    assert_true(n_files_least <= 0);
    assert_int_equal(n_kept, n_kept_expected); // one line a file
    free(text);
}

static void a_terminal_sees_lines_that_never_fall_back(void **state)
{
    (void)state;
    lines_never_fall_back(60, 5, 3);
    lines_never_fall_back(30, 0, 3);
    lines_never_fall_back(20, 0, 0);
}

// One file was here; a few bytes of the other come.
static void play_after_what_was_here(world *w, nb_hub_progress *progress)
{
    nb_hub_progress_plan(progress, &w->plan, &w->name, etag_a);
    nb_hub_progress_tick(progress);
    nb_hub_progress_file(progress, &w->plan.blobs[0], "present");
    w->plan.blobs[1].done_bytes = 500; // hashed
    nb_hub_progress_tick(progress);
    nb_hub_progress_rate_anew(progress);
    for (int i = 0; i < 5; i++) {
        w->plan.blobs[1].done_bytes++;
        pause_ms(110);
        nb_hub_progress_tick(progress);
    }
    nb_hub_progress_end(progress);
}

static void the_rate_is_of_what_comes(void **state)
{
    (void)state;
    double rate = -1;
    const char *text = play_on_terminal(80, play_after_what_was_here);
    for (const char *s = text; (s = strstr(s, "%), ")); s++) {
        char unit[8] = "";
        assert_int_equal(sscanf(s, "%%), %lf %7[^/]", &rate, unit), 2);
        assert_string_equal(unit, "B");
        assert_true(rate <= 25); // 5 bytes in at least 0.2 s
    }
    assert_true(rate >= 0);
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
    play_on(&w, fileno(file), false, play_slowly);
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

static void note_half_a_letter(world *w, nb_hub_progress *progress)
{
    (void)w;
    nb_hub_progress_note(progress, "%.1s", "\xc3\xa9");
}

// JSON cannot say it; the pull goes on.
static void a_note_that_is_no_text_is_null(void **state)
{
    (void)state;
    FILE *file = tmpfile();
    assert_non_null(file);
    play_on(NULL, fileno(file), false, note_half_a_letter);
    rewind(file);
    json_t *event = json_loadf(file, JSON_REJECT_DUPLICATES, NULL);
    assert_string_equal(json_string_value(json_object_get(event, "event")), "note");
    assert_true(json_is_null(json_object_get(event, "text")));
    json_decref(event);
    fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_terminal_sees_lines_that_never_fall_back),
        cmocka_unit_test(the_rate_is_of_what_comes),
        cmocka_unit_test(a_file_gets_json_lines),
        cmocka_unit_test(a_note_that_is_no_text_is_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
