// SPDX-License-Identifier: Apache-2.0
// The network's files and its boundary: the operands of training are the bytes that `quantize` writes and inference
// reads; saved directories load again; what is not acceptable is refused.
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernels/nvfp4.h"
#include "runtime/checkpoint.h"
#include "tests/apps/net_batches.h"
#include "tests/apps/quantize_command.h"

static const random_model plain = {"llama", 48, 80, 2, 4, 2, 16, 90, false, true, true};
static const random_model odd = {"llama", 20, 36, 1, 2, 1, 10, 23, true, false, false}; // no blocks of 16

static nb_net *net_of(const char *directory, nb_pool *pool, nb_net_quant quant)
{
    return test_net(directory, &(nb_net_options){.pool = pool, .n_rows_max = 64, .quant = quant});
}

static const nb_param *param_of(nb_net *net, const char *name)
{
    size_t n;
    const nb_param *params = nb_net_params(net, &n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(params[i].name, name) == 0)
            return &params[i];
    fail_msg("no parameter %s", name);
    return NULL;
}

// ---- operands -----------------------------------------------------------------------------------------------------

// An NVFP4 matrix in bytes.
typedef struct packed {
    const uint8_t *codes, *scales;
    float g;
} packed;

// What `quantize` wrote: the tensors of its file.
static packed exported(const nb_checkpoint *file, const char *module, size_t n)
{
    char name[160];
    const uint8_t *parts[3];
    const char *const suffixes[] = {"weight", "weight_scale", "weight_scale_2"};
    const size_t bytes[] = {n / 2, n / NB_NVFP4_BLOCK, 4};
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s.%s", module, suffixes[i]);
        const nb_entry *entry = nb_checkpoint_find(file, name);
        assert_non_null(entry);
        assert_int_equal(entry->tensor->end - entry->tensor->begin, bytes[i]);
        parts[i] = file->shards[entry->shard].map.data + entry->tensor->begin;
    }
    packed p = {parts[0], parts[1], 0};
    memcpy(&p.g, parts[2], 4);
    return p;
}

// What the forward pass of training multiplies with. Its zeros have no sign: here they get that of the parameter, which
// the format keeps but in blocks whose scale is zero.
static packed trained(nb_net *net, const nb_param *param)
{
    uint8_t *codes = malloc(param->n / 2), *scales = malloc(param->n / NB_NVFP4_BLOCK);
    assert_true(codes && scales);
    packed p = {codes, scales, nb_net_operand_bytes(net, param, codes, scales)};
    for (size_t i = 0; i < param->n; i++) {
        uint8_t shift = (uint8_t)(i % 2 * 4), code = codes[i / 2] >> shift & 15;
        assert_int_not_equal(code, 8);
        if (code == 0 && signbit(param->value[i]) && scales[i / NB_NVFP4_BLOCK] != 0)
            codes[i / 2] |= (uint8_t)(8 << shift);
    }
    return p;
}

static void assert_same_bytes(packed a, packed b, size_t n)
{
    assert_memory_equal(&a.g, &b.g, sizeof a.g);
    assert_memory_equal(a.codes, b.codes, n / 2);
    assert_memory_equal(a.scales, b.scales, n / NB_NVFP4_BLOCK);
}

// The floats that are multiplied are those of the bytes; sums of products do not tell -0 from 0, and they hold none.
static void assert_decoded(const float *operand, packed p, size_t n)
{
    float *x = malloc(n * sizeof *x);
    assert_non_null(x);
    nb_nvfp4_decode(p.codes, p.scales, n, p.g, x);
    for (size_t i = 0; i < n; i++)
        x[i] += 0.0f;
    assert_memory_equal(operand, x, n * sizeof *x);
    free(x);
}

