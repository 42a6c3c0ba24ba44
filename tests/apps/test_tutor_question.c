// SPDX-License-Identifier: Apache-2.0
// Questions before a model sees them, where numbers come from, and what a learner's line is worth.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apps/tutor/tutor_guide.h"

static nb_question question;

static bool reads(const char *text)
{
    char why[256] = "";
    bool is_fine = nb_question_read(&question, text, strlen(text), why, sizeof why);
    assert_int_equal(is_fine, why[0] == 0);
    return is_fine;
}

static void values_of_calculations(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"What is 347 + 285?", "632"},
        {"Compute 1/2 + 1/3.", "5/6"},
        {"12 ÷ 8 = ?", "1.5"},
        {"6 x 7", "42"},
        {"What is 1,250 - 0.5?", "1249.5"},
        {"Mia has 3 cats and 4 dogs.", ""},
        {"What is 2 + 3 * 4?", "14"},
        {"What is 12 + 7 + 30?", "49"},
        {"Compute (2 + 3) * 4 (in your head).", "20"},
        {"What (2 + 3 is) that?", "5"},
        {"What is 6 / 1/2?", ""},
        {"Add 5 to 2 + 3.", ""},
        {"What is 2 + 3 and 4 + 5?", ""},
        {"flim flam", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(reads(cases[i][0]));
        assert_string_equal(question.value, cases[i][1]);
    }
}

static void the_model_is_given_spaces(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"347+285", "347 + 285"},
        {"What is 347+285=?", "What is 347 + 285=?"},
        {"7x8", "7 x 8"},
        {"84÷4", "84 ÷ 4"},
        {"84/4", "84 / 4"},
        {"1/2+1/3", "1/2 + 1/3"},
        {"(3+4)*-2 is", "(3 + 4) * -2 is"},
        {"-5- -3", "-5 - -3"},
        {"$3.50*2", "$3.50 * 2"},
        {"2 + 3", "2 + 3"},
        {"Tom has 3+4 cats and 2 dogs.", "Tom has 3+4 cats and 2 dogs."},
        {"What is 2+3 and 4+5?", "What is 2+3 and 4+5?"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(reads(cases[i][0]));
        assert_string_equal(question.text, cases[i][1]);
    }
    enum { SUM_BYTES = 127 }; // so many numbers as are still added up
    char longest[NB_QUESTION_MAX_BYTES + 1];
    memset(longest, 'a', sizeof longest - 1);
    for (size_t i = 0; i < SUM_BYTES; i++)
        longest[NB_QUESTION_MAX_BYTES - SUM_BYTES + i] = i % 2 ? '+' : '1';
    longest[NB_QUESTION_MAX_BYTES - SUM_BYTES - 1] = ' ';
    longest[NB_QUESTION_MAX_BYTES] = 0;
    assert_true(reads(longest));
    assert_string_equal(question.value, "64");
    assert_int_equal(strlen(question.text), NB_QUESTION_MAX_BYTES + SUM_BYTES - 1);
}

static void what_cannot_be_asked(void **state)
{
    (void)state;
    assert_false(reads(""));
    assert_false(reads(" \n\t"));
    assert_false(reads("a\033[2J"));
    assert_false(reads("a\x7f"));
    assert_false(reads("\xc2\x9b"));
    assert_false(reads("\xc3"));
    assert_false(reads("What is 5 / 0?"));
    assert_false(reads("What is 5 ÷ 0.0?"));
    assert_false(reads("Take 7 divided by zero."));
    assert_false(reads("Divide 8 by 0."));
    assert_false(reads("Divide 8 by 0.00"));
    assert_false(reads("Tom shares 8 apples among 0 children. How many does each get?"));
    assert_true(reads("Take 7 divided by 0.5"));
    assert_false(reads("Divide 8.5 by 0."));
    assert_true(reads("Divide 8 by 2 and multiply it by 0."));
    assert_true(reads("Divide 8 evenly. Then raise it by 0."));
    assert_true(reads("  old\nlines "));
    assert_string_equal(question.text, "old lines");
    assert_false(question.has_number);
    assert_true(reads("Add seven to five."));
    assert_true(question.has_number);
    char *large = malloc(NB_QUESTION_MAX_BYTES + 2), why[256];
    memset(large, 'a', NB_QUESTION_MAX_BYTES + 1);
    assert_false(nb_question_read(&question, large, NB_QUESTION_MAX_BYTES + 1, why, sizeof why));
    assert_true(nb_question_read(&question, large, NB_QUESTION_MAX_BYTES, why, sizeof why));
    assert_false(nb_question_read(&question, "a\0b", 3, why, sizeof why));
    free(large);
}

// The operand without a source, "": none.
static void expect_missing(const char *known, const char *step, const char *missing)
{
    nb_sources sources = {.numbers = {0}};
    nb_step_parts parts;
    nb_sources_add(&sources, known, strlen(known));
    assert_int_not_equal(nb_step_check(step, strlen(step), &parts), NB_STEP_NONE);
    nb_span found = nb_sources_missing(&sources, &parts);
    if (found.bytes != strlen(missing) || (found.text && memcmp(found.text, missing, found.bytes) != 0))
        fail_msg("%s: missing '%.*s', expected '%s'", step, (int)found.bytes, found.text ? found.text : "", missing);
    nb_sources_release(&sources);
}

