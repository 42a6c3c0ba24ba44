// SPDX-License-Identifier: Apache-2.0
// Attention over one segment: every table equals the scalar one bit for bit on any view and format; segments and their
// combination equal a double-precision oracle within the derived bound.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kernels/floats.h"
#include "tests/oracle/attention_f64.h"
#include "tests/support/fixtures.h"

enum { QUERIES = NB_ATTEND_QUERIES, FLOATS_MAX = 256 + 2 };

static const nb_kv_format FORMATS[] = {NB_KV_FORMAT_E1M2, NB_KV_FORMAT_E2M1, NB_KV_FORMAT_BF16, NB_KV_FORMAT_F32};

// K and V of one head; every slot holds something, as it would after the ring has wrapped.
static nb_ring make_ring(fixture_rng *rng, nb_kv_format format, uint32_t head_dim, uint32_t n_ctx, uint32_t n_sinks)
{
    nb_ring ring;
    nb_ring_shape(&ring, format, 1, 1, head_dim, n_ctx, n_sinks);
    ring.base = fixture_memory(nb_ring_bytes(&ring));
    float *x = fixture_memory(head_dim * sizeof *x);
    for (uint32_t slot = 0; slot < ring.n_slots; slot++)
        for (int is_value = 0; is_value < 2; is_value++) {
            for (uint32_t d = 0; d < head_dim; d++) {
                float factor = d % 16 ? 1 : fixture_below(rng, 9) ? 1 : 1e-3f; // some blocks far below the others
                x[d] = fixture_below(rng, 20) ? fixture_float(rng) * factor : -0.0f;
            }
            if (is_value)
                fixture_scalar()->store_v(format, x, 1, head_dim, slot, nb_ring_v(&ring, 0, 0));
            else
                fixture_scalar()->store_k(format, x, NULL, 1, head_dim, slot, nb_ring_k(&ring, 0, 0));
        }
    return ring;
}

typedef struct attend_case {
    nb_attend_chunk chunk;
    float expected[QUERIES][FLOATS_MAX];
} attend_case;

static void run(const nb_cpu_kernels *table, const attend_case *c, float (*results)[FLOATS_MAX])
{
    nb_attend_chunk chunk = c->chunk;
    for (uint32_t i = 0; i < chunk.n_queries; i++) {
        chunk.partials[i] = fixture_memory((chunk.head_dim + 2) * sizeof(float)); // a write past its end dies
        memset(chunk.partials[i], 0xff, (chunk.head_dim + 2) * sizeof(float));
    }
    table->attend(&chunk);
    for (uint32_t i = 0; i < chunk.n_queries; i++)
        memcpy(results[i], chunk.partials[i], (chunk.head_dim + 2) * sizeof(float));
}

static void must_equal(const nb_cpu_kernels *table, void *user)
{
    const attend_case *c = user;
    float results[QUERIES][FLOATS_MAX];
    run(table, c, results);
    for (uint32_t i = 0; i < c->chunk.n_queries; i++)
        for (uint32_t d = 0; d < c->chunk.head_dim + 2; d++)
            if (nb_f32_bits(results[i][d]) != nb_f32_bits(c->expected[i][d]))
                fail_msg("%s: format %d, E %u, slots %u..%u, query %u of %u: partial[%u] is %a, scalar gives %a",
                         table->isa, (int)c->chunk.format, c->chunk.head_dim, c->chunk.slot_begin, c->chunk.slot_end, i,
                         c->chunk.n_queries, d, (double)results[i][d], (double)c->expected[i][d]);
}

static nb_attend_chunk make_chunk(const nb_ring *ring, uint32_t segment, uint32_t n_queries)
{
    uint32_t begin = segment * NB_KV_SEGMENT;
    return (nb_attend_chunk){.format = ring->format,
                             .head_dim = ring->head_dim,
                             .k = nb_ring_k(ring, 0, 0),
                             .v = nb_ring_v(ring, 0, 0),
                             .slot_begin = begin,
                             .slot_end = (uint32_t)nb_min(begin + NB_KV_SEGMENT, ring->n_slots),
                             .qk_scale = 1.0f / sqrtf((float)ring->head_dim),
                             .n_queries = n_queries};
}

