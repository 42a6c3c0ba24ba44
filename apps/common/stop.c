// SPDX-License-Identifier: Apache-2.0
#include "apps/common/stop.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#include "apps/common/cli.h"

static atomic_bool is_requested; // lock-free, so a signal handler may write it and every thread read it

// oneDNN's product kernels put the stack pointer into a buffer on the heap, so what the kernel saves for a handler on
// the stack in use (the registers, some 3 kB) would overwrite what lies before that buffer.
static _Alignas(16) char handler_stack[64 * 1024];

static void request(int signal_number)
{
    (void)signal_number;
    if (atomic_exchange_explicit(&is_requested, true, memory_order_relaxed))
        _exit(NB_EXIT_INTERRUPTED);
}

void nb_stop_install(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    const stack_t stack = {.ss_sp = handler_stack, .ss_size = sizeof handler_stack};
    const struct sigaction action = {.sa_handler = request, .sa_flags = SA_RESTART | SA_ONSTACK};
    atomic_store_explicit(&is_requested, false, memory_order_relaxed);
    sigaltstack(&stack, NULL); // cannot fail: the stack is large enough and nobody runs on it
    for (size_t i = 0; i < NB_COUNT_OF(signals); i++) {
        struct sigaction before;
        if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
    }
}

bool nb_stop_requested(void)
{
    return atomic_load_explicit(&is_requested, memory_order_relaxed);
}
