// SPDX-License-Identifier: Apache-2.0
// When to try again, how long to wait, and what the limits of a Hub delay.
#include "apps/hub/hub_retry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apps/common/cli.h"

static const nb_hub_options options = {.retry_wait_s = 0.5, .n_retries = 5};

static void waits_double_up_to_eightfold(void **state)
{
    (void)state;
    static const double expected[] = {0.5, 1, 2, 4, 4};
    nb_hub_tries tries = {.options = &options};
    nb_hub_failure failure = {.problem = NB_HUB_SERVER, .status = 503};
    double wait_s;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        assert_true(nb_hub_tries_next(&tries, &failure, &wait_s));
        assert_true(wait_s == expected[i]);
    }
    assert_false(nb_hub_tries_next(&tries, &failure, &wait_s));
}

static void no_network_is_told_soon(void **state)
{
    (void)state;
    nb_hub_tries tries = {.options = &options, .is_first_contact = true};
    nb_hub_failure failure = {.problem = NB_HUB_DNS};
    double wait_s;
    assert_true(nb_hub_tries_next(&tries, &failure, &wait_s));
    assert_true(nb_hub_tries_next(&tries, &failure, &wait_s));
    assert_false(nb_hub_tries_next(&tries, &failure, &wait_s));
    tries = (nb_hub_tries){.options = &options, .is_first_contact = true, .n_failed = 2};
    failure.problem = NB_HUB_SERVER; // somebody answers
    assert_true(nb_hub_tries_next(&tries, &failure, &wait_s));
}

static void the_hub_s_own_time_counts(void **state)
{
    (void)state;
    nb_hub_tries tries = {.options = &options};
    nb_hub_failure failure = {.problem = NB_HUB_RATE_LIMITED, .has_wait = true, .wait_s = 55};
    double wait_s;
    assert_true(nb_hub_tries_next(&tries, &failure, &wait_s));
    assert_true(wait_s == 55);
    failure.wait_s = NB_HUB_MAX_WAIT_S + 1; // nobody waits for that
    assert_false(nb_hub_tries_next(&tries, &failure, &wait_s));
}

static void what_does_not_change_is_not_tried_again(void **state)
{
    (void)state;
    static const nb_hub_problem never[] = {NB_HUB_STOPPED, NB_HUB_UNAUTHORIZED, NB_HUB_GATED,     NB_HUB_NO_REPOSITORY,
                                           NB_HUB_TLS,     NB_HUB_CLOCK,        NB_HUB_REDIRECT,  NB_HUB_HEADERS,
                                           NB_HUB_LISTING, NB_HUB_COMMIT,       NB_HUB_DISK_FULL, NB_HUB_DISK};
    static const nb_hub_problem again[] = {NB_HUB_SERVER,  NB_HUB_RATE_LIMITED, NB_HUB_EXPIRED, NB_HUB_CUT,
                                           NB_HUB_STALLED, NB_HUB_CONNECT,      NB_HUB_DNS,     NB_HUB_HASH};
    double wait_s;
    for (size_t i = 0; i < NB_COUNT_OF(never); i++) {
        nb_hub_tries tries = {.options = &options};
        assert_false(nb_hub_tries_next(&tries, &(nb_hub_failure){.problem = never[i]}, &wait_s));
    }
    for (size_t i = 0; i < NB_COUNT_OF(again); i++) {
        nb_hub_tries tries = {.options = &options};
        assert_true(nb_hub_tries_next(&tries, &(nb_hub_failure){.problem = again[i]}, &wait_s));
    }
}

static void limits_delay_their_own_kind(void **state)
{
    (void)state;
    atomic_bool is_cancelled = false;
    nb_hub_pace pace;
    nb_http_head *head = nb_alloc(sizeof *head);
    nb_hub_pace_init(&pace, &is_cancelled);
    head->status = 200;
    assert_true(nb_hub_pace_learn(&pace, NB_HUB_ASK_API, head) == 0);
    head->has_rate = true;
    head->n_left = 3;
    head->reset_s = 60;
    assert_true(nb_hub_pace_learn(&pace, NB_HUB_ASK_API, head) == 0); // some are left
    head->n_left = 0;
    double delay_s = nb_hub_pace_learn(&pace, NB_HUB_ASK_API, head);
    assert_true(delay_s > 59 && delay_s <= 60);
    assert_true(nb_hub_pace_learn(&pace, NB_HUB_ASK_API, head) < 1); // known already
    assert_true(nb_hub_pace_wait(&pace, NB_HUB_ASK_FILE));           // at once
    head->status = 429;
    head->has_retry_after = true;
    head->retry_after_s = 90; // the longer of the two
    delay_s = nb_hub_pace_learn(&pace, NB_HUB_ASK_API, head);
    assert_true(delay_s > 29 && delay_s < 31);
    is_cancelled = true;
    assert_false(nb_hub_pace_wait(&pace, NB_HUB_ASK_API)); // does not outlive a stop
    assert_false(nb_hub_pace_sleep(&pace, 60));
    nb_hub_pace_free(&pace);
    free(head);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_double_up_to_eightfold), cmocka_unit_test(no_network_is_told_soon),
        cmocka_unit_test(the_hub_s_own_time_counts),    cmocka_unit_test(what_does_not_change_is_not_tried_again),
        cmocka_unit_test(limits_delay_their_own_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
