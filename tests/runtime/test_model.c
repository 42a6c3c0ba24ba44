// SPDX-License-Identifier: Apache-2.0
// Binding of good models: every byte and table against second readers and the hashes of the exporters. Bad ones are in
// test_model_bind.c.
#include "runtime/model.h"

#include <dirent.h>
#include <math.h>
#include <openssl/sha.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernels/floats.h"
#include "tests/support/data_path.h"
#include "tests/support/faults.h"
#include "tests/support/oracle_tensors.h"

static nb_model opened(const char *directory, bool resident)
{
    nb_model model;
    nb_error error = {0};
    if (nb_model_open(&model, directory, resident, NULL, NULL, &error) != NB_OK)
        fail_msg("%s: %s", directory, error.text);
    assert_int_equal(model.is_resident, resident);
    return model;
}

static const nb_weight *linear(const nb_model *model, unsigned layer, const char *name)
{
    const nb_layer *l = &model->layers[layer];
    const struct {
        const char *name;
        const nb_weight *weight;
    } linears[] = {{"self_attn.q_proj", &l->q}, {"self_attn.k_proj", &l->k}, {"self_attn.v_proj", &l->v},
                   {"self_attn.o_proj", &l->o}, {"mlp.gate_proj", &l->gate}, {"mlp.up_proj", &l->up},
                   {"mlp.down_proj", &l->down}};
    for (size_t i = 0; i < NB_COUNT(linears); i++)
        if (strcmp(linears[i].name, name) == 0)
            return linears[i].weight;
    fail_msg("no linear %s", name);
    return NULL;
}

static void assert_sha256(const uint8_t *data, size_t n, const char *expected)
{
    uint8_t hash[SHA256_DIGEST_LENGTH];
    char text[2 * SHA256_DIGEST_LENGTH + 1];
    SHA256(data, n, hash);
    for (size_t i = 0; i < sizeof hash; i++)
        snprintf(text + 2 * i, 3, "%02x", hash[i]);
    assert_string_equal(text, expected);
}

// The exporters' own bytes: codes, block scales, global scale of every matrix.
static void test_real_exports(void **state)
{
    (void)state;
    static const char *const names[] = {"qwen2-ct", "qwen2-modelopt", "llama3-modelopt-kv"};
    size_t n_checked = 0;
    for (size_t i = 0; i < NB_COUNT(names); i++) {
        char path[128];
        snprintf(path, sizeof path, "models/oracle/%s/oracle/weights_sha256.txt", names[i]);
        const char *list_path = nb_test_data(path);
        snprintf(path, sizeof path, "models/oracle/%s", names[i]);
        const char *directory = nb_test_data(path);
        if (!list_path || !directory)
            continue;
        char *list = nb_test_file_read(list_path, NULL);
        for (int resident = 0; resident < 2; resident++) {
            nb_model model = opened(directory, resident);
            bool reciprocal = model.config.quant == NB_QUANT_COMPRESSED_TENSORS;
            assert_true(model.is_quantised && model.config.quant_activations);
            assert_string_equal(model.format, reciprocal ? "nvfp4-compressed-tensors" : "nvfp4-modelopt");
            for (char *line = list; *line; line = strchr(line, '\n') + 1, n_checked++) {
                unsigned layer, bits;
                char name[64], codes[65], scales[65];
                assert_int_equal(sscanf(line, "model.layers.%u.%63s %64s %64s %x", &layer, name, codes, scales, &bits),
                                 5);
                const nb_weight *w = linear(&model, layer, name);
                assert_int_equal(w->format, NB_FORMAT_NVFP4);
                size_t n = (size_t)w->n_rows * w->n_cols;
                assert_sha256(w->data, n / 2, codes);
                assert_sha256(w->scales, n / 16, scales);
                float g = nb_f32_from_bits(bits);
                assert_true(w->global_scale == (reciprocal ? 1.0f / g : g));
                assert_true(w->input_scale > 0 && isfinite(w->input_scale));
            }
            assert_int_equal(model.head.format, NB_FORMAT_BF16);
            nb_model_close(&model);
        }
        free(list);
    }
    print_message("%zu matrices checked\n", n_checked);
    if (n_checked == 0)
        skip();
}

// A float table against the second reader's bytes.
static void assert_table(const oracle_tensors *file, const char *dtype, const char *name, const float *table)
{
    size_t n, n_rows;
    uint8_t *bytes = oracle_tensor_copy(file, name, &n, &n_rows);
    if (!bytes) {
        assert_null(table);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint16_t half;
        float expected;
        memcpy(&half, bytes + 2 * i, 2);
        memcpy(&expected, bytes + (dtype[0] == 'f' && dtype[1] == '3' ? 4 * i : 0), 4);
        if (strcmp(dtype, "bf16") == 0)
            expected = nb_bf16_decode(half);
        else if (strcmp(dtype, "f16") == 0)
            expected = nb_f16_decode(half);
        assert_true(table[i] == expected);
    }
    free(bytes);
}

