// SPDX-License-Identifier: Apache-2.0
// nibble-qat qfit: what it finds against the reference search, what folding leaves as it was, and what it refuses.
#include <jansson.h>
#include <math.h>

#include "runtime/checkpoint.h"
#include "runtime/model.h"
#include "tests/apps/quantize_command.h"
#include "tests/support/model_run.h"
#include "tests/support/scratch.h"

static char ids_path[PATH_MAX + 64];

// The command with --calib-ids IDS and up to four more arguments (NULL: none). Where the oracle's numbers do not matter
// a third of its tokens do: a sanitizer makes attention slow.
static bool takes_all;

static int qfit(const char *source, const char *target, const char *ids, const char *const more[4])
{
    char *argv[12] = {(char *)"qfit", (char *)source, (char *)target, (char *)"--calib-ids", (char *)ids};
    int argc = 5;
    if (!takes_all) {
        argv[argc++] = (char *)"--limit=2";
        argv[argc++] = (char *)"--tokens=40";
    }
    for (size_t i = 0; more && i < 4 && more[i]; i++)
        argv[argc++] = (char *)more[i];
    optind = 0;
    return nb_command_qfit(argc, argv);
}

#define WITH(...) ((const char *const[4]){__VA_ARGS__})

static const char *calibration_of(const char *source)
{
    snprintf(ids_path, sizeof ids_path, "%s/oracle/calib_ids.txt", source);
    return ids_path;
}

static json_t *load_json(const char *path)
{
    json_t *object = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
    if (!object)
        fail_msg("%s is no JSON", path);
    return object;
}

