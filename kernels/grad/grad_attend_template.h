// SPDX-License-Identifier: Apache-2.0
// Attention of training, one body for every ISA: blocks of small matrix products over transposed panels of keys and
// values. kernels/grad/grad_attend_<isa>.c defines NB_GRAD_KERNEL(name), NB_GRAD_VECTOR_BYTES and NB_GRAD_TILE_ROWS
// (rows of a register tile two vectors wide), and alone includes this.
#include "kernels/grad/grad_kernels.h"
#include "kernels/grad/grad_vector.h"
#include "kernels/math_f32.h"
#include "kernels/math_f64.h"

enum { ROWS = NB_GRAD_TILE_ROWS };

// ---- small products -----------------------------------------------------------------------------------------------

// C[m, n] (+)= sum_k A(m, k) B[k, n]; A(m, k) = a[m a_row + k a_col], rows of B b_row apart, of C c_row.
typedef struct product {
    uint32_t n_k;
    const float *a;
    size_t a_row, a_col;
    const float *b;
    size_t b_row;
    float *c;
    size_t c_row;
    bool add;
} product;

NB_INLINE void tile(const product *p, size_t m, size_t n, const int n_rows, const int n_vectors)
{
    vec sums[ROWS][2];
    const float *a = p->a + m * p->a_row, *b = p->b + n;
    float *c = p->c + m * p->c_row + n;
    for (int i = 0; i < n_rows; i++)
        for (int v = 0; v < n_vectors; v++)
            sums[i][v] = p->add ? *(const vec *)(c + (size_t)i * p->c_row + v * LANES) : (vec){0};
    for (uint32_t k = 0; k < p->n_k; k++, a += p->a_col, b += p->b_row)
        for (int i = 0; i < n_rows; i++)
            for (int v = 0; v < n_vectors; v++)
                sums[i][v] += a[(size_t)i * p->a_row] * *(const vec *)(b + v * LANES);
    for (int i = 0; i < n_rows; i++)
        for (int v = 0; v < n_vectors; v++)
            *(vec *)(c + (size_t)i * p->c_row + v * LANES) = sums[i][v];
}

static void tile_full(const product *p, size_t m, size_t n)
{
    tile(p, m, n, ROWS, 2);
}

static void tile_full_narrow(const product *p, size_t m, size_t n)
{
    tile(p, m, n, ROWS, 1);
}

static void tile_row(const product *p, size_t m, size_t n)
{
    tile(p, m, n, 1, 2);
}

static void tile_row_narrow(const product *p, size_t m, size_t n)
{
    tile(p, m, n, 1, 1);
}

static void tile_half(const product *p, size_t m, size_t n)
{
    tile(p, m, n, ROWS / 2, 2);
}

static void column(const product *p, size_t n_rows, size_t n)
{
    for (size_t m = 0; m < n_rows; m++) {
        float sum = p->add ? p->c[m * p->c_row + n] : 0.0f;
        for (uint32_t k = 0; k < p->n_k; k++)
            sum += p->a[m * p->a_row + k * p->a_col] * p->b[k * p->b_row + n];
        p->c[m * p->c_row + n] = sum;
    }
}

static void multiply(const product *p, size_t n_rows, size_t n_cols)
{
    size_t n = 0, m;
    for (; n + 2 * LANES <= n_cols; n += 2 * LANES) {
        for (m = 0; m + ROWS <= n_rows; m += ROWS)
            tile_full(p, m, n);
        for (; m + ROWS / 2 <= n_rows; m += ROWS / 2)
            tile_half(p, m, n);
        for (; m < n_rows; m++)
            tile_row(p, m, n);
    }
    for (; n + LANES <= n_cols; n += LANES) {
        for (m = 0; m + ROWS <= n_rows; m += ROWS)
            tile_full_narrow(p, m, n);
        for (; m < n_rows; m++)
            tile_row_narrow(p, m, n);
    }
    for (; n < n_cols; n++)
        column(p, n_rows, n);
}

