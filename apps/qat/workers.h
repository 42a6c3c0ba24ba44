// SPDX-License-Identifier: Apache-2.0
// The threads of a workshop command.
#ifndef NB_APPS_WORKERS_H
#define NB_APPS_WORKERS_H

#include "platform/pool.h"

// A pool of --threads N; 0: a thread for each physical core. Errors as nb_pool_create.
NB_MUST_USE nb_status nb_workers_create(nb_pool **pool, uint64_t n_threads, nb_error *error);

#endif