static void check_operand(nb_net *net, const nb_param *param, const nb_checkpoint *file, const char *module,
                          const nb_weight *weight)
{
    assert_int_equal(weight->format, NB_FORMAT_NVFP4);
    assert_int_equal((size_t)weight->n_rows * weight->n_cols, param->n);
    packed in_file = exported(file, module, param->n), run = {weight->data, weight->scales, weight->global_scale};
    packed in_training = trained(net, param);
    assert_same_bytes(in_file, run, param->n);
    assert_same_bytes(in_file, in_training, param->n);
    float *operand = malloc(param->n * sizeof *operand);
    assert_non_null(operand);
    nb_net_operand(net, param, operand);
    assert_decoded(operand, in_training, param->n);
    assert_true(memcmp(operand, param->value, param->n * sizeof *operand) != 0);
    free(operand);
    free((uint8_t *)in_training.codes);
    free((uint8_t *)in_training.scales);
}

static void operands_are_the_exported_bytes(void **state)
{
    (void)state;
    static const char *const families[] = {"qwen2", "llama", "qwen3"};
    for (size_t f = 0; f < NB_COUNT(families); f++) {
        random_model shape = plain;
        char source[32], target[32];
        shape.family = families[f];
        snprintf(source, sizeof source, "source%zu", f);
        snprintf(target, sizeof target, "target%zu", f);
        random_model_write(&shape, source, 50 + f);
        nb_pool *pool = test_pool(2);
        nb_net *net = net_of(source, pool, NB_NET_W4A4KV4);
        assert_int_equal(quantize(source, target, NULL, NULL, NULL), 0);
        nb_model model;
        nb_checkpoint file;
        assert_int_equal(nb_model_open(&model, target, false, NULL, NULL, NULL), NB_OK);
        assert_int_equal(nb_checkpoint_open(&file, target, NULL), NB_OK);
        const nb_family *family = nb_family_find(families[f]);
        for (uint32_t i = 0; i < model.config.n_layers; i++)
            for (size_t j = 0; j < family->n_linears; j++) {
                char module[96], name[128];
                snprintf(module, sizeof module, "model.layers.%u.%s", i, family->linears[j].name);
                snprintf(name, sizeof name, "%s.weight", module);
                const nb_param *param = param_of(net, name);
                const char *layer = (const char *)&model.layers[i];
                check_operand(net, param, &file, module,
                              (const nb_weight *)(const void *)(layer + family->linears[j].slot));
            }
        nb_checkpoint_close(&file);
        nb_model_close(&model);
        nb_net_close(net);
        nb_pool_free(pool);
    }
}

static void operands_follow_the_parameters(void **state)
{
    (void)state;
    random_model_write(&plain, "model", 60);
    nb_pool *pool = test_pool(1);
    nb_net *net = net_of("model", pool, NB_NET_W4A4KV4);
    const nb_param *q = param_of(net, "model.layers.0.self_attn.q_proj.weight");
    const nb_param *v = param_of(net, "model.layers.0.self_attn.v_proj.weight");
    assert_true(q->group == v->group && q->group >= 0);
    assert_int_equal(param_of(net, "lm_head.weight")->group, -1);
    float *before = malloc(q->n * sizeof *before), *after = malloc(q->n * sizeof *after);
    assert_true(before && after);
    nb_net_operand(net, q, before);
    v->value[5] = 100; // the largest of the group: its g is shared
    nb_net_update(net);
    nb_net_operand(net, q, after);
    assert_true(memcmp(before, after, q->n * sizeof *after) != 0);
    free(before);
    free(after);
    nb_net_close(net);
    nb_pool_free(pool);
}

// ---- saving -------------------------------------------------------------------------------------------------------

static void assert_same_values(nb_net *left, nb_net *right, bool rounded)
{
    size_t n, n_right;
    const nb_param *a = nb_net_params(left, &n), *b = nb_net_params(right, &n_right);
    assert_int_equal(n, n_right);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < a[i].n; j++)
            assert_true(b[i].value[j] == (rounded ? nb_bf16_decode(nb_bf16_encode(a[i].value[j])) : a[i].value[j]));
}

