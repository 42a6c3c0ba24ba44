// SPDX-License-Identifier: Apache-2.0
// The checker of reasoning: exact arithmetic on what is a step, and nothing said of what is not.
#include "apps/tutor/steps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect(const char *line, nb_step_verdict verdict)
{
    nb_step_verdict found = nb_step_check(line, strlen(line), NULL);
    if (found != verdict)
        fail_msg("'%s': verdict %d, expected %d", line, found, verdict);
}

static void expect_all(const char *const *lines, size_t n, nb_step_verdict verdict)
{
    for (size_t i = 0; i < n; i++)
        expect(lines[i], verdict);
}
#define EXPECT_ALL(lines, verdict) expect_all(lines, sizeof(lines) / sizeof(lines)[0], verdict)

static void right_steps(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "3 + 4 = 7",
        "3+4=7",
        "  3 +  4\t= 7 \r\n",
        "3 - 4 = -1",
        "-3 - -4 = 1",
        "3 − 4 = −1",
        "6 * 7 = 42",
        "6 x 7 = 42",
        "6 × 7 = 42",
        "6 · 7 = 42",
        "42 / 6 = 7",
        "42 ÷ 6 = 7",
        "0 * 5 = 0",
        "0 / 5 = 0",
        "1 / 3 = 1/3",
        "2 / 6 = 1/3",
        "12/4 = 3",
        "7/1=7",
        "1/2 + 1/3 = 5/6",
        "1/2 / 1/3 = 3/2",
        "0.1 + 0.2 = 0.3",
        "0.10 + 0.2 = 0.300",
        "3.75 * 4 = 15",
        "1 / 8 = 0.125",
        "$3.50 + $1.50 = $5",
        "1,250 + 1 = 1,251",
        "1,250,000 - 1 = 1249999",
        "007 + 1 = 8",
        "50% * 8 = 4",
        "25% + 75% = 1",
        "3 + 4 = 7.",
        "99999999999999999999999999 + 1 = 100000000000000000000000000",
    };
    EXPECT_ALL(lines, NB_STEP_RIGHT);
}

static void wrong_steps(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "3 + 4 = 8",       "3 - 4 = 1",      "6 * 7 = 43",
        "42 / 5 = 8",      "1 / 3 = 0.3333", "0.1 + 0.2 = 3",
        "1/2 + 1/3 = 2/5", "12/4 = 4",       "1,250 + 1 = 2",
        "5 * 0 = 5",       "2 - 2 = 0.0001", "99999999999999999999999999 + 1 = 99999999999999999999999999",
    };
    EXPECT_ALL(lines, NB_STEP_WRONG);
}

static void what_is_no_step(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "",
        " ",
        "3 + 4",
        "3 + 4:",
        "= 7",
        "3 + 4 = ",
        "3 + 4 = x",
        "3 ++ 4 = 7",
        "3 4 = 7",
        "3 = 3",
        "3 + 4 = 7 + 0",
        "3 + 4 + 1 = 8",
        "x + 4 = 7",
        "a 3 + 4 = 7",
        "3 + 4 = 7 b",
        "3. + 4 = 7",
        ".5 + 1 = 1.5",
        "3 + 4 == 7",
        "3 + 4 = 7..",
        "1,25 + 1 = 126",
        "- 3 + 4 = 1",
        "1/2/3 + 1 = 2",
        "3 + 4 = 7 8",
        "$ + 1 = 1",
        "hello",
        "</think>",
        "The answer is 7.",
        "3 ^ 2 = 9",
        "3 + 4 ≠ 7",
    };
    EXPECT_ALL(lines, NB_STEP_NONE);
    assert_int_equal(nb_step_check("3 + 4 = 7\0", 10, NULL), NB_STEP_NONE); // a zero byte is no space
    assert_int_equal(nb_step_check("", 0, NULL), NB_STEP_NONE);
}

static void what_cannot_be_checked(void **state)
{
    (void)state;
    static const char *const lines[] = {"3 / 0 = 0",   "3 / 0.00 = 1", "3/0 = 1",
                                        "3 + 1/0 = 4", "3 + 4 = 7/0",  "0 / 0 = 0"};
    EXPECT_ALL(lines, NB_STEP_UNCHECKABLE);
    for (size_t n = NB_STEP_MAX_DIGITS - 1; n < NB_STEP_MAX_DIGITS + 3; n++) {
        char line[3 * NB_STEP_MAX_DIGITS];
        snprintf(line, sizeof line, "%0*d + 0 = 1", (int)n, 1);
        expect(line, n > NB_STEP_MAX_DIGITS ? NB_STEP_UNCHECKABLE : NB_STEP_RIGHT);
    }
    static char long_line[100000];
    memset(long_line, '9', sizeof long_line);
    memcpy(long_line + sizeof long_line - 9, " + 1 = 3\n", 9);
    assert_int_equal(nb_step_check(long_line, sizeof long_line, NULL), NB_STEP_UNCHECKABLE);
}

