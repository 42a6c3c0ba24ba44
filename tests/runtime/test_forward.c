// SPDX-License-Identifier: Apache-2.0
// Whole models against what independent software computed from the same files (models/oracle/README.md of the reference
// data): float64 logits of plain checkpoints, W4A4KV4 logits, every stage of one pass, greedy texts.
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/nvfp4.h"
#include "runtime/session.h"
#include "tests/support/data_path.h"
#include "tests/support/model_run.h"
#include "tests/support/oracle_tensors.h"

static const char *const plain_models[] = {"qwen2", "qwen2-r1", "llama3", "qwen3", "qwen2-yarn", "llama-f16"};
static const char *const isas[] = {"scalar", NULL}; // the twin, and the best this machine has

static const char *oracle_path(const char *model, const char *file)
{
    char relative[256];
    snprintf(relative, sizeof relative, "models/oracle/%s%s%s", model, *file ? "/" : "", file);
    return nb_test_data(relative);
}

static size_t n_compared; // in the running test: what is absent is left out, but not everything may be

static void skip_if_nothing_ran(void)
{
    if (n_compared == 0)
        skip();
    print_message("%zu comparisons\n", n_compared);
    n_compared = 0;
}

static void compare(const char *what, const char *directory, const nb_test_settings *settings, const char *model,
                    const char *expected_file, double bound)
{
    const char *path = oracle_path(model, expected_file), *ids_path = oracle_path(model, "oracle/ids.txt");
    if (!path || !ids_path)
        return; // nb_test_data has said so
    size_t n, n_vocab;
    nb_test_ids ids;
    nb_test_ids_read(&ids, ids_path);
    float *expected = nb_test_floats(path, &n), *found = nb_test_logits(directory, settings, &ids, &n_vocab);
    assert_int_equal(n, ids.n_total * n_vocab);
    double error = nb_test_relative_error(found, expected, n);
    print_message("%-20s %-12s %-8s relative error %.2e, allowed %.0e\n", model, what,
                  settings->isa ? settings->isa : "best", error, bound);
    assert_true(error <= bound);
    n_compared++;
    free(expected);
    free(found);
    nb_test_ids_free(&ids);
}

static void plain_logits(void **state)
{
    (void)state;
    for (size_t m = 0; m < NB_COUNT(plain_models); m++)
        for (size_t i = 0; i < NB_COUNT(isas); i++)
            if (oracle_path(plain_models[m], ""))
                compare("full", oracle_path(plain_models[m], ""), &(nb_test_settings){.isa = isas[i], .kv = NB_KV_F32},
                        plain_models[m], "oracle/logits_f64.f32", 1e-4);
    skip_if_nothing_ran();
}

static void exported_logits(void **state)
{
    (void)state;
    static const struct {
        const char *model, *file;
        nb_activations act;
        nb_kv kv;
        double bound;
    } runs[] = {
        {"qwen2-ct", "w4a16_logits", NB_ACT_NONE, NB_KV_F32, 1e-4},
        {"qwen2-ct", "w4a4kv4_logits", NB_ACT_DEFAULT, NB_KV_DEFAULT, 1e-3},
        {"qwen2-modelopt", "w4a16_logits", NB_ACT_NONE, NB_KV_F32, 1e-4},
        {"qwen2-modelopt", "w4a4kv4_logits", NB_ACT_DEFAULT, NB_KV_DEFAULT, 1e-3},
        {"qwen2-modelopt", "w4a4kv4_static_logits", NB_ACT_NVFP4_STATIC, NB_KV_E1M2, 1e-3},
        {"llama3-modelopt-kv", "w4a16_logits", NB_ACT_NONE, NB_KV_F32, 1e-4},
        {"llama3-modelopt-kv", "w4a4kv4_logits", NB_ACT_DEFAULT, NB_KV_DEFAULT, 1e-3},
        {"llama3-modelopt-kv", "w4a4kv4_e2m1_logits", NB_ACT_NVFP4, NB_KV_E2M1, 1e-3},
    };
    for (size_t r = 0; r < NB_COUNT(runs); r++)
        for (size_t i = 0; i < NB_COUNT(isas); i++) {
            char file[96];
            snprintf(file, sizeof file, "oracle/%s.f32", runs[r].file);
            if (oracle_path(runs[r].model, ""))
                compare(runs[r].file, oracle_path(runs[r].model, ""),
                        &(nb_test_settings){.isa = isas[i], .act = runs[r].act, .kv = runs[r].kv}, runs[r].model, file,
                        runs[r].bound);
        }
    skip_if_nothing_ran();
}

