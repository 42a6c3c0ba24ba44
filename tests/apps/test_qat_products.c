// SPDX-License-Identifier: Apache-2.0
// Products in bf16: which operands are exact and which are rounded, losses and gradients beside the reference, memory,
// and what sft and qat say and keep of them. Their bits against the threads: tests/apps/test_qat_net.c.
#include <sys/wait.h>

#include "apps/qat/net_state.h"
#include "kernels/floats.h"
#include "tests/apps/net_oracle.h"
#include "tests/apps/train_command.h"

static void skip_without_bf16(void)
{
    if (nb_product_runs(NB_PRODUCT_BF16))
        return;
    print_message("oneDNN has no bf16 products for this CPU\n");
    skip();
}

static const random_model medium = {"qwen2", 64, 96, 2, 4, 2, 16, 150, true, false, true};
static const random_model medium3 = {"qwen3", 48, 160, 3, 3, 1, 16, 600, false, true, true};

// ---- a CPU without ------------------------------------------------------------------------------------------------

// First of all tests, since oneDNN asks once.
static void a_cpu_without_is_named(void **state)
{
    (void)state;
    random_model_write(&medium, "model", 3);
    pid_t child = fork();
    if (child == 0) {
        setenv("ONEDNN_MAX_CPU_ISA", "AVX2", 1);
        nb_net *net;
        nb_error error = {0};
        nb_net_options options = {.pool = test_pool(1), .n_rows_max = 8, .products = NB_PRODUCT_BF16};
        nb_status status = nb_net_open(&net, "model", &options, false, NULL, &error);
        bool is_named = strstr(error.text, "AVX-512") && strstr(error.text, "--products f32");
        options.products = NB_PRODUCT_F32;
        nb_status other = nb_net_open(&net, "model", &options, true, NULL, NULL);
        _exit(status == NB_ERR_ARGUMENT && is_named && other == NB_OK && !nb_product_has_bf16() ? 0 : 1);
    }
    int result = 0;
    assert_true(child > 0 && waitpid(child, &result, 0) == child);
    assert_true(WIFEXITED(result) && WEXITSTATUS(result) == 0);
}

// ---- operands -----------------------------------------------------------------------------------------------------

static void check_operands(nb_net_quant quant)
{
    nb_pool *pool = test_pool(2);
    nb_net_options options = {.pool = pool, .n_rows_max = 8, .quant = quant};
    nb_net *f32 = test_net("model", &options);
    options.products = NB_PRODUCT_BF16;
    nb_net *bf16 = test_net("model", &options);
    size_t n, n_linears = 0;
    const nb_param *params = nb_net_params(f32, &n), *others = nb_net_params(bf16, &n);
    for (size_t i = 0; i < n; i++) {
        if (params[i].group < 0)
            continue;
        float *expected = malloc(params[i].n * sizeof *expected), *found = malloc(params[i].n * sizeof *found);
        assert_true(expected && found);
        nb_net_operand(f32, &params[i], expected);
        nb_net_operand(bf16, &others[i], found);
        for (size_t j = 0; quant == NB_NET_PLAIN && j < params[i].n; j++)
            expected[j] = nb_bf16_decode(nb_bf16_encode(params[i].value[j]));
        assert_memory_equal(found, expected, params[i].n * sizeof *found);
        n_linears++;
        free(expected);
        free(found);
    }
    assert_int_equal(n_linears, 7 * medium.layers);
    nb_net_close(f32);
    nb_net_close(bf16);
    nb_pool_free(pool);
}

// Quantised weights: no bit is lost. Others: rounded once.
static void quantised_weights_are_exact(void **state)
{
    (void)state;
    skip_without_bf16();
    random_model_write(&medium, "model", 3);
    check_operands(NB_NET_W4A4KV4);
    check_operands(NB_NET_PLAIN);
}

// ---- the reference ------------------------------------------------------------------------------------------------

// Relative distance of what the layers computed to what they compute with f32 products.
static double residual_error(const nb_net *net, const nb_net *f32, uint32_t n_rows)
{
    uint32_t n_layers = nb_net_config(net)->n_layers;
    return relative_rms(net->residual[n_layers], f32->residual[n_layers],
                        (size_t)n_rows * nb_net_config(net)->hidden_size);
}