// ---- panels -------------------------------------------------------------------------------------------------------

// Vectors of n_rows tokens, stride floats apart, as panels [n / 32][E][32], zeros behind the last.
static void transpose(const float *x, size_t stride, uint32_t n_rows, uint32_t head_dim, float *panels)
{
    for (uint32_t first = 0; first < n_rows; first += NB_GRAD_PANEL, panels += (size_t)head_dim * NB_GRAD_PANEL) {
        uint32_t n = (uint32_t)nb_min(NB_GRAD_PANEL, n_rows - first);
        const float *from = x + first * stride;
        if (n < NB_GRAD_PANEL)
            memset(panels, 0, (size_t)head_dim * NB_GRAD_PANEL * sizeof *panels);
        for (uint32_t j = 0; j < n; j++)
            for (uint32_t e = 0; e < head_dim; e++)
                panels[(size_t)e * NB_GRAD_PANEL + j] = from[j * stride + e];
    }
}

// Parts of the scratch.
typedef struct workspace {
    float *keys, *values; // transposed panels
    float *scores, *more; // [NB_GRAD_QUERIES, NB_GRAD_SCORES] each
    float *sums;          // [NB_GRAD_QUERIES, E]
} workspace;

static workspace divide(const nb_grad_attend *args)
{
    size_t panels = nb_align_up(args->n_rows, NB_GRAD_PANEL) * args->head_dim;
    size_t scores = (size_t)NB_GRAD_QUERIES * NB_GRAD_SCORES;
    float *s = args->scratch;
    return (workspace){s, s + panels, s + 2 * panels, s + 2 * panels + scores, s + 2 * panels + 2 * scores};
}

// One block of queries of one head, and the keys of one segment that they see.
typedef struct block {
    uint32_t head, row_begin, n_rows;
    uint32_t key_begin, n_keys; // up to what the last row sees
} block;

static block block_of(const nb_grad_attend *args, uint32_t head, uint32_t row_begin, uint32_t key_begin)
{
    uint32_t row_end = (uint32_t)nb_min(row_begin + NB_GRAD_QUERIES, args->n_rows);
    uint32_t key_end = (uint32_t)nb_min(key_begin + NB_GRAD_KEYS, row_end);
    return (block){head, row_begin, row_end - row_begin, key_begin, key_end - key_begin};
}

// Keys of the segment that row `i` of the block sees.
static uint32_t n_visible(const block *b, uint32_t i)
{
    uint32_t row = b->row_begin + i;
    return row < b->key_begin ? 0 : (uint32_t)nb_min(row - b->key_begin + 1, b->n_keys);
}

// scores[i, j] = x_i panel_j, for strips of rows up to the last key that their last row sees.
static void score(const nb_grad_attend *args, const block *b, const float *x, size_t stride, const float *panels,
                  float *scores)
{
    const float *first = panels + (size_t)b->key_begin * args->head_dim;
    for (uint32_t i = 0; i < b->n_rows; i += ROWS) {
        uint32_t n = (uint32_t)nb_min(ROWS, b->n_rows - i), n_keys = n_visible(b, i + n - 1);
        for (uint32_t j = 0; j < n_keys; j += NB_GRAD_PANEL) {
            product p = {.n_k = args->head_dim,
                         .a = x + i * stride,
                         .a_row = stride,
                         .a_col = 1,
                         .b = first + (size_t)j * args->head_dim,
                         .b_row = NB_GRAD_PANEL,
                         .c = scores + (size_t)i * NB_GRAD_SCORES + j,
                         .c_row = NB_GRAD_SCORES};
            multiply(&p, n, NB_GRAD_PANEL);
        }
    }
}

