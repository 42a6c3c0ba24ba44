// SPDX-License-Identifier: Apache-2.0
// Peak resident memory of the programs is the printed plan, plus the pages of mapped weights, plus at most 16 MB; and a
// plan that does not fit is refused with its table before anything is taken.
//
// The peak is the kernel's own figure of the process (wait4: ru_maxrss). It counts mapped pages of the weights too, of
// which there can be no more than the weights have, so `mapped` is held to total + weights_mapped + 16 MB.
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/app_lines.h"
#include "tests/support/data_path.h"
#include "tests/support/scratch.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SHADOWED = 1 };
#else
enum { SHADOWED = 0 };
#endif

static const uint64_t SLACK_BYTES = 16000000;

// Runs a program with its arguments; its peak in bytes.
static uint64_t peak_of(const char *run, int expected_code)
{
    char command[4096];
    snprintf(command, sizeof command, "exec \"$BUILD\"/%s >/dev/null", run);
    pid_t child = fork();
    if (child == 0) {
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    int status;
    struct rusage usage;
    assert_int_equal(wait4(child, &status, 0, &usage), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == expected_code);
    return (uint64_t)usage.ru_maxrss * 1024;
}

static uint64_t plan_value(const json_t *plan, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(plan, key));
}

static json_t *plan_of(const char *run)
{
    char command[4096];
    snprintf(command, sizeof command, "\"$BUILD\"/%s --plan --json", run);
    FILE *output = popen(command, "r");
    assert_non_null(output);
    json_t *plan = json_loadf(output, 0, NULL);
    assert_int_equal(pclose(output), 0);
    assert_non_null(plan);
    return plan;
}

static void check(const char *what, const char *planned, const char *run)
{
    json_t *plan = plan_of(planned);
    uint64_t total = plan_value(plan, "total"), mapped = plan_value(plan, "weights_mapped");
    assert_int_equal(total, plan_value(plan, "weights_resident") + plan_value(plan, "host") +
                                plan_value(plan, "cache") + plan_value(plan, "scratch") + plan_value(plan, "exchange"));
    uint64_t peak = peak_of(run, 0);
    if (peak > total + mapped + SLACK_BYTES)
        fail_msg("%s: plan %llu, mapped weights %llu, peak %llu", what, (unsigned long long)total,
                 (unsigned long long)mapped, (unsigned long long)peak);
    json_decref(plan);
}

static void scores_keep_to_the_plan(void **state)
{
    (void)state;
    const char *found = nb_test_data("models/mini-math");
    if (SHADOWED || !found)
        skip();
    char *model = strdup(found), ids[2048] = "";
    for (int i = 0; i < 300; i++)
        snprintf(ids + strlen(ids), sizeof ids - strlen(ids), "%d%s", 1 + i % 200, i < 299 ? " " : "\n");
    assert_true(nb_scratch_put("ids", ids));
    static const char *const policies[] = {"mapped", "resident"}, *const contexts[] = {"", "--ctx 512", "--ctx 64"};
    for (size_t p = 0; p < 2; p++)
        for (size_t c = 0; c < 3; c++) {
            char plan[1024], run[1100];
            snprintf(plan, sizeof plan, "nibble score %s --ids ids --weights %s --kv f32 %s", model, policies[p],
                     contexts[c]);
            snprintf(run, sizeof run, "%s --logits logits 2>/dev/null", plan);
            check("score", plan, run);
        }
    free(model);
}

// bench leaves its own bandwidth buffer out, so what it reports is compared. `least_total` keeps it from being trivial.
static void check_bench(const char *arguments, uint64_t least_total)
{
    char run[1024];
    snprintf(run, sizeof run, "nibble bench %s", arguments);
    json_t *plan = plan_of(run), *figures = app_json_lines("bench %s --json", arguments);
    assert_non_null(figures);
    uint64_t total = plan_value(plan, "total");
    size_t n = json_array_size(figures);
    assert_true(n >= 2 && total > least_total);
    for (size_t i = 0; i < n; i++) {
        uint64_t peak = plan_value(json_array_get(figures, i), "rss_peak_bytes");
        if (peak == 0 || peak > total + SLACK_BYTES)
            fail_msg("%s: plan %llu, peak %llu", run, (unsigned long long)total, (unsigned long long)peak);
    }
    json_decref(plan);
    json_decref(figures);
}

