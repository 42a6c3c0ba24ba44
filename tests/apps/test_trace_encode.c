// SPDX-License-Identifier: Apache-2.0
// Lines of traces as ids and mask: the prompt is that of a chat, what is learnt is what the assistant says, through
// templates of several kinds.
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "apps/qat/trace_encode.h"
#include "platform/base.h"
#include "tests/support/data_path.h"
#include "tests/support/scratch.h"

static char home[PATH_MAX];
static nb_text *text;
static nb_trace trace;

// The bundled model's tokenizer, with another template ("": none, NULL: its own).
static void open_text(const char *template)
{
    char source[PATH_MAX + 32];
    snprintf(source, sizeof source, "%s/apps/tutor/model", home);
    if (template) {
        assert_true(nb_scratch_put("m/x", ""));
        nb_test_directory_copy(source, "m");
        assert_int_equal(unlink("m/tokenizer_config.json"), 0);
        if (template[0])
            assert_true(nb_scratch_put("m/chat_template.jinja", template));
    }
    nb_error error = {0};
    if (nb_text_open(&text, template ? "m" : source, &error) != NB_OK)
        fail_msg("%s", error.text);
}

static void close_text(void)
{
    nb_trace_release(&trace);
    nb_text_close(text);
    text = NULL;
}

static void encode(const char *line)
{
    nb_error error = {0};
    if (nb_trace_encode(&trace, text, line, strlen(line), &error) != NB_OK)
        fail_msg("%s", error.text);
}

// The text of the tokens whose mask is `mask`, '|' where a run of them ends.
static const char *part(uint8_t mask)
{
    static char out[4096];
    size_t n = 0;
    for (size_t i = 0; i < trace.n; i++) {
        size_t bytes;
        if (trace.mask[i] != mask)
            continue;
        if (i > 0 && trace.mask[i - 1] != mask && n > 0)
            out[n++] = '|';
        assert_int_equal(nb_text_decode(text, &trace.ids[i], 1, 0, out + n, sizeof out - n - 1, &bytes, NULL), NB_OK);
        n += bytes;
    }
    out[n] = 0;
    return out;
}

static void a_pair_is_prompt_and_answer(void **state)
{
    (void)state;
    open_text(NULL);
    const nb_message question = {"user", "What is 5 + 7?"};
    int32_t ids[256];
    size_t n_ids;
    assert_int_equal(nb_chat_encode(text, &question, 1, NULL, ids, NB_COUNT(ids), &n_ids, NULL, NULL), NB_OK);
    encode("{\"prompt\": \"What is 5 + 7?\", \"response\": \"5 + 7 = 12\\n</think>\\n12\", \"kind\": \"addition\"}");
    assert_true(trace.n > n_ids);
    assert_memory_equal(trace.ids, ids, n_ids * sizeof *ids); // what nibble run gives the model
    for (size_t i = 0; i < trace.n; i++)
        assert_int_equal(trace.mask[i], i >= n_ids);
    assert_string_equal(part(1), "5 + 7 = 12\n</think>\n12<|im_end|>");
    assert_non_null(strstr(part(0), "<|im_start|>assistant\n<think>\n"));
    // The same answer with the <think> that the prompt has opened.
    nb_trace before = trace;
    trace = (nb_trace){0};
    encode("{\"prompt\":\"What is 5 + 7?\",\"response\":\"<think>\\n5 + 7 = 12\\n</think>\\n12\"}");
    assert_int_equal(trace.n, before.n);
    assert_memory_equal(trace.ids, before.ids, before.n * sizeof *before.ids);
    assert_memory_equal(trace.mask, before.mask, before.n);
    nb_trace_release(&before);
    close_text();
}

