// SPDX-License-Identifier: Apache-2.0
#include "apps/common/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/common/cli.h"

bool nb_terminal_has_colour(int descriptor)
{
    const char *no_colour = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");
    return isatty(descriptor) && !(no_colour && no_colour[0]) && !(terminal && strcmp(terminal, "dumb") == 0);
}

static bool is_control(const unsigned char *s, size_t left)
{
    return (*s < 0x20 && *s != '\n' && *s != '\t') || *s == 0x7f ||
           (*s == 0xc2 && left > 1 && s[1] >= 0x80 && s[1] < 0xa0);
}

void nb_terminal_write(FILE *file, const char *text, size_t bytes, bool guard)
{
    if (!guard) {
        fwrite(text, 1, bytes, file);
        return;
    }
    for (size_t i = 0; i < bytes; i++) {
        const unsigned char *s = (const unsigned char *)text + i;
        if (!is_control(s, bytes - i)) {
            putc(*s, file);
            continue;
        }
        putc('?', file);
        i += *s == 0xc2;
    }
}

void nb_progress_start(nb_progress *progress, const char *what)
{
    *progress = (nb_progress){.what = what, .start_s = nb_now_s()};
}

void nb_progress_update(void *user, uint64_t done_bytes, uint64_t total_bytes)
{
    enum { WIDTH = 30 };
    nb_progress *progress = user;
    double now = nb_now_s();
    if (!isatty(STDERR_FILENO) || total_bytes == 0 || now - progress->start_s < 0.3 || now - progress->shown_s < 0.1)
        return;
    char bar[WIDTH + 1], done[32], total[32];
    double share = (double)done_bytes / (double)total_bytes;
    for (int i = 0; i < WIDTH; i++)
        bar[i] = i < share * WIDTH ? '#' : '.';
    bar[WIDTH] = 0;
    if (progress->unit)
        fprintf(stderr, "\r%s [%s] %llu of %llu %s ", progress->what, bar, (unsigned long long)done_bytes,
                (unsigned long long)total_bytes, progress->unit);
    else
        fprintf(stderr, "\r%s [%s] %s of %s ", progress->what, bar, nb_bytes_text(done, (double)done_bytes),
                nb_bytes_text(total, (double)total_bytes));
    progress->shown_s = now;
    progress->is_shown = true;
}

void nb_progress_end(nb_progress *progress)
{
    if (progress->is_shown)
        fprintf(stderr, "\r%*s\r", 78, "");
}
