// SPDX-License-Identifier: Apache-2.0
#include "tests/oracle/net_f64.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/rope.h"

static double *doubles(size_t n)
{
    double *x = calloc(n + 1, sizeof *x);
    NB_ASSERT(x);
    return x;
}

void oracle_net_make(oracle_net *net, const nb_config *config, const nb_param *params, size_t n_params, uint32_t n_rows)
{
    *net = (oracle_net){config, params, n_params, calloc(n_params, sizeof(double *)), doubles(n_rows)};
    for (size_t i = 0; i < n_params; i++) {
        net->values[i] = doubles(params[i].n);
        for (size_t j = 0; j < params[i].n; j++)
            net->values[i][j] = (double)params[i].value[j];
    }
}

void oracle_net_free(oracle_net *net)
{
    for (size_t i = 0; i < net->n_params; i++)
        free(net->values[i]);
    free(net->values);
    free(net->weights);
}

// NULL: the model has no such tensor.
static const double *find(const oracle_net *net, int layer, const char *name)
{
    char full[128];
    if (layer < 0)
        snprintf(full, sizeof full, "%s", name);
    else
        snprintf(full, sizeof full, "model.layers.%d.%s", layer, name);
    for (size_t i = 0; i < net->n_params; i++)
        if (strcmp(net->params[i].name, full) == 0)
            return net->values[i];
    return NULL;
}

static void norm(const oracle_net *net, const double *x, const double *weight, uint32_t n, double *y)
{
    double squares = 0;
    for (uint32_t i = 0; i < n; i++)
        squares += x[i] * x[i];
    for (uint32_t i = 0; i < n; i++)
        y[i] = x[i] / sqrt(squares / n + (double)net->config->norm_epsilon) * weight[i];
}

// y (+)= W x + bias for module `name` of a layer.
static void linear(const oracle_net *net, int layer, const char *name, const double *x, uint32_t rows, uint32_t cols,
                   bool add, double *y)
{
    char weight_name[64], bias_name[64];
    snprintf(weight_name, sizeof weight_name, "%s.weight", name);
    snprintf(bias_name, sizeof bias_name, "%s.bias", name);
    const double *weight = find(net, layer, weight_name), *bias = find(net, layer, bias_name);
    for (uint32_t r = 0; r < rows; r++) {
        double sum = bias ? bias[r] : 0;
        for (uint32_t c = 0; c < cols; c++)
            sum += weight[(size_t)r * cols + c] * x[c];
        y[r] = add ? y[r] + sum : sum;
    }
}

static void turn(double *x, const float *cosines, const float *sines, uint32_t width)
{
    for (uint32_t i = 0; i < width / 2; i++) {
        double a = x[i], b = x[i + width / 2], c = (double)cosines[i], s = (double)sines[i];
        x[i] = a * c - b * s;
        x[i + width / 2] = b * c + a * s;
    }
}

// Rows of one document; q, k, v of all rows are kept.
typedef struct document {
    const oracle_net *net;
    uint32_t n;
    const uint32_t *positions;
    double *x, *q, *k, *v;
} document;

static void attend(const document *d, uint32_t t, double *out)
{
    const nb_config *c = d->net->config;
    uint32_t width = c->head_dim, group = c->n_heads / c->n_kv_heads;
    double *p = doubles(t + 1);
    for (uint32_t h = 0; h < c->n_heads; h++) {
        const double *q = d->q + ((size_t)t * c->n_heads + h) * width;
        double maximum = -INFINITY, total = 0;
        for (uint32_t j = 0; j <= t; j++) {
            const double *k = d->k + ((size_t)j * c->n_kv_heads + h / group) * width;
            p[j] = 0;
            for (uint32_t e = 0; e < width; e++)
                p[j] += q[e] * k[e] / sqrt(width);
            maximum = fmax(maximum, p[j]);
        }
        for (uint32_t j = 0; j <= t; j++)
            total += p[j] = exp(p[j] - maximum);
        for (uint32_t e = 0; e < width; e++) {
            double sum = 0;
            for (uint32_t j = 0; j <= t; j++)
                sum += p[j] / total * d->v[((size_t)j * c->n_kv_heads + h / group) * width + e];
            out[h * width + e] = sum;
        }
    }
    free(p);
}

static void heads(const document *d, int layer, uint32_t t, const double *in)
{
    const nb_config *c = d->net->config;
    uint32_t width = c->head_dim, he = c->n_heads * width, ge = c->n_kv_heads * width;
    double *q = d->q + (size_t)t * he, *k = d->k + (size_t)t * ge;
    linear(d->net, layer, "self_attn.q_proj", in, he, c->hidden_size, false, q);
    linear(d->net, layer, "self_attn.k_proj", in, ge, c->hidden_size, false, k);
    linear(d->net, layer, "self_attn.v_proj", in, ge, c->hidden_size, false, d->v + (size_t)t * ge);
    const double *q_norm = find(d->net, layer, "self_attn.q_norm.weight");
    const double *k_norm = find(d->net, layer, "self_attn.k_norm.weight");
    nb_rope_table table;
    float cosines[NB_ROPE_MAX_PAIRS], sines[NB_ROPE_MAX_PAIRS];
    nb_rope_table_init(&table, &c->rope, width);
    nb_rope_angles(&table, d->positions ? d->positions[t] : t, cosines, sines);
    for (uint32_t h = 0; h < c->n_heads + c->n_kv_heads; h++) {
        double *x = h < c->n_heads ? q + h * width : k + (h - c->n_heads) * width;
        if (q_norm)
            norm(d->net, x, h < c->n_heads ? q_norm : k_norm, width, x);
        turn(x, cosines, sines, width);
    }
}

