// SPDX-License-Identifier: Apache-2.0
// How fast weights are read where they lie and from a copy: a plain checkpoint of random weights, several times the
// last cache, is written into the store, opened both ways, decoded with, and removed.
#ifndef NB_APPS_DOCTOR_WEIGHTS_H
#define NB_APPS_DOCTOR_WEIGHTS_H

#include "apps/common/machine_file.h"

// Takes some seconds, in which signals from the keyboard wait. False with one line in `why` when it cannot be measured:
// no place to write, no room on disk or in memory.
bool nb_doctor_measure_weights(nb_placement_rates *rates, char *why, size_t capacity);

#endif
