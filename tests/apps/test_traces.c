// SPDX-License-Identifier: Apache-2.0
// The generator of problems: every line of reasoning is right by the checker's own arithmetic, the last one is the
// answer, the sides of training and evaluation share nothing, the same seed gives the same bytes.
#include "apps/tutor/traces/traces.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include "apps/tutor/steps.h"

// ---- the reasoning --------------------------------------------------------------------------------------------------

static bool is_heading(const char *line, size_t bytes)
{
    nb_step_parts parts;
    char step[200];
    if (bytes < 2 || line[bytes - 1] != ':' || bytes > 100)
        return false;
    snprintf(step, sizeof step, "%.*s = 0", (int)bytes - 1, line);
    return nb_step_check(step, strlen(step), &parts) != NB_STEP_NONE;
}

// Every line is a right step or a heading, there are as many steps as promised, the last step gives the answer.
static void check_steps(const nb_problem *problem)
{
    size_t n_steps = 0;
    nb_step_parts last = {.op = 0};
    for (const char *line = problem->steps; *line;) {
        size_t bytes = strcspn(line, "\n");
        assert_int_equal(line[bytes], '\n');
        if (!is_heading(line, bytes)) {
            if (nb_step_check(line, bytes, &last) != NB_STEP_RIGHT)
                fail_msg("'%.*s' in: %s\n%s", (int)bytes, line, problem->question, problem->steps);
            n_steps++;
        }
        line += bytes + 1;
    }
    assert_true(n_steps > 0);
    assert_int_equal(n_steps, problem->n_steps);
    assert_int_equal(nb_numbers_compare(last.result.text, last.result.bytes, problem->answer, strlen(problem->answer)),
                     NB_STEP_RIGHT);
}

// Printable ASCII and the signs × ÷; no slot, bracket or doubled space left over; begins and ends as a text does.
static void check_question(const char *question)
{
    size_t bytes = strlen(question);
    bool is_right = bytes > 4 && question[0] != ' ' && question[bytes - 1] != ' ' &&
                    !strpbrk(question, "[]{}<>|\n\t") && !strstr(question, "  ") && !strstr(question, "..");
    for (size_t i = 0; i < bytes; i++)
        if ((uint8_t)question[i] >= 0x80)
            is_right = is_right && (strncmp(question + i, "×", 2) == 0 || strncmp(question + i, "÷", 2) == 0) && ++i;
    if (!is_right)
        fail_msg("the question '%s'", question);
}

static void every_step_is_right(void **state)
{
    (void)state;
    enum { N = 200000 };
    size_t n_by_kind[64] = {0};
    nb_problems problems = {.seed = 5, .split = NB_SPLIT_TRAIN};
    static nb_problem problem;
    for (int i = 0; i < N; i++) {
        problems.split = i % 4 ? NB_SPLIT_TRAIN : NB_SPLIT_EVAL;
        assert_true(nb_problems_next(&problems, &problem));
        check_steps(&problem);
        check_question(problem.question);
        assert_int_equal(nb_question_is_held_out(problem.question), problems.split == NB_SPLIT_EVAL);
        n_by_kind[problem.kind]++;
    }
    unsigned total_weight = 0;
    for (unsigned k = 0; k < nb_n_kinds; k++)
        total_weight += nb_kinds[k].weight;
    for (unsigned k = 0; k < nb_n_kinds; k++) { // all kinds come, about as often as they are weighted
        size_t expected = (size_t)N * nb_kinds[k].weight / total_weight;
        assert_in_range(n_by_kind[k], expected * 9 / 10, expected * 11 / 10);
    }
}

// Every line of every story comes out at every level it is meant for.
static void every_telling_can_be_told(void **state)
{
    (void)state;
    nb_chance chance = {1};
    static nb_problem problem;
    size_t n_tellings = 0;
    double n_forms = 0;
    for (unsigned k = 0; k < nb_n_kinds; k++)
        for (unsigned s = 0; s < nb_kinds[k].list->n_stories; s++) {
            const nb_story *story = &nb_kinds[k].list->stories[s];
            unsigned n_lines = nb_story_count_tellings(story->tellings);
            const char *line = story->tellings;
            for (unsigned t = 0; t < n_lines; t++, n_tellings++, line += strcspn(line, "\n") + 1)
                n_forms += nb_story_count_forms(line, strcspn(line, "\n"));
            for (unsigned t = 0; t < n_lines * NB_LEVEL_MAX; t++) {
                unsigned level = t % NB_LEVEL_MAX + 1, tries = 0;
                if (level < story->level_min || level > story->level_max)
                    continue;
                while (!nb_problem_make(&problem, k, s, t / NB_LEVEL_MAX, level, NB_SPLIT_ALL, 0, &chance))
                    if (++tries == 5000)
                        fail_msg("%s, story %u, line %u, level %u", nb_kinds[k].name, s, t / NB_LEVEL_MAX, level);
                check_steps(&problem);
                check_question(problem.question);
            }
        }
    print_message("%zu tellings in %.3g forms, %u words (%u of them names and things)\n", n_tellings, n_forms,
                  nb_words_count(false), nb_words_count(true));
    assert_true(n_tellings >= 400);
    assert_true(n_forms >= 10000);
    assert_true(nb_words_count(true) >= 700);
}

