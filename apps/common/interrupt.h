// SPDX-License-Identifier: Apache-2.0
// Signals of the programs: Ctrl-C, and a model file that shrinks while it is mapped.
#ifndef NB_APPS_INTERRUPT_H
#define NB_APPS_INTERRUPT_H

#include "runtime/nibble.h"

// SIGINT and SIGBUS are handled from here on.
void nb_interrupt_install(void);
// While a session is watched, Ctrl-C cancels its running call and is remembered, and only the second one ends the
// program. With NULL (the start) the first one ends it with exit code 130.
void nb_interrupt_watch(nb_session *session);
bool nb_interrupt_pending(void);

#endif
