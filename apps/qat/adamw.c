// SPDX-License-Identifier: Apache-2.0
#include "apps/qat/adamw.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHUNK = 1 << 15, // elements; also the unit of the norm's sums, so it decides their bits
    LANES = 8,
};

typedef struct chunk {
    float *value;
    const float *grad;
    float *first, *second;
    size_t n;
    bool decays;
} chunk;

typedef struct factors {
    float clip, keep1, add1, keep2, add2; // m = keep1 m + add1 g
    float step, root, epsilon, keep_decayed;
} factors;

struct nb_adamw {
    nb_pool *pool;
    nb_adamw_options options;
    float *moments; // first, then second
    size_t n;       // of all parameters
    chunk *chunks;
    double *sums; // [n_chunks]
    size_t n_chunks;
    factors factors; // of the running step
};

static size_t count_elements(const nb_param *params, size_t n_params)
{
    size_t n = 0;
    for (size_t i = 0; i < n_params; i++)
        n += params[i].n;
    return n;
}

uint64_t nb_adamw_bytes(const nb_param *params, size_t n_params)
{
    return 2 * sizeof(float) * (uint64_t)count_elements(params, n_params);
}

static bool is_embedding(const nb_param *param)
{
    return strcmp(param->name, "model.embed_tokens.weight") == 0;
}

static void cut(nb_adamw *adamw, const nb_param *params, size_t n_params)
{
    float *first = adamw->moments, *second = adamw->moments + adamw->n;
    for (size_t i = 0; i < n_params; i++)
        for (size_t at = 0; at < params[i].n; at += CHUNK) {
            size_t n = nb_min(CHUNK, params[i].n - at);
            adamw->chunks[adamw->n_chunks++] = (chunk){.value = params[i].value + at,
                                                       .grad = params[i].grad + at,
                                                       .first = first,
                                                       .second = second,
                                                       .n = n,
                                                       .decays = params[i].decays && !is_embedding(&params[i])};
            first += n;
            second += n;
        }
}

nb_status nb_adamw_create(nb_adamw **adamw, nb_pool *pool, const nb_param *params, size_t n_params,
                          const nb_adamw_options *options, nb_error *error)
{
    size_t n_chunks = 0;
    for (size_t i = 0; i < n_params; i++)
        n_chunks += nb_div_ceil(params[i].n, CHUNK);
    nb_adamw *made = calloc(1, sizeof *made);
    *adamw = made;
    if (made) {
        *made = (nb_adamw){.pool = pool, .options = *options, .n = count_elements(params, n_params)};
        made->moments = calloc(2 * made->n + 1, sizeof *made->moments);
        made->chunks = calloc(n_chunks + 1, sizeof *made->chunks);
        made->sums = calloc(n_chunks + 1, sizeof *made->sums);
    }
    if (!made || !made->moments || !made->chunks || !made->sums) {
        nb_adamw_free(made);
        *adamw = NULL;
        return nb_error_set(error, NB_ERR_FIT, "out of memory for the optimiser's moments");
    }
    cut(made, params, n_params);
    return NB_OK;
}

void nb_adamw_free(nb_adamw *adamw)
{
    if (!adamw)
        return;
    free(adamw->moments);
    free(adamw->chunks);
    free(adamw->sums);
    free(adamw);
}

float *nb_adamw_first(nb_adamw *adamw)
{
    return adamw->moments;
}

float *nb_adamw_second(nb_adamw *adamw)
{
    return adamw->moments + adamw->n;
}

// ---- the norm -----------------------------------------------------------------------------------------------------

static void sum_squares(void *context, uint32_t index, uint32_t worker)
{
    nb_adamw *adamw = context;
    const chunk *c = &adamw->chunks[index];
    double lanes[LANES] = {0};
    (void)worker;
    for (size_t i = 0; i + LANES <= c->n; i += LANES)
        for (size_t j = 0; j < LANES; j++)
            lanes[j] += (double)c->grad[i + j] * c->grad[i + j];
    for (size_t i = c->n - c->n % LANES; i < c->n; i++)
        lanes[i % LANES] += (double)c->grad[i] * c->grad[i];
    for (size_t width = LANES / 2; width > 0; width /= 2)
        for (size_t j = 0; j < width; j++)
            lanes[j] += lanes[j + width];
    adamw->sums[index] = lanes[0];
}

double nb_adamw_norm(nb_adamw *adamw)
{
    double sum = 0;
    nb_pool_run(adamw->pool, (uint32_t)adamw->n_chunks, sum_squares, adamw);
    for (size_t i = 0; i < adamw->n_chunks; i++)
        sum += adamw->sums[i];
    return sqrt(sum);
}

// ---- the step -----------------------------------------------------------------------------------------------------

static void update(float *restrict value, const float *restrict grad, float *restrict first, float *restrict second,
                   size_t n, const factors *f, float keep)
{
    for (size_t i = 0; i < n; i++) {
        float g = grad[i] * f->clip;
        float m = f->keep1 * first[i] + f->add1 * g;
        float v = f->keep2 * second[i] + f->add2 * (g * g);
        first[i] = m;
        second[i] = v;
        value[i] = value[i] * keep - f->step * (m / (sqrtf(v) * f->root + f->epsilon));
    }
}

static void update_chunk(void *context, uint32_t index, uint32_t worker)
{
    nb_adamw *adamw = context;
    const chunk *c = &adamw->chunks[index];
    (void)worker;
    update(c->value, c->grad, c->first, c->second, c->n, &adamw->factors,
           c->decays ? adamw->factors.keep_decayed : 1.0f);
}

void nb_adamw_step(nb_adamw *adamw, uint64_t t, double rate, double norm)
{
    const nb_adamw_options *o = &adamw->options;
    double correction1 = 1 - pow(o->beta1, (double)t), correction2 = 1 - pow(o->beta2, (double)t);
    adamw->factors = (factors){.clip = o->clip > 0 && norm > o->clip ? (float)(o->clip / norm) : 1.0f,
                               .keep1 = (float)o->beta1,
                               .add1 = (float)(1 - o->beta1),
                               .keep2 = (float)o->beta2,
                               .add2 = (float)(1 - o->beta2),
                               .step = (float)(rate / correction1),
                               .root = (float)(1 / sqrt(correction2)),
                               .epsilon = (float)o->epsilon,
                               .keep_decayed = (float)(1 - rate * o->weight_decay)};
    nb_pool_run(adamw->pool, (uint32_t)adamw->n_chunks, update_chunk, adamw);
}