// The bounds. bf16 rounds an operand by at most 2^-8 of it, in root mean square (error uniform) 2^-8 / sqrt 3, so a
// product of two rounded operands is off by e = sqrt(2/3) 2^-8 = 3.2e-3 of its terms, and n products in a row, their
// errors independent, by sqrt(n) e. Twice that is allowed for what norms, SwiGLU and softmax make of it. In plain
// training of L layers 4 L + 1 products lie before the loss; before the last gradient as many again and its own,
// n = 8 L + 3. When quantised, those of the forward pass are exact but the head's: n = 1 and 4 L + 3.
static void gradients_are_near_the_reference(void **state)
{
    (void)state;
    skip_without_bf16();
    const char *directory = data(TINY);
    static test_batch b;
    test_batch_read(&b, data(TINY "/oracle/ids.txt"), data(TINY "/oracle/mask.txt"));
    nb_pool *pool = test_pool(2);
    for (size_t i = 0; i < NB_COUNT(oracle_runs); i++) {
        const oracle_run *run = &oracle_runs[i];
        bool is_plain = run->quant == NB_NET_PLAIN;
        nb_net_options options = {.pool = pool, .n_rows_max = b.batch.n_rows, .quant = run->quant};
        nb_net *f32 = test_net(directory, &options);
        options.products = NB_PRODUCT_BF16;
        nb_net *net = test_net(directory, &options);
        nb_net_loss loss = {run->kind, 0.1, 0.75, b.n_targets};
        nb_net_sums sums;
        nb_net_zero_gradients(net);
        nb_net_step(net, &b.batch, &loss, &sums);
        nb_net_evaluate(f32, &b.batch, &loss, &(nb_net_sums){0}, NULL);
        double n = 4.0 * nb_net_config(net)->n_layers, e = sqrt(2.0 / 3) / 256;
        double forward = 2 * e * sqrt(is_plain ? n + 1 : 1), both = 2 * e * sqrt(is_plain ? 2 * n + 3 : n + 3);
        double ce = fabs(sums.ce / 46 - run->ce) / run->ce, sem = fabs(sums.sem / 46 - run->sem) / run->sem;
        double gradients = oracle_gradient_error(net, directory, run->gradients);
        double residual = residual_error(net, f32, b.batch.n_rows);
        print_message("%s: relative error of the loss %.2g, of the SEM term %.2g (bound %.2g), of the gradients %.2g "
                      "(bound %.2g), of the last residual %.2g\n",
                      run->gradients, ce, sem, forward, gradients, both, residual);
        assert_true(ce <= forward && sem <= forward && gradients <= both);
        assert_true(gradients > 1e-4); // it is bf16
        assert_true(is_plain ? residual > 1e-4 : residual <= 1e-5);
        nb_net_close(net);
        nb_net_close(f32);
    }
    nb_pool_free(pool);
}

// ---- memory -------------------------------------------------------------------------------------------------------

// What an arena puts behind a buffer: nothing, but where the address sanitizer watches.
static uint64_t padding_bytes(void)
{
    nb_arena arena;
    nb_arena_init(&arena, NB_MEMORY_SCRATCH);
    (void)nb_arena_take(&arena, 64, 64);
    (void)nb_arena_take(&arena, 64, 64);
    return arena.counted_bytes / 2 - 64;
}

