// SPDX-License-Identifier: Apache-2.0
// Signals of the programs: Ctrl-C, and a model file that shrinks while it is mapped.
#ifndef NB_APPS_INTERRUPT_H
#define NB_APPS_INTERRUPT_H

#include "runtime/nibble.h"

// SIGINT and SIGBUS are handled from here on.
void nb_interrupt_install(void);
// While a session is watched, Ctrl-C cancels its running call and is remembered. A second one ends the program with
// exit code 130, unless `is_patient`. With NULL (the start) the first one does, and with NULL and `is_patient` each is
// only remembered. Forgets what was remembered.
void nb_interrupt_watch(nb_session *session, bool is_patient);
bool nb_interrupt_pending(void);

#endif
