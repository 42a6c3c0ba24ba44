// SPDX-License-Identifier: Apache-2.0
// nibble-qat eval: what counts as an answer, the interval, the task's lines, and responses against the reference's.
#include <getopt.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "apps/common/cli.h"
#include "apps/qat/eval_score.h"
#include "apps/qat/eval_task.h"
#include "apps/qat/qat_commands.h"
#include "platform/base.h"
#include "tests/support/app_lines.h"
#include "tests/support/data_path.h"
#include "tests/support/scratch.h"

static char home[PATH_MAX];

// ---- answers ------------------------------------------------------------------------------------------------------

typedef struct reading {
    const char *text, *answer; // "": no number
} reading;

static void the_answer_is_found(void **state)
{
    (void)state;
    static const reading readings[] = {
        {"The answer is 22.", "22"},
        {"20 + 2 = 22\n</think>\nThe answer is 22.", "22"},
        {"The answer is 5. No: the answer is 7.", "7"},
        {"The answer is 5, said one of 9 children.", "5"},
        {"The answer is: **1,250** dollars.", "1,250"},
        {"the ANSWER IS about -3.5 %", "-3.5"},
        {"The answer is $1,234.50.", "$1,234.50"},
        {"The answer is x = 4.\n5 of 6", "4"},
        {"The answer is unknown.\nAll 9 agree", "9"},
        {"so \\boxed{3/4} and 8", "3/4"},
        {"work 1 2 3\n#### 18\n", "18"},
        {"8 apples and 12 pears", "12"},
        {"5 - 3 = 2", "2"},
        {"7-4", "4"},
        {"it is -4", "-4"},
        {"it is \xe2\x88\x92"
         "4",
         "\xe2\x88\x92"
         "4"},
        {"about .5 of it", "0.5"},
        {"about -.25", "-0.25"},
        {"12</think> 13", "13"},
        {"12 </think> none", "12"},
        {"12 </think> 3 </think> 4 x", "4"},
        {"H2O and x1", ""},
        {"no number", ""},
        {"", ""},
        {"The answer is", ""},
        {"50%", "50%"},
        {"20apples", "20"},
        {"3.", "3"},
        {"$", ""},
        {"-", ""},
        {".", ""},
        {"(12)", "12"},
        {"1,2,3", "3"},
        {"The answer is 1,2", "1"},
    };
    for (size_t i = 0; i < NB_COUNT(readings); i++) {
        char answer[NB_ANSWER_BYTES];
        bool is_found = nb_answer_read(readings[i].text, strlen(readings[i].text), answer);
        if (strcmp(answer, readings[i].answer) != 0 || is_found != (readings[i].answer[0] != 0))
            fail_msg("'%s': found '%s', expected '%s'", readings[i].text, answer, readings[i].answer);
    }
}

static void answers_are_compared_exactly(void **state)
{
    (void)state;
    static const char *const equal[][2] = {
        {"22", "22"},    {"22", "22.0"},  {"$1,234.50", "1234.5"},
        {"-3", "-3.00"}, {"3/4", "0.75"}, {"6/8", "3/4"},
        {"50%", "50"},   {"50%", "0.5"},  {"007", "7"},
        {"0", "-0"},     {"1/3", "2/6"},  {"100000000000000000000001", "100000000000000000000001"},
    };
    static const char *const different[][2] = {
        {"22", "23"},
        {"0.333333", "1/3"},
        {"1/0", "1/0"},
        {"", ""},
        {"9007199254740993", "9007199254740992"}, // equal as doubles
        {"50%", "5"},
        {"x", "x"},
    };
    for (size_t i = 0; i < NB_COUNT(equal); i++)
        if (!nb_answers_equal(equal[i][0], equal[i][1]))
            fail_msg("%s is not %s", equal[i][0], equal[i][1]);
    for (size_t i = 0; i < NB_COUNT(different); i++)
        if (nb_answers_equal(different[i][0], different[i][1]))
            fail_msg("%s is %s", different[i][0], different[i][1]);
    char digits[400];
    memset(digits, '7', sizeof digits - 1);
    digits[sizeof digits - 1] = 0;
    assert_false(nb_answers_equal(digits, digits)); // more than are compared
}

