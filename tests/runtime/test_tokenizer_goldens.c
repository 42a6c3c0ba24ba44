// SPDX-License-Identifier: Apache-2.0
// Equality with the Python package `tokenizers` and with the reference encodings, id by id.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/nibble.h"
#include "runtime/tokenizer.h"
#include "tests/support/data_path.h"
#include "tests/support/jsonl.h"

typedef struct tally {
    const nb_text *text;
    const nb_tokenizer *tokenizer;
    const char *name;
    size_t n_cases;
} tally;

static nb_text *opened(const char *relative)
{
    const char *path = nb_test_data(relative);
    if (!path)
        skip();
    char directory[4096];
    snprintf(directory, sizeof directory, "%s", path);
    nb_text *text;
    nb_error error = {0};
    if (nb_text_open(&text, directory, &error) != NB_OK)
        fail_msg("%s", error.text);
    return text;
}

static int32_t *encoded(const nb_text *text, const char *string, size_t bytes, unsigned flags, size_t *n_ids)
{
    nb_error error = {0};
    int32_t *ids = malloc((2 * bytes + 16) * sizeof *ids);
    assert_non_null(ids);
    if (nb_text_encode(text, string, bytes, flags, ids, 2 * bytes + 16, n_ids, &error) != NB_OK)
        fail_msg("%s", error.text);
    return ids;
}

// ---- small tokenizers that use every component ---

static void check_encode(const tally *t, const json_t *one, const char *key, unsigned flags)
{
    const char *text = json_string_value(json_object_get(one, "text"));
    int32_t ids[4096];
    size_t n_ids;
    nb_error error = {0};
    if (nb_tokenizer_encode(t->tokenizer, text, strlen(text), NULL, flags, ids, NB_COUNT(ids), &n_ids, &error) != NB_OK)
        fail_msg("%s: '%s': %s", t->name, text, error.text);
    if (!nb_ids_equal(ids, n_ids, json_object_get(one, key)))
        fail_msg("%s: '%s': other ids", t->name, text);
}

static void check_decode(const tally *t, const json_t *one, const char *key, unsigned flags)
{
    const json_t *list = json_object_get(one, "ids"), *expected = json_object_get(one, key);
    int32_t ids[4096];
    char text[16384];
    size_t bytes;
    assert_in_range(json_array_size(list), 0, NB_COUNT(ids));
    for (size_t i = 0; i < json_array_size(list); i++)
        ids[i] = (int32_t)json_integer_value(json_array_get(list, i));
    assert_int_equal(
        nb_tokenizer_decode(t->tokenizer, ids, json_array_size(list), flags, text, sizeof text, &bytes, NULL), NB_OK);
    if (bytes != json_string_length(expected) || memcmp(text, json_string_value(expected), bytes) != 0)
        fail_msg("%s: decoded '%.*s', expected '%s'", t->name, (int)bytes, text, json_string_value(expected));
}

static void check_variant(void *user, const json_t *line)
{
    tally *t = user;
    const json_t *cases = json_object_get(line, "cases");
    char *json = json_dumps(json_object_get(line, "tokenizer"), JSON_COMPACT);
    nb_tokenizer *tokenizer;
    nb_error error = {0};
    t->name = json_string_value(json_object_get(line, "name"));
    if (nb_tokenizer_parse(&tokenizer, json, strlen(json), &error) != NB_OK)
        fail_msg("%s: %s", t->name, error.text);
    t->tokenizer = tokenizer;
    for (size_t i = 0; i < json_array_size(cases); i++, t->n_cases++) {
        const json_t *one = json_array_get(cases, i);
        check_encode(t, one, "ids", NB_TEXT_SPECIAL);
        check_encode(t, one, "with", NB_TEXT_SPECIAL | NB_TEXT_ADD);
        check_decode(t, one, "decoded", 0);
        check_decode(t, one, "skipped", NB_TEXT_SKIP);
    }
    nb_tokenizer_free(tokenizer);
    free(json);
}