static void the_plan_counts_them(void **state)
{
    (void)state;
    skip_without_bf16();
    uint64_t padding = padding_bytes();
    random_model_write(&medium3, "model", 3);
    nb_pool *pool = test_pool(2);
    for (int quant = 0; quant < 2; quant++) {
        nb_net_options options = {.pool = pool, .n_rows_max = 256, .quant = quant};
        nb_net *net;
        nb_net_plan f32, bf16;
        assert_int_equal(nb_net_open(&net, "model", &options, true, &f32, NULL), NB_OK);
        options.products = NB_PRODUCT_BF16;
        assert_int_equal(nb_net_open(&net, "model", &options, true, &bf16, NULL), NB_OK);
        uint64_t d = medium3.hidden, f = medium3.ffn, he = medium3.heads * medium3.head_dim;
        uint64_t w = he + 2 * medium3.kv_heads * medium3.head_dim, n = 256;
        uint64_t n_weights = medium3.layers * (d * w + d * he + 3 * d * f) + medium3.vocab * d;
        uint64_t n_buffers = 4 * medium3.layers + 1;
        assert_int_equal(bf16.operand_bytes, 2 * n_weights + n_buffers * padding);
        // Twins of the backward pass's rows, of the head's rows and logits; inputs in bf16 alone; per worker.
        uint64_t twins = 2 * n * (2 * d + 2 * f + w + d + medium3.vocab), inputs = n * (2 * d + he + f);
        uint64_t worker = NB_NET_TILE * (2 * f + 4 * 2 * f + (quant ? 4 : 0));
        n_buffers = 6 + 2 * (quant ? 3 : 2);
        assert_int_equal(bf16.scratch_bytes, f32.scratch_bytes + twins - 2 * inputs + 2 * worker + n_buffers * padding);
        assert_int_equal(bf16.parameter_bytes, f32.parameter_bytes);
        assert_int_equal(bf16.activation_bytes, f32.activation_bytes);
        assert_int_equal(bf16.total_bytes, bf16.parameter_bytes + bf16.gradient_bytes + bf16.operand_bytes +
                                               bf16.activation_bytes + bf16.scratch_bytes);
    }
    nb_pool_free(pool);
}

// ---- the commands -------------------------------------------------------------------------------------------------

#define STEPS "--model MODEL --traces t.jsonl --steps 6 --batch 2 --lr 1e-3 --seed 5"

static bool holds(const char *path, const char *text)
{
    char *content = nb_test_file_read(path, NULL);
    bool found = strstr(content, text) != NULL;
    free(content);
    return found;
}

static void trains_and_tells(void **state)
{
    (void)state;
    skip_without_bf16();
    const char *model = model_path("train-tiny");
    put_tiny_traces(model, "t.jsonl");
    for (int is_qat = 0; is_qat < 2; is_qat++) {
        const char *command = is_qat ? "qat" : "sft";
        char line[256];
        assert_int_equal(system("rm -rf a b c d"), 0);
        snprintf(line, sizeof line, "%s " STEPS " --products bf16 --out a --log a.jsonl --threads 1", command);
        assert_int_equal(train(model, line), 0);
        assert_true(holds("a/training.json", "\"products\": \"bf16\"") && holds("a.jsonl", "\"products\":\"bf16\""));
        // Two threads, recomputed, in two runs, of which the second may not be of the other kind.
        snprintf(line, sizeof line, "%s " STEPS " --products bf16 --out b --threads 2 --recompute --stop-after 3",
                 command);
        assert_int_equal(train(model, line), 0);
        snprintf(line, sizeof line, "%s " STEPS " --out b --resume", command);
        assert_int_equal(train(model, line), NB_EXIT_INPUT);
        snprintf(line, sizeof line, "%s " STEPS " --products bf16 --out b --threads 2 --resume", command);
        assert_int_equal(train(model, line), 0);
        assert_same_files("a/model.safetensors", "b/model.safetensors");
        assert_same_files("a/training.json", "b/training.json");
        snprintf(line, sizeof line, "%s " STEPS " --products f32 --out c", command);
        assert_int_equal(train(model, line), 0);
        assert_true(holds("c/training.json", "\"products\": \"f32\""));
        assert_int_not_equal(system("cmp -s a/model.safetensors c/model.safetensors"), 0);
        snprintf(line, sizeof line, "%s " STEPS " --products auto --out d", command);
        assert_int_equal(train(model, line), 0);
        assert_same_files("d/model.safetensors", nb_product_has_bf16() ? "a/model.safetensors" : "c/model.safetensors");
    }
    assert_int_equal(train(model, "sft " STEPS " --products f16 --out e"), NB_EXIT_USAGE);
}

int main(void)
{
    if (!getcwd(home, sizeof home))
        return 1;
#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, nb_scratch_enter, nb_scratch_leave)
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(a_cpu_without_is_named),
        IN_SCRATCH(quantised_weights_are_exact),
        cmocka_unit_test(gradients_are_near_the_reference),
        IN_SCRATCH(the_plan_counts_them),
        IN_SCRATCH(trains_and_tells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
