// SPDX-License-Identifier: Apache-2.0
// Tries: how often and how long apart. A pace is shared by all that ask one Hub at the same time.
#ifndef NB_APPS_HUB_RETRY_H
#define NB_APPS_HUB_RETRY_H

#include <pthread.h>
#include <stdatomic.h>

#include "apps/hub/hub_http.h"

enum { NB_HUB_MAX_WAIT_S = 900 }; // a Hub that asks for more is left for another time

typedef enum nb_hub_kind { NB_HUB_ASK_API, NB_HUB_ASK_FILE } nb_hub_kind; // the Hub counts these apart

typedef struct nb_hub_pace {
    pthread_mutex_t lock;
    double not_before_s[2]; // of a kind; in nb_now_s' time
    const atomic_bool *is_cancelled;
} nb_hub_pace;

void nb_hub_pace_init(nb_hub_pace *pace, const atomic_bool *is_cancelled);
void nb_hub_pace_free(nb_hub_pace *pace);

// Takes note of what an answer's headers say about the limits. Returns by how many seconds that delays what comes next.
double nb_hub_pace_learn(nb_hub_pace *pace, nb_hub_kind kind, const nb_http_head *head);
// Waits until a request of this kind may be sent. False when stopped.
bool nb_hub_pace_wait(nb_hub_pace *pace, nb_hub_kind kind);
// Waits. False when stopped.
bool nb_hub_pace_sleep(const nb_hub_pace *pace, double seconds);

typedef struct nb_hub_tries {
    const nb_hub_options *options;
    bool is_first_contact; // nobody was reached yet, so a person soon hears that there is no network
    uint32_t n_failed;     // in a row, without progress between
} nb_hub_tries;

// Seconds to wait before the next try: what the Hub asks for, else 1, 2, 4, 8, 8 times retry_wait_s. False when there
// should be none: not worth it, too many, or too long a wait.
bool nb_hub_tries_next(nb_hub_tries *tries, const nb_hub_failure *failure, double *wait_s);

#endif
