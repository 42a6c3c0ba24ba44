// SPDX-License-Identifier: Apache-2.0
// Spoiled checkpoints: each gets one clear error, and what is harmless loads.
#include "runtime/model_bind.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernels/floats.h"
#include "tests/support/checkpoint_edit.h"
#include "tests/support/data_path.h"

// A fresh copy of a reference model, its file open for editing; skips the test where there is none.
static nb_edit fresh(const char *model)
{
    char name[128];
    snprintf(name, sizeof name, "models/oracle/%s", model);
    const char *source = nb_test_data(name);
    if (!source)
        skip();
    nb_edit_begin(source);
    nb_edit edit;
    nb_edit_load(&edit, nb_edit_path("model.safetensors"));
    return edit;
}

static void assert_opens(void)
{
    for (int resident = 0; resident < 2; resident++) {
        nb_model model;
        nb_error error = {0};
        if (nb_model_open(&model, nb_edit_directory(), resident, NULL, NULL, &error) != NB_OK)
            fail_msg("%s", error.text);
        nb_model_close(&model);
    }
}

static void assert_refused(const char *words)
{
    for (int resident = 0; resident < 2; resident++) {
        nb_model model;
        nb_error error = {0};
        nb_status status = nb_model_open(&model, nb_edit_directory(), resident, NULL, NULL, &error);
        if (status != NB_ERR_INPUT || !strstr(error.text, words))
            fail_msg("%d: %s\n  expected: %s", (int)status, error.text, words);
        assert_null(model.storage);
        assert_null(strchr(error.text, '\n'));
    }
}

static void save(nb_edit *edit)
{
    nb_edit_save(edit, nb_edit_path("model.safetensors"));
}

static void save_refused(nb_edit *edit, const char *words)
{
    save(edit);
    assert_refused(words);
}

#define Q0       "model.layers.0.self_attn.q_proj."
#define DOWN1    "model.layers.1.mlp.down_proj."
#define MODELOPT "qwen2-modelopt" // D 144, F 400, L 3

static void test_names(void **state)
{
    (void)state;
    nb_edit e = fresh("llama-f16"); // D 96, F 176, 6 heads, E 16, L 2
    nb_edit_rename(&e, DOWN1 "weight", DOWN1 "wait");
    save_refused(&e, "tensor " DOWN1 "weight is missing; expected F16/BF16/F32 [96, 176], found none");
    e = fresh("llama-f16");
    nb_edit_append(&e, "model.layers.2.mlp.up_proj.weight", "F16", "[176, 96]", "", 0);
    nb_edit_set(&e, "model.layers.2.mlp.up_proj.weight", "shape", "[0, 96]");
    save_refused(&e,
                 "tensor model.layers.2.mlp.up_proj.weight; expected only tensors of the family llama with 2 layers");
    e = fresh("llama-f16");
    nb_edit_append(&e, Q0 "bias", "F16", "[1]", "\0", 2); // this family has none unless the config says so
    save_refused(&e, "tensor " Q0 "bias");
    e = fresh(MODELOPT);
    nb_edit_append(&e, Q0 "pre_quant_scale", "F32", "[1]", "\0\0\0", 4); // would change the result
    save_refused(&e, "pre_quant_scale");
    e = fresh(MODELOPT);
    nb_edit_rename(&e, Q0 "bias", Q0 "bios");
    save_refused(&e, "tensor " Q0 "bias is missing; expected");
    e = fresh("llama-f16");
    nb_edit_rename(&e, "lm_head.weight", "lm_head.wait");
    save_refused(&e, "tensor lm_head.weight is missing");
}

static void test_harmless_names(void **state)
{
    (void)state;
    nb_edit e = fresh(MODELOPT); // tied
    nb_edit_append(&e, "lm_head.weight", "U8", "[1]", "", 1);
    nb_edit_append(&e, "model.layers.0.self_attn.rotary_emb.inv_freq", "F32", "[1]", "\0\0\0", 4);
    nb_edit_append(&e, "model.layers.0.self_attn.k_proj.k_scale", "F32", "[]", "\0\0\0", 4); // no FP4 cache declared
    nb_edit_append(&e, "model.layers.0.self_attn.v_scale", "F32", "[1]", "\0\0\0", 4);
    save(&e);
    assert_opens();
}

