// SPDX-License-Identifier: Apache-2.0
// nibble-qat quantize: the bytes it writes against the reference hashes, and what it declares and copies.
#include <jansson.h>
#include <openssl/sha.h>

#include "runtime/checkpoint.h"
#include "runtime/model.h"
#include "tests/apps/quantize_command.h"
#include "tests/support/checkpoint_edit.h"
#include "tests/support/scratch.h"

static const uint8_t *tensor_bytes(const nb_checkpoint *checkpoint, const char *module, const char *suffix,
                                   const nb_tensor **tensor)
{
    char name[256];
    snprintf(name, sizeof name, "%s%s", module, suffix);
    const nb_entry *entry = nb_checkpoint_find(checkpoint, name);
    if (!entry)
        fail_msg("no tensor %s", name);
    *tensor = entry->tensor;
    return checkpoint->shards[entry->shard].map.data + entry->tensor->begin;
}

static void assert_sha256(const uint8_t *data, const nb_tensor *tensor, const char *expected)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    char text[2 * SHA256_DIGEST_LENGTH + 1];
    SHA256(data, tensor->end - tensor->begin, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    if (strcmp(text, expected) != 0)
        fail_msg("%s: sha256 expected %s, found %s", tensor->name, expected, text);
}

static float scalar_of(const nb_checkpoint *checkpoint, const char *module, const char *suffix)
{
    const nb_tensor *tensor;
    float value;
    memcpy(&value, tensor_bytes(checkpoint, module, suffix, &tensor), sizeof value);
    assert_true(tensor->dtype == NB_DTYPE_F32 && tensor->rank == 0);
    return value;
}

// One line of quant_sha256.txt: name, codes, scales, bits of g.
static void check_linear(const nb_checkpoint *written, const char *line)
{
    char module[128], codes_sha[80], scales_sha[80];
    unsigned g_bits, found_bits;
    assert_int_equal(sscanf(line, "%127s %79s %79s %x", module, codes_sha, scales_sha, &g_bits), 4);
    const nb_tensor *codes, *scales;
    const uint8_t *data = tensor_bytes(written, module, ".weight", &codes);
    assert_sha256(data, codes, codes_sha);
    data = tensor_bytes(written, module, ".weight_scale", &scales);
    assert_sha256(data, scales, scales_sha);
    float g = scalar_of(written, module, ".weight_scale_2"), input = scalar_of(written, module, ".input_scale");
    memcpy(&found_bits, &g, sizeof g);
    assert_int_equal(found_bits, g_bits);
    assert_true(input == 0.125f);
    assert_true(codes->dtype == NB_DTYPE_U8 && scales->dtype == NB_DTYPE_F8_E4M3);
    assert_true(codes->shape[0] == scales->shape[0] && codes->shape[1] == 8 * scales->shape[1]);
}

static size_t check_linears(const nb_checkpoint *written, const char *source)
{
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/oracle/quant_sha256.txt", source);
    char *text = nb_test_file_read(path, NULL), *rest = NULL;
    size_t n = 0;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest), n++)
        check_linear(written, line);
    free(text);
    return n;
}

// What is no linear layer has the dtype and the bytes of the source.
static size_t check_others(const nb_checkpoint *written, const nb_checkpoint *source)
{
    size_t n = 0;
    for (size_t i = 0; i < written->n_entries; i++) {
        const nb_entry *entry = &written->entries[i], *original = nb_checkpoint_find(source, entry->tensor->name);
        if (!original || entry->tensor->dtype == NB_DTYPE_U8)
            continue;
        uint64_t bytes = entry->tensor->end - entry->tensor->begin;
        assert_true(entry->tensor->dtype == original->tensor->dtype);
        assert_int_equal(bytes, original->tensor->end - original->tensor->begin);
        assert_memory_equal(written->shards[entry->shard].map.data + entry->tensor->begin,
                            source->shards[original->shard].map.data + original->tensor->begin, bytes);
        n++;
    }
    return n;
}

