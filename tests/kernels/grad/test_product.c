// SPDX-License-Identifier: Apache-2.0
// The products of training, f32 and bf16, against double precision, and their bits against the threads.
#include "kernels/floats.h"
#include "kernels/grad/product.h"
#include "tests/kernels/grad/grad_tables.h"

typedef struct product_case {
    size_t m, n, k;
} product_case;
static const product_case cases[] = {{1, 1, 1}, {1, 7, 3}, {5, 16, 16}, {33, 65, 17}, {128, 96, 150}, {64, 150, 48}};

typedef void (*product_fn)(nb_product_kind kind, size_t m, size_t n, size_t k, nb_const_matrix a, nb_const_matrix b,
                           bool add, nb_matrix c);

// x as an operand of that kind. What is multiplied is left in x, so that double precision multiplies the same.
static const void *operand(nb_product_kind kind, float *x, size_t n)
{
    if (kind == NB_PRODUCT_F32)
        return x;
    uint16_t *narrow = fixture_memory(n * sizeof *narrow);
    for (size_t i = 0; i < n; i++) {
        narrow[i] = nb_bf16_encode(x[i]);
        x[i] = nb_bf16_decode(narrow[i]);
    }
    return narrow;
}

// A product of two bf16 is exact in f32, so the bound is that of the sum in both kinds.
static void check(nb_product_kind kind, product_fn product, bool a_transposed, bool b_transposed)
{
    fixture_rng rng = {31};
    for (size_t i = 0; i < NB_COUNT(cases); i++)
        for (int add = 0; add < 2; add++) {
            size_t m = cases[i].m, n = cases[i].n, k = cases[i].k;
            size_t a_stride = (a_transposed ? m : k) + 3, b_stride = (b_transposed ? k : n) + 5, c_stride = n + 2;
            float *a = random_floats(&rng, a_stride * (a_transposed ? k : m));
            float *b = random_floats(&rng, b_stride * (b_transposed ? n : k)), *c = random_floats(&rng, c_stride * m);
            float *kept = random_floats(&rng, c_stride * m);
            memcpy(kept, c, c_stride * m * sizeof *c);
            nb_const_matrix left = {operand(kind, a, a_stride * (a_transposed ? k : m)), a_stride};
            nb_const_matrix right = {operand(kind, b, b_stride * (b_transposed ? n : k)), b_stride};
            product(kind, m, n, k, left, right, add, (nb_matrix){c, c_stride});
            for (size_t x = 0; x < m; x++)
                for (size_t y = 0; y < n; y++) {
                    double sum = add ? (double)kept[x * c_stride + y] : 0, absolute = fabs(sum);
                    for (size_t z = 0; z < k; z++) {
                        double term = (double)(a_transposed ? a[z * a_stride + x] : a[x * a_stride + z]) *
                                      (double)(b_transposed ? b[y * b_stride + z] : b[z * b_stride + y]);
                        sum += term;
                        absolute += fabs(term);
                    }
                    double error = fabs((double)c[x * c_stride + y] - sum);
                    assert_true(error <= (double)(k + 2) * 0x1p-24 * absolute);
                }
            for (size_t x = 0; x + 1 < m; x++) // what lies between the rows is not touched
                assert_memory_equal(c + x * c_stride + n, kept + x * c_stride + n, 2 * sizeof *c);
            fixture_release();
        }
}

static void products_equal_double(void **state)
{
    (void)state;
    assert_true(nb_product_runs(NB_PRODUCT_F32));
    check(NB_PRODUCT_F32, nb_product, false, false);
    check(NB_PRODUCT_F32, nb_product_bt, false, true);
    check(NB_PRODUCT_F32, nb_product_at, true, false);
}

static void skip_without_bf16(void)
{
    assert_true(nb_product_runs(NB_PRODUCT_BF16) || !nb_product_has_bf16());
    if (nb_product_runs(NB_PRODUCT_BF16))
        return;
    print_message("oneDNN has no bf16 products for this CPU\n");
    skip();
}

static void bf16_products_equal_double(void **state)
{
    (void)state;
    skip_without_bf16();
    check(NB_PRODUCT_BF16, nb_product, false, false);
    check(NB_PRODUCT_BF16, nb_product_bt, false, true);
    check(NB_PRODUCT_BF16, nb_product_at, true, false);
}

typedef struct tile_job {
    nb_product_kind kind;
    const void *a[8], *b; // a by tiles
    float *c;
} tile_job;

static void tile(void *context, uint32_t chunk, uint32_t worker)
{
    (void)worker;
    const tile_job *job = context;
    nb_product(job->kind, 64, 200, 300, (nb_const_matrix){job->a[chunk], 300}, (nb_const_matrix){job->b, 200}, false,
               (nb_matrix){job->c + (size_t)chunk * 64 * 200, 200});
}

static void check_workers(nb_product_kind kind)
{
    fixture_rng rng = {32};
    tile_job job = {.kind = kind, .b = operand(kind, random_floats(&rng, 300 * 200), 300 * 200)};
    for (int i = 0; i < 8; i++)
        job.a[i] = operand(kind, random_floats(&rng, 64 * 300), 64 * 300);
    float *c[3];
    for (uint32_t i = 0; i < NB_COUNT(c); i++) {
        nb_pool *pool;
        c[i] = fixture_memory(8 * 64 * 200 * sizeof(float));
        assert_int_equal(nb_pool_create(&pool, i + 1, NULL), NB_OK);
        job.c = c[i];
        nb_pool_run(pool, 8, tile, &job);
        nb_pool_free(pool);
        assert_memory_equal(c[i], c[0], 8 * 64 * 200 * sizeof(float));
    }
    fixture_release();
}

static void workers_give_the_same_bits(void **state)
{
    (void)state;
    check_workers(NB_PRODUCT_F32);
}

static void workers_give_the_same_bits_in_bf16(void **state)
{
    (void)state;
    skip_without_bf16();
    check_workers(NB_PRODUCT_BF16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_equal_double),
        cmocka_unit_test(bf16_products_equal_double),
        cmocka_unit_test(workers_give_the_same_bits),
        cmocka_unit_test(workers_give_the_same_bits_in_bf16),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
