// SPDX-License-Identifier: Apache-2.0
#include "runtime/config.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/data_path.h"
#include "tests/support/faults.h"

#define BASE                                                                                                           \
    "\"model_type\":\"qwen2\",\"hidden_size\":128,\"intermediate_size\":256,\"num_hidden_layers\":2,"                  \
    "\"num_attention_heads\":4,\"num_key_value_heads\":2,\"vocab_size\":512,\"max_position_embeddings\":1024"

static nb_status parse_all(nb_config *config, const char *json, const char *quant, const char *generation,
                           nb_error *error)
{
    return nb_config_parse(config, json, strlen(json), quant, quant ? strlen(quant) : 0, generation,
                           generation ? strlen(generation) : 0, error);
}

static void assert_refused(const char *json, const char *quant, const char *generation, const char *words)
{
    nb_config config;
    nb_error error = {0};
    nb_status status = parse_all(&config, json, quant, generation, &error);
    if (status != NB_ERR_INPUT || !strstr(error.text, words))
        fail_msg("%s\n  %s\n  gives %d: %s\n  expected: %s", json, quant ? quant : "", (int)status, error.text, words);
    assert_null(config.exclude_modules);
}

static nb_config parsed(const char *json, const char *quant, const char *generation)
{
    nb_config config;
    nb_error error = {0};
    if (parse_all(&config, json, quant, generation, &error) != NB_OK)
        fail_msg("%s\n  refused: %s", json, error.text);
    return config;
}

static void test_defaults(void **state)
{
    (void)state;
    nb_config c = parsed("{" BASE "}", NULL, NULL);
    assert_string_equal(c.model_type, "qwen2");
    assert_int_equal(c.head_dim, 32);
    assert_int_equal(c.n_kv_heads, 2);
    assert_true(c.norm_epsilon == 1e-6f);
    assert_false(c.tied_head || c.attention_bias || c.mlp_bias);
    assert_int_equal(c.rope.kind, NB_ROPE_DEFAULT);
    assert_true(c.rope.theta == 10000 && c.rope.attention_factor == 1);
    assert_int_equal(c.quant, NB_QUANT_NONE);
    assert_int_equal(c.bos_id, -1);
    assert_int_equal(c.n_eos_ids, 0);
    nb_config_release(&c);
}

// Old and new style of the same model, as two versions of transformers write them, give the same configuration.
static void test_styles(void **state)
{
    (void)state;
    static const char *const models[][2] = {{"qwen2", "old"}, {"qwen2-r1", "new"},   {"llama3", "new"},
                                            {"qwen3", "old"}, {"qwen2-yarn", "old"}, {"llama-f16", "new"}};
    size_t n_compared = 0;
    for (size_t i = 0; i < NB_COUNT(models); i++) {
        char name[128];
        snprintf(name, sizeof name, "models/oracle/%s/config.json", models[i][0]);
        const char *one = nb_test_data(name);
        snprintf(name, sizeof name, "models/oracle/%s/oracle/config_%s_style.json", models[i][0], models[i][1]);
        const char *other = nb_test_data(name);
        if (!one || !other)
            continue;
        char *a = nb_test_file_read(one, NULL), *b = nb_test_file_read(other, NULL);
        nb_config x = parsed(a, NULL, NULL), y = parsed(b, NULL, NULL);
        assert_memory_equal(&x, &y, sizeof x); // both begin zeroed, no pointer is set in plain models
        nb_config_release(&x);
        nb_config_release(&y);
        free(a);
        free(b);
        n_compared++;
    }
    print_message("%zu models compared\n", n_compared);
    if (n_compared == 0)
        skip();
}

static void test_real_configs(void **state)
{
    (void)state;
    const char *path = nb_test_data("configs/Qwen3-0.6B.config.json");
    if (!path)
        skip();
    char *json = nb_test_file_read(path, NULL);
    nb_config c = parsed(json, NULL, "{\"eos_token_id\":[151645,151643],\"bos_token_id\":151643}");
    free(json);
    assert_int_equal(c.head_dim, 128); // explicit: not 1024 / 16
    assert_int_equal(c.max_positions, 40960);
    assert_true(c.tied_head);
    assert_true(c.rope.theta == 1e6);
    assert_int_equal(c.bos_id, 151643);
    assert_int_equal(c.n_eos_ids, 2);
    assert_int_equal(c.eos_ids[0], 151645);
    nb_config_release(&c);
    static const char *const others[] = {"configs/DeepSeek-R1-Distill-Qwen-1.5B.config.json",
                                         "configs/Qwen2-1.5B-finetune.config.json",
                                         "configs/Qwen2.5-1.5B-Instruct.config.json"};
    for (size_t i = 0; i < NB_COUNT(others); i++) {
        json = nb_test_file_read(nb_test_data(others[i]), NULL);
        c = parsed(json, NULL, NULL);
        assert_int_equal(c.n_layers, 28);
        nb_config_release(&c);
        free(json);
    }
}

