// SPDX-License-Identifier: Apache-2.0
// The interpreter against Python's jinja2 (tests/golden/make_chat_goldens.py), its limits, its messages, no memory.
#include "runtime/jinja.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/data_path.h"
#include "tests/support/faults.h"

enum { LINES_MAX = 4096 };

typedef struct golden {
    json_t *rows[LINES_MAX];
    size_t n;
} golden;

static void golden_read(golden *g, const char *path)
{
    char *text = nb_test_file_read(path, NULL), *rest = text, *line;
    g->n = 0;
    while ((line = strsep(&rest, "\n"))) {
        if (!*line)
            continue;
        assert_true(g->n < LINES_MAX);
        g->rows[g->n] = json_loads(line, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(g->rows[g->n]);
        g->n++;
    }
    free(text);
}

static void golden_free(golden *g)
{
    for (size_t i = 0; i < g->n; i++)
        json_decref(g->rows[i]);
}

static const struct tm NOW = {
    .tm_year = 124, .tm_mon = 6, .tm_mday = 26, .tm_hour = 13, .tm_min = 5, .tm_sec = 9, .tm_wday = 5, .tm_yday = 207};

static nb_status render(const char *source, size_t bytes, const nb_render_input *input, nb_rendered *rendered,
                        nb_error *error)
{
    struct nb_template *template;
    *rendered = (nb_rendered){0};
    nb_status status = nb_template_compile(&template, source, bytes, error);
    if (status != NB_OK) {
        assert_null(template);
        return status;
    }
    status = nb_template_render(template, input, rendered, error);
    nb_template_free(template);
    return status;
}

// Whether the template does what Python does; prints where not.
static bool agrees(const json_t *template, const nb_render_input *input, const json_t *expected, const char *label)
{
    nb_rendered r;
    nb_error error = {0};
    nb_status status = render(json_string_value(template), json_string_length(template), input, &r, &error);
    const json_t *text = json_object_get(expected, "text");
    bool same = text ? status == NB_OK && r.bytes == json_string_length(text) &&
                           memcmp(r.text, json_string_value(text), r.bytes) == 0
                     : status == NB_ERR_INPUT && error.text[0];
    if (!same)
        print_error("%s\n  gives:    %.*s%s\n  expected: %s\n", label, (int)r.bytes, r.text ? r.text : "", error.text,
                    text ? json_string_value(text) : "an error");
    nb_rendered_release(&r);
    return same;
}

static void test_units(void **state)
{
    golden units;
    int n_wrong = 0;
    (void)state;
    golden_read(&units, "tests/golden/chat_units.jsonl");
    assert_true(units.n > 400);
    const json_t *variables = json_object_get(units.rows[0], "variables");
    nb_render_input input = {.messages = json_object_get(variables, "messages"), .foreign = variables, .now = &NOW};
    for (size_t i = 1; i < units.n; i++) {
        const json_t *template = json_object_get(units.rows[i], "template");
        n_wrong += !agrees(template, &input, units.rows[i], json_string_value(template));
    }
    golden_free(&units);
    assert_int_equal(n_wrong, 0);
}

static void test_model_templates(void **state)
{
    golden templates, conversations, renders;
    int n_wrong = 0;
    (void)state;
    golden_read(&templates, "tests/golden/chat_templates.jsonl");
    golden_read(&conversations, "tests/golden/chat_conversations.jsonl");
    golden_read(&renders, "tests/golden/chat_renders.jsonl");
    assert_true(templates.n > 40 && renders.n == templates.n * conversations.n);
    for (size_t i = 0; i < renders.n; i++) {
        const json_t *t = templates.rows[json_integer_value(json_object_get(renders.rows[i], "t"))];
        const json_t *c = conversations.rows[json_integer_value(json_object_get(renders.rows[i], "c"))];
        json_t *variables = json_copy(json_object_get(c, "options"));
        json_object_update(variables, json_object_get(t, "tokens"));
        json_object_set_new(variables, "documents", json_null());
        if (!json_object_get(variables, "tools"))
            json_object_set_new(variables, "tools", json_null());
        nb_render_input input = {.messages = json_object_get(c, "messages"), .trusted = variables, .now = &NOW};
        char label[200];
        snprintf(label, sizeof label, "template %s, conversation %s", json_string_value(json_object_get(t, "name")),
                 json_string_value(json_object_get(c, "name")));
        n_wrong += !agrees(json_object_get(t, "template"), &input, renders.rows[i], label);
        json_decref(variables);
    }
    golden_free(&templates);
    golden_free(&conversations);
    golden_free(&renders);
    assert_int_equal(n_wrong, 0);
}

// ---- limits and messages ------------------------------------------------------------------------------------------

static void assert_fails(const char *source, size_t bytes, const char *words)
{
    nb_rendered r;
    nb_error error = {0};
    json_t *messages = json_array();
    nb_status status = render(source, bytes, &(nb_render_input){.messages = messages}, &r, &error);
    if (status != NB_ERR_INPUT || !strstr(error.text, words))
        fail_msg("%.200s\n  gives %d: %s\n  expected: %s", source, (int)status, error.text, words);
    assert_null(r.text);
    nb_rendered_release(&r);
    json_decref(messages);
}

static void assert_refused(const char *source, const char *words)
{
    assert_fails(source, strlen(source), words);
}

static void assert_gives(const char *source, const char *text)
{
    nb_rendered r;
    nb_error error = {0};
    json_t *messages = json_array();
    if (render(source, strlen(source), &(nb_render_input){.messages = messages}, &r, &error) != NB_OK)
        fail_msg("%.200s: %s", source, error.text);
    assert_int_equal(r.bytes, strlen(text));
    assert_memory_equal(r.text, text, r.bytes);
    nb_rendered_release(&r);
    json_decref(messages);
}

// head, then `middle` n times, then tail; the caller frees
static char *repeated(const char *head, const char *middle, size_t n, const char *tail)
{
    char *text = malloc(strlen(head) + n * strlen(middle) + strlen(tail) + 1), *end = text;
    assert_non_null(text);
    end = stpcpy(end, head);
    for (size_t i = 0; i < n; i++)
        end = stpcpy(end, middle);
    stpcpy(end, tail);
    return text;
}

static void assert_refused_repeated(const char *head, const char *middle, size_t n, const char *tail, const char *words)
{
    char *text = repeated(head, middle, n, tail);
    assert_refused(text, words);
    free(text);
}

static void test_depth_limits(void **state)
{
    (void)state;
    assert_refused_repeated("{{ ", "(", 100000, "", "nested too deeply");
    assert_refused_repeated("{{ ", "[", 100000, "", "nested too deeply");
    assert_refused_repeated("{{ ", "- ", 100000, "1 }}", "nested too deeply");
    assert_refused_repeated("{{ ", "not ", 100000, "1 }}", "nested too deeply");
    assert_refused_repeated("{{ 1", " if 1 else 1", 50000, " }}", "nested too deeply");
    assert_refused_repeated("", "{% if 1 %}", 50000, "", "nested too deeply");
    assert_refused_repeated("{{ 1", " + 1", 100000, " }}", "nested too deeply");
    assert_refused_repeated("{{ x", ".x", 100000, " }}", "nested too deeply");
    assert_refused_repeated("{{ 'x'", " | e", 100000, " }}", "nested too deeply");
    assert_refused("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "nested too deeply");
    assert_refused(
        "{% set ns = namespace(x=[]) %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}",
        "nested too deeply");
    assert_refused("{% set n = namespace(x=[]) %}{% set m = namespace(x=[]) %}{% for i in range(9999) %}"
                   "{% set n.x = [n.x] %}{% set m.x = [m.x] %}{% endfor %}{{ n.x == m.x }}",
                   "nested too deeply");
    assert_refused("{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}", "nested too deeply");
}

static void test_work_limits(void **state)
{
    (void)state;
    assert_refused_repeated("{% for i in range(99999) %}{{ 1", " + 1", 60, "}}{% endfor %}", "at most 5000000 steps");
    assert_refused("{% set s = 'ab' * 9999999 %}{% for i in range(99) %}{{ 'b' * 9999 in s }}{% endfor %}", "steps");
    assert_refused("{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}", "expected at most");
    // work that makes no text is charged, too; replacing or splitting everywhere costs one pass
    assert_refused("{% set s = ' ' * 999999 %}{% for i in range(99999) %}{% set y = s.strip() %}{% endfor %}", "steps");
    assert_refused("{% set s = 'a' * 999999 %}{% set t = 'b' * 999999 ~ 'a' %}{{ s.strip(t) }}", "steps");
    assert_refused("{% set s = 'a' * 999999 %}{{ s.rfind('a' * 99999 ~ 'b') }}", "steps");
    assert_refused("{% set s = 'a' * 999999 %}{% for i in range(99999) %}{{ s | wordcount }}{% endfor %}", "steps");
    assert_refused("{% set s = 'a' * 999999 %}{% for i in range(99999) %}{{ s.rsplit(none, 1)[1:] }}{% endfor %}",
                   "steps");
    assert_refused("{% set s = 'a' * 999999 %}{% for i in range(99999) %}{{ s.removeprefix(s) }}{% endfor %}", "steps");
    assert_refused("{% set s = ' ' * 999999 %}{% for i in range(99999) %}{{ s | int }}{% endfor %}", "steps");
    assert_gives("{{ ('a line of a long document\n' * 40000).replace('\n', ' ').split(' ') | length }}", "240001");
    assert_refused("{{ range(100001) }}", "range: expected at most 100000 items");
    assert_refused("{{ range(-9223372036854775807, 9223372036854775807) }}", "range: expected at most");
    assert_refused("{{ 'x' * 1000000000000 }}", "expected at most");
    assert_refused("{{ 'xxxxxxxxxxxxxxxx' * 4000000 * 4 * 4 }}", "bytes in all");
    assert_refused("{% set n = namespace(s='x') %}{% for i in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}",
                   "bytes in all");
    assert_refused("{% set n = namespace(s=[1]) %}{% for i in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}",
                   "expected at most");
    assert_refused("{{ 9223372036854775807 + 1 }}", "64-bit");
    assert_refused("{{ 9 ** 99 }}", "64-bit");
    assert_refused("{{ 99999999999999999999 }}", "64-bit");
    assert_refused_repeated("", "x", (1 << 20) + 1, "", "expected at most 1048576 bytes, found 1048577");
}

static void test_messages(void **state)
{
    (void)state;
    assert_refused("{{ '%\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00' % 1.5 }}",
                   "expected one of s r d i f e g x o, found byte 0x00");
    assert_refused("{{ '%\\x00d' % 1 }}", "expected one of s r d");
    assert_refused("a\nb\n{{ 'x' | foo }}", "chat template line 3: unknown filter 'foo'; expected one of abs, ");
    assert_refused("\n{{ 1 is foo }}", "chat template line 2: unknown test 'foo'; expected one of defined, ");
    assert_refused("{% for x in y %}\n", "line 1: expected endfor, found the end of the template");
    assert_refused("{%\nfor x %}", "line 2: expected in, found %}");
    assert_refused("{{ x.y }}", "line 1: 'x' is undefined");
    assert_refused("\n\n{{ raise_exception('no ' ~ 1) }}", "line 3: the template refuses: no 1");
    assert_refused("{% unknown %}", "expected one of if, for, set");
    assert_refused("{{ 'a' + 1 }}", "+ of a string and an integer");
    assert_refused("{{ 'a'.split(1) }}", "split: expected a string, found an integer");
    assert_refused("{{ 'a'.replace('b') }}", "replace: expected at least 2 arguments of (old new count)");
    assert_fails("ab\xff", 3, "expected UTF-8, found byte 0xff at offset 2");
    assert_fails("{{ '\xc3", 5, "expected UTF-8");
}

static void test_empty(void **state)
{
    nb_rendered r;
    nb_error error = {0};
    (void)state;
    assert_int_equal(render("", 0, &(nb_render_input){0}, &r, &error), NB_OK);
    assert_int_equal(r.bytes, 0);
    nb_rendered_release(&r);
    nb_template_free(NULL);
}

static void test_clock(void **state)
{
    nb_rendered r;
    nb_error error = {0};
    (void)state;
    assert_int_equal(render("{{ strftime_now('%Y') | int > 2024 }}", 37, &(nb_render_input){0}, &r, &error), NB_OK);
    assert_memory_equal(r.text, "True", 4);
    nb_rendered_release(&r);
}

// Every allocation in turn fails once: an error, nothing leaked, nothing left in the result.
static void test_no_memory(void **state)
{
    static const char source[] = "{% for m in messages %}{{ m.content | upper }}{{ 'x' * 200000 }}{% endfor %}";
    json_t *messages = json_loads("[{\"role\":\"user\",\"content\":\"hi\"}]", 0, NULL);
    nb_render_input input = {.messages = messages};
    uint64_t n = 1;
    (void)state;
    for (bool fired = true; fired; n++) {
        nb_rendered r;
        nb_error error = {0};
        nb_faults_fail_at(NB_FAULT_MALLOC, n);
        nb_status status = render(source, sizeof source - 1, &input, &r, &error);
        fired = nb_faults_reset();
        assert_int_equal(status, fired ? NB_ERR_SYSTEM : NB_OK);
        nb_rendered_release(&r);
    }
    assert_true(n > 5);
    json_decref(messages);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_units),       cmocka_unit_test(test_model_templates), cmocka_unit_test(test_depth_limits),
        cmocka_unit_test(test_work_limits), cmocka_unit_test(test_messages),        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_clock),       cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