static void saved_directories_load_again(void **state)
{
    (void)state;
    random_model_write(&plain, "model", 61);
    assert_true(nb_scratch_put("model/tokenizer.json", "{}"));
    nb_pool *pool = test_pool(1);
    nb_net *net = net_of("model", pool, NB_NET_W4A4KV4);
    for (int rounded = 0; rounded < 2; rounded++) {
        const char *target = rounded ? "half" : "whole";
        nb_net_dtype dtype = rounded ? NB_NET_BF16 : NB_NET_F32;
        assert_int_equal(nb_net_save(net, "model", target, dtype, false, NULL), NB_OK);
        assert_int_equal(nb_net_save(net, "model", target, dtype, false, NULL), NB_ERR_INPUT); // it is there
        assert_int_equal(nb_net_save(net, "model", target, dtype, true, NULL), NB_OK);
        nb_net *again = net_of(target, pool, NB_NET_W4A4KV4);
        assert_same_values(net, again, rounded);
        nb_net_close(again);
        char path[64];
        snprintf(path, sizeof path, "%s/config.json", target);
        char *before = nb_test_file_read("model/config.json", NULL), *after = nb_test_file_read(path, NULL);
        char *dtype_at = strstr(before, "\"bfloat16\"");
        assert_non_null(dtype_at);
        assert_memory_equal(before, after, (size_t)(dtype_at - before));
        assert_string_equal(after + (dtype_at - before), rounded ? dtype_at : "\"float32\"}\n");
        free(before);
        free(after);
        snprintf(path, sizeof path, "%s/tokenizer.json", target);
        assert_true(exists(path));
        snprintf(path, sizeof path, "%s/k_shift.st", target);
        assert_same_files(path, "model/k_shift.st");
    }
    nb_net_close(net);
    nb_pool_free(pool);
}

static void values_are_replaced_from_a_file(void **state)
{
    (void)state;
    random_model_write(&plain, "model", 62);
    random_model_write(&plain, "other", 63);
    random_model_write(&odd, "odd", 64);
    nb_pool *pool = test_pool(1);
    nb_net *net = net_of("model", pool, NB_NET_PLAIN), *other = net_of("other", pool, NB_NET_PLAIN);
    nb_error error = {0};
    assert_int_equal(nb_net_load(net, "other/model.safetensors", &error), NB_OK);
    assert_same_values(other, net, false);
    assert_int_equal(nb_net_load(net, "odd/model.safetensors", &error), NB_ERR_INPUT);
    assert_non_null(strstr(error.text, "expected F32 [90, 48], found F32 [23, 20]"));
    nb_net_close(net);
    nb_net_close(other);
    nb_pool_free(pool);
}

// ---- refusals -----------------------------------------------------------------------------------------------------

static void assert_refused(const char *directory, nb_net_options options, nb_status status, const char *text)
{
    nb_net *net;
    nb_error error = {0};
    options.pool = test_pool(1);
    if (!options.n_rows_max)
        options.n_rows_max = 16;
    assert_int_equal(nb_net_open(&net, directory, &options, false, NULL, &error), status);
    assert_null(net);
    if (!strstr(error.text, text))
        fail_msg("expected an error with \"%s\", found \"%s\"", text, error.text);
    nb_pool_free(options.pool);
}

static void refuses_what_cannot_be_trained(void **state)
{
    (void)state;
    random_model_write(&plain, "model", 65);
    random_model_write(&odd, "odd", 66);
    assert_int_equal(quantize("model", "packed", NULL, NULL, NULL), 0);
    assert_refused("nowhere", (nb_net_options){0}, NB_ERR_INPUT, "nowhere");
    assert_refused("packed", (nb_net_options){0}, NB_ERR_INPUT, "expected a full-precision model");
    assert_refused("odd", (nb_net_options){.quant = NB_NET_W4A4KV4}, NB_ERR_INPUT, "blocks of 16");
    assert_refused("model", (nb_net_options){.isa = "abacus"}, NB_ERR_ARGUMENT, "abacus");
    assert_refused("model", (nb_net_options){.n_rows_max = 1u << 31}, NB_ERR_FIT, "training takes");
    nb_checkpoint file; // the last value of some tensor becomes infinite
    assert_int_equal(nb_checkpoint_open(&file, "model/model.safetensors", NULL), NB_OK);
    uint64_t at = nb_checkpoint_find(&file, "lm_head.weight")->tensor->end - 4;
    nb_checkpoint_close(&file);
    FILE *stream = fopen("model/model.safetensors", "r+b");
    assert_non_null(stream);
    assert_int_equal(fseek(stream, (long)at, SEEK_SET), 0);
    assert_int_equal(fwrite("\0\0\x80\x7f", 4, 1, stream), 1);
    assert_int_equal(fclose(stream), 0);
    assert_refused("model", (nb_net_options){0}, NB_ERR_INPUT, "lm_head.weight: index 4319: expected a finite value");
}

