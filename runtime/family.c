// SPDX-License-Identifier: Apache-2.0
#include "runtime/family.h"

#include <string.h>

const nb_family *nb_family_find(const char *model_type)
{
    static const nb_family *const families[] = {&nb_family_llama, &nb_family_qwen2, &nb_family_qwen3};
    for (size_t i = 0; i < NB_COUNT(families); i++)
        if (strcmp(families[i]->model_type, model_type) == 0)
            return families[i];
    return NULL;
}

static uint64_t letter_size(const nb_config *config, char letter)
{
    switch (letter) {
    case 'D':
        return config->hidden_size;
    case 'F':
        return config->ffn_size;
    case 'H':
        return config->n_heads;
    case 'G':
        return config->n_kv_heads;
    case 'E':
        return config->head_dim;
    case 'V':
        return config->vocab_size;
    default:
        NB_ASSERT(!"dimension letter");
        return 0;
    }
}

uint64_t nb_family_size(const nb_config *config, const char *size)
{
    uint64_t product = 1;
    for (; *size; size++)
        if (*size != '*')
            product *= letter_size(config, *size); // runtime/limits.h keeps this below 2^64
    return product;
}

bool nb_family_has_bias(const nb_config *config, nb_bias_rule rule)
{
    return rule == NB_BIAS_ALWAYS || (rule == NB_BIAS_IF_ATTENTION && config->attention_bias) ||
           (rule == NB_BIAS_IF_MLP && config->mlp_bias);
}