static void test_shapes_and_dtypes(void **state)
{
    (void)state;
    nb_edit e = fresh("llama-f16");
    nb_edit_set(&e, Q0 "weight", "shape", "[48, 192]");
    save_refused(&e, "tensor " Q0 "weight; expected F16/BF16/F32 [96, 96], found F16 [48, 192]");
    e = fresh("llama-f16");
    nb_edit_set(&e, Q0 "weight", "shape", "[9216]");
    save_refused(&e, "found F16 [9216]");
    e = fresh("llama-f16");
    nb_edit_set(&e, Q0 "weight", "dtype", "\"I16\"");
    save_refused(&e, "found I16 [96, 96]");
    e = fresh("llama-f16");
    nb_edit_set(&e, "model.norm.weight", "dtype", "\"U16\"");
    save_refused(&e, "model.norm.weight; expected F16/BF16/F32/F64 [96], found U16 [96]");
    e = fresh(MODELOPT);
    nb_edit_set(&e, Q0 "weight", "dtype", "\"I8\"");
    save_refused(&e, "expected U8 [144, 72], found I8 [144, 72]");
    e = fresh(MODELOPT);
    nb_edit_set(&e, Q0 "weight_scale", "dtype", "\"U8\"");
    save_refused(&e, "expected F8_E4M3 [144, 9], found U8");
    e = fresh(MODELOPT);
    nb_edit_set(&e, Q0 "weight_scale", "shape", "[72, 18]");
    save_refused(&e, "expected F8_E4M3 [144, 9], found F8_E4M3 [72, 18]");
    e = fresh(MODELOPT);
    nb_edit_rename(&e, Q0 "weight_scale_2", Q0 "weight_scale_3");
    save_refused(&e, Q0 "weight_scale_2 is missing; expected F16/BF16/F32 []");
    e = fresh(MODELOPT); // codes without scales are no plain matrix
    nb_edit_rename(&e, Q0 "weight_scale", Q0 "weight_scales");
    save_refused(&e, "expected F16/BF16/F32 [144, 144], found U8 [144, 72]");
}

static void test_plain_config_of_quantised_tensors(void **state)
{
    (void)state;
    nb_edit e = fresh(MODELOPT);
    save(&e);
    assert_int_equal(unlink(nb_edit_path("hf_quant_config.json")), 0);
    assert_opens(); // config.json alone suffices
    json_t *config = json_load_file(nb_edit_path("config.json"), 0, NULL);
    json_object_del(config, "quantization_config");
    assert_int_equal(json_dump_file(config, nb_edit_path("config.json"), 0), 0);
    assert_refused("found U8");
    const char *legacy = "{\"quantization\":{\"quant_algo\":\"NVFP4\",\"group_size\":16,\"exclude_modules\":[]}}";
    nb_test_file_write(nb_edit_path("hf_quant_config.json"), legacy, strlen(legacy));
    assert_opens(); // and so does the older file
    json_object_set_new(config, "hidden_size", json_integer(160));
    json_object_set_new(config, "head_dim", json_integer(16));
    assert_int_equal(json_dump_file(config, nb_edit_path("config.json"), 0), 0);
    assert_refused("expected F16/BF16/F32 [1009, 160], found BF16 [1009, 144]");
    json_decref(config);
}

static void test_scales(void **state)
{
    (void)state;
    static const uint8_t bad[] = {0x7f, 0xff, 0x80, 0xb8};
    static const char *const words[] = {"0x7f (NaN)", "0xff (NaN)", "0x80 (negative)", "0xb8 (negative)"};
    for (size_t i = 0; i < NB_COUNT(bad); i++) {
        nb_edit e = fresh(MODELOPT);
        nb_edit_bytes(&e, DOWN1 "weight_scale")[25 * 143 + 24] = bad[i];
        save(&e);
        assert_refused(words[i]);
        assert_refused("tensor " DOWN1 "weight_scale: row 143, block 24:");
    }
    nb_edit e = fresh("qwen2-ct");
    nb_edit_bytes(&e, Q0 "weight_scale")[0] = 0x7f;
    save_refused(&e, Q0 "weight_scale: row 0, block 0:");
}

static void test_global_scales(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY, -1, -INFINITY, 0};
    for (size_t i = 0; i < NB_COUNT(bad); i++) {
        nb_edit e = fresh(MODELOPT);
        memcpy(nb_edit_bytes(&e, Q0 "input_scale"), &bad[i], 4);
        save_refused(&e, Q0 "input_scale: element 0: expected a finite positive number");
        e = fresh("qwen2-ct");
        memcpy(nb_edit_bytes(&e, Q0 "weight_global_scale"), &bad[i], 4);
        save_refused(&e, Q0 "weight_global_scale: element 0");
        e = fresh(MODELOPT);
        memcpy(nb_edit_bytes(&e, Q0 "weight_scale_2"), &bad[i], 4);
        if (bad[i] != 0) {
            save_refused(&e, Q0 "weight_scale_2: element 0");
            continue;
        }
        save(&e); // what an all-zero matrix has
        assert_opens();
    }
    nb_edit e = fresh("qwen2-ct"); // its reciprocal is infinite
    memcpy(nb_edit_bytes(&e, Q0 "weight_global_scale"), &(float){1e-45f}, 4);
    save_refused(&e, "finite reciprocal");
}

