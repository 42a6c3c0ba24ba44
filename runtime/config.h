// SPDX-License-Identifier: Apache-2.0
// config.json (old and new style), hf_quant_config.json and generation_config.json, checked and in one form.
// No tensor is touched here. Letters: T tokens, D hidden size, F ffn size, H heads, G kv heads, E head width,
// V vocabulary, L layers.
#ifndef NB_RUNTIME_CONFIG_H
#define NB_RUNTIME_CONFIG_H

#include "platform/base.h"

typedef enum nb_rope_kind {
    NB_ROPE_DEFAULT,
    NB_ROPE_LINEAR,
    NB_ROPE_DYNAMIC,
    NB_ROPE_LLAMA3,
    NB_ROPE_YARN,
} nb_rope_kind;

typedef struct nb_rope {
    nb_rope_kind kind;
    double theta;                             // base
    double factor;                            // all but default
    double low_freq_factor, high_freq_factor; // llama3
    double original_max_positions;            // llama3, yarn, dynamic (there: max_position_embeddings)
    double beta_fast, beta_slow;              // yarn; defaults 32, 1
    double attention_factor;                  // yarn: multiplies cos and sin; resolved at parse, 1 for the other kinds
    bool truncate;                            // yarn: round the correction range to whole dimensions; default true
} nb_rope;

typedef enum nb_quant_schema { NB_QUANT_NONE, NB_QUANT_MODELOPT, NB_QUANT_COMPRESSED_TENSORS } nb_quant_schema;

typedef struct nb_config {
    char model_type[32];  // "qwen2", "llama", "qwen3"
    uint32_t hidden_size; // D
    uint32_t ffn_size;    // F
    uint32_t n_layers;    // L
    uint32_t n_heads;     // H
    uint32_t n_kv_heads;  // G, divides H
    uint32_t head_dim;    // E: the explicit head_dim, or D / H; even, and a multiple of 16 when quantised
    uint32_t vocab_size;  // V
    uint32_t max_positions;
    float norm_epsilon;
    bool tied_head;
    bool attention_bias; // as declared; qwen2: q, k, v have biases whatever it says
    bool mlp_bias;
    nb_rope rope;

    nb_quant_schema quant;
    bool quant_activations; // W4A4 (input_activations declared) or weights only
    bool kv_declared_fp4;   // the checkpoint declares an NVFP4 KV cache
    bool kv_declared_fp8;
    char **exclude_modules; // patterns of unquantised modules, as declared, owned; binding goes by what is stored
    uint32_t n_exclude_modules;

    int32_t bos_id;      // -1: none
    int32_t eos_ids[16]; // config.json and generation_config.json together, no duplicates
    uint32_t n_eos_ids;
} nb_config;

// Reads `directory`/config.json and, where present, hf_quant_config.json and generation_config.json.
// Every number is checked against runtime/limits.h. Errors: NB_ERR_INPUT naming file, key, expected and found.
NB_MUST_USE nb_status nb_config_open(nb_config *config, const char *directory, nb_error *error);

// The same from bytes (quant and generation may be NULL): the fuzz target.
NB_MUST_USE nb_status nb_config_parse(nb_config *config, const char *json, size_t json_bytes, const char *quant_json,
                                      size_t quant_bytes, const char *generation_json, size_t generation_bytes,
                                      nb_error *error);
void nb_config_release(nb_config *config);

#endif