static void check_model(const char *source, const char *name)
{
    nb_checkpoint written, original;
    nb_model model;
    assert_int_equal(quantize(source, name, NULL, NULL, NULL), 0);
    assert_int_equal(nb_checkpoint_open(&written, name, NULL), NB_OK);
    assert_int_equal(nb_checkpoint_open(&original, source, NULL), NB_OK);
    assert_int_equal(nb_model_open(&model, name, false, NULL, NULL, NULL), NB_OK);
    size_t n_linears = check_linears(&written, source), n_others = check_others(&written, &original);
    assert_int_equal(n_linears, 7 * model.config.n_layers);
    assert_int_equal(written.n_entries, 4 * n_linears + n_others);
    assert_int_equal(original.n_entries, n_linears + n_others);
    assert_string_equal(model.format, "nvfp4-modelopt");
    assert_true(nb_checkpoint_find(&written, "lm_head.weight") == NULL || !model.config.tied_head);
    nb_model_close(&model);
    nb_checkpoint_close(&written);
    nb_checkpoint_close(&original);
}

static void codes_and_scales_equal_the_reference(void **state)
{
    (void)state;
    static const char *const names[] = {"qwen2", "qwen2-r1", "llama3", "qwen3", "qwen2-yarn", "llama-f16"};
    size_t n_checked = 0;
    for (size_t i = 0; i < NB_COUNT(names); i++) {
        const char *source = find_model(names[i]);
        if (source)
            check_model(source, names[i]);
        n_checked += source != NULL;
    }
    if (n_checked == 0)
        skip();
}

static void a_tied_head_is_not_written(void **state)
{
    (void)state;
    const char *source = model_path("qwen2");
    assert_int_equal(mkdir("src", 0777), 0);
    nb_test_directory_copy(source, "src");
    nb_edit edit;
    nb_edit_load(&edit, "src/model.safetensors");
    size_t n = 1009 * 144 * 2;
    void *copy = malloc(n);
    memcpy(copy, nb_edit_bytes(&edit, "model.embed_tokens.weight"), n);
    nb_edit_append(&edit, "lm_head.weight", "BF16", "[1009, 144]", copy, n);
    free(copy);
    nb_edit_save(&edit, "src/model.safetensors");
    assert_int_equal(quantize("src", "dst", NULL, NULL, NULL), 0);
    assert_int_equal(quantize(source, "plain", NULL, NULL, NULL), 0);
    assert_same_files("dst/model.safetensors", "plain/model.safetensors");
}

static void threads_change_nothing(void **state)
{
    (void)state;
    const char *source = model_path("llama3");
    char ids[PATH_MAX + 64];
    snprintf(ids, sizeof ids, "%s/oracle/ids.txt", source);
    assert_int_equal(quantize(source, "one", "--threads=1", "--calib", ids), 0);
    assert_int_equal(quantize(source, "three", "--threads=3", "--calib", ids), 0);
    assert_int_equal(quantize(source, "again", "--threads=3", "--calib", ids), 0);
    static const char *const files[] = {"model.safetensors", "config.json", "hf_quant_config.json"};
    for (size_t i = 0; i < NB_COUNT(files); i++) {
        char one[64], three[64], again[64];
        snprintf(one, sizeof one, "one/%s", files[i]);
        snprintf(three, sizeof three, "three/%s", files[i]);
        snprintf(again, sizeof again, "again/%s", files[i]);
        assert_same_files(one, three);
        assert_same_files(one, again);
    }
}

// ---- declarations and copies --------------------------------------------------------------------------------------

