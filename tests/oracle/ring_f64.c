// SPDX-License-Identifier: Apache-2.0
#include "tests/oracle/ring_f64.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/oracle/formats_f64.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

// ---- the model ----------------------------------------------------------------------------------------------------

// About normal, deviation `size`.
static void fill(float *values, size_t n, double size, double mean, uint64_t *state)
{
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (int k = 0; k < 12; k++) {
            *state = *state * 6364136223846793005u + 1442695040888963407u;
            sum += (double)(*state >> 33) * 0x1p-31;
        }
        values[i] = (float)(mean + size * (sum - 6));
    }
}

void oracle_tiny_fill(oracle_tiny *m, uint64_t seed)
{
    uint64_t s = seed;
    double from_d = 1 / sqrt(ORACLE_D), from_f = 1 / sqrt(ORACLE_F), from_heads = 1 / sqrt(ORACLE_H * ORACLE_E);
    fill(m->embedding, COUNT(m->embedding), 1, 0, &s);
    fill(m->head, COUNT(m->head), from_d, 0, &s);
    fill(m->final_norm, COUNT(m->final_norm), 0.1, 1, &s);
    for (int i = 0; i < ORACLE_L; i++) {
        oracle_tiny_layer *l = &m->layers[i];
        fill(l->attention_norm, COUNT(l->attention_norm), 0.1, 1, &s);
        fill(l->mlp_norm, COUNT(l->mlp_norm), 0.1, 1, &s);
        fill(l->q, COUNT(l->q), from_d, 0, &s);
        fill(l->k, COUNT(l->k), from_d, 0, &s);
        fill(l->v, COUNT(l->v), from_d, 0, &s);
        fill(l->q_bias, COUNT(l->q_bias), 0.2, 0, &s);
        fill(l->k_bias, COUNT(l->k_bias), 0.2, 0, &s);
        fill(l->v_bias, COUNT(l->v_bias), 0.2, 0, &s);
        fill(l->o, COUNT(l->o), 0.3 * from_heads, 0, &s);
        fill(l->gate, COUNT(l->gate), from_d, 0, &s);
        fill(l->up, COUNT(l->up), from_d, 0, &s);
        fill(l->down, COUNT(l->down), 0.3 * from_f, 0, &s);
    }
}

typedef struct listed {
    char name[64];
    const float *values;
    int n_rows, n_cols; // n_cols 0: a vector
} listed;

static int list_tensors(const oracle_tiny *m, listed *list)
{
    enum { H = ORACLE_H * ORACLE_E, G = ORACLE_G * ORACLE_E, D = ORACLE_D, F = ORACLE_F };
    int n = 0;
    list[n++] = (listed){"model.embed_tokens.weight", m->embedding, ORACLE_V, D};
    list[n++] = (listed){"lm_head.weight", m->head, ORACLE_V, D};
    list[n++] = (listed){"model.norm.weight", m->final_norm, D, 0};
    for (int i = 0; i < ORACLE_L; i++) {
        const oracle_tiny_layer *l = &m->layers[i];
        const listed parts[] = {
            {"input_layernorm.weight", l->attention_norm, D, 0},
            {"post_attention_layernorm.weight", l->mlp_norm, D, 0},
            {"self_attn.q_proj.weight", l->q, H, D},
            {"self_attn.q_proj.bias", l->q_bias, H, 0},
            {"self_attn.k_proj.weight", l->k, G, D},
            {"self_attn.k_proj.bias", l->k_bias, G, 0},
            {"self_attn.v_proj.weight", l->v, G, D},
            {"self_attn.v_proj.bias", l->v_bias, G, 0},
            {"self_attn.o_proj.weight", l->o, D, H},
            {"mlp.gate_proj.weight", l->gate, F, D},
            {"mlp.up_proj.weight", l->up, F, D},
            {"mlp.down_proj.weight", l->down, D, F},
        };
        for (size_t p = 0; p < COUNT(parts); p++, n++) {
            list[n] = parts[p];
            int length = snprintf(list[n].name, sizeof list[n].name, "model.layers.%d.%s", i, parts[p].name);
            assert_true(length < (int)sizeof list[n].name);
        }
    }
    return n;
}

static FILE *create(const char *directory, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    return file;
}

