// SPDX-License-Identifier: Apache-2.0
// The programs against the oracle models, numbers of other software in double precision: score, run, tokenize.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/app_lines.h"
#include "tests/support/oracle_tensors.h"

static const char *const plain_models[] = {"qwen2", "qwen2-r1", "llama3", "qwen3", "qwen2-yarn", "llama-f16"};
static const char *const text_models[] = {"qwen2", "llama3"};
#define N_PLAIN (sizeof plain_models / sizeof plain_models[0])
#define N_TEXT  (sizeof text_models / sizeof text_models[0])

// The directory of an oracle model; skips the test where the reference data is absent.
static const char *model_directory(const char *name)
{
    static char path[1024];
    const char *data = oracle_data_directory();
    if (!data)
        skip();
    snprintf(path, sizeof path, "%s/models/oracle/%s", data, name);
    return path;
}

static FILE *open_oracle(const char *model, const char *file)
{
    char path[1200];
    snprintf(path, sizeof path, "%s/oracle/%s", model_directory(model), file);
    FILE *stream = fopen(path, "rb");
    assert_non_null(stream);
    return stream;
}

// ||a - b|| / ||b|| of two files of f32; -1 when their lengths differ.
static double relative_error(FILE *a, FILE *b)
{
    double difference = 0, size = 0;
    float x, y;
    for (;;) {
        size_t has_x = fread(&x, sizeof x, 1, a), has_y = fread(&y, sizeof y, 1, b);
        if (has_x != has_y)
            return -1;
        if (!has_x)
            return size > 0 ? sqrt(difference / size) : -1;
        difference += ((double)x - (double)y) * ((double)x - (double)y);
        size += (double)y * (double)y;
    }
}

static void check_scores(const char *model, json_t *lines)
{
    FILE *nll_file = open_oracle(model, "nll.txt");
    char word[64];
    size_t n = 0;
    for (; fscanf(nll_file, "%63s", word) == 1; n++) {
        const json_t *line = json_array_get(lines, n);
        const json_t *nll = json_object_get(line, "nll"), *ppl = json_object_get(line, "ppl");
        assert_int_equal(json_integer_value(json_object_get(line, "sequence")), n);
        if (strcmp(word, "nan") == 0) {
            assert_int_equal(json_integer_value(json_object_get(line, "tokens")), 1);
            assert_true(json_is_null(nll) && json_is_null(ppl));
            continue;
        }
        double expected = strtod(word, NULL);
        assert_true(fabs(json_real_value(nll) - expected) < 2e-5 * expected);
        assert_true(fabs(json_real_value(ppl) - exp(expected)) < 2e-4 * exp(expected));
    }
    assert_int_equal(json_array_size(lines), n);
    fclose(nll_file);
}

static void score_equals_the_oracle(void **state)
{
    (void)state;
    for (size_t m = 0; m < N_PLAIN; m++) {
        const char *directory = model_directory(plain_models[m]);
        char *logits = app_temporary();
        json_t *lines = app_json_lines("score %s --ids %s/oracle/ids.txt --kv f32 --json --logits %s", directory,
                                       directory, logits);
        assert_non_null(lines);
        check_scores(plain_models[m], lines);
        FILE *found = fopen(logits, "rb"), *expected = open_oracle(plain_models[m], "logits_f64.f32");
        double error = relative_error(found, expected);
        printf("# %s: logits within %.2g of the oracle\n", plain_models[m], error);
        assert_true(error >= 0 && error <= 1e-4);
        fclose(found);
        fclose(expected);
        unlink(logits);
        free(logits);
        json_decref(lines);
    }
}

