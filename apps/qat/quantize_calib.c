// SPDX-License-Identifier: Apache-2.0
#include "apps/qat/quantize_calib.h"

#include <stdlib.h>

#include "apps/common/ids_file.h"
#include "kernels/nvfp4.h"
#include "runtime/plan.h"

enum { CHUNK_ROWS = 128, MAX_IDS_BYTES = 1 << 30 };

typedef struct calibration {
    nb_quantize_run *run;
    nb_rope_table rope;
    nb_ops ops;
    nb_exec exec;
    nb_session_shape shape;
    nb_session_buffers buffers;
} calibration;

// Collects the maximum of each group's input in the place of its scale.
static void see(void *user, nb_stage stage, uint32_t layer, const float *values, uint32_t n_rows, uint32_t n_cols)
{
    static const int groups[] = {
        [NB_STAGE_ATTN_IN] = NB_QUANT_QKV,
        [NB_STAGE_ATTN_OUT] = NB_QUANT_O,
        [NB_STAGE_MLP_IN] = NB_QUANT_GATE_UP,
        [NB_STAGE_MLP_ACT] = NB_QUANT_DOWN,
    };
    if (stage != NB_STAGE_ATTN_IN && stage != NB_STAGE_ATTN_OUT && stage != NB_STAGE_MLP_IN &&
        stage != NB_STAGE_MLP_ACT)
        return;
    float *absmax = &((float *)user)[layer * NB_QUANT_GROUPS + (size_t)groups[stage]];
    float seen = nb_absmax(values, (size_t)n_rows * n_cols);
    *absmax = seen > *absmax ? seen : *absmax;
}

// One sequence through the full-precision model, cache in f32.
static nb_status run_sequence(calibration *c, const int32_t *ids, size_t n_ids)
{
    nb_quantize_run *run = c->run;
    const nb_machinery machinery = {.model = &run->plan->model, .ops = &c->ops, .exec = &c->exec, .rope = &c->rope};
    const nb_observer observer = {see, run->plan->input_scales};
    nb_scratch *scratch = &c->buffers.scratch;
    for (size_t i = 0; i < n_ids; i += CHUNK_ROWS) {
        uint32_t n_rows = (uint32_t)nb_min(CHUNK_ROWS, n_ids - i);
        for (uint32_t row = 0; row < n_rows; row++) {
            scratch->ids[row] = ids[i + row];
            scratch->positions[row] = (uint32_t)(i + row);
            scratch->rings[row] = &c->buffers.ring;
        }
        nb_forward(&machinery, scratch, n_rows, &observer);
        if (run->on_progress && !run->on_progress(run->progress_user, run->done_bytes, 2 * run->plan->source_bytes))
            return nb_error_set(run->error, NB_ERR_STOPPED, "interrupted");
    }
    return NB_OK;
}

static nb_status check_ids(const nb_quantize_run *run, const nb_ids_file *file, const char *path, uint32_t *n_longest)
{
    const nb_config *config = &run->plan->model.config;
    *n_longest = 0;
    for (size_t i = 0; i < file->n_ids; i++)
        if ((uint32_t)file->ids[i] >= config->vocab_size)
            return nb_error_set(run->error, NB_ERR_INPUT, "%s: expected ids below %u, found %d", path,
                                config->vocab_size, file->ids[i]);
    for (size_t i = 0; i < file->n_sequences; i++) {
        size_t n = nb_ids_count(file, i);
        if (n > config->max_positions)
            return nb_error_set(run->error, NB_ERR_INPUT, "%s: sequence %zu: expected at most %u ids, found %zu", path,
                                i + 1, config->max_positions, n);
        *n_longest = (uint32_t)nb_max(*n_longest, n);
    }
    return *n_longest > 0 ? NB_OK : nb_error_set(run->error, NB_ERR_INPUT, "%s: expected token ids, found none", path);
}

static nb_status run_all(calibration *c, const nb_ids_file *file, const char *path)
{
    nb_quantize_run *run = c->run;
    const nb_config *config = &run->plan->model.config;
    uint32_t n_longest;
    NB_TRY(check_ids(run, file, path, &n_longest));
    NB_TRY(nb_ops_select(&c->ops, &c->exec, NULL, run->error));
    nb_rope_table_init(&c->rope, &config->rope, config->head_dim);
    c->shape = (nb_session_shape){.n_ctx = n_longest,
                                  .n_chunk = CHUNK_ROWS,
                                  .n_logit_rows = 1,
                                  .max_positions = n_longest,
                                  .kv = NB_KV_FORMAT_F32};
    nb_plan_count(&c->buffers, config, &c->shape);
    NB_TRY(nb_plan_place(&c->buffers, config, &c->shape, run->error));
    nb_status status = NB_OK;
    for (size_t i = 0; i < file->n_sequences && status == NB_OK; i++)
        status = run_sequence(c, nb_ids_of(file, i), nb_ids_count(file, i));
    nb_plan_release(&c->buffers);
    return status;
}

static nb_status measure(nb_quantize_run *run, const char *path)
{
    char *text;
    size_t bytes;
    nb_ids_file file = {0};
    NB_TRY(nb_file_read(path, MAX_IDS_BYTES, &text, &bytes, run->error));
    nb_error detail = {0};
    bool is_read = nb_ids_parse(&file, text, bytes, &detail);
    free(text);
    if (!is_read)
        return nb_error_set(run->error, NB_ERR_INPUT, "%s: %s", path, detail.text);
    calibration c = {.run = run, .exec = {.pool = run->pool}};
    nb_status status = run_all(&c, &file, path);
    nb_ids_release(&file);
    return status;
}

nb_status nb_quantize_calibrate(nb_quantize_run *run, const char *ids_path)
{
    nb_quant_plan *plan = run->plan;
    if (ids_path)
        NB_TRY(measure(run, ids_path));
    for (size_t i = 0; i < plan->n_groups; i++) {
        plan->input_scales[i] = nb_nvfp4_global_scale(plan->input_scales[i]);
        if (!(plan->input_scales[i] > 0))
            plan->input_scales[i] = NB_QUANTIZE_ASSUMED_SCALE;
    }
    return NB_OK;
}
