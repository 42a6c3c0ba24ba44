// SPDX-License-Identifier: Apache-2.0
#include "apps/hub/hub_retry.h"

#include <time.h>

#include "apps/common/cli.h"
#include "apps/common/stop.h"

void nb_hub_pace_init(nb_hub_pace *pace, const atomic_bool *is_cancelled)
{
    *pace = (nb_hub_pace){.is_cancelled = is_cancelled};
    pthread_mutex_init(&pace->lock, NULL);
}

void nb_hub_pace_free(nb_hub_pace *pace)
{
    pthread_mutex_destroy(&pace->lock);
}

double nb_hub_pace_learn(nb_hub_pace *pace, nb_hub_kind kind, const nb_http_head *head)
{
    double wait_s = 0;
    if (head->has_rate && head->n_left == 0)
        wait_s = (double)head->reset_s;
    if (head->status == 429 && head->has_retry_after && (double)head->retry_after_s > wait_s)
        wait_s = (double)head->retry_after_s;
    if (wait_s <= 0 || wait_s > NB_HUB_MAX_WAIT_S)
        return 0;
    pthread_mutex_lock(&pace->lock);
    double now_s = nb_now_s(), before_s = pace->not_before_s[kind] > now_s ? pace->not_before_s[kind] : now_s;
    double delay_s = now_s + wait_s - before_s;
    if (delay_s > 0)
        pace->not_before_s[kind] = now_s + wait_s;
    pthread_mutex_unlock(&pace->lock);
    return delay_s > 0 ? delay_s : 0;
}

bool nb_hub_pace_sleep(const nb_hub_pace *pace, double seconds)
{
    const struct timespec slice = {.tv_nsec = 50 * 1000 * 1000};
    for (double end_s = nb_now_s() + seconds; nb_now_s() < end_s;) {
        if (nb_stop_requested() || atomic_load_explicit(pace->is_cancelled, memory_order_relaxed))
            return false;
        nanosleep(&slice, NULL);
    }
    return true;
}

bool nb_hub_pace_wait(nb_hub_pace *pace, nb_hub_kind kind)
{
    pthread_mutex_lock(&pace->lock);
    double wait_s = pace->not_before_s[kind] - nb_now_s();
    pthread_mutex_unlock(&pace->lock);
    return wait_s <= 0 || nb_hub_pace_sleep(pace, wait_s);
}

bool nb_hub_tries_next(nb_hub_tries *tries, const nb_hub_failure *failure, double *wait_s)
{
    enum { MAX_DOUBLINGS = 3, MAX_FIRST = 2 };
    uint32_t n = tries->n_failed++, n_max = tries->options->n_retries;
    bool is_no_way =
        failure->problem == NB_HUB_DNS || failure->problem == NB_HUB_CONNECT || failure->problem == NB_HUB_PROXY;
    if (tries->is_first_contact && is_no_way && n_max > MAX_FIRST)
        n_max = MAX_FIRST;
    if (!nb_hub_is_worth_retrying(failure) || n >= n_max)
        return false;
    if (failure->has_wait && failure->wait_s > NB_HUB_MAX_WAIT_S)
        return false;
    *wait_s = tries->options->retry_wait_s * (double)(1u << (n < MAX_DOUBLINGS ? n : MAX_DOUBLINGS));
    if (failure->has_wait)
        *wait_s = (double)failure->wait_s;
    return true;
}
