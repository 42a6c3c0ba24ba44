// SPDX-License-Identifier: Apache-2.0
// A file of traces becomes a store with a hash, the store is believed only when every byte is right, every epoch is a
// permutation, and packing keeps documents apart.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "apps/qat/trace_order.h"
#include "tests/support/data_path.h"
#include "tests/support/faults.h"
#include "tests/support/scratch.h"

static const nb_trace_rules rules = {.vocab_size = 100, .max_length = 6};

static const char three[] = "{\"ids\":[1,2,3],\"mask\":[0,1,1]}\n"
                            "\n"
                            "{\"ids\":[4,5],\"mask\":[1,1]}\r\n"
                            "{\"ids\":[99,0,7,8,9,10],\"mask\":[0,0,0,0,1,0]}"; // no newline at the end

static void build(nb_traces *traces, const char *jsonl, const nb_trace_rules *with)
{
    nb_error error = {0};
    assert_true(nb_scratch_put("t.jsonl", jsonl));
    if (nb_traces_build(traces, "t.jsonl", with, &error) != NB_OK)
        fail_msg("%s", error.text);
}

static void documents_are_those_of_the_file(void **state)
{
    (void)state;
    nb_traces t;
    build(&t, three, &rules);
    const uint64_t starts[] = {0, 3, 5, 11};
    const int32_t ids[] = {1, 2, 3, 4, 5, 99, 0, 7, 8, 9, 10};
    const uint8_t mask[] = {0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 0};
    assert_int_equal(t.n_documents, 3);
    assert_memory_equal(t.starts, starts, sizeof starts);
    assert_memory_equal(t.ids, ids, sizeof ids);
    assert_memory_equal(t.mask, mask, sizeof mask);
    assert_int_equal(t.n_targets, 4); // the first tokens of documents do not count
    assert_int_equal(t.longest, 6);
    assert_int_equal(nb_trace_targets(&t, 1), 1);
    nb_traces_close(&t);
}

static void the_hash_is_over_lengths_ids_and_mask(void **state)
{
    (void)state;
    uint8_t bytes[3 * 8 + 11 * 5], *at = bytes, hash[32];
    char text[NB_HASH_TEXT_BYTES];
    const uint64_t lengths[] = {3, 2, 6};
    nb_traces t;
    build(&t, three, &rules);
    for (int i = 0; i < 3; i++) {
        memcpy(at, &lengths[i], 8);
        memcpy(at + 8, t.ids + t.starts[i], 4 * lengths[i]);
        memcpy(at + 8 + 4 * lengths[i], t.mask + t.starts[i], lengths[i]);
        at += 8 + 5 * lengths[i];
    }
    assert_int_equal(EVP_Digest(bytes, sizeof bytes, hash, NULL, EVP_sha256(), NULL), 1);
    assert_string_equal(t.sha256, nb_hash_text(hash, text));
    nb_traces_close(&t);
    // Where one document ends and the next begins is part of it.
    nb_traces joined;
    build(&joined, "{\"ids\":[1,2,3,4,5],\"mask\":[0,1,1,1,1]}\n{\"ids\":[99,0,7,8,9,10],\"mask\":[0,0,0,0,1,0]}",
          &rules);
    assert_string_not_equal(joined.sha256, text);
    nb_traces_close(&joined);
}

static void what_is_too_long_goes_by_the_rule(void **state)
{
    (void)state;
    nb_traces t;
    nb_error error = {0};
    nb_trace_rules with = rules;
    with.max_length = 5;
    assert_true(nb_scratch_put("t.jsonl", three));
    assert_int_equal(nb_traces_build(&t, "t.jsonl", &with, &error), NB_ERR_INPUT);
    assert_non_null(strstr(error.text, "t.jsonl: line 4: too long; expected at most 5 tokens"));
    with.if_long = NB_TRACE_LONG_DROP;
    build(&t, three, &with);
    assert_true(t.n_documents == 2 && t.n_dropped == 1 && t.n_cut == 0);
    nb_traces_close(&t);
    with.if_long = NB_TRACE_LONG_CUT;
    build(&t, three, &with);
    assert_true(t.n_documents == 3 && t.n_dropped == 0 && t.n_cut == 1 && t.longest == 5);
    nb_traces_close(&t);
    with.max_length = 4; // nothing to learn is left of the last
    build(&t, three, &with);
    assert_true(t.n_documents == 2 && t.n_dropped == 1 && t.n_cut == 0);
    nb_traces_close(&t);
}

