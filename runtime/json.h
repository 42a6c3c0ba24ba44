// SPDX-License-Identifier: Apache-2.0
// Strict reading of JSON from outside: jansson with duplicate keys refused and a budget, and typed getters whose
// errors name file, key, what was expected and what was found.
#ifndef NB_RUNTIME_JSON_H
#define NB_RUNTIME_JSON_H

#include <jansson.h>

#include "platform/base.h"

// One whole JSON object from `bytes` bytes at `text` (need not be zero-terminated). Refused: invalid UTF-8, duplicate
// keys, anything but white space after the object, nesting over NB_LIMIT_JSON_DEPTH, more than `max_values` values
// (counted before anything is allocated, so a hostile file cannot cost more than about 250 bytes for each).
// `file` names the source in errors. The caller releases `*root` with json_decref. NB_ERR_INPUT; NB_ERR_SYSTEM for lack
// of memory. (jansson takes that for a syntax error in some places, so it is asked a second time.)
NB_MUST_USE nb_status nb_json_parse(json_t **root, const char *text, size_t bytes, size_t max_values, const char *file,
                                    nb_error *error);

// `object` as zero-terminated text with jansson's `flags`; the caller frees it. NULL for no object, or when memory is
// short. (json_dumps leaves a key out when its buffer cannot grow just there; here the buffer is sized first.)
char *nb_json_text(const json_t *object, size_t flags);

typedef struct nb_json_reader {
    const json_t *object;
    const char *file; // for errors
    nb_error *error;
} nb_json_reader;

typedef enum nb_json_need {
    NB_JSON_REQUIRED, // missing or null is an error
    NB_JSON_OPTIONAL, // missing or null leaves the result as it was
} nb_json_need;

// The value, or NULL when missing or null.
const json_t *nb_json_find(const nb_json_reader *reader, const char *key);

// All errors are NB_ERR_INPUT.
NB_MUST_USE nb_status nb_json_u32(const nb_json_reader *reader, const char *key, nb_json_need need, uint32_t min,
                                  uint32_t max, uint32_t *value);
// A finite number, also written as an integer, min <= value <= max.
NB_MUST_USE nb_status nb_json_number(const nb_json_reader *reader, const char *key, nb_json_need need, double min,
                                     double max, double *value);
NB_MUST_USE nb_status nb_json_bool(const nb_json_reader *reader, const char *key, nb_json_need need, bool *value);
// The string lives with the document.
NB_MUST_USE nb_status nb_json_string(const nb_json_reader *reader, const char *key, nb_json_need need,
                                     const char **value);
NB_MUST_USE nb_status nb_json_object(const nb_json_reader *reader, const char *key, nb_json_need need,
                                     const json_t **value);
NB_MUST_USE nb_status nb_json_array(const nb_json_reader *reader, const char *key, nb_json_need need,
                                    const json_t **value);

// "file: key: expected ..., found <value>": for rules the getters do not know. `value` may be NULL (missing).
NB_MUST_USE nb_status nb_json_unexpected(const nb_json_reader *reader, const char *key, const char *expected,
                                         const json_t *value);

#endif
