// SPDX-License-Identifier: Apache-2.0
// Merging against a plain search for the lowest rank after every merge, on random merges and words; a word of a
// million.
#include "runtime/bpe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges_are_those_of_a_plain_search),
        cmocka_unit_test(a_word_of_a_million_letters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
