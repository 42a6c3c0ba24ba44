// SPDX-License-Identifier: Apache-2.0
// What the programs print with --json: one object a line, the keys that scripts rely on, and that the parts agree.
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/app_lines.h"

// The bundled 4-bit model; tests run at the root of the tree.
static const char model[] = "apps/tutor/model";

// `keys`: "name:type ..." with i integer, n number, s string, a array, o object, b boolean.
static void expect_keys(const json_t *object, const char *keys)
{
    char copy[1024], *rest = copy;
    assert_true(json_is_object(object));
    snprintf(copy, sizeof copy, "%s", keys);
    for (char *key; (key = strsep(&rest, " "));) {
        char *type = strchr(key, ':');
        *type++ = 0;
        const json_t *value = json_object_get(object, key);
        bool is_right = (*type == 'i' && json_is_integer(value)) || (*type == 'n' && json_is_number(value)) ||
                        (*type == 's' && json_is_string(value)) || (*type == 'a' && json_is_array(value)) ||
                        (*type == 'o' && json_is_object(value)) || (*type == 'b' && json_is_boolean(value));
        if (!is_right)
            fail_msg("key %s is missing or of another type", key);
    }
}

static const char *string_of(const json_t *object, const char *key)
{
    const char *string = json_string_value(json_object_get(object, key));
    assert_non_null(string);
    return string;
}

static void run_prints_steps_and_a_finish(void **state)
{
    (void)state;
    json_t *lines = app_json_lines("run %s -p 'What is 34 + 21?' --temperature 0 --json", model), *line;
    assert_non_null(lines);
    size_t n = json_array_size(lines), i;
    assert_true(n > 2);
    char *steps = calloc(1, 65536), *whole = calloc(1, 65536);
    json_array_foreach(lines, i, line)
    {
        if (i + 1 == n)
            break;
        expect_keys(line, "token:i text:s");
        strcat(steps, string_of(line, "text"));
    }
    const json_t *finish = json_array_get(lines, n - 1);
    expect_keys(finish, "finish:s text:s reasoning:s prompt_tokens:i tokens:i prefill_tok_s:n decode_tok_s:n seed:i");
    assert_string_equal(string_of(finish, "finish"), "stop");
    assert_int_equal(json_integer_value(json_object_get(finish, "tokens")), n - 1);
    strcat(whole, string_of(finish, "reasoning"));
    strcat(whole, string_of(finish, "text"));
    assert_string_equal(steps, whole);
    assert_non_null(strstr(string_of(finish, "reasoning"), " = "));
    assert_null(strstr(whole, "<think>"));
    assert_null(strstr(whole, "</think>"));
    assert_non_null(strstr(string_of(finish, "text"), "The answer is 55."));
    free(steps);
    free(whole);
    json_decref(lines);
}

static void a_seed_repeats_an_answer(void **state)
{
    (void)state;
    json_t *first = app_json_lines("run %s -p 'What is 34 + 21?' --temperature 5 -n 40 --json", model);
    assert_non_null(first);
    const json_t *finish = json_array_get(first, json_array_size(first) - 1);
    json_int_t seed = json_integer_value(json_object_get(finish, "seed"));
    json_t *second =
        app_json_lines("run %s -p 'What is 34 + 21?' --temperature 5 -n 40 --json --seed %lld", model, (long long)seed);
    assert_non_null(second);
    assert_int_equal(json_array_size(first), json_array_size(second));
    for (size_t i = 0; i + 1 < json_array_size(first); i++)
        assert_true(json_equal(json_array_get(first, i), json_array_get(second, i)));
    json_decref(first);
    json_decref(second);
}

