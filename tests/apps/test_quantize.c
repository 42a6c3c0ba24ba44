// SPDX-License-Identifier: Apache-2.0
// nibble-qat quantize: the bytes it writes against the reference hashes, what it declares and copies, and what it refuses.
#include <getopt.h>
#include <jansson.h>
#include <limits.h>
#include <openssl/sha.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "apps/common/cli.h"
#include "apps/qat/qat_commands.h"
#include "apps/qat/quantize_calib.h"
#include "apps/qat/quantize_config.h"
#include "tests/support/checkpoint_edit.h"
#include "tests/support/data_path.h"
#include "tests/support/faults.h"
#include "tests/support/scratch.h"

// The command with `source`, `target` and up to three more arguments (NULL: none).
static int quantize(const char *source, const char *target, const char *a, const char *b, const char *c)
{
    char *argv[8] = {(char *)"quantize"};
    const char *const arguments[] = {source, target, "--json", a, b, c};
    int argc = 1;
    for (size_t i = 0; i < NB_COUNT(arguments); i++)
        if (arguments[i])
            argv[argc++] = (char *)arguments[i];
    optind = 0;
    return nb_command_quantize(argc, argv);
}

static char home[PATH_MAX]; // where the tests were started: reference data is found from there

// The absolute path of a reference model, NULL (said on stderr) where there is none. Valid until four calls later.
static const char *find_model(const char *name)
{
    static char paths[4][PATH_MAX], here[PATH_MAX];
    static unsigned turn;
    char relative[128];
    snprintf(relative, sizeof relative, "models/oracle/%s", name);
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(home), 0);
    const char *path = nb_test_data(relative);
    char *absolute = path ? realpath(path, paths[turn++ % 4]) : NULL;
    assert_int_equal(chdir(here), 0);
    return absolute;
}

