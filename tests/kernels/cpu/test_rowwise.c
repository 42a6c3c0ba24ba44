// SPDX-License-Identifier: Apache-2.0
// Norm, SwiGLU, RoPE and the combination of attention's segments: every table equals the scalar one bit for bit, and
// that one double precision within derived bounds. The quantising row-wise kernels: test_pack.c.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kernels/floats.h"
#include "tests/oracle/formats_f64.h"
#include "tests/support/fixtures.h"

enum { N_MAX = 8970 };

typedef struct row_case {
    void (*run)(const nb_cpu_kernels *table, const struct row_case *c, float *out);
    const char *what;
    const float *a, *b; // inputs
    uint32_t n, n_out;
    float expected[N_MAX]; // scalar's result
} row_case;

static void must_equal(const nb_cpu_kernels *table, void *user)
{
    const row_case *c = user;
    float *out = fixture_memory(c->n_out * sizeof *out);
    c->run(table, c, out);
    for (uint32_t i = 0; i < c->n_out; i++)
        if (nb_f32_bits(out[i]) != nb_f32_bits(c->expected[i]))
            fail_msg("%s %s of %u: [%u] is %a, scalar gives %a", table->isa, c->what, c->n, i, (double)out[i],
                     (double)c->expected[i]);
}

static void run_all(row_case *c)
{
    float *out = fixture_memory(c->n_out * sizeof *out);
    c->run(fixture_scalar(), c, out);
    memcpy(c->expected, out, c->n_out * sizeof *out);
    fixture_tables(must_equal, c);
}

static float *random_floats(fixture_rng *rng, uint32_t n, float deviation)
{
    float *x = fixture_memory(n * sizeof *x);
    for (uint32_t i = 0; i < n; i++)
        x[i] = fixture_float(rng) * deviation;
    return x;
}

// Fails when |found - expected| > allowed; keeps the largest ratio.
static void judge(double *worst, const row_case *c, uint32_t i, double expected, double allowed)
{
    double error = fabs((double)c->expected[i] - expected);
    if (!(error <= allowed))
        fail_msg("%s of %u: [%u] is %a, expected %a, allowed %g", c->what, c->n, i, (double)c->expected[i], expected,
                 allowed);
    *worst = allowed > 0 ? fmax(*worst, error / allowed) : *worst;
}

static void report(const char *what, double worst)
{
    print_message("%s: largest observed / allowed %.3f\n", what, worst);
    assert_true(worst > 0.01);
}

static void run_norm(const nb_cpu_kernels *table, const row_case *c, float *out)
{
    table->norm(c->a, c->b, 1e-6f, c->n, out);
}

static void norm(void **state)
{
    (void)state;
    fixture_rng rng = {31};
    double worst = 0;
    for (uint32_t n = 1; n < N_MAX; n = n < 70 ? n + 1 : n * 2 + 3) {
        row_case c = {run_norm, "norm", random_floats(&rng, n, 3), random_floats(&rng, n, 1), n, n, {0}};
        run_all(&c);
        double sum = 0;
        for (uint32_t i = 0; i < n; i++)
            sum += (double)c.a[i] * (double)c.a[i];
        // The sum's chain and tree, the mean, epsilon: halved by the root. Then root, reciprocal, two products.
        double gamma = oracle_gamma((ceil(n / 16.0) + 4 + 2) / 2 + 4);
        for (uint32_t i = 0; i < n; i++) {
            double expected = (double)c.a[i] / sqrt(sum / n + (double)1e-6f) * (double)c.b[i];
            judge(&worst, &c, i, expected, gamma * fabs(expected));
        }
        fixture_release();
    }
    report("norm", worst);
}

static void run_swiglu(const nb_cpu_kernels *table, const row_case *c, float *out)
{
    table->swiglu(c->a, c->b, c->n, out);
}

