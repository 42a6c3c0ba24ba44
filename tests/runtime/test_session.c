// SPDX-License-Identifier: Apache-2.0
// One timeline: the same bits whatever the threads, ISA, chunks, batch or history; the ring; what is refused; and no
// call to the heap, the file system or a table of names after the seal.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "platform/base.h"
#include "runtime/session.h"
#include "tests/support/data_path.h"
#include "tests/support/faults.h"
#include "tests/support/model_run.h"

static const char *const models[] = {"qwen2-modelopt", "llama3-modelopt-kv", "qwen3", "llama-f16"};

static const char *model_path(const char *model)
{
    char relative[128];
    snprintf(relative, sizeof relative, "models/oracle/%s", model);
    const char *path = nb_test_data(relative);
    if (!path)
        skip();
    return path;
}

static void random_ids(int32_t *ids, size_t n, uint32_t seed, int32_t n_vocab)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        ids[i] = (int32_t)(seed >> 8) % n_vocab;
    }
}

static void must(nb_status status, const nb_error *error)
{
    if (status != NB_OK)
        fail_msg("%s", error->text);
}

// ---- the same bits -------------------------------------------------------------------------------------------------

// Sequences long enough for several chunks, segments and, with n_ctx 48, several turns of the ring.
static void make_sequences(nb_test_ids *ids, size_t length)
{
    *ids = (nb_test_ids){.n_sequences = 2, .n_total = length + 3};
    for (size_t i = 0; i < 2; i++) {
        ids->n_ids[i] = i ? 3 : length;
        ids->ids[i] = malloc(ids->n_ids[i] * sizeof(int32_t));
        random_ids(ids->ids[i], ids->n_ids[i], 7 + (uint32_t)i, 250);
    }
}

static void same_bits_everywhere(void **state)
{
    (void)state;
    static const nb_test_settings variants[] = {
        {.isa = "scalar", .n_threads = 1, .n_chunk = 1}, {.isa = "scalar", .n_threads = 3, .n_chunk = 128},
        {.isa = NULL, .n_threads = 1, .n_chunk = 1},     {.isa = NULL, .n_threads = 2, .n_chunk = 7},
        {.isa = NULL, .n_threads = 3, .n_chunk = 64},    {.isa = NULL, .n_threads = 2, .n_chunk = 300},
    };
    static const uint32_t contexts[] = {0, 48};
    for (size_t m = 0; m < NB_COUNT(models); m++)
        for (size_t c = 0; c < NB_COUNT(contexts); c++) {
            nb_test_ids ids;
            size_t n_vocab;
            make_sequences(&ids, 290);
            nb_test_settings first = variants[0];
            first.n_ctx = contexts[c];
            float *expected = nb_test_logits(model_path(models[m]), &first, &ids, &n_vocab);
            for (size_t v = 1; v < NB_COUNT(variants); v++) {
                nb_test_settings settings = variants[v];
                settings.n_ctx = contexts[c];
                float *found = nb_test_logits(model_path(models[m]), &settings, &ids, &n_vocab);
                assert_memory_equal(found, expected, ids.n_total * n_vocab * sizeof *found);
                free(found);
            }
            free(expected);
            nb_test_ids_free(&ids);
        }
}

static void batch_equals_alone(void **state)
{
    (void)state;
    enum { N = 5, STEPS = 24 };
    for (size_t m = 0; m < NB_COUNT(models); m++) {
        nb_test_settings settings = {.n_threads = 2, .n_ctx = 64};
        nb_engine *engine = nb_test_engine(model_path(models[m]), &settings);
        nb_session *batch[N], *alone = nb_test_session(engine, &settings);
        int32_t ids[N][STEPS + 8];
        nb_error error = {0};
        nb_engine_info info;
        nb_engine_info_get(engine, &info);
        for (int i = 0; i < N; i++) { // different lengths before the common steps
            batch[i] = nb_test_session(engine, &settings);
            random_ids(ids[i], STEPS + 8, 100 + (uint32_t)i, 250);
            must(nb_session_append(batch[i], ids[i], 1 + (size_t)i, NULL, NULL, &error), &error);
        }
        for (int s = 0; s < STEPS; s++) {
            int32_t next[N];
            for (int i = 0; i < N; i++)
                next[i] = ids[i][1 + i + s];
            must(nb_batch_append(batch, next, N, &error), &error);
        }
        for (int i = 0; i < N; i++) {
            must(nb_session_sync(alone, ids[i], (size_t)(1 + i + STEPS), NULL, &error), &error);
            assert_memory_equal(nb_session_logits(alone), nb_session_logits(batch[i]), info.vocab_size * sizeof(float));
            nb_session_free(batch[i]);
        }
        nb_session_free(alone);
        nb_engine_close(engine);
    }
}