static void test_tolerated_spellings(void **state)
{
    (void)state;
    nb_edit e = fresh(MODELOPT);
    nb_edit_set(&e, Q0 "weight_scale_2", "shape", "[1]");        // one element either way
    nb_edit_rename(&e, DOWN1 "weight_scale_2", "x.input_scale"); // leaves its bytes in place, under a harmless name
    nb_edit_append(&e, DOWN1 "weight_scale_2", "BF16", "[]", &(uint16_t){0x3a00}, 2);
    nb_edit_rename(&e, DOWN1 "input_scale", "y.input_scale"); // optional
    save(&e);
    nb_model model;
    nb_error error = {0};
    if (nb_model_open(&model, nb_edit_directory(), false, NULL, NULL, &error) != NB_OK)
        fail_msg("%s", error.text);
    assert_true(model.layers[1].down.global_scale == nb_bf16_decode(0x3a00));
    assert_true(model.layers[1].down.input_scale == 0);
    assert_true(model.layers[0].down.input_scale > 0);
    nb_model_close(&model);
}

// A module left out of quantisation stays plain in its layer.
static void test_mixed_layers(void **state)
{
    (void)state;
    nb_edit e = fresh(MODELOPT);
    uint8_t *plain = calloc(144 * 144, 2);
    nb_edit_rename(&e, Q0 "weight", "lm_head.weight"); // harmless names: the model is tied
    nb_edit_rename(&e, Q0 "weight_scale", "a.input_scale");
    nb_edit_rename(&e, Q0 "weight_scale_2", "b.input_scale");
    nb_edit_append(&e, Q0 "weight", "BF16", "[144, 144]", plain, 144 * 144 * 2);
    free(plain);
    save(&e);
    nb_model model;
    nb_error error = {0};
    if (nb_model_open(&model, nb_edit_directory(), true, NULL, NULL, &error) != NB_OK)
        fail_msg("%s", error.text);
    assert_int_equal(model.layers[0].q.format, NB_FORMAT_BF16);
    assert_true(model.layers[0].q.global_scale == 1 && !model.layers[0].q.scales);
    assert_int_equal(model.layers[0].k.format, NB_FORMAT_NVFP4);
    assert_true(model.is_quantised);
    nb_model_close(&model);
}

static void test_tables(void **state)
{
    (void)state;
    nb_edit e = fresh("llama-f16");
    nb_edit_bytes(&e, "model.norm.weight")[2 * 7 + 1] = 0x7e; // NaN
    save_refused(&e, "tensor model.norm.weight: element 7: expected a finite number");
    e = fresh(MODELOPT);
    memcpy(nb_edit_bytes(&e, Q0 "bias"), &(uint16_t){0xff80}, 2);
    save_refused(&e, "tensor " Q0 "bias: element 0: expected a finite number, found -inf");
}

static void append_shifts(nb_edit *e, const char *dtype, const char *shape, const void *bytes, size_t n, int n_layers)
{
    for (int i = 0; i < n_layers; i++) {
        char name[64];
        snprintf(name, sizeof name, "model.layers.%d.self_attn.k_shift", i);
        nb_edit_append(e, name, dtype, shape, bytes, n);
    }
}

