// SPDX-License-Identifier: Apache-2.0
// Merging against a plain search for the lowest rank after every merge, on random merges and words; a word of a
// million.
#include "runtime/bpe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/nibble.h"
#include "runtime/tokenizer.h"

enum { N_MERGES = 60, WORD_MAX = 64 };

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

// Letters a, b, c and random merges of what is there.
static void make_model(nb_vocab *vocab, nb_bpe *bpe, uint32_t *seed)
{
    nb_buffer joined = {0};
    assert_int_equal(nb_vocab_create(vocab, 3 + N_MERGES, NULL), NB_OK);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(nb_vocab_add(vocab, i, &"abc"[i], 1, NULL), NB_OK);
    assert_int_equal(nb_bpe_create(bpe, vocab, N_MERGES, NULL), NB_OK);
    for (uint32_t n = 3; n < 3 + N_MERGES;) {
        const nb_token left = vocab->tokens[next_random(seed) % n], right = vocab->tokens[next_random(seed) % n];
        char name[2 * WORD_MAX];
        size_t bytes = left.text_bytes + right.text_bytes;
        if (bytes > WORD_MAX / 4)
            continue;
        memcpy(name, vocab->blob.data + left.text_offset, left.text_bytes);
        memcpy(name + left.text_bytes, vocab->blob.data + right.text_offset, right.text_bytes);
        if (nb_vocab_find(vocab, name, bytes) >= 0)
            continue;
        assert_int_equal(nb_vocab_add(vocab, n++, name, bytes, NULL), NB_OK);
        assert_int_equal(
            nb_bpe_add_merge(bpe, &joined, name, left.text_bytes, name + left.text_bytes, right.text_bytes, NULL),
            NB_OK);
    }
    nb_bpe_find_bytes(bpe);
    nb_buffer_free(&joined);
}

static size_t merge_plainly(const nb_bpe *bpe, int32_t *ids, size_t n)
{
    for (;;) {
        uint32_t best = bpe->n_merges;
        size_t at = 0;
        for (size_t i = 0; i + 1 < n; i++)
            for (uint32_t rank = 0; rank < best; rank++)
                if (bpe->merges[rank].left == ids[i] && bpe->merges[rank].right == ids[i + 1]) {
                    best = rank;
                    at = i;
                }
        if (best == bpe->n_merges)
            return n;
        ids[at] = bpe->merges[best].result;
        n--;
        memmove(ids + at + 1, ids + at + 2, (n - at - 1) * sizeof *ids);
    }
}

static void merges_are_those_of_a_plain_search(void **state)
{
    (void)state;
    uint32_t seed = 1;
    for (int round = 0; round < 40; round++) {
        nb_vocab vocab;
        nb_bpe bpe;
        make_model(&vocab, &bpe, &seed);
        nb_bpe_scratch scratch = {0};
        for (int i = 0; i < 200; i++) {
            char word[WORD_MAX];
            int32_t expected[WORD_MAX];
            size_t bytes = 1 + next_random(&seed) % WORD_MAX;
            for (size_t k = 0; k < bytes; k++) {
                expected[k] = (int32_t)(next_random(&seed) % 3);
                word[k] = "abc"[expected[k]];
            }
            nb_buffer ids = {0};
            assert_true(nb_bpe_encode(&bpe, &scratch, word, bytes, &ids));
            size_t n = merge_plainly(&bpe, expected, bytes);
            assert_int_equal(ids.bytes, n * sizeof *expected);
            assert_memory_equal(ids.data, expected, ids.bytes);
            nb_buffer_free(&ids);
        }
        nb_bpe_scratch_release(&scratch);
        nb_bpe_release(&bpe);
        nb_vocab_release(&vocab);
    }
}

