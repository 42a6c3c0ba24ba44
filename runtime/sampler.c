// SPDX-License-Identifier: Apache-2.0
#include "runtime/sampler.h"

#include <math.h>
#include <string.h>

#include "kernels/math_f64.h"
#include "runtime/session.h"

nb_sampling nb_sampling_defaults(void)
{
    return (nb_sampling){.temperature = 0.6f, .top_p = 0.95f, .repeat_penalty = 1.0f, .repeat_last_n = 256};
}

static nb_status check(const nb_sampling *s, uint32_t n_tokens, nb_error *error)
{
    if (!(s->temperature >= 0.0f && s->temperature <= 1000.0f))
        return nb_error_set(error, NB_ERR_ARGUMENT, "temperature %g; expected 0 to 1000", (double)s->temperature);
    if (!(s->top_p > 0.0f && s->top_p <= 1.0f))
        return nb_error_set(error, NB_ERR_ARGUMENT, "top-p %g; expected above 0, at most 1", (double)s->top_p);
    if (!(s->min_p >= 0.0f && s->min_p <= 1.0f))
        return nb_error_set(error, NB_ERR_ARGUMENT, "min-p %g; expected 0 to 1", (double)s->min_p);
    if (s->top_k < 0)
        return nb_error_set(error, NB_ERR_ARGUMENT, "top-k %d; expected 0 (all) or more", s->top_k);
    if (!(s->repeat_penalty > 0.0f && s->repeat_penalty <= 1000.0f))
        return nb_error_set(error, NB_ERR_ARGUMENT, "repetition penalty %g; expected above 0, at most 1000",
                            (double)s->repeat_penalty);
    for (uint32_t i = 0; i < s->n_biases; i++) {
        if (s->biases[i].id < 0 || (uint32_t)s->biases[i].id >= n_tokens)
            return nb_error_set(error, NB_ERR_ARGUMENT, "bias for token id %d; expected 0 to %u", s->biases[i].id,
                                n_tokens - 1);
        if (isnan(s->biases[i].bias) || s->biases[i].bias == INFINITY)
            return nb_error_set(error, NB_ERR_ARGUMENT, "bias of token id %d; expected a number or -infinity",
                                s->biases[i].id);
    }
    return NB_OK;
}

// ---- the adjusted logits ------------------------------------------------------------------------------------------

static void apply_penalty(const nb_sampler_input *in, const nb_sampling *s)
{
    size_t begin = s->repeat_last_n && in->length > s->repeat_last_n ? in->length - s->repeat_last_n : 0;
    memset(in->seen, 0, in->n_tokens);
    for (size_t i = begin; i < in->length; i++)
        in->seen[in->timeline[i]] = 1;
    for (uint32_t id = 0; id < in->n_tokens; id++)
        if (in->seen[id]) {
            float *logit = &in->candidates[id].logit;
            *logit = *logit > 0.0f ? *logit / s->repeat_penalty : *logit * s->repeat_penalty;
        }
}

static void adjust(const nb_sampler_input *in, const nb_sampling *s)
{
    for (uint32_t id = 0; id < in->n_tokens; id++)
        in->candidates[id] = (nb_candidate){in->logits[id], (int32_t)id};
    for (uint32_t i = 0; i < s->n_biases; i++)
        in->candidates[s->biases[i].id].logit += s->biases[i].bias;
    if (s->repeat_penalty != 1.0f)
        apply_penalty(in, s);
}

// Order of candidates: higher logit first, then lower id.
static bool precedes(nb_candidate a, nb_candidate b)
{
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

// The first of all candidates; a NaN, where there is one.
static nb_candidate best(const nb_candidate *candidates, uint32_t n)
{
    nb_candidate top = candidates[0];
    for (uint32_t i = 1; i < n && !isnan(top.logit); i++)
        if (precedes(candidates[i], top) || isnan(candidates[i].logit))
            top = candidates[i];
    return top;
}

// ---- a heap: only the few candidates that matter are ever put in order --------------------------------------------

static void sift_down(nb_candidate *heap, uint32_t n, uint32_t i)
{
    for (uint32_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && precedes(heap[child + 1], heap[child]))
            child++;
        if (!precedes(heap[child], heap[i]))
            return;
        nb_candidate moved = heap[i];
        heap[i] = heap[child];
        heap[child] = moved;
    }
}

// Takes the first candidate out; it ends at heap[n - 1].
static nb_candidate pop(nb_candidate *heap, uint32_t n)
{
    nb_candidate top = heap[0];
    heap[0] = heap[n - 1];
    heap[n - 1] = top;
    sift_down(heap, n - 1, 0);
    return top;
}

// ---- the draw -----------------------------------------------------------------------------------------------------

