// SPDX-License-Identifier: Apache-2.0
// The network in training: losses and gradients against PyTorch's in double, and against differences in double for
// every family; predictions against the reference logits of inference; the same bits with any threads.
#include "tests/apps/net_oracle.h"
#include "tests/oracle/net_f64.h"

static const char *const isas[] = {"scalar", "avx2", "avx512", "neon"};

static bool has_isa(const char *isa)
{
    nb_ops ops;
    nb_exec exec = {0};
    return nb_ops_select(&ops, &exec, isa, NULL) == NB_OK;
}

// ---- the trainer's reference batch --------------------------------------------------------------------------------

static void equals_pytorch(void **state)
{
    (void)state;
    const char *directory = data(TINY);
    static test_batch b;
    test_batch_read(&b, data(TINY "/oracle/ids.txt"), data(TINY "/oracle/mask.txt"));
    assert_int_equal(b.n_targets, 46);
    nb_pool *pool = test_pool(2);
    for (size_t i = 0; i < NB_COUNT(isas) * NB_COUNT(oracle_runs); i++) {
        const oracle_run *run = &oracle_runs[i % NB_COUNT(oracle_runs)];
        const char *isa = isas[i / NB_COUNT(oracle_runs)];
        if (!has_isa(isa))
            continue;
        nb_net *net = test_net(
            directory,
            &(nb_net_options){
                .pool = pool, .isa = isa, .n_rows_max = b.batch.n_rows, .quant = run->quant, .recompute = i % 2});
        nb_net_sums sums;
        nb_net_zero_gradients(net);
        nb_net_step(net, &b.batch, &(nb_net_loss){run->kind, 0.1, 0.75, b.n_targets}, &sums);
        assert_int_equal(sums.n_targets, 46);
        assert_true(fabs(sums.ce / 46 - run->ce) <= 1e-5 * run->ce);
        assert_true(fabs(sums.sem / 46 - run->sem) <= 1e-5 * run->sem);
        double error = oracle_gradient_error(net, directory, run->gradients);
        if (!(error <= 1e-5))
            fail_msg("%s: relative error %g of the gradients, allowed 1e-5", run->gradients, error);
        nb_net_close(net);
    }
    nb_pool_free(pool);
}

// ---- every family against differences in double -------------------------------------------------------------------

static const random_model families[] = {
    {"qwen2", 24, 40, 2, 3, 1, 8, 29, true, false, false},   {"qwen2", 32, 16, 1, 2, 2, 6, 17, false, false, false},
    {"llama", 20, 36, 2, 4, 2, 10, 23, false, false, false}, {"llama", 16, 20, 2, 2, 1, 8, 19, true, true, false},
    {"qwen3", 24, 28, 2, 4, 2, 12, 21, true, false, false},  {"qwen3", 16, 24, 1, 2, 1, 16, 18, false, true, false},
};

// Some values of each tensor, the largest gradient among them.
static void compare_with_differences(nb_net *net, const oracle_net *oracle, const nb_batch *batch,
                                     const nb_net_loss *loss)
{
    enum { SAMPLES = 4 };
    size_t n;
    const nb_param *params = nb_net_params(net, &n);
    fixture_rng rng = {77};
    double error = 0, norm = 0;
    for (size_t i = 0; i < n; i++) {
        size_t largest = 0;
        for (size_t j = 0; j < params[i].n; j++)
            largest = fabsf(params[i].grad[j]) > fabsf(params[i].grad[largest]) ? j : largest;
        for (int s = 0; s < SAMPLES; s++) {
            size_t j = s ? fixture_below(&rng, (uint32_t)params[i].n) : largest;
            double *value = &oracle->values[i][j], kept = *value, step = 1e-4;
            *value = kept + step;
            double up = oracle_net_loss(oracle, batch, loss, false);
            *value = kept - step;
            double expected = (up - oracle_net_loss(oracle, batch, loss, false)) / (2 * step);
            *value = kept;
            double difference = (double)params[i].grad[j] - expected;
            if (fabs(difference) > 1e-5 * fabs(expected) + 2e-6)
                fail_msg("%s[%zu]: gradient %g, difference quotient %g", params[i].name, j, (double)params[i].grad[j],
                         expected);
            error += difference * difference;
            norm += expected * expected;
        }
    }
    assert_true(sqrt(error / norm) <= 1e-5);
}

