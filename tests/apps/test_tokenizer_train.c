// SPDX-License-Identifier: Apache-2.0
// Training a tokenizer: the merges and ids that the `tokenizers` package finds on the same traces
// (tests/golden/make_trace_tokenizer.py).
#include "apps/qat/tokenizer_train.h"

#include <getopt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "apps/qat/qat_commands.h"
#include "runtime/nibble.h"
#include "tests/support/scratch.h"

enum { N_MERGES = 200 };
static char golden[4096];

static const char *golden_path(const char *name)
{
    static char path[4200];
    snprintf(path, sizeof path, "%s/%s", golden, name);
    return path;
}

static int train(const char *traces, const char *size, const char *out)
{
    const char *argv[] = {"tokenizer", "--traces", traces, "--size", size, "--out", out, NULL};
    optind = 0;
    return nb_command_tokenizer(7, (char **)argv);
}

static void the_merges_are_those_of_tokenizers(void **state)
{
    (void)state;
    assert_int_equal(train(golden_path("corpus.jsonl"), "461", "tok"), 0); // 256 bytes, 200 merges, 5 special tokens
    json_t *file = json_load_file("tok/tokenizer.json", 0, NULL);
    assert_non_null(file);
    const json_t *merges = json_object_get(json_object_get(file, "model"), "merges");
    assert_int_equal(json_array_size(merges), N_MERGES);
    FILE *expected = fopen(golden_path("merges.txt"), "r");
    assert_non_null(expected);
    char line[256], found[256];
    for (size_t i = 0; i < N_MERGES; i++) {
        assert_non_null(fgets(line, sizeof line, expected));
        const json_t *merge = json_array_get(merges, i);
        snprintf(found, sizeof found, "%s %s\n", json_string_value(json_array_get(merge, 0)),
                 json_string_value(json_array_get(merge, 1)));
        if (strcmp(found, line) != 0)
            fail_msg("merge %zu is %sexpected %s", i, found, line);
    }
    assert_null(fgets(line, sizeof line, expected));
    fclose(expected);
    json_decref(file);
}

static void the_ids_are_those_of_tokenizers(void **state)
{
    (void)state;
    nb_text *text;
    assert_int_equal(nb_text_open(&text, "tok", NULL), NB_OK);
    FILE *cases = fopen(golden_path("cases.jsonl"), "r");
    assert_non_null(cases);
    char line[4096];
    size_t n_cases = 0;
    for (; fgets(line, sizeof line, cases); n_cases++) {
        json_t *entry = json_loads(line, 0, NULL);
        const char *string = json_string_value(json_object_get(entry, "text"));
        const json_t *expected = json_object_get(entry, "ids");
        int32_t ids[256];
        size_t n_ids;
        assert_int_equal(nb_text_encode(text, string, strlen(string), 0, ids, 256, &n_ids, NULL), NB_OK);
        assert_int_equal(n_ids, json_array_size(expected));
        for (size_t i = 0; i < n_ids; i++)
            assert_int_equal(ids[i], json_integer_value(json_array_get(expected, i)));
        json_decref(entry);
    }
    assert_int_equal(n_cases, 9);
    fclose(cases);
    nb_text_close(text);
}

static void digits_are_single_and_special_tokens_last(void **state)
{
    (void)state;
    nb_text *text;
    nb_text_info info;
    assert_int_equal(nb_text_open(&text, "tok", NULL), NB_OK);
    nb_text_info_get(text, &info);
    assert_int_equal(info.n_tokens, 461);
    assert_int_equal(info.think_open_id, 459);
    assert_int_equal(info.think_close_id, 460);
    assert_int_equal(info.n_stop_ids, 1);
    assert_int_equal(info.stop_ids[0], 458);
    int32_t ids[64];
    size_t n_ids;
    assert_int_equal(nb_text_encode(text, "84729.5063", 10, 0, ids, 64, &n_ids, NULL), NB_OK);
    assert_int_equal(n_ids, 10);
    nb_message message = {"user", "What is 2 + 2?"};
    nb_chat_options options = nb_chat_defaults();
    bool opens_reasoning;
    assert_int_equal(nb_chat_encode(text, &message, 1, &options, ids, 64, &n_ids, &opens_reasoning, NULL), NB_OK);
    assert_true(opens_reasoning);
    nb_text_close(text);
}

static void every_byte_has_an_id(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++)
        assert_int_equal(nb_bpe_train_byte(nb_bpe_train_byte_id((uint8_t)byte)), byte);
    assert_int_equal(nb_bpe_train_byte(0), '!');
    assert_int_equal(nb_bpe_train_byte(220), ' ');
}

static void bad_input_is_told(void **state)
{
    (void)state;
    assert_int_not_equal(train("nothing.jsonl", "461", "tok2"), 0);
    assert_true(nb_scratch_put("empty.jsonl", ""));
    assert_int_not_equal(train("empty.jsonl", "461", "tok2"), 0);
    assert_true(nb_scratch_put("broken.jsonl", "{\"prompt\": \"a\"}\n{\"prompt\"\n"));
    assert_int_not_equal(train("broken.jsonl", "461", "tok2"), 0);
    struct stat info;
    assert_int_not_equal(stat("tok2", &info), 0);                          // nothing is left behind
    assert_int_equal(train(golden_path("corpus.jsonl"), "461", "tok"), 3); // there is one already
    assert_int_equal(train("none.jsonl", "461", "no/folder"), 1);          // the place first: missing traces are 3
    assert_true(nb_scratch_put("small.jsonl", "{\"prompt\": \"aaaa aaaa\"}\n"));
    assert_int_equal(train("small.jsonl", "461", "small"), 0); // pairs run out: fewer tokens
    const char *argv[] = {"tokenizer", "--traces", "small.jsonl", "--out", "tok", "--force", NULL};
    optind = 0;
    assert_int_equal(nb_command_tokenizer(6, (char **)argv), 0);
}

int main(void)
{
    if (!getcwd(golden, sizeof golden - 20))
        return 1;
    strcat(golden, "/tests/golden/traces");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_has_an_id),
        cmocka_unit_test(the_merges_are_those_of_tokenizers),
        cmocka_unit_test(the_ids_are_those_of_tokenizers),
        cmocka_unit_test(digits_are_single_and_special_tokens_last),
        cmocka_unit_test(bad_input_is_told),
    };
    return cmocka_run_group_tests(tests, nb_scratch_enter, nb_scratch_leave);
}
