// SPDX-License-Identifier: Apache-2.0
#ifndef NB_PLATFORM_CLOCK_H
#define NB_PLATFORM_CLOCK_H

#include "platform/base.h"

// Nanoseconds since an arbitrary start; never runs backwards, is not moved by setting the clock.
uint64_t nb_clock_ns(void);

#endif
