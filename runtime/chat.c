// SPDX-License-Identifier: Apache-2.0
#include "runtime/chat.h"

#include <string.h>

#include "runtime/buffer.h"
#include "runtime/text.h"
#include "runtime/utf8.h"

nb_chat_options nb_chat_defaults(void)
{
    return (nb_chat_options){.add_generation_prompt = true, .enable_thinking = -1};
}

// Takes `value` (NULL: no memory).
static bool set(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0;
}

// The variables beside the messages, or NULL for lack of memory.
static json_t *make_variables(const nb_text *text, const nb_chat_options *options)
{
    const struct {
        const char *name, *value;
    } tokens[] = {{"bos_token", text->bos_token},
                  {"eos_token", text->eos_token},
                  {"pad_token", text->pad_token},
                  {"unk_token", text->unk_token}};
    json_t *variables = json_object();
    bool done = variables && set(variables, "add_generation_prompt", json_boolean(options->add_generation_prompt)) &&
                set(variables, "tools", json_null()) && set(variables, "documents", json_null());
    if (done && options->enable_thinking >= 0)
        done = set(variables, "enable_thinking", json_boolean(options->enable_thinking));
    for (size_t i = 0; done && i < NB_COUNT(tokens); i++)
        if (tokens[i].value)
            done = set(variables, tokens[i].name, json_string_nocheck(tokens[i].value));
    if (done)
        return variables;
    json_decref(variables);
    return NULL;
}

static nb_status no_memory(nb_error *error)
{
    return nb_error_set(error, NB_ERR_SYSTEM, "chat: no memory");
}

// The template, or why there is none: a template that does not compile is reported here, when it is asked for.
static nb_status find_template(const nb_text *text, nb_error *error)
{
    struct nb_template *template = NULL;
    if (text->compiled)
        return NB_OK;
    if (!text->chat_template)
        return nb_error_set(error, NB_ERR_INPUT,
                            "the model has no chat template; expected chat_template.jinja, or chat_template in "
                            "tokenizer_config.json; try plain text without a template");
    nb_status status = nb_template_compile(&template, text->chat_template, text->chat_template_bytes, error);
    nb_template_free(template);
    return status != NB_OK ? status : no_memory(error);
}

nb_status nb_chat_render_marked(const nb_text *text, const json_t *messages, const nb_chat_options *options,
                                nb_rendered *rendered, nb_error *error)
{
    nb_chat_options defaults = nb_chat_defaults();
    *rendered = (nb_rendered){0};
    NB_TRY(find_template(text, error));
    json_t *variables = make_variables(text, options ? options : &defaults);
    if (!variables)
        return no_memory(error);
    nb_render_input input = {.messages = messages, .trusted = variables};
    nb_status status = nb_template_render(text->compiled, &input, rendered, error);
    json_decref(variables);
    return status;
}

bool nb_chat_opens_reasoning(const char *text, const uint8_t *marks, size_t bytes)
{
    static const char open[] = "<think>";
    size_t n = sizeof open - 1;
    while (bytes > 0 && strchr(" \t\r\n", text[bytes - 1]) && text[bytes - 1])
        bytes--;
    if (bytes < n || memcmp(text + bytes - n, open, n) != 0)
        return false;
    return !marks || !memchr(marks + bytes - n, NB_MARK_FOREIGN, n);
}

// Bytes that are not UTF-8 become U+FFFD. NULL for lack of memory.
static json_t *make_string(const char *text)
{
    size_t bytes = strlen(text);
    if (nb_utf8_is_valid(text, bytes))
        return json_stringn_nocheck(text, bytes);
    nb_buffer repaired = {0};
    bool done = true;
    for (size_t i = 0; done && i < bytes;) {
        nb_utf8 c = nb_utf8_read(text + i, bytes - i);
        done = c.kind == NB_UTF8_VALID ? nb_buffer_append(&repaired, text + i, c.bytes)
                                       : nb_buffer_append(&repaired, NB_UTF8_REPLACEMENT, 3);
        i += c.bytes;
    }
    json_t *string = done ? json_stringn_nocheck(repaired.data, repaired.bytes) : NULL;
    nb_buffer_free(&repaired);
    return string;
}

// NULL for lack of memory.
static json_t *messages_to_json(const nb_message *messages, size_t n_messages)
{
    json_t *array = json_array();
    bool done = array != NULL;
    for (size_t i = 0; done && i < n_messages; i++) {
        json_t *message = json_object();
        done = message && set(message, "role", make_string(messages[i].role)) &&
               set(message, "content", make_string(messages[i].content));
        if (done)
            done = json_array_append_new(array, message) == 0;
        else
            json_decref(message);
    }
    if (done)
        return array;
    json_decref(array);
    return NULL;
}

nb_status nb_chat_encode(const nb_text *text, const nb_message *messages, size_t n_messages,
                         const nb_chat_options *options, int32_t *ids, size_t capacity, size_t *n_ids,
                         bool *opens_reasoning, nb_error *error)
{
    nb_rendered rendered;
    *n_ids = 0;
    for (size_t i = 0; i < n_messages; i++)
        if (!messages[i].role || !messages[i].content)
            return nb_error_set(error, NB_ERR_ARGUMENT, "message %zu: expected a role and content, found NULL", i);
    json_t *array = messages_to_json(messages, n_messages);
    if (!array)
        return no_memory(error);
    nb_status status = nb_chat_render_marked(text, array, options, &rendered, error);
    json_decref(array);
    if (status == NB_OK) {
        if (opens_reasoning)
            *opens_reasoning = nb_chat_opens_reasoning(rendered.text, rendered.marks, rendered.bytes);
        status = nb_tokenizer_encode(text->tokenizer, rendered.text, rendered.bytes, rendered.marks, NB_TEXT_SPECIAL,
                                     ids, capacity, n_ids, error);
    }
    nb_rendered_release(&rendered);
    return status;
}

static nb_status parse_messages(json_t **messages, const char *json, size_t bytes, nb_error *error)
{
    json_error_t problem;
    *messages = json_loadb(json, bytes, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &problem);
    if (!*messages)
        return nb_error_set(error, NB_ERR_INPUT, "messages: expected a JSON array, found at line %d, column %d: %s",
                            problem.line, problem.column, problem.text);
    bool is_list = json_is_array(*messages);
    for (size_t i = 0; is_list && i < json_array_size(*messages); i++)
        is_list = json_is_object(json_array_get(*messages, i));
    if (is_list)
        return NB_OK;
    json_decref(*messages);
    return nb_error_set(error, NB_ERR_INPUT, "messages: expected a JSON array of objects, found something else");
}

nb_status nb_chat_render(const nb_text *text, const char *messages_json, size_t json_bytes,
                         const nb_chat_options *options, char *string, size_t capacity, size_t *bytes, nb_error *error)
{
    nb_rendered rendered;
    json_t *messages;
    *bytes = 0;
    NB_TRY(parse_messages(&messages, messages_json, json_bytes, error));
    nb_status status = nb_chat_render_marked(text, messages, options, &rendered, error);
    json_decref(messages);
    if (status == NB_OK) {
        *bytes = rendered.bytes;
        if (rendered.bytes > capacity && capacity > 0)
            nb_error_set(error, NB_ERR_FIT, "chat text: expected room for %zu bytes, found %zu", rendered.bytes,
                         capacity);
        if (rendered.bytes > capacity)
            status = NB_ERR_FIT;
        else if (rendered.bytes)
            memcpy(string, rendered.text, rendered.bytes);
    }
    nb_rendered_release(&rendered);
    return status;
}
