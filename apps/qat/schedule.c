// SPDX-License-Identifier: Apache-2.0
#include "apps/qat/schedule.h"

#include <math.h>

double nb_schedule_rate(const nb_schedule *schedule, uint64_t step)
{
    uint64_t n_warm = (uint64_t)ceil(schedule->warmup * (double)schedule->n_steps);
    if (step < n_warm)
        return schedule->rate * (double)(step + 1) / (double)n_warm;
    uint64_t n_left = schedule->n_steps - n_warm;
    double p = n_left > 1 ? (double)(step - n_warm) / (double)(n_left - 1) : 0;
    double share = schedule->kind == NB_SCHEDULE_COSINE   ? (1 + cos(M_PI * p)) / 2
                   : schedule->kind == NB_SCHEDULE_LINEAR ? 1 - p
                                                          : 1;
    return schedule->rate * (schedule->floor + (1 - schedule->floor) * share);
}