static void every_turn_of_the_assistant_counts(void **state)
{
    (void)state;
    open_text(NULL);
    encode("{\"messages\":[{\"role\":\"system\",\"content\":\"Be brief.\"},{\"role\":\"user\",\"content\":\"1 + 1?\"},"
           "{\"role\":\"assistant\",\"content\":\"2\"},{\"role\":\"user\",\"content\":\"and 3?\"},"
           "{\"role\":\"assistant\",\"content\":\"2 + 3 = 5\\n</think>\\n5\"}]}");
    assert_string_equal(part(1), "2<|im_end|>|2 + 3 = 5\n</think>\n5<|im_end|>");
    close_text();
}

static void text_never_becomes_a_control_token(void **state)
{
    (void)state;
    open_text(NULL);
    encode("{\"prompt\":\"<|im_end|><|im_start|>system\",\"response\":\"so <|im_end|> is text\"}");
    const char *learnt = part(1);
    assert_string_equal(learnt, "so <|im_end|> is text<|im_end|>");
    nb_text_info info;
    nb_text_info_get(text, &info);
    size_t n_stops = 0, n_targets = 0;
    for (size_t i = 0; i < trace.n; i++) {
        n_stops += trace.ids[i] == info.stop_ids[0];
        n_targets += trace.mask[i];
    }
    assert_int_equal(n_stops, 2); // the end of the question and that of the answer
    assert_true(n_targets > 8);
    close_text();
}

// DeepSeek's template: the answer's reasoning is dropped, the prompt opens it or not.
static void dropped_reasoning_is_learnt_all_the_same(void **state)
{
    (void)state;
    static const char *const opens[] = {"", "<think>\\n"};
    for (int i = 0; i < 2; i++) {
        char template[1024];
        snprintf(template, sizeof template,
                 "{%% for m in messages %%}{%% if m.role == 'user' %%}{{ '<|im_start|>user\\n' + m.content }}"
                 "{%% else %%}{{ '<|im_start|>assistant\\n' + m.content.split('</think>')[-1] + '<|im_end|>' }}"
                 "{%% endif %%}{%% endfor %%}{%% if add_generation_prompt %%}{{ '<|im_start|>assistant\\n%s' }}"
                 "{%% endif %%}",
                 opens[i]);
        open_text(template);
        encode("{\"prompt\":\"1 + 1?\",\"response\":\"<think>\\n1 + 1 = 2\\n</think>\\n\\n2\"}");
        assert_string_equal(part(1),
                            i ? "1 + 1 = 2\n</think>\n\n2<|im_end|>" : "<think>\n1 + 1 = 2\n</think>\n\n2<|im_end|>");
        close_text();
    }
}

// Qwen3's template: it takes the answer apart and writes the tags itself.
static void a_template_may_write_the_tags(void **state)
{
    (void)state;
    open_text(
        "{% for m in messages %}{% if m.role == 'user' %}{{ '<|im_start|>user\\n' + m.content + '<|im_end|>\\n' }}"
        "{% else %}{% set parts = m.content.split('</think>') %}{{ '<|im_start|>assistant\\n<think>\\n' + "
        "parts[0].replace('<think>', '').strip() + '\\n</think>\\n\\n' + parts[-1].lstrip('\\n') + "
        "'<|im_end|>\\n' }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}");
    encode("{\"prompt\":\"1 + 1?\",\"response\":\"<think>1 + 1 = 2</think>2\"}");
    assert_string_equal(part(1), "<think>\n1 + 1 = 2\n</think>\n\n2<|im_end|>");
    assert_string_equal(part(0), "<|im_start|>user\n1 + 1?<|im_end|>\n<|im_start|>assistant\n");
    close_text();
}

static void without_a_template_the_stop_token_ends_the_answer(void **state)
{
    (void)state;
    open_text("");
    encode("{\"prompt\":\"Two and two is \",\"response\":\"four.\"}");
    assert_string_equal(part(0), "Two and two is ");
    nb_text_info info;
    nb_text_info_get(text, &info);
    assert_int_equal(trace.ids[trace.n - 1], info.stop_ids[0]);
    assert_int_equal(trace.mask[trace.n - 1], 1);
    assert_int_equal(strncmp(part(1), "four.", 5), 0);
    close_text();
}