static void info_describes_a_model(void **state)
{
    (void)state;
    json_t *lines = app_json_lines("info %s --json --ctx 256", model), *tensor;
    assert_non_null(lines);
    assert_int_equal(json_array_size(lines), 1);
    const json_t *object = json_array_get(lines, 0);
    expect_keys(object, "family:s format:s config:o tensors:a plan:o parameters:i weight_bytes:i max_positions:i");
    assert_string_equal(string_of(object, "family"), "qwen2");
    assert_string_equal(string_of(object, "format"), "nvfp4-modelopt");
    char path[1200];
    snprintf(path, sizeof path, "%s/config.json", model);
    json_t *config = json_load_file(path, 0, NULL);
    assert_true(json_equal(config, json_object_get(object, "config")));
    json_decref(config);
    const json_t *plan = json_object_get(object, "plan");
    expect_keys(plan,
                "n_ctx:i weights_mapped:i weights_resident:i host:i cache:i scratch:i exchange:i total:i available:i");
    assert_int_equal(json_integer_value(json_object_get(plan, "n_ctx")), 256);
    json_int_t total = 0;
    static const char *const parts[] = {"weights_resident", "host", "cache", "scratch", "exchange"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        total += json_integer_value(json_object_get(plan, parts[i]));
    assert_int_equal(json_integer_value(json_object_get(plan, "total")), total);
    size_t i;
    json_array_foreach(json_object_get(object, "tensors"), i, tensor)
        expect_keys(tensor, "name:s dtype:s shape:a file:s begin:i end:i");
    assert_true(i > 10);
    json_decref(lines);
}

// A link to the model whose name is no UTF-8: null stands where JSON cannot say it.
static void a_name_that_is_no_text_is_null(void **state)
{
    (void)state;
    char *link = app_temporary(), *target = realpath(model, NULL), name[256];
    snprintf(name, sizeof name, "%s\xff", link);
    assert_int_equal(symlink(target, name), 0);
    json_t *directory = app_json_lines("info %s --json", name);
    json_t *file = app_json_lines("info %s/model.safetensors --json", name);
    assert_true(json_is_null(json_object_get(json_array_get(directory, 0), "directory")));
    assert_true(json_is_null(json_object_get(json_array_get(file, 0), "file")));
    json_decref(directory);
    json_decref(file);
    unlink(name);
    unlink(link);
    free(target);
    free(link);
}

static void info_describes_a_file(void **state)
{
    (void)state;
    json_t *lines = app_json_lines("info %s/model.safetensors --json", model), *tensor;
    assert_non_null(lines);
    const json_t *object = json_array_get(lines, 0);
    expect_keys(object, "file:s tensors:a weight_bytes:i");
    size_t i;
    json_array_foreach(json_object_get(object, "tensors"), i, tensor)
    {
        const char *dtype = string_of(tensor, "dtype");
        json_int_t n = strcmp(dtype, "F32") == 0 ? 4 : strcmp(dtype, "BF16") == 0 ? 2 : 1; // else U8 or F8_E4M3
        for (size_t d = 0; d < json_array_size(json_object_get(tensor, "shape")); d++)
            n *= json_integer_value(json_array_get(json_object_get(tensor, "shape"), d));
        assert_int_equal(json_integer_value(json_object_get(tensor, "end")) -
                             json_integer_value(json_object_get(tensor, "begin")),
                         n);
    }
    json_decref(lines);
}

static void bench_prints_every_measurement(void **state)
{
    (void)state;
    json_t *lines = app_json_lines("bench %s --json --prefill 16 --decode 4 --depth 0,8 --batch 1,2 --repeat 3", model),
           *line;
    assert_non_null(lines);
    assert_int_equal(json_array_size(lines), 1 + 4 + 1);
    size_t i, n_decode = 0;
    json_array_foreach(lines, i, line)
    {
        expect_keys(
            line, "kind:s tokens:i depth:i batch:i threads:i membw_gb_s:n ops:s weights:s act:s kv:s rss_peak_bytes:i");
        if (strcmp(string_of(line, "kind"), "load") == 0) {
            expect_keys(line, "seconds:a seconds_median:n");
            continue;
        }
        expect_keys(line, "tok_s:a tok_s_median:n bytes_per_token:n read_gb_s:n");
        assert_int_equal(json_array_size(json_object_get(line, "tok_s")), 3);
        n_decode += strcmp(string_of(line, "kind"), "decode") == 0;
    }
    assert_int_equal(n_decode, 4);
    json_decref(lines);
}

static void bench_runs_a_shape_without_a_model(void **state)
{
    (void)state;
    json_t *lines = app_json_lines(
        "bench --shape %s/config.json --json --prefill 0 --decode 2 --depth 0 --batch 1 --repeat 1", model);
    assert_non_null(lines);
    assert_int_equal(json_array_size(lines), 1);
    assert_string_equal(string_of(json_array_get(lines, 0), "act"), "nvfp4");
    assert_string_equal(string_of(json_array_get(lines, 0), "kv"), "e1m2");
    json_decref(lines);
}

static void plans_are_objects(void **state)
{
    (void)state;
    static const char *const commands[] = {"run", "score", "info", "bench --depth 0"};
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        bool is_score = strcmp(commands[i], "score") == 0; // needs its sequences to know their length
        json_t *lines = is_score ? app_json_lines("score %s --ids - --plan --json <<'END'\n1 2 3\nEND", model)
                                 : app_json_lines("%s %s --plan --json --ctx 512", commands[i], model);
        assert_non_null(lines);
        assert_int_equal(json_array_size(lines), 1);
        expect_keys(json_array_get(lines, 0), "total:i cache:i available:i n_ctx:i");
        json_decref(lines);
    }
}