static void check_declarations(const char *directory, const char *patterns)
{
    char path[64], wanted[1024];
    snprintf(path, sizeof path, "%s/hf_quant_config.json", directory);
    json_t *wrapped = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
    snprintf(wanted, sizeof wanted,
             "{\"quant_algo\": \"NVFP4\", \"kv_cache_quant_algo\": null, \"group_size\": 16, \"exclude_modules\": %s}",
             patterns);
    json_t *expected = json_loads(wanted, 0, NULL);
    assert_true(json_equal(json_object_get(wrapped, "quantization"), expected));
    json_t *producer = json_object_get(json_object_get(wrapped, "producer"), "name");
    assert_string_equal(json_string_value(producer), "modelopt");
    json_decref(expected);
    json_decref(wrapped);
    snprintf(path, sizeof path, "%s/config.json", directory);
    json_t *config = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
    json_t *flat = json_object_get(config, "quantization_config");
    json_object_del(flat, "producer");
    snprintf(
        wanted, sizeof wanted,
        "{\"quant_method\": \"modelopt\", \"quant_algo\": \"NVFP4\", \"ignore\": %s, \"config_groups\": {\"group_0\": {"
        "\"weights\": {\"dynamic\": false, \"num_bits\": 4, \"type\": \"float\", \"group_size\": 16},"
        "\"input_activations\": {\"dynamic\": false, \"num_bits\": 4, \"type\": \"float\", \"group_size\": 16},"
        "\"targets\": [\"Linear\"]}}}",
        patterns);
    expected = json_loads(wanted, 0, NULL);
    assert_true(expected && json_equal(flat, expected));
    json_decref(expected);
    json_decref(config);
}

static void both_files_declare_the_same(void **state)
{
    (void)state;
    assert_int_equal(quantize(model_path("qwen2"), "dst", NULL, NULL, NULL), 0);
    check_declarations("dst", "[\"lm_head\"]");
    assert_int_equal(quantize(model_path("qwen2"), "some", "--ignore", "model.layers.1.*", NULL), 0);
    check_declarations("some", "[\"lm_head\", \"model.layers.1.*\"]");
    nb_model model;
    assert_int_equal(nb_model_open(&model, "some", false, NULL, NULL, NULL), NB_OK);
    assert_int_equal(model.layers[0].q.format, NB_FORMAT_NVFP4);
    assert_int_equal(model.layers[1].down.format, NB_FORMAT_BF16);
    nb_model_close(&model);
}

// All of config.json that was there before is there byte for byte, in front of the new key.
static void the_rest_of_the_config_stays(void **state)
{
    (void)state;
    char path[PATH_MAX + 64];
    const char *source = model_path("qwen2-r1");
    snprintf(path, sizeof path, "%s/config.json", source);
    assert_int_equal(quantize(source, "dst", NULL, NULL, NULL), 0);
    char *before = nb_test_file_read(path, NULL), *after = nb_test_file_read("dst/config.json", NULL);
    size_t n = (size_t)(strrchr(before, '}') - before);
    while (n > 0 && strchr(" \n", before[n - 1]))
        n--;
    assert_memory_equal(before, after, n);
    assert_int_equal(strncmp(after + n, ",\n  \"quantization_config\": {", 28), 0);
    free(before);
    free(after);
}

static void side_files_are_copied(void **state)
{
    (void)state;
    static const char *const wanted[] = {"tokenizer.json", "chat_template.jinja", "merges.txt", "LICENSE", "README.md"};
    static const char *const unwanted[] = {"notes.txt", "pytorch_model.bin", "optimizer.pt"};
    assert_int_equal(mkdir("src", 0777), 0);
    nb_test_directory_copy(model_path("llama-f16"), "src");
    for (size_t i = 0; i < NB_COUNT(wanted) + NB_COUNT(unwanted); i++) {
        char path[64];
        snprintf(path, sizeof path, "src/%s", i < 5 ? wanted[i] : unwanted[i - 5]);
        nb_test_file_write(path, path, i < 4 ? strlen(path) : 0);
    }
    assert_int_equal(quantize("src", "dst", NULL, NULL, NULL), 0);
    for (size_t i = 0; i < NB_COUNT(wanted); i++) {
        char from[64], to[64];
        snprintf(from, sizeof from, "src/%s", wanted[i]);
        snprintf(to, sizeof to, "dst/%s", wanted[i]);
        assert_same_files(from, to);
    }
    assert_same_files("src/generation_config.json", "dst/generation_config.json");
    for (size_t i = 0; i < NB_COUNT(unwanted); i++) {
        char to[64];
        snprintf(to, sizeof to, "dst/%s", unwanted[i]);
        assert_false(exists(to));
    }
}