// A model of some 100 MB with the vocabulary and tokenizer of a real one, in which the tokenizer's share is large.
static const char wide_config[] =
    "{\"architectures\":[\"Qwen2ForCausalLM\"],\"model_type\":\"qwen2\",\"hidden_size\":512,"
    "\"intermediate_size\":3072,\"num_hidden_layers\":10,\"num_attention_heads\":8,\"num_key_value_heads\":2,"
    "\"vocab_size\":60000,\"max_position_embeddings\":16384,\"rms_norm_eps\":1e-6,\"rope_theta\":10000,"
    "\"tie_word_embeddings\":true,\"hidden_act\":\"silu\",\"torch_dtype\":\"bfloat16\"}";

static void shapes_keep_to_the_plan(void **state)
{
    (void)state;
    if (SHADOWED)
        skip();
    assert_true(nb_scratch_put("config.json", wide_config));
    static const char *const kvs[] = {"e1m2", "bf16"};
    static const char *const depths[] = {"0", "1024"};
    for (size_t k = 0; k < 2; k++)
        for (size_t d = 0; d < 2; d++) {
            char arguments[256];
            snprintf(arguments, sizeof arguments,
                     "--shape config.json --kv %s --prefill 128 --decode 4 --depth %s --batch 1 --repeat 1", kvs[k],
                     depths[d]);
            check_bench(arguments, 70000000);
        }
}

// Every session has a ring, a scratch and logits of its own, and the plan counts them all.
static void many_sessions_keep_to_the_plan(void **state)
{
    (void)state;
    if (SHADOWED)
        skip();
    static const char tiny[] =
        "{\"architectures\":[\"Qwen2ForCausalLM\"],\"model_type\":\"qwen2\",\"hidden_size\":256,"
        "\"intermediate_size\":512,\"num_hidden_layers\":4,\"num_attention_heads\":8,\"num_key_value_heads\":2,"
        "\"vocab_size\":2000,\"max_position_embeddings\":16384,\"rms_norm_eps\":1e-6,\"rope_theta\":10000,"
        "\"tie_word_embeddings\":true,\"hidden_act\":\"silu\",\"torch_dtype\":\"bfloat16\"}";
    assert_true(nb_scratch_put("tiny.json", tiny));
    check_bench("--shape tiny.json --kv f32 --prefill 16 --decode 4 --depth 1000 --batch 16 --repeat 1", 0);
    check_bench("--shape tiny.json --kv bf16 --prefill 16 --decode 4 --depth 6000 --batch 6 --repeat 1", 0);
    check_bench("--shape tiny.json --kv bf16 --prefill 16 --decode 4 --depth 0,3000 --batch 1 --repeat 1", 0);
}

static void answers_side_by_side_keep_to_the_plan(void **state)
{
    (void)state;
    const char *found = nb_test_data("models/mini-math");
    if (SHADOWED || !found)
        skip();
    char run[4096];
    snprintf(run, sizeof run,
             "nibble-qat eval %s --task %s/eval.jsonl --raw --kv f32 --batch 64 --limit 64 -n 32 2>/dev/null", found,
             found);
    check("eval", run, run);
    strcpy(run, "nibble tutor -p 2+3 --vote 64 --kv f32 --ctx 512 --seed 1");
    check("tutor", run, run);
}

static void models_keep_to_the_plan(void **state)
{
    (void)state;
    const char *found = nb_test_data("models/mini-math");
    if (SHADOWED || !found)
        skip();
    char *model = strdup(found);
    static const char *const policies[] = {"mapped", "resident"}, *const contexts[] = {"64", "512"},
                             *const kvs[] = {"e1m2", "f32"};
    for (size_t p = 0; p < 2; p++)
        for (size_t c = 0; c < 2; c++)
            for (size_t k = 0; k < 2; k++) {
                char plan[1024], run[1100];
                snprintf(plan, sizeof plan, "nibble run %s -p x --weights %s --ctx %s --kv %s", model, policies[p],
                         contexts[c], kvs[k]);
                snprintf(run, sizeof run, "%s -n 32 --ignore-eos", plan);
                check(policies[p], plan, run);
            }
    free(model);
}

// 11 MB of JSON: its tables take 14 MB, code and libraries the rest. A tree of it all took 84 MB, the whole file 11.
static void a_large_tokenizer_leaves_no_tree(void **state)
{
    (void)state;
    const char *found = nb_test_data("tokenizers/qwen3");
    if (SHADOWED || !found)
        skip();
    char arguments[1024];
    snprintf(arguments, sizeof arguments, "nibble tokenize %s </dev/null", found);
    uint64_t peak = peak_of(arguments, 0);
    if (peak > 14000000 + 4000000 + SLACK_BYTES)
        fail_msg("peak %llu", (unsigned long long)peak);
}

