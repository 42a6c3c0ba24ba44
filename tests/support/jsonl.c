// SPDX-License-Identifier: Apache-2.0
#include "tests/support/jsonl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/sha.h>

#include "tests/support/data_path.h"

size_t nb_jsonl_each(const char *path, nb_jsonl_fn on_line, void *user)
{
    size_t bytes, n = 0;
    char *data = nb_test_file_read(path, &bytes);
    for (char *line = data, *end; line < data + bytes; line = end + 1, n++) {
        end = memchr(line, '\n', (size_t)(data + bytes - line));
        end = end ? end : data + bytes;
        json_error_t detail;
        json_t *value = json_loadb(line, (size_t)(end - line), JSON_ALLOW_NUL, &detail);
        if (!value)
            fail_msg("%s: line %zu: %s", path, n + 1, detail.text);
        on_line(user, value);
        json_decref(value);
    }
    free(data);
    return n;
}

bool nb_ids_equal(const int32_t *ids, size_t n_ids, const json_t *expected)
{
    if (!json_is_array(expected) || json_array_size(expected) != n_ids)
        return false;
    for (size_t i = 0; i < n_ids; i++)
        if (json_integer_value(json_array_get(expected, i)) != ids[i])
            return false;
    return true;
}

void nb_ids_digest(const int32_t *ids, size_t n_ids, char hex[65])
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)ids, n_ids * sizeof *ids, digest); // the tests run on little-endian machines
    for (int i = 0; i < SHA256_DIGEST_LENGTH; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}
