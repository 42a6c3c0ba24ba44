// SPDX-License-Identifier: Apache-2.0
// Opening engines: what is in force, what is refused, resident against mapped, random shapes.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "platform/base.h"
#include "runtime/engine.h"
#include "tests/support/data_path.h"
#include "tests/support/model_run.h"

static const char *need(const char *relative)
{
    const char *path = nb_test_data(relative);
    if (!path)
        skip();
    return path;
}

static void what_is_in_force(void **state)
{
    (void)state;
    nb_test_settings settings = {.n_threads = 2};
    nb_engine *plain = nb_test_engine(need("models/oracle/llama3"), &settings);
    nb_engine *quantised = nb_test_engine(need("models/oracle/qwen2-modelopt"), &settings);
    nb_engine_info info;
    nb_engine_info_get(plain, &info);
    assert_string_equal(info.family, "llama");
    assert_string_equal(info.format, "bf16");
    assert_int_equal(info.act, NB_ACT_NONE);
    assert_int_equal(info.kv_default, NB_KV_BF16);
    assert_int_equal(info.max_positions, 512);
    assert_int_equal(info.n_threads, 2);
    assert_int_equal(info.weights, NB_WEIGHTS_MAPPED);
    assert_non_null(info.text);
    nb_engine_info_get(quantised, &info);
    assert_string_equal(info.family, "qwen2");
    assert_string_equal(info.format, "nvfp4-modelopt");
    assert_int_equal(info.act, NB_ACT_NVFP4);
    assert_int_equal(info.kv_default, NB_KV_E1M2);
    assert_null(info.text);
    assert_int_equal(info.n_stop_ids, 2); // config.json and generation_config.json
    assert_int_equal(info.stop_ids[0], 971);
    assert_int_equal(info.stop_ids[1], 969);
    nb_engine_close(plain);
    nb_engine_close(quantised);
}

static void refusals(void **state)
{
    (void)state;
    nb_engine *engine = NULL;
    nb_error error = {0};
    nb_engine_options options = nb_engine_defaults();
    const char *plain = need("models/oracle/qwen2");
    options.isa = "sse9";
    assert_int_equal(nb_engine_open(&engine, plain, &options, &error), NB_ERR_ARGUMENT);
    assert_non_null(strstr(error.text, "scalar"));
    assert_null(engine);
    options = nb_engine_defaults();
    options.act = NB_ACT_NVFP4;
    assert_int_equal(nb_engine_open(&engine, plain, &options, NULL), NB_ERR_ARGUMENT);
    assert_null(engine);
    options = nb_engine_defaults();
    options.n_threads = 100000;
    assert_int_equal(nb_engine_open(&engine, plain, &options, NULL), NB_ERR_ARGUMENT);
    assert_int_equal(nb_engine_open(&engine, "/nonexistent", NULL, NULL), NB_ERR_INPUT);
    assert_int_equal(nb_engine_open_shape(&engine, "/nonexistent", NULL, NULL), NB_ERR_INPUT);
    assert_null(engine);
    nb_engine_close(NULL);
}

static void resident_equals_mapped(void **state)
{
    (void)state;
    nb_error error = {0};
    nb_engine_options options = nb_engine_defaults();
    const char *path = need("models/oracle/qwen2-modelopt");
    float *logits[2];
    nb_engine_info info;
    for (int resident = 0; resident < 2; resident++) {
        nb_engine *engine;
        nb_session *session;
        options.weights = resident ? NB_WEIGHTS_RESIDENT : NB_WEIGHTS_MAPPED;
        assert_int_equal(nb_engine_open(&engine, path, &options, &error), NB_OK);
        nb_engine_info_get(engine, &info);
        assert_int_equal(info.weights, options.weights);
        assert_int_equal(nb_session_create(&session, engine, NULL, &error), NB_OK);
        assert_int_equal(nb_session_append(session, (int32_t[]){5, 6, 7}, 3, NULL, NULL, &error), NB_OK);
        logits[resident] = malloc(info.vocab_size * sizeof(float));
        memcpy(logits[resident], nb_session_logits(session), info.vocab_size * sizeof(float));
        nb_session_free(session);
        nb_engine_close(engine);
    }
    assert_memory_equal(logits[0], logits[1], info.vocab_size * sizeof(float));
    free(logits[0]);
    free(logits[1]);
}

static void random_shape_runs(void **state)
{
    (void)state;
    nb_error error = {0};
    nb_engine *engine;
    nb_session *session;
    nb_engine_info info;
    const char *path = need("models/oracle/qwen3/config.json");
    nb_engine_options options = nb_engine_defaults();
    for (int plain = 0; plain < 2; plain++) {
        options.shape_plain = plain;
        assert_int_equal(nb_engine_open_shape(&engine, path, &options, &error), NB_OK);
        nb_engine_info_get(engine, &info);
        assert_int_equal(info.act, plain ? NB_ACT_NONE : NB_ACT_NVFP4);
        assert_string_equal(info.format, plain ? "bf16" : "nvfp4-modelopt");
        assert_int_equal(nb_session_create(&session, engine, NULL, &error), NB_OK);
        assert_int_equal(nb_session_append(session, (int32_t[]){5, 6, 7}, 3, NULL, NULL, &error), NB_OK);
        for (uint32_t i = 0; i < info.vocab_size; i++)
            assert_true(__builtin_isfinite(nb_session_logits(session)[i]));
        nb_session_free(session);
        nb_engine_close(engine);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_in_force),
        cmocka_unit_test(refusals),
        cmocka_unit_test(resident_equals_mapped),
        cmocka_unit_test(random_shape_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
