// SPDX-License-Identifier: Apache-2.0
#include "apps/run/chat_state.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/common/chat_line.h"
#include "apps/common/interrupt.h"
#include "apps/common/terminal.h"

void nb_chat_add(nb_chat *chat, const char *role, const char *content)
{
    if (chat->n_messages == chat->messages_capacity) {
        chat->messages_capacity = 2 * chat->messages_capacity + 16;
        chat->messages = nb_resize(chat->messages, chat->messages_capacity * sizeof *chat->messages);
    }
    chat->messages[chat->n_messages++] = (nb_message){role, nb_copy_text(content)};
}

void nb_chat_drop(nb_chat *chat, size_t first, size_t n)
{
    for (size_t i = first; i < first + n; i++)
        free((char *)chat->messages[i].content);
    memmove(chat->messages + first, chat->messages + first + n,
            (chat->n_messages - first - n) * sizeof *chat->messages);
    chat->n_messages -= n;
}

static int encode(const nb_chat *chat, int32_t **ids, size_t *n_ids, bool *opens_reasoning)
{
    nb_message *all = nb_alloc((chat->n_messages + 1) * sizeof *all);
    size_t n = 0;
    if (chat->system)
        all[n++] = (nb_message){"system", chat->system};
    memcpy(all + n, chat->messages, chat->n_messages * sizeof *all);
    int code = nb_run_encode_chat(chat->run, all, n + chat->n_messages, ids, n_ids, opens_reasoning);
    free(all);
    return code;
}

// Encodes the conversation, dropping its oldest turns until it fits the ring.
static int encode_fitting(nb_chat *chat, int32_t **ids, size_t *n_ids, bool *opens_reasoning)
{
    const nb_run *run = chat->run;
    size_t limit = run->plan.n_ctx < run->info.max_positions ? run->plan.n_ctx : run->info.max_positions;
    for (size_t n_dropped = 0;; n_dropped++) {
        int code = encode(chat, ids, n_ids, opens_reasoning);
        if (code != NB_EXIT_OK || *n_ids <= limit) {
            if (n_dropped)
                nb_note("the conversation no longer fits %zu tokens; its oldest %zu turns were forgotten", limit,
                        n_dropped);
            return code;
        }
        free(*ids);
        *ids = NULL;
        if (chat->n_messages < 3)
            return nb_fail(NB_EXIT_FIT,
                           "the message does not fit; expected at most %zu tokens, found %zu; try a shorter one or "
                           "a larger --ctx",
                           limit, *n_ids);
        nb_chat_drop(chat, 0, 2);
    }
}

// The answer as the next prompt's template shall find it: with the tags that the stream took off.
static void keep_answer(nb_chat *chat, const nb_answer *answer)
{
    nb_growing content = {0};
    if (answer->reasoning.bytes) {
        nb_growing_add(&content, "<think>\n", 8);
        nb_growing_add(&content, answer->reasoning.text, answer->reasoning.bytes);
        nb_growing_add(&content, "</think>", 8);
    }
    nb_growing_add(&content, nb_growing_text(&answer->text), answer->text.bytes);
    nb_chat_add(chat, "assistant", content.text);
    nb_growing_release(&content);
}

static void answer_turn(nb_chat *chat)
{
    nb_answer_request request = nb_run_request(chat->run);
    nb_printer printer = nb_printer_open(NB_OUTPUT_TEXT, (nb_think)chat->run->args->think);
    int32_t *ids = NULL;
    int code = encode_fitting(chat, &ids, &request.n_ids, &request.stream.in_reasoning);
    if (code != NB_EXIT_OK) {
        free(ids);
        nb_chat_drop(chat, chat->n_messages - 1, 1); // the chat goes on as if the message had not been sent
        return;
    }
    request.ids = ids;
    request.printer = &printer;
    nb_answer_release(&chat->last);
    nb_interrupt_watch(chat->run->session, true); // whatever was pressed before this answer is forgotten
    code = nb_answer_generate(&request, &chat->last);
    nb_printer_finish(&printer);
    if (code == NB_EXIT_INTERRUPTED)
        nb_note("interrupted");
    else if (code == NB_EXIT_OK && strcmp(chat->last.finish, "length") == 0)
        nb_note("cut: %s", chat->last.n_ids >= chat->run->args->n_max_tokens ? "--max-tokens reached"
                                                                             : "the model's limit reached");
    keep_answer(chat, &chat->last);
    chat->is_over = nb_out_flush() != NB_EXIT_OK;
    nb_printer_release(&printer);
    free(ids);
}

static bool is_blank(const char *text)
{
    return text[strspn(text, " \t\n")] == 0;
}

static void greet(const nb_run *run)
{
    bool has_colour = nb_terminal_has_colour(STDERR_FILENO);
    fprintf(stderr, "%snibble %s: %s, %s, %s, %u tokens of context. /help for help, Ctrl-D to leave.%s\n",
            has_colour ? "\033[2m" : "", nb_version(), run->info.family, run->info.format, run->info.ops,
            run->plan.n_ctx, has_colour ? "\033[0m" : "");
}

static void chat_loop(nb_chat *chat, nb_line_reader *reader)
{
    nb_growing line = {0};
    while (!chat->is_over && nb_line_read(reader, &line)) {
        if (is_blank(nb_growing_text(&line)))
            continue;
        if (line.text[0] == '/') {
            nb_chat_order(chat, line.text);
            continue;
        }
        nb_chat_add(chat, "user", line.text);
        answer_turn(chat);
    }
    nb_growing_release(&line);
}

static int check_template(const nb_run *run)
{
    nb_text_info text = {0};
    if (run->info.text)
        nb_text_info_get(run->info.text, &text);
    if (run->args->is_raw)
        return nb_fail(NB_EXIT_USAGE,
                       "a chat needs the chat template; expected it without --raw, found --raw; try -p TEXT");
    if (!text.has_chat_template)
        return nb_fail(NB_EXIT_INPUT, "the model has no %s; expected one for a chat, found none; try -p TEXT --raw",
                       run->info.text ? "chat template" : "tokenizer");
    return NB_EXIT_OK;
}

int nb_run_chat(const nb_run *run)
{
    int code = check_template(run);
    if (code != NB_EXIT_OK)
        return code;
    nb_line_reader *reader = nb_line_open("history");
    if (!reader)
        return nb_fail(NB_EXIT_FAILED, "cannot set up line editing on this terminal; try -p TEXT");
    nb_chat chat = {.run = run, .system = run->args->system ? nb_copy_text(run->args->system) : NULL};
    nb_interrupt_watch(run->session, true); // a chat ends by Ctrl-D alone
    greet(run);
    chat_loop(&chat, reader);
    nb_line_close(reader);
    nb_chat_drop(&chat, 0, chat.n_messages);
    nb_answer_release(&chat.last);
    free(chat.messages);
    free(chat.system);
    return NB_EXIT_OK;
}