static void families_equal_double(void **state)
{
    (void)state;
    static test_batch b;
    nb_pool *pool = test_pool(2);
    for (size_t i = 0; i < NB_COUNT(families); i++) {
        char directory[32];
        snprintf(directory, sizeof directory, "model%zu", i);
        random_model_write(&families[i], directory, 100 + i);
        test_batch_random(&b, (const uint32_t[]){7, 1, 12, 2}, 4, families[i].vocab, i + 5);
        nb_net *net = test_net(directory, &(nb_net_options){.pool = pool, .n_rows_max = 22, .recompute = i % 2});
        size_t n;
        const nb_param *params = nb_net_params(net, &n);
        oracle_net oracle;
        oracle_net_make(&oracle, nb_net_config(net), params, n, b.batch.n_rows);
        nb_net_loss loss = {i % 2 ? NB_LOSS_SEM : NB_LOSS_CE, 0.5, 0.75, b.n_targets};
        nb_net_sums sums;
        double expected = oracle_net_loss(&oracle, &b.batch, &loss, true);
        nb_net_zero_gradients(net);
        nb_net_step(net, &b.batch, &loss, &sums);
        double found = (sums.ce + (i % 2 ? 0.5 * sums.sem : 0)) / (double)b.n_targets;
        if (!(fabs(found - expected) <= 1e-5 * fabs(expected)))
            fail_msg("%s %zu: loss %.9g, in double %.9g", families[i].family, i, found, expected);
        compare_with_differences(net, &oracle, &b.batch, &loss);
        oracle_net_free(&oracle);
        nb_net_close(net);
    }
    nb_pool_free(pool);
}

// ---- predictions are those of inference ---------------------------------------------------------------------------

typedef struct logits_case {
    const char *model, *logits, *shift;
    nb_net_quant quant;
    double bound;
} logits_case;

static const logits_case logits_cases[] = {
    {"qwen2", "logits_f64.f32", NULL, NB_NET_PLAIN, 3e-5},
    {"qwen2-r1", "logits_f64.f32", NULL, NB_NET_PLAIN, 3e-5},
    {"llama3", "logits_f64.f32", NULL, NB_NET_PLAIN, 3e-5},
    {"qwen3", "logits_f64.f32", NULL, NB_NET_PLAIN, 3e-5},
    {"qwen2-yarn", "logits_f64.f32", NULL, NB_NET_PLAIN, 3e-5},
    {"llama-f16", "logits_f64.f32", NULL, NB_NET_PLAIN, 3e-5},
    {"qwen2", "w4a4kv4_logits.f32", NULL, NB_NET_W4A4KV4, 3e-5},
    {"qwen2-r1", "w4a4kv4_logits.f32", NULL, NB_NET_W4A4KV4, 3e-5},
    {"llama3", "w4a4kv4_logits.f32", NULL, NB_NET_W4A4KV4, 3e-5},
    {"qwen3", "w4a4kv4_logits.f32", NULL, NB_NET_W4A4KV4, 3e-5},
    {"qwen2-yarn", "w4a4kv4_logits.f32", NULL, NB_NET_W4A4KV4, 3e-5},
    {"llama-f16", "w4a4kv4_logits.f32", NULL, NB_NET_W4A4KV4, 3e-5},
    {"qwen2", "w4a4kv4_shift_logits.f32", "k_shift.st", NB_NET_W4A4KV4, 3e-5},
    {"qwen3", "w4a4kv4_shift_logits.f32", "k_shift.st", NB_NET_W4A4KV4, 3e-5},
};

// -ln p of `next`.
static double nll_of(const float *logits, uint32_t n, int32_t next)
{
    double maximum = -INFINITY, sum = 0;
    for (uint32_t i = 0; i < n; i++)
        maximum = fmax(maximum, (double)logits[i]);
    for (uint32_t i = 0; i < n; i++)
        sum += exp((double)logits[i] - maximum);
    return maximum + log(sum) - (double)logits[next];
}

