// SPDX-License-Identifier: Apache-2.0
// Attention of training, every table: results and gradients against plain double precision, whose gradients agree with
// central differences.
#include "tests/kernels/grad/grad_tables.h"

enum { N_MAX = 1100, WIDTH_MAX = 128 };

// One document and KV head, in double: q [n, group, E], k and v [n, E]; o and the gradients alike.
typedef struct reference {
    uint32_t n, width, group;
    double *q, *k, *v, *d_o, *o, *lse, *dq, *dk, *dv, *p;
} reference;

static double *doubles(size_t n)
{
    double *x = calloc(n + 1, sizeof *x);
    assert_non_null(x);
    return x;
}

static void reference_make(reference *r, uint32_t n, uint32_t width, uint32_t group)
{
    size_t one = (size_t)n * width, all = one * group;
    *r = (reference){n,
                     width,
                     group,
                     doubles(all),
                     doubles(one),
                     doubles(one),
                     doubles(all),
                     doubles(all),
                     doubles((size_t)n * group),
                     doubles(all),
                     doubles(one),
                     doubles(one),
                     doubles(n)};
}

static void reference_free(reference *r)
{
    double *all[] = {r->q, r->k, r->v, r->d_o, r->o, r->lse, r->dq, r->dk, r->dv, r->p};
    for (size_t i = 0; i < NB_COUNT(all); i++)
        free(all[i]);
}

static double dot(const double *x, const double *y, uint32_t n)
{
    double sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += x[i] * y[i];
    return sum;
}

// Row i of head h: p_ij into r->p, its o and lse.
static void forward_row(const reference *r, uint32_t i, uint32_t h)
{
    size_t at = ((size_t)i * r->group + h) * r->width;
    double maximum = -INFINITY, sum = 0;
    for (uint32_t j = 0; j <= i; j++) {
        r->p[j] = dot(r->q + at, r->k + (size_t)j * r->width, r->width) / sqrt(r->width);
        maximum = fmax(maximum, r->p[j]);
    }
    for (uint32_t j = 0; j <= i; j++)
        sum += r->p[j] = exp(r->p[j] - maximum);
    r->lse[(size_t)i * r->group + h] = maximum + log(sum);
    memset(r->o + at, 0, r->width * sizeof(double));
    for (uint32_t j = 0; j <= i; j++) {
        r->p[j] /= sum;
        for (uint32_t e = 0; e < r->width; e++)
            r->o[at + e] += r->p[j] * r->v[(size_t)j * r->width + e];
    }
}

static void reference_run(const reference *r)
{
    double scale = 1 / sqrt(r->width);
    for (uint32_t i = 0; i < r->n; i++)
        for (uint32_t h = 0; h < r->group; h++) {
            forward_row(r, i, h);
            size_t at = ((size_t)i * r->group + h) * r->width;
            double delta = dot(r->o + at, r->d_o + at, r->width);
            for (uint32_t j = 0; j <= i; j++) {
                size_t key = (size_t)j * r->width;
                double ds = r->p[j] * (dot(r->d_o + at, r->v + key, r->width) - delta) * scale;
                for (uint32_t e = 0; e < r->width; e++) {
                    r->dv[key + e] += r->p[j] * r->d_o[at + e];
                    r->dq[at + e] += ds * r->k[key + e];
                    r->dk[key + e] += ds * r->q[at + e];
                }
            }
        }
}

static double loss_of(const reference *r)
{
    for (uint32_t i = 0; i < r->n; i++)
        for (uint32_t h = 0; h < r->group; h++)
            forward_row(r, i, h);
    return dot(r->o, r->d_o, r->n * r->group * r->width);
}

static void reference_fill(const reference *r, fixture_rng *rng)
{
    size_t one = (size_t)r->n * r->width;
    for (size_t i = 0; i < one * r->group; i++) {
        r->q[i] = (double)fixture_float(rng);
        r->d_o[i] = (double)fixture_float(rng);
    }
    for (size_t i = 0; i < one; i++) {
        r->k[i] = (double)fixture_float(rng);
        r->v[i] = (double)fixture_float(rng);
    }
}

static void reference_equals_differences(void **state)
{
    (void)state;
    fixture_rng rng = {21};
    reference r;
    reference_make(&r, 7, 6, 2);
    reference_fill(&r, &rng);
    reference_run(&r);
    struct {
        double *x, *gradient;
        size_t n;
    } parts[] = {{r.q, r.dq, 7 * 6 * 2}, {r.k, r.dk, 7 * 6}, {r.v, r.dv, 7 * 6}};
    for (size_t part = 0; part < NB_COUNT(parts); part++)
        for (size_t i = 0; i < parts[part].n; i++) {
            double kept = parts[part].x[i], step = 1e-5;
            parts[part].x[i] = kept + step;
            double up = loss_of(&r);
            parts[part].x[i] = kept - step;
            double down = loss_of(&r);
            parts[part].x[i] = kept;
            assert_true(fabs((up - down) / (2 * step) - parts[part].gradient[i]) < 1e-8);
        }
    reference_free(&r);
}

// ---- kernels ------------------------------------------------------------------------------------------------------

// Rows `stride` floats apart, head h of `n_heads` at h * width, in guarded memory.
static float *spread(const double *x, uint32_t n, uint32_t n_heads, uint32_t width, size_t stride)
{
    float *rows = fixture_memory(((n - 1) * stride + (size_t)n_heads * width) * sizeof *rows);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < n_heads * width; j++)
            rows[i * stride + j] = x ? (float)x[(size_t)i * n_heads * width + j] : 7;
    return rows;
}