static void every_component_gives_the_ids_of_the_python_package(void **state)
{
    (void)state;
    tally t = {0};
    assert_int_equal(nb_jsonl_each("tests/golden/tokenizer_variants.jsonl", check_variant, &t), 23);
    assert_true(t.n_cases > 2000);
}

// ---- reference data ---

static void check_line(void *user, const json_t *line)
{
    tally *t = user;
    const json_t *text = json_object_get(line, "text");
    size_t n_ids;
    int32_t *ids = encoded(t->text, json_string_value(text), json_string_length(text), NB_TEXT_SPECIAL, &n_ids);
    if (!nb_ids_equal(ids, n_ids, json_object_get(line, t->name)))
        fail_msg("other ids: '%s'", json_string_value(text));
    free(ids);
    t->n_cases++;
}

static void the_reference_lines(void **state)
{
    (void)state;
    const char *lines = nb_test_data("tokenizers/reference-encodings/lines.jsonl");
    if (!lines)
        skip();
    char path[4096];
    snprintf(path, sizeof path, "%s", lines);
    nb_text *text = opened("tokenizers/qwen3");
    tally t = {.text = text, .name = "qwen3"};
    nb_jsonl_each(path, check_line, &t);
    assert_int_equal(t.n_cases, 379);
    nb_text_close(text);
}

static void check_digest(const int32_t *ids, size_t n_ids, const json_t *expected, const char *key, const char *file)
{
    char hex[65];
    nb_ids_digest(ids, n_ids, hex);
    if (strcmp(hex, json_string_value(json_object_get(expected, key))) != 0)
        fail_msg("%s: other ids (%zu, expected %lld)", file, n_ids,
                 (long long)json_integer_value(json_object_get(expected, "n")));
}

static void check_udhr(void *user, const json_t *line)
{
    tally *t = user;
    const char *file = json_string_value(json_object_get(line, "file"));
    size_t bytes, n_ids;
    char *data = nb_test_file_read(nb_test_data(file), &bytes);
    int32_t *ids = encoded(t->text, data, bytes, NB_TEXT_SPECIAL, &n_ids);
    check_digest(ids, n_ids, json_object_get(line, "qwen2"), "sha256_le_u32", file);
    free(ids);
    free(data);
    t->n_cases++;
}

static void the_reference_texts_of_qwen2(void **state)
{
    (void)state;
    const char *lines = nb_test_data("tokenizers/reference-encodings/udhr.jsonl");
    if (!lines)
        skip();
    char path[4096];
    snprintf(path, sizeof path, "%s", lines);
    nb_text *text = opened("tokenizers/qwen2.5");
    tally t = {.text = text};
    nb_jsonl_each(path, check_udhr, &t);
    assert_int_equal(t.n_cases, 57);
    nb_text_close(text);
}

// Each line alone, its ids followed by -1. Left out are the lines where the Python package has older Unicode tables.
static int32_t *encoded_lines(const nb_text *text, const char *data, size_t bytes, const json_t *skipped, size_t *n_ids)
{
    size_t i_line = 0, i_skip = 0;
    int32_t *all = malloc((2 * bytes + 16) * sizeof *all);
    assert_non_null(all);
    *n_ids = 0;
    for (const char *line = data, *end; line <= data + bytes; line = end + 1) {
        end = memchr(line, '\n', (size_t)(data + bytes - line));
        end = end ? end : data + bytes;
        if (i_skip < json_array_size(skipped) &&
            json_integer_value(json_array_get(skipped, i_skip)) == (json_int_t)i_line++) {
            i_skip++;
            continue;
        }
        size_t n;
        int32_t *ids = encoded(text, line, (size_t)(end - line), NB_TEXT_SPECIAL, &n);
        memcpy(all + *n_ids, ids, n * sizeof *ids);
        *n_ids += n;
        all[(*n_ids)++] = -1;
        free(ids);
    }
    return all;
}

static void check_text(void *user, const json_t *line)
{
    tally *t = user;
    const char *file = json_string_value(json_object_get(line, "file")), *path = nb_test_data(file);
    assert_non_null(path);
    size_t bytes, n_ids;
    char *data = nb_test_file_read(path, &bytes);
    int32_t *ids = json_is_true(json_object_get(line, "lines"))
                       ? encoded_lines(t->text, data, bytes, json_object_get(line, "skip"), &n_ids)
                       : encoded(t->text, data, bytes, NB_TEXT_SPECIAL, &n_ids);
    check_digest(ids, n_ids, line, "sha256", file);
    free(ids);
    free(data);
    t->n_cases++;
}