// All small whole numbers, all operations: right for the right result alone.
static void every_small_step(void **state)
{
    (void)state;
    for (int a = -12; a <= 12; a++)
        for (int b = -12; b <= 12; b++)
            for (int c = -30; c <= 30; c++)
                for (const char *op = "+-*/"; *op; op++) {
                    char line[64];
                    snprintf(line, sizeof line, "%d %c %d = %d", a, *op, b, c);
                    bool is_right = *op == '+'   ? a + b == c
                                    : *op == '-' ? a - b == c
                                    : *op == '*' ? a * b == c
                                                 : b != 0 && a == b * c;
                    nb_step_verdict expected = *op == '/' && b == 0 ? NB_STEP_UNCHECKABLE
                                               : is_right           ? NB_STEP_RIGHT
                                                                    : NB_STEP_WRONG;
                    if (nb_step_check(line, strlen(line), NULL) != expected)
                        fail_msg("%s", line);
                }
}

static void parts_are_spans_of_the_line(void **state)
{
    (void)state;
    const char *line = " $1,250.50 × 2 = 2501";
    nb_step_parts parts;
    assert_int_equal(nb_step_check(line, strlen(line), &parts), NB_STEP_RIGHT);
    assert_ptr_equal(parts.left.text, line + 1);
    assert_int_equal(parts.left.bytes, 9);
    assert_memory_equal(parts.right.text, "2", parts.right.bytes);
    assert_memory_equal(parts.result.text, "2501", parts.result.bytes);
    assert_int_equal(parts.op, '*');
}

static void steps_are_solved(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"3 + 4 = 0", "7"},         {"3 - 4 = 0", "-1"},      {"1 / 3 = 0", "1/3"},
        {"1 / 8 = 0", "0.125"},     {"-1 / 8 = 0", "-0.125"}, {"12/4 = 0", "3"},
        {"0.1 + 0.2 = 0", "0.3"},   {"2.50 * 2 = 0", "5"},    {"100 * 1,000 = 0", "100000"},
        {"5 - 10.05 = 0", "-5.05"}, {"7 / 6 = 0", "7/6"},     {"50% * 3 = 0", "1.5"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        nb_step_parts parts;
        char text[64];
        assert_int_not_equal(nb_step_check(cases[i][0], strlen(cases[i][0]), &parts), NB_STEP_NONE);
        assert_true(nb_step_solve(&parts, text, sizeof text));
        assert_string_equal(text, cases[i][1]);
        assert_false(nb_step_solve(&parts, text, strlen(cases[i][1])));
    }
    nb_step_parts parts;
    char text[64];
    assert_int_equal(nb_step_check("1 / 0 = 1", 9, &parts), NB_STEP_UNCHECKABLE);
    assert_false(nb_step_solve(&parts, text, sizeof text));
}

static void answers_are_found(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"The answer is 12.", "12"},
        {"The answer is: 12", "12"},
        {"the answer is $3.50.", "$3.50"},
        {"The answer is 5/12.", "5/12"},
        {"The answer is -4", "-4"},
        {"The answer is 3. No, the answer is 1,250.", "1,250"},
        {"So \\boxed{42}.", "42"},
        {"The answer is 12 apples.", "12"},
        {"The answer is unknown.", NULL},
        {"12", NULL},
        {"", NULL},
        {"answer is", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        nb_span answer;
        bool is_found = nb_answer_find(cases[i][0], strlen(cases[i][0]), &answer);
        assert_int_equal(is_found, cases[i][1] != NULL);
        if (is_found) {
            assert_int_equal(answer.bytes, strlen(cases[i][1]));
            assert_memory_equal(answer.text, cases[i][1], answer.bytes);
        }
    }
}

static void numbers_are_compared_exactly(void **state)
{
    (void)state;
    static const struct {
        const char *left, *right;
        nb_step_verdict verdict;
    } cases[] = {
        {"3", "3.0", NB_STEP_RIGHT},     {"0.5", "1/2", NB_STEP_RIGHT},    {" 1,000 ", "1000", NB_STEP_RIGHT},
        {"$4.50", "4.5", NB_STEP_RIGHT}, {"2/6", "1/3", NB_STEP_RIGHT},    {"50%", "0.5", NB_STEP_RIGHT},
        {"-0", "0", NB_STEP_RIGHT},      {"0.3333", "1/3", NB_STEP_WRONG}, {"3", "-3", NB_STEP_WRONG},
        {"3 apples", "3", NB_STEP_NONE}, {"", "3", NB_STEP_NONE},          {"1/0", "1", NB_STEP_UNCHECKABLE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(
            nb_numbers_compare(cases[i].left, strlen(cases[i].left), cases[i].right, strlen(cases[i].right)),
            cases[i].verdict);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_steps),
        cmocka_unit_test(wrong_steps),
        cmocka_unit_test(what_is_no_step),
        cmocka_unit_test(what_cannot_be_checked),
        cmocka_unit_test(every_small_step),
        cmocka_unit_test(parts_are_spans_of_the_line),
        cmocka_unit_test(steps_are_solved),
        cmocka_unit_test(answers_are_found),
        cmocka_unit_test(numbers_are_compared_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
