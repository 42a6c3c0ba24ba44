// SPDX-License-Identifier: Apache-2.0
// JSON given by the caller to values, each string marked with who wrote it.
#include "runtime/jinja_run.h"

#include <string.h>

static nb_jval from_json(nb_jinja *j, const json_t *json, uint8_t mark);

static nb_jval from_array(nb_jinja *j, const json_t *json, uint8_t mark)
{
    nb_jval value = nb_jval_list(j, NB_J_LIST, json_array_size(json));
    for (size_t i = 0; i < json_array_size(json); i++)
        nb_jlist_push(j, value.list, from_json(j, json_array_get(json, i), mark));
    return value;
}

static void dict_append(nb_jinja *j, nb_jdict *dict, nb_jval key, nb_jval value)
{
    // Keys of a JSON object are unique, so there is nothing to look up.
    uint32_t n = dict->n;
    dict->n = 0;
    if (n == dict->capacity) {
        nb_jdict grown = {.capacity = n ? 2 * n : 8};
        grown.keys = nb_jinja_alloc(j, grown.capacity * sizeof *grown.keys);
        grown.values = nb_jinja_alloc(j, grown.capacity * sizeof *grown.values);
        if (n) {
            memcpy(grown.keys, dict->keys, n * sizeof *grown.keys);
            memcpy(grown.values, dict->values, n * sizeof *grown.values);
        }
        *dict = grown;
    }
    dict->keys[n] = key;
    dict->values[n] = value;
    dict->n = n + 1;
}

static nb_jval from_object(nb_jinja *j, const json_t *json, uint8_t mark)
{
    nb_jval value = nb_jval_dict(j);
    const char *key;
    json_t *item;
    json_object_foreach((json_t *)json, key, item)
    {
        dict_append(j, value.dict, nb_jval_string(j, key, strlen(key), mark), from_json(j, item, mark));
    }
    return value;
}

static nb_jval from_json(nb_jinja *j, const json_t *json, uint8_t mark)
{
    nb_jval value = nb_jval_none();
    nb_jinja_enter(j);
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        value = from_object(j, json, mark);
        break;
    case JSON_ARRAY:
        value = from_array(j, json, mark);
        break;
    case JSON_STRING:
        value = nb_jval_string(j, json_string_value(json), json_string_length(json), mark);
        break;
    case JSON_INTEGER:
        value = nb_jval_int(json_integer_value(json));
        break;
    case JSON_REAL:
        value = nb_jval_float(json_real_value(json));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        value = nb_jval_bool(json_is_true(json));
        break;
    case JSON_NULL:
        break;
    }
    value.mark = mark;
    nb_jinja_leave(j);
    return value;
}

// The role when it is one of the words that templates build control tokens from ('<|' + role + '|>'): a word of this
// list injects nothing. Any other role is the caller's text.
static bool is_known_role(const json_t *role)
{
    static const char *const roles[] = {"system", "developer", "user",    "assistant",
                                        "tool",   "function",  "ipython", "model"};
    for (size_t i = 0; json_is_string(role) && i < NB_COUNT(roles); i++)
        if (strcmp(json_string_value(role), roles[i]) == 0)
            return true;
    return false;
}

static nb_jval from_message(nb_jinja *j, const json_t *message)
{
    if (!json_is_object(message))
        return from_json(j, message, NB_JMARK_FOREIGN);
    const json_t *role = json_object_get(message, "role");
    bool is_answer = json_is_string(role) && strcmp(json_string_value(role), "assistant") == 0;
    nb_jval value = nb_jval_dict(j);
    const char *key;
    json_t *item;
    json_object_foreach((json_t *)message, key, item)
    {
        uint8_t mark = NB_JMARK_FOREIGN;
        if (is_answer && strcmp(key, "content") == 0)
            mark = NB_JMARK_ANSWER;
        if (item == role && is_known_role(role))
            mark = NB_JMARK_TRUSTED;
        dict_append(j, value.dict, nb_jval_string(j, key, strlen(key), NB_JMARK_FOREIGN), from_json(j, item, mark));
    }
    return value;
}

static void bind_object(nb_jinja *j, nb_jdict *variables, const json_t *object, uint8_t mark)
{
    const char *key;
    json_t *item;
    json_object_foreach((json_t *)object, key, item)
    {
        nb_jdict_set(j, variables, nb_jval_literal(j, key), from_json(j, item, mark));
    }
}

void nb_jinja_bind_input(nb_jinja *j, nb_jdict *variables, const nb_render_input *input)
{
    if (input->foreign)
        bind_object(j, variables, input->foreign, NB_JMARK_FOREIGN);
    if (input->trusted)
        bind_object(j, variables, input->trusted, NB_JMARK_TRUSTED);
    nb_jval messages = nb_jval_list(j, NB_J_LIST, json_array_size(input->messages));
    for (size_t i = 0; i < json_array_size(input->messages); i++)
        nb_jlist_push(j, messages.list, from_message(j, json_array_get(input->messages, i)));
    nb_jdict_set(j, variables, nb_jval_literal(j, "messages"), messages);
}
