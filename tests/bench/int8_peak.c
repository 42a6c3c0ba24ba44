// SPDX-License-Identifier: Apache-2.0
// Products a second that this CPU's 8-bit dot product gives when nothing else runs: the ceiling of a prefill. Prints
// products/s of all threads together. Twelve independent accumulators cover the latency of the instruction.
//   int8_peak [THREADS] [SECONDS]
#include <immintrin.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double seconds = 0.3;

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void *run(void *result)
{
    double begin = now_s(), n_products = 0.0;
    __m512i sums[12], a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(5);
    for (int i = 0; i < 12; i++)
        sums[i] = _mm512_set1_epi32(i);
    while (now_s() - begin < seconds) {
        for (int repeat = 0; repeat < 4000; repeat++)
#pragma GCC unroll 12
            for (int i = 0; i < 12; i++) { // unrolled, else the sums live in memory
                sums[i] = _mm512_dpbusd_epi32(sums[i], a, b);
                __asm__("" : "+v"(sums[i])); // kept apart from its neighbours
            }
        n_products += 4000.0 * 12 * 64;
    }
    volatile int sink = 0;
    for (int i = 0; i < 12; i++)
        sink += _mm512_reduce_add_epi32(sums[i]);
    *(double *)result = n_products / (now_s() - begin);
    return NULL;
}

int main(int argc, char **argv)
{
    int n = argc > 1 ? atoi(argv[1]) : 1;
    pthread_t threads[64];
    double results[64], sum = 0.0;
    n = n < 1 ? 1 : n > 64 ? 64 : n;
    seconds = argc > 2 ? atof(argv[2]) : seconds;
    for (int i = 0; i < n; i++)
        if (pthread_create(&threads[i], NULL, run, &results[i]) != 0)
            return 1;
    for (int i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
        sum += results[i];
    }
    printf("%.6e\n", sum);
    return 0;
}
