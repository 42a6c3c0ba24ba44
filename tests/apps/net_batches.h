// SPDX-License-Identifier: Apache-2.0
// What the tests of apps/qat/net.h share: opened nets and batches.
#ifndef NB_TESTS_NET_BATCHES_H
#define NB_TESTS_NET_BATCHES_H

#include <math.h>

#include "apps/common/ids_file.h"
#include "apps/qat/net.h"
#include "tests/apps/random_model.h"
#include "tests/support/data_path.h"

enum { TEST_ROWS_MAX = 1024 };

typedef struct test_batch {
    nb_batch batch;
    int32_t ids[TEST_ROWS_MAX];
    uint32_t starts[TEST_ROWS_MAX + 1];
    uint8_t targets[TEST_ROWS_MAX];
    uint64_t n_targets; // first tokens of documents not counted
} test_batch;

static inline void test_batch_finish(test_batch *b, uint32_t n_documents)
{
    b->n_targets = 0;
    for (uint32_t d = 0; d < n_documents; d++)
        for (uint32_t t = b->starts[d] + 1; t < b->starts[d + 1]; t++)
            b->n_targets += b->targets[t];
    b->batch = (nb_batch){.n_rows = b->starts[n_documents],
                          .n_documents = n_documents,
                          .ids = b->ids,
                          .starts = b->starts,
                          .targets = b->targets};
}

// Documents of the given lengths, random ids, three quarters of the tokens targets.
static inline void test_batch_random(test_batch *b, const uint32_t *lengths, uint32_t n_documents, uint32_t vocab,
                                     uint64_t seed)
{
    fixture_rng rng = {seed};
    uint32_t n = 0;
    for (uint32_t d = 0; d < n_documents; d++) {
        b->starts[d] = n;
        for (uint32_t i = 0; i < lengths[d]; i++, n++) {
            b->ids[n] = (int32_t)fixture_below(&rng, vocab);
            b->targets[n] = fixture_below(&rng, 4) > 0;
        }
    }
    b->starts[n_documents] = n;
    test_batch_finish(b, n_documents);
}

// From ids.txt and mask.txt (NULL: all tokens are targets) of the reference data.
static inline void test_batch_read(test_batch *b, const char *ids_path, const char *mask_path)
{
    nb_ids_file ids, mask;
    uint32_t n_documents = 0;
    assert_int_equal(nb_ids_read(&ids, ids_path, UINT32_MAX), 0);
    if (mask_path)
        assert_int_equal(nb_ids_read(&mask, mask_path, 2), 0);
    assert_true(ids.n_ids <= TEST_ROWS_MAX);
    for (size_t i = 0; i < ids.n_ids; i++) {
        b->ids[i] = ids.ids[i];
        b->targets[i] = mask_path ? (uint8_t)mask.ids[i] : 1;
    }
    for (size_t s = 0; s < ids.n_sequences; s++)
        if (nb_ids_count(&ids, s))
            b->starts[n_documents++] = (uint32_t)ids.starts[s];
    b->starts[n_documents] = (uint32_t)ids.n_ids;
    test_batch_finish(b, n_documents);
    nb_ids_release(&ids);
    if (mask_path)
        nb_ids_release(&mask);
}

static inline nb_pool *test_pool(uint32_t n_threads)
{
    nb_pool *pool;
    assert_int_equal(nb_pool_create(&pool, n_threads, NULL), NB_OK);
    return pool;
}

static inline nb_net *test_net(const char *directory, const nb_net_options *options)
{
    nb_net *net;
    nb_error error = {0};
    if (nb_net_open(&net, directory, options, false, NULL, &error) != NB_OK)
        fail_msg("%s: %s", directory, error.text);
    return net;
}

// All gradients one after another; the caller frees. n_values: their number.
static inline float *test_gradients(nb_net *net, size_t *n_values)
{
    size_t n;
    const nb_param *params = nb_net_params(net, &n), *last = &params[n - 1];
    *n_values = (size_t)(last->grad + last->n - params[0].grad);
    float *copy = malloc(*n_values * sizeof *copy);
    assert_non_null(copy);
    return memcpy(copy, params[0].grad, *n_values * sizeof *copy);
}

static inline double relative_rms(const float *x, const float *expected, size_t n)
{
    double error = 0, norm = 0;
    for (size_t i = 0; i < n; i++) {
        error += ((double)x[i] - (double)expected[i]) * ((double)x[i] - (double)expected[i]);
        norm += (double)expected[i] * (double)expected[i];
    }
    return sqrt(error / norm);
}

#endif
