// SPDX-License-Identifier: Apache-2.0
#include "apps/qat/workers.h"

#include "runtime/nibble.h"

nb_status nb_workers_create(nb_pool **pool, uint64_t n_threads, nb_error *error)
{
    nb_machine machine;
    nb_machine_probe(&machine);
    return nb_pool_create(pool, n_threads ? (uint32_t)n_threads : machine.n_cores, error);
}
