// SPDX-License-Identifier: Apache-2.0
// Text in pieces: whole characters, reasoning apart, tags in one token or several, stop strings across pieces, and no
// allocation after creation.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/nibble.h"
#include "runtime/text.h"
#include "tests/support/faults.h"

// Ids are the positions; "é" is cut into its bytes 5 and 6.
static const char JSON[] =
    "{\"added_tokens\":[{\"id\":10,\"content\":\"<think>\",\"special\":false,\"normalized\":false},"
    "{\"id\":11,\"content\":\"</think>\",\"special\":false,\"normalized\":false},"
    "{\"id\":12,\"content\":\"<end>\",\"special\":true,\"normalized\":false}],"
    "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}]},"
    "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"<thi\":2,\"nk>\":3,\"\\n\":4,\"<0xC3>\":5,\"<0xA9>\":6,"
    "\"</thi\":7,\"nk>b\":8,\"\\n\\n\":9},\"merges\":[]}}";
enum { A, B, OPEN_1, OPEN_2, NEWLINE, E_1, E_2, CLOSE_1, CLOSE_2_B, NEWLINES, OPEN, CLOSE, END, N_IDS };

typedef struct result {
    char answer[256], reasoning[256];
    size_t n_answer, n_reasoning;
    bool stopped;
    size_t i_stop; // index of the id that stopped it
} result;

static void collect(result *r, const nb_piece *piece)
{
    memcpy(r->answer + r->n_answer, piece->text, piece->bytes + 1);
    memcpy(r->reasoning + r->n_reasoning, piece->reasoning, piece->reasoning_bytes + 1);
    r->n_answer += piece->bytes;
    r->n_reasoning += piece->reasoning_bytes;
    r->stopped |= piece->stopped;
}

static nb_text text_of(const char *json)
{
    nb_text text = {.bos_id = -1, .think_open_id = OPEN, .think_close_id = CLOSE};
    nb_error error = {0};
    if (nb_tokenizer_parse(&text.tokenizer, json, strlen(json), &error) != NB_OK)
        fail_msg("%s", error.text);
    return text;
}

static result stream(const nb_stream_options *options, const int32_t *ids, size_t n_ids)
{
    nb_text text = text_of(JSON);
    nb_stream *s;
    assert_int_equal(nb_stream_create(&s, &text, options, NULL), NB_OK);
    result r = {.i_stop = n_ids};
    nb_piece piece;
    nb_counters before = nb_counters_read();
    for (int round = 0; round < 2; round++) { // flush makes the stream new
        r = (result){.i_stop = n_ids};
        for (size_t i = 0; i < n_ids; i++) {
            nb_stream_push(s, ids[i], &piece);
            collect(&r, &piece);
            r.i_stop = piece.stopped && r.i_stop == n_ids ? i : r.i_stop;
        }
        nb_stream_flush(s, &piece);
        collect(&r, &piece);
    }
    assert_int_equal(nb_counters_since(&before, NB_FAULT_MALLOC), 0);
    nb_stream_free(s);
    nb_tokenizer_free(text.tokenizer);
    return r;
}

#define STREAM(options, ...)                                                                                           \
    stream(&(options), (const int32_t[]){__VA_ARGS__}, sizeof((int32_t[]){__VA_ARGS__}) / sizeof(int32_t))

static void characters_come_whole(void **state)
{
    (void)state;
    nb_stream_options options = {0};
    nb_text text = text_of(JSON);
    nb_stream *s;
    nb_piece piece;
    assert_int_equal(nb_stream_create(&s, &text, &options, NULL), NB_OK);
    nb_stream_push(s, E_1, &piece);
    assert_int_equal(piece.bytes, 0);
    nb_stream_push(s, E_2, &piece);
    assert_string_equal(piece.text, "\xc3\xa9");
    nb_stream_push(s, E_1, &piece);
    nb_stream_push(s, A, &piece); // the character can't be finished any more
    assert_string_equal(piece.text, "\xef\xbf\xbd"
                                    "a");
    nb_stream_push(s, E_1, &piece);
    nb_stream_flush(s, &piece);
    assert_string_equal(piece.text, "\xef\xbf\xbd");
    nb_stream_push(s, E_2, &piece);
    assert_string_equal(piece.text, "\xef\xbf\xbd");
    nb_stream_push(s, 1000, &piece); // ids that are no tokens give nothing
    assert_int_equal(piece.bytes, 0);
    nb_stream_push(s, -1, &piece);
    assert_int_equal(piece.bytes, 0);
    nb_stream_free(s);
    nb_tokenizer_free(text.tokenizer);
}