static double number_at(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static void assert_near(double found, double expected, double bound, const char *what)
{
    double error = fabs(found - expected) / fabs(expected);
    if (!(error <= bound))
        fail_msg("%s: found %.9g, expected %.9g: relative error %.2g, allowed %.2g", what, found, expected, error,
                 bound);
}

// ---- against the reference ----------------------------------------------------------------------------------------

static const float *floats_of(const nb_checkpoint *checkpoint, const char *format, int layer, float *values, size_t n)
{
    char name[128];
    snprintf(name, sizeof name, format, layer);
    const nb_entry *entry = nb_checkpoint_find(checkpoint, name);
    if (!entry)
        fail_msg("no tensor %s", name);
    assert_true(entry->tensor->dtype == NB_DTYPE_F32);
    assert_int_equal(entry->tensor->end - entry->tensor->begin, n * sizeof(float));
    memcpy(values, checkpoint->shards[entry->shard].map.data + entry->tensor->begin, n * sizeof(float));
    return values;
}

// m: f32 rounding of sums over 256 tokens.
static void check_shift(const nb_checkpoint *written, int layer, const json_t *expected)
{
    float values[512];
    size_t n_heads = json_array_size(expected), e = json_array_size(json_array_get(expected, 0));
    floats_of(written, "model.layers.%d.self_attn.k_shift", layer, values, n_heads * e);
    double error = 0, square = 0;
    for (size_t i = 0; i < n_heads * e; i++) {
        double m = json_number_value(json_array_get(json_array_get(expected, i / e), i % e));
        error += pow((double)values[i] - m, 2);
        square += m * m;
    }
    assert_true(square == 0 ? error == 0 : sqrt(error / square) < 1e-5);
}

static void check_layer(const json_t *found, const json_t *expected, const nb_checkpoint *written)
{
    static const char *const keys[] = {"objective", "objective_00"};
    assert_true(fabs(number_at(found, "alpha") - number_at(expected, "alpha")) < 1e-9);
    assert_true(fabs(number_at(found, "beta") - number_at(expected, "beta")) < 1e-9);
    for (size_t i = 0; i < NB_COUNT(keys); i++) // the bound of the oracle's README
        assert_near(number_at(found, keys[i]), number_at(expected, keys[i]), 1e-4, keys[i]);
    assert_true(number_at(found, "objective") <= number_at(found, "objective_00"));
    check_shift(written, (int)number_at(found, "layer"), json_object_get(expected, "m"));
}

static void check_variant(const char *source, const char *variant)
{
    char target[64], option[64], path[PATH_MAX + 64];
    snprintf(target, sizeof target, "%s-%s", strrchr(source, '/') + 1, variant);
    snprintf(option, sizeof option, "--qfit-variant=%s", variant);
    assert_int_equal(qfit(source, target, calibration_of(source), WITH(option, "--report=report.json")), 0);
    snprintf(path, sizeof path, "%s/oracle/qfit.json", source);
    json_t *report = load_json("report.json"), *oracle = load_json(path);
    assert_string_equal(json_string_value(json_object_get(report, "variant")), variant);
    json_t *found = json_object_get(report, "layers");
    json_t *expected = json_object_get(json_object_get(oracle, variant), "layers");
    assert_int_equal(json_array_size(found), json_array_size(expected));
    nb_checkpoint written;
    snprintf(path, sizeof path, "%s/k_shift.st", target);
    assert_int_equal(nb_checkpoint_open(&written, path, NULL), NB_OK);
    for (size_t i = 0; i < json_array_size(found); i++)
        check_layer(json_array_get(found, i), json_array_get(expected, i), &written);
    nb_checkpoint_close(&written);
    json_decref(report);
    json_decref(oracle);
}

static void both_variants_equal_the_reference(void **state)
{
    (void)state;
    static const char *const names[] = {"qwen2", "qwen3"};
    size_t n_checked = 0;
    takes_all = true;
    for (size_t i = 0; i < NB_COUNT(names); i++) {
        const char *source = find_model(names[i]);
        for (int variant = 0; source && variant < 2; variant++, n_checked++)
            check_variant(source, variant ? "reference" : "nibble");
    }
    takes_all = false;
    if (n_checked == 0)
        skip();
}

// Rows of k_proj are 1/s, rows of q_proj s times what they were (BF16 source, so the source is exact in F32).
static void the_scales_are_in_the_weights(void **state)
{
    (void)state;
    enum { D = 144, HEADS = 9, GROUPS = 3, E = 16 };
    const char *source = model_path("qwen2");
    char path[PATH_MAX + 64];
    takes_all = true;
    assert_int_equal(qfit(source, "dst", calibration_of(source), WITH("--dtype=f32")), 0);
    takes_all = false;
    snprintf(path, sizeof path, "%s/oracle/qfit.json", source);
    json_t *oracle = load_json(path), *layers = json_object_get(json_object_get(oracle, "nibble"), "layers");
    nb_checkpoint written;
    nb_model model;
    assert_int_equal(nb_checkpoint_open(&written, "dst", NULL), NB_OK);
    assert_int_equal(nb_model_open(&model, source, false, NULL, NULL, NULL), NB_OK);
    static float q[HEADS * E * D], k[GROUPS * E * D];
    floats_of(&written, "model.layers.%d.self_attn.q_proj.weight", 1, q, HEADS * E * D);
    floats_of(&written, "model.layers.%d.self_attn.k_proj.weight", 1, k, GROUPS * E * D);
    json_t *scales = json_object_get(json_array_get(layers, 1), "s");
    for (size_t i = 0; i < HEADS * E * D; i++) {
        size_t row = i / D, g = row / E / (HEADS / GROUPS), pair = row % E % (E / 2);
        double s = json_number_value(json_array_get(json_array_get(scales, g), pair));
        uint16_t half;
        memcpy(&half, model.layers[1].q.data + 2 * i, 2);
        uint32_t bits = (uint32_t)half << 16;
        float original;
        memcpy(&original, &bits, 4);
        assert_true(fabs((double)q[i] - (double)original * s) <= 2e-6 * fabs((double)original * s));
    }
    for (size_t i = 0; i < GROUPS * E * D; i++) {
        size_t row = i / D;
        double s = json_number_value(json_array_get(json_array_get(scales, row / E), row % E % (E / 2)));
        uint16_t half;
        memcpy(&half, model.layers[1].k.data + 2 * i, 2);
        uint32_t bits = (uint32_t)half << 16;
        float original;
        memcpy(&original, &bits, 4);
        assert_true(fabs((double)k[i] - (double)original / s) <= 2e-6 * fabs((double)original / s));
    }
    nb_model_close(&model);
    nb_checkpoint_close(&written);
    json_decref(oracle);
}

// ---- folding ------------------------------------------------------------------------------------------------------

static double logit_error(const char *directory, const char *source, nb_kv kv)
{
    char path[PATH_MAX + 64];
    nb_test_ids ids;
    size_t n_vocab, n;
    snprintf(path, sizeof path, "%s/oracle/ids.txt", source);
    nb_test_ids_read(&ids, path);
    const nb_test_settings settings = {.n_threads = 2, .act = NB_ACT_NONE, .kv = kv};
    float *logits = nb_test_logits(directory, &settings, &ids, &n_vocab);
    snprintf(path, sizeof path, "%s/oracle/logits_f64.f32", source);
    float *exact = nb_test_floats(path, &n);
    assert_int_equal(n, ids.n_total * n_vocab);
    double error = nb_test_relative_error(logits, exact, n);
    free(logits);
    free(exact);
    nb_test_ids_free(&ids);
    return error;
}

// The oracle is in double; a float32 engine is 1e-6 to 3e-6 off on the unfolded model.
static void folding_changes_no_logit(void **state)
{
    (void)state;
    static const char *const names[] = {"qwen2", "qwen2-r1", "llama3", "qwen3", "qwen2-yarn", "llama-f16"};
    size_t n_checked = 0;
    for (size_t i = 0; i < NB_COUNT(names); i++) {
        const char *source = find_model(names[i]);
        if (!source || !nb_test_oracle_has(source, "logits_f64.f32"))
            continue;
        assert_int_equal(qfit(source, names[i], calibration_of(source), WITH("--dtype=f32")), 0);
        double before = logit_error(source, source, NB_KV_F32), after = logit_error(names[i], source, NB_KV_F32);
        print_message("%s: logits off by %.2g before, %.2g after folding\n", names[i], before, after);
        assert_true(after < 6e-6);
        n_checked++;
    }
    if (n_checked == 0)
        skip();
}

// What it is for: the 4-bit cache moves the logits less than before.
static void the_cache_costs_less(void **state)
{
    (void)state;
    static const char *const names[] = {"qwen2", "qwen3"};
    size_t n_checked = 0;
    for (size_t i = 0; i < NB_COUNT(names); i++) {
        const char *source = find_model(names[i]);
        if (!source || !nb_test_oracle_has(source, "logits_f64.f32"))
            continue;
        assert_int_equal(qfit(source, names[i], calibration_of(source), WITH("--dtype=f32")), 0);
        double before = logit_error(source, source, NB_KV_E1M2), after = logit_error(names[i], source, NB_KV_E1M2);
        print_message("%s: 4-bit cache moves logits by %.3f, fitted by %.3f\n", names[i], before, after);
        assert_true(after < 0.8 * before);
        n_checked++;
    }
    if (n_checked == 0)
        skip();
}

static bool is_folded(const char *name, bool has_norms)
{
    return has_norms ? strstr(name, "q_norm") || strstr(name, "k_norm")
                     : strstr(name, "q_proj") || strstr(name, "k_proj");
}

static void check_carried_over(const char *name, bool has_norms)
{
    const char *source = model_path(name);
    nb_checkpoint from, to;
    char path[PATH_MAX + 64], target[PATH_MAX];
    assert_int_equal(qfit(source, name, calibration_of(source), NULL), 0);
    assert_int_equal(nb_checkpoint_open(&from, source, NULL), NB_OK);
    assert_int_equal(nb_checkpoint_open(&to, name, NULL), NB_OK);
    for (size_t i = 0; i < from.n_entries; i++) {
        const nb_tensor *a = from.entries[i].tensor;
        const nb_entry *entry = nb_checkpoint_find(&to, a->name);
        assert_non_null(entry);
        assert_true(entry->tensor->dtype == a->dtype);
        assert_int_equal(entry->tensor->end - entry->tensor->begin, a->end - a->begin);
        bool is_equal = memcmp(from.shards[from.entries[i].shard].map.data + a->begin,
                               to.shards[entry->shard].map.data + entry->tensor->begin, a->end - a->begin) == 0;
        assert_true(is_equal != is_folded(a->name, has_norms));
    }
    nb_checkpoint_close(&from);
    nb_checkpoint_close(&to);
    static const char *const files[] = {"config.json", "generation_config.json"};
    for (size_t i = 0; i < NB_COUNT(files); i++) {
        snprintf(path, sizeof path, "%s/%s", source, files[i]);
        snprintf(target, sizeof target, "%s/%s", name, files[i]);
        assert_same_files(path, target);
    }
}

static void the_rest_is_carried_over(void **state)
{
    (void)state;
    check_carried_over("qwen2", false);
    check_carried_over("qwen3", true);
    check_carried_over("llama-f16", false);
}

static void the_dtype_is_declared(void **state)
{
    (void)state;
    const char *source = model_path("qwen2-r1"); // the old style of config.json, four shards
    assert_int_equal(qfit(source, "dst", calibration_of(source), WITH("--dtype=f32")), 0);
    json_t *config = load_json("dst/config.json");
    assert_string_equal(json_string_value(json_object_get(config, "torch_dtype")), "float32");
    json_decref(config);
    nb_model model;
    assert_int_equal(nb_model_open(&model, "dst", false, NULL, NULL, NULL), NB_OK);
    assert_string_equal(model.format, "f32");
    assert_true(model.has_key_shift);
    nb_model_close(&model);
}

// A fitted model can be fitted again: its shift goes, and what the model computes stays.
static void an_old_shift_is_replaced(void **state)
{
    (void)state;
    const char *source = model_path("qwen2");
    if (!nb_test_oracle_has(source, "logits_f64.f32"))
        skip();
    assert_int_equal(qfit(source, "once", calibration_of(source), WITH("--dtype=f32", "--qfit-variant=reference")), 0);
    assert_int_equal(qfit("once", "twice", calibration_of(source), NULL), 0);
    assert_true(logit_error("twice", source, NB_KV_F32) < 6e-6);
    json_t *config = load_json("twice/config.json");
    json_decref(config);
    nb_checkpoint written;
    assert_int_equal(nb_checkpoint_open(&written, "twice/k_shift.st", NULL), NB_OK);
    assert_int_equal(written.n_entries, 3);
    nb_checkpoint_close(&written);
}

static void threads_change_nothing(void **state)
{
    (void)state;
    static const char *const files[] = {"model.safetensors", "k_shift.st"};
    const char *source = model_path("qwen3");
    assert_int_equal(qfit(source, "one", calibration_of(source), WITH("--threads=1", "--report=one.json")), 0);
    assert_int_equal(qfit(source, "two", calibration_of(source), WITH("--threads=2", "--report=two.json")), 0);
    assert_int_equal(qfit(source, "five", calibration_of(source), WITH("--threads=5", "--report=five.json")), 0);
    json_t *one = load_json("one.json"), *two = load_json("two.json"), *five = load_json("five.json");
    assert_true(json_equal(json_object_get(one, "layers"), json_object_get(two, "layers")));
    assert_true(json_equal(json_object_get(one, "layers"), json_object_get(five, "layers")));
    json_decref(one);
    json_decref(two);
    json_decref(five);
    for (size_t i = 0; i < NB_COUNT(files); i++) {
        char a[64], b[64], c[64];
        snprintf(a, sizeof a, "one/%s", files[i]);
        snprintf(b, sizeof b, "two/%s", files[i]);
        snprintf(c, sizeof c, "five/%s", files[i]);
        assert_same_files(a, b);
        assert_same_files(a, c);
    }
}

// ---- what is refused ----------------------------------------------------------------------------------------------

static void what_cannot_be_fitted_is_refused(void **state)
{
    (void)state;
    const char *source = model_path("qwen2"), *packed = find_model("qwen2-modelopt");
    const char *ids = calibration_of(source);
    static char line[1024];
    if (packed)
        assert_int_equal(qfit(packed, "dst", ids, NULL), NB_EXIT_INPUT);
    assert_true(nb_scratch_put("few.txt", "1 2 3\n4 5\n"));
    assert_int_equal(qfit(source, "dst", "few.txt", NULL), NB_EXIT_INPUT);
    for (size_t i = 0; i < 200; i++)
        memcpy(line + 5 * i, i == 150 ? "1009 " : " 100 ", 5); // the vocabulary ends at 1008
    assert_true(nb_scratch_put("outside.txt", line));
    assert_int_equal(qfit(source, "dst", "outside.txt", NULL), NB_EXIT_INPUT);
    assert_true(nb_scratch_put("words.txt", "one two three\n"));
    assert_int_equal(qfit(source, "dst", "words.txt", NULL), NB_EXIT_INPUT);
    assert_int_equal(qfit(source, "dst", "missing.txt", NULL), NB_EXIT_INPUT);
    assert_int_equal(qfit("nowhere", "dst", ids, NULL), NB_EXIT_INPUT);
    assert_int_equal(mkdir("dst", 0777), 0);
    assert_int_equal(qfit(source, "dst", ids, NULL), NB_EXIT_INPUT); // it is there already
    assert_false(exists("dst/config.json"));
    assert_false(exists(".dst.nibble-partial"));
    assert_int_equal(qfit(source, "dst", ids, WITH("--force", "--report=no/such/folder.json")), NB_EXIT_FAILED);
    assert_false(exists("dst/config.json"));
    assert_int_equal(qfit(source, "dst", ids, WITH("--qfit-variant=other")), NB_EXIT_USAGE);
    assert_int_equal(mkdir("src", 0777), 0);
    nb_test_directory_copy(source, "src");
    assert_int_equal(qfit("src", "src", ids, WITH("--force")), NB_EXIT_INPUT);
    char *argv[] = {(char *)"qfit", (char *)source, (char *)"new", NULL};
    optind = 0;
    assert_int_equal(nb_command_qfit(3, argv), NB_EXIT_USAGE);
}

static void only_the_first_tokens_count(void **state)
{
    (void)state;
    const char *source = model_path("qwen2");
    static char text[1 << 14];
    char *all = nb_test_file_read(calibration_of(source), NULL), *second = strchr(all, '\n') + 1;
    snprintf(text, sizeof text, "%.*s\n\n%s", (int)(second - all), all, second);
    assert_true(nb_scratch_put("spaced.txt", text)); // an empty sequence is none
    free(all);
    assert_int_equal(qfit(source, "spaced", "spaced.txt", WITH("--limit=2", "--tokens=40")), 0);
    assert_int_equal(qfit(source, "plain", calibration_of(source), WITH("--limit=2", "--tokens=40", "--report=r")), 0);
    assert_same_files("spaced/model.safetensors", "plain/model.safetensors");
    json_t *report = load_json("r");
    assert_int_equal(number_at(report, "tokens"), 80);
    assert_int_equal(number_at(report, "sequences"), 2);
    json_decref(report);
}

int main(void)
{
    if (!getcwd(home, sizeof home))
        return 1;
#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, nb_scratch_enter, nb_scratch_leave)
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(both_variants_equal_the_reference), IN_SCRATCH(the_scales_are_in_the_weights),
        IN_SCRATCH(folding_changes_no_logit),          IN_SCRATCH(the_cache_costs_less),
        IN_SCRATCH(the_rest_is_carried_over),          IN_SCRATCH(the_dtype_is_declared),
        IN_SCRATCH(an_old_shift_is_replaced),          IN_SCRATCH(threads_change_nothing),
        IN_SCRATCH(what_cannot_be_fitted_is_refused),  IN_SCRATCH(only_the_first_tokens_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
