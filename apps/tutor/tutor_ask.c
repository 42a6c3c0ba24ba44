// SPDX-License-Identifier: Apache-2.0
// Questions and answers: one, one a line, or typed at a terminal.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/common/chat_line.h"
#include "apps/common/interrupt.h"
#include "apps/common/terminal.h"
#include "apps/tutor/tutor_args.h"
#include "apps/tutor/tutor_show.h"

static nb_status show_line(void *user, size_t lane, const nb_checked_line *line)
{
    (void)lane;
    return nb_tutor_show_line(user, line);
}

// Of several reasonings one is shown, once it is known which.
static nb_status show_winner(nb_tutor_show *show, const nb_reasoning *reasoning)
{
    const nb_lane *lane = &reasoning->lanes[reasoning->winner];
    nb_status status = NB_OK;
    for (size_t i = 0; status == NB_OK && i < lane->n_lines; i++)
        status = nb_tutor_show_line(show, &lane->lines[i]);
    return status;
}

int nb_tutor_reason(nb_tutor *tutor, const nb_question *question, nb_tutor_show *show, nb_reasoning *reasoning)
{
    const nb_tutor_args *args = tutor->args;
    size_t n_room = 0;
    memset(reasoning, 0, sizeof *reasoning);
    int code = nb_tutor_model_ask(&tutor->model, question->text, &n_room);
    if (code != NB_EXIT_OK)
        return code;
    nb_reason_request request = {
        .source = &tutor->model.source,
        .n_lanes = tutor->model.n_lanes,
        .sampling = tutor->sampling,
        .rules = {.n_retries = (unsigned)args->n_retries,
                  .n_max_ids = args->n_max_tokens < n_room ? args->n_max_tokens : n_room,
                  .n_restarts = (unsigned)args->n_restarts,
                  .question = question->text,
                  .value = question->value,
                  .is_plain = args->is_plain},
        .on_line = show && tutor->model.n_lanes == 1 ? show_line : NULL,
        .user = show,
    };
    nb_error error = {0};
    nb_status status = nb_reason(&request, reasoning, &error);
    if (status == NB_ERR_SYSTEM && error.text[0] == 0) // stdout: the error line is there
        return NB_EXIT_FAILED;
    return nb_fail_error(status, &error);
}

static int answer_question(nb_tutor *tutor, const nb_question *question, nb_tutor_show *show)
{
    nb_reasoning reasoning;
    nb_tutor_show_start(show, question);
    if (!question->has_number && !show->is_json)
        nb_note(
            "the question has no number in it; what follows is the model's own, and only its arithmetic is checked");
    double start = nb_now_s();
    int code = nb_tutor_reason(tutor, question, show, &reasoning);
    double decode_s = nb_now_s() - start - tutor->model.prefill_s;
    if (code == NB_EXIT_OK && reasoning.n_lanes > 1 && show_winner(show, &reasoning) != NB_OK)
        code = NB_EXIT_FAILED;
    if (reasoning.n_lanes && (code == NB_EXIT_OK || code == NB_EXIT_INTERRUPTED)) {
        int ended = nb_tutor_show_end(show, &reasoning, decode_s, tutor->sampling.seed);
        code = code == NB_EXIT_OK ? ended : code;
    }
    nb_reasoning_release(&reasoning);
    return code;
}

static int answer_text(nb_tutor *tutor, const char *text, size_t bytes, nb_tutor_show *show)
{
    nb_question question;
    char why[256];
    if (!nb_question_read(&question, text, bytes, why, sizeof why))
        return nb_fail(NB_EXIT_INPUT, "%s", why);
    return answer_question(tutor, &question, show);
}

// ---- piped in ------------------------------------------------------------------------------------------------------

static bool is_fatal(int code)
{
    return code == NB_EXIT_FAILED || code == NB_EXIT_INTERRUPTED;
}

