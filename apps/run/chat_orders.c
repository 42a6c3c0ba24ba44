// SPDX-License-Identifier: Apache-2.0
// What a chat does for lines that start with '/'.
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/common/growing_text.h"
#include "apps/common/small_file.h"
#include "apps/run/chat_state.h"

static void do_help(nb_chat *chat, const char *rest);

static void do_reset(nb_chat *chat, const char *rest)
{
    (void)rest;
    nb_chat_drop(chat, 0, chat->n_messages);
    nb_note("a new conversation");
}

static void do_stats(nb_chat *chat, const char *rest)
{
    (void)rest;
    const nb_run *run = chat->run;
    char total[32], cache[32];
    printf("%s, %s, ops %s, %u threads, activations %s, weights %s\n", run->info.family, run->info.format,
           run->info.ops, run->info.n_threads, nb_act_name(run->info.act), nb_weights_name(run->info.weights));
    printf("context: %zu of %u tokens (model's limit %u); memory %s, of that KV ring %s\n",
           nb_session_length(run->session), run->plan.n_ctx, run->info.max_positions,
           nb_bytes_text(total, (double)run->plan.total), nb_bytes_text(cache, (double)run->plan.cache));
    if (chat->last.finish)
        printf("last answer: %zu tokens, %.1f tok/s; prompt %zu tokens, %zu of them computed, %.0f tok/s\n",
               chat->last.n_ids, nb_answer_decode_tok_s(&chat->last), chat->last.n_prompt, chat->last.n_computed,
               nb_answer_prefill_tok_s(&chat->last));
}

static void do_system(nb_chat *chat, const char *rest)
{
    free(chat->system);
    chat->system = rest[0] ? nb_copy_text(rest) : NULL;
    nb_note(rest[0] ? "system message set" : "system message removed");
}

static bool add_message(json_t *list, const char *role, const char *content)
{
    return json_array_append_new(list, json_pack("{s:s, s:s}", "role", role, "content", content)) == 0;
}

// NULL when a message is not UTF-8.
static json_t *conversation_json(const nb_chat *chat)
{
    json_t *list = json_array();
    bool is_whole = !chat->system || add_message(list, "system", chat->system);
    for (size_t i = 0; is_whole && i < chat->n_messages; i++)
        is_whole = add_message(list, chat->messages[i].role, chat->messages[i].content);
    if (is_whole)
        return list;
    json_decref(list);
    return NULL;
}

// The file is whole or as it was, and its owner's alone. Takes the list over.
static bool write_json(json_t *list, const char *path)
{
    struct stat info;
    nb_growing text = {0};
    nb_growing_add_json(&text, list, JSON_INDENT(1));
    nb_growing_add(&text, "\n", 1);
    bool is_written = false;
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) { // a file would take the place of a device
        errno = S_ISDIR(info.st_mode) ? EISDIR : EEXIST;
    } else {
        mode_t mask = umask(077);
        is_written = nb_small_file_write(path, NULL, text.text, text.bytes);
        umask(mask);
    }
    int reason = errno;
    nb_growing_release(&text);
    errno = reason;
    return is_written;
}

// The messages go to FILE, and the KV ring to FILE.ring so that /load need not compute them again.
static void do_save(nb_chat *chat, const char *rest)
{
    char ring[PATH_MAX];
    nb_error error = {0};
    if (!rest[0] || snprintf(ring, sizeof ring, "%s.ring", rest) >= (int)sizeof ring) {
        nb_note("/save needs the name of a file");
        return;
    }
    json_t *list = conversation_json(chat);
    if (!list)
        nb_note("cannot write %s: a message is not UTF-8", rest);
    else if (!write_json(list, rest))
        nb_note("cannot write %s: %s", rest, strerror(errno));
    else if (nb_session_length(chat->run->session) && nb_session_save(chat->run->session, ring, &error) != NB_OK)
        nb_note("saved to %s, without the KV ring: %s", rest, error.text);
    else
        nb_note("saved to %s", rest);
}

