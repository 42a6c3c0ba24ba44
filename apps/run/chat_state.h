// SPDX-License-Identifier: Apache-2.0
// A chat's state, shared by its loop and its orders (/help and the like).
#ifndef NB_APPS_CHAT_H
#define NB_APPS_CHAT_H

#include "apps/run/run_args.h"

typedef struct nb_chat {
    const nb_run *run;
    char *system;         // NULL: none
    nb_message *messages; // user and assistant in turn; roles static, contents owned
    size_t n_messages, messages_capacity;
    nb_answer last; // figures of the latest answer
    bool is_over;
} nb_chat;

void nb_chat_add(nb_chat *chat, const char *role, const char *content); // copies the content
void nb_chat_drop(nb_chat *chat, size_t first, size_t n);               // removes messages
// Carries out a line that starts with '/'.
void nb_chat_order(nb_chat *chat, const char *line);

#endif
