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

// Named sums, not an array: the compiler must keep each in a register. The asm keeps neighbours apart.
#define STEP(sum)                                                                                                      \
    sum = _mm512_dpbusd_epi32(sum, a, b);                                                                              \
    __asm__("" : "+v"(sum))

static void *run(void *result)
{
    double begin = now_s(), n_products = 0.0;
    __m512i a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(5), zero = _mm512_setzero_si512();
    __m512i s0 = zero, s1 = zero, s2 = zero, s3 = zero, s4 = zero, s5 = zero;
    __m512i s6 = zero, s7 = zero, s8 = zero, s9 = zero, s10 = zero, s11 = zero;
    while (now_s() - begin < seconds) {
        for (int repeat = 0; repeat < 4000; repeat++) {
            STEP(s0);
            STEP(s1);
            STEP(s2);
            STEP(s3);
            STEP(s4);
            STEP(s5);
            STEP(s6);
            STEP(s7);
            STEP(s8);
            STEP(s9);
            STEP(s10);
            STEP(s11);
        }
        n_products += 4000.0 * 12 * 64;
    }
    __m512i sum = s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7 + s8 + s9 + s10 + s11;
    volatile int sink = _mm512_reduce_add_epi32(sum);
    (void)sink;
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
