// SPDX-License-Identifier: Apache-2.0
// Ends the process where it does not end by itself soon after it was asked to stop: a thread may hang in an fsync, or
// on a pipe that nobody reads. What is on the disk is good at any moment, so this does no harm: the lock of a dead
// owner is taken over.
#ifndef NB_APPS_HUB_WATCH_H
#define NB_APPS_HUB_WATCH_H

#include <pthread.h>

#include "apps/hub/hub_progress.h"

#define NB_HUB_STOPPED_TEXT "stopped; what came is kept, the same command goes on with it"

typedef struct nb_hub_watch {
    nb_hub_progress *progress;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t is_over;
    bool is_started, is_ended;
} nb_hub_watch;

void nb_hub_watch_start(nb_hub_watch *watch, nb_hub_progress *progress);
void nb_hub_watch_end(nb_hub_watch *watch);

// pthread_cond_wait for a tenth of a second at most.
void nb_hub_wait(pthread_cond_t *condition, pthread_mutex_t *lock);

#endif
