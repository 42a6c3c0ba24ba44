// SPDX-License-Identifier: Apache-2.0
// Bytes that grow, and calls that are made again until their result fits.
#include "apps/common/growing_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "platform/base.h"

static void bytes_grow(void **state)
{
    (void)state;
    nb_growing growing = {0};
    assert_string_equal(nb_growing_text(&growing), "");
    for (size_t i = 0; i < 1000; i++) {
        nb_growing_add(&growing, "ab", 2);
        assert_int_equal(growing.bytes, 2 * i + 2);
        assert_int_equal(strlen(growing.text), growing.bytes);
    }
    nb_growing_clear(&growing);
    assert_string_equal(growing.text, "");
    nb_growing_release(&growing);
    assert_null(growing.text);
}

static void json_is_added_whole(void **state)
{
    (void)state;
    json_t *object = json_object();
    char key[16];
    for (int i = 0; i < 200; i++) {
        snprintf(key, sizeof key, "k%d", i);
        json_object_set_new(object, key, json_integer(i));
    }
    nb_growing growing = {0};
    nb_growing_add(&growing, "x ", 2);
    nb_growing_add_json(&growing, json_incref(object), JSON_COMPACT);
    assert_int_equal(strlen(growing.text), growing.bytes);
    assert_memory_equal(growing.text, "x {\"k0\":0,\"k1\":1,", 17);
    json_t *again = json_loads(growing.text + 2, 0, NULL);
    assert_true(json_equal(object, again));
    json_decref(again);
    json_decref(object);
    nb_growing_release(&growing);
}

// A call that needs `wanted` items; returns how often it was made.
static unsigned fill(size_t guess, size_t wanted, nb_status refusal, nb_room *room, nb_error *error)
{
    unsigned n_calls = 0;
    *room = (nb_room){.n = guess};
    while (nb_room_short(room, error)) {
        assert_string_equal(error->text, "");
        assert_true(room->size > 0 && n_calls < 3);
        n_calls++;
        room->n = wanted;
        room->status = room->size >= wanted ? NB_OK : nb_error_set(error, refusal, "no room");
    }
    return n_calls;
}

static void a_call_is_made_until_it_fits(void **state)
{
    (void)state;
    nb_room room;
    nb_error error = {.text = "of another time"};
    assert_int_equal(fill(10, 7, NB_ERR_FIT, &room, &error), 1);
    assert_true(room.status == NB_OK && room.n == 7 && room.size == 10);
    assert_int_equal(fill(10, 11, NB_ERR_FIT, &room, &error), 2);
    assert_true(room.status == NB_OK && room.n == 11 && room.size == 11);
    assert_int_equal(fill(0, 0, NB_ERR_FIT, &room, &error), 1);
    assert_true(room.status == NB_OK && room.n == 0);
    // Another failure, and one that more room does not mend, are final.
    assert_int_equal(fill(10, 11, NB_ERR_INPUT, &room, &error), 1);
    assert_true(room.status == NB_ERR_INPUT);
    assert_string_equal(error.text, "no room");
    room = (nb_room){.n = 3};
    assert_true(nb_room_short(&room, &error));
    room.status = NB_ERR_FIT;
    assert_false(nb_room_short(&room, &error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_grow),
        cmocka_unit_test(json_is_added_whole),
        cmocka_unit_test(a_call_is_made_until_it_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
