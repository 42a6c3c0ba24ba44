// SPDX-License-Identifier: Apache-2.0
// Products: every table equals the scalar one bit for bit, and the scalar one a double-precision oracle within the
// bound n u sum|x_i y_i| of its canonical order.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kernels/floats.h"
#include "kernels/nvfp4.h"
#include "tests/oracle/formats_f64.h"
#include "tests/support/fixtures.h"

static const uint32_t NVFP4_COLS[] = {16, 48, 112, 128, 144, 240, 256, 272, 496, 512, 896, 2048, 2064, 4864, 8960};
static const uint32_t PLAIN_COLS[] = {1, 7, 15, 16, 17, 48, 64, 100, 112, 255, 896, 2049};

typedef struct linear_case {
    nb_linear_chunk chunk;
    bool float_product;
    const float *before;   // y at the start, of n floats
    const float *expected; // scalar's y
    size_t n;
} linear_case;

static void run(const nb_cpu_kernels *table, const linear_case *c, float *y)
{
    nb_linear_chunk chunk = c->chunk;
    chunk.y = y;
    memcpy(y, c->before, c->n * sizeof *y);
    (c->float_product ? table->linear_float : table->linear_nvfp4)(&chunk);
}

static void must_equal(const nb_cpu_kernels *table, void *user)
{
    const linear_case *c = user;
    float *y = fixture_memory(c->n * sizeof *y);
    run(table, c, y);
    for (size_t i = 0; i < c->n; i++)
        if (nb_f32_bits(y[i]) != nb_f32_bits(c->expected[i]))
            fail_msg("%s: format %d, %u x %u, %u tokens, rows %u..%u: y[%zu] is %a, scalar gives %a", table->isa,
                     (int)c->chunk.weight->format, c->chunk.weight->n_rows, c->chunk.weight->n_cols,
                     c->chunk.act->n_rows, c->chunk.row_begin, c->chunk.row_end, i, (double)y[i],
                     (double)c->expected[i]);
}

// One weight and activation through every table, a random chunk of rows; y outside the chunk must stay as it was.
static void compare(fixture_rng *rng, nb_format format, bool float_product, uint32_t n_rows, uint32_t n_cols,
                    uint32_t n_tokens)
{
    nb_weight w = fixture_weight(rng, format, n_rows, n_cols, fixture_below(rng, 2));
    nb_act act = fixture_act(rng, n_tokens, n_cols, float_product ? NULL : fixture_scalar()->pack);
    uint32_t begin = fixture_below(rng, 4) ? 0 : fixture_below(rng, n_rows);
    uint32_t end = fixture_below(rng, 4) ? n_rows : begin + 1 + fixture_below(rng, n_rows - begin);
    size_t stride = n_rows + fixture_below(rng, 3), n = (n_tokens - 1) * stride + n_rows;
    float *before = fixture_memory(n * sizeof *before), *expected = fixture_memory(n * sizeof *expected);
    for (size_t i = 0; i < n; i++)
        before[i] = fixture_float(rng);
    linear_case c = {{&w, &act, begin, end, NULL, stride, fixture_below(rng, 2)}, float_product, before, expected, n};
    run(fixture_scalar(), &c, expected);
    fixture_tables(must_equal, &c);
    fixture_release();
}

static void nvfp4_equals_scalar(void **state)
{
    (void)state;
    fixture_rng rng = {3};
    for (size_t i = 0; i < NB_COUNT(NVFP4_COLS); i++)
        for (uint32_t n_tokens = 1; n_tokens <= 19; n_tokens++)
            compare(&rng, NB_FORMAT_NVFP4, false, 1 + fixture_below(&rng, NVFP4_COLS[i] > 2100 ? 8 : 40), NVFP4_COLS[i],
                    n_tokens);
    for (uint32_t n_rows = 1; n_rows <= 40; n_rows++)
        compare(&rng, NB_FORMAT_NVFP4, false, n_rows, 16 * (1 + fixture_below(&rng, 40)), 1);
    const uint32_t many[] = {47, 48, 49, 50, 96, 97};
    for (size_t i = 0; i < NB_COUNT(many); i++)
        compare(&rng, NB_FORMAT_NVFP4, false, 35, 16 * (1 + fixture_below(&rng, 40)), many[i]);
    for (size_t i = 0; i < NB_COUNT(NVFP4_COLS); i++) // enough tokens that rows are decoded for all of them
        for (uint32_t n_tokens = 20; n_tokens <= 25; n_tokens++)
            compare(&rng, NB_FORMAT_NVFP4, false, 1 + fixture_below(&rng, NVFP4_COLS[i] > 2100 ? 8 : 40), NVFP4_COLS[i],
                    n_tokens);
    const uint32_t few_more[] = {9, 13, 21, 25};
    for (size_t i = 0; i < NB_COUNT(few_more); i++) { // more rows and tokens than are decoded or held at a time
        compare(&rng, NB_FORMAT_NVFP4, false, 150, 896, few_more[i]);
        compare(&rng, NB_FORMAT_NVFP4, false, 70, 2064, 85 + few_more[i]);
        compare(&rng, NB_FORMAT_NVFP4, false, 45, 8960, few_more[i]);
        compare(&rng, NB_FORMAT_NVFP4, false, 5, 18704, few_more[i]);
    }
}