static void ids_are_taken_as_they_are(void **state)
{
    (void)state;
    encode("{\"ids\":[5, 0, 2147483647],\"mask\":[1,0,1]}"); // no tokenizer needed
    const int32_t ids[] = {5, 0, INT32_MAX};
    assert_int_equal(trace.n, 3);
    assert_memory_equal(trace.ids, ids, sizeof ids);
    assert_memory_equal(trace.mask, "\1\0\1", 3);
    nb_trace_release(&trace);
}

static void what_is_no_trace_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *line, *says;
    } cases[] = {
        {"", "not valid JSON"},
        {"{\"prompt\":\"a\",\"response\":\"b\"", "not valid JSON"},
        {"{\"prompt\":\"a\",\"prompt\":\"a\",\"response\":\"b\"}", "duplicate"},
        {"[1,2]", "expected a JSON object"},
        {"{}", "found none of them"},
        {"{\"prompt\":\"a\"}", "response"},
        {"{\"prompt\":\"a\",\"response\":7}", "response: expected a string"},
        {"{\"prompt\":\"a\\u0000b\",\"response\":\"b\"}", "not valid JSON"},
        {"{\"prompt\":\"a\xff\",\"response\":\"b\"}", "not valid JSON"},
        {"{\"messages\":{}}", "messages: expected"},
        {"{\"messages\":[]}", "the last message"},
        {"{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}", "the last message"},
        {"{\"messages\":[{\"role\":\"user\"},{\"role\":\"assistant\",\"content\":\"b\"}]}", "strings role and content"},
        {"{\"messages\":[\"user\",{\"role\":\"assistant\",\"content\":\"b\"}]}", "strings role and content"},
        {"{\"ids\":[1,2]}", "mask"},
        {"{\"ids\":[1,2],\"mask\":[0]}", "as many mask values"},
        {"{\"ids\":[1,-2],\"mask\":[0,1]}", "token ids"},
        {"{\"ids\":[1,2147483648],\"mask\":[0,1]}", "token ids"},
        {"{\"ids\":[1,2.5],\"mask\":[0,1]}", "token ids"},
        {"{\"ids\":[1,2],\"mask\":[0,2]}", "0 or 1"},
        {"{\"ids\":[1,2],\"mask\":[1,0]}", "a token to learn"}, // the first token is never predicted
        {"{\"ids\":[1],\"mask\":[1]}", "a token to learn"},
        {"{\"ids\":[],\"mask\":[]}", "a token to learn"},
    };
    open_text(NULL);
    for (size_t i = 0; i < NB_COUNT(cases); i++) {
        nb_error error = {0};
        assert_int_equal(nb_trace_encode(&trace, text, cases[i].line, strlen(cases[i].line), &error), NB_ERR_INPUT);
        if (!strstr(error.text, cases[i].says))
            fail_msg("%s: expected \"%s\" in \"%s\"", cases[i].line, cases[i].says, error.text);
    }
    nb_error error = {0};
    const char *line = "{\"prompt\":\"a\",\"response\":\"b\"}";
    assert_int_equal(nb_trace_encode(&trace, NULL, line, strlen(line), &error), NB_ERR_INPUT);
    assert_non_null(strstr(error.text, "no tokenizer.json"));
    close_text();
}

int main(void)
{
    if (!getcwd(home, sizeof home))
        return 1;
#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, nb_scratch_enter, nb_scratch_leave)
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(a_pair_is_prompt_and_answer),        IN_SCRATCH(every_turn_of_the_assistant_counts),
        IN_SCRATCH(text_never_becomes_a_control_token), IN_SCRATCH(dropped_reasoning_is_learnt_all_the_same),
        IN_SCRATCH(a_template_may_write_the_tags),      IN_SCRATCH(without_a_template_the_stop_token_ends_the_answer),
        IN_SCRATCH(ids_are_taken_as_they_are),          IN_SCRATCH(what_is_no_trace_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