static void doctor_is_one_object(void **state)
{
    (void)state;
    json_t *lines = app_json_lines("doctor --quick --json");
    assert_non_null(lines);
    assert_int_equal(json_array_size(lines), 1);
    expect_keys(json_array_get(lines, 0), "version:s cpu:s isas:a ops:s cores:i threads:i memory_total_bytes:i "
                                          "memory_available_bytes:i page_cache_bytes:i membw_gb_s:n weights_auto:s "
                                          "advice:a");
    json_decref(lines);
}

static void tokenize_keeps_json_strings(void **state)
{
    (void)state;
    // A zero byte, a newline and a lone surrogate's neighbourhood go there and back.
    static const char *const strings[] = {"\"a\\u0000b\"", "\"line\\nline\"", "\"12 \\ud83d\\ude00\"", "\"\""};
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) {
        json_t *lines =
            app_json_lines("tokenize %s --json <<'END' | ${BUILD:-build}/nibble tokenize %s --json --decode\n%s\nEND",
                           model, model, strings[i]);
        json_t *expected = json_loads(strings[i], JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        assert_non_null(lines);
        assert_true(json_equal(json_array_get(lines, 0), expected));
        json_decref(expected);
        json_decref(lines);
    }
}

static void templates_are_rendered(void **state)
{
    (void)state;
    json_t *lines =
        app_json_lines("tokenize %s --json --template <<'END'\n[{\"role\":\"user\",\"content\":\"Hi\"}]\nEND", model);
    assert_non_null(lines);
    assert_string_equal(json_string_value(json_array_get(lines, 0)),
                        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\n");
    json_decref(lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run_prints_steps_and_a_finish),
        cmocka_unit_test(a_seed_repeats_an_answer),
        cmocka_unit_test(info_describes_a_model),
        cmocka_unit_test(a_name_that_is_no_text_is_null),
        cmocka_unit_test(info_describes_a_file),
        cmocka_unit_test(bench_prints_every_measurement),
        cmocka_unit_test(bench_runs_a_shape_without_a_model),
        cmocka_unit_test(plans_are_objects),
        cmocka_unit_test(doctor_is_one_object),
        cmocka_unit_test(tokenize_keeps_json_strings),
        cmocka_unit_test(templates_are_rendered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
