// SPDX-License-Identifier: Apache-2.0
// The grid of alpha and beta. Attention is that of inference: its quantiser stores keys and values, its kernel reads
// them. A job is one sequence and KV head; the sequences come in batches, and an objective is the sum over batches.
//
// Squares only add up, so the sum over some batches bounds the objective from below. Always the point with the least
// sum is taken one batch further; the first one complete is the minimum of the whole grid, and points far from it have
// cost one batch.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "apps/qat/kv_error.h"
#include "apps/qat/qfit.h"
#include "kernels/math_f64.h"

enum { GRID_MAX = 21, JOBS_PER_BATCH = 8 };

const nb_qfit_variant nb_qfit_nibble = {
    .name = "nibble", .n_grid = 21, .is_causal = true, .is_scaled = true, .means_behind = true};
const nb_qfit_variant nb_qfit_reference = {.name = "reference", .n_grid = 20, .r_min = 1e-5f};

// Of one worker.
typedef struct scratch {
    uint8_t *k, *v;  // areas of one sequence and head, f32
    uint8_t *k_4bit; // the same, E1M2
    float *key;      // [E]
    float *queries;  // [NB_ATTEND_QUERIES, E]
    float *partials; // [NB_ATTEND_QUERIES, segments, E + 2]
    float *out;      // [NB_ATTEND_QUERIES, E]
} scratch;

typedef struct search {
    const nb_qfit_data *data;
    const nb_qfit_variant *variant;
    const nb_cpu_kernels *cpu;
    nb_pool *pool;
    uint32_t group; // query heads of a KV head
    uint32_t n_slots_max;
    double *mean_behind; // [G, E] of k
    float *exact;        // [N, H, E] attention output of the exact K and V
    uint8_t *v_4bit;     // areas of all sequences and heads
    size_t *v_at;        // [n_sequences] where those of a sequence begin
    size_t n_batch;      // sequences of a batch
    size_t n_batches;
    // The point being computed.
    double *scales; // [G, E/2]
    float *shift;   // [G, E]
    float *factors; // [G, E] s
    size_t first_sequence;
    double *job_errors;     // [n_batch * G]
    nb_kv_error *job_kv[2]; // K, V
    scratch *workers;
    void *memory[24];
    size_t n_memory;
} search;

// ---- attention ----------------------------------------------------------------------------------------------------

// One KV head of one sequence.
typedef struct head {
    nb_kv_format format;
    const uint8_t *k, *v;
    size_t first_row; // of the sequence
    uint32_t n_rows;
    uint32_t g;
    const float *factors; // [E] of the queries, NULL: 1
} head;

static size_t area_bytes(nb_kv_format format, uint32_t head_dim, size_t n_rows)
{
    return nb_kv_vector_bytes(format, head_dim) * nb_align_up(n_rows, NB_KV_TILE);
}

static size_t query_at(const search *s, const head *h, uint32_t i)
{
    return ((h->first_row + i / s->group) * s->data->n_heads + h->g * s->group + i % s->group) * s->data->head_dim;
}

// Output of queries i .. i + n - 1 of the head (row by row, the group's heads of a row together) into w->out.
static void attend_block(const search *s, const scratch *w, const head *h, uint32_t i, uint32_t n)
{
    uint32_t e = s->data->head_dim;
    nb_kv_view views[NB_ATTEND_QUERIES];
    nb_attend_chunk chunk = {.format = h->format,
                             .head_dim = e,
                             .k = h->k,
                             .v = h->v,
                             .qk_scale = s->variant->is_scaled ? 1.0f / __builtin_sqrtf((float)e) : 1.0f,
                             .n_queries = n};
    uint32_t n_seen = s->variant->is_causal ? (i + n - 1) / s->group + 1 : h->n_rows;
    uint32_t n_slots = (uint32_t)nb_align_up(n_seen, NB_KV_TILE);
    uint32_t n_segments = (uint32_t)nb_div_ceil(n_slots, NB_KV_SEGMENT);
    for (uint32_t j = 0; j < n; j++) {
        const float *q = s->data->q + query_at(s, h, i + j);
        for (uint32_t d = 0; h->factors && d < e; d++)
            w->queries[j * e + d] = q[d] * h->factors[d];
        chunk.q[j] = h->factors ? w->queries + j * e : q;
        views[j] = (nb_kv_view){.end = {s->variant->is_causal ? (i + j) / s->group + 1 : h->n_rows}};
        chunk.views[j] = &views[j];
    }
    for (uint32_t segment = 0; segment < n_segments; segment++) {
        chunk.slot_begin = segment * NB_KV_SEGMENT;
        chunk.slot_end = (uint32_t)nb_min(chunk.slot_begin + NB_KV_SEGMENT, n_slots);
        for (uint32_t j = 0; j < n; j++)
            chunk.partials[j] = w->partials + ((size_t)j * n_segments + segment) * (e + 2);
        s->cpu->attend(&chunk);
    }
    for (uint32_t j = 0; j < n; j++)
        s->cpu->combine(w->partials + (size_t)j * n_segments * (e + 2), n_segments, e, 1.0f, w->out + j * e);
}

