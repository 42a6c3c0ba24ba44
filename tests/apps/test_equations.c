// SPDX-License-Identifier: Apache-2.0
// Equations among words: each link is checked exactly, and what a person may mean in another way is not judged.
#include "apps/tutor/equations.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/data_path.h"
#include "tests/support/jsonl.h"

static void expect(const char *line, nb_step_verdict verdict)
{
    nb_equations equations;
    nb_step_verdict found = nb_equations_check(line, strlen(line), &equations);
    if (found != verdict)
        fail_msg("'%s': verdict %d, expected %d", line, (int)found, (int)verdict);
}

static void expect_all(const char *const *lines, size_t n, nb_step_verdict verdict)
{
    for (size_t i = 0; i < n; i++)
        expect(lines[i], verdict);
}
#define EXPECT_ALL(lines, verdict) expect_all(lines, sizeof(lines) / sizeof(lines)[0], verdict)

static void right_prose(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "so 3 * 4 = 12 apples",
        "Mia has 58 + 6 shells = 64 shells now.",
        "3 boxes * 4 apples per box = 12 apples, and 12 - 5 = 7.",
        "She pays $3.50 + $1.50 = $5.",
        "That is 48/2 = 24 clips in May.",
        "It costs $15/hour * 3 hours = $45.",
        "First 5 + 3 * 4 = 17, then 17 - 7 = 10",
        "In all, 1,250 + 1 = 1,251",
        "a total of 5 * 5 = 25 blocks",
        "1. 3 + 4 = 7",
        "(so 3 + 4 = 7)",
        "Total:70+35+43=148 birds",
        "2 + 4 = 5 + 1 = 6",
        "12 - 5 = 7 = 14 / 2",
        "10% + 50% = 60% of the chips",
        "10 / 50 = 20%",
        "4 x 5 = 20 and 20 + 3 = 23",
        "1 foot + 6 more = 7 in all",
        "63 – 20 = 43 pages are left",
        "-3 + 4 = 1 degree",
        "3 + 4 = 7 because 3 + 3 = 6",
    };
    EXPECT_ALL(lines, NB_STEP_RIGHT);
}

static void wrong_prose(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "so 3 * 4 = 13 apples",
        "3 boxes * 4 apples = 13 apples",
        "Mia has 58 + 6 shells = 65 shells now.",
        "12 - 5 = 7, and 7 - 2 = 4",
        "5 + 3 * 4 = 32",
        "She pays $3.50 + $1.50 = $6.",
        "48/2 = 25",
        "10 / 4 = 4 each",
        "2 + 3 = 6 + 1",
        "2 + 4 = 5 + 1 = 7",
        "x = 4, so 4 * 2 = 9",
        "16 - 9 = 6 because 9 + 6 = 15",
    };
    EXPECT_ALL(lines, NB_STEP_WRONG);
}

static void what_is_not_judged(void **state)
{
    (void)state;
    static const char *const lines[] = {
        // nothing to compute
        "x = 5",
        "3 = 3",
        "= 7",
        "3 + 4 =",
        "2 hours = 120 minutes",
        "1/2 a cup = 4 ounces",
        "Let x = 3 + 4",
        // dates, times, ratios, telephone numbers
        "On 3/4/2020 = Monday",
        "2020-11-22 = today",
        "3:4 = 6:8",
        "12:30 + 2 = 14:30",
        "the train of 0900-0130 = 0730 hours",
        "Call 555-1234 = home",
        "phone = 555-1234",
        "401k + 3 = 5",
        // variables, powers, parentheses, functions
        "2y + 3 = 7",
        "2 y + 3 = 7",
        "x + 4 = 5",
        "15 + 2a = 35",
        "2^3 = 9",
        "3 + 2^3 = 9",
        "3² + 1 = 5",
        "(3 + 4) * 2 = 11",
        "2 * (3 + 4) = 10",
        "8(100) + 1 = 2",
        "5! + 1 = 6",
        "\\frac{1}{2} + 1 = 2",
        "3 + 4 == 8",
        "3 + 4 >= 5",
        "3 + 4 => 5",
        // what words mean
        "20% of 50 + 3 = 5",
        "half of 3 + 5 = 4",
        "2 and 1/2 + 1 = 4",
        "2 1/2 + 1 = 4",
        "5 hundred + 3 = 8",
        "3 dozen * 2 = 72",
        "on day 1 * 2 = 20 pages",
        "Weeks 3-4 = 2 weeks",
        "8 batches = 5.5 * 8",
        "Week 1 + Week 2 = 35 + 36",
        "9 because - 18/-2 = 9",
        // units, percent, rounding
        "1 foot + 6 inches = 18 inches",
        "1 dollar - 30 cents = 70 cents",
        "$0.25/glass x 10 glasses = 250 cents",
        "15 / 90 * 100 = 16.67%",
        "20 / 50 * 100 = 40%",
        "20 / 240 = 8.333...%",
        "10 / 3 = 3.33",
        "10 / 4 = 3 buses",
        // the running style, a wrong use of the sign
        "2 + 3 = 5 + 1",
        "2 + 3 = 5 + 1 = 6",
        // the machine's limits
        "so 3 / 0 = 0",
        "14, 400 / 80 = 180",
        ".5 + 1 = 2",
        "**3 + 4 = 7**",
        "- 3 + 4 = 7",
        "3 + 4 = 7 8",
        "3 + 4 = 7 + ",
    };
    EXPECT_ALL(lines, NB_STEP_UNCHECKABLE);
}

