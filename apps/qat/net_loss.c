// SPDX-License-Identifier: Apache-2.0
// Behind the last residual: final norm, head, cross-entropy and selective entropy minimisation. Only rows whose next
// token is a target are computed, a group of rows of logits at a time; SEM needs the entropies of all of them before
// the first gradient, so it computes the logits twice unless one group holds them.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "apps/qat/net_state.h"

typedef struct loss_job {
    nb_net *net;
    uint32_t begin, end; // of the group, among the scored rows
    bool has_logits;     // of an earlier run over this group
    bool gradients;
} loss_job;

static void score_rows(const loss_job *job, uint32_t begin, uint32_t end, float *logits)
{
    nb_net *net = job->net;
    const nb_config *config = &net->model.config;
    size_t d = config->hidden_size, v = config->vocab_size;
    float *rows = net->final_rows.f32 + begin * d;
    for (uint32_t i = begin; i < end; i++)
        net->exec.cpu->norm(net->residual[config->n_layers] + net->scored_row[i] * d, net->final_norm.value,
                            config->norm_epsilon, config->hidden_size, net->final_rows.f32 + i * d);
    nb_net_operands(net, rows, &net->final_rows, begin, end - begin);
    nb_product_bt(net->options.products, end - begin, v, d, nb_net_operand_at(&net->final_rows, begin, 0),
                  nb_net_operand_at(&net->head, 0, 0), false, (nb_matrix){logits, v});
    for (uint32_t i = begin; i < end; i++) {
        const float *z = logits + (i - begin) * v;
        net->grad.logit_stats(z, config->vocab_size, &net->stats[i]);
        net->nll[i] = net->stats[i].lse - z[net->scored_next[i]];
    }
}

// Logits to their gradients, these to those of the last residual.
static void differentiate_rows(const loss_job *job, uint32_t begin, uint32_t end, float *logits)
{
    nb_net *net = job->net;
    const nb_config *config = &net->model.config;
    size_t d = config->hidden_size, v = config->vocab_size;
    double n_targets = (double)net->loss->n_targets;
    float *partials = net->partials + begin / NB_NET_LOGIT_ROWS * net->n_partials, *d_final = net->d_final + begin * d;
    memset(partials, 0, d * sizeof *partials);
    for (uint32_t i = begin; i < end; i++) {
        double sem = net->loss->kind == NB_LOSS_SEM ? net->loss->lambda * (double)net->weights[i] / n_targets : 0;
        net->grad.logit_gradient(logits + (i - begin) * v, config->vocab_size, &net->stats[i], net->scored_next[i],
                                 (float)(1 / n_targets), (float)sem);
    }
    nb_net_operands(net, logits, &net->logits, begin - job->begin, end - begin);
    nb_product(net->options.products, end - begin, d, v, nb_net_operand_at(&net->logits, begin - job->begin, 0),
               nb_net_operand_at(&net->head, 0, 0), false, (nb_matrix){d_final, d});
    for (uint32_t i = begin; i < end; i++) {
        size_t row = net->scored_row[i] * d;
        net->grad.norm_backward(net->residual[config->n_layers] + row, net->final_norm.value, config->norm_epsilon,
                                net->d_final + i * d, config->hidden_size, net->dx.f32 + row, partials);
    }
}

static void loss_tile(void *context, uint32_t tile, uint32_t worker)
{
    (void)worker;
    const loss_job *job = context;
    uint32_t begin = job->begin + tile * NB_NET_LOGIT_ROWS;
    uint32_t end = (uint32_t)nb_min(begin + NB_NET_LOGIT_ROWS, job->end);
    float *logits = job->net->logits.f32 + (size_t)(begin - job->begin) * job->net->model.config.vocab_size;
    if (!job->has_logits)
        score_rows(job, begin, end, logits);
    if (job->gradients)
        differentiate_rows(job, begin, end, logits);
}

