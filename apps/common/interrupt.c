// SPDX-License-Identifier: Apache-2.0
#include "apps/common/interrupt.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "apps/common/cli.h"

// A handler has no argument to carry these in.
static nb_session *volatile watched;
static volatile sig_atomic_t is_pending, never_exits;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    if (!never_exits && (!watched || is_pending))
        _exit(NB_EXIT_INTERRUPTED);
    is_pending = 1;
    if (watched)
        nb_session_cancel(watched);
}

// Several threads may meet the hole at once: the first speaks and ends the process, the others wait for that.
static void on_bus_error(int signal_number)
{
    static atomic_flag is_told = ATOMIC_FLAG_INIT;
    (void)signal_number;
    while (atomic_flag_test_and_set(&is_told))
        pause();
    static const char line[] = "nibble: error: a model file became shorter or unreadable while in use; expected it "
                               "unchanged, found it cut; try again when nothing writes to it\n";
    ssize_t ignored = write(STDERR_FILENO, line, sizeof line - 1);
    (void)ignored;
    _exit(NB_EXIT_INPUT);
}

static void handle(int signal_number, void (*handler)(int))
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART; // a slow reader of stdout must not become a write error
    sigemptyset(&action.sa_mask);
    sigaction(signal_number, &action, NULL);
}

void nb_interrupt_install(void)
{
    handle(SIGINT, on_interrupt);
    handle(SIGBUS, on_bus_error);
}

void nb_interrupt_watch(nb_session *session, bool is_patient)
{
    never_exits = is_patient;
    is_pending = 0;
    watched = session;
}

bool nb_interrupt_pending(void)
{
    return is_pending != 0;
}
