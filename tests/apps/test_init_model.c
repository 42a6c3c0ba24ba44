// SPDX-License-Identifier: Apache-2.0
// New models: shapes that load, weights of the promised spread, the same bytes from the same seed.
#include "apps/qat/init_model.h"

#include <getopt.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apps/qat/qat_commands.h"
#include "kernels/floats.h"
#include "platform/file.h"
#include "runtime/nibble.h"
#include "tests/support/scratch.h"

static char traces[4096];

static int init(const char *out, const char *seed, const char *extra, const char *value)
{
    const char *argv[24] = {"init",     "--tokenizer", "tok",     "--hidden", "64",         "--ffn", "96",
                            "--layers", "2",           "--heads", "4",        "--kv-heads", "2",     "--max-length",
                            "128",      "--out",       out,       "--seed",   seed};
    int argc = 19;
    if (extra)
        argv[argc++] = extra;
    if (value)
        argv[argc++] = value;
    optind = 0;
    return nb_command_init(argc, (char **)argv);
}

static void make_tokenizer(void **state)
{
    (void)state;
    const char *argv[] = {"tokenizer", "--traces", traces, "--size", "300", "--out", "tok", NULL};
    optind = 0;
    assert_int_equal(nb_command_tokenizer(7, (char **)argv), 0);
}

static void the_model_loads_and_computes(void **state)
{
    (void)state;
    assert_int_equal(init("a", "5", NULL, NULL), 0);
    nb_engine *engine;
    nb_engine_options options = nb_engine_defaults();
    options.n_threads = 1;
    assert_int_equal(nb_engine_open(&engine, "a", &options, NULL), NB_OK);
    nb_engine_info info;
    nb_engine_info_get(engine, &info);
    assert_string_equal(info.format, "bf16");
    assert_int_equal(info.vocab_size, 300);
    assert_int_equal(info.hidden_size, 64);
    assert_int_equal(info.n_layers, 2);
    assert_int_equal(info.head_dim, 16);
    // Embedding, final norm; norms, q, k, v with bias, output, three of the ffn.
    assert_int_equal(info.n_parameters, 300 * 64 + 64 + 2 * (2 * 64 + (64 + 32 + 32) * 65 + 64 * 64 + 3 * 64 * 96));
    assert_int_equal(info.stop_ids[0], 297);
    nb_session *session;
    nb_session_options session_options = nb_session_defaults();
    assert_int_equal(nb_session_create(&session, engine, &session_options, NULL), NB_OK);
    int32_t ids[] = {1, 2, 3};
    assert_int_equal(nb_session_sync(session, ids, 3, NULL, NULL), NB_OK);
    const float *logits = nb_session_logits(session);
    for (uint32_t i = 0; i < info.vocab_size; i++)
        assert_true(isfinite(logits[i]) && fabsf(logits[i]) < 2); // near 0.02 * sqrt(64)
    nb_session_free(session);
    nb_engine_close(engine);
}

static char *contents(const char *path, size_t *bytes)
{
    char *data;
    assert_int_equal(nb_file_read(path, 1 << 24, &data, bytes, NULL), NB_OK);
    return data;
}

static bool is_same(const char *left, const char *right)
{
    size_t n_left, n_right;
    char *a = contents(left, &n_left), *b = contents(right, &n_right);
    bool is_equal = n_left == n_right && memcmp(a, b, n_left) == 0;
    free(a);
    free(b);
    return is_equal;
}

static void the_seed_decides(void **state)
{
    (void)state;
    assert_int_equal(init("b", "5", NULL, NULL), 0);
    assert_int_equal(init("c", "6", NULL, NULL), 0);
    assert_true(is_same("a/model.safetensors", "b/model.safetensors"));
    assert_false(is_same("a/model.safetensors", "c/model.safetensors"));
    assert_true(is_same("a/config.json", "c/config.json"));
    assert_true(is_same("a/tokenizer.json", "tok/tokenizer.json"));
}

static void check_spread(const nb_tensor *tensor, const char *file, double std)
{
    double sum = 0, squares = 0, n = (double)(tensor->end - tensor->begin) / 4;
    for (uint64_t at = tensor->begin; at < tensor->end; at += 4) {
        float value;
        memcpy(&value, file + at, 4);
        sum += value;
        squares += (double)value * value;
    }
    assert_true(fabs(sum / n) < 5 * std / sqrt(n));
    assert_true(fabs(sqrt(squares / n) / std - 1) < 5 / sqrt(2 * n));
}

static void the_weights_are_spread_as_promised(void **state)
{
    (void)state;
    assert_int_equal(init("f", "7", "--dtype", "f32"), 0);
    size_t bytes;
    char *data = contents("f/model.safetensors", &bytes);
    nb_safetensors file;
    assert_int_equal(nb_safetensors_parse(&file, (const uint8_t *)data, bytes, "f", NULL), NB_OK);
    assert_int_equal(file.n_tensors, 2 + 2 * 12);
    for (size_t i = 0; i < file.n_tensors; i++) {
        const nb_tensor *tensor = &file.tensors[i];
        assert_int_equal(tensor->dtype, NB_DTYPE_F32);
        bool is_residual = strstr(tensor->name, "o_proj") || strstr(tensor->name, "down_proj");
        if (tensor->rank == 2) {
            check_spread(tensor, data, is_residual ? 0.02 / 2 : 0.02); // sqrt(2 * 2 layers) = 2
            continue;
        }
        for (uint64_t at = tensor->begin; at < tensor->end; at += 4) {
            float value;
            memcpy(&value, data + at, 4);
            assert_true(value == (strstr(tensor->name, "norm") ? 1.0f : 0.0f));
        }
    }
    nb_safetensors_release(&file);
    free(data);
}

static void a_config_can_be_given(void **state)
{
    (void)state;
    assert_int_equal(init("g", "5", "--config", "a/config.json"), 0);
    assert_true(is_same("a/model.safetensors", "g/model.safetensors"));
    assert_true(is_same("a/config.json", "g/config.json"));
    assert_int_equal(init("h", "5", "--untied", NULL), 0);
    nb_config config;
    assert_int_equal(nb_config_open(&config, "h", NULL), NB_OK);
    assert_false(config.tied_head);
    nb_config_release(&config);
}

static void bad_input_is_told(void **state)
{
    (void)state;
    assert_int_not_equal(init("a", "5", NULL, NULL), 0); // there is one
    assert_int_equal(init("a", "6", "--force", NULL), 0);
    assert_int_not_equal(init("x", "5", "--heads", "3"), 0); // 64 / 3
    assert_true(nb_scratch_put("llama.json", "{\"model_type\": \"llama\"}"));
    assert_int_not_equal(init("x", "5", "--config", "llama.json"), 0);
    assert_int_not_equal(init("x", "5", "--config", "nothing.json"), 0);
    assert_int_not_equal(init("x", "5", "--tokenizer", "nothing"), 0);
    assert_false(nb_file_exists("x"));
}

int main(void)
{
    char *home = realpath("tests/golden/traces/corpus.jsonl", NULL);
    if (!home)
        return 1;
    snprintf(traces, sizeof traces, "%s", home);
    free(home);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(make_tokenizer),        cmocka_unit_test(the_model_loads_and_computes),
        cmocka_unit_test(the_seed_decides),      cmocka_unit_test(the_weights_are_spread_as_promised),
        cmocka_unit_test(a_config_can_be_given), cmocka_unit_test(bad_input_is_told),
    };
    return cmocka_run_group_tests(tests, nb_scratch_enter, nb_scratch_leave);
}