static head head_of(const search *s, size_t sequence, uint32_t g)
{
    const size_t *starts = s->data->starts;
    return (head){.first_row = starts[sequence], .n_rows = (uint32_t)(starts[sequence + 1] - starts[sequence]), .g = g};
}

static const float *vector_of(const search *s, const float *values, const head *h, uint32_t row)
{
    return values + ((h->first_row + row) * s->data->n_kv_heads + h->g) * s->data->head_dim;
}

static uint8_t *packed_values(const search *s, size_t sequence, const head *h)
{
    return s->v_4bit + s->v_at[sequence] + h->g * area_bytes(NB_KV_FORMAT_E1M2, s->data->head_dim, h->n_rows);
}

// ---- jobs ---------------------------------------------------------------------------------------------------------

// The exact output, and V as the cache holds it.
static void exact_job(void *context, uint32_t chunk, uint32_t worker)
{
    const search *s = context;
    const scratch *w = &s->workers[worker];
    uint32_t e = s->data->head_dim;
    size_t sequence = chunk / s->data->n_kv_heads;
    head h = head_of(s, sequence, chunk % s->data->n_kv_heads);
    uint8_t *packed = packed_values(s, sequence, &h);
    for (uint32_t row = 0; row < h.n_rows; row++) {
        const float *v = vector_of(s, s->data->v, &h, row);
        s->cpu->store_k(NB_KV_FORMAT_F32, vector_of(s, s->data->k, &h, row), NULL, 1.0f, e, row, w->k);
        s->cpu->store_v(NB_KV_FORMAT_F32, v, 1.0f, e, row, w->v);
        s->cpu->store_v(NB_KV_FORMAT_E1M2, v, 1.0f, e, row, packed);
    }
    h.format = NB_KV_FORMAT_F32;
    h.k = w->k;
    h.v = w->v;
    for (uint32_t i = 0; i < h.n_rows * s->group; i += NB_ATTEND_QUERIES) {
        uint32_t n = (uint32_t)nb_min(NB_ATTEND_QUERIES, h.n_rows * s->group - i);
        attend_block(s, w, &h, i, n);
        for (uint32_t j = 0; j < n; j++)
            memcpy(s->exact + query_at(s, &h, i + j), w->out + j * e, e * sizeof *w->out);
    }
}

static const float *scaled_key(const search *s, const scratch *w, const head *h, uint32_t row)
{
    uint32_t e = s->data->head_dim;
    const float *k = vector_of(s, s->data->k, h, row), *factors = s->factors + h->g * e;
    for (uint32_t d = 0; d < e; d++)
        w->key[d] = k[d] / factors[d];
    return w->key;
}