// The same; without the model the test is skipped.
static const char *model_path(const char *name)
{
    const char *path = find_model(name);
    if (!path)
        skip();
    return path;
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static void assert_same_files(const char *left, const char *right)
{
    size_t left_bytes, right_bytes;
    char *a = nb_test_file_read(left, &left_bytes), *b = nb_test_file_read(right, &right_bytes);
    if (left_bytes != right_bytes || memcmp(a, b, left_bytes) != 0)
        fail_msg("%s and %s differ", left, right);
    free(a);
    free(b);
}

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

// ---- declarations and copies -------------------------------------------------------------------------------------------

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
    snprintf(ids, sizeof ids, "%s/oracle/calib_ids.txt", source);
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

// ---- shards ------------------------------------------------------------------------------------------------------------

static nb_status quantize_in_shards(const char *source, const char *target, uint64_t shard_bytes,
                                    bool (*on_progress)(void *user, uint64_t done_bytes, uint64_t total_bytes))
{
    nb_quant_plan plan;
    nb_pool *pool;
    assert_int_equal(nb_quant_plan_open(&plan, source, NULL, 0, NULL), NB_OK);
    assert_int_equal(nb_pool_create(&pool, 2, NULL), NB_OK);
    nb_quantize_run run = {.plan = &plan, .pool = pool, .shard_bytes = shard_bytes, .on_progress = on_progress};
    nb_status status = nb_quantize_survey(&run);
    if (status == NB_OK)
        status = nb_quantize_calibrate(&run, NULL);
    if (status == NB_OK)
        status = nb_quantize_write(&run, target);
    if (status == NB_OK) {
        assert_int_equal(run.done_bytes, 2 * plan.source_bytes);
        status = nb_quantize_write_config(source, target, NULL, 0, NULL);
    }
    nb_pool_free(pool);
    nb_quant_plan_close(&plan);
    return status;
}

static void many_shards_hold_the_same_tensors(void **state)
{
    (void)state;
    const char *source = model_path("qwen2-r1");
    assert_int_equal(mkdir("shards", 0777), 0);
    assert_int_equal(quantize_in_shards(source, "shards", 150000, NULL), NB_OK);
    assert_int_equal(quantize(source, "single", NULL, NULL, NULL), 0);
    nb_checkpoint shards, single;
    assert_int_equal(nb_checkpoint_open(&shards, "shards", NULL), NB_OK);
    assert_int_equal(nb_checkpoint_open(&single, "single", NULL), NB_OK);
    assert_true(shards.n_shards > 3 && single.n_shards == 1);
    assert_int_equal(shards.n_entries, single.n_entries);
    for (size_t i = 0; i < single.n_entries; i++) {
        const nb_tensor *a = single.entries[i].tensor, *b = shards.entries[i].tensor;
        assert_string_equal(a->name, b->name);
        assert_int_equal(a->end - a->begin, b->end - b->begin);
        assert_memory_equal(single.shards[0].map.data + a->begin,
                            shards.shards[shards.entries[i].shard].map.data + b->begin, a->end - a->begin);
    }
    nb_checkpoint_close(&shards);
    nb_checkpoint_close(&single);
}

static bool stop_at_half(void *user, uint64_t done_bytes, uint64_t total_bytes)
{
    (void)user;
    return done_bytes < total_bytes * 3 / 4;
}

static void a_stop_leaves_no_file(void **state)
{
    (void)state;
    assert_int_equal(mkdir("dst", 0777), 0);
    assert_int_equal(quantize_in_shards(model_path("llama3"), "dst", UINT64_MAX, stop_at_half), NB_ERR_STOPPED);
    assert_int_equal(rmdir("dst"), 0);
}

// ---- refusals ----------------------------------------------------------------------------------------------------------

static void existing_directories_are_kept(void **state)
{
    (void)state;
    const char *source = model_path("llama-f16");
    assert_true(nb_scratch_put("taken/mine.txt", "mine"));
    assert_int_equal(quantize(source, "taken", NULL, NULL, NULL), NB_EXIT_INPUT);
    assert_int_equal(quantize(source, "taken", "--force", NULL, NULL), NB_EXIT_INPUT); // no model: not ours to remove
    assert_true(exists("taken/mine.txt"));
    assert_int_equal(quantize(source, "no/such/parent", NULL, NULL, NULL), NB_EXIT_INPUT);
    assert_int_equal(quantize(source, "dst/", NULL, NULL, NULL), 0);
    assert_int_equal(quantize(source, "dst", NULL, NULL, NULL), NB_EXIT_INPUT);
    assert_true(nb_scratch_put("dst/old.txt", "old"));
    assert_int_equal(quantize(source, "dst", "--force", NULL, NULL), 0);
    assert_false(exists("dst/old.txt"));
    assert_true(exists("dst/model.safetensors"));
    assert_int_equal(system("test \"$(ls -A | tr '\\n' ' ')\" = 'dst taken '"), 0);
}

static void the_source_is_never_the_target(void **state)
{
    (void)state;
    assert_int_equal(mkdir("outer", 0777), 0);
    assert_true(nb_scratch_put("outer/config.json", "{}"));
    assert_int_equal(mkdir("outer/src", 0777), 0);
    nb_test_directory_copy(model_path("llama-f16"), "outer/src");
    assert_int_equal(quantize("outer/src", "outer/src", "--force", NULL, NULL), NB_EXIT_INPUT);
    assert_int_equal(quantize("outer/src", "outer", "--force", NULL, NULL), NB_EXIT_INPUT);
    assert_int_equal(symlink("outer/src", "alias"), 0);
    assert_int_equal(quantize("outer/src", "alias", "--force", NULL, NULL), NB_EXIT_INPUT);
    assert_true(exists("outer/src/model.safetensors"));
}

static void check_refused(const char *source, const char *a, const char *b)
{
    assert_int_equal(quantize(source, "dst", a, b, NULL), NB_EXIT_INPUT);
    assert_int_equal(system("test -z \"$(ls -A -d dst .dst* 2>/dev/null)\""), 0);
}

static void what_cannot_be_quantised_is_refused(void **state)
{
    (void)state;
    check_refused("missing", NULL, NULL);
    check_refused(model_path("qwen2-modelopt"), NULL, NULL);
    check_refused(model_path("qwen2-ct"), NULL, NULL);
    check_refused(model_path("qwen2"), "--ignore", "*.q_proj");
    check_refused(model_path("qwen2"), "--shift", "missing.st");
    check_refused(model_path("qwen2"), "--calib", "missing.txt");
    assert_true(nb_scratch_put("ids.txt", "1 2 1009\n"));
    check_refused(model_path("qwen2"), "--calib", "ids.txt");
    assert_true(nb_scratch_put("ids.txt", "1 two\n"));
    check_refused(model_path("qwen2"), "--calib", "ids.txt");
    char shift[PATH_MAX + 64];
    snprintf(shift, sizeof shift, "%s/oracle/k_shift.st", model_path("qwen2"));
    check_refused(model_path("qwen3"), "--shift", shift); // of another shape
    assert_int_equal(quantize("one", NULL, NULL, NULL, NULL), NB_EXIT_USAGE);
    assert_int_equal(quantize(model_path("qwen2"), "dst", "--unheard-of", NULL, NULL), NB_EXIT_USAGE);
}

static void a_value_that_is_not_finite_is_named(void **state)
{
    (void)state;
    assert_int_equal(mkdir("src", 0777), 0);
    nb_test_directory_copy(model_path("llama3"), "src");
    nb_edit edit;
    nb_edit_load(&edit, "src/model.safetensors");
    uint8_t *weight = nb_edit_bytes(&edit, "model.layers.2.mlp.up_proj.weight");
    weight[2 * (5 * 128 + 77)] = 0x80;
    weight[2 * (5 * 128 + 77) + 1] = 0xff; // -infinity in BF16
    nb_edit_save(&edit, "src/model.safetensors");
    nb_quant_plan plan;
    nb_pool *pool;
    nb_error error = {0};
    assert_int_equal(nb_quant_plan_open(&plan, "src", NULL, 0, NULL), NB_OK);
    assert_int_equal(nb_pool_create(&pool, 2, NULL), NB_OK);
    nb_quantize_run run = {.plan = &plan, .pool = pool, .error = &error};
    assert_int_equal(nb_quantize_survey(&run), NB_ERR_INPUT);
    assert_non_null(strstr(error.text, "model.layers.2.mlp.up_proj.weight: row 5, column 77"));
    nb_pool_free(pool);
    nb_quant_plan_close(&plan);
    check_refused("src", NULL, NULL);
}

// Whatever the system refuses, DST does not appear half-written and nothing else is left.
static void failures_leave_nothing(void **state)
{
    (void)state;
    static const nb_fault kinds[] = {NB_FAULT_WRITE, NB_FAULT_RENAME, NB_FAULT_FSYNC, NB_FAULT_MMAP};
    const char *source = model_path("llama-f16");
    for (size_t k = 0; k < NB_COUNT(kinds); k++)
        for (uint64_t n = 1;; n += kinds[k] == NB_FAULT_WRITE ? 9 : 1) {
            nb_faults_fail_at(kinds[k], n);
            int exit_code = quantize(source, "dst", NULL, NULL, NULL);
            if (!nb_faults_reset()) {
                assert_int_equal(exit_code, 0);
                assert_int_equal(quantize(source, "dst", "--force", NULL, NULL), 0);
                assert_int_equal(system("rm -r dst"), 0);
                break;
            }
            assert_int_not_equal(exit_code, 0);
            if (exists("dst")) // only the very last sync may fail with the directory in its place
                assert_true(kinds[k] == NB_FAULT_FSYNC && exists("dst/model.safetensors"));
            assert_int_equal(system("rm -rf dst; test -z \"$(ls -A)\""), 0);
        }
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
        IN_SCRATCH(many_shards_hold_the_same_tensors),
        IN_SCRATCH(a_stop_leaves_no_file),
        IN_SCRATCH(existing_directories_are_kept),
        IN_SCRATCH(the_source_is_never_the_target),
        IN_SCRATCH(what_cannot_be_quantised_is_refused),
        IN_SCRATCH(a_value_that_is_not_finite_is_named),
        IN_SCRATCH(failures_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