static void assert_weight(const oracle_tensors *file, const char *dtype, const char *name, const nb_weight *weight)
{
    size_t n, n_rows;
    uint8_t *bytes = oracle_tensor_copy(file, name, &n, &n_rows);
    assert_non_null(bytes);
    assert_int_equal(weight->n_rows, n_rows);
    assert_int_equal((size_t)weight->n_rows * weight->n_cols, n);
    assert_int_equal(weight->format, dtype[0] == 'b'   ? NB_FORMAT_BF16
                                     : dtype[1] == '3' ? NB_FORMAT_F32
                                                       : NB_FORMAT_F16);
    assert_memory_equal(weight->data, bytes, n * (dtype[1] == '3' ? 4 : 2));
    free(bytes);
}

static void check_plain_layer(const nb_model *model, const oracle_tensors *file, const char *dtype, unsigned layer)
{
    static const char *const linears[] = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                                          "self_attn.o_proj", "mlp.gate_proj",    "mlp.up_proj",
                                          "mlp.down_proj"};
    char name[128];
    for (size_t i = 0; i < NB_COUNT(linears); i++) {
        const nb_weight *w = linear(model, layer, linears[i]);
        snprintf(name, sizeof name, "model.layers.%u.%s.weight", layer, linears[i]);
        assert_weight(file, dtype, name, w);
        snprintf(name, sizeof name, "model.layers.%u.%s.bias", layer, linears[i]);
        assert_table(file, dtype, name, w->bias);
    }
    const nb_layer *l = &model->layers[layer];
    const struct {
        const char *name;
        const float *table;
    } norms[] = {{"input_layernorm", l->attention_norm},
                 {"post_attention_layernorm", l->mlp_norm},
                 {"self_attn.q_norm", l->q_norm},
                 {"self_attn.k_norm", l->k_norm}};
    for (size_t i = 0; i < NB_COUNT(norms); i++) {
        snprintf(name, sizeof name, "model.layers.%u.%s.weight", layer, norms[i].name);
        assert_table(file, dtype, name, norms[i].table);
    }
    assert_null(l->k_shift);
    assert_true(l->k_scale == 1 && l->v_scale == 1);
}

static void test_plain_models(void **state)
{
    (void)state;
    static const char *const models[][2] = {
        {"qwen2", "bf16"}, {"llama3", "bf16"}, {"qwen3", "bf16"}, {"qwen2-yarn", "f32"}, {"llama-f16", "f16"}};
    size_t n_checked = 0;
    for (size_t i = 0; i < NB_COUNT(models); i++) {
        char path[128];
        snprintf(path, sizeof path, "models/oracle/%s", models[i][0]);
        const char *directory = nb_test_data(path), *dtype = models[i][1];
        if (!directory)
            continue;
        oracle_tensors file;
        oracle_tensors_open(&file, directory, "model.safetensors");
        for (int resident = 0; resident < 2; resident++) {
            nb_model model = opened(directory, resident);
            assert_string_equal(model.format, dtype);
            assert_false(model.is_quantised || model.has_key_shift);
            assert_weight(&file, dtype, "model.embed_tokens.weight", &model.embedding);
            assert_weight(&file, dtype, model.config.tied_head ? "model.embed_tokens.weight" : "lm_head.weight",
                          &model.head);
            if (model.config.tied_head)
                assert_ptr_equal(model.head.data, model.embedding.data);
            assert_table(&file, dtype, "model.norm.weight", model.final_norm);
            for (unsigned layer = 0; layer < model.config.n_layers; layer++)
                check_plain_layer(&model, &file, dtype, layer);
            assert_int_equal(model.weight_bytes, file.n_bytes - file.data_begin);
            assert_int_equal(model.weight_bytes, model.n_parameters * (dtype[1] == '3' ? 4 : 2));
            nb_model_close(&model);
        }
        oracle_tensors_close(&file);
        n_checked++;
    }
    print_message("%zu models checked\n", n_checked);
    if (n_checked == 0)
        skip();
}

static size_t count_open_files(void)
{
    size_t n = 0;
    DIR *directory = opendir("/proc/self/fd");
    assert_non_null(directory);
    while (readdir(directory))
        n++;
    closedir(directory);
    return n;
}

static bool is_mapped(const char *name)
{
    FILE *file = fopen("/proc/self/maps", "r");
    char line[4096];
    bool found = false;
    while (fgets(line, sizeof line, file))
        found |= strstr(line, name) != NULL;
    fclose(file);
    return found;
}