static void numbers_have_sources(void **state)
{
    (void)state;
    expect_missing("347 and 285", "347 + 200 = 547", "");
    expect_missing("347 and 285", "347 + 85 = 432", "");
    expect_missing("347 and 285", "374 + 200 = 574", "374");
    expect_missing("347 and 285", "347 + 50 = 397", "50");
    expect_missing("seventy-one and Twelve", "71 + 12 = 83", "");
    expect_missing("$3.50 and 1,250", "1250 + 3.5 = 1253.5", "");
    expect_missing("528 by 8", "60 * 8 = 480", "");
    expect_missing("528 by 8", "50 * 9 = 450", "50");
    expect_missing("528 by 8", "524 / 8 = 65.5", "524");
    expect_missing("15% of 80", "15/100 * 80 = 12", "");
    expect_missing("", "43 - 17 = 26", "43");
}

static void learners_are_led(void **state)
{
    (void)state;
    nb_checked_line lines[] = {{.text = (char *)"20 * 6 = 120", .is_step = true},
                               {.text = (char *)"4 * 6 = 24", .is_step = true},
                               {.text = (char *)"120 + 24 = 144", .is_step = true},
                               {.text = (char *)"The answer is 144.", .has_answer = true}};
    nb_guide guide = {.lines = lines, .n_lines = 4, .answer = "144"};
    char words[512];
    assert_int_equal(nb_guide_take(&guide, "20 * 6 = 130", words, sizeof words), NB_REPLY_WRONG);
    assert_string_equal(words, "20 * 6 is not 130; look at the tens");
    assert_int_equal(nb_guide_take(&guide, "20 * 6 = 12", words, sizeof words), NB_REPLY_WRONG);
    assert_string_equal(words, "20 * 6 is not 12, it is 120");
    assert_int_equal(nb_guide_take(&guide, "120", words, sizeof words), NB_REPLY_STEP);
    assert_int_equal(guide.at, 1);
    assert_true(nb_guide_hint(&guide, words, sizeof words));
    assert_string_equal(words, "4 * 6 = ?");
    assert_int_equal(nb_guide_take(&guide, "58 + 6 = 64", words, sizeof words), NB_REPLY_OTHER);
    assert_int_equal(nb_guide_take(&guide, "17", words, sizeof words), NB_REPLY_ELSE);
    assert_int_equal(nb_guide_take(&guide, "what?", words, sizeof words), NB_REPLY_UNKNOWN);
    assert_int_equal(nb_guide_take(&guide, "5 / 0 = 1", words, sizeof words), NB_REPLY_UNKNOWN);
    assert_string_equal(nb_guide_next(&guide), "4 * 6 = 24");
    assert_int_equal(nb_guide_take(&guide, "The answer is 144", words, sizeof words), NB_REPLY_ANSWER);
    assert_null(nb_guide_next(&guide));
}

static void what_is_wrong_is_no_hint(void **state)
{
    (void)state;
    nb_checked_line lines[] = {{.text = (char *)"20 * 6 = 12", .is_step = true, .verdict = NB_VERDICT_WRONG},
                               {.text = (char *)"4 * 6 = 24", .is_step = true},
                               {.text = (char *)"12 + 24 = 37", .is_step = true, .verdict = NB_VERDICT_WRONG}};
    nb_guide guide = {.lines = lines, .n_lines = 3, .answer = "37"};
    char words[512];
    assert_true(nb_guide_hint(&guide, words, sizeof words));
    assert_string_equal(words, "4 * 6 = ?");
    assert_string_equal(nb_guide_next(&guide), "4 * 6 = 24");
    assert_false(nb_guide_hint(&guide, words, sizeof words));
    assert_null(nb_guide_next(&guide));
    assert_int_equal(nb_guide_take(&guide, "37", words, sizeof words), NB_REPLY_ANSWER);
    assert_string_equal(words, "that is the answer I came to, but not all of my steps are checked");
    guide = (nb_guide){.answer = "144", .is_exact = true}; // the value alone is known
    assert_int_equal(nb_guide_take(&guide, "37", words, sizeof words), NB_REPLY_ELSE);
    assert_int_equal(nb_guide_take(&guide, "20 * 6 = 120", words, sizeof words), NB_REPLY_OTHER);
    assert_int_equal(nb_guide_take(&guide, "120 + 24 = 144", words, sizeof words), NB_REPLY_ANSWER);
    assert_string_equal(words, "that is the answer");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_calculations), cmocka_unit_test(the_model_is_given_spaces),
        cmocka_unit_test(what_cannot_be_asked),   cmocka_unit_test(numbers_have_sources),
        cmocka_unit_test(learners_are_led),       cmocka_unit_test(what_is_wrong_is_no_hint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
