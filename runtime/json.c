// SPDX-License-Identifier: Apache-2.0
#include "runtime/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/limits.h"

// Counts values and depth by their punctuation, outside strings, and finds the longest distance between two of these
// characters. It judges nothing else: that is the parser's work.
static nb_status check_budget(const char *text, size_t bytes, size_t max_values, const char *file, size_t *longest,
                              nb_error *error)
{
    size_t n_values = 1, depth = 0, last = 0;
    *longest = 0;
    bool in_string = false;
    for (size_t i = 0; i < bytes; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
            continue;
        }
        in_string = c == '"';
        n_values += c == ',' || c == '{' || c == '[';
        if (c == ',' || c == ':' || c == '{' || c == '[' || c == '}' || c == ']') {
            *longest = nb_max(*longest, i - last);
            last = i;
        }
        if ((c == '{' || c == '[') && ++depth > NB_LIMIT_JSON_DEPTH)
            return nb_error_set(error, NB_ERR_INPUT, "%s: JSON nested too deeply; expected at most %u levels", file,
                                NB_LIMIT_JSON_DEPTH);
        if ((c == '}' || c == ']') && depth > 0)
            depth--;
        if (n_values > max_values)
            return nb_error_set(error, NB_ERR_INPUT, "%s: JSON has too many values; expected at most %zu", file,
                                max_values);
    }
    *longest = nb_max(*longest, bytes - last);
    return NB_OK;
}

// jansson collects each token in one buffer, and where that cannot grow it drops bytes without a word; without its
// closing quote a string is read beyond the buffer. So the document is read as the second element of an array whose
// first is a string as long as any token: if that arrives whole, the buffer never has to grow again.
static const char head[] = "[\"", middle[] = "\",", tail[] = "]";

// How long that string is. The buffer of 16 bytes doubles when a byte would fill it, and every later byte asks again: a
// string with its quotes just short of a power of two has had half its length to ask when its closing quote comes.
static size_t first_length(size_t longest)
{
    size_t full = 32;
    while (full - 4 < longest)
        full *= 2;
    return full - 4;
}

static json_t *load(const char *text, size_t bytes, size_t longest, json_error_t *detail)
{
    memset(detail, 0, sizeof *detail); // no text: out of memory
    if (longest >= SIZE_MAX / 16)
        return NULL;
    size_t n_first = first_length(longest), n_before = sizeof head - 1 + n_first + sizeof middle - 1;
    size_t n_all = n_before + bytes + sizeof tail;
    char *larger = malloc(n_all + 4 * n_first);
    char *document = larger ? realloc(larger, n_all) : NULL; // what this gives back is there when the buffer grows
    if (!document) {
        free(larger);
        return NULL;
    }
    memcpy(document, head, sizeof head - 1);
    memset(document + sizeof head - 1, 'x', n_first);
    memcpy(document + sizeof head - 1 + n_first, middle, sizeof middle - 1);
    memcpy(document + n_before, text, bytes);
    memcpy(document + n_before + bytes, tail, sizeof tail);
    json_t *pair = json_loadb(document, n_before + bytes + sizeof tail - 1, JSON_REJECT_DUPLICATES, detail);
    free(document);
    if (detail->line == 1 && detail->column > 0)
        detail->column -= (int)nb_min(n_before, (size_t)detail->column);
    bool is_whole = json_string_length(json_array_get(pair, 0)) == n_first;
    json_t *root = is_whole && json_array_size(pair) == 2 ? json_incref(json_array_get(pair, 1)) : NULL;
    if (pair && is_whole && !root)
        snprintf(detail->text, sizeof detail->text, "one value expected");
    json_decref(pair);
    return root;
}

nb_status nb_json_parse(json_t **root, const char *text, size_t bytes, size_t max_values, const char *file,
                        nb_error *error)
{
    *root = NULL;
    size_t longest;
    NB_TRY(check_budget(text, bytes, max_values, file, &longest, error));
    json_error_t detail, again;
    *root = load(text, bytes, longest, &detail);
    if (!*root) {
        // Where memory ends jansson may blame the text; what is wrong with that is wrong a second time.
        json_t *second = load(text, bytes, longest, &again);
        bool is_same = !second && again.text[0] && strcmp(again.text, detail.text) == 0;
        json_decref(second);
        if (!is_same || json_error_code(&detail) == json_error_out_of_memory)
            return nb_error_set(error, NB_ERR_SYSTEM, "%s: out of memory while reading JSON", file);
        return nb_error_set(error, NB_ERR_INPUT, "%s: not valid JSON: %.160s (line %d, column %d)", file, detail.text,
                            detail.line, detail.column);
    }
    if (!json_is_object(*root)) {
        json_decref(*root);
        *root = NULL;
        return nb_error_set(error, NB_ERR_INPUT, "%s: expected a JSON object, found an array", file);
    }
    return NB_OK;
}

