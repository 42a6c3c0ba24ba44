// SPDX-License-Identifier: Apache-2.0
// A small model of random weights in the current folder, of any family.
#ifndef NB_TESTS_RANDOM_MODEL_H
#define NB_TESTS_RANDOM_MODEL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "platform/base.h"
#include "runtime/family.h"
#include "runtime/safetensors_write.h"
#include "tests/support/fixtures.h"
#include "tests/support/scratch.h"

typedef struct random_model {
    const char *family;
    uint32_t hidden, ffn, layers, heads, kv_heads, head_dim, vocab;
    bool tied, biases, shift;
} random_model;

enum { RANDOM_MODEL_TENSORS = 64 };

typedef struct random_list {
    char names[RANDOM_MODEL_TENSORS][128];
    nb_tensor tensors[RANDOM_MODEL_TENSORS];
    nb_tensor *order[RANDOM_MODEL_TENSORS];
    size_t n;
} random_list;

static inline void random_list_add(random_list *list, const char *name, uint64_t rows, uint64_t cols)
{
    size_t i = list->n++;
    assert_true(i < RANDOM_MODEL_TENSORS);
    snprintf(list->names[i], sizeof list->names[i], "%s", name);
    list->tensors[i] = (nb_tensor){
        .name = list->names[i], .dtype = NB_DTYPE_F32, .rank = cols ? 2 : 1, .shape = {rows, cols ? cols : 1}};
    list->order[i] = &list->tensors[i];
}

static inline void random_list_write(random_list *list, const char *path, fixture_rng *rng)
{
    nb_safetensors_writer writer;
    assert_int_equal(nb_safetensors_writer_open(&writer, path, list->order, list->n, NULL), NB_OK);
    for (size_t i = 0; i < list->n; i++) {
        const nb_tensor *tensor = list->order[i];
        bool is_norm = strstr(tensor->name, "norm") != NULL;
        for (uint64_t j = 0; j < tensor->shape[0] * tensor->shape[1]; j++) {
            float x = is_norm ? 1 + 0.3f * fixture_float(rng) : 0.25f * fixture_float(rng);
            assert_int_equal(nb_safetensors_writer_put(&writer, &x, sizeof x, NULL), NB_OK);
        }
    }
    assert_int_equal(nb_safetensors_writer_commit(&writer, NULL), NB_OK);
}

// Writes `directory`/config.json, model.safetensors and, on request, k_shift.st.
static inline void random_model_write(const random_model *m, const char *directory, uint64_t seed)
{
    char text[1024], path[256], name[128];
    snprintf(text, sizeof text,
             "{\"model_type\": \"%s\", \"hidden_size\": %u, \"intermediate_size\": %u, \"num_hidden_layers\": %u,\n"
             " \"num_attention_heads\": %u, \"num_key_value_heads\": %u, \"head_dim\": %u, \"vocab_size\": %u,\n"
             " \"max_position_embeddings\": 4096, \"rms_norm_eps\": 1e-05, \"rope_theta\": 10000.0,\n"
             " \"tie_word_embeddings\": %s, \"attention_bias\": %s, \"mlp_bias\": %s, \"torch_dtype\": \"bfloat16\"}\n",
             m->family, m->hidden, m->ffn, m->layers, m->heads, m->kv_heads, m->head_dim, m->vocab,
             m->tied ? "true" : "false", m->biases ? "true" : "false", m->biases ? "true" : "false");
    snprintf(path, sizeof path, "%s/config.json", directory);
    assert_true(nb_scratch_put(path, text));
    nb_config config;
    assert_int_equal(nb_config_open(&config, directory, NULL), NB_OK);
    const nb_family *family = nb_family_find(m->family);
    fixture_rng rng = {seed};
    random_list list = {.n = 0}, shifts = {.n = 0};
    random_list_add(&list, "model.embed_tokens.weight", m->vocab, m->hidden);
    random_list_add(&list, "model.norm.weight", m->hidden, 0);
    if (!m->tied)
        random_list_add(&list, "lm_head.weight", m->vocab, m->hidden);
    for (uint32_t i = 0; i < m->layers; i++) {
        for (size_t j = 0; j < family->n_linears; j++) {
            const nb_family_linear *linear = &family->linears[j];
            uint64_t rows = nb_family_size(&config, linear->rows), cols = nb_family_size(&config, linear->cols);
            snprintf(name, sizeof name, "model.layers.%u.%s.weight", i, linear->name);
            random_list_add(&list, name, rows, cols);
            snprintf(name, sizeof name, "model.layers.%u.%s.bias", i, linear->name);
            if (nb_family_has_bias(&config, linear->bias))
                random_list_add(&list, name, rows, 0);
        }
        for (size_t j = 0; j < family->n_norms; j++) {
            snprintf(name, sizeof name, "model.layers.%u.%s.weight", i, family->norms[j].name);
            random_list_add(&list, name, nb_family_size(&config, family->norms[j].size), 0);
        }
        snprintf(name, sizeof name, "model.layers.%u.self_attn.k_shift", i);
        random_list_add(&shifts, name, m->kv_heads, m->head_dim);
    }
    nb_config_release(&config);
    snprintf(path, sizeof path, "%s/model.safetensors", directory);
    random_list_write(&list, path, &rng);
    snprintf(path, sizeof path, "%s/k_shift.st", directory);
    if (m->shift)
        random_list_write(&shifts, path, &rng);
}

#endif