// Values of the formulas in transformers' modeling_rope_utils.
static void test_rope(void **state)
{
    (void)state;
    nb_config c =
        parsed("{" BASE ",\"rope_theta\":5e5,\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":4.0}}", NULL, NULL);
    assert_int_equal(c.rope.kind, NB_ROPE_YARN);
    assert_true(c.rope.theta == 5e5 && c.rope.factor == 4 && c.rope.original_max_positions == 1024);
    assert_true(c.rope.beta_fast == 32 && c.rope.beta_slow == 1 && c.rope.truncate);
    assert_true(fabs(c.rope.attention_factor - 1.1386294361119891) < 1e-15);
    c = parsed("{" BASE ",\"rope_parameters\":{\"rope_type\":\"yarn\",\"factor\":40,\"mscale\":0.707,"
               "\"mscale_all_dim\":1.0,\"truncate\":false,\"beta_fast\":16,\"beta_slow\":2,\"rope_theta\":77,"
               "\"original_max_position_embeddings\":64}}",
               NULL, NULL);
    assert_true(fabs(c.rope.attention_factor - 1.2608037774058554 / 1.3688879454113936) < 1e-15);
    assert_true(!c.rope.truncate && c.rope.beta_fast == 16 && c.rope.beta_slow == 2 && c.rope.theta == 77);
    assert_true(c.rope.original_max_positions == 64);
    c = parsed("{" BASE ",\"rope_scaling\":{\"type\":\"yarn\",\"original_max_position_embeddings\":256,"
               "\"factor\":null,\"attention_factor\":0.5}}",
               NULL, NULL);
    assert_true(c.rope.factor == 4 && c.rope.attention_factor == 0.5);
    c = parsed("{" BASE ",\"rope_scaling\":{\"type\":\"dynamic\",\"factor\":2}}", NULL, NULL);
    assert_true(c.rope.kind == NB_ROPE_DYNAMIC && c.rope.original_max_positions == 1024 && c.rope.factor == 2);
    c = parsed("{" BASE ",\"rope_scaling\":{\"type\":\"linear\",\"factor\":2}}", NULL, NULL);
    assert_true(c.rope.kind == NB_ROPE_LINEAR && c.rope.attention_factor == 1);
    c = parsed("{" BASE ",\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8.0,\"low_freq_factor\":1.0,"
               "\"high_freq_factor\":4.0,\"original_max_position_embeddings\":8192}}",
               NULL, NULL);
    assert_true(c.rope.kind == NB_ROPE_LLAMA3 && c.rope.low_freq_factor == 1 && c.rope.high_freq_factor == 4);
    assert_true(c.rope.original_max_positions == 8192);

    c = parsed("{" BASE ",\"rope_scaling\":{\"type\":\"linear\",\"factor\":3},\"rope_parameters\":{\"rope_theta\":5}}",
               NULL, NULL);
    assert_true(c.rope.kind == NB_ROPE_LINEAR && c.rope.factor == 3 && c.rope.theta == 10000);
    c = parsed("{" BASE ",\"rope_scaling\":{},\"rope_parameters\":{\"full_attention\":{\"rope_theta\":5}}}", NULL,
               NULL);
    assert_true(c.rope.kind == NB_ROPE_DEFAULT && c.rope.theta == 5);

    assert_refused("{" BASE ",\"rope_scaling\":{\"type\":\"longrope\",\"factor\":2}}", NULL, NULL, "longrope");
    assert_refused("{" BASE ",\"rope_scaling\":{\"type\":\"linear\"}}", NULL, NULL, "factor");
    assert_refused("{" BASE ",\"rope_scaling\":{\"type\":\"linear\",\"factor\":0}}", NULL, NULL, "factor");
    assert_refused("{" BASE ",\"rope_scaling\":{\"type\":\"linear\",\"factor\":\"2\"}}", NULL, NULL, "\"2\"");
    assert_refused("{" BASE ",\"rope_scaling\":[]}", NULL, NULL, "rope_scaling");
    assert_refused("{" BASE ",\"rope_theta\":0}", NULL, NULL, "rope_theta");
    assert_refused("{" BASE ",\"partial_rotary_factor\":0.5}", NULL, NULL, "partial_rotary_factor");
    assert_refused("{" BASE ",\"rope_scaling\":{\"type\":\"default\",\"mrope_section\":[1]}}", NULL, NULL, "mrope");
    assert_refused("{" BASE ",\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8,\"low_freq_factor\":4,"
                   "\"high_freq_factor\":4}}",
                   NULL, NULL, "high_freq_factor");
}