static uint64_t memory_total(void)
{
    char line[128];
    unsigned long long kib = 0;
    FILE *file = fopen("/proc/meminfo", "r");
    while (file && fgets(line, sizeof line, file) && sscanf(line, "MemTotal: %llu kB", &kib) != 1)
        ;
    if (file)
        fclose(file);
    return (uint64_t)kib * 1024;
}

static void sessions_that_do_not_fit_together_are_refused(void **state)
{
    (void)state;
    if (memory_total() > 300000000000)
        skip(); // it would be measured, for hours
    int code;
    assert_true(nb_scratch_put("config.json", wide_config));
    char *text =
        app_output(&code, "bench --shape config.json --kv f32 --decode 4 --batch 128 --depth "
                          "16000,16001,16002,16003,16004,16005,16006,16007,16008,16009,16010,16011,16012,16013,16014,"
                          "16015,16016,16017,16018,16019 2>&1 >/dev/null");
    assert_int_equal(code, 4);
    assert_non_null(strstr(text, "Memory plan for 16023 tokens of context, 2561 sessions\n"));
    assert_non_null(strstr(text, "nibble: error: the plan does not fit memory; expected at most "));
    free(text);
    const char *found = nb_test_data("models/mini-math");
    char run[4096];
    snprintf(
        run, sizeof run,
        "nibble-qat eval %s --task %s/eval.jsonl --raw --samples 9 --ctx 16777216 --kv f32 --batch 256 2>/dev/null",
        found ? found : "", found ? found : "");
    if (found && !SHADOWED) // 9 TB; nothing is taken for it
        assert_in_range(peak_of(run, 4), 1, SLACK_BYTES);
}

static void what_does_not_fit_is_refused_with_its_table(void **state)
{
    (void)state;
    const char *found = nb_test_data("models/mini-math");
    if (!found)
        skip();
    char *model = strdup(found), *config = NULL;
    int code;
    static const char *const policies[] = {"mapped", "resident"};
    for (size_t p = 0; p < 2; p++) {
        char *text =
            app_output(&code, "run %s -p x --ctx 16777216 --kv f32 --weights %s 2>&1 >/dev/null", model, policies[p]);
        assert_true(code == 4 || code == 0); // a machine of hundreds of GB may hold it
        if (code == 4) {
            assert_non_null(strstr(text, "Memory plan for 16777216 tokens"));
            const char *error = strstr(text, "nibble: error: the plan does not fit memory; expected at most ");
            assert_true(error && error > strstr(text, "available") && strchr(error, '\n')[1] == 0);
        }
        free(text);
    }
    assert_true(asprintf(&config,
                         "{\"architectures\":[\"Qwen2ForCausalLM\"],\"model_type\":\"qwen2\",\"hidden_size\":131072,"
                         "\"intermediate_size\":524288,\"num_hidden_layers\":1000,\"num_attention_heads\":1024,"
                         "\"num_key_value_heads\":8,\"vocab_size\":60000,\"max_position_embeddings\":16384,"
                         "\"rms_norm_eps\":1e-6,\"rope_theta\":10000,\"tie_word_embeddings\":true,"
                         "\"hidden_act\":\"silu\",\"torch_dtype\":\"bfloat16\"}") > 0);
    assert_true(nb_scratch_put("huge.json", config));
    char *text = app_output(&code, "bench --shape huge.json 2>&1 >/dev/null");
    assert_int_equal(code, 4);
    assert_non_null(strstr(text, "Memory plan for"));
    assert_non_null(strstr(text, "weights, resident copy"));
    free(text);
    free(config);
    free(model);
}

static void add_matrix(json_t *header, uint64_t *end, const char *name, uint64_t rows, uint64_t cols)
{
    uint64_t begin = *end;
    *end += 2 * rows * cols;
    json_t *shape =
        cols > 1 ? json_pack("[I, I]", (json_int_t)rows, (json_int_t)cols) : json_pack("[I]", (json_int_t)rows);
    json_object_set_new(header, name,
                        json_pack("{s:s, s:o, s:[I, I]}", "dtype", "BF16", "shape", shape, "data_offsets",
                                  (json_int_t)begin, (json_int_t)*end));
}

