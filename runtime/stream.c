// SPDX-License-Identifier: Apache-2.0
// Ids -> text while they come. Bytes pass three stages, each of which may hold some back:
//   1. bytes -> whole UTF-8 characters (at most 3 bytes of an unfinished one wait)
//   2. characters -> pending text, as long as its end may be the beginning of a tag or a stop string
//   3. pending text -> the piece, as answer or as reasoning
// A tag or stop string counts when its last byte comes; of several that end there the longest one counts.
#include <stdlib.h>
#include <string.h>

#include "runtime/nibble.h"
#include "runtime/text.h"
#include "runtime/utf8.h"

enum { STOPS_MAX = 64, STOP_BYTES_MAX = 4096, TAIL_BYTES_MAX = 3 };
enum { OPEN_TAG, CLOSE_TAG, N_TAGS }; // the first needles

static const char *const TAGS[N_TAGS] = {"<think>", "</think>"};

// A string to be found, by Knuth, Morris and Pratt: `matched` bytes of it are the end of the text so far.
typedef struct needle {
    char *text;
    uint16_t *fallback; // [bytes]: longest proper prefix of text[0..i] that is also its end
    uint32_t bytes;
    uint32_t matched;
} needle;

typedef struct output {
    char *data;
    size_t bytes;
} output;

struct nb_stream {
    const nb_text *text;
    bool splits, begins_in_reasoning;
    unsigned flags;
    needle *needles; // tags, then stop strings
    uint32_t n_needles;
    size_t needle_bytes_max;

    char *bytes; // stage 1: the unfinished character and the bytes of the current id
    size_t n_bytes;
    char *pending; // stage 2
    size_t n_pending;
    output answer, reasoning; // stage 3: the current piece

    nb_decode_state decode;
    bool in_reasoning, stopped;
    uint32_t n_newlines; // that are still dropped after a tag
};

// ---- needles ------------------------------------------------------------------------------------------------

static nb_status make_needle(needle *made, const char *text, nb_error *error)
{
    size_t bytes = text ? strlen(text) : 0;
    if (bytes == 0 || bytes > STOP_BYTES_MAX || !nb_utf8_is_valid(text, bytes))
        return nb_error_set(error, NB_ERR_ARGUMENT, "stop string; expected 1 to %d bytes of UTF-8, found %s",
                            STOP_BYTES_MAX, bytes == 0 ? "an empty one" : "another");
    made->text = strdup(text);
    made->fallback = calloc(bytes, sizeof *made->fallback);
    made->bytes = (uint32_t)bytes;
    if (!made->text || !made->fallback)
        return nb_error_set(error, NB_ERR_SYSTEM, "stream does not fit memory");
    for (uint32_t i = 1, n = 0; i < bytes; i++) {
        while (n > 0 && text[i] != text[n])
            n = made->fallback[n - 1];
        n += text[i] == text[n];
        made->fallback[i] = (uint16_t)n;
    }
    return NB_OK;
}

// True when the byte completes the needle.
static bool advance(needle *n, char byte)
{
    while (n->matched > 0 && (n->matched == n->bytes || n->text[n->matched] != byte))
        n->matched = n->fallback[n->matched - 1];
    n->matched += n->text[n->matched] == byte;
    return n->matched == n->bytes;
}

static bool is_active(const nb_stream *stream, uint32_t i_needle)
{
    return i_needle >= N_TAGS || (stream->splits && i_needle == (stream->in_reasoning ? CLOSE_TAG : OPEN_TAG));
}

// Feeds one byte to all active needles. `*held`: how much of the text's end must wait. Returns the longest needle that
// is complete, n_needles: none.
static uint32_t advance_all(nb_stream *stream, char byte, size_t *held)
{
    uint32_t best = stream->n_needles;
    *held = 0;
    for (uint32_t i = 0; i < stream->n_needles; i++) {
        needle *n = &stream->needles[i];
        if (!is_active(stream, i))
            continue;
        if (advance(n, byte) && (best == stream->n_needles || n->bytes > stream->needles[best].bytes))
            best = i;
        *held = nb_max(*held, n->matched);
    }
    return best;
}

