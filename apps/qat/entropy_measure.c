// SPDX-License-Identifier: Apache-2.0
#include "apps/qat/entropy_measure.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/math_f64.h"
#include "runtime/sampler.h"

enum { CHUNK = 32 }; // positions whose reference logits are held

const char *const nb_token_class_names[NB_TOKEN_CLASSES] = {"digit", "operator", "word", "other"};
const double nb_entropy_edges[NB_ENTROPY_BUCKETS + 1] = {0, 0.01, 0.05, 0.2, 0.5, 1, 2, INFINITY};

// ---- classes ------------------------------------------------------------------------------------------------------

// Bytes of the operator that `text` begins with, 0: none.
static size_t operator_bytes(const char *text, size_t bytes)
{
    static const char *const others[] = {"×", "÷", "−", "·", "≤", "≥", "≠", "≈"};
    if (strchr("+-*/=<>^", text[0]) && text[0])
        return 1;
    for (size_t i = 0; i < NB_COUNT(others); i++)
        if (bytes >= strlen(others[i]) && memcmp(text, others[i], strlen(others[i])) == 0)
            return strlen(others[i]);
    return 0;
}

nb_token_class nb_token_class_of(const char *text, size_t bytes)
{
    size_t n_digits = 0, n_operators = 0, n_letters = 0, n_others = 0;
    for (size_t i = 0; i < bytes;) {
        unsigned char c = (unsigned char)text[i];
        size_t sign = operator_bytes(text + i, bytes - i);
        n_operators += sign > 0;
        n_digits += isdigit(c) != 0;
        n_letters += sign == 0 && (isalpha(c) || c >= 0xc3); // most of what is beyond ASCII are letters
        n_others += sign == 0 && c < 0x80 && !isalnum(c) && !isspace(c);
        i += sign ? sign : 1;
    }
    if (n_letters)
        return NB_CLASS_WORD;
    if (n_digits && !n_operators && !n_others)
        return NB_CLASS_DIGIT;
    return n_operators && !n_digits && !n_others ? NB_CLASS_OPERATOR : NB_CLASS_OTHER;
}

void nb_entropy_join(nb_entropy_sums *sums, const nb_entropy_sums *more)
{
    sums->n += more->n;
    sums->entropy += more->entropy;
    sums->nll += more->nll;
    sums->outside += more->outside;
    sums->mismatches += more->mismatches;
    sums->wrong += more->wrong;
    sums->kl += more->kl;
    sums->flips += more->flips;
}

// ---- one position -------------------------------------------------------------------------------------------------

typedef struct prediction {
    double entropy, log_sum; // ln p_i = z_i - log_sum
    int32_t best;
} prediction;

// False when a logit is not finite.
static bool predict(const float *logits, uint32_t n, prediction *p)
{
    p->best = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (!isfinite(logits[i]))
            return false;
        if (logits[i] > logits[p->best])
            p->best = (int32_t)i;
    }
    double top = (double)logits[p->best], sum = 0, moment = 0;
    for (uint32_t i = 0; i < n; i++) {
        double z = (double)logits[i] - top;
        if (z < -700)
            continue;
        double e = nb_exp_f64(z);
        sum += e;
        moment += e * z;
    }
    double log_sum = sum > 1 ? nb_log_f64(sum) : 0;
    p->entropy = fmax(0, log_sum - moment / sum); // H = ln S - sum e z / S
    p->log_sum = top + log_sum;
    return true;
}

static double divergence(const float *from, const prediction *p, const float *to, const prediction *q, uint32_t n)
{
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        double log_p = (double)from[i] - p->log_sum;
        if (log_p > -700)
            sum += nb_exp_f64(log_p) * (log_p - ((double)to[i] - q->log_sum));
    }
    return fmax(0, sum);
}

typedef struct measurement {
    const nb_entropy_request *request;
    nb_entropy_table *table;
    uint32_t vocab_size;
    const int32_t *ids; // of the trace
    const uint8_t *mask;
    uint32_t n_ids;
    uint64_t trace;
    uint32_t first; // position of the first held row
    float *held;    // [CHUNK, V] logits of the reference
    nb_candidate *candidates;
    uint8_t *seen;
    nb_error *error;
    nb_status status; // of what went wrong in a callback
} measurement;

static uint32_t count_mismatches(measurement *m, const float *logits, uint32_t position)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->request->n_samples && m->status == NB_OK; i++) {
        nb_sampling sampling = m->request->sampling;
        int32_t id = 0;
        sampling.seed = (sampling.seed * 1000003 + m->trace) * 1000003 + i;
        m->status = nb_sample(&(nb_sampler_input){.logits = logits,
                                                  .n_tokens = m->vocab_size,
                                                  .timeline = m->ids,
                                                  .length = position + 1,
                                                  .candidates = m->candidates,
                                                  .seen = m->seen},
                              &sampling, &id, NULL, m->error);
        n += id != m->ids[position + 1];
    }
    return n;
}

static uint32_t bucket_of(double entropy)
{
    uint32_t bucket = 0;
    while (bucket + 1 < NB_ENTROPY_BUCKETS && entropy >= nb_entropy_edges[bucket + 1])
        bucket++;
    return bucket;
}

static bool is_target(const measurement *m, size_t position) // of the prediction made there
{
    return position + 1 < m->n_ids && m->mask[position + 1];
}