// ---- sync, rewind, ring --------------------------------------------------------------------------------------------

static void sync_reuses_and_rewinds(void **state)
{
    (void)state;
    nb_test_settings settings = {0};
    nb_engine *engine = nb_test_engine(model_path("qwen2-modelopt"), &settings);
    nb_session *a = nb_test_session(engine, &settings), *b = nb_test_session(engine, &settings);
    int32_t ids[60];
    size_t n;
    nb_error error = {0};
    nb_engine_info info;
    nb_engine_info_get(engine, &info);
    random_ids(ids, 60, 3, 900);
    must(nb_session_sync(a, ids, 40, &n, &error), &error);
    assert_int_equal(n, 40);
    must(nb_session_sync(a, ids, 40, &n, &error), &error);
    assert_int_equal(n, 0);
    must(nb_session_sync(a, ids, 50, &n, &error), &error);
    assert_int_equal(n, 10);
    must(nb_session_sync(a, ids, 30, &n, &error), &error); // shorter: the last token again, for its logits
    assert_int_equal(n, 1);
    ids[25] = (ids[25] + 1) % 900;
    must(nb_session_sync(a, ids, 60, &n, &error), &error);
    assert_int_equal(n, 35);
    must(nb_session_sync(b, ids, 60, &n, &error), &error);
    assert_memory_equal(nb_session_logits(a), nb_session_logits(b), info.vocab_size * sizeof(float));
    assert_memory_equal(nb_session_ids(a), ids, sizeof ids);
    nb_session_free(a);
    nb_session_free(b);
    nb_engine_close(engine);
}

static void rewind_in_a_full_ring(void **state)
{
    (void)state;
    nb_test_settings settings = {.n_ctx = 32, .n_sinks = 4};
    nb_engine *engine = nb_test_engine(model_path("qwen2-modelopt"), &settings);
    nb_session *a = nb_test_session(engine, &settings), *b = nb_test_session(engine, &settings);
    int32_t ids[300];
    nb_error error = {0};
    nb_engine_info info;
    nb_engine_info_get(engine, &info);
    random_ids(ids, 300, 5, 900);
    must(nb_session_append(a, ids, 300, NULL, NULL, &error), &error);
    must(nb_session_rewind(a, 300 - NB_KV_SLACK + 1, &error), &error);
    assert_null(nb_session_logits(a));
    must(nb_session_append(a, ids + 300 - NB_KV_SLACK + 1, 20, NULL, NULL, &error), &error);
    must(nb_session_append(b, ids, 300 - NB_KV_SLACK + 1 + 20, NULL, NULL, &error), &error);
    assert_memory_equal(nb_session_logits(a), nb_session_logits(b), info.vocab_size * sizeof(float));
    assert_int_equal(nb_session_rewind(a, 100, &error), NB_ERR_FIT); // overwritten long ago
    must(nb_session_rewind(a, 3, &error), &(nb_error){0});           // the sinks are never overwritten
    must(nb_session_append(a, ids + 3, 150, NULL, NULL, &(nb_error){0}), &error);
    must(nb_session_sync(b, ids, 1, NULL, &(nb_error){0}), &error);
    must(nb_session_sync(b, ids, 153, NULL, &(nb_error){0}), &error);
    assert_memory_equal(nb_session_logits(a), nb_session_logits(b), info.vocab_size * sizeof(float));
    must(nb_session_sync(a, ids, 100, NULL, &(nb_error){0}), &error); // computes it all again
    must(nb_session_sync(b, ids, 1, NULL, &(nb_error){0}), &error);
    must(nb_session_sync(b, ids, 100, NULL, &(nb_error){0}), &error);
    assert_memory_equal(nb_session_logits(a), nb_session_logits(b), info.vocab_size * sizeof(float));
    nb_session_free(a);
    nb_session_free(b);
    nb_engine_close(engine);
}

// Before the ring is full nothing differs from a larger one, after it something does.
static void a_small_ring_differs_only_when_full(void **state)
{
    (void)state;
    nb_test_settings small = {.n_ctx = 40}, large = {.n_ctx = 200};
    nb_engine *engine = nb_test_engine(model_path("qwen2-modelopt"), &small);
    nb_session *a = nb_test_session(engine, &small), *b = nb_test_session(engine, &large);
    int32_t ids[120];
    nb_error error = {0};
    nb_engine_info info;
    nb_engine_info_get(engine, &info);
    random_ids(ids, 120, 11, 900);
    for (size_t i = 0; i < 120; i++) {
        must(nb_session_append(a, ids + i, 1, NULL, NULL, &error), &error);
        must(nb_session_append(b, ids + i, 1, NULL, NULL, &error), &error);
        bool same = memcmp(nb_session_logits(a), nb_session_logits(b), info.vocab_size * sizeof(float)) == 0;
        assert_int_equal(same, i < 40);
    }
    nb_session_free(a);
    nb_session_free(b);
    nb_engine_close(engine);
}