static void checks_batches(void **state)
{
    (void)state;
    random_model_write(&plain, "model", 67);
    nb_pool *pool = test_pool(1);
    nb_net *net = net_of("model", pool, NB_NET_PLAIN);
    int32_t ids[70] = {0, 89, 5};
    uint8_t targets[70] = {0, 1, 1};
    uint32_t positions[3] = {0, 1, 4095}, starts[3] = {0, 1, 3};
    nb_batch batch = {3, 2, ids, starts, positions, targets};
    assert_int_equal(nb_net_check(net, &batch, NULL), NB_OK);
    positions[2] = 4096;
    assert_int_equal(nb_net_check(net, &batch, NULL), NB_ERR_INPUT);
    batch.positions = NULL;
    ids[1] = 90;
    assert_int_equal(nb_net_check(net, &batch, NULL), NB_ERR_INPUT);
    ids[1] = -1;
    assert_int_equal(nb_net_check(net, &batch, NULL), NB_ERR_INPUT);
    ids[1] = 0;
    const uint32_t bad_starts[][3] = {{1, 2, 3}, {0, 0, 3}, {0, 3, 2}, {0, 1, 2}, {0, 1, 4}};
    for (size_t i = 0; i < NB_COUNT(bad_starts); i++) {
        batch.starts = bad_starts[i];
        assert_int_equal(nb_net_check(net, &batch, NULL), NB_ERR_INPUT);
    }
    batch = (nb_batch){65, 1, ids, (const uint32_t[]){0, 65}, NULL, targets};
    assert_int_equal(nb_net_check(net, &batch, NULL), NB_ERR_FIT);
    batch.n_rows = 0;
    assert_int_equal(nb_net_check(net, &batch, NULL), NB_ERR_INPUT);
    nb_net_close(net);
    nb_pool_free(pool);
}

static void a_plan_takes_nothing(void **state)
{
    (void)state;
    random_model_write(&plain, "model", 68);
    nb_pool *pool = test_pool(1);
    nb_net_options options = {.pool = pool, .n_rows_max = 4096};
    nb_net_plan kept, recomputed, forward;
    nb_net *net;
    assert_int_equal(nb_net_open(&net, "model", &options, true, &kept, NULL), NB_OK);
    assert_null(net);
    options.recompute = true;
    assert_int_equal(nb_net_open(&net, "model", &options, true, &recomputed, NULL), NB_OK);
    options.forward_only = true;
    assert_int_equal(nb_net_open(&net, "model", &options, true, &forward, NULL), NB_OK);
    assert_int_equal(kept.total_bytes, kept.parameter_bytes + kept.gradient_bytes + kept.operand_bytes +
                                           kept.activation_bytes + kept.scratch_bytes);
    assert_true(kept.parameter_bytes == kept.gradient_bytes && kept.parameter_bytes > 0);
    assert_true(recomputed.activation_bytes < kept.activation_bytes);
    assert_true(forward.total_bytes < recomputed.total_bytes && forward.gradient_bytes == 0);
    nb_pool_free(pool);
}

int main(void)
{
    if (!getcwd(home, sizeof home))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(operands_are_the_exported_bytes, nb_scratch_enter, nb_scratch_leave),
        cmocka_unit_test_setup_teardown(operands_follow_the_parameters, nb_scratch_enter, nb_scratch_leave),
        cmocka_unit_test_setup_teardown(saved_directories_load_again, nb_scratch_enter, nb_scratch_leave),
        cmocka_unit_test_setup_teardown(values_are_replaced_from_a_file, nb_scratch_enter, nb_scratch_leave),
        cmocka_unit_test_setup_teardown(refuses_what_cannot_be_trained, nb_scratch_enter, nb_scratch_leave),
        cmocka_unit_test_setup_teardown(checks_batches, nb_scratch_enter, nb_scratch_leave),
        cmocka_unit_test_setup_teardown(a_plan_takes_nothing, nb_scratch_enter, nb_scratch_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
