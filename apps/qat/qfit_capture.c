// SPDX-License-Identifier: Apache-2.0
// One layer at a time over all tokens, so that only one layer's Q, K and V are held: the forward pass of inference runs
// a model of a single layer whose "embedding table" is the residual stream that the layers before left.
#include <stdlib.h>
#include <string.h>

#include "apps/qat/qfit.h"
#include "kernels/cpu/cpu_kernels.h"

enum { CHUNK_ROWS = 128 };

static void observe_keys(nb_qfit_capture *c, const float *x, uint32_t n_rows, uint32_t n_cols)
{
    const nb_layer *layer = c->view.layers;
    uint32_t width = c->data.n_kv_heads * c->data.head_dim, e = c->data.head_dim;
    const nb_act act = {.n_rows = n_rows, .n_cols = n_cols, .x = (float *)x};
    c->ops.linear(&c->exec, &(nb_linear_args){.act = &act, .weights = {&layer->k}, .y = {c->raw}, .n_weights = 1});
    for (uint32_t t = 0; t < n_rows; t++) {
        float *k = c->raw + (size_t)t * width;
        for (uint32_t g = 0; layer->k_norm && g < c->data.n_kv_heads; g++)
            c->exec.cpu->norm(k + g * e, layer->k_norm, c->view.config.norm_epsilon, e, k + g * e);
        for (uint32_t i = 0; i < width; i++) {
            float magnitude = __builtin_fabsf(k[i]);
            c->data.k_absmax[i] = magnitude > c->data.k_absmax[i] ? magnitude : c->data.k_absmax[i];
            c->data.k_mean_before[i] += (double)k[i];
        }
    }
}

static void see(void *user, nb_stage stage, uint32_t layer, const float *values, uint32_t n_rows, uint32_t n_cols)
{
    (void)layer;
    nb_qfit_capture *c = user;
    size_t n = (size_t)n_rows * n_cols, at = c->row * n_cols;
    if (stage == NB_STAGE_ATTN_IN)
        observe_keys(c, values, n_rows, n_cols);
    else if (stage == NB_STAGE_Q)
        memcpy(c->data.q + at, values, n * sizeof *values);
    else if (stage == NB_STAGE_K)
        memcpy(c->data.k + at, values, n * sizeof *values);
    else if (stage == NB_STAGE_V)
        memcpy(c->data.v + at, values, n * sizeof *values);
}

// ---- memory -------------------------------------------------------------------------------------------------------

static nb_status take_memory(nb_qfit_capture *c, size_t n_longest, nb_error *error)
{
    const nb_config *config = &c->view.config;
    nb_qfit_data *data = &c->data;
    size_t q_width = (size_t)data->n_heads * data->head_dim, k_width = (size_t)data->n_kv_heads * data->head_dim;
    // The search adds the exact output, as large as q, and the packed V.
    size_t row_floats = config->hidden_size + 2 * q_width + 3 * k_width, bytes;
    nb_machine machine;
    nb_machine_probe(&machine);
    if (__builtin_mul_overflow(data->n_rows, row_floats * sizeof(float), &bytes) ||
        (machine.memory_available && bytes > machine.memory_available / 10 * 9))
        return nb_error_set(error, NB_ERR_FIT,
                            "%zu calibration tokens do not fit memory; expected at most %llu MiB, found %llu MiB; try "
                            "a smaller --limit",
                            data->n_rows, (unsigned long long)(machine.memory_available >> 20),
                            (unsigned long long)(bytes >> 20));
    c->x = malloc(data->n_rows * config->hidden_size * sizeof(float));
    data->q = malloc(data->n_rows * q_width * sizeof(float));
    data->k = malloc(data->n_rows * k_width * sizeof(float));
    data->v = malloc(data->n_rows * k_width * sizeof(float));
    c->raw = malloc(CHUNK_ROWS * k_width * sizeof(float));
    data->k_absmax = malloc(k_width * sizeof(float));
    data->k_mean_before = malloc(k_width * sizeof(double));
    if (!c->x || !data->q || !data->k || !data->v || !c->raw || !data->k_absmax || !data->k_mean_before)
        return nb_error_set(error, NB_ERR_FIT, "out of memory for %zu calibration tokens; try a smaller --limit",
                            data->n_rows);
    const nb_session_shape shape = {.n_ctx = (uint32_t)n_longest,
                                    .n_chunk = CHUNK_ROWS,
                                    .n_logit_rows = 1,
                                    .max_positions = (uint32_t)n_longest,
                                    .kv = NB_KV_FORMAT_F32};
    nb_plan_count(&c->buffers, config, &shape);
    return nb_plan_place(&c->buffers, config, &shape, error);
}

