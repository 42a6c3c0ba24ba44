// SPDX-License-Identifier: Apache-2.0
// Ring wrap, sinks and rewinds against tests/oracle/ring_f64.h, at every position far beyond the ring. Twice: stage by
// stage, where the oracle goes on with the values the session had, so that the derived bounds stay tight (with an E1M2
// cache every stored code and scale is checked too, and the oracle goes on with those); and the whole pass in double,
// where worst cases would multiply to nothing useful, so the bound is the one for plain checkpoints, 1e-4 of the norm.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/session.h"
#include "tests/oracle/attention_f64.h"
#include "tests/oracle/formats_f64.h"
#include "tests/oracle/ring_f64.h"
#include "tests/support/data_path.h"
#include "tests/support/fixtures.h"
#include "tests/support/model_run.h"

typedef struct fixture {
    char directory[256];
    oracle_tiny model;
    oracle_timeline timeline;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    nb_test_directory_make(f->directory, sizeof f->directory);
    oracle_tiny_fill(&f->model, 20260);
    oracle_tiny_write(&f->model, f->directory);
    f->timeline.model = &f->model;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    nb_test_directory_remove(f->directory);
    free(f);
    return 0;
}

// ---- stored codes --------------------------------------------------------------------------------------------------

typedef struct codes {
    const nb_session *session;
    uint64_t n_codes, n_certain;
} codes;

// Where kernels/kv.h puts a position, written from its text.
static uint32_t slot_of(const nb_ring *ring, uint32_t position)
{
    return position < ring->n_sinks ? position
                                    : ring->n_sinks + (position - ring->n_sinks) % (ring->n_slots - ring->n_sinks);
}

static double code_of(double x, double scale)
{
    return fmax(-7, fmin(7, rint(2 * x / scale)));
}

// The block's scale must be one that the largest magnitude, known up to its error, rounds to; each code likewise.
static void check_block(codes *c, oracle_value *values, const double *stored, double scale)
{
    double largest = 0, error = 0;
    for (int d = 0; d < 16; d++) {
        largest = fmax(largest, fabs(values[d].value));
        error = fmax(error, values[d].error + 2 * ORACLE_U * fabs(values[d].value));
    }
    assert_true(scale >= oracle_e4m3(oracle_e4m3_nearest((largest - error) / 3.5)));
    assert_true(scale <= oracle_e4m3(oracle_e4m3_nearest((largest + error) / 3.5)));
    for (int d = 0; d < 16; d++) {
        double code = 2 * stored[d] / scale, reach = values[d].error + 2 * ORACLE_U * fabs(values[d].value);
        double low = code_of(values[d].value - reach, scale), high = code_of(values[d].value + reach, scale);
        if (code < low || code > high)
            fail_msg("code %g for %g / %g; expected %g to %g", code, values[d].value, scale, low, high);
        c->n_codes++;
        c->n_certain += low == high;
        values[d] = (oracle_value){stored[d], 0};
    }
}

static void take_stored(codes *c, uint32_t layer, uint32_t head, uint32_t position, oracle_value *values, bool is_key)
{
    const nb_ring *ring = &c->session->buffers.ring;
    const uint8_t *area = is_key ? nb_ring_k(ring, layer, head) : nb_ring_v(ring, layer, head);
    uint32_t slot = slot_of(ring, position), e = ORACLE_E;
    double stored[ORACLE_E];
    for (uint32_t d = 0; d < e; d++)
        stored[d] = is_key ? oracle_ring_key(ring, area, slot, d) : oracle_ring_value(ring, area, slot, d);
    size_t vector_bytes = e / 2 + e / 16;
    check_block(
        c, values, stored,
        oracle_e4m3(is_key ? area[slot / 16 * 16 * vector_bytes + slot % 16] : area[slot * vector_bytes + e / 2]));
}

// ---- walks ---------------------------------------------------------------------------------------------------------

enum { MAX_ROWS = NB_KV_SLACK + 1, MAX_COLS = ORACLE_H * ORACLE_E, N_STAGES = NB_STAGE_MLP_ACT + 1 };

