// SPDX-License-Identifier: Apache-2.0
// The CPU backend: cuts every operation into chunks and has the pool's workers claim them. Where a chunk begins changes
// no result. Work too small to share runs on the caller alone.
#include "kernels/cpu/cpu_kernels.h"
#include "kernels/floats.h"

// Below this many multiply-adds a hand-over to another core costs more than it saves (about 10 us of scalar work, 1 us
// of vector work).
enum { SMALL_WORK = 32768 };

// ---- rows: embed, norm, quantize, append, swiglu --------------------------------------------------------------------

static void run_rows(nb_exec *exec, uint32_t n_rows, size_t work_per_row, nb_job_fn job, void *context)
{
    if (n_rows * work_per_row < SMALL_WORK)
        for (uint32_t row = 0; row < n_rows; row++)
            job(context, row, 0);
    else
        nb_pool_run(exec->pool, n_rows, job, context);
}

static void embed(nb_exec *exec, const nb_embed_args *args)
{
    (void)exec;
    const nb_weight *table = args->table;
    for (uint32_t t = 0; t < args->n_rows; t++)
        for (uint32_t d = 0; d < table->n_cols; d++) {
            size_t i = (size_t)args->ids[t] * table->n_cols + d;
            uint16_t half;
            float *x = args->x + (size_t)t * table->n_cols + d;
            if (table->format == NB_FORMAT_F32) {
                memcpy(x, table->data + 4 * i, 4);
            } else {
                memcpy(&half, table->data + 2 * i, 2);
                *x = table->format == NB_FORMAT_BF16 ? nb_bf16_decode(half) : nb_f16_decode(half);
            }
        }
}

typedef struct row_job {
    nb_exec *exec;
    const void *args;
} row_job;

static void norm_row(void *context, uint32_t row, uint32_t worker)
{
    (void)worker;
    const row_job *job = context;
    const nb_norm_args *args = job->args;
    size_t at = (size_t)row * args->n_cols;
    job->exec->cpu->norm(args->x + at, args->weight, args->epsilon, args->n_cols, args->y + at);
}

static void norm(nb_exec *exec, const nb_norm_args *args)
{
    run_rows(exec, args->n_rows, args->n_cols, norm_row, &(row_job){exec, args});
}

static void quantize_row(void *context, uint32_t row, uint32_t worker)
{
    (void)worker;
    const row_job *job = context;
    const nb_quantize_args *args = job->args;
    job->exec->cpu->pack(args->act, row, args->static_scale);
}

static void quantize(nb_exec *exec, const nb_quantize_args *args)
{
    args->act->is_packed = true;
    run_rows(exec, args->act->n_rows, args->act->n_cols, quantize_row, &(row_job){exec, args});
}

static void swiglu_row(void *context, uint32_t row, uint32_t worker)
{
    (void)worker;
    const row_job *job = context;
    const nb_swiglu_args *args = job->args;
    size_t at = (size_t)row * args->n_cols;
    job->exec->cpu->swiglu(args->gate + at, args->up + at, args->n_cols, args->out + at);
}

static void swiglu(nb_exec *exec, const nb_swiglu_args *args)
{
    run_rows(exec, args->n_rows, args->n_cols, swiglu_row, &(row_job){exec, args});
}

static void append_row(void *context, uint32_t row, uint32_t worker)
{
    (void)worker;
    const row_job *job = context;
    const nb_append_args *args = job->args;
    const nb_cpu_kernels *cpu = job->exec->cpu;
    const nb_attention_layer *layer = args->layer;
    const nb_ring *ring = args->rows->rings[row];
    bool scaled = ring->format == NB_KV_FORMAT_E2M1; // the declared g is for E2M1 caches; every other has g = 1
    uint32_t e = layer->head_dim, slot = nb_ring_slot(ring, args->rows->positions[row]);
    const float *cosines = args->rows->cosines + (size_t)row * (e / 2);
    const float *sines = args->rows->sines + (size_t)row * (e / 2);
    for (uint32_t h = 0; h < layer->n_heads; h++) {
        float *q = args->q + ((size_t)row * layer->n_heads + h) * e;
        if (layer->q_norm)
            cpu->norm(q, layer->q_norm, layer->epsilon, e, q);
        cpu->rope(q, cosines, sines, e);
    }
    for (uint32_t g = 0; g < layer->n_kv_heads; g++) {
        size_t at = ((size_t)row * layer->n_kv_heads + g) * e;
        if (layer->k_norm)
            cpu->norm(args->k + at, layer->k_norm, layer->epsilon, e, args->k + at);
        cpu->rope(args->k + at, cosines, sines, e);
        cpu->store_k(ring->format, args->k + at, layer->k_shift ? layer->k_shift + (size_t)g * e : NULL,
                     scaled ? layer->k_scale : 1.0f, e, slot, nb_ring_k(ring, layer->layer, g));
        cpu->store_v(ring->format, args->v + at, scaled ? layer->v_scale : 1.0f, e, slot,
                     nb_ring_v(ring, layer->layer, g));
    }
}