// A BF16 checkpoint of twice the machine's memory, all holes. Returns false where the file system cannot have that.
static bool make_large(const char *folder)
{
    enum { D = 4096, F = 1 << 17 };
    static const struct {
        const char *name;
        uint64_t rows, cols;
    } parts[] = {{"input_layernorm", D, 1},  {"post_attention_layernorm", D, 1},
                 {"self_attn.q_proj", D, D}, {"self_attn.k_proj", D, D},
                 {"self_attn.v_proj", D, D}, {"self_attn.o_proj", D, D},
                 {"mlp.gate_proj", F, D},    {"mlp.up_proj", F, D},
                 {"mlp.down_proj", D, F}};
    char path[256], name[128], config[1024];
    uint64_t end = 0, n_layers = 1 + 2 * memory_total() / (6ull * F * D);
    json_t *header = json_object();
    add_matrix(header, &end, "model.embed_tokens.weight", 256, D);
    add_matrix(header, &end, "model.norm.weight", D, 1);
    for (uint64_t layer = 0; layer < n_layers; layer++)
        for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
            snprintf(name, sizeof name, "model.layers.%llu.%s.weight", (unsigned long long)layer, parts[i].name);
            add_matrix(header, &end, name, parts[i].rows, parts[i].cols);
        }
    snprintf(config, sizeof config,
             "{\"architectures\":[\"LlamaForCausalLM\"],\"model_type\":\"llama\",\"hidden_size\":%d,"
             "\"intermediate_size\":%d,\"num_hidden_layers\":%llu,\"num_attention_heads\":32,"
             "\"num_key_value_heads\":32,\"vocab_size\":256,\"max_position_embeddings\":512,\"rms_norm_eps\":1e-6,"
             "\"rope_theta\":10000,\"tie_word_embeddings\":true,\"hidden_act\":\"silu\",\"torch_dtype\":\"bfloat16\"}",
             D, F, (unsigned long long)n_layers);
    snprintf(path, sizeof path, "%s/config.json", folder);
    assert_true(nb_scratch_put(path, config));
    char *text = json_dumps(header, JSON_COMPACT);
    uint64_t n = strlen(text);
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    FILE *file = fopen(path, "wb");
    assert_true(file && fwrite(&n, 8, 1, file) == 1 && fwrite(text, n, 1, file) == 1 && fflush(file) == 0);
    bool is_made = ftruncate(fileno(file), (off_t)(8 + n + end)) == 0;
    fclose(file);
    free(text);
    json_decref(header);
    return is_made;
}

static void a_resident_checkpoint_that_does_not_fit_is_not_begun(void **state)
{
    (void)state;
    if (SHADOWED || !make_large("large"))
        skip();
    int code;
    char *text = app_output(&code, "run large --prompt-ids /dev/null --weights resident 2>&1 >/dev/null");
    assert_int_equal(code, 4);
    const char *table = strstr(text, "Memory plan for"), *error = strstr(text, "nibble: error: the plan does not fit");
    assert_true(table && error && table < error && strstr(table, "weights, resident copy"));
    free(text);
    // Nothing was taken for it: neither copy nor bounce buffers, and no page of the map but the header's.
    uint64_t peak = peak_of("nibble run large --prompt-ids /dev/null --weights resident 2>/dev/null", 4);
    assert_true(peak > 0 && peak < SLACK_BYTES);
    assert_int_equal(unlink("large/model.safetensors"), 0); // its size frightens
}

// The programs and the data are named from the tree, the scratch folder is elsewhere.
static int enter(void **state)
{
    char here[2048], build[2200];
    const char *given = getenv("BUILD");
    if (!getcwd(here, sizeof here))
        return 1;
    snprintf(build, sizeof build, "%s/%s", here, given ? given : "build");
    if (!given || given[0] != '/')
        setenv("BUILD", build, 1);
    if (!getenv("NB_TEST_DATA")) {
        snprintf(build, sizeof build, "%s/../shared/data", here);
        setenv("NB_TEST_DATA", build, 1);
    }
    return nb_scratch_enter(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_keep_to_the_plan),
        cmocka_unit_test(many_sessions_keep_to_the_plan),
        cmocka_unit_test(answers_side_by_side_keep_to_the_plan),
        cmocka_unit_test(models_keep_to_the_plan),
        cmocka_unit_test(scores_keep_to_the_plan),
        cmocka_unit_test(a_large_tokenizer_leaves_no_tree),
        cmocka_unit_test(sessions_that_do_not_fit_together_are_refused),
        cmocka_unit_test(what_does_not_fit_is_refused_with_its_table),
        cmocka_unit_test(a_resident_checkpoint_that_does_not_fit_is_not_begun),
    };
    return cmocka_run_group_tests(tests, enter, nb_scratch_leave);
}