static void test_absurd_values(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "hidden_size", "intermediate_size",   "num_hidden_layers",       "num_attention_heads",
        "vocab_size",  "num_key_value_heads", "max_position_embeddings", "head_dim"};
    static const char *const values[] = {"0", "-1", "1.5", "1000000000000000000", "\"128\"", "[128]", "true", "1e3"};
    for (size_t i = 0; i < NB_COUNT(keys); i++)
        for (size_t j = 0; j < NB_COUNT(values); j++) {
            char json[1024] = "{\"model_type\":\"qwen2\"", pair[96];
            for (size_t k = 0; k < NB_COUNT(keys); k++) {
                snprintf(pair, sizeof pair, ",\"%s\":%s", keys[k], k == i ? values[j] : k == 7 ? "32" : "4");
                strcat(json, pair);
            }
            assert_refused(strcat(json, "}"), NULL, NULL, keys[i]);
        }
}

static void test_refusals(void **state)
{
    (void)state;
    assert_refused("", NULL, NULL, "config.json: not valid JSON");
    assert_refused("[]", NULL, NULL, "object");
    assert_refused("{" BASE "} x", NULL, NULL, "JSON");
    assert_refused("{" BASE ",\"vocab_size\":512}", NULL, NULL, "duplicate");
    assert_refused("{}", NULL, NULL, "model_type");
    assert_refused("{\"model_type\":\"mamba\"}", NULL, NULL, "mamba");
    assert_refused("{\"model_type\":\"qwen2\"}", NULL, NULL, "hidden_size");
    assert_refused("{" BASE ",\"hidden_act\":\"gelu\"}", NULL, NULL, "gelu");
    assert_refused("{" BASE ",\"use_sliding_window\":true}", NULL, NULL, "sliding");
    assert_refused("{" BASE ",\"layer_types\":[\"full_attention\",\"sliding_attention\"]}", NULL, NULL, "sliding");
    assert_refused("{" BASE ",\"head_dim\":33}", NULL, NULL, "even");
    assert_refused("{" BASE ",\"head_dim\":258}", NULL, NULL, "head_dim");
    assert_refused("{" BASE ",\"rms_norm_eps\":0}", NULL, NULL, "rms_norm_eps");
    assert_refused("{" BASE ",\"tie_word_embeddings\":1}", NULL, NULL, "true or false");
    assert_refused("{" BASE ",\"eos_token_id\":-5}", NULL, NULL, "eos_token_id");
    assert_refused("{" BASE ",\"eos_token_id\":[1,\"2\"]}", NULL, NULL, "eos_token_id");
    assert_refused("{" BASE "}", NULL, "{\"eos_token_id\":1.5}", "generation_config.json");
    assert_refused("{" BASE "}", NULL, "nonsense", "generation_config.json");
    assert_refused("{" BASE "}", NULL, "{\"eos_token_id\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]}", "16 ids");
    assert_refused("{\"model_type\":\"qwen2\",\"hidden_size\":100,\"intermediate_size\":256,\"num_hidden_layers\":2,"
                   "\"num_attention_heads\":6,\"vocab_size\":512,\"max_position_embeddings\":1024}",
                   NULL, NULL, "multiple of num_attention_heads");
    assert_refused("{\"model_type\":\"qwen2\",\"hidden_size\":96,\"intermediate_size\":256,\"num_hidden_layers\":2,"
                   "\"num_attention_heads\":6,\"num_key_value_heads\":4,\"vocab_size\":512,"
                   "\"max_position_embeddings\":1024}",
                   NULL, NULL, "divisor");
}

