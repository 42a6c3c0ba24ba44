// SPDX-License-Identifier: Apache-2.0
// The ids-file parser: what it takes, and that what it refuses is named by line and column.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "apps/common/ids_file.h"

static void expect_sequences(const char *text, size_t n_sequences, const size_t *counts, const int32_t *ids)
{
    nb_ids_file file;
    nb_error error = {0};
    assert_true(nb_ids_parse(&file, text, strlen(text), &error));
    assert_int_equal(file.n_sequences, n_sequences);
    for (size_t s = 0; s < n_sequences; s++) {
        assert_int_equal(nb_ids_count(&file, s), counts[s]);
        for (size_t i = 0; i < counts[s]; i++)
            assert_int_equal(nb_ids_of(&file, s)[i], *ids++);
    }
    nb_ids_release(&file);
}

static void expect_refusal(const char *text, const char *part)
{
    nb_ids_file file;
    nb_error error = {0};
    assert_false(nb_ids_parse(&file, text, strlen(text), &error));
    assert_int_equal(error.status, NB_ERR_INPUT);
    if (!strstr(error.text, part))
        fail_msg("\"%s\" lacks \"%s\"", error.text, part);
}

static void sequences_are_lines(void **state)
{
    (void)state;
    expect_sequences("1 2 3\n4\n", 2, (const size_t[]){3, 1}, (const int32_t[]){1, 2, 3, 4});
    expect_sequences("1 2 3\n4", 2, (const size_t[]){3, 1}, (const int32_t[]){1, 2, 3, 4});
    expect_sequences("  7\t8 \r\n", 1, (const size_t[]){2}, (const int32_t[]){7, 8});
    expect_sequences("5\n\n6\n", 3, (const size_t[]){1, 0, 1}, (const int32_t[]){5, 6});
    expect_sequences("", 0, NULL, NULL);
    expect_sequences("\n", 1, (const size_t[]){0}, NULL);
    expect_sequences("0 00 2147483647\n", 1, (const size_t[]){3}, (const int32_t[]){0, 0, 2147483647});
}

static void many_ids_and_lines_are_kept(void **state)
{
    (void)state;
    enum { N = 1000 };
    static char text[8 * N];
    size_t bytes = 0;
    for (int i = 0; i < N; i++)
        bytes += (size_t)snprintf(text + bytes, sizeof text - bytes, "%d\n", i);
    nb_ids_file file;
    nb_error error = {0};
    assert_true(nb_ids_parse(&file, text, bytes, &error));
    assert_int_equal(file.n_sequences, N);
    for (int i = 0; i < N; i++)
        assert_int_equal(nb_ids_of(&file, (size_t)i)[0], i);
    nb_ids_release(&file);
}

static void what_is_no_id_is_named(void **state)
{
    (void)state;
    expect_refusal("1 2\n3 x 4\n", "line 2, column 3");
    expect_refusal("12x\n", "column 3");
    expect_refusal("-1\n", "'-'");
    expect_refusal("1,2\n", "','");
    expect_refusal("2147483648\n", "2147483647");
    expect_refusal("99999999999999999999999999999\n", "2147483647");
    expect_refusal("1 \033[2J\n", "0x1b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequences_are_lines),
        cmocka_unit_test(many_ids_and_lines_are_kept),
        cmocka_unit_test(what_is_no_id_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