// Weights are never held twice: mapped keeps maps, resident keeps none and no file.
static void test_placement(void **state)
{
    (void)state;
    const char *directory = nb_test_data("models/oracle/qwen2-r1");
    if (!directory)
        skip();
    size_t n_files = count_open_files();
    nb_model mapped = opened(directory, false);
    assert_true(is_mapped("model-00002-of-00004.safetensors"));
    nb_model_close(&mapped);
    assert_false(is_mapped("-of-00004.safetensors"));
    nb_model resident = opened(directory, true);
    assert_false(is_mapped("-of-00004.safetensors"));
    assert_int_equal(count_open_files(), n_files);
    assert_int_equal((uintptr_t)resident.layers[1].down.data % 64, 0);
    assert_true(resident.weight_bytes_per_token < resident.weight_bytes); // one row of the embedding, untied
    assert_int_equal(resident.weight_bytes - resident.weight_bytes_per_token,
                     511 * 256 * 2 + 2 * (2 * 256 + 256 + 64 + 64) * 2 + 256 * 2);
    nb_model_close(&resident);
    nb_model_close(&resident); // harmless
}

static void test_cache_scales(void **state)
{
    (void)state;
    const char *directory = nb_test_data("models/oracle/llama3-modelopt-kv");
    if (!directory)
        skip();
    oracle_tensors file;
    oracle_tensors_open(&file, directory, "model.safetensors");
    nb_model model = opened(directory, false);
    for (unsigned i = 0; i < model.config.n_layers; i++) {
        char name[128];
        size_t n, n_rows;
        snprintf(name, sizeof name, "model.layers.%u.self_attn.k_proj.k_scale", i);
        float *k = oracle_tensor_copy(&file, name, &n, &n_rows);
        snprintf(name, sizeof name, "model.layers.%u.self_attn.v_proj.v_scale", i);
        float *v = oracle_tensor_copy(&file, name, &n, &n_rows);
        assert_true(model.layers[i].k_scale == *k && model.layers[i].v_scale == *v);
        free(k);
        free(v);
    }
    nb_model_close(&model);
    oracle_tensors_close(&file);
}

typedef struct progress {
    uint64_t done, total, n_calls;
} progress;

static void on_progress(void *user, uint64_t done, uint64_t total)
{
    progress *p = user;
    assert_true(done > p->done && done <= total && (p->n_calls == 0 || total == p->total));
    *p = (progress){done, total, p->n_calls + 1};
}

static void test_progress(void **state)
{
    (void)state;
    const char *directory = nb_test_data("models/oracle/qwen2-modelopt");
    if (!directory)
        skip();
    for (int resident = 0; resident < 2; resident++) {
        nb_model model;
        progress p = {0};
        assert_int_equal(nb_model_open(&model, directory, resident, on_progress, &p, NULL), NB_OK);
        assert_int_equal(p.done, p.total);
        assert_int_equal(p.total, model.weight_bytes);
        nb_model_close(&model);
    }
}

// Every allocation, open, map, stat and read failed once: an error, and nothing kept.
static void test_faults(void **state)
{
    (void)state;
    static const char *const models[] = {"models/oracle/llama-f16", "models/oracle/qwen2-modelopt"};
    static const nb_fault kinds[] = {NB_FAULT_MALLOC, NB_FAULT_OPEN, NB_FAULT_MMAP, NB_FAULT_STAT, NB_FAULT_READ};
    for (size_t m = 0; m < NB_COUNT(models); m++) {
        const char *directory = nb_test_data(models[m]);
        if (!directory)
            skip();
        nb_model model = opened(directory, true);
        nb_model_close(&model);
        size_t n_files = count_open_files();
        for (size_t i = 0; i < 2 * NB_COUNT(kinds); i++) {
            size_t n_refused = 0;
            // Most allocations are jansson's, alike for every tensor: a step through them, all of the other kinds.
            for (uint64_t n = 1;; n += kinds[i / 2] == NB_FAULT_MALLOC && n > 40 ? 17 : 1) {
                nb_error error = {0};
                nb_faults_fail_at(kinds[i / 2], n);
                nb_status status = nb_model_open(&model, directory, i % 2, NULL, NULL, &error);
                bool failed = nb_faults_reset();
                assert_true(status == NB_OK || (error.text[0] && !model.storage && !model.layers));
                if (status == NB_OK)
                    nb_model_close(&model);
                if (!failed) {
                    assert_int_equal(status, NB_OK);
                    break;
                }
                n_refused += status != NB_OK;
            }
            assert_true(n_refused > 0);
            assert_int_equal(count_open_files(), n_files);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real_exports), cmocka_unit_test(test_plain_models), cmocka_unit_test(test_placement),
        cmocka_unit_test(test_cache_scales), cmocka_unit_test(test_progress),     cmocka_unit_test(test_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