// 55 languages, two books, malformed UTF-8, and every line of Unicode's normalisation test.
static void whole_texts_give_the_ids_of_the_python_package(void **state)
{
    (void)state;
    nb_text *text = opened("tokenizers/qwen3");
    tally t = {.text = text};
    nb_jsonl_each("tests/golden/tokenizer_texts.jsonl", check_text, &t);
    assert_true(t.n_cases >= 60);
    nb_text_close(text);
}

// ---- the oracle models and mini-math ---

static void check_model_case(void *user, const json_t *line)
{
    tally *t = user;
    const json_t *text = json_object_get(line, "text");
    size_t n_ids, bytes;
    int32_t *ids =
        encoded(t->text, json_string_value(text), json_string_length(text), NB_TEXT_SPECIAL | NB_TEXT_ADD, &n_ids);
    assert_true(nb_ids_equal(ids, n_ids, json_object_get(line, "ids_with_bos")));
    free(ids);
    ids = encoded(t->text, json_string_value(text), json_string_length(text), NB_TEXT_SPECIAL, &n_ids);
    assert_true(nb_ids_equal(ids, n_ids, json_object_get(line, "ids")));
    const json_t *decoded = json_object_get(line, "decoded");
    char *out = malloc(json_string_length(decoded) + 1);
    assert_int_equal(nb_text_decode(t->text, ids, n_ids, 0, out, json_string_length(decoded) + 1, &bytes, NULL), NB_OK);
    assert_int_equal(bytes, json_string_length(decoded));
    assert_memory_equal(out, json_string_value(decoded), bytes);
    free(out);
    free(ids);
    t->n_cases++;
}

static void the_cases_of_the_oracle_models(void **state)
{
    (void)state;
    static const char *const models[] = {"qwen2", "llama3"};
    for (size_t i = 0; i < NB_COUNT(models); i++) {
        char directory[128], cases[128], path[4096];
        snprintf(directory, sizeof directory, "models/oracle/%s", models[i]);
        snprintf(cases, sizeof cases, "models/oracle/%s/oracle/tokenizer_cases.jsonl", models[i]);
        if (!nb_test_data(cases))
            skip();
        snprintf(path, sizeof path, "%s", nb_test_data(cases));
        nb_text *text = opened(directory);
        tally t = {.text = text};
        nb_jsonl_each(path, check_model_case, &t);
        assert_int_equal(t.n_cases, 32);
        nb_text_close(text);
    }
}

static void check_prompt(void *user, const json_t *line)
{
    tally *t = user;
    const json_t *prompt = json_object_get(line, "prompt");
    size_t n_ids;
    int32_t *ids = encoded(t->text, json_string_value(prompt), json_string_length(prompt), NB_TEXT_SPECIAL, &n_ids);
    assert_true(nb_ids_equal(ids, n_ids, json_object_get(line, "prompt_ids")));
    free(ids);
    t->n_cases++;
}

static void the_prompts_of_mini_math(void **state)
{
    (void)state;
    const char *greedy = nb_test_data("models/mini-math/oracle/greedy.jsonl");
    if (!greedy)
        skip();
    char path[4096];
    snprintf(path, sizeof path, "%s", greedy);
    nb_text *text = opened("models/mini-math");
    tally t = {.text = text};
    nb_jsonl_each(path, check_prompt, &t);
    assert_int_equal(t.n_cases, 40);
    nb_text_close(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_component_gives_the_ids_of_the_python_package),
        cmocka_unit_test(the_reference_lines),
        cmocka_unit_test(the_reference_texts_of_qwen2),
        cmocka_unit_test(whole_texts_give_the_ids_of_the_python_package),
        cmocka_unit_test(the_cases_of_the_oracle_models),
        cmocka_unit_test(the_prompts_of_mini_math),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