static void a_key_shift_travels_along(void **state)
{
    (void)state;
    const char *source = model_path("qwen2");
    char shift[PATH_MAX + 64];
    snprintf(shift, sizeof shift, "%s/oracle/k_shift.st", source);
    assert_int_equal(quantize(source, "dst", "--shift", shift, NULL), 0);
    nb_checkpoint from, to;
    assert_int_equal(nb_checkpoint_open(&from, shift, NULL), NB_OK);
    assert_int_equal(nb_checkpoint_open(&to, "dst/k_shift.st", NULL), NB_OK);
    assert_int_equal(to.n_entries, 3);
    assert_int_equal(check_others(&to, &from), 3);
    nb_checkpoint_close(&from);
    nb_checkpoint_close(&to);
    nb_model model;
    assert_int_equal(nb_model_open(&model, "dst", false, NULL, NULL, NULL), NB_OK);
    assert_true(model.has_key_shift);
    nb_model_close(&model);
    // The source's own shift is taken along, from a sidecar and from a shard alike.
    assert_int_equal(mkdir("src", 0777), 0);
    nb_test_directory_copy(source, "src");
    assert_int_equal(link("dst/k_shift.st", "src/k_shift.st"), 0);
    assert_int_equal(quantize("src", "own", NULL, NULL, NULL), 0);
    assert_same_files("own/k_shift.st", "dst/k_shift.st");
    assert_same_files("own/model.safetensors", "dst/model.safetensors");
    nb_edit edit, sidecar;
    nb_edit_load(&edit, "src/model.safetensors");
    nb_edit_load(&sidecar, "src/k_shift.st");
    for (int i = 0; i < 3; i++) {
        char name[64];
        snprintf(name, sizeof name, "model.layers.%d.self_attn.k_shift", i);
        nb_edit_append(&edit, name, "F32", "[3, 16]", nb_edit_bytes(&sidecar, name), 3 * 16 * 4);
    }
    nb_edit_save(&edit, "src/model.safetensors");
    nb_edit_save(&sidecar, "src/spare.st");
    assert_int_equal(unlink("src/k_shift.st"), 0);
    assert_int_equal(quantize("src", "moved", NULL, NULL, NULL), 0);
    assert_same_files("moved/k_shift.st", "dst/k_shift.st");
    assert_same_files("moved/model.safetensors", "dst/model.safetensors");
}

static void calibration_measures_fused_inputs_together(void **state)
{
    (void)state;
    const char *source = model_path("qwen2");
    char ids[PATH_MAX + 64];
    snprintf(ids, sizeof ids, "%s/oracle/ids.txt", source);
    assert_int_equal(quantize(source, "dst", "--calib", ids, NULL), 0);
    nb_model model;
    assert_int_equal(nb_model_open(&model, "dst", false, NULL, NULL, NULL), NB_OK);
    for (uint32_t i = 0; i < model.config.n_layers; i++) {
        const nb_layer *layer = &model.layers[i];
        assert_true(layer->q.input_scale > 0 && layer->o.input_scale > 0 && layer->down.input_scale > 0);
        assert_true(layer->q.input_scale == layer->k.input_scale && layer->q.input_scale == layer->v.input_scale);
        assert_true(layer->gate.input_scale == layer->up.input_scale);
        assert_true(layer->q.input_scale != layer->gate.input_scale && layer->down.input_scale != 0.125f);
    }
    nb_model_close(&model);
}

int main(void)
{
    if (!getcwd(home, sizeof home))
        return 1;
#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, nb_scratch_enter, nb_scratch_leave)
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(codes_and_scales_equal_the_reference),
        IN_SCRATCH(a_tied_head_is_not_written),
        IN_SCRATCH(threads_change_nothing),
        IN_SCRATCH(both_files_declare_the_same),
        IN_SCRATCH(the_rest_of_the_config_stays),
        IN_SCRATCH(side_files_are_copied),
        IN_SCRATCH(a_key_shift_travels_along),
        IN_SCRATCH(calibration_measures_fused_inputs_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