// ---- stages 3 and 2 -----------------------------------------------------------------------------------------

static void emit(nb_stream *stream, size_t bytes)
{
    output *out = stream->in_reasoning ? &stream->reasoning : &stream->answer;
    memcpy(out->data + out->bytes, stream->pending, bytes);
    out->bytes += bytes;
    stream->n_pending -= bytes;
    memmove(stream->pending, stream->pending + bytes, stream->n_pending);
}

static void forget_matches(nb_stream *stream)
{
    stream->n_pending = 0;
    for (uint32_t i = 0; i < stream->n_needles; i++)
        stream->needles[i].matched = 0;
}

static void complete(nb_stream *stream, uint32_t i_needle)
{
    emit(stream, stream->n_pending - stream->needles[i_needle].bytes);
    forget_matches(stream);
    if (i_needle >= N_TAGS) {
        stream->stopped = true;
        return;
    }
    stream->in_reasoning = i_needle == OPEN_TAG;
    stream->n_newlines = i_needle == OPEN_TAG ? 1 : UINT32_MAX;
}

// One whole character.
static void put_character(nb_stream *stream, const char *text, size_t bytes)
{
    if (stream->stopped)
        return;
    if (stream->n_newlines > 0 && text[0] == '\n') {
        stream->n_newlines--;
        return;
    }
    stream->n_newlines = 0;
    memcpy(stream->pending + stream->n_pending, text, bytes);
    stream->n_pending += bytes;
    size_t held = 0;
    uint32_t found = stream->n_needles;
    for (size_t i = 0; i < bytes; i++)
        found = advance_all(stream, text[i], &held); // needles are UTF-8: only a last byte completes one
    if (found < stream->n_needles)
        complete(stream, found);
    else
        emit(stream, stream->n_pending - held);
}

// ---- stage 1 ------------------------------------------------------------------------------------------------

// `is_end`: an unfinished character will not be finished.
static void put_bytes(nb_stream *stream, bool is_end)
{
    size_t i = 0;
    while (i < stream->n_bytes) {
        nb_utf8 c = nb_utf8_read(stream->bytes + i, stream->n_bytes - i);
        if (c.kind == NB_UTF8_TRUNCATED && !is_end)
            break;
        if (c.kind == NB_UTF8_VALID)
            put_character(stream, stream->bytes + i, c.bytes);
        else
            put_character(stream, NB_UTF8_REPLACEMENT, strlen(NB_UTF8_REPLACEMENT));
        i += c.bytes;
    }
    stream->n_bytes -= i;
    memmove(stream->bytes, stream->bytes + i, stream->n_bytes);
}

static void begin_piece(nb_stream *stream)
{
    stream->answer.bytes = stream->reasoning.bytes = 0;
}

static void end_piece(nb_stream *stream, nb_piece *piece)
{
    stream->answer.data[stream->answer.bytes] = 0;
    stream->reasoning.data[stream->reasoning.bytes] = 0;
    *piece = (nb_piece){.text = stream->answer.data,
                        .bytes = stream->answer.bytes,
                        .reasoning = stream->reasoning.data,
                        .reasoning_bytes = stream->reasoning.bytes,
                        .stopped = stream->stopped};
}

// A tag that is one token gives its text even if special tokens are left out.
static const char *tag_of(const nb_stream *stream, int32_t id)
{
    if (!stream->splits || id < 0)
        return NULL;
    return id == stream->text->think_open_id    ? TAGS[OPEN_TAG]
           : id == stream->text->think_close_id ? TAGS[CLOSE_TAG]
                                                : NULL;
}