// A number in [0, 1) from seed and counter: two rounds of the splitmix64 finaliser.
static double uniform(uint64_t seed, uint64_t counter)
{
    uint64_t z = seed * 0x9e3779b97f4a7c15ull + counter;
    for (int round = 0; round < 2; round++) {
        z += 0x9e3779b97f4a7c15ull;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
        z = (z ^ z >> 27) * 0x94d049bb133111ebull;
        z ^= z >> 31;
    }
    return (double)(z >> 11) * 0x1p-53;
}

static double weight_of(nb_candidate c, float top, float temperature)
{
    double x = ((double)c.logit - (double)top) / (double)temperature;
    return x > -700.0 ? nb_exp_f64(x) : 0.0;
}

// Keeps the candidates that top-k, top-p and min-p leave, in order, from the end of the heap downwards; returns how
// many.
static uint32_t keep(const nb_sampler_input *in, const nb_sampling *s, float top, double *kept_weight)
{
    nb_candidate *heap = in->candidates;
    uint32_t n = in->n_tokens, n_max = s->top_k > 0 ? (uint32_t)nb_min((size_t)s->top_k, n) : n, n_kept = 0;
    for (uint32_t i = n / 2; i-- > 0;)
        sift_down(heap, n, i);
    double total = 0.0, sum = 0.0;
    if (n_max == n) // top-p counts over all candidates, or over the k that top-k leaves
        for (uint32_t id = 0; id < n; id++)
            total += weight_of(heap[id], top, s->temperature);
    else
        for (; n_kept < n_max; n_kept++)
            total += weight_of(pop(heap, n - n_kept), top, s->temperature);
    uint32_t n_ordered = n_kept;
    for (n_kept = 0; n_kept < n_max; n_kept++) {
        nb_candidate c = n_kept < n_ordered ? heap[n - 1 - n_kept] : pop(heap, n - n_kept);
        double weight = weight_of(c, top, s->temperature);
        if (n_kept > 0 &&
            (weight < (double)s->min_p || weight == 0.0 || (s->top_p < 1.0f && sum >= (double)s->top_p * total)))
            break;
        sum += weight;
    }
    *kept_weight = sum;
    return n_kept;
}

static int32_t draw(const nb_sampler_input *in, const nb_sampling *s, float top)
{
    double sum, reached = 0.0;
    uint32_t n_kept = keep(in, s, top, &sum);
    double target = uniform(s->seed, in->length) * sum;
    nb_candidate c = in->candidates[in->n_tokens - 1];
    for (uint32_t i = 0; i < n_kept; i++) {
        c = in->candidates[in->n_tokens - 1 - i];
        reached += weight_of(c, top, s->temperature);
        if (reached > target)
            break;
    }
    return c.id;
}

static float log_probability(const float *logits, uint32_t n_tokens, int32_t id)
{
    float top = logits[0];
    double sum = 0.0;
    for (uint32_t i = 1; i < n_tokens; i++)
        top = logits[i] > top ? logits[i] : top;
    for (uint32_t i = 0; i < n_tokens; i++)
        sum += weight_of((nb_candidate){logits[i], 0}, top, 1.0f);
    return (float)((double)logits[id] - (double)top - nb_log_f64(sum));
}

nb_status nb_sample(const nb_sampler_input *in, const nb_sampling *sampling, int32_t *id, float *logprob,
                    nb_error *error)
{
    NB_TRY(check(sampling, in->n_tokens, error));
    adjust(in, sampling);
    nb_candidate top = best(in->candidates, in->n_tokens);
    if (!isfinite(top.logit))
        return nb_error_set(error, NB_ERR_INPUT,
                            "no token can be chosen; expected finite logits, found %s; the model may be damaged",
                            isnan(top.logit) ? "NaN" : "infinity");
    *id = sampling->temperature == 0.0f ? top.id : draw(in, sampling, top.logit);
    if (logprob)
        *logprob = log_probability(in->logits, in->n_tokens, *id);
    return NB_OK;
}

nb_status nb_session_sample(nb_session *session, const nb_sampling *sampling, int32_t *id, float *logprob,
                            nb_error *error)
{
    nb_sampling defaults = nb_sampling_defaults();
    if (!session->has_logits)
        return nb_error_set(error, NB_ERR_ARGUMENT, "no logits to sample from; expected a completed sync or append");
    return nb_sample(&(nb_sampler_input){.logits = session->buffers.logits,
                                         .n_tokens = session->engine->model.config.vocab_size,
                                         .timeline = session->buffers.ids,
                                         .length = session->length,
                                         .candidates = session->buffers.candidates,
                                         .seen = session->buffers.seen},
                     sampling ? sampling : &defaults, id, logprob, error);
}
