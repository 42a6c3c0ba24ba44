// SPDX-License-Identifier: Apache-2.0
#include "apps/tutor/tutor_input.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/common/cli.h"

enum { MAX_LINE_BYTES = 65536 };

bool nb_tutor_input_open(nb_tutor_input *input, const char *history_name)
{
    input->reader = NULL;
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return true;
    input->reader = nb_line_open(history_name);
    if (!input->reader)
        (void)nb_fail(NB_EXIT_FAILED, "cannot set up line editing on this terminal; try answers from a pipe");
    return input->reader != NULL;
}

static bool read_piped(nb_growing *line)
{
    int c;
    nb_growing_clear(line);
    while ((c = getchar()) != EOF && c != '\n')
        if (line->bytes < MAX_LINE_BYTES) // the rest of a longer line is of no use
            nb_growing_add(line, &(char){(char)c}, 1);
    nb_growing_add(line, "", 0);
    return c != EOF || line->bytes > 0;
}

bool nb_tutor_input_read(nb_tutor_input *input, nb_growing *line)
{
    fflush(stdout);
    if (!(input->reader ? nb_line_read(input->reader, line) : read_piped(line)))
        return false;
    nb_growing_add(line, "", 0);
    for (size_t i = 0; i < line->bytes; i++)
        if ((unsigned char)line->text[i] < ' ' || line->text[i] == 0x7f)
            line->text[i] = line->text[i] == '\t' || line->text[i] == '\r' || line->text[i] == '\n' ? ' ' : '?';
    size_t head = strspn(line->text, " ");
    memmove(line->text, line->text + head, line->bytes - head + 1);
    line->bytes -= head;
    while (line->bytes > 0 && line->text[line->bytes - 1] == ' ')
        line->text[--line->bytes] = 0;
    return true;
}

void nb_tutor_input_close(nb_tutor_input *input)
{
    if (input->reader)
        nb_line_close(input->reader);
    input->reader = NULL;
}
