// SPDX-License-Identifier: Apache-2.0
// The operands of the products, made of the parameters once per step: rounded to NVFP4 and back by the inference
// encoder where the net is quantised, and transposed for the forward product.
#include <string.h>

#include "apps/qat/net_state.h"
#include "kernels/nvfp4.h"

static nb_net_linear *linear_at(const nb_net *net, uint32_t i)
{
    nb_net_layer *layer = &net->layers[i / 4];
    nb_net_linear *linears[] = {&layer->qkv, &layer->o, &layer->gate_up, &layer->down};
    return linears[i % 4];
}

static void transpose(const nb_net_linear *linear, const float *from)
{
    enum { BLOCK = 16 };
    for (uint32_t r = 0; r < linear->n_rows; r += BLOCK)
        for (uint32_t c = 0; c < linear->n_cols; c++) {
            float *to = linear->transposed + c * linear->transposed_stride;
            for (uint32_t i = r; i < nb_min(r + BLOCK, linear->n_rows); i++)
                to[i] = from[(size_t)i * linear->n_cols + c];
        }
}

static void update_linear(void *context, uint32_t i, uint32_t worker)
{
    const nb_net *net = context;
    const nb_net_linear *linear = linear_at(net, i);
    const float *operand = linear->value;
    if (linear->rounded) {
        float g = nb_nvfp4_global_scale(nb_absmax(linear->value, (size_t)linear->n_rows * linear->n_cols));
        for (uint32_t r = 0; r < linear->n_rows; r++) {
            size_t at = (size_t)r * linear->n_cols;
            nb_net_round_row(net, worker, linear->value + at, linear->n_cols, g, linear->rounded + at);
        }
        operand = linear->rounded;
    }
    transpose(linear, operand);
}

void nb_net_update(nb_net *net)
{
    nb_pool_run(net->options.pool, 4 * net->model.config.n_layers, update_linear, net);
}

float *nb_net_operand(const nb_net *net, const nb_param *param, float *out)
{
    const float *from = param->value;
    for (uint32_t i = 0; i < 4 * net->model.config.n_layers; i++) {
        const nb_net_linear *linear = linear_at(net, i);
        size_t n = (size_t)linear->n_rows * linear->n_cols;
        if (linear->rounded && param->value >= linear->value && param->value < linear->value + n)
            from = linear->rounded + (param->value - linear->value);
    }
    return memcpy(out, from, param->n * sizeof *out);
}
