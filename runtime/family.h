// SPDX-License-Identifier: Apache-2.0
// Model families as data: which tensors a layer has, their names and their shapes. The forward pass exists once and
// asks only whether a pointer is there.
#ifndef NB_RUNTIME_FAMILY_H
#define NB_RUNTIME_FAMILY_H

#include "runtime/model.h"

typedef enum nb_bias_rule {
    NB_BIAS_NEVER,
    NB_BIAS_ALWAYS,
    NB_BIAS_IF_ATTENTION, // config.attention_bias
    NB_BIAS_IF_MLP,       // config.mlp_bias
} nb_bias_rule;

// A matrix `PREFIX.name.weight` [rows, cols]. Sizes are products of dimension letters (runtime/config.h): "H*E".
typedef struct nb_family_linear {
    const char *name;
    const char *rows, *cols;
    nb_bias_rule bias; // `PREFIX.name.bias` [rows]
    size_t slot;       // offset of its nb_weight in nb_layer
} nb_family_linear;

// A vector `PREFIX.name.weight` [size].
typedef struct nb_family_norm {
    const char *name;
    const char *size;
    size_t slot; // offset of its const float * in nb_layer
} nb_family_norm;

typedef struct nb_family {
    const char *model_type; // config.json's, and the family's name
    const nb_family_linear *linears;
    size_t n_linears;
    const nb_family_norm *norms;
    size_t n_norms;
} nb_family;

// Alike in all families: model.embed_tokens.weight [V, D], model.norm.weight [D], lm_head.weight [V, D], and layers
// below "model.layers.N.".

extern const nb_family nb_family_llama;
extern const nb_family nb_family_qwen2;
extern const nb_family nb_family_qwen3;

const nb_family *nb_family_find(const char *model_type); // NULL: unknown

uint64_t nb_family_size(const nb_config *config, const char *size); // "H*E" -> H * E
bool nb_family_has_bias(const nb_config *config, nb_bias_rule rule);

#endif
