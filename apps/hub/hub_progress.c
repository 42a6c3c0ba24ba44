// SPDX-License-Identifier: Apache-2.0
#include "apps/hub/hub_progress.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "apps/common/cli.h"
#include "apps/common/growing_text.h"

enum { MAX_LINES = 9, RATE_SLOTS = 64 };
// Columns of a terminal.
enum { NAME_LEAST = 8, NAME_MOST = 34, BAR_COLUMNS = 19, AMOUNT_COLUMNS = 18, SHARE_COLUMNS = 5, HOW_COLUMNS = 19 };
static const double TICK_S = 0.1, EVENT_S = 2, RATE_SPAN_S = 10;

typedef struct rate_mark {
    double at_s;
    uint64_t bytes;
} rate_mark;

struct nb_hub_progress {
    pthread_mutex_t lock;
    bool is_terminal, is_json;
    int out_code; // of standard output, where that has the events
    const nb_hub_plan *plan;
    double shown_s;
    int n_lines; // on the screen, below what stays
    rate_mark marks[RATE_SLOTS];
    size_t n_marks;
};

nb_hub_progress *nb_hub_progress_create(bool is_json)
{
    nb_hub_progress *progress = nb_alloc(sizeof *progress);
    const char *terminal = getenv("TERM");
    pthread_mutex_init(&progress->lock, NULL);
    progress->is_json = is_json;
    progress->is_terminal = !is_json && isatty(STDERR_FILENO) && !(terminal && strcmp(terminal, "dumb") == 0);
    return progress;
}

void nb_hub_progress_free(nb_hub_progress *progress)
{
    if (!progress)
        return;
    pthread_mutex_destroy(&progress->lock);
    free(progress);
}

// ---- amounts -------------------------------------------------------------------------------------------------------

static uint64_t done_bytes(const nb_hub_progress *progress)
{
    uint64_t sum = 0;
    for (size_t i = 0; progress->plan && i < progress->plan->n_blobs; i++)
        sum += atomic_load_explicit(&progress->plan->blobs[i].done_bytes, memory_order_relaxed);
    return sum;
}

// Bytes a second over the last seconds; 0: not known yet.
static double take_rate(nb_hub_progress *progress, double now, uint64_t bytes)
{
    size_t n = progress->n_marks;
    if (n == 0 || now - progress->marks[n - 1].at_s >= RATE_SPAN_S / RATE_SLOTS) {
        if (n == RATE_SLOTS) {
            memmove(progress->marks, progress->marks + 1, (RATE_SLOTS - 1) * sizeof *progress->marks);
            n--;
        }
        progress->marks[n] = (rate_mark){now, bytes};
        progress->n_marks = ++n;
    }
    double span = now - progress->marks[0].at_s;
    return span > 0.2 ? (double)(bytes - progress->marks[0].bytes) / span : 0;
}

// ---- JSON lines ----------------------------------------------------------------------------------------------------

static void emit(nb_hub_progress *progress, json_t *object)
{
    if (progress->is_json && progress->out_code == NB_EXIT_OK) {
        progress->out_code = nb_out_json(object);
        return;
    }
    if (progress->is_json) { // told once; the model comes all the same
        json_decref(object);
        return;
    }
    nb_growing line = {0};
    nb_growing_add_json(&line, object, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(12));
    fprintf(stderr, "%s\n", line.text);
    nb_growing_release(&line);
}

static void emit_progress(nb_hub_progress *progress, uint64_t bytes, double rate)
{
    uint64_t total = progress->plan->total_bytes;
    emit(progress, json_pack("{s:s, s:I, s:I, s:I, s:o}", "event", "progress", "done_bytes", (json_int_t)bytes,
                             "total_bytes", (json_int_t)total, "bytes_per_second", (json_int_t)rate, "seconds_left",
                             rate > 0 ? json_integer((json_int_t)((double)(total - bytes) / rate)) : json_null()));
}

// ---- terminal ------------------------------------------------------------------------------------------------------

static void clear_lines(nb_hub_progress *progress)
{
    for (; progress->n_lines > 0; progress->n_lines--)
        fputs("\033[A\033[2K", stderr);
    fputc('\r', stderr);
}

// Of a line: one column less than there are, so that it is never wrapped.
static size_t columns(void)
{
    struct winsize size;
    return (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : 80) - 1u;
}

// A name's last characters, where its beginning does not fit beside the `n_others` columns that follow; control
// characters were refused before.
static void put_name(nb_growing *text, const char *path, size_t n_others)
{
    size_t all = columns(), room = all > n_others + NAME_LEAST ? all - n_others : NAME_LEAST;
    size_t n = strlen(path), n_columns = 0, from = n;
    room = room < NAME_MOST ? room : NAME_MOST;
    while (from > 0 && n_columns < room) {
        from--;
        n_columns += ((unsigned char)path[from] & 0xc0) != 0x80;
    }
    while (from > 0 && from < n && ((unsigned char)path[from] & 0xc0) == 0x80)
        from++;
    nb_growing_add(text, path + from, n - from);
    for (; n_columns <= room; n_columns++)
        nb_growing_add(text, " ", 1);
}

