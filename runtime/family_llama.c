// SPDX-License-Identifier: Apache-2.0
// Llama 3 and its distills (R1-Distill-Llama).
#include "runtime/family.h"

static const nb_family_linear linears[] = {
    {"self_attn.q_proj", "H*E", "D", NB_BIAS_IF_ATTENTION, offsetof(nb_layer, q)},
    {"self_attn.k_proj", "G*E", "D", NB_BIAS_IF_ATTENTION, offsetof(nb_layer, k)},
    {"self_attn.v_proj", "G*E", "D", NB_BIAS_IF_ATTENTION, offsetof(nb_layer, v)},
    {"self_attn.o_proj", "D", "H*E", NB_BIAS_IF_ATTENTION, offsetof(nb_layer, o)},
    {"mlp.gate_proj", "F", "D", NB_BIAS_IF_MLP, offsetof(nb_layer, gate)},
    {"mlp.up_proj", "F", "D", NB_BIAS_IF_MLP, offsetof(nb_layer, up)},
    {"mlp.down_proj", "D", "F", NB_BIAS_IF_MLP, offsetof(nb_layer, down)},
};

static const nb_family_norm norms[] = {
    {"input_layernorm", "D", offsetof(nb_layer, attention_norm)},
    {"post_attention_layernorm", "D", offsetof(nb_layer, mlp_norm)},
};

const nb_family nb_family_llama = {
    .model_type = "llama",
    .linears = linears,
    .n_linears = NB_COUNT(linears),
    .norms = norms,
    .n_norms = NB_COUNT(norms),
};