static nb_status open_capture(nb_qfit_capture *c, const nb_model *model, const int32_t *ids, nb_error *error)
{
    nb_qfit_data *data = &c->data;
    size_t n_longest = 0;
    for (size_t i = 0; i < data->n_sequences; i++)
        n_longest = nb_max(n_longest, data->starts[i + 1] - data->starts[i]);
    NB_TRY(nb_ops_select(&c->ops, &c->exec, NULL, error));
    NB_TRY(take_memory(c, n_longest, error));
    nb_rope_table_init(&c->rope, &model->config.rope, model->config.head_dim);
    c->ops.embed(&c->exec, &(nb_embed_args){&model->embedding, ids, (uint32_t)data->n_rows, c->x});
    c->view.embedding = (nb_weight){.format = NB_FORMAT_F32,
                                    .n_rows = (uint32_t)data->n_rows,
                                    .n_cols = model->config.hidden_size,
                                    .data = (const uint8_t *)c->x,
                                    .global_scale = 1};
    c->machinery = (nb_machinery){.model = &c->view, .ops = &c->ops, .exec = &c->exec, .rope = &c->rope};
    return NB_OK;
}

nb_status nb_qfit_capture_open(nb_qfit_capture *c, const nb_model *model, nb_pool *pool, const int32_t *ids,
                               const size_t *starts, size_t n_sequences, nb_error *error)
{
    NB_ASSERT(starts[n_sequences] <= INT32_MAX);
    *c = (nb_qfit_capture){.view = *model, .exec = {.pool = pool}};
    c->view.config.n_layers = 1;
    c->data = (nb_qfit_data){.n_heads = model->config.n_heads,
                             .n_kv_heads = model->config.n_kv_heads,
                             .head_dim = model->config.head_dim,
                             .is_shared = model->layers[0].k_norm != NULL,
                             .n_rows = starts[n_sequences],
                             .n_sequences = n_sequences,
                             .starts = starts};
    nb_status status = open_capture(c, model, ids, error);
    if (status != NB_OK)
        nb_qfit_capture_close(c);
    return status;
}

void nb_qfit_capture_close(nb_qfit_capture *c)
{
    nb_plan_release(&c->buffers);
    free(c->x);
    free(c->raw);
    free(c->data.q);
    free(c->data.k);
    free(c->data.v);
    free(c->data.k_absmax);
    free(c->data.k_mean_before);
    memset(c, 0, sizeof *c);
}

// ---- a layer ------------------------------------------------------------------------------------------------------

// Rows c->row .. of one sequence; position: of the first.
static void run_rows(nb_qfit_capture *c, size_t position, uint32_t n_rows)
{
    nb_scratch *scratch = &c->buffers.scratch;
    const nb_observer observer = {see, c};
    size_t width = c->view.config.hidden_size;
    for (uint32_t row = 0; row < n_rows; row++) {
        scratch->ids[row] = (int32_t)(c->row + row);
        scratch->positions[row] = (uint32_t)(position + row);
        scratch->rings[row] = &c->buffers.ring;
    }
    nb_forward(&c->machinery, scratch, n_rows, &observer);
    memcpy(c->x + c->row * width, scratch->x, n_rows * width * sizeof *c->x);
}

nb_status nb_qfit_capture_layer(nb_qfit_capture *c, const nb_model *model, uint32_t i, nb_qfit_progress_fn on_progress,
                                void *user, nb_error *error)
{
    const nb_qfit_data *data = &c->data;
    size_t k_width = (size_t)data->n_kv_heads * data->head_dim;
    nb_layer layer = model->layers[i];
    layer.k_shift = NULL; // an old shift changes no score, and a new one replaces it
    c->view.layers = &layer;
    memset(data->k_absmax, 0, k_width * sizeof *data->k_absmax);
    memset(data->k_mean_before, 0, k_width * sizeof *data->k_mean_before);
    for (size_t s = 0; s < data->n_sequences; s++)
        for (size_t begin = data->starts[s]; begin < data->starts[s + 1]; begin += CHUNK_ROWS) {
            c->row = begin;
            run_rows(c, begin - data->starts[s], (uint32_t)nb_min(CHUNK_ROWS, data->starts[s + 1] - begin));
            if (!on_progress(user, (double)begin / (double)data->n_rows))
                return nb_error_set(error, NB_ERR_STOPPED, "interrupted");
        }
    c->view.layers = NULL;
    for (size_t j = 0; j < k_width; j++)
        data->k_mean_before[j] /= (double)data->n_rows;
    return NB_OK;
}