// out_i (+)= sum_j weights[i, j] x_j over the block's keys.
static void mix(const nb_grad_attend *args, const block *b, const float *weights, const float *x, size_t stride,
                float *out, size_t out_stride, bool add)
{
    for (uint32_t i = 0; i < b->n_rows; i += ROWS) {
        uint32_t n = (uint32_t)nb_min(ROWS, b->n_rows - i);
        product p = {.n_k = n_visible(b, i + n - 1),
                     .a = weights + (size_t)i * NB_GRAD_SCORES,
                     .a_row = NB_GRAD_SCORES,
                     .a_col = 1,
                     .b = x + b->key_begin * stride,
                     .b_row = stride,
                     .c = out + i * out_stride,
                     .c_row = out_stride,
                     .add = add};
        multiply(&p, n, args->head_dim);
    }
}

// out_j += sum_i weights[i, j] x_i
static void scatter(const nb_grad_attend *args, const block *b, const float *weights, const float *x, size_t stride,
                    float *out)
{
    product p = {.n_k = b->n_rows,
                 .a = weights,
                 .a_row = 1,
                 .a_col = NB_GRAD_SCORES,
                 .b = x,
                 .b_row = stride,
                 .c = out + b->key_begin * args->qkv_stride,
                 .c_row = args->qkv_stride,
                 .add = true};
    multiply(&p, b->n_keys, args->head_dim);
}

// ---- forward ------------------------------------------------------------------------------------------------------

static float row_maximum(const float *x, uint32_t n)
{
    vec maxima = vec_all(x[0]);
    uint32_t i = 0;
    for (; i + LANES <= n; i += LANES)
        maxima = vec_max(maxima, vec_load(x + i, LANES));
    float maximum = vec_largest(maxima);
    for (; i < n; i++)
        maximum = x[i] > maximum ? x[i] : maximum;
    return maximum;
}

// x becomes e^(scale x - shift) on the first n, 0 behind up to n_all. Returns the sum.
static float exponentials(float *x, uint32_t n, uint32_t n_all, float scale, float shift)
{
    vec sums = {0};
    uint32_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vec e = vec_exp(vec_load(x + i, LANES) * scale - shift);
        sums += e;
        vec_store(x + i, LANES, e);
    }
    if (i < n) { // the row's memory goes on to a whole panel
        vec e = vec_exp(vec_load(x + i, LANES) * scale - shift);
        for (uint32_t j = n - i; j < LANES; j++)
            e[j] = 0.0f;
        sums += e;
        vec_store(x + i, LANES, e);
        i += LANES;
    }
    for (; i < n_all; i++)
        x[i] = 0.0f;
    return vec_sum(sums);
}

// One segment into the running maximum, sum and weighted values of each row.
static void accumulate(const nb_grad_attend *args, const workspace *w, const block *b, float scale, float *maxima,
                       float *totals)
{
    const float *q = args->q + b->row_begin * args->qkv_stride + (size_t)b->head * args->head_dim;
    score(args, b, q, args->qkv_stride, w->keys, w->scores);
    for (uint32_t i = 0; i < b->n_rows; i++) {
        float *row = w->scores + (size_t)i * NB_GRAD_SCORES;
        uint32_t n = n_visible(b, i);
        float maximum = n ? row_maximum(row, n) * scale : maxima[i];
        if (b->key_begin > 0 && maximum > maxima[i]) {
            float shrink = nb_exp(maxima[i] - maximum);
            totals[i] *= shrink;
            for (uint32_t e = 0; e < args->head_dim; e++)
                w->sums[i * args->head_dim + e] *= shrink;
        }
        maxima[i] = maximum > maxima[i] ? maximum : maxima[i];
        totals[i] += exponentials(row, n, b->n_keys, scale, maxima[i]);
    }
    mix(args, b, w->scores, args->v, args->qkv_stride, w->sums, args->head_dim, b->key_begin > 0);
}