// ---- splits ---------------------------------------------------------------------------------------------------------

static void spelling_does_not_change_the_side(void **state)
{
    (void)state;
    const char *const same[] = {"What is 34 + 5?", "what is 34 + 5 ?", "What  is 34+5.", "WHAT IS 34 + 5"};
    for (int i = 1; i < 4; i++)
        assert_int_equal(nb_question_is_held_out(same[0]), nb_question_is_held_out(same[i]));
    int n_held_out = 0;
    for (int i = 0; i < 1600; i++) {
        char text[32];
        snprintf(text, sizeof text, "What is %d + 5?", i);
        n_held_out += nb_question_is_held_out(text);
    }
    assert_in_range(n_held_out, 60, 140); // one in sixteen
}

static void words_are_held_out(void **state)
{
    (void)state;
    static const char *const classes[] = {"girl", "boy", "surname", "thing", "animal", "food", "people", "plant"};
    nb_chance chance = {9};
    for (size_t c = 0; c < sizeof classes / sizeof classes[0]; c++) {
        nb_word train, eval;
        for (int i = 0; i < 300; i++) {
            assert_true(nb_word_pick(classes[c], (unsigned)strlen(classes[c]), NB_SPLIT_TRAIN, &chance, &train));
            for (int j = 0; j < 20; j++) {
                assert_true(nb_word_pick(classes[c], (unsigned)strlen(classes[c]), NB_SPLIT_EVAL, &chance, &eval));
                if (strcmp(train.one, eval.one) == 0)
                    fail_msg("%s is on both sides", train.one);
            }
        }
    }
    nb_word word;
    assert_false(nb_word_pick("nothing", 7, NB_SPLIT_ALL, &chance, &word));
}

static void words_can_be_made_up(void **state)
{
    (void)state;
    enum { N = 20000 };
    nb_chance chance = {11}, again = {11};
    for (int i = 0; i < N; i++) {
        nb_word word = {.one = "apple", .many = "apples"}, name = {.one = "Mia", .many = "Mias"}, same = word;
        nb_word_make_up(&word, &chance);
        nb_word_make_up(&same, &again);
        assert_string_equal(word.one, same.one);
        assert_true(strcmp(word.one, "apple") != 0 && strcmp(word.one, word.many) != 0);
        assert_int_equal(strspn(word.one, "abcdefghijklmnopqrstuvwxyz "), strlen(word.one));
        assert_in_range(strlen(word.many), 3, NB_WORD_BYTES - 1);
        nb_word_make_up(&name, &chance);
        nb_word_make_up(&name, &again);
        assert_in_range(name.one[0], 'A', 'Z');
        for (const char *at = strtok(word.one, " "); at; at = strtok(NULL, " "))
            if (strcasecmp(at, "kite") == 0 || strcasecmp(at, "drum") == 0 || strcasecmp(at, "ship") == 0)
                fail_msg("%s is listed", at);
    }
    // Every kind of problem can be told with them, and the numbers stay as right as they were.
    nb_problems problems = {.seed = 6, .split = NB_SPLIT_TRAIN, .made_up_percent = 100};
    static nb_problem problem;
    for (int i = 0; i < N; i++) {
        assert_true(nb_problems_next(&problems, &problem));
        check_steps(&problem);
        check_question(problem.question);
    }
}

// A word listed twice in a class, or in two classes, would be on both sides.
static void no_thing_is_listed_twice(void **state)
{
    (void)state;
    static char seen[4096][NB_WORD_BYTES];
    size_t n = 0;
    const nb_word_class *const lists[] = {nb_word_names, nb_word_things};
    const unsigned counts[] = {nb_n_word_names, nb_n_word_things};
    for (int l = 0; l < 2; l++)
        for (unsigned c = 0; c < counts[l]; c++)
            for (const char *at = lists[l][c].words; *at; at += strspn(at, " ")) {
                size_t bytes = strcspn(at, " /");
                snprintf(seen[n], sizeof seen[n], "%.*s", (int)bytes, at);
                for (size_t i = 0; i < n; i++)
                    if (strcmp(seen[i], seen[n]) == 0)
                        fail_msg("%s is listed twice", seen[n]);
                n++;
                at += strcspn(at, " ");
            }
}