// ---- what is refused -----------------------------------------------------------------------------------------------

static void refusals(void **state)
{
    (void)state;
    nb_test_settings settings = {.n_ctx = 64};
    nb_engine *engine = nb_test_engine(model_path("qwen2-modelopt"), &settings);
    nb_session *session = nb_test_session(engine, &settings), *other;
    nb_session_options options = nb_session_defaults();
    int32_t ids[600];
    random_ids(ids, 600, 1, 900);
    nb_error error = {0};
    assert_int_equal(nb_session_append(session, ids, 0, NULL, NULL, NULL), NB_ERR_ARGUMENT);
    assert_int_equal(nb_session_append(session, (int32_t[]){5, -1}, 2, NULL, NULL, &error), NB_ERR_ARGUMENT);
    assert_non_null(strstr(error.text, "token id -1 at index 1"));
    assert_int_equal(nb_session_append(session, (int32_t[]){1009}, 1, NULL, NULL, NULL), NB_ERR_ARGUMENT);
    assert_int_equal(nb_session_length(session), 0);
    assert_int_equal(nb_session_append(session, ids, 513, NULL, NULL, NULL), NB_ERR_LIMIT); // 512 positions
    assert_int_equal(nb_session_append(session, ids, 512, NULL, NULL, NULL), NB_OK);
    assert_int_equal(nb_session_append(session, ids, 1, NULL, NULL, NULL), NB_ERR_LIMIT);
    assert_int_equal(nb_session_length(session), 512);
    assert_int_equal(nb_session_rewind(session, 513, NULL), NB_ERR_ARGUMENT);
    assert_int_equal(nb_batch_append(&session, ids, 0, NULL), NB_ERR_ARGUMENT);
    assert_int_equal(nb_session_rewind(session, 0, NULL), NB_OK);
    assert_int_equal(nb_batch_append((nb_session *[]){session, session}, ids, 2, NULL), NB_ERR_ARGUMENT);
    assert_null(nb_session_logits(session));
    int32_t id;
    assert_int_equal(nb_session_sample(session, NULL, &id, NULL, NULL), NB_ERR_ARGUMENT);
    options.n_ctx = 4;
    assert_int_equal(nb_session_create(&other, engine, &options, NULL), NB_ERR_ARGUMENT); // sinks fill it
    options.n_ctx = 60000000;                                                             // some 70 GB in f32
    options.kv = NB_KV_F32;
    error = (nb_error){0};
    assert_int_equal(nb_session_create(&other, engine, &options, &error), NB_ERR_FIT);
    assert_non_null(strstr(error.text, "MiB"));
    options = nb_session_defaults();
    options.n_ctx = 100000; // fits, and is cut to the model's positions
    nb_plan plan;
    assert_int_equal(nb_session_plan(engine, &options, &plan, NULL), NB_OK);
    assert_int_equal(plan.n_ctx, 512);
    nb_session_free(session);
    nb_engine_close(engine);
}

static bool stop_at_third(void *user, size_t position, const float *logits)
{
    (void)logits;
    *(size_t *)user = position;
    return position < 2;
}

static void stopping(void **state)
{
    (void)state;
    nb_test_settings settings = {.n_chunk = 4};
    nb_engine *engine = nb_test_engine(model_path("qwen2-modelopt"), &settings);
    nb_session *session = nb_test_session(engine, &settings);
    int32_t ids[20];
    size_t last = 0;
    random_ids(ids, 20, 1, 900);
    assert_int_equal(nb_session_append(session, ids, 20, stop_at_third, &last, NULL), NB_ERR_STOPPED);
    assert_int_equal(last, 2);
    assert_null(nb_session_logits(session));
    assert_int_equal(nb_session_sync(session, ids, 20, NULL, NULL), NB_OK); // and goes on from there
    assert_int_equal(nb_session_length(session), 20);
    nb_session_free(session);
    nb_engine_close(engine);
}

// ---- nothing per token ---------------------------------------------------------------------------------------------