// ---- intervals ----------------------------------------------------------------------------------------------------

// Wilson's interval as SciPy gives it (binomtest(...).proportion_ci(method="wilson")).
static void the_interval_is_wilsons(void **state)
{
    (void)state;
    static const struct {
        unsigned right, n;
        double low, high;
    } cases[] = {
        {0, 10, 0.0, 0.2775327998628892},  {5, 10, 0.2365930905125640, 0.7634069094874361},
        {10, 10, 0.7224672001371107, 1.0}, {487, 500, 0.9560285091657758, 0.9847436160766728},
        {1, 1, 0.2065493143772375, 1.0},
    };
    for (size_t i = 0; i < NB_COUNT(cases); i++) {
        uint32_t right[500] = {0};
        for (unsigned j = 0; j < cases[i].right; j++)
            right[j] = 1;
        nb_accuracy accuracy = nb_accuracy_of(right, cases[i].n, 1);
        assert_true(fabs(accuracy.mean - (double)cases[i].right / cases[i].n) < 1e-12);
        assert_true(fabs(accuracy.low - cases[i].low) < 1e-6 && fabs(accuracy.high - cases[i].high) < 1e-6);
    }
}

// Shares 1, 0.5, 0, 0.5: mean 0.5, variance of the shares 1/6, error sqrt(1/24).
static void several_samples_vary_by_problem(void **state)
{
    (void)state;
    const uint32_t right[] = {4, 2, 0, 2}, all[] = {4, 4, 4, 4};
    nb_accuracy accuracy = nb_accuracy_of(right, 4, 4);
    assert_true(fabs(accuracy.mean - 0.5) < 1e-12 && fabs(accuracy.error - sqrt(1.0 / 24)) < 1e-12);
    assert_true(fabs(accuracy.high - (0.5 + 1.959963985 * sqrt(1.0 / 24))) < 1e-8);
    assert_true(fabs(accuracy.low + accuracy.high - 1) < 1e-12);
    accuracy = nb_accuracy_of(all, 4, 4);
    assert_true(accuracy.mean == 1 && accuracy.high == 1 && fabs(accuracy.low - 0.5101) < 1e-4);
    for (uint32_t n_samples = 1; n_samples <= 7; n_samples++)
        for (uint32_t share = 0; share <= n_samples; share++)
            for (size_t n = 1; n <= 50; n++) {
                uint32_t equal[50];
                for (size_t i = 0; i < n; i++)
                    equal[i] = share;
                accuracy = nb_accuracy_of(equal, n, n_samples);
                assert_true(accuracy.mean == (double)share / n_samples && accuracy.error == 0);
            }
}

// ---- tasks --------------------------------------------------------------------------------------------------------