static void what_is_no_equation(void **state)
{
    (void)state;
    static const char *const silent[] = {"", " ", "3 + 4", "3 + 4 is 7", "2020-11-22, call 555-1234 at 12:30"};
    EXPECT_ALL(silent, NB_STEP_NONE);
}

static void links_are_counted_and_named(void **state)
{
    (void)state;
    const char *line = "First 3 * 4 = 12 apples, y = 2, then 12 - 5 = 6 apples, 6 + 1 = 8.";
    nb_equations found;
    assert_int_equal(nb_equations_check(line, strlen(line), &found), NB_STEP_WRONG);
    assert_int_equal(found.n_right, 1);
    assert_int_equal(found.n_wrong, 2);
    assert_int_equal(found.n_unchecked, 1);
    assert_ptr_equal(found.wrong.text, strstr(line, "12 - 5"));
    assert_int_equal(found.wrong.bytes, strlen("12 - 5 = 6"));
    assert_ptr_equal(found.result.text, strstr(line, "8."));
    assert_int_equal(found.result.bytes, 1);
    assert_int_equal(nb_equations_check("x = 5", 5, &found), NB_STEP_UNCHECKABLE);
    assert_null(found.result.text);
    assert_null(found.wrong.text);
}

// A long line costs no more than its length, and no more memory.
static void long_lines_are_bounded(void **state)
{
    (void)state;
    static char line[100000];
    for (size_t i = 0; i + 4 < sizeof line; i += 4)
        memcpy(line + i, "1 + ", 4);
    memcpy(line + sizeof line - 8, "1 = 3 \n", 8);
    expect(line, NB_STEP_UNCHECKABLE);
    memset(line, '9', sizeof line - 9);
    memcpy(line + sizeof line - 9, " + 1 = 3", 9);
    expect(line, NB_STEP_UNCHECKABLE);
    memset(line, '=', sizeof line - 1);
    expect(line, NB_STEP_UNCHECKABLE);
}

// Solutions that people wrote, all with the right answer: the few alarms are equations that are false as they stand.
typedef struct tally {
    size_t n_right, n_wrong, n_lines;
} tally;

static void judge_line(tally *t, const char *line, size_t bytes)
{
    static const char *const false_ones[] = {
        "192*100=$1920",
        "6*2.5 = $18.00",
        "4080 + 4080 / 2 = 4000 + 2040",
        "3/1=1",
        "100 * 0.75 = $0.75",
        "1550 cubic inches / 50 cubic inches/pump = 29",
        "8*3 = 240",
        "$4200+$3000 = $8600",
        "5 * 3 = $15,000",
        "2*8 = 24",
        "13 marbles + 4 marbles + 16 marbles = 45",
        "70 + 40 = 100",
        "10 x 1,248 = 11,480",
        "4+4+6 = 18",
        "50-8 = 44",
        "14*20=140",
        "364 / 4 = 273",
    };
    nb_equations found;
    nb_step_verdict verdict = nb_equations_check(line, bytes, &found);
    bool is_known = verdict != NB_STEP_WRONG;
    for (size_t i = 0; i < sizeof false_ones / sizeof false_ones[0]; i++)
        is_known |= strlen(false_ones[i]) == found.wrong.bytes &&
                    memcmp(false_ones[i], found.wrong.text, found.wrong.bytes) == 0;
    if (!is_known)
        fail_msg("a false alarm: %.*s in %.*s", (int)found.wrong.bytes, found.wrong.text, (int)bytes, line);
    t->n_right += verdict == NB_STEP_RIGHT;
    t->n_wrong += verdict == NB_STEP_WRONG;
    t->n_lines += verdict != NB_STEP_NONE;
}

// Without the annotations <<48/2=24>>, and the line "#### 24".
static void judge_solution(void *user, const json_t *problem)
{
    const char *text = json_string_value(json_object_get(problem, "answer"));
    static char line[8192];
    size_t n = 0;
    for (const char *c = text; *c && strncmp(c, "####", 4) != 0; c++) {
        const char *end = strncmp(c, "<<", 2) == 0 ? strstr(c, ">>") : NULL;
        if (end)
            c = end + 1;
        else if (*c != '\n' && n < sizeof line)
            line[n++] = *c;
        if (*c == '\n') {
            judge_line(user, line, n);
            n = 0;
        }
    }
}

static void people_are_understood(void **state)
{
    (void)state;
    static const char *const files[] = {"math/gsm8k/train.jsonl", "math/gsm8k/test.jsonl"};
    tally t = {0};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        const char *path = nb_test_data(files[i]);
        if (!path)
            skip(); // does not return
        nb_jsonl_each(path, judge_solution, &t);
    }
    print_message("%zu lines with equations: %zu right, %zu wrong\n", t.n_lines, t.n_right, t.n_wrong);
    assert_true(t.n_right * 100 > t.n_lines * 85 && t.n_wrong == 17);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_prose),
        cmocka_unit_test(wrong_prose),
        cmocka_unit_test(what_is_not_judged),
        cmocka_unit_test(what_is_no_equation),
        cmocka_unit_test(links_are_counted_and_named),
        cmocka_unit_test(long_lines_are_bounded),
        cmocka_unit_test(people_are_understood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