typedef struct walk {
    nb_session *session;
    oracle_timeline *timeline;
    fixture_rng rng;
    codes codes;
    bool is_stagewise;
    uint32_t begin; // first position of the pass
    float stages[N_STAGES][ORACLE_L][MAX_ROWS][MAX_COLS], logits[MAX_ROWS][ORACLE_V];
    size_t n_logits;
    double worst;          // of |found - expected| / allowed
    double worst_relative; // of |found - expected| / |expected|, norms of one position's logits
    size_t n_compared, n_rewinds;
} walk;

static void observe(void *user, nb_stage stage, uint32_t layer, const float *values, uint32_t n_rows, uint32_t n_cols)
{
    walk *w = user;
    assert_true(n_rows <= MAX_ROWS && n_cols <= MAX_COLS);
    for (uint32_t t = 0; t < n_rows; t++)
        memcpy(w->stages[stage][layer][t], values + (size_t)t * n_cols, n_cols * sizeof *values);
}

static bool collect(void *user, size_t position, const float *logits)
{
    walk *w = user;
    (void)position;
    memcpy(w->logits[w->n_logits++], logits, sizeof w->logits[0]);
    return true;
}

static void compare(walk *w, const float *found, const oracle_value *expected, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++, w->n_compared++) {
        double distance = fabs((double)found[i] - expected[i].value);
        assert_true(isfinite(distance) && isfinite(expected[i].error));
        if (distance > 0)
            w->worst = fmax(w->worst, distance / expected[i].error);
    }
}

static void compare_logits(walk *w, const float *found, const oracle_value *expected)
{
    double distance = 0, norm = 0;
    for (int i = 0; i < ORACLE_V; i++) {
        distance += pow((double)found[i] - expected[i].value, 2);
        norm += pow(expected[i].value, 2);
    }
    compare(w, found, expected, ORACLE_V);
    w->worst_relative = fmax(w->worst_relative, sqrt(distance / norm));
}

static void compare_stage(void *user, nb_stage stage, uint32_t layer, uint32_t position, oracle_value *values,
                          uint32_t n)
{
    walk *w = user;
    if (layer == ORACLE_L)
        return; // the session shows no such stage
    const float *found = w->stages[stage][layer][position - w->begin];
    compare(w, found, values, n);
    for (uint32_t i = 0; i < n; i++)
        values[i] = (oracle_value){(double)found[i], 0};
    bool is_key = stage == NB_STAGE_K;
    if (w->session->buffers.ring.format == NB_KV_FORMAT_E1M2 && (is_key || stage == NB_STAGE_V))
        for (uint32_t g = 0; g < ORACLE_G; g++)
            take_stored(&w->codes, layer, g, position, values + g * ORACLE_E, is_key);
}

static void append_and_compare(walk *w, size_t n)
{
    int32_t ids[MAX_ROWS];
    nb_error error = {0};
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)fixture_below(&w->rng, ORACLE_V);
    w->n_logits = 0;
    w->begin = w->timeline->length;
    if (nb_session_append(w->session, ids, n, collect, w, &error) != NB_OK)
        fail_msg("%s", error.text);
    assert_int_equal(w->n_logits, n);
    for (size_t i = 0; i < n; i++) {
        oracle_value expected[ORACLE_V];
        oracle_timeline_append(w->timeline, ids[i], expected);
        compare_logits(w, w->logits[i], expected);
    }
}

// Appends in passes of 1 to 65 tokens (what a wrapped ring takes), rewinding now and then by up to the slack.
static void walk_to(walk *w, uint32_t n_positions)
{
    while (w->timeline->length < n_positions) {
        uint32_t n = 1 + fixture_below(&w->rng, fixture_below(&w->rng, 2) ? 4 : MAX_ROWS);
        append_and_compare(w, nb_min(n, ORACLE_POSITIONS - w->timeline->length));
        if (fixture_below(&w->rng, 4) != 0)
            continue;
        uint32_t back = (uint32_t)nb_min(fixture_below(&w->rng, NB_KV_SLACK + 1), w->timeline->length);
        if (nb_session_rewind(w->session, w->timeline->length - back, NULL) != NB_OK)
            continue; // an earlier rewind has used a part of the slack
        w->timeline->length -= back;
        w->n_rewinds++;
    }
}

typedef struct ring_shape {
    uint32_t n_ctx, n_sinks, n_positions;
} ring_shape;