const json_t *nb_json_find(const nb_json_reader *reader, const char *key)
{
    const json_t *value = json_object_get(reader->object, key);
    return json_is_null(value) ? NULL : value;
}

static void describe(const json_t *value, char *text, size_t capacity)
{
    if (!value)
        snprintf(text, capacity, "nothing");
    else if (json_is_string(value))
        snprintf(text, capacity, "\"%.60s\"", json_string_value(value));
    else if (json_is_integer(value))
        snprintf(text, capacity, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        snprintf(text, capacity, "%.17g", json_real_value(value));
    else if (json_is_boolean(value))
        snprintf(text, capacity, "%s", json_is_true(value) ? "true" : "false");
    else
        snprintf(text, capacity, "%s",
                 json_is_object(value)  ? "an object"
                 : json_is_array(value) ? "an array"
                                        : "null");
}

nb_status nb_json_unexpected(const nb_json_reader *reader, const char *key, const char *expected, const json_t *value)
{
    char found[96];
    describe(value, found, sizeof found);
    return nb_error_set(reader->error, NB_ERR_INPUT, "%s: %.100s: expected %s, found %s", reader->file, key, expected,
                        found);
}

nb_status nb_json_u32(const nb_json_reader *reader, const char *key, nb_json_need need, uint32_t min, uint32_t max,
                      uint32_t *result)
{
    const json_t *value = nb_json_find(reader, key);
    if (!value && need == NB_JSON_OPTIONAL)
        return NB_OK;
    json_int_t integer = json_integer_value(value);
    if (!json_is_integer(value) || integer < (json_int_t)min || integer > (json_int_t)max) {
        char expected[64];
        snprintf(expected, sizeof expected, "an integer from %u to %u", min, max);
        return nb_json_unexpected(reader, key, expected, value);
    }
    *result = (uint32_t)integer;
    return NB_OK;
}

nb_status nb_json_number(const nb_json_reader *reader, const char *key, nb_json_need need, double min, double max,
                         double *result)
{
    const json_t *value = nb_json_find(reader, key);
    if (!value && need == NB_JSON_OPTIONAL)
        return NB_OK;
    double number = json_number_value(value);
    if (!json_is_number(value) || !(number >= min && number <= max)) {
        char expected[64];
        snprintf(expected, sizeof expected, "a number from %g to %g", min, max);
        return nb_json_unexpected(reader, key, expected, value);
    }
    *result = number;
    return NB_OK;
}

nb_status nb_json_bool(const nb_json_reader *reader, const char *key, nb_json_need need, bool *result)
{
    const json_t *value = nb_json_find(reader, key);
    if (!value && need == NB_JSON_OPTIONAL)
        return NB_OK;
    if (!json_is_boolean(value))
        return nb_json_unexpected(reader, key, "true or false", value);
    *result = json_is_true(value);
    return NB_OK;
}

nb_status nb_json_string(const nb_json_reader *reader, const char *key, nb_json_need need, const char **result)
{
    const json_t *value = nb_json_find(reader, key);
    if (!value && need == NB_JSON_OPTIONAL)
        return NB_OK;
    if (!json_is_string(value))
        return nb_json_unexpected(reader, key, "a string", value);
    *result = json_string_value(value);
    return NB_OK;
}

nb_status nb_json_object(const nb_json_reader *reader, const char *key, nb_json_need need, const json_t **result)
{
    const json_t *value = nb_json_find(reader, key);
    if (!value && need == NB_JSON_OPTIONAL)
        return NB_OK;
    if (!json_is_object(value))
        return nb_json_unexpected(reader, key, "an object", value);
    *result = value;
    return NB_OK;
}

nb_status nb_json_array(const nb_json_reader *reader, const char *key, nb_json_need need, const json_t **result)
{
    const json_t *value = nb_json_find(reader, key);
    if (!value && need == NB_JSON_OPTIONAL)
        return NB_OK;
    if (!json_is_array(value))
        return nb_json_unexpected(reader, key, "an array", value);
    *result = value;
    return NB_OK;
}

char *nb_json_text(const json_t *object, size_t flags)
{
    size_t bytes = object ? json_dumpb(object, NULL, 0, flags) : 0;
    char *text = bytes ? malloc(bytes + 1) : NULL;
    if (!text)
        return NULL;
    if (json_dumpb(object, text, bytes, flags) != bytes) {
        free(text);
        return NULL;
    }
    text[bytes] = '\0';
    return text;
}
