// SPDX-License-Identifier: Apache-2.0
// The calls of a trainer: check a batch, step, evaluate.
#include "apps/qat/net_state.h"

static nb_status check_sizes(const nb_net *net, const nb_batch *batch, nb_error *error)
{
    if (batch->n_rows == 0 || batch->n_documents == 0)
        return nb_error_set(error, NB_ERR_INPUT, "batch: expected at least one document with a token, found none");
    if (batch->n_rows > net->options.n_rows_max)
        return nb_error_set(error, NB_ERR_FIT, "batch: expected at most %u tokens, found %u", net->options.n_rows_max,
                            batch->n_rows);
    uint32_t end = 0;
    for (uint32_t d = 0; d < batch->n_documents; d++) {
        if (batch->starts[d] != end || batch->starts[d + 1] <= end || batch->starts[d + 1] > batch->n_rows)
            return nb_error_set(error, NB_ERR_INPUT,
                                "batch: document %u: expected it to begin at token %u and end by "
                                "%u, found %u to %u",
                                d, end, batch->n_rows, batch->starts[d], batch->starts[d + 1]);
        end = batch->starts[d + 1];
        if (!batch->positions && end - batch->starts[d] > net->model.config.max_positions)
            return nb_error_set(error, NB_ERR_INPUT, "batch: document %u: expected at most %u tokens, found %u", d,
                                net->model.config.max_positions, end - batch->starts[d]);
    }
    if (end != batch->n_rows)
        return nb_error_set(error, NB_ERR_INPUT, "batch: expected documents up to token %u, found the last end at %u",
                            batch->n_rows, end);
    return NB_OK;
}

nb_status nb_net_check(const nb_net *net, const nb_batch *batch, nb_error *error)
{
    NB_TRY(check_sizes(net, batch, error));
    for (uint32_t t = 0; t < batch->n_rows; t++) {
        if ((uint32_t)batch->ids[t] >= net->model.config.vocab_size)
            return nb_error_set(error, NB_ERR_INPUT, "batch: token %u: expected an id below %u, found %d", t,
                                net->model.config.vocab_size, batch->ids[t]);
        if (batch->positions && batch->positions[t] >= net->model.config.max_positions)
            return nb_error_set(error, NB_ERR_INPUT, "batch: token %u: expected a position below %u, found %u", t,
                                net->model.config.max_positions, batch->positions[t]);
    }
    return NB_OK;
}

void nb_net_step(nb_net *net, const nb_batch *batch, const nb_net_loss *loss, nb_net_sums *sums)
{
    NB_ASSERT(!net->options.forward_only && loss->n_targets > 0 && batch->n_rows <= net->options.n_rows_max);
    nb_net_begin(net, batch, loss);
    *sums = (nb_net_sums){0};
    if (net->n_scored == 0)
        return;
    nb_net_forward(net);
    nb_net_loss_run(net, true, sums);
    nb_net_backward(net);
}

void nb_net_evaluate(nb_net *net, const nb_batch *batch, const nb_net_loss *loss, nb_net_sums *sums,
                     const nb_net_outputs *outputs)
{
    NB_ASSERT(batch->n_rows <= net->options.n_rows_max);
    nb_net_begin(net, batch, loss);
    *sums = (nb_net_sums){0};
    if (net->n_scored == 0)
        return;
    nb_net_forward(net);
    nb_net_loss_run(net, false, sums);
    for (uint32_t i = 0; outputs && i < net->n_scored; i++) {
        uint32_t row = net->scored_row[i];
        if (outputs->nll)
            outputs->nll[row] = net->nll[i];
        if (outputs->entropy)
            outputs->entropy[row] = net->stats[i].entropy;
        if (outputs->best)
            outputs->best[row] = (int32_t)net->stats[i].best;
    }
}
