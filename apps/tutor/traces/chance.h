// SPDX-License-Identifier: Apache-2.0
// Random whole numbers that are the same on every machine (SplitMix64, Steele et al. 2014).
#ifndef NB_TUTOR_CHANCE_H
#define NB_TUTOR_CHANCE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct nb_chance {
    uint64_t state;
} nb_chance;

static inline uint64_t nb_chance_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static inline uint64_t nb_chance_next(nb_chance *chance)
{
    return nb_chance_mix(chance->state += UINT64_C(0x9e3779b97f4a7c15));
}

// 0..n-1, n > 0; the bias of at most n / 2^64 does not matter here.
static inline uint64_t nb_chance_below(nb_chance *chance, uint64_t n)
{
    return (uint64_t)(((unsigned __int128)nb_chance_next(chance) * n) >> 64);
}

static inline bool nb_chance_percent(nb_chance *chance, unsigned percent)
{
    return nb_chance_below(chance, 100) < percent;
}

#endif