// Real exports, and the checkpoint as it is declared to run.
static void score_equals_the_quantised_oracle(void **state)
{
    (void)state;
    static const char *const runs[][3] = {
        {"qwen2-ct", "", "w4a4kv4_logits.f32"},
        {"qwen2-modelopt", "", "w4a4kv4_logits.f32"},
        {"qwen2-modelopt", "--act nvfp4-static", "w4a4kv4_static_logits.f32"},
        {"llama3-modelopt-kv", "", "w4a4kv4_logits.f32"},
        {"llama3-modelopt-kv", "--kv e2m1", "w4a4kv4_e2m1_logits.f32"},
        {"qwen2-ct", "--act none --kv f32", "w4a16_logits.f32"},
    };
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        const char *directory = model_directory(runs[i][0]);
        char *logits = app_temporary();
        json_t *lines = app_json_lines("score %s --ids %s/oracle/ids.txt %s --json --logits %s", directory, directory,
                                       runs[i][1], logits);
        assert_non_null(lines);
        FILE *found = fopen(logits, "rb"), *expected = open_oracle(runs[i][0], runs[i][2]);
        double error = relative_error(found, expected);
        printf("# %s %s: logits within %.2g of the oracle\n", runs[i][0], runs[i][1], error);
        assert_true(error >= 0 && error <= 1e-3);
        fclose(found);
        fclose(expected);
        unlink(logits);
        free(logits);
        json_decref(lines);
    }
}

static void score_of_text_equals_the_oracle(void **state)
{
    (void)state;
    for (size_t m = 0; m < N_TEXT; m++) {
        char path[1200];
        const char *directory = model_directory(text_models[m]);
        snprintf(path, sizeof path, "%s/oracle/text_nll.jsonl", directory);
        json_t *cases = json_lines_of_file(path), *kept = json_array(), *one;
        char *text = app_temporary();
        FILE *file = fopen(text, "wb");
        size_t i;
        json_array_foreach(cases, i, one)
        {
            const json_t *string = json_object_get(one, "text");
            if (memchr(json_string_value(string), '\n', json_string_length(string)))
                continue; // a line can't hold it
            fwrite(json_string_value(string), 1, json_string_length(string), file);
            fputc('\n', file);
            json_array_append(kept, one);
        }
        fclose(file);
        json_t *lines = app_json_lines("score %s --text %s --kv f32 --json", directory, text);
        assert_non_null(lines);
        assert_int_equal(json_array_size(lines), json_array_size(kept));
        json_array_foreach(kept, i, one)
        {
            const json_t *line = json_array_get(lines, i);
            double expected = json_number_value(json_object_get(one, "nll_sum"));
            json_int_t n = json_integer_value(json_object_get(one, "n_scored"));
            assert_int_equal(json_integer_value(json_object_get(line, "tokens")),
                             json_array_size(json_object_get(one, "ids")));
            if (n > 0)
                assert_true(fabs(json_number_value(json_object_get(line, "nll")) * (double)n - expected) <
                            1e-4 * expected);
        }
        unlink(text);
        free(text);
        json_decref(lines);
        json_decref(kept);
        json_decref(cases);
    }
}

// Greedy ids equal the oracle's up to the first step whose margin is too small to bind a float engine.
static void greedy_ids_equal_the_oracle(void **state)
{
    (void)state;
    for (size_t m = 0; m < N_PLAIN; m++) {
        const char *directory = model_directory(plain_models[m]);
        int exit_code;
        char *text = app_output(&exit_code,
                                "run %s --prompt-ids %s/oracle/ids.txt --output ids -n 48 --temperature 0 "
                                "--ignore-eos --kv f32",
                                directory, directory);
        assert_int_equal(exit_code, 0);
        FILE *ids = open_oracle(plain_models[m], "greedy.txt"),
             *margins = open_oracle(plain_models[m], "greedy_margin.txt");
        char expected[4096], margin[4096], *rest = text;
        size_t n_lines = 0, n_equal = 0;
        while (fgets(expected, sizeof expected, ids) && fgets(margin, sizeof margin, margins)) {
            char *found = strsep(&rest, "\n"), *e = expected, *g = margin;
            assert_non_null(found);
            n_lines++;
            for (int i = 0; i < 48; i++) {
                long want = strtol(e, &e, 10), have = strtol(found, &found, 10);
                if (strtod(g, &g) < 1e-3)
                    break;
                assert_int_equal(have, want);
                n_equal++;
            }
        }
        printf("# %s: %zu greedy ids of %zu sequences equal\n", plain_models[m], n_equal, n_lines);
        assert_int_equal(n_lines, 4);
        assert_string_equal(rest, ""); // no line too many
        fclose(ids);
        fclose(margins);
        free(text);
    }
}