static void put_bar(nb_growing *text, double share)
{
    enum { WIDTH = BAR_COLUMNS - 3 };
    char bar[WIDTH + 4] = "[";
    for (int i = 0; i < WIDTH; i++)
        bar[1 + i] = i < share * WIDTH ? '#' : '.';
    strcpy(bar + 1 + WIDTH, "] ");
    nb_growing_add(text, bar, strlen(bar));
}

static void put_line(nb_hub_progress *progress, nb_growing *text)
{
    size_t n = text->bytes, room = columns();
    while (n > room) { // or it would be wrapped, and the count of lines wrong
        n--;
        while (n > 0 && ((unsigned char)text->text[n] & 0xc0) == 0x80)
            n--;
    }
    fprintf(stderr, "%.*s\n", (int)n, nb_growing_text(text));
    progress->n_lines++;
    nb_growing_clear(text);
}

static void format_left(char *text, size_t capacity, double seconds)
{
    unsigned long s = (unsigned long)seconds;
    if (s >= 3600)
        snprintf(text, capacity, ", %lu h %02lu min left", s / 3600, s / 60 % 60);
    else
        snprintf(text, capacity, ", %lu:%02lu left", s / 60, s % 60);
}

static void draw_blob(nb_hub_progress *progress, nb_growing *line, const nb_hub_blob *blob, uint64_t bytes)
{
    char done[32], total[32], amounts[80];
    double share = (double)bytes / (double)blob->file->bytes;
    size_t room = columns();
    bool is_narrow = room < NAME_LEAST + 1 + AMOUNT_COLUMNS;
    bool has_bar = room >= 2 * NAME_LEAST + 1 + BAR_COLUMNS + AMOUNT_COLUMNS;
    put_name(line, blob->file->path, 1 + (is_narrow ? SHARE_COLUMNS : AMOUNT_COLUMNS) + (has_bar ? BAR_COLUMNS : 0));
    if (has_bar)
        put_bar(line, share);
    int n = is_narrow ? snprintf(amounts, sizeof amounts, "%3.0f %%", 100 * share)
                      : snprintf(amounts, sizeof amounts, "%s of %s", nb_bytes_text(done, (double)bytes),
                                 nb_bytes_text(total, (double)blob->file->bytes));
    nb_growing_add(line, amounts, (size_t)n);
    put_line(progress, line);
}

static void draw_total(nb_hub_progress *progress, nb_growing *line, uint64_t bytes, double rate)
{
    char done[32], total[32], rate_text[32], speed[48] = "", left[48] = "", text[256];
    uint64_t all = progress->plan->total_bytes;
    double percent = all ? 100 * (double)bytes / (double)all : 100.0;
    size_t n_done = 0;
    for (size_t i = 0; i < progress->plan->n_blobs; i++)
        if (atomic_load_explicit(&progress->plan->blobs[i].is_done, memory_order_relaxed))
            n_done += progress->plan->blobs[i].n_names;
    if (rate > 0) {
        snprintf(speed, sizeof speed, ", %s/s", nb_bytes_text(rate_text, rate));
        format_left(left, sizeof left, (double)(all - bytes) / rate);
    }
    int n = snprintf(text, sizeof text, "%zu of %zu files, %s of %s (%.0f %%)%s%s", n_done, progress->plan->n_files,
                     nb_bytes_text(done, (double)bytes), nb_bytes_text(total, (double)all), percent, speed, left);
    if ((size_t)n > columns())
        n = snprintf(text, sizeof text, "(%.0f %%)%s%s", percent, speed, left);
    if ((size_t)n > columns())
        n = snprintf(text, sizeof text, "(%.0f %%)%s", percent, left);
    nb_growing_add(line, text, (size_t)n);
    put_line(progress, line);
}

// A file that is done: its line stays.
static void keep_line(nb_hub_progress *progress, const nb_hub_file *file, const char *how)
{
    nb_growing line = {0};
    char size[32], text[64];
    clear_lines(progress);
    put_name(&line, file->path, 1 + HOW_COLUMNS);
    int n = snprintf(text, sizeof text, "%9s  %s", nb_bytes_text(size, (double)file->bytes), how);
    nb_growing_add(&line, text, (size_t)n);
    put_line(progress, &line);
    progress->n_lines = 0;
    nb_growing_release(&line);
}

static void draw(nb_hub_progress *progress, uint64_t bytes, double rate)
{
    nb_growing line = {0};
    clear_lines(progress);
    for (size_t i = 0; i < progress->plan->n_blobs && progress->n_lines < MAX_LINES; i++) {
        const nb_hub_blob *blob = &progress->plan->blobs[i];
        uint64_t now = atomic_load_explicit(&blob->done_bytes, memory_order_relaxed);
        if (!atomic_load_explicit(&blob->is_done, memory_order_relaxed) && now > 0)
            draw_blob(progress, &line, blob, now);
    }
    draw_total(progress, &line, bytes, rate);
    fflush(stderr);
    nb_growing_release(&line);
}

