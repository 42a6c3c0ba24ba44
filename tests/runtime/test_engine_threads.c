// SPDX-License-Identifier: Apache-2.0
// One engine, several threads: each with a session of its own, all at once, must get the bits that one alone gets.
// Run under the thread sanitizer (make tsan) this also shows that they share nothing they write.
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "platform/base.h"
#include "runtime/session.h"
#include "tests/support/data_path.h"
#include "tests/support/model_run.h"

enum { N_THREADS = 2, N_STEPS = 40, N_PROMPT = 90, N_ANSWER = 30 };

// What one thread does with its session: a prompt, an answer of sampled tokens, a rewind, a batch of two, a save and a
// restore. Failures are counted: cmocka's own are for the main thread.
typedef struct life {
    nb_engine *engine;
    char path[300];
    uint32_t seed;
    int32_t ids[N_PROMPT + N_ANSWER];
    float *logits; // after each of three stages
    uint32_t n_vocab;
    uint32_t n_failures;
} life;

static void keep(life *l, const nb_session *session, int stage)
{
    const float *logits = nb_session_logits(session);
    if (logits)
        memcpy(l->logits + (size_t)stage * l->n_vocab, logits, l->n_vocab * sizeof *logits);
    else
        l->n_failures++;
}

static void answer(life *l, nb_session *session)
{
    nb_sampling sampling = nb_sampling_defaults();
    sampling.seed = l->seed;
    l->n_failures += nb_session_sync(session, l->ids, N_PROMPT, NULL, NULL) != NB_OK;
    for (int i = N_PROMPT; i < N_PROMPT + N_ANSWER; i++) {
        l->n_failures += nb_session_sample(session, &sampling, &l->ids[i], NULL, NULL) != NB_OK;
        l->n_failures += nb_session_append(session, &l->ids[i], 1, NULL, NULL, NULL) != NB_OK;
    }
    keep(l, session, 0);
}

static void branch(life *l, nb_session *session, nb_session *other)
{
    l->n_failures += nb_session_save(session, l->path, NULL) != NB_OK;
    l->n_failures += nb_session_restore(other, l->path, NULL) != NB_OK;
    l->n_failures += nb_session_rewind(session, N_PROMPT + 5, NULL) != NB_OK;
    for (int i = 0; i < N_STEPS; i++)
        l->n_failures += nb_batch_append((nb_session *[]){session, other}, (int32_t[]){i + 1, i + 2}, 2, NULL) != NB_OK;
    keep(l, session, 1);
    keep(l, other, 2);
}

static void *live(void *argument)
{
    life *l = argument;
    nb_session_options options = nb_session_defaults();
    options.n_ctx = 64; // the ring turns
    nb_session *session = NULL, *other = NULL;
    l->n_failures += nb_session_create(&session, l->engine, &options, NULL) != NB_OK;
    l->n_failures += nb_session_create(&other, l->engine, &options, NULL) != NB_OK;
    if (session && other) {
        answer(l, session);
        branch(l, session, other);
    }
    nb_session_free(session);
    nb_session_free(other);
    return NULL;
}

static const char *const models[] = {"qwen2-modelopt", "llama-f16"};

static const char *model_path(const char *model)
{
    char relative[128];
    snprintf(relative, sizeof relative, "models/oracle/%s", model);
    const char *path = nb_test_data(relative);
    if (!path)
        skip();
    return path;
}

static void begin(life *l, nb_engine *engine, const char *below, uint32_t index)
{
    nb_engine_info info;
    nb_engine_info_get(engine, &info);
    *l = (life){.engine = engine, .seed = index + 1, .n_vocab = info.vocab_size};
    snprintf(l->path, sizeof l->path, "%s/session-%u", below, index);
    for (uint32_t i = 0; i < N_PROMPT; i++)
        l->ids[i] = (int32_t)((i * 37 + index * 101 + 11) % 250);
    l->logits = calloc(3, l->n_vocab * sizeof *l->logits);
    assert_non_null(l->logits);
}