static void error_job(void *context, uint32_t chunk, uint32_t worker)
{
    const search *s = context;
    const scratch *w = &s->workers[worker];
    uint32_t e = s->data->head_dim;
    size_t sequence = s->first_sequence + chunk / s->data->n_kv_heads;
    head h = head_of(s, sequence, chunk % s->data->n_kv_heads);
    for (uint32_t row = 0; row < h.n_rows; row++)
        s->cpu->store_k(NB_KV_FORMAT_E1M2, scaled_key(s, w, &h, row), s->shift + h.g * e, 1.0f, e, row, w->k_4bit);
    h.format = NB_KV_FORMAT_E1M2;
    h.k = w->k_4bit;
    h.v = packed_values(s, sequence, &h);
    h.factors = s->factors + h.g * e;
    double sum = 0;
    for (uint32_t i = 0; i < h.n_rows * s->group; i += NB_ATTEND_QUERIES) {
        uint32_t n = (uint32_t)nb_min(NB_ATTEND_QUERIES, h.n_rows * s->group - i);
        attend_block(s, w, &h, i, n);
        for (uint32_t j = 0; j < n; j++) {
            const float *exact = s->exact + query_at(s, &h, i + j), *out = w->out + j * e;
            for (uint32_t d = 0; d < e; d++) {
                double difference = (double)out[d] - (double)exact[d];
                sum += difference * difference;
            }
        }
    }
    s->job_errors[chunk] = sum;
}

static void kv_job(void *context, uint32_t chunk, uint32_t worker)
{
    const search *s = context;
    const scratch *w = &s->workers[worker];
    head h = head_of(s, chunk / s->data->n_kv_heads, chunk % s->data->n_kv_heads);
    uint32_t e = s->data->head_dim;
    s->job_kv[0][chunk] = s->job_kv[1][chunk] = (nb_kv_error){0};
    for (uint32_t row = 0; row < h.n_rows; row++) {
        nb_kv_error_add(&s->job_kv[0][chunk], s->cpu, scaled_key(s, w, &h, row), s->shift + h.g * e, e);
        nb_kv_error_add(&s->job_kv[1][chunk], s->cpu, vector_of(s, s->data->v, &h, row), NULL, e);
    }
}

// ---- points of the grid -------------------------------------------------------------------------------------------

// r of a pair; of all heads together where one scale serves all.
static double pair_range(const search *s, uint32_t g, uint32_t pair)
{
    uint32_t e = s->data->head_dim;
    uint32_t begin = s->data->is_shared ? 0 : g, end = s->data->is_shared ? s->data->n_kv_heads : g + 1;
    float r = 0;
    for (uint32_t i = begin; i < end; i++)
        r = fmaxf(r, fmaxf(s->data->k_absmax[i * e + pair], s->data->k_absmax[i * e + pair + e / 2]));
    if (s->variant->r_min > 0)
        return (double)fmaxf(r, s->variant->r_min);
    return r > 0 ? (double)r : 1;
}

static double grid_value(size_t i)
{
    return (double)i / 20;
}

static void set_point(search *s, size_t point)
{
    uint32_t e = s->data->head_dim;
    double alpha = grid_value(point / s->variant->n_grid), beta = grid_value(point % s->variant->n_grid);
    for (uint32_t g = 0; g < s->data->n_kv_heads; g++)
        for (uint32_t d = 0; d < e; d++) {
            double *scale = &s->scales[g * (e / 2) + d % (e / 2)];
            if (d < e / 2)
                *scale = nb_pow_f64(pair_range(s, g, d), alpha);
            s->factors[g * e + d] = (float)*scale;
            double mean =
                s->variant->means_behind ? s->mean_behind[g * e + d] / *scale : s->data->k_mean_before[g * e + d];
            s->shift[g * e + d] = (float)(beta * mean);
        }
}

// Sum of squared differences of one batch at the point that is set.
static double batch_error(search *s, size_t batch)
{
    s->first_sequence = batch * s->n_batch;
    size_t n = nb_min(s->n_batch, s->data->n_sequences - s->first_sequence) * s->data->n_kv_heads;
    nb_pool_run(s->pool, (uint32_t)n, error_job, s);
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += s->job_errors[i];
    return sum;
}

typedef struct grid {
    double sums[GRID_MAX * GRID_MAX];
    size_t done[GRID_MAX * GRID_MAX]; // batches
    size_t n_points;
} grid;