static void test_special_ids(void **state)
{
    (void)state;
    nb_config c = parsed("{" BASE ",\"eos_token_id\":[7,8],\"bos_token_id\":null}", NULL,
                         "{\"bos_token_id\":3,\"eos_token_id\":[8,9]}");
    assert_int_equal(c.bos_id, 3);
    assert_int_equal(c.n_eos_ids, 3);
    assert_int_equal(c.eos_ids[2], 9);
}

#define SCHEME(bits, group) "{\"num_bits\":" bits ",\"type\":\"float\",\"group_size\":" group "}"
#define WEIGHTS             "\"weights\":" SCHEME("4", "16")
#define FLAT(rest)          "{" BASE ",\"quantization_config\":{\"quant_method\":\"modelopt\"," rest "}}"
#define CT(format, group)                                                                                              \
    "{" BASE ",\"quantization_config\":{\"quant_method\":\"compressed-tensors\",\"format\":\"" format                  \
    "\",\"config_groups\":{\"group_0\":{" group "}},\"ignore\":[\"lm_head\",\"re:.*x\"]}}"
#define LEGACY(rest) "{\"producer\":{},\"quantization\":{" rest "}}"

static void test_quantisation(void **state)
{
    (void)state;
    nb_config c = parsed("{" BASE "}",
                         LEGACY("\"quant_algo\":\"NVFP4\",\"kv_cache_quant_algo\":\"NVFP4\",\"group_size\":16,"
                                "\"exclude_modules\":[\"lm_head\",\"model.layers.0*\"]"),
                         NULL);
    assert_int_equal(c.quant, NB_QUANT_MODELOPT);
    assert_true(c.quant_activations && c.kv_declared_fp4 && !c.kv_declared_fp8);
    assert_int_equal(c.n_exclude_modules, 2);
    assert_string_equal(c.exclude_modules[1], "model.layers.0*");
    nb_config_release(&c);
    c = parsed(FLAT("\"quant_algo\":\"NVFP4\",\"kv_cache_scheme\":" SCHEME(
                   "8", "16") ",\"ignore\":[\"lm_head\"],"
                              "\"config_groups\":{\"group_0\":{" WEIGHTS
                              ",\"input_activations\":" SCHEME("4", "16") "}}"),
               NULL, NULL);
    assert_true(c.quant == NB_QUANT_MODELOPT && c.quant_activations && c.kv_declared_fp8 && !c.kv_declared_fp4);
    assert_int_equal(c.n_exclude_modules, 1);
    nb_config_release(&c);
    c = parsed(FLAT("\"quant_algo\":\"NVFP4\",\"config_groups\":{\"group_0\":{" WEIGHTS "}}"), NULL, NULL);
    assert_false(c.quant_activations);
    c = parsed(FLAT("\"quant_algo\":\"W4A16_NVFP4\""), NULL, NULL);
    assert_true(c.quant == NB_QUANT_MODELOPT && !c.quant_activations);
    c = parsed(CT("nvfp4-pack-quantized", WEIGHTS ",\"input_activations\":" SCHEME("4", "16")), NULL, NULL);
    assert_true(c.quant == NB_QUANT_COMPRESSED_TENSORS && c.quant_activations);
    nb_config_release(&c);
    c = parsed(CT("nvfp4-pack-quantized", WEIGHTS ",\"input_activations\":null"), NULL, NULL);
    assert_true(c.quant == NB_QUANT_COMPRESSED_TENSORS && !c.quant_activations);
    nb_config_release(&c);
    // The older file wins, whatever the newer says.
    c = parsed(FLAT("\"quant_algo\":\"FP8\""), LEGACY("\"quant_algo\":\"NVFP4\",\"exclude_modules\":null"), NULL);
    assert_int_equal(c.quant, NB_QUANT_MODELOPT);
}