static void sessions_do_not_disturb_each_other(void **state)
{
    (void)state;
    char below[256];
    nb_test_directory_make(below, sizeof below);
    for (size_t m = 0; m < NB_COUNT(models); m++) {
        nb_engine *engine = nb_test_engine(model_path(models[m]), &(nb_test_settings){.n_threads = 2});
        life alone[N_THREADS], together[N_THREADS];
        pthread_t threads[N_THREADS];
        for (uint32_t i = 0; i < N_THREADS; i++) {
            begin(&alone[i], engine, below, i);
            begin(&together[i], engine, below, i);
            live(&alone[i]);
        }
        for (uint32_t i = 0; i < N_THREADS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, live, &together[i]), 0);
        for (uint32_t i = 0; i < N_THREADS; i++)
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        for (uint32_t i = 0; i < N_THREADS; i++) {
            assert_int_equal(alone[i].n_failures, 0);
            assert_int_equal(together[i].n_failures, 0);
            assert_memory_equal(alone[i].ids, together[i].ids, sizeof alone[i].ids);
            assert_memory_equal(alone[i].logits, together[i].logits, 3 * alone[i].n_vocab * sizeof(float));
            free(alone[i].logits);
            free(together[i].logits);
        }
        assert_memory_not_equal(alone[0].ids, alone[1].ids, sizeof alone[0].ids);
        nb_engine_close(engine);
    }
    nb_test_directory_remove(below);
}

// ---- the same for a text, which has no lock either

typedef struct reading {
    const nb_text *text;
    int32_t ids[512];
    size_t n_ids;
    uint32_t n_failures;
} reading;

static void *read_text(void *argument)
{
    reading *r = argument;
    const nb_message message = {"user", "What is 34 + 21? Tom has 5 apples and gives 3 of them to Anna."};
    nb_chat_options options = nb_chat_defaults();
    bool opens_reasoning;
    for (int i = 0; i < 20; i++) {
        char back[2048];
        size_t bytes;
        r->n_failures += nb_chat_encode(r->text, &message, 1, &options, r->ids, NB_COUNT(r->ids), &r->n_ids,
                                        &opens_reasoning, NULL) != NB_OK;
        r->n_failures += nb_text_decode(r->text, r->ids, r->n_ids, 0, back, sizeof back, &bytes, NULL) != NB_OK;
    }
    return NULL;
}

static void one_text_serves_all(void **state)
{
    (void)state;
    nb_text *text;
    nb_error error = {0};
    if (nb_text_open(&text, "apps/tutor/model", &error) != NB_OK)
        fail_msg("%s", error.text);
    reading readings[N_THREADS + 1] = {{.text = text}, {.text = text}, {.text = text}};
    pthread_t threads[N_THREADS];
    for (uint32_t i = 0; i < N_THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_text, &readings[i]), 0);
    for (uint32_t i = 0; i < N_THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    read_text(&readings[N_THREADS]);
    for (uint32_t i = 0; i <= N_THREADS; i++) {
        assert_int_equal(readings[i].n_failures, 0);
        assert_true(readings[i].n_ids > 10);
        assert_memory_equal(readings[i].ids, readings[N_THREADS].ids, readings[i].n_ids * sizeof(int32_t));
    }
    nb_text_close(text);
}

// ---- stopping from another thread

static void *cancel_often(void *argument)
{
    for (int i = 0; i < 2000; i++)
        nb_session_cancel(argument);
    return NULL;
}

static void another_thread_may_cancel(void **state)
{
    (void)state;
    nb_engine *engine = nb_test_engine(model_path("qwen2-modelopt"), &(nb_test_settings){.n_threads = 2});
    nb_session *session = nb_test_session(engine, &(nb_test_settings){.n_chunk = 1, .n_ctx = 64});
    int32_t ids[400] = {0};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, cancel_often, session), 0);
    nb_status status = nb_session_append(session, ids, NB_COUNT(ids), NULL, NULL, NULL);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(status == NB_OK || status == NB_ERR_STOPPED);
    assert_int_equal(nb_session_sync(session, ids, NB_COUNT(ids), NULL, NULL), NB_OK);
    assert_int_equal(nb_session_length(session), NB_COUNT(ids));
    nb_session_free(session);
    nb_engine_close(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sessions_do_not_disturb_each_other),
        cmocka_unit_test(one_text_serves_all),
        cmocka_unit_test(another_thread_may_cancel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