static void no_calls_per_token(void **state)
{
    (void)state;
    const char *path = nb_test_data("models/oracle/qwen2");
    if (!path)
        skip();
    char below[256];
    nb_test_directory_make(below, sizeof below);
    nb_test_settings settings = {.n_threads = 2, .n_ctx = 64};
    nb_engine *engine = nb_test_engine(nb_test_quantise(path, NULL, below), &settings);
    nb_session *session = nb_test_session(engine, &settings);
    nb_engine_info info;
    nb_engine_info_get(engine, &info);
    nb_error error = {0};
    nb_stream *stream;
    nb_stream_options stream_options = {
        .split_reasoning = true, .stops = (const char *const[]){"\x01stop"}, .n_stops = 1};
    must(nb_stream_create(&stream, info.text, &stream_options, &error), &error);
    nb_sampling sampling = nb_sampling_defaults();
    sampling.repeat_penalty = 1.1f;
    sampling.top_k = 40;
    int32_t id = 5;
    size_t n_tokens = 0, bytes = 0;
    nb_counters before = nb_counters_read();
    assert_true(before.n[NB_FAULT_NAME] > 100); // opening looks for its tensors by name
    for (; n_tokens < 1000; n_tokens++) {
        if (nb_session_length(session) == 500)
            must(nb_session_rewind(session, 0, &error), &error);
        must(nb_session_append(session, &id, 1, NULL, NULL, &error), &error);
        sampling.seed = n_tokens;
        must(nb_session_sample(session, &sampling, &id, NULL, &error), &error);
        nb_piece piece;
        nb_stream_push(stream, id, &piece);
        bytes += piece.bytes + piece.reasoning_bytes;
    }
    static const nb_fault kinds[] = {NB_FAULT_MALLOC, NB_FAULT_MMAP,   NB_FAULT_OPEN,  NB_FAULT_STAT, NB_FAULT_READ,
                                     NB_FAULT_WRITE,  NB_FAULT_THREAD, NB_FAULT_CLOCK, NB_FAULT_NAME};
    for (size_t i = 0; i < NB_COUNT(kinds); i++)
        assert_int_equal(nb_counters_since(&before, kinds[i]), 0);
    assert_true(bytes > 0);
    nb_stream_free(stream);
    nb_session_free(session);
    nb_engine_close(engine);
    nb_test_directory_remove(below);
}

// Opens, computes three tokens, closes. On success the logits are copied out.
static nb_status whole_life(const char *path, float *logits, nb_error *error)
{
    nb_engine_options options = nb_engine_defaults();
    nb_engine *engine = NULL;
    nb_session *session = NULL;
    options.n_threads = 2;
    nb_status status = nb_engine_open(&engine, path, &options, error);
    if (status == NB_OK)
        status = nb_session_create(&session, engine, NULL, error);
    if (status == NB_OK)
        status = nb_session_append(session, (int32_t[]){3, 1, 4}, 3, NULL, NULL, error);
    if (status == NB_OK)
        memcpy(logits, nb_session_logits(session), engine->model.config.vocab_size * sizeof *logits);
    nb_session_free(session);
    nb_engine_close(engine);
    return status;
}

// Each call made to fail once: a clean error, or (where the failure does no harm) the same bits.
static void failed_allocations(void **state)
{
    (void)state;
    static const nb_fault kinds[] = {NB_FAULT_MALLOC, NB_FAULT_MMAP, NB_FAULT_THREAD,
                                     NB_FAULT_OPEN,   NB_FAULT_STAT, NB_FAULT_READ};
    static float expected[2048], found[2048];
    const char *path = model_path("qwen2-modelopt");
    nb_error error = {0};
    must(whole_life(path, expected, &error), &error);
    for (size_t k = 0; k < NB_COUNT(kinds); k++)
        for (uint64_t n = 1;; n += 1 + n / 32) {
            error = (nb_error){0};
            nb_faults_fail_at(kinds[k], n);
            nb_status status = whole_life(path, found, &error);
            bool fired = nb_faults_reset();
            assert_int_equal(status == NB_OK, error.text[0] == 0);
            if (status == NB_OK)
                assert_memory_equal(found, expected, 1009 * sizeof *found);
            if (!fired) {
                assert_int_equal(status, NB_OK);
                break;
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_bits_everywhere),
        cmocka_unit_test(batch_equals_alone),
        cmocka_unit_test(sync_reuses_and_rewinds),
        cmocka_unit_test(rewind_in_a_full_ring),
        cmocka_unit_test(a_small_ring_differs_only_when_full),
        cmocka_unit_test(refusals),
        cmocka_unit_test(stopping),
        cmocka_unit_test(no_calls_per_token),
        cmocka_unit_test(failed_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
