// SPDX-License-Identifier: Apache-2.0
// AdamW against the formulas in double, element by element; the same bits with any number of threads.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apps/qat/adamw.h"
#include "tests/support/fixtures.h"

enum { N_PARAMS = 3, N_STEPS = 20 };
static const size_t sizes[N_PARAMS] = {70001, 33, 40000};
static const char *const names[N_PARAMS] = {"model.embed_tokens.weight", "model.norm.weight",
                                            "model.layers.0.mlp.up_proj.weight"};

typedef struct world {
    nb_pool *pool;
    nb_adamw *adamw;
    nb_param params[N_PARAMS];
    float *values, *grads;
    size_t n;
} world;

static void world_open(world *w, uint32_t n_threads, const nb_adamw_options *options)
{
    fixture_rng rng = {7};
    *w = (world){0};
    for (size_t i = 0; i < N_PARAMS; i++)
        w->n += sizes[i];
    w->values = malloc(w->n * sizeof(float));
    w->grads = malloc(w->n * sizeof(float));
    for (size_t i = 0; i < w->n; i++)
        w->values[i] = fixture_float(&rng);
    for (size_t i = 0, at = 0; i < N_PARAMS; at += sizes[i++]) {
        w->params[i] =
            (nb_param){.value = w->values + at, .grad = w->grads + at, .n = sizes[i], .rank = 1, .decays = i != 1};
        strcpy(w->params[i].name, names[i]);
    }
    assert_int_equal(nb_pool_create(&w->pool, n_threads, NULL), NB_OK);
    assert_int_equal(nb_adamw_create(&w->adamw, w->pool, w->params, N_PARAMS, options, NULL), NB_OK);
}

static void world_close(world *w)
{
    nb_adamw_free(w->adamw);
    nb_pool_free(w->pool);
    free(w->values);
    free(w->grads);
}

static void set_gradients(world *w, int step)
{
    fixture_rng rng = {100 + (uint64_t)step};
    for (size_t i = 0; i < w->n; i++)
        w->grads[i] = fixture_float(&rng) * (i % 3 ? 1e-3f : 1.0f);
}

static void steps_equal_the_formulas(void **state)
{
    (void)state;
    const nb_adamw_options o = {0.9, 0.95, 1e-8, 0.1, 100};
    world w;
    world_open(&w, 2, &o);
    double *value = malloc(w.n * sizeof *value), *first = calloc(w.n, sizeof *first);
    double *second = calloc(w.n, sizeof *second);
    for (size_t i = 0; i < w.n; i++)
        value[i] = w.values[i];
    for (int t = 1; t <= N_STEPS; t++) {
        double rate = 1e-2 / t, sum = 0;
        set_gradients(&w, t);
        for (size_t i = 0; i < w.n; i++)
            sum += (double)w.grads[i] * w.grads[i];
        double norm = nb_adamw_norm(w.adamw);
        assert_true(fabs(norm - sqrt(sum)) < 1e-12 * norm);
        assert_true(norm > o.clip); // so that clipping is seen
        nb_adamw_step(w.adamw, (uint64_t)t, rate, norm);
        for (size_t i = 0; i < w.n; i++) {
            double g = w.grads[i] * o.clip / norm;
            first[i] = o.beta1 * first[i] + (1 - o.beta1) * g;
            second[i] = o.beta2 * second[i] + (1 - o.beta2) * g * g;
            bool decays = i >= sizes[0] + sizes[1]; // neither the embedding nor the norm
            value[i] *= 1 - rate * (decays ? o.weight_decay : 0);
            value[i] -=
                rate * (first[i] / (1 - pow(o.beta1, t))) / (sqrt(second[i] / (1 - pow(o.beta2, t))) + o.epsilon);
        }
    }
    // A step rounds some ten times, relative to values up to 5 and updates up to its rate.
    for (size_t i = 0; i < w.n; i++)
        if (fabs(w.values[i] - value[i]) > N_STEPS * 6e-8 * (fabs(value[i]) + 0.1) + 1e-8)
            fail_msg("element %zu: expected %.9g, found %.9g", i, value[i], (double)w.values[i]);
    free(value);
    free(first);
    free(second);
    world_close(&w);
}

static void threads_change_no_bit(void **state)
{
    (void)state;
    const nb_adamw_options o = {0.9, 0.999, 1e-8, 0.01, 1};
    world w[3];
    for (uint32_t i = 0; i < 3; i++) {
        world_open(&w[i], i + 1, &o);
        for (int t = 1; t <= 3; t++) {
            set_gradients(&w[i], t);
            nb_adamw_step(w[i].adamw, (uint64_t)t, 1e-3, nb_adamw_norm(w[i].adamw));
        }
        assert_memory_equal(w[i].values, w[0].values, w[0].n * sizeof(float));
        assert_memory_equal(nb_adamw_first(w[i].adamw), nb_adamw_first(w[0].adamw), 2 * w[0].n * sizeof(float));
    }
    for (uint32_t i = 0; i < 3; i++)
        world_close(&w[i]);
}

static void a_small_gradient_is_not_clipped(void **state)
{
    (void)state;
    const nb_adamw_options clipped = {0.9, 0.999, 1e-8, 0, 1e6}, free_of_it = {0.9, 0.999, 1e-8, 0, 0};
    world a, b;
    world_open(&a, 1, &clipped);
    world_open(&b, 1, &free_of_it);
    set_gradients(&a, 1);
    set_gradients(&b, 1);
    nb_adamw_step(a.adamw, 1, 1e-3, nb_adamw_norm(a.adamw));
    nb_adamw_step(b.adamw, 1, 1e-3, nb_adamw_norm(b.adamw));
    assert_memory_equal(a.values, b.values, a.n * sizeof(float));
    world_close(&a);
    world_close(&b);
}

static void a_gradient_that_is_not_finite_shows_in_the_norm(void **state)
{
    (void)state;
    const nb_adamw_options o = {0.9, 0.999, 1e-8, 0, 1};
    const float bad[] = {INFINITY, -INFINITY, NAN};
    world w;
    world_open(&w, 2, &o);
    for (size_t i = 0; i < 3; i++) {
        set_gradients(&w, 1);
        w.grads[w.n - 1 - i * 30011] = bad[i];
        assert_false(isfinite(nb_adamw_norm(w.adamw)));
    }
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_equal_the_formulas),
        cmocka_unit_test(threads_change_no_bit),
        cmocka_unit_test(a_small_gradient_is_not_clipped),
        cmocka_unit_test(a_gradient_that_is_not_finite_shows_in_the_norm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
