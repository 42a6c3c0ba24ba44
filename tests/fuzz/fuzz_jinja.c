// SPDX-License-Identifier: Apache-2.0
// A chat template over fixed messages and variables: compiled or refused, rendered or refused; what comes out has one
// valid mark a byte.
#include "runtime/jinja.h"

#include <string.h>

static const char MESSAGES[] =
    "[{\"role\":\"system\",\"content\":\"\xc3\x9c\"},"
    "{\"role\":\"user\",\"content\":\"\xe4\xb8\x96\xf0\x9f\xa7\xae\\n\",\"n\":[1,2.5,null,true,-7]},"
    "{\"role\":\"assistant\",\"content\":\"<think>\\na\\n</think>\\n\\nb\",\"tool_calls\":[{\"type\":\"function\","
    "\"function\":{\"name\":\"f\",\"arguments\":{\"a\":[1,{\"b\":\"c\"}],\"items\":{}}}}]},"
    "{\"role\":\"tool\",\"content\":[{\"type\":\"text\",\"text\":\"t\"}]}]";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nb_template *template;
    nb_error error = {0};
    nb_rendered r;
    if (nb_template_compile(&template, (const char *)data, size, &error) != NB_OK) {
        NB_ASSERT(!template && error.text[0] != '\0');
        return 0;
    }
    struct tm now = {.tm_year = 124, .tm_mday = 1};
    json_t *messages = json_loads(MESSAGES, 0, NULL);
    json_t *trusted =
        json_pack("{s:s, s:s, s:b, s:n}", "bos_token", "<s>", "eos_token", "</s>", "add_generation_prompt", 1, "tools");
    nb_render_input input = {.messages = messages, .trusted = trusted, .now = &now};
    nb_status status = nb_template_render(template, &input, &r, &error);
    NB_ASSERT((status == NB_OK) == (error.text[0] == '\0'));
    for (size_t i = 0; i < r.bytes; i++)
        NB_ASSERT(r.marks[i] <= 2);
    nb_rendered_release(&r);
    nb_template_free(template);
    json_decref(messages);
    json_decref(trusted);
    return 0;
}