// False when its reference is not here.
static bool run_logits_case(const logits_case *c, nb_pool *pool)
{
    static test_batch b;
    char path[512], shifted[256];
    snprintf(path, sizeof path, "models/oracle/%s", c->model);
    const char *found = nb_test_data(path);
    if (!found || !nb_test_oracle_has(found, c->logits))
        return false;
    char *directory = strdup(found);
    snprintf(path, sizeof path, "%s/oracle/ids.txt", directory);
    test_batch_read(&b, path, NULL);
    snprintf(path, sizeof path, "%s/oracle/%s", directory, c->logits);
    float *logits = (float *)(void *)nb_test_file_read(path, NULL);
    if (c->shift) {
        size_t bytes;
        nb_test_directory_make(shifted, sizeof shifted);
        nb_test_directory_copy(directory, shifted);
        snprintf(path, sizeof path, "%s/oracle/%s", directory, c->shift);
        char *shift = nb_test_file_read(path, &bytes);
        snprintf(path, sizeof path, "%s/k_shift.st", shifted);
        nb_test_file_write(path, shift, bytes);
        free(shift);
    }
    nb_net *net = test_net(
        c->shift ? shifted : directory,
        &(nb_net_options){.pool = pool, .n_rows_max = b.batch.n_rows, .quant = c->quant, .forward_only = true});
    float nll[TEST_ROWS_MAX];
    nb_net_sums sums;
    uint32_t vocab = nb_net_config(net)->vocab_size;
    nb_net_evaluate(net, &b.batch, &(nb_net_loss){NB_LOSS_CE, 0, 0.75, 1}, &sums, &(nb_net_outputs){.nll = nll});
    double error = 0, norm = 0, total = 0;
    for (uint32_t d = 0; d < b.batch.n_documents; d++)
        for (uint32_t t = b.starts[d]; t + 1 < b.starts[d + 1]; t++) {
            double expected = nll_of(logits + (size_t)t * vocab, vocab, b.ids[t + 1]);
            error += ((double)nll[t] - expected) * ((double)nll[t] - expected);
            norm += expected * expected;
            total += expected;
        }
    if (!(sqrt(error / norm) <= c->bound && fabs(sums.ce - total) <= c->bound * total))
        fail_msg("%s %s: relative error %g", c->model, c->logits, sqrt(error / norm));
    nb_net_close(net);
    if (c->shift)
        nb_test_directory_remove(shifted);
    free(logits);
    free(directory);
    return true;
}

static void predicts_as_inference(void **state)
{
    (void)state;
    nb_pool *pool = test_pool(2);
    size_t n_checked = 0;
    for (size_t i = 0; i < NB_COUNT(logits_cases); i++)
        n_checked += run_logits_case(&logits_cases[i], pool);
    nb_pool_free(pool);
    if (n_checked == 0)
        skip();
}

// ---- bits ---------------------------------------------------------------------------------------------------------

static const random_model medium = {"qwen2", 64, 96, 2, 4, 2, 16, 150, true, false, true};
static const random_model medium3 = {"qwen3", 48, 160, 3, 3, 1, 16, 600, false, true, true};

static float *step_gradients(const char *directory, const test_batch *b, nb_net_options options, uint32_t n_threads,
                             nb_net_sums *sums, size_t *n)
{
    options.pool = test_pool(n_threads);
    options.n_rows_max = b->batch.n_rows;
    nb_net *net = test_net(directory, &options);
    nb_net_zero_gradients(net);
    for (int i = 0; i < 2; i++) // the second adds to the first
        nb_net_step(net, &b->batch, &(nb_net_loss){NB_LOSS_SEM, 0.1, 0.75, b->n_targets}, sums);
    float *gradients = test_gradients(net, n);
    nb_net_close(net);
    nb_pool_free(options.pool);
    return gradients;
}

static void the_same_bits_with_any_threads(void **state)
{
    (void)state;
    static test_batch b;
    random_model_write(&medium, "medium", 3);
    random_model_write(&medium3, "medium3", 4);
    for (int i = 0; i < (nb_product_runs(NB_PRODUCT_BF16) ? 8 : 4); i++) {
        const char *directory = i % 2 ? "medium3" : "medium";
        test_batch_random(&b, (const uint32_t[]){150, 1, 230, 60, 129, 77}, 6, i % 2 ? 600 : 150, 9);
        nb_net_options options = {.quant = i / 2 % 2 ? NB_NET_W4A4KV4 : NB_NET_PLAIN,
                                  .products = i / 4 ? NB_PRODUCT_BF16 : NB_PRODUCT_F32};
        nb_net_sums sums, again;
        size_t n;
        float *expected = step_gradients(directory, &b, options, 1, &sums, &n);
        for (uint32_t n_threads = 1; n_threads <= 3; n_threads++) {
            options.recompute = n_threads != 2;
            float *found = step_gradients(directory, &b, options, n_threads, &again, &n);
            assert_memory_equal(found, expected, n * sizeof *found);
            assert_memory_equal(&again, &sums, sizeof sums);
            free(found);
        }
        free(expected);
    }
}