static void bad_lines_are_left_out(void **state)
{
    (void)state;
    static const char text[] = "{\"question\": \"a\", \"answer\": \"133\", \"kind\": \"sum\"}\n"
                               "\n   \r\n"
                               "{\"input\": \"b\", \"target\": 43.0}\n"
                               "nonsense\n"
                               "{\"question\": \"c\"}\n"
                               "{\"question\": \"d\", \"answer\": \"(a)\"}\n"
                               "{\"question\": \"\", \"answer\": 1}\n"
                               "{\"question\": 5, \"answer\": 1}\n"
                               "{\"question\": \"e\", \"answer\": 0.1}\n"
                               "{\"question\": \"f\", \"answer\": \"so 9 / 3 = 3\\n#### 3\"}\n"
                               "{\"question\": \"g\", \"question\": \"h\", \"answer\": 1}\n"
                               "{\"question\": \"i\", \"answer\": -7}"
                               "";
    assert_true(nb_scratch_put("task.jsonl", text));
    nb_task task;
    assert_int_equal(nb_task_read(&task, "task.jsonl", SIZE_MAX, NULL), NB_OK);
    static const reading expected[] = {{"a", "133"}, {"b", "43"}, {"e", "0.1"}, {"f", "3"}, {"i", "-7"}};
    static const size_t lines[] = {1, 4, 10, 11, 13};
    assert_int_equal(task.n_problems, NB_COUNT(expected));
    assert_int_equal(task.n_skipped, 6);
    assert_non_null(strstr(task.first_skipped.text, "line 5"));
    for (size_t i = 0; i < NB_COUNT(expected); i++) {
        assert_string_equal(task.problems[i].question, expected[i].text);
        assert_string_equal(task.problems[i].answer, expected[i].answer);
        assert_int_equal(task.problems[i].line, lines[i]);
    }
    assert_string_equal(task.problems[0].kind, "sum");
    assert_null(task.problems[1].kind);
    nb_task_release(&task);
    assert_int_equal(nb_task_read(&task, "task.jsonl", 2, NULL), NB_OK);
    assert_int_equal(task.n_problems, 2);
    nb_task_release(&task);
    assert_true(nb_scratch_put("none.jsonl", "nonsense\n"));
    assert_int_equal(nb_task_read(&task, "none.jsonl", SIZE_MAX, NULL), NB_ERR_INPUT);
    assert_int_equal(nb_task_read(&task, "missing.jsonl", SIZE_MAX, NULL), NB_ERR_INPUT);
}

// ---- responses ----------------------------------------------------------------------------------------------------

static char model[PATH_MAX], bundled[PATH_MAX];

static bool find_model(void)
{
    char here[PATH_MAX];
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(home), 0);
    const char *path = nb_test_data("models/mini-math/config.json");
    bool is_found = path && realpath(path, model);
    if (is_found)
        *strrchr(model, '/') = 0;
    assert_non_null(realpath("apps/tutor/model", bundled));
    assert_int_equal(chdir(here), 0);
    return is_found;
}

static int eval(const char *directory, const char *const more[8])
{
    char *argv[12] = {(char *)"eval", (char *)directory};
    int argc = 2;
    for (size_t i = 0; i < 8 && more[i]; i++)
        argv[argc++] = (char *)more[i];
    optind = 0;
    return nb_command_eval(argc, argv);
}
#define WITH(...) ((const char *const[8]){__VA_ARGS__})

// Greedy responses in double by independent software; their text ends before the end token.
static void greedy_responses_are_the_reference(void **state)
{
    (void)state;
    char path[PATH_MAX + 64];
    if (!find_model())
        skip();
    snprintf(path, sizeof path, "%s/oracle/greedy.jsonl", model);
    json_t *oracle = json_lines_of_file(path);
    FILE *task = fopen("task.jsonl", "w");
    for (size_t i = 0; i < json_array_size(oracle); i++) {
        json_t *line = json_pack("{s:O, s:O}", "question", json_object_get(json_array_get(oracle, i), "question"),
                                 "answer", json_object_get(json_array_get(oracle, i), "text"));
        json_dumpf(line, task, JSON_COMPACT);
        fputc('\n', task);
        json_decref(line);
    }
    fclose(task);
    assert_int_equal(eval(model, WITH("--task=task.jsonl", "--out=out.jsonl", "--kv=f32", "--batch=7",
                                      "--max-tokens=160", "--threads=2", "--json")),
                     0);
    json_t *responses = json_lines_of_file("out.jsonl");
    assert_int_equal(json_array_size(responses), json_array_size(oracle));
    for (size_t i = 0; i < json_array_size(responses); i++) {
        json_t *response = json_array_get(responses, i);
        size_t line = (size_t)json_integer_value(json_object_get(response, "line"));
        json_t *expected = json_array_get(oracle, line - 1);
        assert_string_equal(json_string_value(json_object_get(response, "response")),
                            json_string_value(json_object_get(expected, "text")));
        assert_true(json_is_true(json_object_get(response, "right"))); // it is what it was asked to be
    }
    json_decref(responses);
    json_decref(oracle);
}