// Turned many times; without sinks, with some, with half of it; slots that are no whole turn; two and three segments.
static const ring_shape shapes[] = {{24, 0, 500}, {40, 3, 600},   {33, 16, 500},
                                    {17, 1, 300}, {300, 4, 1000}, {600, 4, 800}};

typedef struct how {
    nb_kv kv;
    const char *isa;
    bool is_stagewise;
    uint32_t more_ctx, more_sinks; // of which the oracle believes the ring to have so many more
} how;

static void walk_shape(fixture *f, nb_engine *engine, const how *way, const ring_shape *shape, walk *w)
{
    nb_session_options options = nb_session_defaults();
    nb_observer observer = {observe, w};
    nb_error error = {0};
    options.n_ctx = shape->n_ctx;
    options.n_sinks = shape->n_sinks;
    options.n_logit_rows = 5;
    options.kv = way->kv;
    if (nb_session_create(&w->session, engine, &options, &error) != NB_OK)
        fail_msg("%s", error.text);
    w->session->observer = &observer;
    w->codes.session = w->session;
    f->timeline.n_ctx = shape->n_ctx + way->more_ctx;
    f->timeline.n_sinks = shape->n_sinks + way->more_sinks;
    f->timeline.length = 0;
    f->timeline.on_stage = way->is_stagewise ? compare_stage : NULL;
    f->timeline.user = w;
    walk_to(w, shape->n_positions);
    nb_session_free(w->session);
}

static walk *walk_shapes(fixture *f, const how *way)
{
    static walk w;
    nb_test_settings settings = {.isa = way->isa, .n_threads = 2};
    nb_engine *engine = nb_test_engine(f->directory, &settings);
    w = (walk){.timeline = &f->timeline, .rng = {71}};
    for (size_t i = 0; i < NB_COUNT(shapes); i++)
        walk_shape(f, engine, way, &shapes[i], &w);
    nb_engine_close(engine);
    print_message("%s %s %s%s: %zu values, %zu rewinds, %llu codes (%llu beyond doubt), observed / allowed %.3g, "
                  "relative %.1e\n",
                  way->kv == NB_KV_F32 ? "f32" : "e1m2", way->isa ? way->isa : "best",
                  way->is_stagewise ? "stages" : "whole", way->more_ctx ? ", wrong window" : "", w.n_compared,
                  w.n_rewinds, (unsigned long long)w.codes.n_codes, (unsigned long long)w.codes.n_certain, w.worst,
                  w.worst_relative);
    assert_true(w.n_rewinds > 20);
    return &w;
}

static void every_stage_agrees(void **state)
{
    static const nb_kv formats[] = {NB_KV_F32, NB_KV_E1M2};
    for (size_t k = 0; k < NB_COUNT(formats); k++) {
        walk *w = walk_shapes(*state, &(how){.kv = formats[k], .is_stagewise = true});
        assert_true(w->worst <= 1);
        assert_true(w->worst >= 0.01); // else the bounds say nothing
        assert_true(w->codes.n_codes > 0 || formats[k] == NB_KV_F32);
        assert_true(w->codes.n_certain >= w->codes.n_codes - w->codes.n_codes / 1000); // nor would the codes
    }
}

static void the_whole_pass_agrees(void **state)
{
    assert_true(walk_shapes(*state, &(how){.kv = NB_KV_F32})->worst_relative <= 1e-4);
    assert_true(walk_shapes(*state, &(how){.kv = NB_KV_F32, .isa = "scalar"})->worst_relative <= 1e-4);
}

// Both see a window that is one token too wide, and one sink in the place of the window's last token.
static void a_wrong_window_is_noticed(void **state)
{
    walk *w = walk_shapes(*state, &(how){.kv = NB_KV_E1M2, .is_stagewise = true, .more_ctx = 1});
    assert_true(w->worst > 100);
    w = walk_shapes(*state, &(how){.kv = NB_KV_F32, .more_ctx = 1});
    assert_true(w->worst_relative > 1e-2);
    w = walk_shapes(*state, &(how){.kv = NB_KV_F32, .more_ctx = 1, .more_sinks = 1});
    assert_true(w->worst_relative > 1e-2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_whole_pass_agrees, setup, teardown),
        cmocka_unit_test_setup_teardown(every_stage_agrees, setup, teardown),
        cmocka_unit_test_setup_teardown(a_wrong_window_is_noticed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
