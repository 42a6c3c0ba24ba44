// SPDX-License-Identifier: Apache-2.0
// The op table as a caller meets it, on every ISA of this machine: vLLM's golden values, and equality of fused,
// threaded and batched ways to the same result.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/cpu/cpu_kernels.h"
#include "tests/support/npy.h"

typedef void table_test(nb_ops *ops, nb_exec *exec);

// Runs the test on every table this CPU has, with one and three threads.
static void each_table(table_test *test)
{
    for (const nb_cpu_kernels *const *table = nb_cpu_tables; *table; table++)
        for (uint32_t n_threads = 1; n_threads <= 3; n_threads += 2) {
            nb_ops ops;
            nb_exec exec;
            nb_error error = {0};
            if (!nb_cpu_table_runs(*table)) {
                print_message("%s: not on this CPU\n", (*table)->isa);
                continue;
            }
            assert_int_equal(nb_ops_select(&ops, &exec, (*table)->isa, &error), NB_OK);
            assert_string_equal(ops.name, (*table)->isa);
            assert_int_equal(nb_pool_create(&exec.pool, n_threads, &error), NB_OK);
            test(&ops, &exec);
            nb_pool_free(exec.pool);
        }
}

static void read_or_skip(npy_array *array, const char *folder, const char *name)
{
    if (!npy_read(array, folder, name))
        skip();
}

static void expect_close(const float *found, const npy_array *expected, double absolute, double relative)
{
    for (size_t i = 0; i < expected->n; i++)
        assert_true(fabs(found[i] - npy_at(expected, i)) <= absolute + relative * fabs(npy_at(expected, i)));
}

// ---- golden values -------------------------------------------------------------------------------------------------

static void golden_norm_of(nb_ops *ops, nb_exec *exec, const char *folder, double allowed)
{
    npy_array x, weight, out;
    read_or_skip(&x, folder, "x");
    read_or_skip(&weight, folder, "weight");
    read_or_skip(&out, folder, "out");
    float *xs = npy_floats(&x), *ws = npy_floats(&weight), *y = malloc(x.n * sizeof *y);
    ops->norm(exec, &(nb_norm_args){.x = xs,
                                    .weight = ws,
                                    .epsilon = 1e-6f,
                                    .n_rows = (uint32_t)(x.n / weight.n),
                                    .n_cols = (uint32_t)weight.n,
                                    .y = y});
    expect_close(y, &out, allowed, allowed);
    free(xs), free(ws), free(y);
    npy_free(&x), npy_free(&weight), npy_free(&out);
}

static void golden_norm(nb_ops *ops, nb_exec *exec)
{
    golden_norm_of(ops, exec, "rmsnorm_f32_8x128", 1e-5);
    golden_norm_of(ops, exec, "rmsnorm_bf16_8x128", 8e-3); // its output was rounded to bf16
}

// The residual of a layer is a product with add: here the identity.
static void golden_residual_norm(nb_ops *ops, nb_exec *exec)
{
    const char *folder = "rmsnorm_fused_residual_f32_8x128";
    npy_array x, weight, in, out, residual;
    read_or_skip(&x, folder, "x");
    read_or_skip(&weight, folder, "weight");
    read_or_skip(&in, folder, "residual_in");
    read_or_skip(&out, folder, "out");
    read_or_skip(&residual, folder, "residual_out");
    float *xs = npy_floats(&x), *ws = npy_floats(&weight), *r = npy_floats(&in), *y = malloc(x.n * sizeof *y);
    uint32_t n = (uint32_t)weight.n, n_rows = (uint32_t)(x.n / n);
    float *identity = calloc((size_t)n * n, sizeof *identity);
    for (uint32_t i = 0; i < n; i++)
        identity[(size_t)i * n + i] = 1.0f;
    nb_weight w = {.format = NB_FORMAT_F32, .n_rows = n, .n_cols = n, .data = (uint8_t *)identity, .global_scale = 1};
    nb_act act = {.n_rows = n_rows, .n_cols = n, .x = xs};
    ops->linear(exec, &(nb_linear_args){.act = &act, .weights = {&w}, .y = {r}, .n_weights = 1, .add = true});
    ops->norm(exec, &(nb_norm_args){r, ws, 1e-6f, n_rows, n, y});
    expect_close(r, &residual, 1e-6, 1e-6);
    expect_close(y, &out, 1e-5, 1e-5);
    free(xs), free(ws), free(r), free(y), free(identity);
    npy_free(&x), npy_free(&weight), npy_free(&in), npy_free(&out), npy_free(&residual);
}