static char *sorted_lines(const char *path)
{
    char command[PATH_MAX], *text;
    snprintf(command, sizeof command, "LC_ALL=C sort %s >%s.sorted", path, path);
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof command, "%s.sorted", path);
    text = nb_test_file_read(command, NULL);
    return text;
}

// Samples depend on the seed, and neither on the batch nor on the number of threads.
static void samples_depend_on_the_seed_alone(void **state)
{
    (void)state;
    (void)find_model(); // the bundled model is always there
    assert_true(nb_scratch_put("task.jsonl", "{\"question\": \"What is 12 + 30?\", \"answer\": 42}\n"
                                             "{\"question\": \"What is 9 * 8?\", \"answer\": 72}\n"
                                             "{\"question\": \"Find 100 - 58.\", \"answer\": 42}\n"));
    static const char *const runs[][8] = {
        {"--task=task.jsonl", "--samples=4", "--max-tokens=60", "--out=a", "--batch=1", "--threads=1",
         "--temperature=4"},
        {"--task=task.jsonl", "--samples=4", "--max-tokens=60", "--out=b", "--batch=5", "--threads=2",
         "--temperature=4"},
        {"--task=task.jsonl", "--samples=4", "--max-tokens=60", "--out=c", "--seed=2", "--threads=2",
         "--temperature=4"},
    };
    for (size_t i = 0; i < NB_COUNT(runs); i++)
        assert_int_equal(eval(bundled, runs[i]), 0);
    char *a = sorted_lines("a"), *b = sorted_lines("b"), *c = sorted_lines("c");
    assert_string_equal(a, b);
    assert_string_not_equal(a, c);
    size_t n_lines = 0;
    for (const char *at = a; (at = strchr(at, '\n')); at++)
        n_lines++;
    assert_int_equal(n_lines, 12);
    free(a);
    free(b);
    free(c);
}

static void what_cannot_be_judged_is_refused(void **state)
{
    (void)state;
    (void)find_model();
    assert_true(nb_scratch_put("none.jsonl", "nonsense\n"));
    assert_true(nb_scratch_put("task.jsonl", "{\"question\": \"What is 12 + 30?\", \"answer\": 42}\n"));
    assert_int_equal(eval(bundled, WITH("--task=none.jsonl")), NB_EXIT_INPUT);
    assert_int_equal(eval(bundled, WITH("--task=missing.jsonl")), NB_EXIT_INPUT);
    assert_int_equal(eval(bundled, WITH("--json")), NB_EXIT_USAGE);
    assert_int_equal(eval(bundled, WITH("--task=task.jsonl", "--batch=0")), NB_EXIT_USAGE);
    assert_int_equal(eval(bundled, WITH("--task=task.jsonl", "--out=no/such/folder")), NB_EXIT_FAILED);
    assert_int_equal(eval("nowhere", WITH("--task=task.jsonl")), NB_EXIT_INPUT);
    assert_int_equal(eval(bundled, WITH("--task=task.jsonl", "--plan")), 0);
}

int main(void)
{
    if (!getcwd(home, sizeof home))
        return 1;
#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, nb_scratch_enter, nb_scratch_leave)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_answer_is_found),        cmocka_unit_test(answers_are_compared_exactly),
        cmocka_unit_test(the_interval_is_wilsons),    cmocka_unit_test(several_samples_vary_by_problem),
        IN_SCRATCH(bad_lines_are_left_out),           IN_SCRATCH(greedy_responses_are_the_reference),
        IN_SCRATCH(samples_depend_on_the_seed_alone), IN_SCRATCH(what_cannot_be_judged_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