static void append(nb_exec *exec, const nb_append_args *args)
{
    size_t work = (size_t)(args->layer->n_heads + 8 * args->layer->n_kv_heads) * args->layer->head_dim;
    run_rows(exec, args->rows->n_rows, work, append_row, &(row_job){exec, args});
}

// ---- products -----------------------------------------------------------------------------------------------------

typedef struct linear_job {
    nb_exec *exec;
    const nb_linear_args *args;
    uint32_t chunk_rows;
} linear_job;

static void linear_chunk(void *context, uint32_t chunk, uint32_t worker)
{
    (void)worker;
    const linear_job *job = context;
    const nb_linear_args *args = job->args;
    uint32_t i = 0;
    for (uint32_t n; chunk >= (n = (uint32_t)nb_div_ceil(args->weights[i]->n_rows, job->chunk_rows)); i++)
        chunk -= n;
    const nb_weight *weight = args->weights[i];
    nb_linear_chunk work = {.weight = weight,
                            .act = args->act,
                            .row_begin = chunk * job->chunk_rows,
                            .row_end = (uint32_t)nb_min((chunk + 1) * (size_t)job->chunk_rows, weight->n_rows),
                            .y = args->y[i],
                            .y_stride = weight->n_rows,
                            .add = args->add};
    if (weight->format == NB_FORMAT_NVFP4 && args->act->is_packed)
        job->exec->cpu->linear_nvfp4(&work);
    else
        job->exec->cpu->linear_float(&work);
}

static void linear(nb_exec *exec, const nb_linear_args *args)
{
    size_t n_rows = 0, n_chunks = 0;
    for (uint32_t i = 0; i < args->n_weights; i++)
        n_rows += args->weights[i]->n_rows;
    // About eight chunks a thread keep unequal cores busy to the end; a multiple of 16 rows suits the blocked kernels.
    size_t chunk_rows = nb_align_up(n_rows / (8 * nb_pool_size(exec->pool)) + 1, 16);
    chunk_rows = nb_max(16, nb_min(chunk_rows, 128));
    if (n_rows * args->act->n_cols * args->act->n_rows < SMALL_WORK)
        chunk_rows = n_rows;
    linear_job job = {exec, args, (uint32_t)chunk_rows};
    for (uint32_t i = 0; i < args->n_weights; i++)
        n_chunks += nb_div_ceil(args->weights[i]->n_rows, chunk_rows);
    if (chunk_rows == n_rows)
        for (uint32_t chunk = 0; chunk < n_chunks; chunk++)
            linear_chunk(&job, chunk, 0);
    else
        nb_pool_run(exec->pool, (uint32_t)n_chunks, linear_chunk, &job);
}

// ---- attention ----------------------------------------------------------------------------------------------------

// Consecutive rows of one ring, whose queries share each K and V tile.
typedef struct attention_run {
    uint32_t row_begin, n_rows; // rows of the pass
    uint32_t n_slots;           // slots in use: the end of the last view, rounded up to a tile
    uint32_t n_segments, n_blocks, n_jobs;
} attention_run;

typedef struct attention_job {
    nb_exec *exec;
    const nb_attention_args *args;
    uint32_t row_begin, n_rows; // the rows held in partials
    attention_run runs[NB_ATTENTION_ROWS];
    uint32_t n_runs;
    nb_kv_view views[NB_ATTENTION_ROWS];
    uint32_t segments_max;
} attention_job;

static float *partial_at(const attention_job *job, uint32_t row, uint32_t head, uint32_t segment)
{
    const nb_attention_layer *layer = job->args->layer;
    size_t index = ((size_t)(row - job->row_begin) * layer->n_heads + head) * job->segments_max + segment;
    return job->args->partials + index * (layer->head_dim + 2);
}