static void a_word_of_a_million_letters(void **state)
{
    (void)state;
    enum { LETTERS = 1 << 20, LEVELS = 8 };
    nb_vocab vocab;
    nb_bpe bpe;
    nb_buffer joined = {0}, ids = {0};
    nb_bpe_scratch scratch = {0};
    char *word = malloc(LETTERS);
    assert_non_null(word);
    memset(word, 'a', LETTERS);
    assert_int_equal(nb_vocab_create(&vocab, LEVELS + 1, NULL), NB_OK);
    for (uint32_t i = 0; i <= LEVELS; i++)
        assert_int_equal(nb_vocab_add(&vocab, i, word, (size_t)1 << i, NULL), NB_OK);
    assert_int_equal(nb_bpe_create(&bpe, &vocab, LEVELS, NULL), NB_OK);
    for (uint32_t i = 0; i < LEVELS; i++)
        assert_int_equal(nb_bpe_add_merge(&bpe, &joined, word, (size_t)1 << i, word, (size_t)1 << i, NULL), NB_OK);
    nb_bpe_find_bytes(&bpe);
    assert_true(nb_bpe_encode(&bpe, &scratch, word, LETTERS, &ids));
    assert_int_equal(ids.bytes / sizeof(int32_t), LETTERS >> LEVELS);
    for (size_t i = 0; i < LETTERS >> LEVELS; i++)
        assert_int_equal(((int32_t *)ids.data)[i], LEVELS);
    free(word);
    nb_buffer_free(&joined);
    nb_buffer_free(&ids);
    nb_bpe_scratch_release(&scratch);
    nb_bpe_release(&bpe);
    nb_vocab_release(&vocab);
}

// Text that is no more than text, with the ids "0 1 2".
static void expect_ids(const char *json, const char *text, const char *expected)
{
    nb_tokenizer *tokenizer;
    nb_error error = {0};
    int32_t ids[16];
    char found[80] = "";
    uint8_t foreign[16];
    size_t n_ids, bytes = strlen(text);
    memset(foreign, NB_MARK_FOREIGN, sizeof foreign);
    if (nb_tokenizer_parse(&tokenizer, json, strlen(json), &error) != NB_OK)
        fail_msg("%s", error.text);
    for (int way = 0; way < 2; way++) {
        assert_int_equal(nb_tokenizer_encode(tokenizer, text, bytes, way ? foreign : NULL, way ? NB_TEXT_SPECIAL : 0,
                                             ids, NB_COUNT(ids), &n_ids, NULL),
                         NB_OK);
        size_t used = 0;
        found[0] = 0;
        for (size_t i = 0; i < n_ids; i++)
            used += (size_t)snprintf(found + used, sizeof found - used, i ? " %d" : "%d", (int)ids[i]);
        assert_string_equal(found, expected);
    }
    nb_tokenizer_free(tokenizer);
}

#define ADDED(content, id) "\"added_tokens\":[{\"id\":" id ",\"content\":\"" content "\",\"special\":true}],"
#define BYTE_LEVEL         "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},"
#define MODEL(rest, merges)                                                                                            \
    "\"model\":{\"type\":\"BPE\",\"merges\":[" merges "],\"vocab\":{\"<\":0,\"s\":1,\">\":2" rest
#define DECODER "\"decoder\":{\"type\":\"ByteLevel\"}}"

static void no_way_of_bpe_gives_a_control_token(void **state)
{
    (void)state;
    // a word that is one, with ignore_merges: added beside the vocabulary, and of the vocabulary
    expect_ids("{" MODEL("},\"ignore_merges\":true},", "") ADDED("ss", "3") BYTE_LEVEL DECODER, "ss", "1 1");
    expect_ids("{" MODEL(",\"<s>\":3},\"ignore_merges\":true},", "") ADDED("<s>", "3") DECODER, "<s>", "0 1 2");
    // a character that is one
    expect_ids("{" MODEL(",\"?\":4},\"unk_token\":\"?\"},", "") ADDED("S", "3") DECODER, "sS", "1 4");
    expect_ids("{" MODEL("}},", "") ADDED("S", "3") BYTE_LEVEL DECODER, "sS", "1");
    // a merge that makes one
    expect_ids("{" MODEL(",\"<s\":3,\"<s>\":4}},", "\"< s\",\"<s >\"") ADDED("<s>", "4") DECODER, "<s>", "3 2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges_are_those_of_a_plain_search),
        cmocka_unit_test(a_word_of_a_million_letters),
        cmocka_unit_test(no_way_of_bpe_gives_a_control_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