// The first of those with the least sum.
static size_t least_point(const grid *points)
{
    size_t least = 0;
    for (size_t i = 1; i < points->n_points; i++)
        if (points->sums[i] < points->sums[least])
            least = i;
    return least;
}

static void advance(search *s, grid *points, size_t point)
{
    set_point(s, point);
    points->sums[point] += batch_error(s, points->done[point]++);
}

// Every point gets its first batch before any gets its second, so the share of those done tells how it goes at first.
static nb_status walk_grid(search *s, grid *points, nb_qfit_progress_fn on_progress, void *user, size_t *best,
                           double *work, nb_error *error)
{
    size_t n_done = 0, n_full = points->n_points * s->n_batches;
    for (*best = least_point(points); points->done[*best] < s->n_batches; *best = least_point(points)) {
        advance(s, points, *best);
        n_done++;
        if (!on_progress(user, (double)n_done / (double)n_full))
            return nb_error_set(error, NB_ERR_STOPPED, "interrupted");
    }
    while (points->done[0] < s->n_batches) {
        advance(s, points, 0);
        n_done++;
    }
    *work = (double)n_done / (double)n_full;
    return NB_OK;
}

// ---- the search ---------------------------------------------------------------------------------------------------

static void *take(search *s, size_t n, size_t size)
{
    NB_ASSERT(s->n_memory < NB_COUNT(s->memory));
    return s->memory[s->n_memory++] = calloc(n + 1, size);
}

static bool take_worker(search *s, scratch *w)
{
    uint32_t e = s->data->head_dim;
    size_t segments = nb_div_ceil(s->n_slots_max, NB_KV_SEGMENT), f32 = area_bytes(NB_KV_FORMAT_F32, e, s->n_slots_max);
    size_t floats = e + 2 * NB_ATTEND_QUERIES * e + NB_ATTEND_QUERIES * segments * (e + 2);
    w->k = calloc(1, 2 * f32 + area_bytes(NB_KV_FORMAT_E1M2, e, s->n_slots_max) + floats * sizeof(float));
    if (!w->k)
        return false;
    w->v = w->k + f32;
    w->key = (float *)(w->v + f32);
    w->queries = w->key + e;
    w->out = w->queries + NB_ATTEND_QUERIES * e;
    w->partials = w->out + NB_ATTEND_QUERIES * e;
    w->k_4bit = (uint8_t *)(w->key + floats);
    return true;
}

static nb_status take_memory(search *s, nb_error *error)
{
    const nb_qfit_data *data = s->data;
    uint32_t e = data->head_dim;
    size_t n_keys = (size_t)data->n_kv_heads * e, v_bytes = 0, n_workers = nb_pool_size(s->pool);
    s->v_at = take(s, data->n_sequences, sizeof *s->v_at);
    for (size_t i = 0; s->v_at && i < data->n_sequences; i++) {
        size_t n_rows = data->starts[i + 1] - data->starts[i];
        s->v_at[i] = v_bytes;
        v_bytes += data->n_kv_heads * area_bytes(NB_KV_FORMAT_E1M2, e, n_rows);
        s->n_slots_max = (uint32_t)nb_max(s->n_slots_max, nb_align_up(n_rows, NB_KV_TILE));
    }
    s->n_batch = nb_div_ceil(JOBS_PER_BATCH, data->n_kv_heads);
    s->n_batches = nb_div_ceil(data->n_sequences, s->n_batch);
    s->exact = take(s, data->n_rows * data->n_heads * e, sizeof(float));
    s->v_4bit = take(s, v_bytes, 1);
    s->mean_behind = take(s, n_keys, sizeof(double));
    s->scales = take(s, n_keys / 2, sizeof(double));
    s->shift = take(s, n_keys, sizeof(float));
    s->factors = take(s, n_keys, sizeof(float));
    s->job_errors = take(s, s->n_batch * data->n_kv_heads, sizeof(double));
    s->job_kv[0] = take(s, data->n_sequences * data->n_kv_heads, sizeof(nb_kv_error));
    s->job_kv[1] = take(s, data->n_sequences * data->n_kv_heads, sizeof(nb_kv_error));
    s->workers = take(s, n_workers, sizeof *s->workers);
    bool is_taken = true;
    for (size_t i = 0; i < s->n_memory; i++)
        is_taken = is_taken && s->memory[i];
    for (size_t i = 0; is_taken && i < n_workers; i++)
        is_taken = take_worker(s, &s->workers[i]);
    return is_taken ? NB_OK : nb_error_set(error, NB_ERR_FIT, "out of memory for %zu calibration tokens", data->n_rows);
}