void NB_GRAD_KERNEL(attend_forward)(const nb_grad_attend *args)
{
    workspace w = divide(args);
    uint32_t width = args->head_dim;
    float scale = 1.0f / __builtin_sqrtf((float)width);
    transpose(args->k, args->qkv_stride, args->n_rows, width, w.keys);
    for (uint32_t head = 0; head < args->group; head++)
        for (uint32_t row = 0; row < args->n_rows; row += NB_GRAD_QUERIES) {
            float maxima[NB_GRAD_QUERIES], totals[NB_GRAD_QUERIES] = {0};
            for (int i = 0; i < NB_GRAD_QUERIES; i++)
                maxima[i] = -__builtin_inff();
            block b = block_of(args, head, row, 0);
            for (uint32_t key = 0; key < row + b.n_rows; key += NB_GRAD_KEYS) {
                block part = block_of(args, head, row, key);
                accumulate(args, &w, &part, scale, maxima, totals);
            }
            for (uint32_t i = 0; i < b.n_rows; i++) {
                float *o = args->o + (row + i) * args->o_stride + (size_t)head * width, inverse = 1.0f / totals[i];
                for (uint32_t e = 0; e < width; e++)
                    o[e] = w.sums[i * width + e] * inverse;
                args->lse[(size_t)(row + i) * args->n_heads + head] = maxima[i] + (float)nb_log_f64((double)totals[i]);
            }
        }
}

// ---- backward -----------------------------------------------------------------------------------------------------

// scores: s -> p; more: dp -> ds, the scale of the scores included.
static void differentiate(const nb_grad_attend *args, const workspace *w, const block *b, float scale)
{
    for (uint32_t i = 0; i < b->n_rows; i++) {
        float *p = w->scores + (size_t)i * NB_GRAD_SCORES, *ds = w->more + (size_t)i * NB_GRAD_SCORES;
        uint32_t n = n_visible(b, i);
        size_t at = (size_t)(b->row_begin + i) * args->n_heads + b->head;
        float delta = args->delta[at];
        (void)exponentials(p, n, b->n_keys, scale, args->lse[at]);
        for (uint32_t j = 0; j < n; j++)
            ds[j] = p[j] * (ds[j] - delta) * scale;
        for (uint32_t j = n; j < b->n_keys; j++)
            ds[j] = 0.0f;
    }
}

void NB_GRAD_KERNEL(attend_backward)(const nb_grad_attend *args)
{
    workspace w = divide(args);
    uint32_t width = args->head_dim;
    size_t stride = args->qkv_stride;
    float scale = 1.0f / __builtin_sqrtf((float)width);
    transpose(args->k, stride, args->n_rows, width, w.keys);
    transpose(args->v, stride, args->n_rows, width, w.values);
    for (uint32_t row = 0; row < args->n_rows; row++) {
        memset(args->dk + row * stride, 0, width * sizeof(float));
        memset(args->dv + row * stride, 0, width * sizeof(float));
    }
    for (uint32_t head = 0; head < args->group; head++)
        for (uint32_t row = 0; row < args->n_rows; row += NB_GRAD_QUERIES) {
            size_t at = row * stride + (size_t)head * width;
            const float *d_o = args->d_o + row * args->o_stride + (size_t)head * width;
            uint32_t row_end = (uint32_t)nb_min(row + NB_GRAD_QUERIES, args->n_rows);
            for (uint32_t key = 0; key < row_end; key += NB_GRAD_KEYS) {
                block b = block_of(args, head, row, key);
                score(args, &b, args->q + at, stride, w.keys, w.scores);
                score(args, &b, d_o, args->o_stride, w.values, w.more);
                differentiate(args, &w, &b, scale);
                scatter(args, &b, w.scores, d_o, args->o_stride, args->dv);
                scatter(args, &b, w.more, args->q + at, stride, args->dk);
                mix(args, &b, w.more, args->k, stride, args->dq + at, stride, key > 0);
            }
        }
}