static void quantised_logits(void **state)
{
    (void)state;
    char below[256];
    nb_test_directory_make(below, sizeof below);
    for (size_t m = 0; m < NB_COUNT(plain_models); m++) {
        const char *found = oracle_path(plain_models[m], "");
        if (!found)
            continue;
        char source[4096];
        snprintf(source, sizeof source, "%s", found);
        const char *directory = nb_test_quantise(source, NULL, below);
        for (size_t i = 0; i < NB_COUNT(isas); i++) {
            compare("e1m2", directory, &(nb_test_settings){.isa = isas[i]}, plain_models[m],
                    "oracle/w4a4kv4_logits.f32", 1e-3);
            compare("kv f32", directory, &(nb_test_settings){.isa = isas[i], .kv = NB_KV_F32}, plain_models[m],
                    "oracle/w4a4kv4_kvbf16_logits.f32", 1e-3);
        }
        bool has_shift = strcmp(plain_models[m], "qwen2") == 0 || strcmp(plain_models[m], "qwen3") == 0;
        const char *shift = has_shift ? oracle_path(plain_models[m], "oracle/k_shift.st") : NULL;
        if (shift) {
            directory = nb_test_quantise(source, shift, below);
            compare("e1m2+shift", directory, &(nb_test_settings){0}, plain_models[m], "oracle/w4a4kv4_shift_logits.f32",
                    1e-3);
        }
    }
    nb_test_directory_remove(below);
    skip_if_nothing_ran();
}

// ---- greedy --------------------------------------------------------------------------------------------------------

// Continues a prompt greedily and demands the expected ids up to the first step whose margin is 1e-3 or less.
static void continue_greedily(nb_session *session, const int32_t *prompt, size_t n_prompt, const int32_t *expected,
                              const double *margins, size_t n_expected)
{
    nb_error error = {0};
    nb_sampling greedy = nb_sampling_defaults();
    greedy.temperature = 0.0f;
    assert_int_equal(nb_session_sync(session, prompt, n_prompt, NULL, &error), NB_OK);
    for (size_t i = 0; i < n_expected; i++) {
        int32_t id;
        assert_int_equal(nb_session_sample(session, &greedy, &id, NULL, &error), NB_OK);
        if (id != expected[i] && margins && margins[i] <= 1e-3)
            return;
        assert_int_equal(id, expected[i]);
        if (i + 1 < n_expected)
            assert_int_equal(nb_session_append(session, &id, 1, NULL, NULL, &error), NB_OK);
    }
}

static void greedy_oracle_models(void **state)
{
    (void)state;
    for (size_t m = 0; m < NB_COUNT(plain_models); m++) {
        const char *directory = oracle_path(plain_models[m], "");
        if (!directory)
            continue;
        nb_test_settings settings = {.kv = NB_KV_F32};
        nb_engine *engine = nb_test_engine(directory, &settings);
        nb_session *session = nb_test_session(engine, &settings);
        nb_test_ids prompts, greedy;
        nb_test_ids_read(&prompts, oracle_path(plain_models[m], "oracle/ids.txt"));
        nb_test_ids_read(&greedy, oracle_path(plain_models[m], "oracle/greedy.txt"));
        char *text = nb_test_file_read(oracle_path(plain_models[m], "oracle/greedy_margin.txt"), NULL), *at = text;
        for (size_t i = 0; i < prompts.n_sequences; i++) {
            double margins[64];
            assert_true(greedy.n_ids[i] <= 64);
            for (size_t k = 0; k < greedy.n_ids[i]; k++)
                margins[k] = strtod(at, &at);
            continue_greedily(session, prompts.ids[i], prompts.n_ids[i], greedy.ids[i], margins, greedy.n_ids[i]);
        }
        free(text);
        nb_test_ids_free(&prompts);
        nb_test_ids_free(&greedy);
        nb_session_free(session);
        nb_engine_close(engine);
        n_compared += prompts.n_sequences;
    }
    skip_if_nothing_ran();
}

static size_t json_ids(const json_t *array, int32_t *ids, size_t capacity)
{
    size_t n = json_array_size(array);
    assert_true(n > 0 && n <= capacity);
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)json_integer_value(json_array_get(array, i));
    return n;
}

static void greedy_stories(void **state)
{
    (void)state;
    const char *directory = nb_test_data("models/stories260K-hf");
    if (!directory)
        skip();
    char *text = nb_test_file_read(nb_test_data("models/stories260K-hf/oracle.json"), NULL);
    json_t *oracle = json_loads(text, 0, NULL);
    int32_t ids[512];
    size_t n = json_ids(json_object_get(json_object_get(oracle, "f32"), "greedy_ids"), ids, NB_COUNT(ids));
    assert_true(n >= 200);
    nb_test_settings settings = {.kv = NB_KV_F32};
    nb_engine *engine = nb_test_engine(directory, &settings);
    nb_session *session = nb_test_session(engine, &settings);
    continue_greedily(session, ids, 1, ids + 1, NULL, 200);
    nb_session_free(session);
    nb_engine_close(engine);
    json_decref(oracle);
    free(text);
}

