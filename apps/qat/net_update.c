// SPDX-License-Identifier: Apache-2.0
// The operands of the products, made of the parameters once per step: rounded to NVFP4 and back by the inference
// encoder where the net is quantised, and transposed for the forward product or rounded to bf16.
#include <string.h>

#include "apps/qat/net_state.h"
#include "kernels/floats.h"
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

// The one g of the linears that share an input.
static float scale_of(const nb_net_linear *linear)
{
    return nb_nvfp4_global_scale(nb_absmax(linear->value, (size_t)linear->n_rows * linear->n_cols));
}

// Row by row, on the way rounded to NVFP4 as code times block scale, which bf16 holds exactly.
static void update_bf16(const nb_net *net, uint32_t worker, nb_net_linear *linear)
{
    float g = nb_net_rounds(net) ? scale_of(linear) : 0, *spare = net->workers[worker].spare;
    linear->factor = 1;
    for (size_t r = 0; r < linear->n_rows; r++) {
        const float *row = linear->value + r * linear->n_cols;
        if (nb_net_rounds(net)) {
            nb_net_round_row(net, worker, row, linear->n_cols, g, &linear->factor, spare);
            row = spare;
        }
        net->grad.to_bf16(row, linear->n_cols, linear->bf16 + r * linear->n_cols);
    }
}

static void update_linear(void *context, uint32_t i, uint32_t worker)
{
    const nb_net *net = context;
    nb_net_linear *linear = linear_at(net, i);
    if (linear->bf16) {
        update_bf16(net, worker, linear);
        return;
    }
    const float *operand = linear->value;
    if (linear->rounded) {
        float g = scale_of(linear);
        for (uint32_t r = 0; r < linear->n_rows; r++) {
            size_t at = (size_t)r * linear->n_cols;
            nb_net_round_row(net, worker, linear->value + at, linear->n_cols, g, NULL, linear->rounded + at);
        }
        operand = linear->rounded;
    }
    transpose(linear, operand);
}

static void update_head(void *context, uint32_t band, uint32_t worker)
{
    (void)worker;
    const nb_net *net = context;
    size_t begin = (size_t)band * NB_NET_WEIGHT_ROWS,
           n = nb_min(NB_NET_WEIGHT_ROWS, net->model.config.vocab_size - begin);
    nb_net_operands(net, net->head.f32 + begin * net->head.n_cols, &net->head, begin, n);
}

void nb_net_update(nb_net *net)
{
    nb_pool_run(net->options.pool, 4 * net->model.config.n_layers, update_linear, net);
    if (net->head.bf16)
        nb_pool_run(net->options.pool, (uint32_t)nb_div_ceil(net->model.config.vocab_size, NB_NET_WEIGHT_ROWS),
                    update_head, net);
}

// The linear that holds a parameter, or NULL.
static const nb_net_linear *linear_with(const nb_net *net, const nb_param *param)
{
    for (uint32_t i = 0; i < 4 * net->model.config.n_layers; i++) {
        const nb_net_linear *linear = linear_at(net, i);
        size_t n = (size_t)linear->n_rows * linear->n_cols;
        if (param->value >= linear->value && param->value < linear->value + n)
            return linear;
    }
    return NULL;
}

float *nb_net_operand(const nb_net *net, const nb_param *param, float *out)
{
    const nb_net_linear *linear = linear_with(net, param);
    size_t begin = linear ? (size_t)(param->value - linear->value) : 0;
    const float *from = linear && linear->rounded ? linear->rounded + begin : param->value;
    memcpy(out, from, param->n * sizeof *out);
    for (size_t i = 0; linear && linear->bf16 && i < param->n; i++)
        out[i] = nb_bf16_decode(linear->bf16[begin + i]) * linear->factor;
    return out;
}

float nb_net_operand_bytes(const nb_net *net, const nb_param *param, uint8_t *codes, uint8_t *scales)
{
    const nb_net_linear *linear = linear_with(net, param);
    NB_ASSERT(linear && nb_net_rounds(net));
    float g = scale_of(linear);
    uint32_t n_cols = linear->n_cols;
    memset(codes, 0, param->n / 2);
    for (size_t at = 0; at < param->n; at += n_cols) {
        nb_act act = nb_net_pack_row(net, 0, param->value + at, n_cols, g);
        for (uint32_t k = 0; k < n_cols; k++) {
            const nb_act_step *step = &act.steps[k / NB_ACT_STEP];
            float value = (float)step->codes[nb_act_code_index(k % NB_ACT_STEP)] / 2;
            codes[(at + k) / 2] |= (uint8_t)(nb_e2m1_encode(value) << (k % 2 * 4));
            scales[(at + k) / NB_NVFP4_BLOCK] = nb_e4m3_encode(step->scales[k % NB_ACT_STEP / NB_NVFP4_BLOCK]);
        }
    }
    return g;
}