static void swiglu(void **state)
{
    (void)state;
    fixture_rng rng = {32};
    double worst = 0;
    for (uint32_t n = 1; n < N_MAX; n = n < 70 ? n + 1 : n * 2 + 3) {
        row_case c = {run_swiglu, "swiglu", random_floats(&rng, n, n % 2 ? 2 : 40), random_floats(&rng, n, 1), n,
                      n,          {0}};
        run_all(&c);
        for (uint32_t i = 0; i < n; i++) {
            double gate = (double)c.a[i], expected = gate / (1 + exp(-gate)) * (double)c.b[i];
            // nb_exp 2e-7; sum, quotient, product. e^88.3 and above saturates: the result is below 1e-36 then.
            judge(&worst, &c, i, expected, (2e-7 + oracle_gamma(3)) * fabs(expected) + 1e-36);
        }
        fixture_release();
    }
    report("swiglu", worst);
}

static void run_rope(const nb_cpu_kernels *table, const row_case *c, float *out)
{
    memcpy(out, c->a, c->n * sizeof *out);
    table->rope(out, c->b, c->b + c->n / 2, c->n);
}

static void rope(void **state)
{
    (void)state;
    fixture_rng rng = {33};
    double worst = 0;
    for (uint32_t e = 2; e <= 256; e += 2) {
        float *angles = fixture_memory(e * sizeof *angles);
        for (uint32_t i = 0; i < e / 2; i++) {
            angles[i] = (float)cos(i * 1.7 + e);
            angles[e / 2 + i] = (float)sin(i * 1.7 + e);
        }
        row_case c = {run_rope, "rope", random_floats(&rng, e, 1), angles, e, e, {0}};
        run_all(&c);
        for (uint32_t i = 0; i < e; i++) {
            double cosine = (double)angles[i % (e / 2)], sine = (double)angles[e / 2 + i % (e / 2)];
            double first = (double)c.a[i % (e / 2)], second = (double)c.a[e / 2 + i % (e / 2)];
            double expected = i < e / 2 ? first * cosine - second * sine : second * cosine + first * sine;
            judge(&worst, &c, i, expected, oracle_gamma(2) * (fabs(first) + fabs(second)));
        }
        fixture_release();
    }
    report("rope", worst);
}

static void run_combine(const nb_cpu_kernels *table, const row_case *c, float *out)
{
    table->combine(c->a, c->n / (c->n_out + 2), c->n_out, 0.7f, out);
}

static void check_combine(fixture_rng *rng, uint32_t n_segments, uint32_t e, double *worst)
{
    uint32_t stride = e + 2;
    float *partials = random_floats(rng, n_segments * stride, 1);
    double sum[256] = {0}, absolute[256] = {0}, l = 0, maximum = -INFINITY;
    for (uint32_t s = 0; s < n_segments; s++) {
        float *m = partials + s * stride + e;
        m[0] = s > 0 && fixture_below(rng, 3) == 0 ? -INFINITY : fixture_float(rng) * 20;
        m[1] = m[0] == -INFINITY ? 0 : 1 + (float)fixture_below(rng, 200);
        maximum = fmax(maximum, (double)m[0]);
    }
    row_case c = {run_combine, "combine", partials, NULL, n_segments * stride, e, {0}};
    run_all(&c);
    for (uint32_t s = 0; s < n_segments; s++) {
        const float *o = partials + s * stride;
        double factor = exp((double)o[e] - maximum);
        l += factor * (double)o[e + 1];
        for (uint32_t d = 0; d < e; d++) {
            sum[d] += factor * (double)o[d];
            absolute[d] += factor * fabs((double)o[d]);
        }
    }
    // Factors: nb_exp and the subtraction, up to 150 u of the exponent where they are not negligible; two sums, the
    // end.
    double relative = 2 * (2e-7 + 150 * ORACLE_U) + oracle_gamma(2 * n_segments + 2);
    for (uint32_t d = 0; d < e; d++)
        judge(worst, &c, d, sum[d] / l * (double)0.7f, relative * absolute[d] / l + 1e-36);
    fixture_release();
}

static void combine(void **state)
{
    (void)state;
    fixture_rng rng = {34};
    double worst = 0;
    for (uint32_t e = 16; e <= 256; e += 16)
        for (uint32_t n_segments = 1; n_segments <= 33; n_segments += 4)
            check_combine(&rng, n_segments, e, &worst);
    report("combine", worst);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(norm),
        cmocka_unit_test(swiglu),
        cmocka_unit_test(rope),
        cmocka_unit_test(combine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