static void bad_files_are_named_with_their_line(void **state)
{
    (void)state;
    static const struct {
        const char *jsonl, *says;
    } cases[] = {
        {"", "t.jsonl: expected a trace, found none"},
        {" \n\t\n", "t.jsonl: expected a trace, found none"},
        {"{\"ids\":[1,2],\"mask\":[0,1]}\n{\"ids\":[1,2],\"mask\":[0,1]\n", "t.jsonl: line 2: "},
        {"\n{\"ids\":[1,100],\"mask\":[0,1]}\n",
         "t.jsonl: line 2: token 2 is outside the vocabulary; expected an id below 100"},
        {"{\"prompt\":\"a\",\"response\":\"b\"}\n", "t.jsonl: line 1: expected ids and mask"},
    };
    for (size_t i = 0; i < NB_COUNT(cases); i++) {
        nb_traces t;
        nb_error error = {0};
        assert_true(nb_scratch_put("t.jsonl", cases[i].jsonl));
        assert_int_equal(nb_traces_build(&t, "t.jsonl", &rules, &error), NB_ERR_INPUT);
        if (strncmp(error.text, cases[i].says, strlen(cases[i].says)) != 0)
            fail_msg("expected \"%s\", found \"%s\"", cases[i].says, error.text);
    }
    nb_traces t;
    assert_int_equal(nb_traces_build(&t, "absent.jsonl", &rules, NULL), NB_ERR_INPUT);
    assert_int_equal(nb_traces_build(&t, ".", &rules, NULL), NB_ERR_INPUT);
}

static void a_store_is_believed_only_when_it_is_right(void **state)
{
    (void)state;
    nb_traces t, again;
    build(&t, three, &rules);
    assert_int_equal(nb_traces_save(&t, "store", NULL), NB_OK);
    assert_int_equal(nb_traces_open(&again, "store", 100, NULL), NB_OK);
    assert_string_equal(again.sha256, t.sha256);
    assert_true(again.n_targets == 4 && again.longest == 6 && !again.image);
    nb_traces_close(&again);
    assert_int_equal(nb_traces_open(&again, "store", 99, NULL), NB_ERR_INPUT); // another vocabulary
    // Every byte but the two counts of documents left out decides.
    uint8_t *copy = malloc(t.image_bytes);
    for (size_t i = 0; i < t.image_bytes; i++) {
        bool is_free = i >= 32 && i < 48;
        memcpy(copy, t.image, t.image_bytes);
        copy[i] ^= 1;
        nb_status status = nb_traces_parse(&again, copy, t.image_bytes, 100, "store", NULL);
        if (status != (is_free ? NB_OK : NB_ERR_INPUT))
            fail_msg("byte %zu: status %d", i, status);
    }
    for (size_t n = 0; n < t.image_bytes; n++)
        assert_int_equal(nb_traces_parse(&again, t.image, n, 100, "store", NULL), NB_ERR_INPUT);
    free(copy);
    nb_traces_close(&t);
}

static void ids_are_written_as_text(void **state)
{
    (void)state;
    nb_traces t;
    build(&t, three, &rules);
    assert_int_equal(nb_traces_write_ids(&t, 2, "ids.txt", NULL), NB_OK);
    char *text = nb_test_file_read("ids.txt", NULL);
    assert_string_equal(text, "1 2 3\n4 5\n");
    free(text);
    assert_int_equal(nb_traces_write_ids(&t, 100, "no/such/ids.txt", NULL), NB_ERR_SYSTEM);
    nb_traces_close(&t);
}

static void a_failed_write_leaves_the_store_before(void **state)
{
    (void)state;
    nb_traces t, old;
    build(&old, "{\"ids\":[1,2],\"mask\":[0,1]}", &rules);
    assert_int_equal(nb_traces_save(&old, "store", NULL), NB_OK);
    build(&t, three, &rules);
    static const nb_fault kinds[] = {NB_FAULT_OPEN, NB_FAULT_WRITE, NB_FAULT_RENAME};
    for (size_t i = 0; i < NB_COUNT(kinds); i++) {
        nb_traces found;
        nb_faults_fail_at(kinds[i], 1);
        assert_int_not_equal(nb_traces_save(&t, "store", NULL), NB_OK);
        assert_true(nb_faults_reset());
        assert_int_equal(nb_traces_open(&found, "store", 100, NULL), NB_OK);
        assert_string_equal(found.sha256, old.sha256);
        nb_traces_close(&found);
    }
    assert_int_equal(system("test \"$(ls store*)\" = store"), 0);
    nb_traces_close(&t);
    nb_traces_close(&old);
}

