// SPDX-License-Identifier: Apache-2.0
// The sampler against a slow one written from its definition, its distribution, and what it refuses.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/sampler.h"

enum { V = 50 };

typedef struct bench {
    float logits[V];
    int32_t timeline[64];
    size_t length;
    nb_candidate candidates[V];
    uint8_t seen[V];
} bench;

static nb_status sample(bench *b, const nb_sampling *s, int32_t *id, float *logprob)
{
    return nb_sample(&(nb_sampler_input){b->logits, V, b->timeline, b->length, b->candidates, b->seen}, s, id, logprob,
                     NULL);
}

static void fill(bench *b, uint32_t seed)
{
    for (int i = 0; i < V; i++) {
        seed = seed * 1664525u + 1013904223u;
        b->logits[i] = (float)(seed >> 8) / (1 << 24) * 12.0f - 6.0f;
    }
    b->length = 0;
}

// Probabilities by the definition: bias, penalty, temperature, top-k, top-p, min-p over a full sort.
static void slow_distribution(const bench *b, const nb_sampling *s, double *p)
{
    double z[V];
    int order[V];
    for (int i = 0; i < V; i++) {
        z[i] = b->logits[i];
        order[i] = i;
    }
    for (uint32_t i = 0; i < s->n_biases; i++)
        z[s->biases[i].id] = (double)(b->logits[s->biases[i].id] + s->biases[i].bias);
    for (int i = 0; i < V; i++)
        for (size_t t = s->repeat_last_n && b->length > s->repeat_last_n ? b->length - s->repeat_last_n : 0;
             t < b->length; t++)
            if (b->timeline[t] == i) {
                z[i] = z[i] > 0 ? (float)z[i] / s->repeat_penalty : (float)z[i] * s->repeat_penalty;
                break;
            }
    for (int i = 0; i < V; i++) // insertion sort: stable, so lower ids first among equals
        for (int j = i; j > 0 && z[order[j]] > z[order[j - 1]]; j--) {
            int t = order[j];
            order[j] = order[j - 1];
            order[j - 1] = t;
        }
    int n = s->top_k > 0 && s->top_k < V ? s->top_k : V;
    double total = 0, sum = 0, kept = 0;
    for (int i = 0; i < n; i++)
        total += exp((z[order[i]] - z[order[0]]) / (double)s->temperature);
    memset(p, 0, V * sizeof *p);
    for (int i = 0; i < n; i++) {
        double w = exp((z[order[i]] - z[order[0]]) / (double)s->temperature);
        if (i > 0 && (w < (double)s->min_p || (s->top_p < 1 && sum >= (double)s->top_p * total)))
            break;
        sum += w;
        p[order[i]] = w;
        kept = sum;
    }
    for (int i = 0; i < V; i++)
        p[i] /= kept;
}

static void greedy(void **state)
{
    (void)state;
    bench b;
    fill(&b, 1);
    nb_sampling s = nb_sampling_defaults();
    s.temperature = 0.0f;
    int32_t id;
    b.logits[7] = b.logits[31] = 9.0f;
    assert_int_equal(sample(&b, &s, &id, NULL), NB_OK);
    assert_int_equal(id, 7); // the lowest of equals
    nb_logit_bias forbidden = {7, -INFINITY};
    s.biases = &forbidden;
    s.n_biases = 1;
    assert_int_equal(sample(&b, &s, &id, NULL), NB_OK);
    assert_int_equal(id, 31);
    b.timeline[0] = 31;
    b.length = 1;
    s.repeat_penalty = 2.0f;
    assert_int_equal(sample(&b, &s, &id, NULL), NB_OK);
    assert_int_not_equal(id, 31);
}

