// SPDX-License-Identifier: Apache-2.0
#include "apps/run/printer.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/common/cli.h"
#include "apps/common/growing_text.h"
#include "apps/common/terminal.h"

nb_printer nb_printer_open(nb_output output, nb_think think)
{
    return (nb_printer){
        .output = output,
        .think = think,
        .sequence = -1,
        .is_terminal = isatty(STDOUT_FILENO),
        .has_colour = nb_terminal_has_colour(STDOUT_FILENO),
    };
}

void nb_printer_start(nb_printer *printer)
{
    printer->in_reasoning = printer->has_reasoning = printer->has_answer = printer->has_ids = false;
    printer->last = 0;
}

static void put(nb_printer *printer, const char *text, size_t bytes)
{
    if (bytes == 0)
        return;
    nb_terminal_write(stdout, text, bytes, printer->is_terminal);
    printer->last = text[bytes - 1];
}

static void put_reasoning(nb_printer *printer, const char *text, size_t bytes)
{
    printer->has_reasoning = true;
    if (printer->think == NB_THINK_HIDE)
        return;
    if (!printer->in_reasoning) {
        size_t skipped = strspn(text, "\n");
        text += skipped;
        bytes -= skipped;
        if (bytes == 0)
            return;
        if (printer->think == NB_THINK_DIM && printer->has_colour)
            fputs("\033[2m", stdout);
        printer->in_reasoning = true;
    }
    put(printer, text, bytes);
}

static void end_reasoning(nb_printer *printer)
{
    if (!printer->in_reasoning)
        return;
    if (printer->think == NB_THINK_DIM && printer->has_colour)
        fputs("\033[0m", stdout);
    printer->in_reasoning = false;
}

static void put_answer(nb_printer *printer, const char *text, size_t bytes)
{
    if (printer->has_reasoning && !printer->has_answer) {
        size_t skipped = strspn(text, " \n");
        text += skipped;
        bytes -= skipped;
        if (bytes == 0)
            return;
        bool was_shown = printer->in_reasoning;
        end_reasoning(printer);
        if (was_shown)
            fputs(printer->last == '\n' ? "\n" : "\n\n", stdout);
    }
    end_reasoning(printer);
    printer->has_answer = true;
    put(printer, text, bytes);
}

void nb_printer_step(nb_printer *printer, int32_t id)
{
    nb_growing_clear(&printer->step);
    printer->step_reasons = false;
    if (printer->output != NB_OUTPUT_IDS)
        return;
    printf(printer->has_ids ? " %d" : "%d", id);
    printer->has_ids = true;
}

void nb_printer_piece(nb_printer *printer, const nb_piece *piece)
{
    if (printer->output == NB_OUTPUT_JSON) {
        printer->step_reasons |= piece->reasoning_bytes > 0;
        nb_growing_add(&printer->step, piece->reasoning, piece->reasoning_bytes);
        nb_growing_add(&printer->step, piece->text, piece->bytes);
    }
    if (printer->output != NB_OUTPUT_TEXT)
        return;
    if (piece->reasoning_bytes)
        put_reasoning(printer, piece->reasoning, piece->reasoning_bytes);
    if (piece->bytes)
        put_answer(printer, piece->text, piece->bytes);
}

static void print_step(nb_printer *printer, int32_t id)
{
    json_t *line = json_object();
    if (printer->sequence >= 0)
        json_object_set_new(line, "sequence", json_integer(printer->sequence));
    json_object_set_new(line, "token", json_integer(id));
    json_object_set_new(line, "text", json_stringn(nb_growing_text(&printer->step), printer->step.bytes));
    if (printer->step_reasons)
        json_object_set_new(line, "reasoning", json_true());
    nb_growing text = {0};
    nb_growing_add_json(&text, line, JSON_COMPACT | JSON_ENSURE_ASCII);
    puts(text.text);
    nb_growing_release(&text);
}

int nb_printer_step_end(nb_printer *printer, int32_t id)
{
    if (printer->output == NB_OUTPUT_JSON)
        print_step(printer, id);
    return nb_out_flush();
}

void nb_printer_finish(nb_printer *printer)
{
    bool was_reasoning = printer->in_reasoning;
    end_reasoning(printer);
    if (printer->output == NB_OUTPUT_IDS ||
        (printer->output == NB_OUTPUT_TEXT && (printer->last || was_reasoning) && printer->last != '\n'))
        putchar('\n');
}

void nb_printer_release(nb_printer *printer)
{
    nb_growing_release(&printer->step);
}