static void the_same_seed_gives_the_same_problems(void **state)
{
    (void)state;
    static nb_problem a, b;
    nb_problems first = {.seed = 3}, second = {.seed = 3}, other = {.seed = 4};
    int n_different = 0;
    for (int i = 0; i < 2000; i++) {
        memset(&a, 0, sizeof a);
        memset(&b, 1, sizeof b);
        assert_true(nb_problems_next(&first, &a) && nb_problems_next(&second, &b));
        assert_string_equal(a.question, b.question);
        assert_string_equal(a.steps, b.steps);
        assert_string_equal(a.answer, b.answer);
        assert_true(nb_problems_next(&other, &b));
        n_different += strcmp(a.question, b.question) != 0;
    }
    assert_true(n_different > 1990);
}

// The generator of random numbers is the published one.
static void the_numbers_are_those_of_every_machine(void **state)
{
    (void)state;
    static nb_problem problem;
    nb_chance chance = {1};
    assert_true(nb_chance_next(&chance) == UINT64_C(0x910a2dec89025cc1)); // SplitMix64 of 1
    nb_problems problems = {.seed = 1, .split = NB_SPLIT_TRAIN, .kinds = 1, .level = 3};
    assert_true(nb_problems_next(&problems, &problem));
    check_steps(&problem);
}

// ---- levels, kinds, lengths -----------------------------------------------------------------------------------------

static void levels_grow(void **state)
{
    (void)state;
    static nb_problem problem;
    double before = 0;
    for (unsigned level = 1; level <= NB_LEVEL_MAX; level++) {
        nb_problems problems = {.seed = 2, .level = level};
        double n_steps = 0;
        for (int i = 0; i < 4000; i++) {
            assert_true(nb_problems_next(&problems, &problem));
            assert_int_equal(problem.level, level);
            n_steps += (double)problem.n_steps;
        }
        print_message("level %u: %.1f steps on average\n", level, n_steps / 4000);
        assert_true(n_steps > before * 1.1);
        before = n_steps;
    }
}

static void kinds_are_named(void **state)
{
    (void)state;
    uint64_t kinds;
    const char *bad;
    size_t bad_bytes;
    assert_true(nb_kinds_parse("subtraction,addition", &kinds, &bad, &bad_bytes));
    assert_int_equal(kinds, 3);
    assert_false(nb_kinds_parse("addition,alchemy,x", &kinds, &bad, &bad_bytes));
    assert_memory_equal(bad, "alchemy", bad_bytes);
    assert_false(nb_kinds_parse("", &kinds, &bad, &bad_bytes));
    assert_false(nb_kinds_parse("add", &kinds, &bad, &bad_bytes));
    static nb_problem problem;
    for (unsigned k = 0; k < nb_n_kinds; k++)
        for (unsigned level = 1; level <= NB_LEVEL_MAX; level++) { // a learner finds every kind at every level
            nb_problems problems = {.seed = k, .level = level, .kinds = UINT64_C(1) << k, .split = NB_SPLIT_ALL};
            for (int i = 0; i < 50; i++) {
                assert_true(nb_problems_next(&problems, &problem));
                assert_int_equal(problem.kind, k);
            }
        }
}

static void responses_end_with_the_answer(void **state)
{
    (void)state;
    static nb_problem problem = {.steps = "30 + 4 = 34\n", .answer = "34"};
    char response[NB_RESPONSE_BYTES];
    nb_problem_response(&problem, response);
    assert_string_equal(response, "<think>\n30 + 4 = 34\n</think>\nThe answer is 34.");
    nb_span answer;
    assert_true(nb_answer_find(response, strlen(response), &answer));
    assert_memory_equal(answer.text, "34", 2);
    assert_int_equal(answer.bytes, 2);
}

// ---- the written operations -----------------------------------------------------------------------------------------