static bool is_conversation(const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *message = json_array_get(list, i);
        const char *role = json_string_value(json_object_get(message, "role"));
        bool is_known =
            role && (!strcmp(role, "user") || !strcmp(role, "assistant") || (i == 0 && !strcmp(role, "system")));
        if (!is_known || !json_string_value(json_object_get(message, "content")))
            return false;
    }
    return json_is_array(list);
}

static void take_conversation(nb_chat *chat, const json_t *list)
{
    nb_chat_drop(chat, 0, chat->n_messages);
    free(chat->system);
    chat->system = NULL;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *message = json_array_get(list, i);
        const char *role = json_string_value(json_object_get(message, "role"));
        const char *content = json_string_value(json_object_get(message, "content"));
        if (strcmp(role, "system") == 0)
            chat->system = nb_copy_text(content);
        else
            nb_chat_add(chat, strcmp(role, "user") == 0 ? "user" : "assistant", content);
    }
}

static void do_load(nb_chat *chat, const char *rest)
{
    char ring[PATH_MAX];
    json_error_t reason;
    if (!rest[0] || snprintf(ring, sizeof ring, "%s.ring", rest) >= (int)sizeof ring) {
        nb_note("/load needs the name of a file");
        return;
    }
    struct stat info;
    if (stat(rest, &info) == 0 && !S_ISREG(info.st_mode)) { // a pipe would be waited on for ever
        nb_note("cannot load %s: expected a file, found something else", rest);
        return;
    }
    json_t *list = json_load_file(rest, JSON_REJECT_DUPLICATES, &reason);
    if (!list || !is_conversation(list)) {
        nb_note("cannot load %s: %s", rest, list ? "expected a list of messages with role and content" : reason.text);
    } else {
        nb_error error = {0};
        take_conversation(chat, list);
        bool has_ring = access(ring, R_OK) == 0 && nb_session_restore(chat->run->session, ring, &error) == NB_OK;
        nb_note("loaded %zu messages%s", chat->n_messages,
                has_ring ? " with their KV ring" : "; they are computed again");
    }
    json_decref(list);
}

static void do_quit(nb_chat *chat, const char *rest)
{
    (void)rest;
    chat->is_over = true;
}

typedef struct order {
    const char *name, *argument, *help;
    void (*run)(nb_chat *chat, const char *rest);
} order;

static const order orders[] = {
    {"help", "", "this list", do_help},
    {"reset", "", "start a new conversation", do_reset},
    {"stats", "", "model, memory, speed", do_stats},
    {"save", " FILE", "write the conversation to a file", do_save},
    {"load", " FILE", "take one up again", do_load},
    {"system", " TEXT", "set the system message; without TEXT remove it", do_system},
    {"quit", "", "leave (also Ctrl-D)", do_quit},
    {"exit", "", NULL, do_quit},
};

static void do_help(nb_chat *chat, const char *rest)
{
    (void)chat;
    (void)rest;
    for (size_t i = 0; i < NB_COUNT_OF(orders); i++)
        if (orders[i].help)
            printf("/%s%-*s %s\n", orders[i].name, 14 - (int)strlen(orders[i].name), orders[i].argument,
                   orders[i].help);
    printf("Ctrl-C ends an answer. A backslash at the end of a line, or pasting, gives several lines.\n"
           "A blank before the slash sends the line to the model.\n");
}

void nb_chat_order(nb_chat *chat, const char *line)
{
    size_t bytes = strcspn(line + 1, " \t\n");
    const char *rest = line + 1 + bytes;
    rest += strspn(rest, " \t\n");
    for (size_t i = 0; i < NB_COUNT_OF(orders); i++) {
        if (strlen(orders[i].name) == bytes && memcmp(orders[i].name, line + 1, bytes) == 0) {
            orders[i].run(chat, rest);
            fflush(stdout);
            return;
        }
    }
    nb_note("no such order: %s; /help lists them", line);
}