static void golden_embedding(nb_ops *ops, nb_exec *exec)
{
    npy_array table, ids, out;
    read_or_skip(&table, "embedding_bf16_32ids", "table");
    read_or_skip(&ids, "embedding_bf16_32ids", "ids");
    read_or_skip(&out, "embedding_bf16_32ids", "out");
    int32_t rows[32];
    float x[32 * 32];
    for (size_t i = 0; i < 32; i++)
        rows[i] = (int32_t)npy_at(&ids, i);
    nb_weight w = {.format = NB_FORMAT_BF16, .n_rows = 64, .n_cols = 32, .data = table.data, .global_scale = 1};
    ops->embed(exec, &(nb_embed_args){&w, rows, 32, x});
    expect_close(x, &out, 0.0, 0.0);
    npy_free(&table), npy_free(&ids), npy_free(&out);
}

static void golden_swiglu(nb_ops *ops, nb_exec *exec)
{
    npy_array x, out;
    read_or_skip(&x, "silu_and_mul_bf16_8x256", "x");
    read_or_skip(&out, "silu_and_mul_bf16_8x256", "out");
    float gate[8 * 128], up[8 * 128], y[8 * 128];
    for (size_t i = 0; i < 8 * 128; i++) {
        gate[i] = (float)npy_at(&x, i / 128 * 256 + i % 128);
        up[i] = (float)npy_at(&x, i / 128 * 256 + 128 + i % 128);
    }
    ops->swiglu(exec, &(nb_swiglu_args){gate, up, 8, 128, y});
    expect_close(y, &out, 8e-3, 8e-3); // rounded to bf16 there
    for (size_t i = 0; i < 8 * 128; i++) {
        double exact = (double)gate[i] / (1.0 + exp(-(double)gate[i])) * (double)up[i];
        assert_true(fabs(y[i] - exact) <= 4e-7 * fabs(exact) + 1e-30);
    }
    npy_free(&x), npy_free(&out);
}

static void golden_product(nb_ops *ops, nb_exec *exec)
{
    npy_array a, b, out;
    read_or_skip(&a, "matmul_bf16_16x64x32", "a");
    read_or_skip(&b, "matmul_bf16_16x64x32", "b");
    read_or_skip(&out, "matmul_bf16_16x64x32", "out");
    const uint16_t *columns = b.data;
    uint16_t rows[32 * 64]; // W = b transposed
    float y[16 * 32], *x = npy_floats(&a);
    for (size_t i = 0; i < 32 * 64; i++)
        rows[i] = columns[i % 64 * 32 + i / 64];
    nb_weight w = {.format = NB_FORMAT_BF16, .n_rows = 32, .n_cols = 64, .data = (uint8_t *)rows, .global_scale = 1};
    nb_act act = {.n_rows = 16, .n_cols = 64, .x = x};
    ops->linear(exec, &(nb_linear_args){.act = &act, .weights = {&w}, .y = {y}, .n_weights = 1});
    expect_close(y, &out, 1e-5, 1e-5);
    free(x);
    npy_free(&a), npy_free(&b), npy_free(&out);
}

// ---- attention: the golden kind has QK-norm by (1 + w) and turns only the first dimensions -------------------------

typedef struct golden {
    uint32_t n_rows, n_heads, n_kv, e, rotary;
    float *q, *k, *v;
} golden;

static void norm_and_turn(nb_exec *exec, float *x, uint32_t n_heads, const golden *g, const npy_array *weight,
                          double base)
{
    float w[256], cosines[32], sines[32];
    for (uint32_t d = 0; d < g->e; d++)
        w[d] = 1.0f + (float)npy_at(weight, d);
    for (uint32_t row = 0; row < g->n_rows; row++) {
        for (uint32_t i = 0; i < g->rotary / 2; i++) {
            double angle = row * pow(base, -2.0 * i / g->rotary); // positions are 0, 1, 2, ...
            cosines[i] = (float)cos(angle);
            sines[i] = (float)sin(angle);
        }
        for (uint32_t h = 0; h < n_heads; h++) {
            float *head = x + ((size_t)row * n_heads + h) * g->e;
            exec->cpu->norm(head, w, 1e-6f, g->e, head);
            exec->cpu->rope(head, cosines, sines, g->rotary);
        }
    }
}

