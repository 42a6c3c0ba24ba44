// SPDX-License-Identifier: Apache-2.0
// Options and stop strings (3 bytes), then ids: pieces are whole characters, and together they are
// what nb_text_decode gives where nothing is taken out.
#include <stdlib.h>
#include <string.h>

#include "runtime/nibble.h"
#include "runtime/text.h"
#include "runtime/utf8.h"

static const char JSON[] =
    "{\"added_tokens\":[{\"id\":16,\"content\":\"<think>\",\"special\":false,\"normalized\":false},"
    "{\"id\":17,\"content\":\"</think>\",\"special\":true,\"normalized\":false}],"
    "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{\"String\":\"\xe2\x96\x81\"},"
    "\"content\":\" \"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},"
    "{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}]},"
    "\"model\":{\"type\":\"BPE\",\"vocab\":{\"\xe2\x96\x81\":0,\"a\":1,\"<\":2,\"think\":3,\">\":4,\"</\":5,"
    "\"\\n\":6,\"<0xE2>\":7,\"<0x96>\":8,\"<0x81>\":9,\"<0xF0>\":10,\"th\":11,\"ink>\":12,\"\xc3\xa9\":13,"
    "\"ab\":14,\"<0xC3>\":15},\"merges\":[]}}";

static void append(char *all, size_t *bytes, size_t capacity, const char *text, size_t more)
{
    NB_ASSERT(*bytes + more <= capacity && nb_utf8_is_valid(text, more) && text[more] == 0);
    memcpy(all + *bytes, text, more);
    *bytes += more;
}

static void run(const nb_text *text, const nb_stream_options *options, const int32_t *ids, size_t n_ids)
{
    nb_stream *stream;
    nb_status status = nb_stream_create(&stream, text, options, NULL);
    NB_ASSERT(status == NB_OK);
    size_t capacity = 32 * n_ids + 64, bytes = 0, whole_bytes;
    char *all = malloc(capacity), *whole = malloc(capacity);
    NB_ASSERT(all && whole);
    bool stopped = false;
    nb_piece piece;
    for (size_t i = 0; i <= n_ids; i++) {
        if (i < n_ids)
            nb_stream_push(stream, ids[i], &piece);
        else
            nb_stream_flush(stream, &piece);
        NB_ASSERT(!stopped || (piece.stopped && piece.bytes + piece.reasoning_bytes == 0));
        NB_ASSERT(options->split_reasoning || piece.reasoning_bytes == 0);
        stopped = piece.stopped;
        append(all, &bytes, capacity, piece.reasoning, piece.reasoning_bytes);
        append(all, &bytes, capacity, piece.text, piece.bytes);
    }
    if (!options->split_reasoning) {
        unsigned flags = options->skip_special ? NB_TEXT_SKIP : 0;
        status = nb_text_decode(text, ids, n_ids, flags, whole, capacity, &whole_bytes, NULL);
        NB_ASSERT(status == NB_OK && bytes <= whole_bytes && memcmp(all, whole, bytes) == 0);
        NB_ASSERT(stopped || bytes == whole_bytes);
    }
    free(all);
    free(whole);
    nb_stream_free(stream);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const stops[] = {"a", "<a", "\xc3\xa9", "aab", "\n\n", "</think>", "thin", "\xe2\x96\x81"};
    if (size < 3)
        return 0;
    nb_text text = {.bos_id = -1, .think_open_id = 16, .think_close_id = 17};
    nb_status status = nb_tokenizer_parse(&text.tokenizer, JSON, sizeof JSON - 1, NULL);
    NB_ASSERT(status == NB_OK);
    const char *chosen[] = {stops[data[1] % 8], stops[data[1] / 8 % 8], stops[data[2] % 8]};
    nb_stream_options options = {.split_reasoning = data[0] & 1,
                                 .in_reasoning = data[0] & 2,
                                 .skip_special = data[0] & 4,
                                 .stops = chosen,
                                 .n_stops = data[0] / 8 % 4};
    size_t n_ids = size - 3;
    int32_t *ids = malloc((n_ids + 1) * sizeof *ids);
    NB_ASSERT(ids);
    for (size_t i = 0; i < n_ids; i++)
        ids[i] = data[3 + i] % 18;
    run(&text, &options, ids, n_ids);
    free(ids);
    nb_tokenizer_free(text.tokenizer);
    return 0;
}