static bool on_logits(void *user, size_t position, const float *logits)
{
    measurement *m = user;
    prediction p, q;
    if (!is_target(m, position))
        return true;
    const float *reference = m->held ? m->held + (position - m->first) * m->vocab_size : NULL;
    if (!predict(logits, m->vocab_size, &p) || (reference && !predict(reference, m->vocab_size, &q))) {
        m->status = nb_error_set(m->error, NB_ERR_INPUT,
                                 "trace %llu: expected finite logits, found NaN or infinity; the model may be damaged",
                                 (unsigned long long)m->trace + 1);
        return false;
    }
    int32_t id = m->ids[position + 1];
    double log_p = (double)logits[id] - p.log_sum;
    nb_entropy_sums *cell = &m->table->cells[m->request->classes[id]][bucket_of(reference ? q.entropy : p.entropy)];
    nb_entropy_join(cell, &(nb_entropy_sums){.n = 1,
                                             .entropy = p.entropy,
                                             .nll = -log_p,
                                             .outside = 1 - (log_p > -700 ? nb_exp_f64(log_p) : 0),
                                             .mismatches = count_mismatches(m, logits, (uint32_t)position),
                                             .wrong = p.best != id,
                                             .kl = reference ? divergence(reference, &q, logits, &p, m->vocab_size) : 0,
                                             .flips = reference && p.best != q.best});
    return m->status == NB_OK;
}

static bool hold_logits(void *user, size_t position, const float *logits)
{
    measurement *m = user;
    memcpy(m->held + (position - m->first) * m->vocab_size, logits, m->vocab_size * sizeof *logits);
    return true;
}

// ---- a trace ------------------------------------------------------------------------------------------------------

static nb_status both(measurement *m, nb_logits_fn hold, nb_logits_fn measure, uint32_t begin, uint32_t end)
{
    const nb_entropy_request *request = m->request;
    m->first = begin;
    if (request->reference)
        NB_TRY(nb_session_append(request->reference, m->ids + begin, end - begin, hold, m, m->error));
    nb_status status = nb_session_append(request->model, m->ids + begin, end - begin, measure, m, m->error);
    return m->status != NB_OK ? m->status : status;
}

// The prompt needs no logits; the rest goes piece by piece.
static nb_status measure_trace(measurement *m)
{
    uint32_t prompt = 0;
    NB_TRY(nb_session_rewind(m->request->model, 0, m->error));
    if (m->request->reference)
        NB_TRY(nb_session_rewind(m->request->reference, 0, m->error));
    while (prompt < m->n_ids && !is_target(m, prompt))
        prompt++;
    if (prompt)
        NB_TRY(both(m, NULL, NULL, 0, prompt));
    for (uint32_t begin = prompt; begin < m->n_ids; begin += CHUNK)
        NB_TRY(both(m, hold_logits, on_logits, begin, (uint32_t)nb_min(begin + CHUNK, m->n_ids)));
    return NB_OK;
}

static void see(void *user, nb_stage stage, uint32_t layer, const float *values, uint32_t n_rows, uint32_t n_cols)
{
    const nb_entropy_request *request = user;
    const nb_engine *engine = request->model->engine;
    uint32_t e = engine->model.config.head_dim;
    if (stage != NB_STAGE_K && stage != NB_STAGE_V)
        return;
    const float *shift = stage == NB_STAGE_K ? engine->model.layers[layer].k_shift : NULL;
    nb_kv_error *sums = &request->kv[layer][stage == NB_STAGE_V];
    for (size_t i = 0; i < (size_t)n_rows * n_cols; i += e)
        nb_kv_error_add(sums, engine->exec.cpu, values + i, shift ? shift + i % n_cols : NULL, e);
}

static nb_status measure_all(measurement *m)
{
    const nb_traces *traces = m->request->traces;
    for (m->trace = 0; m->trace < m->request->n_traces; m->trace++) {
        m->ids = traces->ids + traces->starts[m->trace];
        m->mask = traces->mask + traces->starts[m->trace];
        m->n_ids = nb_traces_length(traces, m->trace);
        NB_TRY(measure_trace(m));
        if (!m->request->on_trace(m->request->user, m->trace + 1))
            return nb_error_set(m->error, NB_ERR_STOPPED, "interrupted");
    }
    return NB_OK;
}

nb_status nb_entropy_measure(const nb_entropy_request *request, nb_entropy_table *table, nb_error *error)
{
    uint32_t n = request->model->engine->model.config.vocab_size;
    const nb_observer observer = {see, (void *)request};
    measurement m = {.request = request, .table = table, .vocab_size = n, .error = error};
    memset(table, 0, sizeof *table);
    m.held = request->reference ? malloc((size_t)CHUNK * n * sizeof *m.held) : NULL;
    m.candidates = malloc(n * sizeof *m.candidates);
    m.seen = malloc(n);
    request->model->observer = request->kv ? &observer : NULL;
    nb_status status = m.candidates && m.seen && (m.held || !request->reference)
                           ? measure_all(&m)
                           : nb_error_set(error, NB_ERR_FIT, "out of memory");
    request->model->observer = NULL;
    free(m.held);
    free(m.candidates);
    free(m.seen);
    return status;
}