static void reasoning_is_apart(void **state)
{
    (void)state;
    nb_stream_options options = {.split_reasoning = true};
    result r = STREAM(options, OPEN, NEWLINES, A, NEWLINE, CLOSE, NEWLINES, NEWLINE, B, NEWLINE, A);
    assert_string_equal(r.reasoning, "\na\n"); // one newline goes after <think>, all of them after </think>
    assert_string_equal(r.answer, "b\na");
    r = STREAM(options, OPEN_1, OPEN_2, NEWLINE, A, CLOSE_1, CLOSE_2_B, NEWLINE); // tags in two tokens
    assert_string_equal(r.reasoning, "a");
    assert_string_equal(r.answer, "b\n");
    r = STREAM(options, OPEN_1, A, OPEN_1, OPEN, B); // halves that come to nothing
    assert_string_equal(r.answer, "<thia<thi");
    assert_string_equal(r.reasoning, "b");
    r = STREAM(options, A, CLOSE, B); // nothing was open
    assert_string_equal(r.answer, "a</think>b");
    options.in_reasoning = true;
    r = STREAM(options, NEWLINE, A, CLOSE_1, CLOSE_1, CLOSE_2_B);
    assert_string_equal(r.reasoning, "a</thi");
    assert_string_equal(r.answer, "b");
    r = STREAM(options, A, E_1); // never closed, not finished
    assert_string_equal(r.reasoning, "a\xef\xbf\xbd");
    options.split_reasoning = false;
    r = STREAM(options, OPEN, A, CLOSE, B);
    assert_string_equal(r.answer, "<think>a</think>b");
    assert_string_equal(r.reasoning, "");
}

static void special_tokens_are_left_out(void **state)
{
    (void)state;
    nb_stream_options options = {.skip_special = true};
    assert_string_equal(STREAM(options, A, END, B).answer, "ab");
    options.skip_special = false;
    assert_string_equal(STREAM(options, A, END, B).answer, "a<end>b");
}

static void stop_strings_end_it(void **state)
{
    (void)state;
    const char *stops[] = {"bab", "ba\n", "\xc3\xa9"};
    nb_stream_options options = {.split_reasoning = true, .stops = stops, .n_stops = 3};
    result r = STREAM(options, A, B, A, B, A, A);
    assert_string_equal(r.answer, "a");
    assert_int_equal(r.i_stop, 3);
    r = STREAM(options, B, B, A, A, B, A); // half a stop string at the end is text
    assert_string_equal(r.answer, "bbaaba");
    assert_false(r.stopped);
    r = STREAM(options, B, A, NEWLINES, B);
    assert_string_equal(r.answer, "");
    assert_true(r.stopped && r.i_stop == 2);
    r = STREAM(options, OPEN, A, E_1, E_2, CLOSE, B); // in reasoning, too
    assert_string_equal(r.reasoning, "a");
    assert_string_equal(r.answer, "");
    assert_int_equal(r.i_stop, 3);
    r = STREAM(options, B, OPEN, A, B, CLOSE, B); // the tag lies between
    assert_string_equal(r.answer, "bb");
    assert_string_equal(r.reasoning, "ab");
}

static void options_are_checked(void **state)
{
    (void)state;
    nb_text text = text_of(JSON);
    const char *bad[] = {"", "\xff", NULL};
    for (size_t i = 0; i < NB_COUNT(bad); i++) {
        nb_stream_options options = {.stops = &bad[i], .n_stops = 1};
        nb_stream *s = (nb_stream *)&text;
        nb_error error = {0};
        assert_int_equal(nb_stream_create(&s, &text, &options, &error), NB_ERR_ARGUMENT);
        assert_null(s);
        assert_non_null(strstr(error.text, "stop string"));
    }
    nb_tokenizer_free(text.tokenizer);
}

static void memory_may_be_short(void **state)
{
    (void)state;
    nb_text text = text_of(JSON);
    const char *stops[] = {"x"};
    nb_stream_options options = {.stops = stops, .n_stops = 1};
    uint64_t n = 1;
    for (;; n++) {
        nb_stream *s;
        nb_faults_fail_at(NB_FAULT_MALLOC, n);
        nb_status status = nb_stream_create(&s, &text, &options, NULL);
        bool failed = nb_faults_reset();
        assert_int_equal(status, failed ? NB_ERR_SYSTEM : NB_OK);
        nb_stream_free(s);
        if (!failed)
            break;
    }
    assert_true(n > 5);
    nb_tokenizer_free(text.tokenizer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters_come_whole),       cmocka_unit_test(reasoning_is_apart),
        cmocka_unit_test(special_tokens_are_left_out), cmocka_unit_test(stop_strings_end_it),
        cmocka_unit_test(options_are_checked),         cmocka_unit_test(memory_may_be_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
