// SPDX-License-Identifier: Apache-2.0
// The ring's bookkeeping against a simulation that writes down which position lies in which slot.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kernels/kv.h"

enum { EMPTY = -1 };

static nb_ring make_ring(uint32_t n_ctx, uint32_t n_sinks)
{
    nb_ring ring;
    nb_ring_shape(&ring, NB_KV_FORMAT_E1M2, 3, 2, 64, n_ctx, n_sinks);
    return ring;
}

// Whether a query at `position` is to see `other`: a sink, or one of the last n_ctx - n_sinks positions.
static bool is_visible(const nb_ring *ring, int64_t position, int64_t other)
{
    if (other < 0 || other > position)
        return false;
    return other < ring->n_sinks || other > position - (int64_t)(ring->n_ctx - ring->n_sinks);
}

static bool in_view(const nb_kv_view *view, uint32_t slot)
{
    bool found = false;
    for (int r = 0; r < 3; r++)
        found |= slot >= view->begin[r] && slot < view->end[r];
    return found;
}

static void check_view(const nb_ring *ring, const int64_t *held, uint32_t position)
{
    nb_kv_view view = nb_ring_view(ring, position);
    uint32_t n_seen = 0, n_expected = 0;
    for (int r = 0; r < 3; r++) {
        assert_true(view.begin[r] <= view.end[r] && view.end[r] <= ring->n_slots);
        for (int later = r + 1; later < 3; later++) // ascending, not overlapping
            assert_true(view.begin[later] == view.end[later] || view.begin[later] >= view.end[r]);
    }
    for (uint32_t slot = 0; slot < ring->n_slots; slot++) {
        assert_int_equal(in_view(&view, slot), is_visible(ring, position, held[slot]));
        assert_int_equal(nb_kv_view_mask(&view, slot / 16 * 16) >> slot % 16 & 1, in_view(&view, slot));
        n_seen += in_view(&view, slot);
    }
    for (uint32_t p = 0; p <= position; p++)
        n_expected += is_visible(ring, position, p);
    assert_int_equal(n_seen, n_expected); // nothing that should be seen has been overwritten
    for (uint32_t tile = 0; tile < ring->n_slots; tile += 16)
        assert_true(nb_kv_view_mask(&view, tile) < 1u << 16);
}

static void views_hold_what_they_should(void **state)
{
    (void)state;
    const uint32_t shapes[][2] = {{1, 0}, {2, 1}, {16, 0}, {17, 4}, {30, 4}, {80, 79}, {100, 4}, {129, 16}, {64, 0}};
    for (size_t i = 0; i < NB_COUNT(shapes); i++) {
        nb_ring ring = make_ring(shapes[i][0], shapes[i][1]);
        int64_t *held = malloc(ring.n_slots * sizeof *held);
        for (uint32_t slot = 0; slot < ring.n_slots; slot++)
            held[slot] = EMPTY;
        for (uint32_t position = 0; position < 3 * ring.n_slots; position++) {
            held[nb_ring_slot(&ring, position)] = position;
            check_view(&ring, held, position);
            if (position >= NB_KV_SLACK) // the first token of a pass over NB_KV_SLACK + 1 tokens, or a rewind
                check_view(&ring, held, position - NB_KV_SLACK);
        }
        free(held);
    }
}

static void slots_and_sizes(void **state)
{
    (void)state;
    for (uint32_t n_ctx = 1; n_ctx < 300; n_ctx++) {
        uint32_t n_slots = nb_ring_slots(n_ctx);
        assert_int_equal(n_slots % NB_KV_TILE, 0);
        assert_true(n_slots >= n_ctx + NB_KV_SLACK && n_slots < n_ctx + NB_KV_SLACK + NB_KV_TILE);
    }
    assert_int_equal(nb_kv_vector_bytes(NB_KV_FORMAT_E1M2, 128), 72); // 4.5 bits a value
    assert_int_equal(nb_kv_vector_bytes(NB_KV_FORMAT_E2M1, 64), 36);
    assert_int_equal(nb_kv_vector_bytes(NB_KV_FORMAT_BF16, 64), 128);
    assert_int_equal(nb_kv_vector_bytes(NB_KV_FORMAT_F32, 64), 256);
}

static void areas_lie_one_after_another(void **state)
{
    (void)state;
    nb_ring ring = make_ring(100, 4);
    ring.base = malloc(nb_ring_bytes(&ring));
    uint8_t *next = ring.base;
    for (uint32_t layer = 0; layer < 3; layer++)
        for (uint32_t head = 0; head < 2; head++) {
            assert_ptr_equal(nb_ring_k(&ring, layer, head), next);
            next += (size_t)ring.n_slots * 36;
            assert_ptr_equal(nb_ring_v(&ring, layer, head), next);
            next += (size_t)ring.n_slots * 36;
        }
    assert_int_equal(next - ring.base, nb_ring_bytes(&ring));
    free(ring.base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_hold_what_they_should),
        cmocka_unit_test(slots_and_sizes),
        cmocka_unit_test(areas_lie_one_after_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