// ---- calls ---------------------------------------------------------------------------------------------------------

void nb_hub_progress_plan(nb_hub_progress *progress, const nb_hub_plan *plan, const nb_model_name *name,
                          const char *commit)
{
    char all[32], here[32];
    progress->plan = plan;
    if (progress->is_terminal)
        nb_note("%s at %.12s: %zu files, %s, of which %s are here", name->repository, commit, plan->n_files,
                nb_bytes_text(all, (double)plan->total_bytes),
                nb_bytes_text(here, (double)(plan->present_bytes + plan->part_bytes)));
    else
        emit(progress, json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I}", "event", "plan", "repository",
                                 name->repository, "revision", name->revision, "commit", commit, "files",
                                 (json_int_t)plan->n_files, "bytes", (json_int_t)plan->total_bytes, "present_bytes",
                                 (json_int_t)plan->present_bytes, "part_bytes", (json_int_t)plan->part_bytes));
}

void nb_hub_progress_tick(nb_hub_progress *progress)
{
    double now = nb_now_s();
    pthread_mutex_lock(&progress->lock);
    uint64_t bytes = done_bytes(progress);
    double rate = take_rate(progress, now, bytes);
    if (progress->plan && now - progress->shown_s >= (progress->is_terminal ? TICK_S : EVENT_S)) {
        if (progress->is_terminal)
            draw(progress, bytes, rate);
        else if (progress->shown_s > 0)
            emit_progress(progress, bytes, rate);
        progress->shown_s = now;
    }
    pthread_mutex_unlock(&progress->lock);
}

void nb_hub_progress_file(nb_hub_progress *progress, const nb_hub_blob *blob, const char *how)
{
    nb_hub_blob *own = (nb_hub_blob *)(uintptr_t)blob;
    pthread_mutex_lock(&progress->lock);
    if (atomic_exchange(&own->done_bytes, blob->file->bytes) != blob->file->bytes)
        progress->n_marks = 0; // it was here: nothing is known of the network by it
    atomic_store(&own->is_done, true);
    for (size_t i = 0; i < progress->plan->n_files; i++) {
        const nb_hub_file *file = progress->plan->files[i];
        if (strcmp(file->etag, blob->file->etag) != 0)
            continue;
        if (progress->is_terminal)
            keep_line(progress, file, how);
        else
            emit(progress, json_pack("{s:s, s:s, s:I, s:s}", "event", "file", "path", file->path, "bytes",
                                     (json_int_t)file->bytes, "how", how));
    }
    pthread_mutex_unlock(&progress->lock);
}

void nb_hub_progress_rate_anew(nb_hub_progress *progress)
{
    pthread_mutex_lock(&progress->lock);
    progress->n_marks = 0;
    pthread_mutex_unlock(&progress->lock);
}

void nb_hub_progress_retry(nb_hub_progress *progress, const char *path, const nb_hub_failure *failure, double wait_s)
{
    char text[128];
    nb_hub_problem_text(failure, text, sizeof text);
    pthread_mutex_lock(&progress->lock);
    if (progress->is_terminal) {
        clear_lines(progress);
        nb_note("%.200s%s%s, trying again in %.0f s", path ? path : "", path ? ": " : "", text, wait_s);
    } else {
        emit(progress, json_pack("{s:s, s:s?, s:s, s:f}", "event", "retry", "path", path, "reason", text,
                                 "wait_seconds", wait_s));
    }
    pthread_mutex_unlock(&progress->lock);
}

void nb_hub_progress_note(nb_hub_progress *progress, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    pthread_mutex_lock(&progress->lock);
    if (progress->is_terminal) {
        clear_lines(progress);
        nb_note("%s", text);
    } else {
        emit(progress, json_pack("{s:s, s:o}", "event", "note", "text", nb_json_name(text)));
    }
    pthread_mutex_unlock(&progress->lock);
}

int nb_hub_progress_event(nb_hub_progress *progress, json_t *event)
{
    pthread_mutex_lock(&progress->lock);
    emit(progress, event);
    int code = progress->out_code;
    pthread_mutex_unlock(&progress->lock);
    return code;
}

static void end(nb_hub_progress *progress)
{
    if (progress->is_terminal) {
        clear_lines(progress);
        fflush(stderr);
    }
    progress->plan = NULL;
    pthread_mutex_unlock(&progress->lock);
}

void nb_hub_progress_end(nb_hub_progress *progress)
{
    pthread_mutex_lock(&progress->lock);
    end(progress);
}

bool nb_hub_progress_try_end(nb_hub_progress *progress)
{
    if (pthread_mutex_trylock(&progress->lock) != 0)
        return false;
    end(progress);
    return true;
}
