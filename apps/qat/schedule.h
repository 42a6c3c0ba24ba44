// SPDX-License-Identifier: Apache-2.0
// The learning rate of each step. Warm-up: the first w = ceil(warmup * n_steps) steps rise evenly to the full rate,
// rate * (step + 1) / w. After it, with p running from 0 to 1 at the last step:
//   constant  rate
//   cosine    rate * (floor + (1 - floor) * (1 + cos(pi p)) / 2)
//   linear    rate * (floor + (1 - floor) * (1 - p))
#ifndef NB_APPS_SCHEDULE_H
#define NB_APPS_SCHEDULE_H

#include <stdint.h>

typedef enum nb_schedule_kind { NB_SCHEDULE_COSINE, NB_SCHEDULE_LINEAR, NB_SCHEDULE_CONSTANT } nb_schedule_kind;

typedef struct nb_schedule {
    nb_schedule_kind kind;
    double rate;   // the highest
    double floor;  // share of it that remains at the end
    double warmup; // share of the steps
    uint64_t n_steps;
} nb_schedule;

// Of step 0 .. n_steps - 1.
double nb_schedule_rate(const nb_schedule *schedule, uint64_t step);

#endif