static void test_other_quantisations(void **state)
{
    (void)state;
    static const char *const methods[] = {"fp8", "awq", "gptq", "mxfp4", "bitsandbytes"};
    for (size_t i = 0; i < NB_COUNT(methods); i++) {
        char json[512];
        snprintf(json, sizeof json, "{" BASE ",\"quantization_config\":{\"quant_method\":\"%s\"}}", methods[i]);
        assert_refused(json, NULL, NULL, methods[i]);
        assert_refused(json, NULL, NULL, "not supported yet");
    }
    assert_refused("{" BASE ",\"quantization_config\":{}}", NULL, NULL, "quant_method");
    assert_refused(FLAT("\"quant_algo\":\"FP8\""), NULL, NULL, "FP8");
    assert_refused("{" BASE "}", LEGACY("\"quant_algo\":\"W4A8_AWQ\""), NULL, "W4A8_AWQ");
    assert_refused("{" BASE "}", LEGACY("\"quant_algo\":\"MIXED_PRECISION\""), NULL, "MIXED_PRECISION");
    assert_refused("{" BASE "}", LEGACY("\"quant_algo\":\"NVFP4\",\"group_size\":32"), NULL, "group_size");
    assert_refused("{" BASE "}", LEGACY("\"quant_algo\":\"NVFP4\",\"exclude_modules\":[1]"), NULL, "exclude_modules");
    assert_refused("{" BASE "}", "{}", NULL, "hf_quant_config.json: quantization");
    assert_refused(CT("float-quantized", WEIGHTS), NULL, NULL, "float-quantized");
    assert_refused(CT("nvfp4-pack-quantized", "\"weights\":" SCHEME("8", "16")), NULL, NULL, "num_bits");
    assert_refused(CT("nvfp4-pack-quantized", "\"weights\":" SCHEME("4", "32")), NULL, NULL, "group_size");
    assert_refused(CT("nvfp4-pack-quantized", WEIGHTS ",\"input_activations\":" SCHEME("8", "16")), NULL, NULL,
                   "num_bits");
    // Rows that blocks of 16 do not divide.
    assert_refused("{\"model_type\":\"llama\",\"hidden_size\":64,\"intermediate_size\":172,\"num_hidden_layers\":2,"
                   "\"num_attention_heads\":4,\"vocab_size\":512,\"max_position_embeddings\":1024}",
                   LEGACY("\"quant_algo\":\"NVFP4\""), NULL, "intermediate_size: expected a multiple of 16");
}

static void test_files(void **state)
{
    (void)state;
    char directory[512], path[600];
    nb_test_directory_make(directory, sizeof directory);
    nb_config config;
    nb_error error = {0};
    assert_int_equal(nb_config_open(&config, directory, &error), NB_ERR_INPUT);
    assert_non_null(strstr(error.text, "config.json"));
    snprintf(path, sizeof path, "%s/config.json", directory);
    nb_test_file_write(path, "{" BASE "}", strlen("{" BASE "}"));
    assert_int_equal(nb_config_open(&config, directory, NULL), NB_OK);
    nb_config_release(&config);
    snprintf(path, sizeof path, "%s/hf_quant_config.json", directory);
    nb_test_file_write(path, "", 0);
    error = (nb_error){0};
    assert_int_equal(nb_config_open(&config, directory, &error), NB_ERR_INPUT);
    assert_non_null(strstr(error.text, "hf_quant_config.json"));
    nb_test_directory_remove(directory);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    const char *json = "{" BASE "}", *quant = LEGACY("\"quant_algo\":\"NVFP4\",\"exclude_modules\":[\"a\",\"b\"]");
    nb_config config = parsed(json, quant, NULL);
    nb_config_release(&config);
    uint64_t n_refused = 0;
    for (uint64_t n = 1;; n++) {
        nb_faults_fail_at(NB_FAULT_MALLOC, n);
        nb_status status = parse_all(&config, json, quant, NULL, NULL);
        bool failed = nb_faults_reset();
        // (jansson may lose a byte of a long string instead of failing, so an unused key can hide one failure)
        if (status == NB_OK)
            nb_config_release(&config);
        assert_null(config.exclude_modules);
        if (!failed) {
            assert_int_equal(status, NB_OK);
            assert_true(n > 20);
            break;
        }
        n_refused += status != NB_OK;
    }
    assert_true(n_refused > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),      cmocka_unit_test(test_styles),
        cmocka_unit_test(test_real_configs),  cmocka_unit_test(test_rope),
        cmocka_unit_test(test_absurd_values), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_special_ids),   cmocka_unit_test(test_quantisation),
        cmocka_unit_test(test_files),         cmocka_unit_test(test_other_quantisations),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