void nb_stream_push(nb_stream *stream, int32_t id, nb_piece *piece)
{
    begin_piece(stream);
    if (!stream->stopped) {
        const char *tag = tag_of(stream, id);
        char *end = stream->bytes + stream->n_bytes;
        unsigned flags = tag ? 0 : stream->flags;
        stream->n_bytes += nb_tokenizer_decode_id(stream->text->tokenizer, &stream->decode, id, flags, end);
        put_bytes(stream, false);
    }
    end_piece(stream, piece);
}

// ---- life ---------------------------------------------------------------------------------------------------

static void begin_stream(nb_stream *stream)
{
    forget_matches(stream);
    stream->n_bytes = 0;
    stream->decode = nb_tokenizer_decode_begin(stream->text->tokenizer);
    stream->in_reasoning = stream->splits && stream->begins_in_reasoning;
    stream->n_newlines = stream->in_reasoning;
    stream->stopped = false;
}

void nb_stream_flush(nb_stream *stream, nb_piece *piece)
{
    begin_piece(stream);
    if (!stream->stopped) {
        put_bytes(stream, true);
        emit(stream, stream->n_pending);
    }
    end_piece(stream, piece);
    begin_stream(stream);
}

static nb_status make_needles(nb_stream *stream, const nb_stream_options *options, nb_error *error)
{
    if (options->n_stops > STOPS_MAX)
        return nb_error_set(error, NB_ERR_ARGUMENT, "stop strings; expected at most %d, found %u", STOPS_MAX,
                            options->n_stops);
    stream->n_needles = N_TAGS + options->n_stops;
    stream->needles = calloc(stream->n_needles, sizeof *stream->needles);
    if (!stream->needles)
        return nb_error_set(error, NB_ERR_SYSTEM, "stream does not fit memory");
    for (uint32_t i = 0; i < stream->n_needles; i++) {
        NB_TRY(make_needle(&stream->needles[i], i < N_TAGS ? TAGS[i] : options->stops[i - N_TAGS], error));
        stream->needle_bytes_max = nb_max(stream->needle_bytes_max, stream->needles[i].bytes);
    }
    return NB_OK;
}

// One id adds at most piece_bytes_max bytes, each of which may become a U+FFFD.
static nb_status make_buffers(nb_stream *stream, nb_error *error)
{
    size_t input = TAIL_BYTES_MAX + nb_tokenizer_piece_bytes_max(stream->text->tokenizer);
    size_t pending = stream->needle_bytes_max + NB_UTF8_BYTES_MAX;
    size_t room = strlen(NB_UTF8_REPLACEMENT) * input + pending + 1;
    stream->bytes = malloc(input);
    stream->pending = malloc(pending);
    stream->answer.data = malloc(room);
    stream->reasoning.data = malloc(room);
    if (!stream->bytes || !stream->pending || !stream->answer.data || !stream->reasoning.data)
        return nb_error_set(error, NB_ERR_SYSTEM, "stream does not fit memory");
    return NB_OK;
}

nb_status nb_stream_create(nb_stream **stream, const nb_text *text, const nb_stream_options *options, nb_error *error)
{
    *stream = NULL;
    nb_stream *made = calloc(1, sizeof *made);
    if (!made)
        return nb_error_set(error, NB_ERR_SYSTEM, "stream does not fit memory");
    made->text = text;
    made->splits = options->split_reasoning;
    made->begins_in_reasoning = options->in_reasoning;
    made->flags = options->skip_special ? NB_TEXT_SKIP : 0;
    nb_status status = make_needles(made, options, error);
    if (status == NB_OK)
        status = make_buffers(made, error);
    if (status != NB_OK) {
        nb_stream_free(made);
        return status;
    }
    begin_stream(made);
    *stream = made;
    return NB_OK;
}

void nb_stream_free(nb_stream *stream)
{
    if (!stream)
        return;
    for (uint32_t i = 0; stream->needles && i < stream->n_needles; i++) {
        free(stream->needles[i].text);
        free(stream->needles[i].fallback);
    }
    free(stream->needles);
    free(stream->bytes);
    free(stream->pending);
    free(stream->answer.data);
    free(stream->reasoning.data);
    free(stream);
}