static void same_distribution_as_the_definition(void **state)
{
    (void)state;
    static const nb_logit_bias biases[] = {{3, 2.5f}, {9, -INFINITY}};
    const nb_sampling settings[] = {
        {.temperature = 1.0f, .top_p = 1.0f, .repeat_penalty = 1.0f},
        {.temperature = 0.6f, .top_p = 0.95f, .repeat_penalty = 1.0f},
        {.temperature = 2.0f, .top_p = 1.0f, .repeat_penalty = 1.0f, .top_k = 5},
        {.temperature = 1.5f, .top_p = 0.7f, .repeat_penalty = 1.0f, .top_k = 12},
        {.temperature = 1.0f, .top_p = 1.0f, .min_p = 0.1f, .repeat_penalty = 1.0f},
        {.temperature = 0.9f, .top_p = 0.9f, .repeat_penalty = 1.3f, .repeat_last_n = 8},
        {.temperature = 0.9f, .top_p = 1.0f, .repeat_penalty = 0.7f, .biases = biases, .n_biases = 2},
    };
    enum { DRAWS = 40000 };
    for (size_t k = 0; k < NB_COUNT(settings); k++) {
        bench b;
        double expected[V], chi = 0;
        int counts[V] = {0}, n_cells = 0;
        fill(&b, 17 + (uint32_t)k);
        for (b.length = 0; b.length < 20; b.length++)
            b.timeline[b.length] = (int32_t)(b.length * 7 % V);
        slow_distribution(&b, &settings[k], expected);
        for (int i = 0; i < DRAWS; i++) {
            nb_sampling s = settings[k];
            int32_t id;
            s.seed = (uint64_t)i;
            assert_int_equal(sample(&b, &s, &id, NULL), NB_OK);
            assert_true(expected[id] > 0); // never outside what the filters leave
            counts[id]++;
        }
        for (int i = 0; i < V; i++)
            if (expected[i] * DRAWS >= 5) {
                chi += (counts[i] - expected[i] * DRAWS) * (counts[i] - expected[i] * DRAWS) / (expected[i] * DRAWS);
                n_cells++;
            }
        // Mean n - 1, deviation sqrt(2n): six deviations; the seeds are fixed, so this cannot flicker.
        print_message("setting %zu: chi squared %.1f over %d cells\n", k, chi, n_cells);
        assert_true(chi < n_cells + 6 * sqrt(2.0 * n_cells));
    }
}

static void reproducible(void **state)
{
    (void)state;
    bench b;
    nb_sampling s = nb_sampling_defaults();
    int32_t first, again, n_different = 0;
    s.temperature = 1.5f;
    fill(&b, 5);
    for (uint64_t seed = 0; seed < 50; seed++) {
        s.seed = seed;
        b.length = 3;
        assert_int_equal(sample(&b, &s, &first, NULL), NB_OK);
        assert_int_equal(sample(&b, &s, &again, NULL), NB_OK);
        assert_int_equal(first, again);
        b.timeline[3] = 1;
        b.length = 4; // another place in the timeline draws another number
        assert_int_equal(sample(&b, &s, &again, NULL), NB_OK);
        n_different += first != again;
    }
    assert_true(n_different > 10);
}

static void log_probability(void **state)
{
    (void)state;
    bench b;
    nb_sampling s = nb_sampling_defaults();
    int32_t id;
    float logprob;
    double sum = 0;
    fill(&b, 9);
    for (int i = 0; i < V; i++)
        sum += exp((double)b.logits[i]);
    assert_int_equal(sample(&b, &s, &id, &logprob), NB_OK);
    assert_true(fabs((double)logprob - ((double)b.logits[id] - log(sum))) < 1e-6);
}

static void refusals(void **state)
{
    (void)state;
    bench b;
    int32_t id;
    nb_logit_bias wrong = {V, 1.0f}, nan = {1, NAN};
    const nb_sampling good = {.temperature = 1.0f, .top_p = 1.0f, .repeat_penalty = 1.0f};
    nb_sampling bad[9];
    for (int i = 0; i < 9; i++)
        bad[i] = good;
    bad[0].temperature = -1.0f;
    bad[1].temperature = NAN;
    bad[2].top_p = 0.0f;
    bad[3].top_p = 1.5f;
    bad[4].min_p = -0.5f;
    bad[5].top_k = -1;
    bad[6].repeat_penalty = 0.0f;
    bad[7].biases = &wrong, bad[7].n_biases = 1;
    bad[8].biases = &nan, bad[8].n_biases = 1;
    fill(&b, 2);
    assert_int_equal(sample(&b, &good, &id, NULL), NB_OK);
    for (int i = 0; i < 9; i++)
        assert_int_equal(sample(&b, &bad[i], &id, NULL), NB_ERR_ARGUMENT);
    b.logits[4] = NAN;
    assert_int_equal(sample(&b, &good, &id, NULL), NB_ERR_INPUT);
    b.logits[4] = INFINITY;
    assert_int_equal(sample(&b, &good, &id, NULL), NB_ERR_INPUT);
    for (int i = 0; i < V; i++)
        b.logits[i] = -INFINITY;
    assert_int_equal(sample(&b, &good, &id, NULL), NB_ERR_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greedy),       cmocka_unit_test(same_distribution_as_the_definition),
        cmocka_unit_test(reproducible), cmocka_unit_test(log_probability),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
