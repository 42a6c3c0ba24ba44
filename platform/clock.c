// SPDX-License-Identifier: Apache-2.0
#include "platform/clock.h"

#include <time.h>

uint64_t nb_clock_ns(void)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC, &now); // cannot fail: the clock exists on every Linux
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
