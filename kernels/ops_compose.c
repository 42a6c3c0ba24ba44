// SPDX-License-Identifier: Apache-2.0
// Fused slots made of the required ones. These define what a fused kernel must compute.
#include "kernels/ops.h"

static void compose_pack(const nb_ops *ops, nb_exec *exec, nb_act *act, bool pack, float static_scale)
{
    act->is_packed = false;
    if (pack)
        ops->quantize(exec, &(nb_quantize_args){.act = act, .static_scale = static_scale});
}

static void norm_quantize(const nb_ops *ops, nb_exec *exec, const nb_norm_quantize_args *args)
{
    nb_norm_args norm = args->norm;
    norm.y = args->act->x;
    ops->norm(exec, &norm);
    compose_pack(ops, exec, args->act, args->pack, args->static_scale);
}

static void qkv_append(const nb_ops *ops, nb_exec *exec, const nb_qkv_append_args *args)
{
    ops->linear(exec, &args->qkv);
    ops->append(
        exec,
        &(nb_append_args){
            .layer = args->layer, .rows = args->rows, .q = args->qkv.y[0], .k = args->qkv.y[1], .v = args->qkv.y[2]});
}

static void attention_quantize(const nb_ops *ops, nb_exec *exec, const nb_attention_quantize_args *args)
{
    nb_attention_args attention = args->attention;
    attention.out = args->act->x;
    ops->attention(exec, &attention);
    compose_pack(ops, exec, args->act, args->pack, args->static_scale);
}

static void gate_up(const nb_ops *ops, nb_exec *exec, const nb_gate_up_args *args)
{
    ops->linear(exec, &args->gate_up);
    ops->swiglu(exec, &(nb_swiglu_args){.gate = args->gate_up.y[0],
                                        .up = args->gate_up.y[1],
                                        .n_rows = args->out->n_rows,
                                        .n_cols = args->out->n_cols,
                                        .out = args->out->x});
    compose_pack(ops, exec, args->out, args->pack, args->static_scale);
}

void nb_ops_compose(nb_ops *ops)
{
    if (!ops->norm_quantize)
        ops->norm_quantize = norm_quantize;
    if (!ops->qkv_append)
        ops->qkv_append = qkv_append;
    if (!ops->attention_quantize)
        ops->attention_quantize = attention_quantize;
    if (!ops->gate_up)
        ops->gate_up = gate_up;
}
