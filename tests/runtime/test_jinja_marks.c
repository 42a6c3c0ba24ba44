// SPDX-License-Identifier: Apache-2.0
// Who wrote each byte: marks through every operation that makes text. Template text is T, assistant content is A,
// everything else from outside is F.
#include "runtime/jinja.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char MESSAGES[] =
    "[{\"role\":\"user\",\"content\":\"U é u\",\"n\":12,\"yes\":true,\"parts\":[\"p\",\"q\"],\"map\":{\"k\":\"v\"}},"
    "{\"role\":\"assistant\",\"content\":\"A<think>a\",\"reasoning_content\":\"r\","
    "\"parts\":[{\"text\":\"t\"}]},{\"role\":\"critic\",\"content\":[{\"text\":\"c\"}]},"
    "{\"role\":\"assistant\",\"content\":[{\"text\":\"c\"}]}]";

static void assert_marks(const char *source, const char *text, const char *marks)
{
    struct nb_template *template;
    nb_rendered r;
    nb_error error = {0};
    json_t *messages = json_loads(MESSAGES, 0, NULL), *trusted = json_pack("{s:s}", "bos_token", "<s>");
    json_t *foreign = json_pack("{s:s, s:i}", "tool", "tl", "number", 7);
    nb_render_input input = {.messages = messages, .trusted = trusted, .foreign = foreign};
    char wrapped[400];
    snprintf(wrapped, sizeof wrapped, "{%% set u = messages[0] %%}{%% set a = messages[1] %%}%s", source);
    if (nb_template_compile(&template, wrapped, strlen(wrapped), &error) != NB_OK ||
        nb_template_render(template, &input, &r, &error) != NB_OK)
        fail_msg("%s: %s", source, error.text);
    char found[400] = "";
    for (size_t i = 0; i < r.bytes; i++)
        found[i] = "TAF"[r.marks[i]];
    if (r.bytes != strlen(text) || memcmp(r.text, text, r.bytes) != 0 || strcmp(found, marks) != 0)
        fail_msg("%s\n  gives    %.*s\n           %s\n  expected %s\n           %s", source, (int)r.bytes, r.text,
                 found, text, marks);
    nb_rendered_release(&r);
    nb_template_free(template);
    json_decref(messages);
    json_decref(trusted);
    json_decref(foreign);
}

static void test_sources(void **state)
{
    (void)state;
    assert_marks("x{{ 'y' }}{{ bos_token }}", "xy<s>", "TTTTT");
    assert_marks("{{ u.content }}", "U é u", "FFFFFF");
    assert_marks("{{ a.content }}", "A<think>a", "AAAAAAAAA");
    assert_marks("{{ a.reasoning_content }}{{ a.parts[0].text }}", "rt", "FF");
    assert_marks("{{ messages[2].content[0].text }}{{ messages[3].content[0].text }}", "cc", "FA");
    assert_marks("{{ tool }}{{ number }}{{ number + 1 }}{{ 1 + 1 }}{{ u.yes }}{{ u.n }}", "tl782True12", "FFFFTFFFFFF");
    assert_marks("{{ '<|' + u.role + '|>' }}{{ messages[2].role }}", "<|user|>critic", "TTTTTTTTFFFFFF");
    assert_marks("{% for k in u.map %}{{ k }}{% endfor %}{{ u.map.k }}", "kv", "FF");
}

static void test_operations(void **state)
{
    (void)state;
    assert_marks("{{ 'x' + a.content[:2] ~ u.content[0] }}", "xA<U", "TAAF");
    assert_marks("{{ u.content[::-1] }}{{ ('x' + tool)[::-1] }}", "u é Ultx", "FFFFFFFFT");
    assert_marks("{{ ('x' + tool) | upper }}{{ (tool + 'x').title() }}", "XTLTlx", "TFFFFT");
    assert_marks("{{ ('x' + u.content + 'y') | lower }}", "xu é uy", "TFFFFFFT");
    assert_marks("{{ (' ' + tool + ' ') | trim }}{{ (tool ~ '-x').split('-')[1] }}", "tlx", "FFT");
    assert_marks("{{ 'a-b' | replace('-', tool) }}{{ tool | replace('t', 'z') }}", "atlbzl", "TFFTTF");
    assert_marks("{{ u.parts | join('+') }}{{ ['x', tool] | join }}", "p+qxtl", "FTFTFF");
    assert_marks("{{ u.parts }}{{ u.map | tojson }}", "['p', 'q']{\"k\": \"v\"}", "TTFTTTTFTTTTFTTTTFTT");
    assert_marks("{{ '<a>' | e }}{{ (tool + '<') | e }}", "&lt;a&gt;tl&lt;", "TTTTTTTTTFFTTTT");
    assert_marks("{{ '%s-%s' | format(tool, 1) }}{{ '%05d' | format(number) }}", "tl-100007", "FFTTFFFFF");
    assert_marks("{% set x %}a{{ tool }}{% endset %}{{ x }}{% macro m(v) %}<{{ v }}>{% endmacro %}{{ m(tool) }}",
                 "atl<tl>", "TFFTFFT");
    assert_marks("{{ (tool + '%%' + tool) % () }}{{ (tool + '%d%%') % 1 }}", "tl%tltl1%", "FFTFFFFTT");
    assert_marks("{{ ('%%' + tool)[2:] + tool[:0] }}{{ strftime_now(tool) }}{{ strftime_now('<') }}", "tltl<", "FFFFT");
    assert_marks("{{ ('x\n' + tool) | indent(1) }}{{ tool * 2 }}", "x\n tltltl", "TTTFFFFFF");
    assert_marks("{{ tool | list | last }}{{ tool | first }}{{ (tool ~ 'x') | reverse }}", "ltxlt", "FFTFF");
    assert_marks("{{ a.content.split('<think>')[-1] }}{{ '<think>' in a.content }}", "aTrue", "ATTTT");
    assert_marks("{{ (tool, 'x') | string }}{{ tool | length }}", "('tl', 'x')2", "TTFFTTTTTTTT");
    assert_marks("{% filter upper %}x{{ tool }}{% endfilter %}{{ tool | default('d') }}", "XTLtl", "TFFFF");
}

// What is written in escapes by repr or JSON keeps the mark of the character it stands for.
static void test_escapes(void **state)
{
    (void)state;
    assert_marks("{{ [tool + '\n'] }}", "['tl\\n']", "TTFFTTTT");
    assert_marks("{{ (tool + '\"') | tojson }}", "\"tl\\\"\"", "TFFTTT");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sources),
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_escapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