// A model that was trained for something: its answers to 40 questions, id by id.
static void mini_math_answers_as_the_oracle(void **state)
{
    (void)state;
    const char *data = oracle_data_directory();
    if (!data)
        skip();
    char path[1200];
    snprintf(path, sizeof path, "%s/models/mini-math/oracle/greedy.jsonl", data);
    json_t *problems = json_lines_of_file(path), *problem, *item;
    char *ids = app_temporary();
    FILE *file = fopen(ids, "wb");
    size_t i, k, n_equal = 0;
    json_array_foreach(problems, i, problem)
    {
        json_array_foreach(json_object_get(problem, "prompt_ids"), k, item)
            fprintf(file, "%lld ", (long long)json_integer_value(item));
        fputc('\n', file);
    }
    fclose(file);
    int exit_code;
    char *text = app_output(&exit_code,
                            "run %s/models/mini-math --prompt-ids %s --output ids -n 160 --temperature 0 --kv f32",
                            data, ids),
         *rest = text;
    assert_int_equal(exit_code, 0);
    json_array_foreach(problems, i, problem)
    {
        char *line = strsep(&rest, "\n");
        assert_non_null(line);
        json_array_foreach(json_object_get(problem, "greedy_ids"), k, item)
        {
            if (json_number_value(json_array_get(json_object_get(problem, "margin"), k)) < 1e-3)
                break;
            assert_int_equal(strtol(line, &line, 10), json_integer_value(item));
            n_equal++;
        }
        if (k == json_array_size(json_object_get(problem, "greedy_ids")))
            assert_string_equal(line, ""); // and ends where the oracle ends
    }
    printf("# mini-math: %zu greedy ids of %zu problems equal\n", n_equal, json_array_size(problems));
    assert_true(n_equal > 1000);
    unlink(ids);
    free(ids);
    free(text);
    json_decref(problems);
}

// Runs `nibble tokenize OPTIONS --json` over one field of the cases and compares with another.
static void compare_cases(const char *model, const char *options, const char *from, const char *to)
{
    char path[1200];
    const char *directory = model_directory(model);
    snprintf(path, sizeof path, "%s/oracle/tokenizer_cases.jsonl", directory);
    json_t *cases = json_lines_of_file(path), *one;
    assert_true(json_array_size(cases) > 0);
    char *input = app_temporary();
    FILE *file = fopen(input, "wb");
    size_t i;
    json_array_foreach(cases, i, one)
    {
        json_dumpf(json_object_get(one, from), file, JSON_ENCODE_ANY | JSON_COMPACT);
        fputc('\n', file);
    }
    fclose(file);
    json_t *lines = app_json_lines("tokenize %s --json %s <%s", directory, options, input);
    assert_non_null(lines);
    assert_int_equal(json_array_size(lines), json_array_size(cases));
    json_array_foreach(cases, i, one)
    {
        if (json_equal(json_object_get(one, to), json_array_get(lines, i)))
            continue;
        char *text = json_dumps(one, JSON_COMPACT),
             *found = json_dumps(json_array_get(lines, i), JSON_ENCODE_ANY | JSON_COMPACT);
        fail_msg("%s %s: %s gave %s", model, options, text, found);
    }
    unlink(input);
    free(input);
    json_decref(lines);
    json_decref(cases);
}

static void tokenize_equals_the_oracle(void **state)
{
    (void)state;
    for (size_t m = 0; m < N_TEXT; m++) {
        compare_cases(text_models[m], "", "text", "ids");
        compare_cases(text_models[m], "--decode", "ids", "decoded");
    }
    compare_cases("llama3", "--add-special", "text", "ids_with_bos");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(score_equals_the_oracle),         cmocka_unit_test(score_equals_the_quantised_oracle),
        cmocka_unit_test(score_of_text_equals_the_oracle), cmocka_unit_test(greedy_ids_equal_the_oracle),
        cmocka_unit_test(tokenize_equals_the_oracle),      cmocka_unit_test(mini_math_answers_as_the_oracle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