static void write_config(const char *directory)
{
    FILE *file = create(directory, "config.json");
    fprintf(
        file,
        "{\"model_type\": \"qwen2\", \"hidden_size\": %d, \"intermediate_size\": %d, \"num_hidden_layers\": %d,"
        " \"num_attention_heads\": %d, \"num_key_value_heads\": %d, \"head_dim\": %d, \"vocab_size\": %d,"
        " \"max_position_embeddings\": %d, \"rms_norm_eps\": %g, \"rope_theta\": %g, \"tie_word_embeddings\": false,"
        " \"hidden_act\": \"silu\"}\n",
        ORACLE_D, ORACLE_F, ORACLE_L, ORACLE_H, ORACLE_G, ORACLE_E, ORACLE_V, ORACLE_POSITIONS, ORACLE_EPSILON,
        ORACLE_THETA);
    assert_int_equal(fclose(file), 0);
}

void oracle_tiny_write(const oracle_tiny *model, const char *directory)
{
    static listed list[3 + 12 * ORACLE_L];
    static char header[1 << 14];
    int n = list_tensors(model, list), at = 0;
    size_t end = 0;
    for (int i = 0; i < n; i++) {
        size_t begin = end, n_values = (size_t)list[i].n_rows * (list[i].n_cols ? (size_t)list[i].n_cols : 1);
        char columns[16] = "";
        end += n_values * sizeof(float);
        if (list[i].n_cols)
            snprintf(columns, sizeof columns, ",%d", list[i].n_cols);
        at += snprintf(header + at, sizeof header - (size_t)at,
                       "%c\"%s\":{\"dtype\":\"F32\",\"shape\":[%d%s],\"data_offsets\":[%zu,%zu]}", i ? ',' : '{',
                       list[i].name, list[i].n_rows, columns, begin, end);
        assert_true(at < (int)sizeof header - 16);
    }
    at += snprintf(header + at, sizeof header - (size_t)at, "}");
    while (at % 8 != 0)
        header[at++] = ' ';
    uint64_t header_bytes = (uint64_t)at;
    FILE *file = create(directory, "model.safetensors");
    fwrite(&header_bytes, sizeof header_bytes, 1, file);
    fwrite(header, 1, (size_t)at, file);
    for (int i = 0; i < n; i++)
        fwrite(list[i].values, sizeof(float), (size_t)list[i].n_rows * (list[i].n_cols ? (size_t)list[i].n_cols : 1),
               file);
    assert_int_equal(fclose(file), 0);
    write_config(directory);
}

// ---- one operation after the other --------------------------------------------------------------------------------

// x / sqrt(mean(x^2) + epsilon) * weight. Sum in 16 lanes and a tree; mean, epsilon, root, quotient, products.
static void norm(const oracle_value *x, const float *weight, oracle_value *y)
{
    double sum = 0, moved = 0;
    for (int i = 0; i < ORACLE_D; i++) {
        sum += x[i].value * x[i].value;
        moved += 2 * fabs(x[i].value) * x[i].error;
    }
    double mean = sum / ORACLE_D + ORACLE_EPSILON, factor = 1 / sqrt(mean);
    double relative = moved / ORACLE_D / mean / 2 + oracle_gamma(ORACLE_D / 16 + 4 + 2) / 2 + 4 * ORACLE_U;
    for (int i = 0; i < ORACLE_D; i++) {
        y[i].value = x[i].value * factor * (double)weight[i];
        y[i].error = fabs(factor * (double)weight[i]) * x[i].error + fabs(y[i].value) * relative;
    }
}

// y = W x + bias. Products in 16 lanes of fma, a tree, the bias.
static void product(const float *weights, const float *bias, int n_rows, int n_cols, const oracle_value *x,
                    oracle_value *y)
{
    for (int r = 0; r < n_rows; r++) {
        double sum = 0, absolute = 0, moved = 0;
        for (int c = 0; c < n_cols; c++) {
            double w = (double)weights[r * n_cols + c];
            sum += w * x[c].value;
            absolute += fabs(w * x[c].value);
            moved += fabs(w) * x[c].error;
        }
        y[r].value = sum + (bias ? (double)bias[r] : 0);
        y[r].error = moved + oracle_gamma((n_cols + 15) / 16 + 4) * absolute + (bias ? ORACLE_U * fabs(y[r].value) : 0);
    }
}

static void add(oracle_value *x, const oracle_value *y)
{
    for (int i = 0; i < ORACLE_D; i++) {
        x[i].value += y[i].value;
        x[i].error += y[i].error + ORACLE_U * fabs(x[i].value);
    }
}