static void greedy_mini_math(void **state)
{
    (void)state;
    const char *directory = nb_test_data("models/mini-math");
    if (!directory)
        skip();
    nb_test_settings settings = {.kv = NB_KV_F32};
    nb_engine *engine = nb_test_engine(directory, &settings);
    nb_session *session = nb_test_session(engine, &settings);
    char *text = nb_test_file_read(nb_test_data("models/mini-math/oracle/greedy.jsonl"), NULL), *rest = text;
    size_t n_lines = 0;
    for (char *line; (line = strsep(&rest, "\n"));) {
        json_t *problem = json_loads(line, 0, NULL);
        if (!problem)
            continue;
        int32_t prompt[512], greedy[512];
        double margins[512];
        size_t n_prompt = json_ids(json_object_get(problem, "prompt_ids"), prompt, NB_COUNT(prompt));
        size_t n_greedy = json_ids(json_object_get(problem, "greedy_ids"), greedy, NB_COUNT(greedy));
        for (size_t i = 0; i < n_greedy; i++)
            margins[i] = json_number_value(json_array_get(json_object_get(problem, "margin"), i));
        continue_greedily(session, prompt, n_prompt, greedy, margins, n_greedy);
        json_decref(problem);
        n_lines++;
    }
    assert_int_equal(n_lines, 40);
    free(text);
    nb_session_free(session);
    nb_engine_close(engine);
}

// ---- every stage of one pass ---------------------------------------------------------------------------------------

typedef struct tracer {
    const oracle_tensors *trace;
    size_t n_seen;
    double worst;
} tracer;

static const char *const stage_names[] = {"hidden_in", "attn_in",    "q",      "k",      "v",
                                          "attn_out",  "hidden_mid", "mlp_in", "mlp_act"};

static void compare_stage(void *user, nb_stage stage, uint32_t layer, const float *values, uint32_t n_rows,
                          uint32_t n_cols)
{
    tracer *t = user;
    char name[64];
    size_t n, rows;
    snprintf(name, sizeof name, "layers.%u.%s", layer, stage_names[stage]);
    float *expected = oracle_tensor_copy(t->trace, name, &n, &rows);
    assert_non_null(expected);
    assert_int_equal(n, (size_t)n_rows * n_cols);
    double error = nb_test_relative_error(values, expected, n);
    t->worst = error > t->worst ? error : t->worst;
    if (error > 3e-5)
        fail_msg("%s: relative error %g", name, error);
    t->n_seen++;
    free(expected);
}

// Codes and scales that the ring holds for one layer against the trace's; returns codes compared.
static void compare_ring(const nb_session *session, const oracle_tensors *trace, uint32_t layer, char which)
{
    const nb_ring *ring = &session->buffers.ring;
    char name[64];
    size_t n, rows, e_blocks = ring->head_dim / 16;
    snprintf(name, sizeof name, "layers.%u.%c_code", layer, which);
    int8_t *codes = oracle_tensor_copy(trace, name, &n, &rows);
    snprintf(name, sizeof name, "layers.%u.%c_scale", layer, which);
    uint8_t *scales = oracle_tensor_copy(trace, name, &n, &rows);
    for (uint32_t t = 0; t < rows; t++)
        for (uint32_t g = 0; g < ring->n_kv_heads; g++) {
            const uint8_t *tile =
                nb_ring_k(ring, layer, g) + t / 16 * 16 * nb_kv_vector_bytes(ring->format, ring->head_dim);
            const uint8_t *vector = nb_ring_v(ring, layer, g) + t * nb_kv_vector_bytes(ring->format, ring->head_dim);
            for (uint32_t d = 0; d < ring->head_dim; d++) {
                const uint8_t *block = tile + d / 16 * 9 * 16;
                uint8_t byte = which == 'k' ? block[(1 + d % 16 / 2) * 16 + t % 16] : vector[d / 2];
                uint8_t scale = which == 'k' ? block[t % 16] : vector[ring->head_dim / 2 + d / 16];
                size_t at = ((size_t)t * ring->n_kv_heads + g) * ring->head_dim + d;
                assert_int_equal(nb_e1m2_from_nibble(byte >> (d % 2 * 4) & 15), codes[at]);
                assert_int_equal(scale, scales[((size_t)t * ring->n_kv_heads + g) * e_blocks + d / 16]);
            }
        }
    free(codes);
    free(scales);
}