// ---- order and packing --------------------------------------------------------------------------------------------

// `n` documents of 2 to 5 tokens whose first id says which one it is.
static void many(nb_traces *t, int n)
{
    char *jsonl = malloc((size_t)n * 100), *at = jsonl;
    for (int i = 0; i < n; i++) {
        at += sprintf(at, "{\"ids\":[%d", i);
        for (int j = 0; j <= i % 4; j++)
            at += sprintf(at, ",%d", i);
        at += sprintf(at, "],\"mask\":[0");
        for (int j = 0; j <= i % 4; j++)
            at += sprintf(at, ",1");
        at += sprintf(at, "]}\n");
    }
    build(t, jsonl, &rules);
    free(jsonl);
}

static void every_epoch_is_another_permutation(void **state)
{
    (void)state;
    enum { N = 97, EPOCHS = 5 };
    nb_traces t;
    nb_trace_order order, other, file;
    uint32_t seen[EPOCHS][N];
    many(&t, N);
    nb_trace_order_create(&order, &t, 3, true);
    nb_trace_order_create(&other, &t, 4, true);
    nb_trace_order_create(&file, &t, 3, false);
    int n_moved = 0, n_other = 0;
    for (uint64_t epoch = 0; epoch < EPOCHS; epoch++) {
        bool is_seen[N] = {false};
        for (uint64_t i = 0; i < N; i++) {
            uint32_t document = seen[epoch][i] = nb_trace_order_at(&order, epoch * N + i);
            assert_true(document < N && !is_seen[document]);
            is_seen[document] = true;
            n_moved += epoch > 0 && document != seen[0][i];
            n_other += document != nb_trace_order_at(&other, epoch * N + i);
            assert_int_equal(nb_trace_order_at(&file, epoch * N + i), i);
        }
    }
    assert_true(n_moved > (EPOCHS - 1) * N * 9 / 10 && n_other > EPOCHS * N * 9 / 10);
    assert_int_equal(nb_trace_order_at(&order, 7), seen[0][7]); // any position, without those before
    assert_int_equal(nb_trace_order_at(&order, 3 * N + 11), seen[3][11]);
    nb_trace_order_free(&order);
    nb_trace_order_free(&other);
    nb_trace_order_free(&file);
    nb_traces_close(&t);
}

static void packing_keeps_every_document_whole(void **state)
{
    (void)state;
    nb_traces t;
    nb_trace_packer packer;
    uint32_t documents[60];
    many(&t, 60);
    for (uint32_t i = 0; i < 60; i++)
        documents[i] = (i * 37 + 5) % 60;
    for (uint32_t rows = 5; rows < 40; rows += 7) {
        nb_trace_packer_create(&packer, &t, rows);
        for (size_t at = 0; at < 60;) {
            nb_batch batch;
            size_t n = nb_trace_packer_fill(&packer, documents + at, 60 - at, &batch);
            assert_true(n > 0 && n == batch.n_documents && batch.n_rows <= rows);
            assert_true(at + n == 60 || batch.n_rows + nb_traces_length(&t, documents[at + n]) > rows);
            assert_int_equal(batch.starts[0], 0);
            assert_int_equal(batch.starts[n], batch.n_rows);
            for (size_t i = 0; i < n; i++) {
                uint32_t document = documents[at + i], length = nb_traces_length(&t, document);
                assert_int_equal(batch.starts[i + 1] - batch.starts[i], length);
                for (uint32_t j = 0; j < length; j++) {
                    assert_int_equal(batch.ids[batch.starts[i] + j], document);
                    assert_int_equal(batch.targets[batch.starts[i] + j], j > 0);
                }
            }
            at += n;
        }
        nb_trace_packer_free(&packer);
    }
    nb_traces_close(&t);
}

int main(void)
{
#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, nb_scratch_enter, nb_scratch_leave)
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(documents_are_those_of_the_file),           IN_SCRATCH(the_hash_is_over_lengths_ids_and_mask),
        IN_SCRATCH(what_is_too_long_goes_by_the_rule),         IN_SCRATCH(bad_files_are_named_with_their_line),
        IN_SCRATCH(a_store_is_believed_only_when_it_is_right), IN_SCRATCH(ids_are_written_as_text),
        IN_SCRATCH(a_failed_write_leaves_the_store_before),    IN_SCRATCH(every_epoch_is_another_permutation),
        IN_SCRATCH(packing_keeps_every_document_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