// One head, pairs (i, i + E / 2). cos and sin are rounded to f32 once; two products and a sum.
static void rotate(oracle_value *x, uint32_t position)
{
    for (int i = 0; i < ORACLE_E / 2; i++) {
        double angle = position * pow(ORACLE_THETA, -2.0 * i / ORACLE_E), c = cos(angle), s = sin(angle);
        oracle_value a = x[i], b = x[i + ORACLE_E / 2];
        double rounding = oracle_gamma(3);
        x[i].value = a.value * c - b.value * s;
        x[i].error = fabs(c) * a.error + fabs(s) * b.error + rounding * (fabs(a.value * c) + fabs(b.value * s));
        x[i + ORACLE_E / 2].value = b.value * c + a.value * s;
        x[i + ORACLE_E / 2].error =
            fabs(c) * b.error + fabs(s) * a.error + rounding * (fabs(b.value * c) + fabs(a.value * s));
    }
}

// The definition: whether a query at `position` sees `other`.
static int sees(const oracle_timeline *t, uint32_t position, uint32_t other)
{
    return other <= position && (other < t->n_sinks || position - other < t->n_ctx - t->n_sinks);
}

static void score(const oracle_value *q, const oracle_value *k, oracle_value *result)
{
    double dot = 0, absolute = 0, moved = 0, scale = 1 / sqrt(ORACLE_E);
    for (int d = 0; d < ORACLE_E; d++) {
        dot += q[d].value * k[d].value;
        absolute += fabs(q[d].value * k[d].value);
        moved += fabs(q[d].value) * k[d].error + fabs(k[d].value) * q[d].error;
    }
    result->value = dot * scale;
    result->error = scale * (moved + oracle_gamma(ORACLE_E + ORACLE_E / 16 + 3) * absolute);
}

// What one query sees: positions, their scores, then their probabilities with relative errors.
typedef struct seen {
    uint32_t n, positions[ORACLE_POSITIONS];
    oracle_value p[ORACLE_POSITIONS];
} seen;

// Softmax moves by sum_t p_t e_t |v_t - out| when the scores move by e_t. nb_exp is good to 2e-7, used once in the
// segment and once where segments meet; a segment has 256 slots and the ring some slack besides what is seen.
static void mix(const oracle_timeline *t, seen *s, oracle_value (*v)[ORACLE_E], oracle_value *out)
{
    double maximum = -INFINITY, sum = 0, n_segments = ceil((t->n_ctx + 80.0) / 256);
    for (uint32_t i = 0; i < s->n; i++)
        maximum = fmax(maximum, s->p[i].value);
    for (uint32_t i = 0; i < s->n; i++) {
        double below = maximum - s->p[i].value;
        s->p[i] = (oracle_value){exp(-below), s->p[i].error + ORACLE_U * below + 4e-7};
        sum += s->p[i].value;
    }
    double chain = fmin(s->n, 256) + n_segments + 2;
    for (int d = 0; d < ORACLE_E; d++) {
        double value = 0, absolute = 0, moved = 0;
        for (uint32_t i = 0; i < s->n; i++) {
            value += s->p[i].value / sum * v[s->positions[i]][d].value;
            absolute += s->p[i].value / sum * fabs(v[s->positions[i]][d].value);
        }
        for (uint32_t i = 0; i < s->n; i++) {
            const oracle_value *x = &v[s->positions[i]][d];
            moved += s->p[i].value / sum * (s->p[i].error * fabs(x->value - value) + x->error);
        }
        out[d] = (oracle_value){value, moved + oracle_gamma(2 * chain) * absolute};
    }
}

static void show(const oracle_timeline *t, nb_stage stage, uint32_t layer, oracle_value *values, size_t n)
{
    if (t->on_stage)
        t->on_stage(t->user, stage, layer, t->length, values, (uint32_t)n);
}

