// SPDX-License-Identifier: Apache-2.0
#include "apps/qat/quantize_encode.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/nvfp4.h"

enum {
    RANGE_CHUNK = 1 << 16, // values of one chunk
    RANGE_PIECE = 512,     // values decoded at a time
    RANGE_CHUNKS_MAX = 4096,
    ROWS_CHUNK = 16,
};

bool nb_quantize_is_float(nb_dtype dtype)
{
    return dtype == NB_DTYPE_F32 || dtype == NB_DTYPE_F16 || dtype == NB_DTYPE_BF16;
}

void nb_quantize_row_decode(nb_dtype dtype, const uint8_t *data, size_t n, float *x)
{
    NB_ASSERT(nb_quantize_is_float(dtype));
    if (dtype == NB_DTYPE_F32) {
        memcpy(x, data, n * sizeof *x);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint16_t half = (uint16_t)(data[2 * i] | data[2 * i + 1] << 8);
        x[i] = dtype == NB_DTYPE_F16 ? nb_f16_decode(half) : nb_bf16_decode(half);
    }
}

// ---- range --------------------------------------------------------------------------------------------------------

typedef struct range_job {
    nb_dtype dtype;
    const uint8_t *data;
    size_t n, chunk_size;
    nb_quantize_range ranges[RANGE_CHUNKS_MAX];
} range_job;

static nb_quantize_range range_of_piece(const float *x, size_t n)
{
    float absmax = nb_absmax(x, n);
    size_t bad_at = 0;
    while (bad_at < n && isfinite(x[bad_at]))
        bad_at++;
    return (nb_quantize_range){absmax, bad_at};
}

static void range_chunk(void *context, uint32_t chunk, uint32_t worker)
{
    (void)worker;
    range_job *job = context;
    size_t begin = chunk * job->chunk_size, end = nb_min(begin + job->chunk_size, job->n);
    size_t element_bytes = job->dtype == NB_DTYPE_F32 ? 4 : 2;
    nb_quantize_range range = {0, job->n};
    for (size_t i = begin; i < end; i += RANGE_PIECE) {
        float x[RANGE_PIECE];
        size_t n = nb_min(RANGE_PIECE, end - i);
        nb_quantize_row_decode(job->dtype, job->data + i * element_bytes, n, x);
        nb_quantize_range piece = range_of_piece(x, n);
        range.absmax = fmaxf(range.absmax, piece.absmax);
        if (piece.bad_at < n && range.bad_at == job->n)
            range.bad_at = i + piece.bad_at;
    }
    job->ranges[chunk] = range;
}

nb_quantize_range nb_quantize_range_of(nb_pool *pool, nb_dtype dtype, const uint8_t *data, size_t n)
{
    range_job job = {.dtype = dtype, .data = data, .n = n};
    job.chunk_size = nb_max(RANGE_CHUNK, nb_div_ceil(n, RANGE_CHUNKS_MAX));
    size_t n_chunks = nb_div_ceil(n, job.chunk_size);
    nb_pool_run(pool, (uint32_t)n_chunks, range_chunk, &job);
    nb_quantize_range range = {0, n};
    for (size_t i = 0; i < n_chunks; i++) {
        range.absmax = fmaxf(range.absmax, job.ranges[i].absmax);
        range.bad_at = nb_min(range.bad_at, job.ranges[i].bad_at);
    }
    return range;
}

// ---- encoding -----------------------------------------------------------------------------------------------------

nb_status nb_quantize_buffer_create(nb_quantize_buffer *buffer, const nb_quant_plan *plan, nb_pool *pool,
                                    nb_error *error)
{
    size_t n_values = 0, n_rows = 0, n_cols = 0;
    for (size_t i = 0; i < plan->n_linears; i++) {
        n_values = nb_max(n_values, plan->linears[i].n_rows * plan->linears[i].n_cols);
        n_rows = nb_max(n_rows, plan->linears[i].n_rows);
        n_cols = nb_max(n_cols, plan->linears[i].n_cols);
    }
    *buffer = (nb_quantize_buffer){
        .codes = malloc(n_values / 2 + 1),
        .scales = malloc(n_values / NB_NVFP4_BLOCK + 1),
        .rows = malloc((nb_pool_size(pool) * 2 * n_cols + 1) * sizeof(float)),
        .errors = malloc((n_rows + 1) * sizeof(double)),
        .norms = malloc((n_rows + 1) * sizeof(double)),
        .n_cols_max = n_cols,
    };
    if (buffer->codes && buffer->scales && buffer->rows && buffer->errors && buffer->norms)
        return NB_OK;
    nb_quantize_buffer_free(buffer);
    return nb_error_set(error, NB_ERR_FIT, "out of memory for a weight of %zu values", n_values);
}

void nb_quantize_buffer_free(nb_quantize_buffer *buffer)
{
    free(buffer->codes);
    free(buffer->scales);
    free(buffer->rows);
    free(buffer->errors);
    free(buffer->norms);
    memset(buffer, 0, sizeof *buffer);
}

typedef struct encode_job {
    nb_quantize_buffer *buffer;
    const nb_quant_linear *linear;
    float g;
} encode_job;

static void encode_row(const encode_job *job, size_t row, float *x, float *decoded)
{
    const nb_quant_linear *linear = job->linear;
    size_t n = linear->n_cols, row_bytes = n * (linear->source->dtype == NB_DTYPE_F32 ? 4 : 2);
    uint8_t *codes = job->buffer->codes + row * (n / 2), *scales = job->buffer->scales + row * (n / NB_NVFP4_BLOCK);
    nb_quantize_row_decode(linear->source->dtype, linear->data + row * row_bytes, n, x);
    nb_nvfp4_encode(x, n, job->g, codes, scales);
    nb_nvfp4_decode(codes, scales, n, job->g, decoded);
    double error = 0, norm = 0;
    for (size_t i = 0; i < n; i++) {
        double difference = (double)x[i] - (double)decoded[i];
        error += difference * difference;
        norm += (double)x[i] * (double)x[i];
    }
    job->buffer->errors[row] = error;
    job->buffer->norms[row] = norm;
}

static void encode_chunk(void *context, uint32_t chunk, uint32_t worker)
{
    const encode_job *job = context;
    float *x = job->buffer->rows + worker * 2 * job->buffer->n_cols_max;
    size_t end = nb_min(((size_t)chunk + 1) * ROWS_CHUNK, job->linear->n_rows);
    for (size_t row = (size_t)chunk * ROWS_CHUNK; row < end; row++)
        encode_row(job, row, x, x + job->buffer->n_cols_max);
}

double nb_quantize_linear(nb_pool *pool, nb_quantize_buffer *buffer, const nb_quant_linear *linear, float g)
{
    encode_job job = {buffer, linear, g};
    nb_pool_run(pool, (uint32_t)nb_div_ceil(linear->n_rows, ROWS_CHUNK), encode_chunk, &job);
    double error = 0, norm = 0;
    for (size_t row = 0; row < linear->n_rows; row++) {
        error += buffer->errors[row];
        norm += buffer->norms[row];
    }
    return norm > 0 ? sqrt(error / norm) : 0;
}