static void float_equals_scalar(void **state)
{
    (void)state;
    fixture_rng rng = {4};
    const nb_format plain[] = {NB_FORMAT_F32, NB_FORMAT_F16, NB_FORMAT_BF16};
    for (uint32_t n_tokens = 1; n_tokens <= 19; n_tokens++) {
        for (size_t f = 0; f < 3; f++)
            for (size_t i = 0; i < NB_COUNT(PLAIN_COLS); i++)
                compare(&rng, plain[f], true, 1 + fixture_below(&rng, PLAIN_COLS[i] > 800 ? 9 : 40), PLAIN_COLS[i],
                        n_tokens);
        for (size_t i = 0; i < NB_COUNT(NVFP4_COLS) - 3; i++)
            compare(&rng, NB_FORMAT_NVFP4, true, 1 + fixture_below(&rng, 20), NVFP4_COLS[i], n_tokens);
    }
}

// Underflowing products leave -0 in a lane; an absent column must not change that.
static void sums_of_minus_zero(void **state)
{
    (void)state;
    nb_weight w = {.format = NB_FORMAT_F32, .n_rows = 1, .n_cols = 17, .global_scale = 1};
    float *data = fixture_memory(17 * sizeof *data), *x = fixture_memory(17 * sizeof *x), before[2] = {0}, expected[2];
    for (int k = 0; k < 17; k++) {
        data[k] = -0x1p-100f;
        x[k] = 0x1p-100f;
    }
    w.data = (const uint8_t *)data;
    nb_act act = {.n_rows = 1, .n_cols = 17, .x = x};
    linear_case c = {{&w, &act, 0, 1, NULL, 1, false}, true, before, expected, 1};
    run(fixture_scalar(), &c, expected);
    assert_int_equal(nb_f32_bits(expected[0]), 0x80000000u);
    fixture_tables(must_equal, &c);
    fixture_release();
}

// ---- against double precision ----

static double weight_value(const nb_weight *w, size_t i)
{
    uint16_t half;
    float value;
    if (w->format == NB_FORMAT_NVFP4)
        return oracle_e2m1(w->data[i / 2] >> (i % 2 * 4)) * oracle_e4m3(w->scales[i / 16]);
    if (w->format == NB_FORMAT_F32) {
        memcpy(&value, w->data + 4 * i, 4);
        return (double)value;
    }
    memcpy(&half, w->data + 2 * i, 2);
    if (w->format == NB_FORMAT_BF16)
        return (half & 0x8000 ? -1 : 1) *
               ldexp((half >> 7 & 255) ? 128 + (half & 127) : 2 * (half & 127), (half >> 7 & 255) - 134);
    return (half & 0x8000 ? -1 : 1) *
           ldexp((half >> 10 & 31) ? 1024 + (half & 1023) : 2 * (half & 1023), (half >> 10 & 31) - 25);
}

// x of one token as the product sees it, without g.
static void token_values(const nb_act *act, uint32_t t, double *values)
{
    const float *x = act->x + (size_t)t * act->n_cols;
    for (uint32_t k = 0; k < act->n_cols; k++)
        values[k] = (double)x[k];
    if (!act->is_packed)
        return;
    uint8_t codes[4480], scales[560]; // the reference quantiser, tested on its own
    nb_nvfp4_encode(x, act->n_cols, nb_nvfp4_global_scale(nb_absmax(x, act->n_cols)), codes, scales);
    for (uint32_t k = 0; k < act->n_cols; k++)
        values[k] = oracle_e2m1(codes[k / 2] >> (k % 2 * 4)) * oracle_e4m3(scales[k / 16]);
}