static void attend_chunk(void *context, uint32_t chunk, uint32_t worker)
{
    (void)worker;
    const attention_job *job = context;
    const nb_attention_layer *layer = job->args->layer;
    const attention_run *run = job->runs;
    for (; chunk >= run->n_jobs; run++)
        chunk -= run->n_jobs;
    uint32_t segment = chunk % run->n_segments, block = chunk / run->n_segments % run->n_blocks;
    uint32_t kv_head = chunk / run->n_segments / run->n_blocks, group = layer->n_heads / layer->n_kv_heads;
    const nb_ring *ring = job->args->rows->rings[run->row_begin];
    nb_attend_chunk work = {
        .format = ring->format,
        .head_dim = layer->head_dim,
        .k = nb_ring_k(ring, layer->layer, kv_head),
        .v = nb_ring_v(ring, layer->layer, kv_head),
        .slot_begin = segment * NB_KV_SEGMENT,
        .slot_end = (uint32_t)nb_min((segment + 1) * NB_KV_SEGMENT, run->n_slots),
        .qk_scale = (1.0f / __builtin_sqrtf((float)layer->head_dim)) *
                    (ring->format == NB_KV_FORMAT_E2M1 ? layer->k_scale : 1.0f),
    };
    for (uint32_t i = block * NB_ATTEND_QUERIES; i < run->n_rows * group && work.n_queries < NB_ATTEND_QUERIES; i++) {
        uint32_t row = run->row_begin + i / group, head = kv_head * group + i % group;
        work.q[work.n_queries] = job->args->q + ((size_t)row * layer->n_heads + head) * layer->head_dim;
        work.views[work.n_queries] = &job->views[row - job->row_begin];
        work.partials[work.n_queries++] = partial_at(job, row, head, segment);
    }
    job->exec->cpu->attend(&work);
}

static void combine_row(void *context, uint32_t row, uint32_t worker)
{
    (void)worker;
    const attention_job *job = context;
    const nb_attention_layer *layer = job->args->layer;
    const attention_run *run = job->runs;
    row += job->row_begin;
    while (row >= run->row_begin + run->n_rows)
        run++;
    float v_scale = job->args->rows->rings[row]->format == NB_KV_FORMAT_E2M1 ? layer->v_scale : 1.0f;
    for (uint32_t h = 0; h < layer->n_heads; h++)
        job->exec->cpu->combine(partial_at(job, row, h, 0), run->n_segments, layer->head_dim, v_scale,
                                job->args->out + ((size_t)row * layer->n_heads + h) * layer->head_dim);
}

// Splits the job's rows into runs of one ring.
static uint32_t find_runs(attention_job *job)
{
    const nb_rows *rows = job->args->rows;
    const nb_attention_layer *layer = job->args->layer;
    uint32_t n_jobs = 0;
    job->n_runs = 0;
    for (uint32_t i = 0; i < job->n_rows; i++) {
        uint32_t row = job->row_begin + i;
        nb_kv_view view = job->views[i] = nb_ring_view(rows->rings[row], rows->positions[row]);
        if (i == 0 || rows->rings[row] != rows->rings[row - 1])
            job->runs[job->n_runs++] = (attention_run){.row_begin = row};
        attention_run *run = &job->runs[job->n_runs - 1];
        run->n_rows++;
        for (int r = 0; r < 3; r++)
            run->n_slots = (uint32_t)nb_max(run->n_slots, nb_align_up(view.end[r], NB_KV_TILE));
    }
    for (uint32_t r = 0; r < job->n_runs; r++) {
        attention_run *run = &job->runs[r];
        run->n_segments = (uint32_t)nb_div_ceil(run->n_slots, NB_KV_SEGMENT);
        run->n_blocks = (uint32_t)nb_div_ceil(run->n_rows * (layer->n_heads / layer->n_kv_heads), NB_ATTEND_QUERIES);
        run->n_jobs = layer->n_kv_heads * run->n_blocks * run->n_segments;
        n_jobs += run->n_jobs;
    }
    return n_jobs;
}

static void attention(nb_exec *exec, const nb_attention_args *args)
{
    attention_job job = {
        .exec = exec, .args = args, .segments_max = (uint32_t)nb_div_ceil(args->n_slots_max, NB_KV_SEGMENT)};
    size_t row_floats = (size_t)args->layer->n_heads * args->layer->head_dim;
    for (uint32_t row = 0; row < args->rows->n_rows; row += job.n_rows) {
        job.row_begin = row;
        job.n_rows = (uint32_t)nb_min(args->rows->n_rows - row, NB_ATTENTION_ROWS);
        uint32_t n_jobs = find_runs(&job);
        size_t n_slots = 0;
        for (uint32_t r = 0; r < job.n_runs; r++)
            n_slots += job.runs[r].n_slots * job.runs[r].n_rows;
        run_rows(exec, n_jobs, 2 * n_slots * row_floats / n_jobs, attend_chunk, &job);
        run_rows(exec, job.n_rows, row_floats * nb_div_ceil(n_slots, NB_KV_SEGMENT), combine_row, &job);
    }
}

void nb_ops_cpu(nb_ops *ops)
{
    *ops = (nb_ops){.embed = embed,
                    .norm = norm,
                    .quantize = quantize,
                    .linear = linear,
                    .append = append,
                    .attention = attention,
                    .swiglu = swiglu};
}
