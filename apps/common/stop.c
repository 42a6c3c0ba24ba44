// SPDX-License-Identifier: Apache-2.0
#include "apps/common/stop.h"

#include <signal.h>

static volatile sig_atomic_t is_requested; // the one thing that a signal handler may write

static void request(int signal_number)
{
    (void)signal_number;
    is_requested = 1;
}

void nb_stop_install(void)
{
    signal(SIGINT, request);
    signal(SIGTERM, request);
    signal(SIGHUP, request);
}

bool nb_stop_requested(void)
{
    return is_requested != 0;
}