static void compare(fixture_rng *rng, const nb_ring *ring, uint32_t segment, uint32_t n_queries,
                    const nb_kv_view *views, float magnitude)
{
    attend_case c = {.chunk = make_chunk(ring, segment, n_queries)};
    for (uint32_t i = 0; i < n_queries; i++) {
        float *q = fixture_memory(ring->head_dim * sizeof *q);
        for (uint32_t d = 0; d < ring->head_dim; d++)
            q[d] = fixture_float(rng) * magnitude;
        c.chunk.q[i] = q;
        c.chunk.views[i] = &views[i];
    }
    run(fixture_scalar(), &c, c.expected);
    fixture_tables(must_equal, &c);
}

// Up to three ascending ranges anywhere, sometimes none.
static nb_kv_view random_view(fixture_rng *rng, uint32_t n_slots)
{
    nb_kv_view view = {{0}, {0}};
    uint32_t at = 0;
    for (int r = 0; r < 3; r++) {
        if (fixture_below(rng, 3) == 0)
            continue;
        view.begin[r] = at + fixture_below(rng, n_slots - at + 1);
        view.end[r] = at = view.begin[r] + fixture_below(rng, n_slots - view.begin[r] + 1);
    }
    return view;
}

static void equals_scalar_on_every_shape(void **state)
{
    (void)state;
    fixture_rng rng = {11};
    for (size_t f = 0; f < NB_COUNT(FORMATS); f++)
        for (uint32_t head_dim = 16; head_dim <= 256; head_dim += 16)
            for (uint32_t n_queries = 1; n_queries <= QUERIES; n_queries++) {
                nb_ring ring = make_ring(&rng, FORMATS[f], head_dim, 1 + fixture_below(&rng, 200), 0);
                nb_kv_view views[QUERIES];
                bool same = fixture_below(&rng, 2); // heads of one row; else every query sees something else
                for (uint32_t i = 0; i < n_queries; i++)
                    views[i] = same && i > 0 ? views[0] : random_view(&rng, ring.n_slots);
                for (uint32_t segment = 0; segment * NB_KV_SEGMENT < ring.n_slots; segment++)
                    compare(&rng, &ring, segment, n_queries, views, same ? 1.0f : 30.0f);
                fixture_release();
            }
}

// The views of consecutive positions of a session, before and after its ring wraps, with and without sinks.
static void equals_scalar_on_a_session(void **state)
{
    (void)state;
    fixture_rng rng = {12};
    for (size_t f = 0; f < NB_COUNT(FORMATS); f++)
        for (uint32_t n_sinks = 0; n_sinks <= 20; n_sinks += 4) {
            nb_ring ring = make_ring(&rng, FORMATS[f], 64, 300, n_sinks);
            for (uint32_t position = 0; position < 3 * ring.n_slots; position += 1 + fixture_below(&rng, 120)) {
                nb_kv_view views[QUERIES];
                for (uint32_t i = 0; i < QUERIES; i++) // two heads each of four rows
                    views[i] = nb_ring_view(&ring, position + i / 2);
                for (uint32_t segment = 0; segment * NB_KV_SEGMENT < ring.n_slots; segment++)
                    compare(&rng, &ring, segment, QUERIES, views, 3.0f);
            }
            fixture_release();
        }
}

// Scores that underflow to zeros of both signs, probabilities and sums that underflow, an all-zero query.
static void equals_scalar_at_the_edges(void **state)
{
    (void)state;
    fixture_rng rng = {13};
    const float magnitudes[] = {0.0f, 1e-45f, 1e-43f, 1e-30f, 100.0f, 1000.0f};
    for (size_t f = 0; f < NB_COUNT(FORMATS); f++)
        for (size_t m = 0; m < NB_COUNT(magnitudes); m++)
            for (int repeat = 0; repeat < 10; repeat++) {
                nb_ring ring = make_ring(&rng, FORMATS[f], 48, 190, 0);
                nb_kv_view views[QUERIES];
                for (uint32_t i = 0; i < QUERIES; i++)
                    views[i] = random_view(&rng, ring.n_slots);
                compare(&rng, &ring, 0, QUERIES, views, magnitudes[m]);
                for (uint32_t i = 0; i < QUERIES; i++) // few slots: a maximum that is a zero of either sign
                    views[i] = (nb_kv_view){{i * 3}, {i * 3 + 1 + i % 4}};
                compare(&rng, &ring, 0, QUERIES, views, magnitudes[m]);
                fixture_release();
            }
}