static void trace_stages(void **state)
{
    (void)state;
    static const char *const models[] = {"qwen2", "llama3", "qwen3"};
    char below[256];
    nb_test_directory_make(below, sizeof below);
    for (size_t m = 0; m < NB_COUNT(models); m++) {
        const char *source = oracle_path(models[m], ""), *trace_path = oracle_path(models[m], "oracle/trace.st");
        if (!source || !trace_path)
            continue;
        n_compared++;
        oracle_tensors trace;
        oracle_tensors_open(&trace, oracle_data_directory(), trace_path + strlen(oracle_data_directory()) + 1);
        nb_test_settings settings = {0};
        nb_engine *engine = nb_test_engine(nb_test_quantise(source, NULL, below), &settings);
        nb_session *session = nb_test_session(engine, &settings);
        nb_test_ids ids;
        nb_test_ids_read(&ids, oracle_path(models[m], "oracle/ids.txt"));
        tracer t = {.trace = &trace};
        nb_observer observer = {compare_stage, &t};
        nb_error error = {0};
        session->observer = &observer;
        assert_int_equal(nb_session_append(session, ids.ids[1], ids.n_ids[1], NULL, NULL, &error), NB_OK);
        assert_int_equal(t.n_seen, 9 * engine->model.config.n_layers);
        print_message("%s: %zu stages, worst relative error %.2e, allowed 3e-5\n", models[m], t.n_seen, t.worst);
        for (uint32_t layer = 0; layer < engine->model.config.n_layers; layer++) {
            compare_ring(session, &trace, layer, 'k');
            compare_ring(session, &trace, layer, 'v');
        }
        nb_test_ids_free(&ids);
        nb_session_free(session);
        nb_engine_close(engine);
        oracle_tensors_close(&trace);
    }
    nb_test_directory_remove(below);
    skip_if_nothing_ran();
}

// ---- layers of which some matrices are plain

typedef struct kept {
    float k[4096]; // of layer 0
} kept;

static void keep_k(void *user, nb_stage stage, uint32_t layer, const float *values, uint32_t n_rows, uint32_t n_cols)
{
    if (stage == NB_STAGE_K && layer == 0)
        memcpy(((kept *)user)->k, values, nb_min((size_t)n_rows * n_cols * sizeof(float), sizeof((kept *)user)->k));
}

static void run_keeping_k(nb_engine *engine, const nb_test_settings *settings, kept *k)
{
    static const int32_t ids[] = {3, 1, 4, 1, 5, 9};
    nb_session *session = nb_test_session(engine, settings);
    nb_observer observer = {keep_k, k};
    nb_error error = {0};
    session->observer = &observer;
    if (nb_session_sync(session, ids, NB_COUNT(ids), NULL, &error) != NB_OK)
        fail_msg("%s", error.text);
    nb_session_free(session);
}

// A plain q beside a quantised k: k is what it was.
static void one_plain_matrix_leaves_the_others_packed(void **state)
{
    (void)state;
    const char *path = oracle_path("qwen2-modelopt", "");
    if (!path)
        skip();
    const nb_test_settings settings = {.n_ctx = 32, .kv = NB_KV_F32};
    nb_engine *engine = nb_test_engine(path, &settings);
    static kept before, after;
    run_keeping_k(engine, &settings, &before);
    nb_layer *layer = &engine->model.layers[0];
    size_t n = (size_t)layer->q.n_rows * layer->q.n_cols;
    float *plain = calloc(n, sizeof *plain);
    assert_non_null(plain);
    nb_nvfp4_decode(layer->q.data, layer->q.scales, n, layer->q.global_scale, plain);
    layer->q = (nb_weight){.format = NB_FORMAT_F32,
                           .n_rows = layer->q.n_rows,
                           .n_cols = layer->q.n_cols,
                           .data = (const uint8_t *)plain,
                           .global_scale = 1,
                           .bias = layer->q.bias};
    run_keeping_k(engine, &settings, &after);
    assert_memory_equal(before.k, after.k, sizeof before.k);
    nb_engine_close(engine);
    free(plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_logits),     cmocka_unit_test(exported_logits),
        cmocka_unit_test(quantised_logits), cmocka_unit_test(trace_stages),
        cmocka_unit_test(greedy_stories),   cmocka_unit_test(greedy_oracle_models),
        cmocka_unit_test(greedy_mini_math), cmocka_unit_test(one_plain_matrix_leaves_the_others_packed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