static void gather(const float *rows, uint32_t n, uint32_t n_cols, size_t stride, float *x)
{
    for (uint32_t i = 0; i < n; i++)
        memcpy(x + (size_t)i * n_cols, rows + i * stride, n_cols * sizeof *x);
}

static void compare(const char *what, const float *rows, const double *expected, uint32_t n, uint32_t n_cols,
                    size_t stride, double bound)
{
    float *x = malloc((size_t)n * n_cols * sizeof *x);
    assert_non_null(x);
    gather(rows, n, n_cols, stride, x);
    assert_near(what, x, expected, (size_t)n * n_cols, bound);
    free(x);
}

static void attention_case(const nb_grad_kernels *grad, uint32_t n, uint32_t width, uint32_t group)
{
    fixture_rng rng = {n * 1000 + width + group};
    reference r;
    reference_make(&r, n, width, group);
    reference_fill(&r, &rng);
    for (size_t i = 0; i < (size_t)n * width * group; i++) { // as the kernel will see them
        r.q[i] = (double)(float)r.q[i];
        r.d_o[i] = (double)(float)r.d_o[i];
    }
    reference_run(&r);
    size_t qkv = (size_t)(group + 2) * width + 3, mixed = (size_t)group * width + 1;
    nb_grad_attend args = {.n_rows = n,
                           .head_dim = width,
                           .group = group,
                           .n_heads = group,
                           .qkv_stride = qkv,
                           .o_stride = mixed,
                           .q = spread(r.q, n, group, width, qkv),
                           .k = spread(r.k, n, 1, width, qkv),
                           .v = spread(r.v, n, 1, width, qkv),
                           .o = spread(NULL, n, group, width, mixed),
                           .lse = fixture_memory((size_t)n * group * sizeof(float)),
                           .d_o = spread(r.d_o, n, group, width, mixed),
                           .dq = spread(NULL, n, group, width, qkv),
                           .dk = spread(NULL, n, 1, width, qkv),
                           .dv = spread(NULL, n, 1, width, qkv),
                           .scratch = fixture_memory(nb_grad_attend_floats(n, width) * sizeof(float))};
    grad->attend_forward(&args);
    compare("o", args.o, r.o, n, group * width, mixed, 2e-6);
    for (size_t i = 0; i < (size_t)n * group; i++)
        assert_true(fabs((double)args.lse[i] - r.lse[i]) <= 1e-5);
    float *delta = fixture_memory((size_t)n * group * sizeof(float));
    for (size_t i = 0; i < (size_t)n * group; i++)
        delta[i] = (float)dot(r.o + i * width, r.d_o + i * width, width);
    args.delta = delta;
    grad->attend_backward(&args);
    compare("dq", args.dq, r.dq, n, group * width, qkv, n == 1 ? 1 : 5e-6);
    compare("dk", args.dk, r.dk, n, width, qkv, n == 1 ? 1 : 5e-6);
    compare("dv", args.dv, r.dv, n, width, qkv, 5e-6);
    reference_free(&r);
    fixture_release();
}

static void attention_of(const nb_grad_kernels *grad, const nb_cpu_kernels *cpu)
{
    (void)cpu;
    const uint32_t rows[] = {2, 5, 31, 32, 33, 47, 48, 49, 97, 150};
    const uint32_t widths[] = {2, 8, 16, 20, 64, 128};
    for (size_t i = 0; i < NB_COUNT(rows); i++)
        for (size_t w = 0; w < NB_COUNT(widths); w++)
            attention_case(grad, rows[i], widths[w], 1 + (uint32_t)(i + w) % 3);
    attention_case(grad, 512, 32, 1); // whole segments of keys and more
    attention_case(grad, 513, 32, 2);
    attention_case(grad, 1100, 16, 1);
}

static void attention_and_its_gradients(void **state)
{
    (void)state;
    each_grad_table(attention_of);
}

// One token attends to itself alone: o = v, and neither q nor k matters.
static void alone_of(const nb_grad_kernels *grad, const nb_cpu_kernels *cpu)
{
    (void)cpu;
    fixture_rng rng = {22};
    float q[16], k[16], v[16], o[16], d_o[16], dq[16], dk[16], dv[16], lse[1], delta = 0;
    float *scratch = fixture_memory(nb_grad_attend_floats(1, 16) * sizeof(float));
    for (int i = 0; i < 16; i++) {
        q[i] = fixture_float(&rng);
        k[i] = fixture_float(&rng);
        v[i] = fixture_float(&rng);
        d_o[i] = fixture_float(&rng);
    }
    nb_grad_attend args = {1, 16, 1, 1, 16, 16, q, k, v, o, lse, d_o, &delta, dq, dk, dv, scratch};
    grad->attend_forward(&args);
    delta = grad->dot(o, d_o, 16);
    grad->attend_backward(&args);
    for (int i = 0; i < 16; i++) {
        assert_true(fabsf(o[i] - v[i]) <= 1e-6f && fabsf(dv[i] - d_o[i]) <= 1e-6f);
        assert_true(fabsf(dq[i]) <= 1e-5f && fabsf(dk[i]) <= 1e-5f);
    }
    fixture_release();
}

static void one_token_attends_to_itself(void **state)
{
    (void)state;
    each_grad_table(alone_of);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_equals_differences),
        cmocka_unit_test(attention_and_its_gradients),
        cmocka_unit_test(one_token_attends_to_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
