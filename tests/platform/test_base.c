// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "platform/base.h"

static void first_error_wins(void **state)
{
    (void)state;
    nb_error error = {0};
    assert_int_equal(nb_error_set(&error, NB_ERR_INPUT, "first %d", 1), NB_ERR_INPUT);
    assert_int_equal(nb_error_set(&error, NB_ERR_SYSTEM, "second"), NB_ERR_SYSTEM);
    assert_int_equal(error.status, NB_ERR_INPUT);
    assert_string_equal(error.text, "first 1");
    assert_int_equal(nb_error_set(NULL, NB_ERR_FIT, "nobody listens"), NB_ERR_FIT);
}

static void long_text_is_cut(void **state)
{
    (void)state;
    nb_error error = {0};
    char text[2 * NB_ERROR_TEXT_BYTES];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    nb_error_set(&error, NB_ERR_INPUT, "%s", text);
    assert_int_equal(strlen(error.text), NB_ERROR_TEXT_BYTES - 1);
}

static void text_is_fit_for_a_terminal(void **state)
{
    (void)state;
    static const struct {
        const char *given, *shown;
    } cases[] = {
        {"plain", "plain"},
        {"a\nb\tc\x1b[31md\x7f", "a?b?c?[31md?"},
        {"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"}, // 2, 3 and 4 bytes
        {"\xc2\x9b"
         "31m",
         "??31m"},                                // C1 control: CSI in one character
        {"\xc2\xa0", "\xc2\xa0"},                 // the first that is none
        {"\xff\xfe", "??"},                       // never in UTF-8
        {"\x80 \xbf", "? ?"},                     // continuation without a beginning
        {"\xc0\xaf \xe0\x80\xaf", "?? ???"},      // overlong
        {"\xed\xa0\x80", "???"},                  // surrogate
        {"\xf4\x90\x80\x80", "????"},             // above U+10FFFF
        {"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"}, // U+10FFFF
        {"cut \xe2\x82", "cut ??"},               // half a character
    };
    for (size_t i = 0; i < NB_COUNT(cases); i++) {
        nb_error error = {0};
        nb_error_set(&error, NB_ERR_INPUT, "%s", cases[i].given);
        assert_string_equal(error.text, cases[i].shown);
    }
}

static nb_status try_twice(nb_status first, nb_status second)
{
    NB_TRY(first);
    NB_TRY(second);
    return NB_OK;
}

static void try_passes_on(void **state)
{
    (void)state;
    assert_int_equal(try_twice(NB_OK, NB_OK), NB_OK);
    assert_int_equal(try_twice(NB_ERR_FIT, NB_ERR_LIMIT), NB_ERR_FIT);
    assert_int_equal(try_twice(NB_OK, NB_ERR_LIMIT), NB_ERR_LIMIT);
}

static void sizes(void **state)
{
    (void)state;
    assert_int_equal(nb_align_up(0, 64), 0);
    assert_int_equal(nb_align_up(1, 64), 64);
    assert_int_equal(nb_align_up(64, 64), 64);
    assert_int_equal(nb_align_up(65, 64), 128);
    assert_int_equal(nb_div_ceil(0, 7), 0);
    assert_int_equal(nb_div_ceil(7, 7), 1);
    assert_int_equal(nb_div_ceil(8, 7), 2);
    assert_true(nb_div_ceil(SIZE_MAX, 2) == SIZE_MAX / 2 + 1);
    assert_int_equal(nb_min(3, 4), 3);
    assert_int_equal(nb_max(3, 4), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_error_wins),
        cmocka_unit_test(long_text_is_cut),
        cmocka_unit_test(text_is_fit_for_a_terminal),
        cmocka_unit_test(try_passes_on),
        cmocka_unit_test(sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