static void run_layer(const document *d, int layer)
{
    const nb_config *c = d->net->config;
    size_t he = (size_t)c->n_heads * c->head_dim;
    double *in = doubles(c->hidden_size), *mixed = doubles(he), *gate = doubles(c->ffn_size),
           *up = doubles(c->ffn_size);
    for (uint32_t t = 0; t < d->n; t++) {
        norm(d->net, d->x + (size_t)t * c->hidden_size, find(d->net, layer, "input_layernorm.weight"), c->hidden_size,
             in);
        heads(d, layer, t, in);
    }
    for (uint32_t t = 0; t < d->n; t++) {
        double *x = d->x + (size_t)t * c->hidden_size;
        attend(d, t, mixed);
        linear(d->net, layer, "self_attn.o_proj", mixed, c->hidden_size, (uint32_t)he, true, x);
        norm(d->net, x, find(d->net, layer, "post_attention_layernorm.weight"), c->hidden_size, in);
        linear(d->net, layer, "mlp.gate_proj", in, c->ffn_size, c->hidden_size, false, gate);
        linear(d->net, layer, "mlp.up_proj", in, c->ffn_size, c->hidden_size, false, up);
        for (uint32_t i = 0; i < c->ffn_size; i++)
            gate[i] = gate[i] / (1 + exp(-gate[i])) * up[i];
        linear(d->net, layer, "mlp.down_proj", gate, c->hidden_size, c->ffn_size, true, x);
    }
    free(in);
    free(mixed);
    free(gate);
    free(up);
}

// -ln p of `next` and the entropy behind the last residual x.
static double predict(const oracle_net *net, const double *x, int32_t next, double *entropy)
{
    const nb_config *c = net->config;
    const double *head = find(net, -1, c->tied_head ? "model.embed_tokens.weight" : "lm_head.weight");
    double *h = doubles(c->hidden_size), *z = doubles(c->vocab_size), maximum = -INFINITY, total = 0;
    norm(net, x, find(net, -1, "model.norm.weight"), c->hidden_size, h);
    for (uint32_t v = 0; v < c->vocab_size; v++) {
        for (uint32_t i = 0; i < c->hidden_size; i++)
            z[v] += head[(size_t)v * c->hidden_size + i] * h[i];
        maximum = fmax(maximum, z[v]);
    }
    for (uint32_t v = 0; v < c->vocab_size; v++)
        total += exp(z[v] - maximum);
    double lse = maximum + log(total), nll = lse - z[next];
    *entropy = 0;
    for (uint32_t v = 0; v < c->vocab_size; v++)
        *entropy -= exp(z[v] - lse) * (z[v] - lse);
    free(h);
    free(z);
    return nll;
}

static void run_document(const oracle_net *net, const nb_batch *batch, uint32_t index, double *nll, double *entropy)
{
    const nb_config *c = net->config;
    uint32_t begin = batch->starts[index], n = batch->starts[index + 1] - begin;
    size_t ge = (size_t)c->n_kv_heads * c->head_dim;
    const double *embedding = find(net, -1, "model.embed_tokens.weight");
    document d = {net,
                  n,
                  batch->positions ? batch->positions + begin : NULL,
                  doubles((size_t)n * c->hidden_size),
                  doubles((size_t)n * c->n_heads * c->head_dim),
                  doubles(n * ge),
                  doubles(n * ge)};
    for (uint32_t t = 0; t < n; t++)
        memcpy(d.x + (size_t)t * c->hidden_size, embedding + (size_t)batch->ids[begin + t] * c->hidden_size,
               c->hidden_size * sizeof(double));
    for (uint32_t i = 0; i < c->n_layers; i++)
        run_layer(&d, (int)i);
    for (uint32_t t = 0; t < n; t++) {
        nll[begin + t] = entropy[begin + t] = NAN; // nothing to predict
        if (t + 1 < n && batch->targets[begin + t + 1])
            nll[begin + t] =
                predict(net, d.x + (size_t)t * c->hidden_size, batch->ids[begin + t + 1], &entropy[begin + t]);
    }
    free(d.x);
    free(d.q);
    free(d.k);
    free(d.v);
}

static void weigh_rows(const oracle_net *net, const double *entropy, uint32_t n_rows, double threshold)
{
    uint32_t n = 0;
    double lowest = INFINITY, tau = INFINITY;
    for (uint32_t t = 0; t < n_rows; t++)
        if (!isnan(entropy[t])) {
            n++;
            lowest = fmin(lowest, entropy[t]);
        }
    double k = fmax(floor(threshold * n), 1);
    for (uint32_t t = 0; t < n_rows; t++) { // the smallest with k values at or below it
        double count = 0;
        for (uint32_t s = 0; s < n_rows; s++)
            count += entropy[s] <= entropy[t];
        if (count >= k && entropy[t] < tau)
            tau = entropy[t];
    }
    for (uint32_t t = 0; t < n_rows; t++)
        net->weights[t] = isnan(entropy[t]) ? 0 : fmax(0, 1 - (entropy[t] - lowest) / (tau - lowest + 1e-12));
}

double oracle_net_loss(const oracle_net *net, const nb_batch *batch, const nb_net_loss *loss, bool weigh)
{
    double *nll = doubles(batch->n_rows), *entropy = doubles(batch->n_rows), sum = 0;
    for (uint32_t d = 0; d < batch->n_documents; d++)
        run_document(net, batch, d, nll, entropy);
    if (weigh)
        weigh_rows(net, entropy, batch->n_rows, loss->entropy_threshold);
    for (uint32_t t = 0; t < batch->n_rows; t++)
        if (!isnan(nll[t]))
            sum += nll[t] + (loss->kind == NB_LOSS_SEM ? loss->lambda * net->weights[t] * entropy[t] : 0);
    free(nll);
    free(entropy);
    return sum / (double)loss->n_targets;
}
