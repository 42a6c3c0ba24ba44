// SPDX-License-Identifier: Apache-2.0
// The plan counts what is placed, no buffers overlap, and the KV cache has the size its format promises.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/plan.h"

static const nb_config config = {.hidden_size = 144,
                                 .ffn_size = 400,
                                 .n_layers = 3,
                                 .n_heads = 9,
                                 .n_kv_heads = 3,
                                 .head_dim = 16,
                                 .vocab_size = 1009,
                                 .max_positions = 512};
static const nb_session_shape shape = {
    .n_ctx = 100, .n_sinks = 4, .n_chunk = 7, .n_logit_rows = 3, .max_positions = 512, .kv = NB_KV_FORMAT_E1M2};

static void placed_as_counted(void **state)
{
    (void)state;
    nb_session_buffers counted, b;
    nb_error error = {0};
    nb_plan_count(&counted, &config, &shape);
    b = counted;
    assert_null(b.ids);
    assert_int_equal(nb_plan_place(&b, &config, &shape, &error), NB_OK);
    const nb_arena *arenas[] = {&b.host, &b.cache, &b.scratch_arena, &b.exchange};
    for (size_t i = 0; i < NB_COUNT(arenas); i++) {
        assert_int_equal(arenas[i]->used_bytes, arenas[i]->counted_bytes);
        assert_int_equal(arenas[i]->phase, NB_ARENA_SEALED);
    }
    nb_plan_release(&b);
}

static void buffers_do_not_overlap(void **state)
{
    (void)state;
    nb_session_buffers b;
    nb_error error = {0};
    nb_plan_count(&b, &config, &shape);
    assert_int_equal(nb_plan_place(&b, &config, &shape, &error), NB_OK);
    const nb_scratch *s = &b.scratch;
    const struct {
        void *at;
        size_t bytes;
    } parts[] = {
        {s->x, 7 * 144 * 4},
        {s->hidden.x, 7 * 144 * 4},
        {s->hidden.steps, 7 * 384},
        {s->hidden.globals, 7 * 4},
        {s->mixed.x, 7 * 144 * 4},
        {s->ffn.x, 7 * 400 * 4},
        {s->ffn.steps, 7 * 768},
        {s->last.x, 3 * 144 * 4},
        {s->q, 7 * 144 * 4},
        {s->k, 7 * 48 * 4},
        {s->v, 7 * 48 * 4},
        {s->gate, 7 * 400 * 4},
        {s->up, 7 * 400 * 4},
        {s->cosines, 7 * 8 * 4},
        {s->sines, 7 * 8 * 4},
        {s->positions, 7 * 4},
        {s->rings, 7 * 8},
        {s->ids, 7 * 4},
        {b.candidates, 1009 * 8},
        {b.seen, 1009},
        {b.logits, 3 * 1009 * 4},
        {b.ids, 512 * 4},
        {b.ring.base, 3 * 3 * 2 * 176 * 9},
    };
    for (size_t i = 0; i < NB_COUNT(parts); i++)
        memset(parts[i].at, (int)i + 1, parts[i].bytes); // a buffer too small or shared would lose its mark
    for (size_t i = 0; i < NB_COUNT(parts); i++)
        for (size_t k = 0; k < parts[i].bytes; k++)
            assert_int_equal(((uint8_t *)parts[i].at)[k], i + 1);
    assert_int_equal(nb_ring_bytes(&b.ring), 3 * 3 * 2 * 176 * 9); // 100 + 64 slots in tiles of 16, 4.5 bits a value
    nb_plan_release(&b);
}

static void absurd_sizes_saturate(void **state)
{
    (void)state;
    nb_session_buffers b;
    nb_session_shape absurd = shape;
    nb_config big = config;
    nb_error error = {0};
    big.n_layers = 1u << 20;
    big.n_kv_heads = big.n_heads = 1u << 12;
    big.head_dim = 256;
    absurd.n_ctx = 1u << 26;
    nb_plan_count(&b, &big, &absurd);
    assert_int_equal(nb_plan_place(&b, &big, &absurd, &error), NB_ERR_FIT);
    assert_null(b.host.base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(placed_as_counted),
        cmocka_unit_test(buffers_do_not_overlap),
        cmocka_unit_test(absurd_sizes_saturate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
