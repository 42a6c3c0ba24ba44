// SPDX-License-Identifier: Apache-2.0
// A model directory's text: which file says what, what may be missing, what is refused, and failing reads and memory.
#include "runtime/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/data_path.h"
#include "tests/support/faults.h"

static const char TOKENIZER[] =
    "{\"added_tokens\":[{\"id\":2,\"content\":\"<s>\",\"special\":true},{\"id\":3,\"content\":\"</"
    "s>\",\"special\":true},"
    "{\"id\":4,\"content\":\"<think>\",\"special\":false}],\"decoder\":{\"type\":\"ByteLevel\"},"
    "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1},\"merges\":[]}}";

typedef struct place {
    char directory[4096];
} place;

static void put(const place *p, const char *name, const char *content)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/%s", p->directory, name);
    nb_test_file_write(path, content, strlen(content));
}

static place made(const char *tokenizer)
{
    place p;
    nb_test_directory_make(p.directory, sizeof p.directory);
    if (tokenizer)
        put(&p, "tokenizer.json", tokenizer);
    return p;
}

static nb_text *opened(const place *p)
{
    nb_text *text;
    nb_error error = {0};
    if (nb_text_open(&text, p->directory, &error) != NB_OK)
        fail_msg("%s", error.text);
    return text;
}

static void tokenizer_json_alone_is_enough(void **state)
{
    (void)state;
    place p = made(TOKENIZER);
    nb_text *text = opened(&p);
    nb_text_info info;
    nb_text_info_get(text, &info);
    assert_int_equal(info.n_tokens, 5);
    assert_int_equal(info.bos_id, -1);
    assert_int_equal(info.think_open_id, 4);
    assert_int_equal(info.think_close_id, -1);
    assert_int_equal(info.n_stop_ids, 0);
    assert_false(info.has_chat_template);
    nb_text_close(text);
    nb_test_directory_remove(p.directory);
}

static void each_file_adds_its_part(void **state)
{
    (void)state;
    place p = made(TOKENIZER);
    put(&p, "tokenizer_config.json",
        "{\"bos_token\":{\"content\":\"<s>\"},\"eos_token\":\"</s>\",\"pad_token\":null,\"tokenizer_class\":\"Wrong\","
        "\"chat_template\":[{\"name\":\"tools\",\"template\":\"t\"},{\"name\":\"default\",\"template\":\"d\"}]}");
    put(&p, "config.json", "{\"eos_token_id\":7,\"model_type\":\"x\"}");
    put(&p, "generation_config.json", "{\"eos_token_id\":[9,7]}");
    nb_text *text = opened(&p);
    nb_text_info info;
    nb_text_info_get(text, &info);
    assert_int_equal(info.bos_id, 2);
    assert_int_equal(info.n_stop_ids, 3);
    assert_memory_equal(info.stop_ids, ((const int32_t[]){9, 7, 3}), 3 * sizeof(int32_t));
    assert_string_equal(text->eos_token, "</s>");
    assert_null(text->pad_token);
    assert_string_equal(text->chat_template, "d");
    nb_text_close(text);
    put(&p, "chat_template.jinja", "file");
    text = opened(&p);
    assert_string_equal(text->chat_template, "file");
    assert_int_equal(text->chat_template_bytes, 4);
    nb_text_close(text);
    nb_test_directory_remove(p.directory);
}

static void a_broken_template_leaves_the_tokenizer(void **state)
{
    (void)state;
    place p = made(TOKENIZER);
    put(&p, "chat_template.jinja", "{% if %}");
    nb_text *text = opened(&p);
    assert_null(text->compiled);
    assert_non_null(text->chat_template);
    nb_text_close(text);
    nb_test_directory_remove(p.directory);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"tokenizer_config.json", "{\"bos_token\":1}", "bos_token"},
        {"tokenizer_config.json", "{\"chat_template\":1}", "chat_template"},
        {"tokenizer_config.json", "{\"chat_template\":[{\"name\":\"default\"}]}", "template"},
        {"tokenizer_config.json", "{\"a\":1,\"a\":2}", "duplicate"},
        {"generation_config.json", "{\"eos_token_id\":\"x\"}", "eos_token_id"},
        {"config.json", "[", "config.json"},
        {"tokenizer.json", "", "tokenizer.json"},
    };
    for (size_t i = 0; i < NB_COUNT(cases); i++) {
        place p = made(TOKENIZER);
        put(&p, cases[i][0], cases[i][1]);
        nb_text *text;
        nb_error error = {0};
        assert_int_equal(nb_text_open(&text, p.directory, &error), NB_ERR_INPUT);
        assert_null(text);
        if (!strstr(error.text, cases[i][2]))
            fail_msg("'%s' does not say '%s'", error.text, cases[i][2]);
        nb_test_directory_remove(p.directory);
    }
    place p = made(NULL);
    nb_text *text;
    assert_int_equal(nb_text_open(&text, p.directory, NULL), NB_ERR_INPUT);
    assert_int_equal(nb_text_open(&text, NULL, NULL), NB_ERR_ARGUMENT);
    nb_test_directory_remove(p.directory);
}

static void every_read_and_allocation_may_fail(void **state)
{
    (void)state;
    static const nb_fault kinds[] = {NB_FAULT_MALLOC, NB_FAULT_OPEN, NB_FAULT_READ};
    place p = made(TOKENIZER);
    put(&p, "tokenizer_config.json", "{\"bos_token\":\"<s>\",\"eos_token\":\"</s>\",\"chat_template\":\"{{ a }}\"}");
    put(&p, "generation_config.json", "{\"eos_token_id\":[3,2]}");
    for (size_t i = 0; i < NB_COUNT(kinds); i++) {
        for (uint64_t n = 1;; n++) {
            nb_text *text;
            nb_error error = {0};
            nb_faults_fail_at(kinds[i], n);
            nb_status status = nb_text_open(&text, p.directory, &error);
            bool failed = nb_faults_reset();
            if (!failed) {
                assert_int_equal(status, NB_OK);
                nb_text_close(text);
                break;
            }
            if (status == NB_OK)
                nb_text_close(text); // a pattern that is interpreted instead of compiled
            else
                assert_true(!text && error.text[0]);
        }
    }
    nb_test_directory_remove(p.directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokenizer_json_alone_is_enough),         cmocka_unit_test(each_file_adds_its_part),
        cmocka_unit_test(a_broken_template_leaves_the_tokenizer), cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(every_read_and_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
