// SPDX-License-Identifier: Apache-2.0
#include "apps/common/chat_line.h"

#include <errno.h>
#include <histedit.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/common/cli.h"
#include "apps/common/model_store.h"

enum { HISTORY_LINES = 1000, PASTE_WAIT_MS = 30 };

struct nb_line_reader {
    EditLine *editor;
    History *history;
    char history_path[PATH_MAX]; // "": not kept
    bool is_continued, has_dropped;
};

static char *prompt(EditLine *editor)
{
    static char first[] = "> ", more[] = ". "; // libedit wants them writable, and writes nothing
    nb_line_reader *reader;
    el_get(editor, EL_CLIENTDATA, &reader);
    return reader->is_continued ? more : first;
}

// Makes every missing folder of the path, for its owner alone.
static bool make_folders(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(path, 0700);
        *slash = '/';
    }
    return mkdir(path, 0700) == 0 || access(path, W_OK) == 0;
}

static void find_history(nb_line_reader *reader, const char *name)
{
    char home[PATH_MAX - 32];
    nb_store_home(home, sizeof home);
    if (make_folders(home))
        snprintf(reader->history_path, sizeof reader->history_path, "%s/%.30s", home, name);
}

static void set_up(nb_line_reader *reader)
{
    el_set(reader->editor, EL_CLIENTDATA, reader);
    el_set(reader->editor, EL_PROMPT, prompt);
    el_set(reader->editor, EL_EDITOR, "emacs");
    el_set(reader->editor, EL_SIGNAL, 1);
    el_set(reader->editor, EL_HIST, history, reader->history);
    el_set(reader->editor, EL_BIND, "^R", "em-inc-search-prev", NULL);
}

nb_line_reader *nb_line_open(const char *history_name)
{
    nb_line_reader *reader = nb_alloc(sizeof *reader);
    reader->history = history_init();
    reader->editor = el_init("nibble", stdin, stdout, stderr);
    if (!reader->history || !reader->editor) {
        nb_line_close(reader);
        return NULL;
    }
    HistEvent event;
    history(reader->history, &event, H_SETSIZE, HISTORY_LINES);
    history(reader->history, &event, H_SETUNIQUE, 1);
    if (history_name)
        find_history(reader, history_name);
    if (reader->history_path[0])
        history(reader->history, &event, H_LOAD, reader->history_path);
    set_up(reader);
    return reader;
}

static void remember(nb_line_reader *reader, const char *line)
{
    HistEvent event;
    history(reader->history, &event, H_ENTER, line);
    mode_t mask = umask(077);
    if (reader->history_path[0])
        history(reader->history, &event, H_SAVE, reader->history_path);
    umask(mask);
}

static bool is_typed(const nb_line_reader *reader)
{
    const LineInfo *line = el_line(reader->editor);
    return line->lastchar > line->buffer;
}

static bool has_more_input(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    int n_bytes = 0; // a Ctrl-D alone can be polled for, but has no byte
    return poll(&input, 1, PASTE_WAIT_MS) > 0 && ioctl(STDIN_FILENO, FIONREAD, &n_bytes) == 0 && n_bytes > 0;
}

bool nb_line_read(nb_line_reader *reader, nb_growing *message)
{
    nb_growing_clear(message);
    reader->is_continued = reader->has_dropped = false;
    for (;;) {
        int n = 0;
        const char *line = el_gets(reader->editor, &n);
        if (!line && n < 0 && errno == EINTR) { // Ctrl-C: what was typed is dropped
            puts("");
            reader->has_dropped = is_typed(reader) || message->bytes > 0;
            nb_growing_clear(message);
            return true;
        }
        if (!line || n <= 0)
            return message->bytes > 0;
        if (line[n - 1] == '\n')
            n--;
        bool is_open = n > 0 && line[n - 1] == '\\';
        char *copy = strndup(line, (size_t)(is_open ? n - 1 : n));
        if (copy && copy[0])
            remember(reader, copy);
        if (reader->is_continued)
            nb_growing_add(message, "\n", 1);
        nb_growing_add(message, copy ? copy : "", copy ? strlen(copy) : 0);
        free(copy);
        reader->is_continued = true;
        if (!is_open && !has_more_input())
            return true;
    }
}

bool nb_line_has_dropped(const nb_line_reader *reader)
{
    return reader->has_dropped;
}

void nb_line_close(nb_line_reader *reader)
{
    if (reader->editor)
        el_end(reader->editor);
    if (reader->history)
        history_end(reader->history);
    free(reader);
}