static void attend_golden(nb_ops *ops, nb_exec *exec, golden *g, float *out)
{
    nb_ring ring;
    nb_ring_shape(&ring, NB_KV_FORMAT_F32, 1, g->n_kv, g->e, 32, 4);
    ring.base = calloc(1, nb_ring_bytes(&ring));
    const nb_ring *rings[16];
    uint32_t positions[16];
    float ones[16 * 128], zeros[16 * 128] = {0};
    for (uint32_t i = 0; i < 16 * 128; i++)
        ones[i] = 1.0f;
    for (uint32_t t = 0; t < g->n_rows; t++) {
        rings[t] = &ring;
        positions[t] = t;
    }
    nb_attention_layer layer = {
        .n_heads = g->n_heads, .n_kv_heads = g->n_kv, .head_dim = g->e, .k_scale = 1, .v_scale = 1};
    nb_rows rows = {g->n_rows, positions, rings, ones, zeros};
    float *partials = malloc(nb_attention_partial_floats(g->n_heads, g->e, ring.n_slots) * sizeof *partials);
    ops->append(exec, &(nb_append_args){&layer, &rows, g->q, g->k, g->v});
    ops->attention(exec, &(nb_attention_args){&layer, &rows, g->q, partials, ring.n_slots, out});
    free(partials);
    free(ring.base);
}

static void golden_attention_of(nb_ops *ops, nb_exec *exec, const char *folder, golden g, double base)
{
    npy_array q, k, v, q_norm, k_norm, attn;
    read_or_skip(&q, folder, "q");
    read_or_skip(&k, folder, "k");
    read_or_skip(&v, folder, "v");
    read_or_skip(&q_norm, folder, "q_norm_weight");
    read_or_skip(&k_norm, folder, "k_norm_weight");
    read_or_skip(&attn, folder, "attn");
    g.q = npy_floats(&q);
    g.k = npy_floats(&k);
    g.v = npy_floats(&v);
    norm_and_turn(exec, g.q, g.n_heads, &g, &q_norm, base);
    norm_and_turn(exec, g.k, g.n_kv, &g, &k_norm, base);
    float *out = malloc(q.n * sizeof *out);
    attend_golden(ops, exec, &g, out);
    expect_close(out, &attn, 2e-4, 2e-4);
    free(g.q), free(g.k), free(g.v), free(out);
    npy_free(&q), npy_free(&k), npy_free(&v), npy_free(&q_norm), npy_free(&k_norm), npy_free(&attn);
}

static void golden_attention(nb_ops *ops, nb_exec *exec)
{
    golden_attention_of(ops, exec, "dense_attention_f32_small",
                        (golden){.n_rows = 6, .n_heads = 4, .n_kv = 2, .e = 8, .rotary = 4}, 10000.0);
    golden_attention_of(ops, exec, "dense_attention_f32_realdims",
                        (golden){.n_rows = 9, .n_heads = 4, .n_kv = 2, .e = 256, .rotary = 64}, 10000000.0);
}

// ---- cmocka --------------------------------------------------------------------------------------------------------

#define TABLE_TEST(name)                                                                                               \
    static void name##_test(void **state)                                                                              \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        each_table(name);                                                                                              \
    }
TABLE_TEST(golden_norm)
TABLE_TEST(golden_residual_norm)
TABLE_TEST(golden_embedding)
TABLE_TEST(golden_swiglu)
TABLE_TEST(golden_product)
TABLE_TEST(golden_attention)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_norm_test),      cmocka_unit_test(golden_residual_norm_test),
        cmocka_unit_test(golden_embedding_test), cmocka_unit_test(golden_swiglu_test),
        cmocka_unit_test(golden_product_test),   cmocka_unit_test(golden_attention_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