// A line each. One that cannot be asked does not stop those after it; the first exit code that is not 0 is returned.
static int answer_lines(nb_tutor *tutor, nb_tutor_show *show)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t n;
    int code = NB_EXIT_OK, n_questions = 0;
    for (; !is_fatal(code) && (n = getline(&line, &capacity, stdin)) >= 0; free(line), line = NULL, capacity = 0) {
        if (n > 0 && line[n - 1] == '\n')
            n--;
        if (strspn(line, " \t\r") >= (size_t)n)
            continue;
        show->number = n_questions++;
        if (show->number > 0 && !show->is_json)
            putchar('\n');
        if (!show->is_json) {
            nb_terminal_write(stdout, line, (size_t)n, true);
            fputs("\n\n", stdout);
        }
        int one = answer_text(tutor, line, (size_t)n, show);
        code = code == NB_EXIT_OK || is_fatal(one) ? one : code;
    }
    bool is_broken = ferror(stdin);
    free(line);
    if (is_broken)
        return nb_fail(NB_EXIT_INPUT, "cannot read the questions from standard input: %s", strerror(errno));
    if (n_questions == 0)
        return nb_fail(NB_EXIT_INPUT, "no question; expected a line each, found none; try -p \"What is 2 + 3?\"");
    return code;
}

// ---- typed ---------------------------------------------------------------------------------------------------------

static void say_help(void)
{
    printf("Type a question and press Enter; its steps appear as they are found, each one checked.\n"
           "  ✓  the arithmetic of the step is exactly right; of the answer: it is the last step's result\n"
           "  ✗  wrong, and still wrong when done again\n"
           "  ?  nothing here that can be checked; it may be right or wrong\n"
           "Whether the steps answer the question is for you to judge.\n"
           "/stats  model, memory\n/quit   leave (also Ctrl-D)\nCtrl-C ends an answer.\n");
}

static void say_stats(const nb_tutor *tutor)
{
    const nb_engine_info *info = &tutor->model.info;
    char total[32];
    printf("%s, %s, ops %s, %u threads, activations %s, weights %s; %zu reasonings at a time, memory %s\n",
           info->family, info->format, info->ops, info->n_threads, nb_act_name(info->act),
           nb_weights_name(info->weights), tutor->model.n_lanes, nb_bytes_text(total, (double)tutor->model.plan.total));
}

// False: leave.
static bool carry_out(const nb_tutor *tutor, const char *order)
{
    if (strcmp(order, "/quit") == 0 || strcmp(order, "/exit") == 0)
        return false;
    if (strcmp(order, "/help") == 0)
        say_help();
    else if (strcmp(order, "/stats") == 0)
        say_stats(tutor);
    else
        nb_note("no such order: %s; /help lists them", order);
    return true;
}

static void greet(const nb_tutor *tutor)
{
    bool has_colour = nb_terminal_has_colour(STDERR_FILENO);
    fprintf(stderr, "%snibble tutor: %s, %s. Ask a question; /help for help, Ctrl-D to leave.%s\n",
            has_colour ? "\033[2m" : "", tutor->model.info.family, tutor->model.info.format,
            has_colour ? "\033[0m" : "");
}

static int answer_typed(nb_tutor *tutor, nb_tutor_show *show)
{
    nb_line_reader *reader = nb_line_open("tutor-history");
    if (!reader)
        return nb_fail(NB_EXIT_FAILED, "cannot set up line editing on this terminal; try -p TEXT");
    greet(tutor);
    nb_growing line = {0};
    bool goes_on = true;
    while (goes_on && nb_line_read(reader, &line)) {
        const char *text = nb_growing_text(&line);
        if (text[strspn(text, " \t\n")] == 0)
            continue;
        nb_interrupt_watch(tutor->model.sessions[0], true);
        if (text[0] == '/')
            goes_on = carry_out(tutor, text);
        else if (answer_text(tutor, text, line.bytes, show) == NB_EXIT_FAILED)
            goes_on = false;
        fflush(stdout);
    }
    nb_growing_release(&line);
    nb_line_close(reader);
    return nb_out_flush();
}

int nb_tutor_ask(nb_tutor *tutor)
{
    const nb_tutor_args *args = tutor->args;
    nb_tutor_show show = nb_tutor_show_open(args->is_json);
    bool is_typed = !args->question && isatty(STDIN_FILENO);
    nb_interrupt_watch(tutor->model.sessions[0], is_typed);
    int code;
    if (args->question)
        code = answer_text(tutor, args->question, strlen(args->question), &show);
    else
        code = is_typed ? answer_typed(tutor, &show) : answer_lines(tutor, &show);
    nb_interrupt_watch(NULL, false);
    return code;
}