static void a_query_that_sees_nothing(void **state)
{
    (void)state;
    fixture_rng rng = {14};
    for (const nb_cpu_kernels *const *table = nb_cpu_tables; *table; table++) {
        if (!nb_cpu_table_runs(*table))
            continue;
        nb_ring ring = make_ring(&rng, NB_KV_FORMAT_E1M2, 32, 40, 0);
        nb_kv_view view = {{0}, {0}};
        attend_case c = {.chunk = make_chunk(&ring, 0, 1)};
        float q[32] = {1}, results[QUERIES][FLOATS_MAX];
        c.chunk.q[0] = q;
        c.chunk.views[0] = &view;
        run(*table, &c, results);
        for (int d = 0; d < 32; d++)
            assert_int_equal(nb_f32_bits(results[0][d]), 0);
        assert_true(results[0][32] == -INFINITY);
        assert_int_equal(nb_f32_bits(results[0][33]), 0);
        fixture_release();
    }
}

// ---- against double precision: all segments and their combination ----

static double worst_ratio(fixture_rng *rng, const nb_ring *ring, uint32_t position)
{
    nb_kv_view view = nb_ring_view(ring, position);
    float q[256], out[256], partials[8 * FLOATS_MAX];
    double expected[256], allowed[256], worst = 0;
    uint32_t n_segments = (uint32_t)nb_div_ceil(ring->n_slots, NB_KV_SEGMENT);
    assert_true(n_segments <= 8);
    for (uint32_t d = 0; d < ring->head_dim; d++)
        q[d] = fixture_float(rng);
    for (uint32_t s = 0; s < n_segments; s++) {
        nb_attend_chunk chunk = make_chunk(ring, s, 1);
        chunk.q[0] = q;
        chunk.views[0] = &view;
        chunk.partials[0] = partials + s * (ring->head_dim + 2);
        fixture_scalar()->attend(&chunk);
    }
    fixture_scalar()->combine(partials, n_segments, ring->head_dim, 1, out);
    oracle_attention(ring, nb_ring_k(ring, 0, 0), nb_ring_v(ring, 0, 0), &view, q, 1 / sqrt(ring->head_dim), expected,
                     allowed);
    for (uint32_t d = 0; d < ring->head_dim; d++) {
        double error = fabs((double)out[d] - expected[d]);
        if (error > allowed[d])
            fail_msg("format %d, E %u, position %u: out[%u] is %a, expected %a, allowed %g", (int)ring->format,
                     ring->head_dim, position, d, (double)out[d], expected[d], allowed[d]);
        worst = fmax(worst, error / allowed[d]);
    }
    return worst;
}

static void equals_the_oracle(void **state)
{
    (void)state;
    fixture_rng rng = {15};
    double worst = 0;
    for (size_t f = 0; f < NB_COUNT(FORMATS); f++)
        for (uint32_t head_dim = 16; head_dim <= 256; head_dim *= 2) {
            nb_ring ring = make_ring(&rng, FORMATS[f], head_dim, 900, 4);
            const uint32_t positions[] = {0, 1, 3, 4, 15, 16, 100, 255, 256, 899, 900, 1000, 5000};
            for (size_t i = 0; i < NB_COUNT(positions); i++)
                worst = fmax(worst, worst_ratio(&rng, &ring, positions[i]));
            fixture_release();
        }
    print_message("attention: largest observed / allowed %.3f\n", worst);
    assert_true(worst > 0.01);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_scalar_on_every_shape),
        cmocka_unit_test(equals_scalar_on_a_session),
        cmocka_unit_test(equals_scalar_at_the_edges),
        cmocka_unit_test(a_query_that_sees_nothing),
        cmocka_unit_test(equals_the_oracle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
