// SPDX-License-Identifier: Apache-2.0
// A persistent pool of workers that claim chunks. Cores may be unequal and busy with other things, so work is never
// divided evenly in advance: whoever is free takes the next chunk, and a worker that gets none is not waited for.
#ifndef NB_PLATFORM_POOL_H
#define NB_PLATFORM_POOL_H

#include "platform/base.h"

enum { NB_POOL_MAX_THREADS = 1024 };

typedef struct nb_pool nb_pool;

// Computes one chunk. `worker` < nb_pool_size() is used by one thread at a time within a run (an index into per-run
// scratch). Which worker gets which chunk is chance; results must not depend on it.
typedef void (*nb_job_fn)(void *context, uint32_t chunk, uint32_t worker);

// The calling thread counts as one of the n_threads (1..NB_POOL_MAX_THREADS); the others are created here, with all
// signals blocked. Errors: NB_ERR_ARGUMENT, NB_ERR_SYSTEM; *pool is NULL then.
NB_MUST_USE nb_status nb_pool_create(nb_pool **pool, uint32_t n_threads, nb_error *error);
void nb_pool_free(nb_pool *pool); // NULL is fine; no run may be going on

uint32_t nb_pool_size(const nb_pool *pool);

// Calls job(context, c, worker) once for every c < n_chunks, in no order, and returns when all have returned; what they
// wrote is visible then. The caller works too, as worker 0. Any thread may call it; runs of one pool take turns, so
// a job must not call it on its own pool. Never allocates. Idle workers look for work for a short while, then sleep.
void nb_pool_run(nb_pool *pool, uint32_t n_chunks, nb_job_fn job, void *context);

#endif