// Largest |y - oracle| / allowed over one product.
static double worst_ratio(const nb_weight *w, const nb_act *act, const float *y)
{
    double *values = malloc(act->n_cols * sizeof *values), worst = 0;
    // Roundings on the way of one product: its lane's chain, the tree of 4, the three of the end.
    double chain = nb_div_ceil(w->n_cols, act->is_packed ? 256 : 16), gamma = oracle_gamma(chain + 4 + 3);
    for (uint32_t t = 0; t < act->n_rows; t++) {
        token_values(act, t, values);
        double g = (double)w->global_scale * (act->is_packed ? (double)act->globals[t] : 1);
        for (uint32_t row = 0; row < w->n_rows; row++) {
            double sum = 0, absolute = 0, bias = w->bias ? (double)w->bias[row] : 0;
            for (uint32_t b = 0; b < w->n_cols; b += 16) { // a block's own sum is exact in the packed product
                double block = 0;
                for (uint32_t k = b; k < b + 16 && k < w->n_cols; k++) {
                    double product = weight_value(w, (size_t)row * w->n_cols + k) * values[k];
                    block += product;
                    absolute += act->is_packed ? 0 : fabs(product);
                }
                sum += block;
                absolute += act->is_packed ? fabs(block) : 0;
            }
            double allowed = gamma * absolute * fabs(g) + ORACLE_U * fabs(sum * g + bias);
            double error = fabs((double)y[t * w->n_rows + row] - (sum * g + bias));
            if (error > allowed)
                fail_msg("row %u, token %u: %a, expected %a, allowed %g", row, t, (double)y[t * w->n_rows + row],
                         sum * g + bias, allowed);
            worst = allowed > 0 ? fmax(worst, error / allowed) : worst;
        }
    }
    free(values);
    return worst;
}

static void check_oracle(nb_format format, bool float_product, const uint32_t *cols, size_t n_shapes)
{
    fixture_rng rng = {5};
    double worst = 0;
    for (size_t i = 0; i < n_shapes; i++) {
        nb_weight w = fixture_weight(&rng, format, 12, cols[i], i % 2);
        nb_act act = fixture_act(&rng, 3, cols[i], float_product ? NULL : fixture_scalar()->pack);
        float y[36] = {0};
        nb_linear_chunk chunk = {&w, &act, 0, 12, y, 12, false};
        (float_product ? fixture_scalar()->linear_float : fixture_scalar()->linear_nvfp4)(&chunk);
        worst = fmax(worst, worst_ratio(&w, &act, y));
        fixture_release();
    }
    print_message("format %d%s: largest observed / allowed %.3f\n", (int)format, float_product ? "" : " packed", worst);
    assert_true(worst > 0.01);
}

static void equals_the_oracle(void **state)
{
    (void)state;
    check_oracle(NB_FORMAT_NVFP4, false, NVFP4_COLS, NB_COUNT(NVFP4_COLS));
    check_oracle(NB_FORMAT_NVFP4, true, NVFP4_COLS, NB_COUNT(NVFP4_COLS));
    check_oracle(NB_FORMAT_F32, true, PLAIN_COLS, NB_COUNT(PLAIN_COLS));
    check_oracle(NB_FORMAT_F16, true, PLAIN_COLS, NB_COUNT(PLAIN_COLS));
    check_oracle(NB_FORMAT_BF16, true, PLAIN_COLS, NB_COUNT(PLAIN_COLS));
}

static void count(const nb_cpu_kernels *table, void *user)
{
    (void)user;
    print_message("compared with scalar: %s\n", table->isa);
}

static void names_what_is_compared(void **state)
{
    (void)state;
    if (fixture_tables(count, NULL) == 0)
        print_message("SKIPPED: this CPU runs the scalar table only\n");
    assert_string_equal(fixture_scalar()->isa, "scalar");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_what_is_compared), cmocka_unit_test(nvfp4_equals_scalar),
        cmocka_unit_test(float_equals_scalar),    cmocka_unit_test(sums_of_minus_zero),
        cmocka_unit_test(equals_the_oracle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
