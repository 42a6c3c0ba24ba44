// SPDX-License-Identifier: Apache-2.0
// A request to stop, so that an unfinished directory is removed: Ctrl-C, the end of the terminal, or kill.
#ifndef NB_APPS_STOP_H
#define NB_APPS_STOP_H

#include <stdbool.h>

void nb_stop_install(void); // from here on the signals only ask
bool nb_stop_requested(void);

#endif
