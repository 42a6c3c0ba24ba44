// SPDX-License-Identifier: Apache-2.0
// Every product of a net, f32 or bf16.
//
// In bf16 a quantised operand of the forward pass is code times block scale: 2 significant bits times 4, of the 8 that
// bf16 has, so it is multiplied exactly as inference does, and g comes after the sums (docs/NUMERICS.md 4). All else,
// the gradients and what they are multiplied by too, is rounded to bf16 once.
#include <string.h>

#include "apps/qat/net_state.h"

nb_const_matrix nb_net_operand_at(const nb_net_matrix *x, size_t row, size_t col)
{
    size_t at = row * x->n_cols + col;
    if (x->bf16)
        return (nb_const_matrix){x->bf16 + at, x->n_cols};
    return (nb_const_matrix){x->f32 + at, x->n_cols};
}

float *nb_net_operand_place(const nb_net *net, uint32_t worker, const nb_net_matrix *x, size_t begin)
{
    return x->f32 ? x->f32 + begin * x->n_cols : net->workers[worker].spare;
}

void nb_net_operands(const nb_net *net, const float *rows, const nb_net_matrix *x, size_t begin, size_t n_rows)
{
    for (size_t i = 0; x->bf16 && i < n_rows; i++)
        net->grad.to_bf16(rows + i * x->n_cols, x->n_cols, x->bf16 + (begin + i) * x->n_cols);
}

// Whether sums lack the g of quantised operands.
static bool lacks_g(const nb_net *net)
{
    return nb_net_multiplies_bf16(net) && nb_net_rounds(net);
}

// y (+)= sums, row i times `factor` and, unless NULL, factors[i].
static void put_scaled(const nb_net *net, const float *sums, uint32_t n_rows, uint32_t n_cols, float factor,
                       const float *factors, bool add, float *y)
{
    if (!add)
        memset(y, 0, (size_t)n_rows * n_cols * sizeof *y);
    for (size_t i = 0; i < n_rows; i++)
        net->grad.add_scaled(y + i * n_cols, sums + i * n_cols, factors ? factor * factors[i] : factor, n_cols);
}

void nb_net_product(const nb_net *net, uint32_t worker, const nb_net_linear *linear, const float *x, uint32_t n_rows,
                    bool add, float *y)
{
    const nb_net_worker *w = &net->workers[worker];
    uint32_t n = linear->n_rows, k = linear->n_cols;
    if (!linear->bf16) {
        nb_product(NB_PRODUCT_F32, n_rows, n, k, (nb_const_matrix){x, k},
                   (nb_const_matrix){linear->transposed, linear->transposed_stride}, add, (nb_matrix){y, n});
    } else {
        float *sums = lacks_g(net) ? w->spare : y;
        net->grad.to_bf16(x, n_rows * k, w->bf16);
        nb_product_bt(NB_PRODUCT_BF16, n_rows, n, k, (nb_const_matrix){w->bf16, k}, (nb_const_matrix){linear->bf16, k},
                      add && sums == y, (nb_matrix){sums, n});
        if (sums != y)
            put_scaled(net, sums, n_rows, n, linear->factor, w->factors, add, y);
    }
    for (uint32_t i = 0; linear->bias && i < n_rows; i++)
        net->grad.add(y + (size_t)i * n, linear->bias, n);
}

void nb_net_product_back(const nb_net *net, uint32_t worker, const nb_net_linear *linear, const nb_net_matrix *dy,
                         size_t begin, uint32_t n_rows, float *dx)
{
    const void *weights = linear->rounded ? linear->rounded : linear->value;
    if (linear->bf16)
        weights = linear->bf16;
    float *sums = lacks_g(net) ? net->workers[worker].spare : dx;
    nb_net_operands(net, dy->f32 + begin * dy->n_cols, dy, begin, n_rows);
    nb_product(net->options.products, n_rows, linear->n_cols, linear->n_rows, nb_net_operand_at(dy, begin, 0),
               (nb_const_matrix){weights, linear->n_cols}, false, (nb_matrix){sums, linear->n_cols});
    if (sums != dx)
        put_scaled(net, sums, n_rows, linear->n_cols, linear->factor, NULL, false, dx);
}