static void operations_are_worked_out_by_digits(void **state)
{
    (void)state;
    static const struct {
        int64_t a[2];
        char op;
        int64_t b[2];
        const char *steps;
    } cases[] = {
        {{584, 1}, '+', {285, 1}, "584 + 285:\n584 + 200 = 784\n784 + 80 = 864\n864 + 5 = 869\n"},
        {{5, 1}, '+', {347, 1}, "5 + 347 = 352\n"},
        {{83, 1}, '-', {40, 1}, "83 - 40 = 43\n"},
        {{500, 1}, '-', {37, 1}, "500 - 37:\n500 - 30 = 470\n470 - 7 = 463\n"},
        {{15, 4}, '+', {5, 2}, "3.75 + 2.5:\n3.75 + 2 = 5.75\n5.75 + 0.5 = 6.25\n"},
        {{60, 1}, '*', {7, 1}, "60 * 7 = 420\n"},
        {{347, 1}, '*', {100, 1}, "347 * 100 = 34700\n"},
        {{6, 1}, '*', {34, 1}, "6 * 34:\n30 * 6 = 180\n4 * 6 = 24\n180 + 20 = 200\n200 + 4 = 204\n"},
        {{528, 1}, '/', {8, 1}, "528 / 8:\n60 * 8 = 480\n528 - 400 = 128\n128 - 80 = 48\n6 * 8 = 48\n60 + 6 = 66\n"},
        {{560, 1}, '/', {8, 1}, "560 / 8 = 70\n"},
        {{96, 1}, '/', {12, 1}, "96 / 12:\n8 * 12:\n10 * 8 = 80\n2 * 8 = 16\n80 + 10 = 90\n90 + 6 = 96\n96 / 12 = 8\n"},
        {{60, 1}, '%', {8, 1}, "60 / 8:\n7 * 8 = 56\n60 - 50 = 10\n10 - 6 = 4\n"},
        {{60, 1}, '\\', {8, 1}, "60 / 8:\n7 * 8 = 56\n60 - 50 = 10\n10 - 6 = 4\n56 / 8 = 7\n"},
        {{8, 1}, ':', {12, 1}, "8 / 12 = 2/3\n"},
        {{12, 1}, ':', {4, 1}, "12 / 4 = 3\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        nb_trace_text trace = {.bytes = 0};
        nb_trace_operation(&trace, nb_ratio_of(cases[i].a[0], cases[i].a[1]), cases[i].op,
                           nb_ratio_of(cases[i].b[0], cases[i].b[1]));
        assert_false(trace.is_bad);
        assert_string_equal(trace.text, cases[i].steps);
    }
    static const struct {
        int64_t a;
        char op;
        int64_t b;
    } refused[] = {{3, '-', 5}, {3, '/', 0}, {1, '/', 3}, {12, '%', 4}, {3, '\\', 5}};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        nb_trace_text trace = {.bytes = 0};
        nb_trace_operation(&trace, nb_ratio_of(refused[i].a, 1), refused[i].op, nb_ratio_of(refused[i].b, 1));
        assert_true(trace.is_bad);
    }
}

static void formulas_are_read(void **state)
{
    (void)state;
    nb_chance chance = {1};
    nb_formula formula = {.chance = &chance, .level = 1};
    assert_true(nb_formula_define(&formula, "a=7;b=2+3*(4-1);c=b/2;d=17%5;e=17\\5;b>a;a!b"));
    assert_int_equal(formula.variables[1].num, 11);
    assert_int_equal(formula.variables[2].num, 11);
    assert_int_equal(formula.variables[2].den, 2);
    assert_int_equal(formula.variables[3].num, 2);
    assert_int_equal(formula.variables[4].num, 3);
    for (int i = 0; i < 200; i++) {
        assert_true(nb_formula_define(&formula, "a=3~5;b=1~(a-1);c=2*(1~3)"));
        assert_in_range(formula.variables[0].num, 3, 5);
        assert_in_range(formula.variables[1].num, 1, formula.variables[0].num - 1);
        assert_in_range(formula.variables[2].num, 2, 6);
    }
    static const char *const bad[] = {"",      "a",  "a=",      "a=(1",  "a=1;",         "a=1/0",
                                      "a=5~3", "a<", "a=1;a<1", "a=1-2", "a=99999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(nb_formula_define(&formula, bad[i]));
    assert_int_equal(nb_formula_value(&formula, "1+").den, 0);
    assert_int_equal(nb_formula_value(&formula, "1 + 2").den, 0); // no spaces
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_are_worked_out_by_digits),
        cmocka_unit_test(formulas_are_read),
        cmocka_unit_test(every_telling_can_be_told),
        cmocka_unit_test(every_step_is_right),
        cmocka_unit_test(spelling_does_not_change_the_side),
        cmocka_unit_test(words_are_held_out),
        cmocka_unit_test(words_can_be_made_up),
        cmocka_unit_test(no_thing_is_listed_twice),
        cmocka_unit_test(the_same_seed_gives_the_same_problems),
        cmocka_unit_test(the_numbers_are_those_of_every_machine),
        cmocka_unit_test(levels_grow),
        cmocka_unit_test(kinds_are_named),
        cmocka_unit_test(responses_end_with_the_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
