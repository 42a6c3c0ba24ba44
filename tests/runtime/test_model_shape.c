// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/floats.h"
#include "kernels/nvfp4.h"
#include "runtime/model.h"
#include "tests/support/data_path.h"
#include "tests/support/faults.h"

static char directory[512], path[600];

static const char config_json[] =
    "{\"model_type\":\"qwen3\",\"hidden_size\":128,\"intermediate_size\":272,\"num_hidden_layers\":3,"
    "\"num_attention_heads\":6,\"num_key_value_heads\":2,\"head_dim\":32,\"vocab_size\":333,"
    "\"max_position_embeddings\":1024,\"attention_bias\":true}";

static int set_up(void **state)
{
    (void)state;
    nb_test_directory_make(directory, sizeof directory);
    snprintf(path, sizeof path, "%s/config.json", directory);
    nb_test_file_write(path, config_json, strlen(config_json));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    nb_test_directory_remove(directory);
    return 0;
}

static void test_shapes(void **state)
{
    (void)state;
    nb_model a, b;
    assert_int_equal(nb_model_open_shape(&a, path, false, NULL), NB_OK);
    assert_int_equal(nb_model_open_shape(&b, path, false, NULL), NB_OK);
    assert_true(a.is_quantised && a.is_resident && !a.has_key_shift);
    assert_true(a.config.quant_activations);
    assert_string_equal(a.family, "qwen3");
    assert_int_equal(a.embedding.n_rows, 333);
    assert_int_equal(a.embedding.n_cols, 128);
    assert_ptr_not_equal(a.head.data, a.embedding.data); // untied
    size_t linears = 0;
    for (unsigned i = 0; i < 3; i++) {
        const nb_weight *w[] = {&a.layers[i].q,    &a.layers[i].k,  &a.layers[i].v,   &a.layers[i].o,
                                &a.layers[i].gate, &a.layers[i].up, &a.layers[i].down};
        static const uint32_t shapes[][2] = {{192, 128}, {64, 128},  {64, 128}, {128, 192},
                                             {272, 128}, {272, 128}, {128, 272}};
        for (size_t j = 0; j < NB_COUNT(w); j++) {
            assert_int_equal(w[j]->n_rows, shapes[j][0]);
            assert_int_equal(w[j]->n_cols, shapes[j][1]);
            assert_int_equal(w[j]->format, NB_FORMAT_NVFP4);
            assert_true(j < 4 ? w[j]->bias != NULL : w[j]->bias == NULL);
            linears += (size_t)w[j]->n_rows * w[j]->n_cols;
        }
        assert_non_null(a.layers[i].q_norm);
    }
    assert_int_equal(a.weight_bytes, linears / 2 + linears / 16 + 2 * 2 * 333 * 128);
    assert_int_equal(a.weight_bytes_per_token, linears / 2 + linears / 16 + 2 * 333 * 128 + 2 * 128);
    // The same values every time, and other ones in every matrix.
    assert_memory_equal(a.layers[2].down.data, b.layers[2].down.data, 128 * 272 / 2);
    assert_memory_not_equal(a.layers[2].up.data, a.layers[2].gate.data, 128 * 272 / 2);
    nb_model_close(&a);
    nb_model_close(&b);
}

// A row of unit values times a matrix keeps about its size: nothing overflows however many layers there are.
static void test_sizes_of_values(void **state)
{
    (void)state;
    nb_model model;
    assert_int_equal(nb_model_open_shape(&model, path, false, NULL), NB_OK);
    const nb_weight *w = &model.layers[1].down;
    double sum = 0;
    size_t n = (size_t)w->n_rows * w->n_cols;
    float *values = malloc(n * sizeof *values);
    nb_nvfp4_decode(w->data, w->scales, n, w->global_scale, values);
    for (size_t i = 0; i < n; i++)
        sum += (double)values[i] * values[i];
    double gain = sqrt(sum / w->n_rows);
    assert_true(gain > 0.8 && gain < 1.25);
    for (size_t i = 0; i < n / 16; i++)
        assert_true(w->scales[i] >= 0x30 && w->scales[i] <= 0x3f);
    for (size_t i = 0; i < 333 * 128; i++) {
        uint16_t bits;
        memcpy(&bits, model.embedding.data + 2 * i, 2);
        float x = fabsf(nb_bf16_decode(bits));
        assert_true(x >= 0x1p-6f && x < 0x1p-5f);
    }
    free(values);
    nb_model_close(&model);
}

static void test_refusals(void **state)
{
    (void)state;
    nb_model model;
    nb_error error = {0};
    assert_int_equal(nb_model_open_shape(&model, directory, false, &error), NB_ERR_INPUT);
    const char *odd = "{\"model_type\":\"llama\",\"hidden_size\":64,\"intermediate_size\":172,\"num_hidden_layers\":2,"
                      "\"num_attention_heads\":4,\"vocab_size\":512,\"max_position_embeddings\":1024}";
    nb_test_file_write(path, odd, strlen(odd));
    error = (nb_error){0};
    assert_int_equal(nb_model_open_shape(&model, path, false, &error), NB_ERR_INPUT);
    assert_non_null(strstr(error.text, "multiple of 16"));
    const char *vast = "{\"model_type\":\"llama\",\"hidden_size\":131072,\"intermediate_size\":524288,"
                       "\"num_hidden_layers\":1024,\"num_attention_heads\":1024,\"vocab_size\":1048576,"
                       "\"max_position_embeddings\":1024}";
    nb_test_file_write(path, vast, strlen(vast));
    error = (nb_error){0};
    assert_int_equal(nb_model_open_shape(&model, path, false, &error), NB_ERR_FIT); // 150 TB: counted, not taken
    assert_non_null(strstr(error.text, "expected at most"));
    assert_null(model.storage);
}

static void test_faults(void **state)
{
    (void)state;
    static const nb_fault kinds[] = {NB_FAULT_MALLOC, NB_FAULT_OPEN, NB_FAULT_MMAP, NB_FAULT_STAT, NB_FAULT_READ};
    nb_model model;
    assert_int_equal(nb_model_open_shape(&model, path, false, NULL), NB_OK);
    nb_model_close(&model);
    for (size_t i = 0; i < NB_COUNT(kinds); i++) {
        size_t n_refused = 0;
        for (uint64_t n = 1;; n++) {
            nb_faults_fail_at(kinds[i], n);
            nb_status status = nb_model_open_shape(&model, path, false, NULL);
            bool failed = nb_faults_reset();
            assert_true(status == NB_OK || !model.storage);
            nb_model_close(&model);
            if (!failed)
                break;
            n_refused += status != NB_OK;
        }
        assert_true(n_refused > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_shapes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sizes_of_values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refusals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_faults, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