// Rows of the head's gradient: dW += dz^T h over the group.
static void head_job(void *context, uint32_t band, uint32_t worker)
{
    (void)worker;
    const loss_job *job = context;
    nb_net *net = job->net;
    size_t d = net->model.config.hidden_size, v = net->model.config.vocab_size;
    size_t begin = (size_t)band * NB_NET_WEIGHT_ROWS, n = nb_min(NB_NET_WEIGHT_ROWS, v - begin);
    nb_product_at(net->options.products, n, d, job->end - job->begin, nb_net_operand_at(&net->logits, 0, begin),
                  nb_net_operand_at(&net->final_rows, job->begin, 0), true, (nb_matrix){net->head_grad + begin * d, d});
}

// One pass over all scored rows.
static void run_groups(nb_net *net, bool has_logits, bool gradients)
{
    uint32_t v = net->model.config.vocab_size;
    for (uint32_t begin = 0; begin < net->n_scored; begin += net->group_rows) {
        loss_job job = {net, begin, (uint32_t)nb_min(begin + net->group_rows, net->n_scored), has_logits, gradients};
        nb_pool_run(net->options.pool, (uint32_t)nb_div_ceil(job.end - begin, NB_NET_LOGIT_ROWS), loss_tile, &job);
        if (gradients)
            nb_pool_run(net->options.pool, (uint32_t)nb_div_ceil(v, NB_NET_WEIGHT_ROWS), head_job, &job);
    }
    uint32_t n_tiles = gradients ? (uint32_t)nb_div_ceil(net->n_scored, NB_NET_LOGIT_ROWS) : 0;
    for (uint32_t tile = 0; tile < n_tiles; tile++)
        net->grad.add(net->final_norm.grad, net->partials + tile * net->n_partials, net->model.config.hidden_size);
}

// ---- sums ---------------------------------------------------------------------------------------------------------

static int compare(const void *left, const void *right)
{
    float a = *(const float *)left, b = *(const float *)right;
    return (a > b) - (a < b);
}

// tau, H_min and w_t of the micro-batch (docs/REQAT.md).
static void weigh(nb_net *net, nb_net_sums *sums)
{
    uint32_t n = net->n_scored;
    if (n == 0)
        return;
    for (uint32_t i = 0; i < n; i++)
        net->sorted[i] = net->stats[i].entropy;
    qsort(net->sorted, n, sizeof *net->sorted, compare);
    double k = floor(net->loss->entropy_threshold * (double)n);
    sums->tau = (double)net->sorted[(uint32_t)nb_min((size_t)(k > 1 ? k : 1), n) - 1];
    sums->h_min = (double)net->sorted[0];
    for (uint32_t i = 0; i < n; i++) {
        double h = (double)net->stats[i].entropy;
        double w = 1 - (h - sums->h_min) / (sums->tau - sums->h_min + 1e-12);
        net->weights[i] = w > 0 ? (float)w : 0.0f;
        sums->sem += (double)net->weights[i] * h;
    }
}

static void add_up(const nb_net *net, nb_net_sums *sums)
{
    sums->n_targets = net->n_scored;
    for (uint32_t i = 0; i < net->n_scored; i++) {
        sums->ce += (double)net->nll[i];
        sums->entropy += (double)net->stats[i].entropy;
        sums->n_correct += net->stats[i].best == net->scored_next[i];
    }
}

void nb_net_loss_run(nb_net *net, bool backward, nb_net_sums *sums)
{
    bool is_sem = net->loss->kind == NB_LOSS_SEM, is_one_group = net->n_scored <= net->group_rows;
    *sums = (nb_net_sums){0};
    if (backward)
        memset(net->dx.f32, 0, (size_t)net->n_rows * net->model.config.hidden_size * sizeof *net->dx.f32);
    run_groups(net, false, backward && !is_sem);
    weigh(net, sums);
    if (backward && is_sem)
        run_groups(net, is_one_group, true);
    add_up(net, sums);
}
