// SPDX-License-Identifier: Apache-2.0
// config.json, hf_quant_config.json and generation_config.json, separated by zero bytes: refused, or every size sane.
#include "runtime/config.h"

#include <math.h>
#include <string.h>

#include "runtime/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *parts[3] = {(const char *)data, NULL, NULL};
    size_t bytes[3] = {size, 0, 0};
    for (int i = 0; i < 2; i++) {
        const char *zero = bytes[i] ? memchr(parts[i], 0, bytes[i]) : NULL;
        if (!zero)
            break;
        parts[i + 1] = zero + 1;
        bytes[i + 1] = bytes[i] - (size_t)(zero + 1 - parts[i]);
        bytes[i] = (size_t)(zero - parts[i]);
    }
    nb_config c;
    nb_error error = {0};
    if (nb_config_parse(&c, parts[0], bytes[0], parts[1], bytes[1], parts[2], bytes[2], &error) != NB_OK) {
        NB_ASSERT(error.text[0] != '\0' && !c.exclude_modules);
        return 0;
    }
    NB_ASSERT(c.hidden_size && c.hidden_size <= NB_LIMIT_HIDDEN && c.ffn_size && c.ffn_size <= NB_LIMIT_FFN);
    NB_ASSERT(c.n_layers && c.n_layers <= NB_LIMIT_LAYERS && c.vocab_size && c.vocab_size <= NB_LIMIT_VOCAB);
    NB_ASSERT(c.n_kv_heads && c.n_heads % c.n_kv_heads == 0 && c.n_heads * c.head_dim <= NB_LIMIT_HIDDEN);
    NB_ASSERT(c.head_dim && c.head_dim % 2 == 0 && c.head_dim <= NB_LIMIT_HEAD_DIM);
    NB_ASSERT(c.quant == NB_QUANT_NONE || (c.hidden_size | c.ffn_size | c.head_dim) % 16 == 0);
    NB_ASSERT(c.norm_epsilon > 0 && c.rope.theta > 1 && isfinite(c.rope.theta));
    NB_ASSERT(isfinite(c.rope.attention_factor) && c.rope.attention_factor > 0);
    NB_ASSERT(c.rope.kind == NB_ROPE_DEFAULT || (isfinite(c.rope.factor) && c.rope.factor > 0));
    NB_ASSERT(c.n_eos_ids <= NB_LIMIT_EOS_IDS);
    nb_config_release(&c);
    return 0;
}