static void test_key_shift(void **state)
{
    (void)state;
    uint8_t bytes[256] = {0};
    memcpy(bytes + 2 * 17, &(uint16_t){0x3f80}, 2); // G 2, E 16: row 1, column 1 is 1 in BF16
    nb_edit e = fresh("llama-f16");
    append_shifts(&e, "BF16", "[1, 2, 1, 16]", bytes, 64, 2); // in the shard, as it broadcasts
    save(&e);
    nb_model model;
    assert_int_equal(nb_model_open(&model, nb_edit_directory(), true, NULL, NULL, NULL), NB_OK);
    assert_true(model.has_key_shift);
    assert_true(model.layers[1].k_shift[17] == 1 && model.layers[1].k_shift[1] == 0);
    nb_model_close(&model);

    e = fresh("llama-f16"); // in the sidecar
    save(&e);
    e = (nb_edit){.header = json_object()};
    double wide[32] = {[5] = 0.25};
    append_shifts(&e, "F64", "[2, 16]", wide, sizeof wide, 2);
    nb_edit_save(&e, nb_edit_path("k_shift.st"));
    assert_int_equal(nb_model_open(&model, nb_edit_directory(), false, NULL, NULL, NULL), NB_OK);
    assert_true(model.has_key_shift && model.layers[0].k_shift[5] == 0.25f);
    nb_model_close(&model);

    static const char *const refused[][3] = {{"[2, 16]", "1", "model.layers.1.self_attn.k_shift is missing"},
                                             {"[2, 16]", "3", "model.layers.2.self_attn.k_shift"},
                                             {"[16, 2]", "2", "expected F16/BF16/F32/F64 [2, 16], found F32 [16, 2]"},
                                             {"[2, 1, 1, 16]", "2", "found F32 [2, 1, 1, 16]"}};
    for (size_t i = 0; i < NB_COUNT(refused); i++) {
        e = (nb_edit){.header = json_object()};
        append_shifts(&e, "F32", refused[i][0], bytes, 128, atoi(refused[i][1]));
        nb_edit_save(&e, nb_edit_path("k_shift.st"));
        assert_refused(refused[i][2]);
    }
    e = (nb_edit){.header = json_object()};
    memcpy(bytes + 4, &(float){INFINITY}, 4);
    append_shifts(&e, "F32", "[2, 16]", bytes, 128, 2);
    nb_edit_save(&e, nb_edit_path("k_shift.st"));
    assert_refused("k_shift.st: tensor model.layers.0.self_attn.k_shift: element 1:");
}

static void truncate_on_progress(void *user, uint64_t done, uint64_t total)
{
    (void)done, (void)total;
    assert_int_equal(truncate(user, 402000), 0); // inside the last page: no signal
}

static void test_broken_files(void **state)
{
    (void)state;
    nb_edit e = fresh("llama-f16"); // 402848 bytes
    save(&e);
    char path[1024];
    assert_opens();
    for (int resident = 0; resident < 2; resident++) { // shrinks while it is loaded
        e = fresh("llama-f16");
        save(&e);
        snprintf(path, sizeof path, "%s", nb_edit_path("model.safetensors"));
        nb_model model;
        nb_error error = {0};
        nb_status status = nb_model_open(&model, nb_edit_directory(), resident, truncate_on_progress, path, &error);
        if (status != NB_ERR_INPUT || (!strstr(error.text, "was changed") && !strstr(error.text, "too short")))
            fail_msg("%d %s", (int)status, error.text);
    }
    assert_refused("truncated");
    assert_int_equal(truncate(path, 100), 0);
    assert_refused("header length");
    uint64_t huge = 10ull << 30;
    nb_test_file_write(path, &huge, 8);
    assert_refused("found 10737418240");
    nb_test_file_write(path, "", 0);
    assert_refused("found 0");
    assert_int_equal(unlink(path), 0);
    assert_refused("model.safetensors");
    assert_int_equal(unlink(nb_edit_path("config.json")), 0);
    assert_refused("config.json");
    nb_test_file_write(nb_edit_path("config.json"), "hello", 5);
    assert_refused("config.json: not valid JSON");
    assert_int_equal(unlink(nb_edit_path("config.json")), 0);
    assert_int_equal(symlink("config.json", nb_edit_path("config.json")), 0);
    assert_refused("loop of symbolic links");
    nb_model model;
    nb_error error = {0};
    assert_int_equal(nb_model_open(&model, "Makefile", false, NULL, NULL, &error), NB_ERR_INPUT);
    assert_non_null(strstr(error.text, "Makefile"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_names, nb_edit_enter, nb_edit_leave),
        cmocka_unit_test_setup_teardown(test_harmless_names, nb_edit_enter, nb_edit_leave),
        cmocka_unit_test_setup_teardown(test_shapes_and_dtypes, nb_edit_enter, nb_edit_leave),
        cmocka_unit_test_setup_teardown(test_plain_config_of_quantised_tensors, nb_edit_enter, nb_edit_leave),
        cmocka_unit_test_setup_teardown(test_scales, nb_edit_enter, nb_edit_leave),
        cmocka_unit_test_setup_teardown(test_global_scales, nb_edit_enter, nb_edit_leave),
        cmocka_unit_test_setup_teardown(test_tolerated_spellings, nb_edit_enter, nb_edit_leave),
        cmocka_unit_test_setup_teardown(test_mixed_layers, nb_edit_enter, nb_edit_leave),
        cmocka_unit_test_setup_teardown(test_tables, nb_edit_enter, nb_edit_leave),
        cmocka_unit_test_setup_teardown(test_key_shift, nb_edit_enter, nb_edit_leave),
        cmocka_unit_test_setup_teardown(test_broken_files, nb_edit_enter, nb_edit_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
