// SPDX-License-Identifier: Apache-2.0
// tokenizer.json, a zero byte, then a text: refused, or ids in range, the same count when asked for, and decodable.
#include <stdlib.h>
#include <string.h>

#include "runtime/nibble.h"
#include "runtime/tokenizer.h"
#include "runtime/utf8.h"

static void decode(const nb_tokenizer *tokenizer, const int32_t *ids, size_t n_ids)
{
    size_t bytes, again;
    nb_status status = nb_tokenizer_decode(tokenizer, ids, n_ids, NB_TEXT_SKIP, NULL, 0, &bytes, NULL);
    NB_ASSERT(status == (bytes ? NB_ERR_FIT : NB_OK));
    char *text = malloc(bytes + 1);
    NB_ASSERT(text);
    status = nb_tokenizer_decode(tokenizer, ids, n_ids, NB_TEXT_SKIP, text, bytes + 1, &again, NULL);
    NB_ASSERT(status == NB_OK && again == bytes && nb_utf8_is_valid(text, bytes));
    free(text);
}

static void encode(const nb_tokenizer *tokenizer, const char *text, size_t bytes, const uint8_t *marks, unsigned flags)
{
    nb_error error = {0};
    size_t n_ids, again;
    nb_status status = nb_tokenizer_encode(tokenizer, text, bytes, marks, flags, NULL, 0, &n_ids, &error);
    NB_ASSERT(status != NB_ERR_ARGUMENT && (error.status == NB_OK || status == NB_ERR_INPUT));
    if (status != NB_OK && status != NB_ERR_FIT)
        return;
    int32_t *ids = malloc((n_ids + 1) * sizeof *ids);
    NB_ASSERT(ids);
    status = nb_tokenizer_encode(tokenizer, text, bytes, marks, flags, ids, n_ids, &again, &error);
    NB_ASSERT(status == NB_OK && again == n_ids);
    for (size_t i = 0; i < n_ids; i++)
        NB_ASSERT(ids[i] >= 0 && (uint32_t)ids[i] < nb_tokenizer_count(tokenizer));
    decode(tokenizer, ids, n_ids);
    free(ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *json = (const char *)data, *zero = size ? memchr(data, 0, size) : NULL;
    size_t json_bytes = zero ? (size_t)(zero - json) : size;
    const char *text = zero ? zero + 1 : json + size;
    size_t bytes = (size_t)(json + size - text);
    nb_tokenizer *tokenizer;
    nb_error error = {0};
    if (nb_tokenizer_parse(&tokenizer, json, json_bytes, &error) != NB_OK) {
        NB_ASSERT(!tokenizer && error.text[0]);
        return 0;
    }
    uint8_t *marks = malloc(bytes + 1);
    NB_ASSERT(marks);
    for (size_t i = 0; i < bytes; i++)
        marks[i] = (uint8_t)(i / 16 % 3);
    encode(tokenizer, text, bytes, NULL, NB_TEXT_SPECIAL | NB_TEXT_ADD);
    encode(tokenizer, text, bytes, marks, NB_TEXT_SPECIAL);
    encode(tokenizer, text, bytes, NULL, 0);
    free(marks);
    nb_tokenizer_free(tokenizer);
    return 0;
}