static void release(search *s)
{
    for (size_t i = 0; s->workers && i < nb_pool_size(s->pool); i++)
        free(s->workers[i].k);
    for (size_t i = 0; i < s->n_memory; i++)
        free(s->memory[i]);
}

static void prepare(search *s)
{
    const nb_qfit_data *data = s->data;
    size_t n_keys = (size_t)data->n_kv_heads * data->head_dim;
    for (size_t row = 0; row < data->n_rows; row++)
        for (size_t i = 0; i < n_keys; i++)
            s->mean_behind[i] += (double)data->k[row * n_keys + i];
    for (size_t i = 0; i < n_keys; i++)
        s->mean_behind[i] /= (double)data->n_rows;
    nb_pool_run(s->pool, (uint32_t)(data->n_sequences * data->n_kv_heads), exact_job, s);
}

// The cache's relative error at a point.
static void kv_errors(search *s, size_t point, double *k_error, double *v_error)
{
    nb_kv_error sums[2] = {{.n = 0}, {.n = 0}};
    size_t n = s->data->n_sequences * s->data->n_kv_heads;
    set_point(s, point);
    nb_pool_run(s->pool, (uint32_t)n, kv_job, s);
    for (size_t i = 0; i < n; i++)
        for (int j = 0; j < 2; j++)
            nb_kv_error_join(&sums[j], &s->job_kv[j][i]);
    *k_error = nb_kv_error_relative(&sums[0]);
    *v_error = nb_kv_error_relative(&sums[1]);
}

static nb_status fill_result(search *s, const grid *points, size_t best, nb_qfit_result *result, nb_error *error)
{
    const nb_qfit_data *data = s->data;
    size_t n_keys = (size_t)data->n_kv_heads * data->head_dim;
    double n_values = (double)data->n_rows * data->n_heads * data->head_dim;
    result->alpha = grid_value(best / s->variant->n_grid);
    result->beta = grid_value(best % s->variant->n_grid);
    result->objective = points->sums[best] / n_values;
    result->objective_00 = points->sums[0] / n_values;
    kv_errors(s, 0, &result->k_error_00, &result->v_error);
    kv_errors(s, best, &result->k_error, &result->v_error);
    result->scales = malloc(n_keys / 2 * sizeof(double) + n_keys * sizeof(float));
    if (!result->scales)
        return nb_error_set(error, NB_ERR_FIT, "out of memory");
    result->shift = (float *)(result->scales + n_keys / 2);
    memcpy(result->scales, s->scales, n_keys / 2 * sizeof(double));
    memcpy(result->shift, s->shift, n_keys * sizeof(float));
    return NB_OK;
}

nb_status nb_qfit_search(const nb_qfit_data *data, const nb_qfit_variant *variant, const nb_exec *exec,
                         nb_qfit_progress_fn on_progress, void *user, nb_qfit_result *result, nb_error *error)
{
    NB_ASSERT(variant->n_grid <= GRID_MAX);
    *result = (nb_qfit_result){0};
    search s = {.data = data,
                .variant = variant,
                .cpu = exec->cpu,
                .pool = exec->pool,
                .group = data->n_heads / data->n_kv_heads};
    grid points = {.n_points = (size_t)variant->n_grid * variant->n_grid};
    size_t best = 0;
    nb_status status = take_memory(&s, error);
    if (status == NB_OK) {
        prepare(&s);
        status = walk_grid(&s, &points, on_progress, user, &best, &result->work, error);
    }
    if (status == NB_OK)
        status = fill_result(&s, &points, best, result, error);
    release(&s);
    return status;
}

void nb_qfit_result_release(nb_qfit_result *result)
{
    free(result->scales);
    *result = (nb_qfit_result){0};
}
