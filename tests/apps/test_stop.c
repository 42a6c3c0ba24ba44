// SPDX-License-Identifier: Apache-2.0
#include "apps/common/stop.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "apps/common/cli.h"

// Exit code of `body` in a process of its own.
static int outcome_of(void (*body)(void))
{
    pid_t child = fork();
    if (child == 0) {
        signal(SIGINT, SIG_DFL);
        signal(SIGTERM, SIG_DFL);
        body();
        _exit(0);
    }
    int outcome;
    assert_int_equal(waitpid(child, &outcome, 0), child);
    return WIFEXITED(outcome) ? WEXITSTATUS(outcome) : 128 + WTERMSIG(outcome);
}

static void signal_twice(void)
{
    nb_stop_install();
    if (nb_stop_requested())
        _exit(1);
    raise(SIGINT);
    if (!nb_stop_requested())
        _exit(2);
    raise(SIGTERM);
}

static void the_first_asks_and_the_second_ends(void **state)
{
    (void)state;
    assert_int_equal(outcome_of(signal_twice), NB_EXIT_INTERRUPTED);
}

static void signal_ignored(void)
{
    signal(SIGHUP, SIG_IGN);
    nb_stop_install();
    raise(SIGHUP);
    _exit(nb_stop_requested());
}

static void what_is_ignored_stays_so(void **state)
{
    (void)state;
    assert_int_equal(outcome_of(signal_ignored), 0);
}

static void look_at_stack(void)
{
    static const int signals[] = {SIGINT, SIGTERM};
    stack_t stack;
    nb_stop_install();
    if (sigaltstack(NULL, &stack) != 0 || stack.ss_flags == SS_DISABLE || stack.ss_size < (size_t)SIGSTKSZ)
        _exit(1);
    for (size_t i = 0; i < 2; i++) {
        struct sigaction action;
        if (sigaction(signals[i], NULL, &action) != 0 || !(action.sa_flags & SA_ONSTACK))
            _exit(2);
    }
}

// Interrupted in one of oneDNN's products, whose stack pointer is in the heap, a handler on that stack destroys it.
static void the_handler_has_a_stack_of_its_own(void **state)
{
    (void)state;
    assert_int_equal(outcome_of(look_at_stack), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_asks_and_the_second_ends),
        cmocka_unit_test(what_is_ignored_stays_so),
        cmocka_unit_test(the_handler_has_a_stack_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