// ---- documents ----------------------------------------------------------------------------------------------------

static void packed_documents_equal_separate_ones(void **state)
{
    (void)state;
    static test_batch b;
    random_model_write(&medium, "model", 5);
    const uint32_t lengths[] = {40, 1, 97, 130, 2};
    nb_pool *pool = test_pool(2);
    for (int quant = 0; quant < 2; quant++) {
        test_batch_random(&b, lengths, 5, medium.vocab, 31);
        nb_net *net = test_net("model", &(nb_net_options){.pool = pool, .n_rows_max = 270, .quant = quant});
        nb_net_loss loss = {NB_LOSS_CE, 0, 0.75, b.n_targets};
        nb_net_sums sums, part;
        float nll[TEST_ROWS_MAX] = {0}, alone[TEST_ROWS_MAX] = {0};
        size_t n;
        nb_net_zero_gradients(net);
        nb_net_step(net, &b.batch, &loss, &sums);
        float *packed = test_gradients(net, &n);
        nb_net_evaluate(net, &b.batch, &loss, &part, &(nb_net_outputs){.nll = nll});
        assert_true(part.ce == sums.ce && part.n_targets == sums.n_targets && part.n_correct == sums.n_correct);
        nb_net_zero_gradients(net);
        double ce = 0;
        for (uint32_t d = 0; d < 5; d++) {
            uint32_t begin = b.starts[d], starts[2] = {0, lengths[d]}, positions[256];
            for (uint32_t i = 0; i < lengths[d]; i++)
                positions[i] = i;
            nb_batch one = {.n_rows = lengths[d],
                            .n_documents = 1,
                            .ids = b.ids + begin,
                            .starts = starts,
                            .positions = d % 2 ? positions : NULL,
                            .targets = b.targets + begin};
            nb_net_step(net, &one, &loss, &part);
            ce += part.ce;
            nb_net_evaluate(net, &one, &loss, &part, &(nb_net_outputs){.nll = alone + begin});
        }
        float *separate = test_gradients(net, &n);
        assert_true(relative_rms(packed, separate, n) <= 2e-6);
        assert_true(fabs(ce - sums.ce) <= 1e-6 * ce && relative_rms(nll, alone, 270) <= 2e-6);
        free(packed);
        free(separate);
        nb_net_close(net);
    }
    nb_pool_free(pool);
}

// RoPE makes attention relative: all positions moved by the same amount change nothing but rounding.
static void positions_may_start_anywhere(void **state)
{
    (void)state;
    static test_batch b;
    random_model_write(&medium, "model", 6);
    test_batch_random(&b, (const uint32_t[]){50}, 1, medium.vocab, 32);
    nb_pool *pool = test_pool(1);
    nb_net *net = test_net("model", &(nb_net_options){.pool = pool, .n_rows_max = 50, .forward_only = true});
    nb_net_loss loss = {NB_LOSS_CE, 0, 0.75, b.n_targets};
    nb_net_sums sums, moved;
    uint32_t positions[50];
    nb_net_evaluate(net, &b.batch, &loss, &sums, NULL);
    for (uint32_t i = 0; i < 50; i++)
        positions[i] = 3000 + i;
    b.batch.positions = positions;
    assert_int_equal(nb_net_check(net, &b.batch, NULL), NB_OK);
    nb_net_evaluate(net, &b.batch, &loss, &moved, NULL);
    assert_true(fabs(sums.ce - moved.ce) <= 1e-4 * sums.ce && sums.ce != moved.ce);
    nb_net_close(net);
    nb_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_pytorch),
        cmocka_unit_test_setup_teardown(families_equal_double, nb_scratch_enter, nb_scratch_leave),
        cmocka_unit_test_setup_teardown(the_same_bits_with_any_threads, nb_scratch_enter, nb_scratch_leave),
        cmocka_unit_test_setup_teardown(packed_documents_equal_separate_ones, nb_scratch_enter, nb_scratch_leave),
        cmocka_unit_test_setup_teardown(positions_may_start_anywhere, nb_scratch_enter, nb_scratch_leave),
        cmocka_unit_test(predicts_as_inference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
