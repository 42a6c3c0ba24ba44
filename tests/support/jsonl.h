// SPDX-License-Identifier: Apache-2.0
// Golden files of one JSON value a line, and digests of ids.
#ifndef NB_TESTS_SUPPORT_JSONL_H
#define NB_TESTS_SUPPORT_JSONL_H

#include <jansson.h>

#include "platform/base.h"

// Calls `on_line` with each line's value (borrowed); returns the number of lines. A file that can't be read or parsed
// fails the test.
typedef void (*nb_jsonl_fn)(void *user, const json_t *line);
size_t nb_jsonl_each(const char *path, nb_jsonl_fn on_line, void *user);

// True when the ids equal a JSON array of integers.
bool nb_ids_equal(const int32_t *ids, size_t n_ids, const json_t *expected);

// Lower-case hex of SHA-256 of the ids as little-endian u32.
void nb_ids_digest(const int32_t *ids, size_t n_ids, char hex[65]);

#endif