static void attention(oracle_timeline *t, uint32_t layer, const oracle_value *x, oracle_value *out)
{
    const oracle_tiny_layer *l = &t->model->layers[layer];
    oracle_value q[ORACLE_H * ORACLE_E], k[ORACLE_G * ORACLE_E], v[ORACLE_G * ORACLE_E], mixed[ORACLE_H * ORACLE_E];
    static seen s;
    uint32_t position = t->length;
    product(l->q, l->q_bias, ORACLE_H * ORACLE_E, ORACLE_D, x, q);
    product(l->k, l->k_bias, ORACLE_G * ORACLE_E, ORACLE_D, x, k);
    product(l->v, l->v_bias, ORACLE_G * ORACLE_E, ORACLE_D, x, v);
    for (uint32_t h = 0; h < ORACLE_H; h++)
        rotate(q + h * ORACLE_E, position);
    for (uint32_t g = 0; g < ORACLE_G; g++)
        rotate(k + g * ORACLE_E, position);
    show(t, NB_STAGE_Q, layer, q, COUNT(q));
    show(t, NB_STAGE_K, layer, k, COUNT(k));
    show(t, NB_STAGE_V, layer, v, COUNT(v));
    for (uint32_t g = 0; g < ORACLE_G; g++) {
        memcpy(t->k[layer][g][position], k + g * ORACLE_E, sizeof t->k[layer][g][position]);
        memcpy(t->v[layer][g][position], v + g * ORACLE_E, sizeof t->v[layer][g][position]);
    }
    for (uint32_t h = 0; h < ORACLE_H; h++) {
        uint32_t g = h / (ORACLE_H / ORACLE_G);
        s.n = 0;
        for (uint32_t p = 0; p <= position; p++)
            if (sees(t, position, p)) {
                score(q + h * ORACLE_E, t->k[layer][g][p], &s.p[s.n]);
                s.positions[s.n++] = p;
            }
        mix(t, &s, t->v[layer][g], mixed + h * ORACLE_E);
    }
    show(t, NB_STAGE_ATTN_OUT, layer, mixed, COUNT(mixed));
    product(l->o, NULL, ORACLE_D, ORACLE_H * ORACLE_E, mixed, out);
}

// silu(x) = x / (1 + e^-x): its slope is below 1.1; the exponential is good to 2e-7, sum, quotient and product round.
static void feed_forward(const oracle_timeline *t, uint32_t layer, const oracle_value *x, oracle_value *out)
{
    const oracle_tiny_layer *l = &t->model->layers[layer];
    oracle_value gate[ORACLE_F], up[ORACLE_F], hidden[ORACLE_F];
    product(l->gate, NULL, ORACLE_F, ORACLE_D, x, gate);
    product(l->up, NULL, ORACLE_F, ORACLE_D, x, up);
    for (int i = 0; i < ORACLE_F; i++) {
        double silu = gate[i].value / (1 + exp(-gate[i].value));
        double error = 1.1 * gate[i].error + fabs(silu) * (2e-7 + 2 * ORACLE_U);
        hidden[i].value = silu * up[i].value;
        hidden[i].error = error * fabs(up[i].value) + fabs(silu) * up[i].error + ORACLE_U * fabs(hidden[i].value);
    }
    show(t, NB_STAGE_MLP_ACT, layer, hidden, COUNT(hidden));
    product(l->down, NULL, ORACLE_D, ORACLE_F, hidden, out);
}

void oracle_timeline_append(oracle_timeline *t, int32_t id, oracle_value *logits)
{
    oracle_value x[ORACLE_D], hidden[ORACLE_D], change[ORACLE_D];
    assert_true(t->length < ORACLE_POSITIONS && id >= 0 && id < ORACLE_V);
    for (int i = 0; i < ORACLE_D; i++)
        x[i] = (oracle_value){(double)t->model->embedding[id * ORACLE_D + i], 0};
    for (uint32_t layer = 0; layer < ORACLE_L; layer++) {
        show(t, NB_STAGE_HIDDEN_IN, layer, x, COUNT(x));
        norm(x, t->model->layers[layer].attention_norm, hidden);
        show(t, NB_STAGE_ATTN_IN, layer, hidden, COUNT(hidden));
        attention(t, layer, hidden, change);
        add(x, change);
        show(t, NB_STAGE_HIDDEN_MID, layer, x, COUNT(x));
        norm(x, t->model->layers[layer].mlp_norm, hidden);
        show(t, NB_STAGE_MLP_IN, layer, hidden, COUNT(hidden));
        feed_forward(t, layer, hidden, change);
        add(x, change);
    }
    show(t, NB_STAGE_HIDDEN_IN, ORACLE_L, x, COUNT(x));
    norm(x, t->model->final_norm, hidden);
    product(t->model->head, NULL, ORACLE_V, ORACLE_D, hidden, logits);
    t->length++;
}
