// SPDX-License-Identifier: Apache-2.0
#include "apps/hub/hub_watch.h"

#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "apps/common/cli.h"
#include "apps/common/stop.h"

static const double STOP_S = 0.6;

// Says so if that needs no waiting.
static void leave(const nb_hub_watch *watch)
{
    static const char line[] = "nibble: " NB_HUB_STOPPED_TEXT "\n";
    struct pollfd errors = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&errors, 1, 0) == 1 && (errors.revents & POLLOUT) && nb_hub_progress_try_end(watch->progress)) {
        ssize_t ignored = write(STDERR_FILENO, line, sizeof line - 1);
        (void)ignored;
    }
    _exit(NB_EXIT_INTERRUPTED);
}

void nb_hub_wait(pthread_cond_t *condition, pthread_mutex_t *lock)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 100 * 1000 * 1000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(condition, lock, &until);
}

static void *run(void *user)
{
    nb_hub_watch *watch = user;
    double stopped_s = 0;
    pthread_mutex_lock(&watch->lock);
    while (!watch->is_ended) {
        nb_hub_wait(&watch->is_over, &watch->lock);
        if (!nb_stop_requested() || watch->is_ended)
            continue;
        if (stopped_s == 0)
            stopped_s = nb_now_s();
        if (nb_now_s() - stopped_s >= STOP_S)
            leave(watch);
    }
    pthread_mutex_unlock(&watch->lock);
    return NULL;
}

void nb_hub_watch_start(nb_hub_watch *watch, nb_hub_progress *progress)
{
    *watch =
        (nb_hub_watch){.progress = progress, .lock = PTHREAD_MUTEX_INITIALIZER, .is_over = PTHREAD_COND_INITIALIZER};
    watch->is_started = pthread_create(&watch->thread, NULL, run, watch) == 0;
}

void nb_hub_watch_end(nb_hub_watch *watch)
{
    pthread_mutex_lock(&watch->lock);
    watch->is_ended = true;
    pthread_cond_signal(&watch->is_over);
    pthread_mutex_unlock(&watch->lock);
    if (watch->is_started)
        pthread_join(watch->thread, NULL);
}
