// SPDX-License-Identifier: Apache-2.0
// A request to stop, so that an unfinished directory is removed or a checkpoint written: Ctrl-C, the end of the
// terminal, or kill.
#ifndef NB_APPS_STOP_H
#define NB_APPS_STOP_H

#include <stdbool.h>

// From here on SIGINT, SIGTERM and SIGHUP only ask; the second one ends the process at once, with exit code 130. A
// signal that is ignored, as nohup has it, stays so. For the calling thread, which must be the one that computes;
// nb_pool's threads take no signals.
void nb_stop_install(void);
bool nb_stop_requested(void);

#endif
