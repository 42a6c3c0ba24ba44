// SPDX-License-Identifier: Apache-2.0
#include "tests/oracle/attention_f64.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/oracle/formats_f64.h"

static double wide(nb_kv_format format, const uint8_t *elements, size_t i)
{
    uint32_t bits = 0;
    float value;
    if (format == NB_KV_FORMAT_BF16) {
        memcpy((uint8_t *)&bits + 2, elements + 2 * i, 2);
        memcpy(&value, &bits, 4);
    } else {
        memcpy(&value, elements + 4 * i, 4);
    }
    return (double)value;
}

static double nibble(nb_kv_format format, unsigned code)
{
    return format == NB_KV_FORMAT_E1M2 ? oracle_e1m2_nibble(code) : oracle_e2m1(code);
}

double oracle_ring_key(const nb_ring *ring, const uint8_t *area, uint32_t slot, uint32_t d)
{
    uint32_t e = ring->head_dim, lane = slot % 16;
    if (ring->format == NB_KV_FORMAT_BF16 || ring->format == NB_KV_FORMAT_F32)
        return wide(ring->format, area, (size_t)(slot / 16) * 16 * e + d * 16 + lane);
    const uint8_t *block = area + (size_t)(slot / 16) * (e / 2 + e / 16) * 16 + d / 16 * (16 + 8 * 16);
    unsigned pair = block[16 + d % 16 / 2 * 16 + lane];
    return nibble(ring->format, d % 2 ? pair >> 4 : pair) * oracle_e4m3(block[lane]);
}

double oracle_ring_value(const nb_ring *ring, const uint8_t *area, uint32_t slot, uint32_t d)
{
    uint32_t e = ring->head_dim;
    if (ring->format == NB_KV_FORMAT_BF16 || ring->format == NB_KV_FORMAT_F32)
        return wide(ring->format, area, (size_t)slot * e + d);
    const uint8_t *vector = area + (size_t)slot * (e / 2 + e / 16);
    unsigned pair = vector[d / 2];
    return nibble(ring->format, d % 2 ? pair >> 4 : pair) * oracle_e4m3(vector[e / 2 + d / 16]);
}

// Scores of the seen slots, and how far f32 may be from each.
static double find_scores(const nb_ring *ring, const uint8_t *k, const nb_kv_view *view, const float *q, double scale,
                          double *scores, double *errors)
{
    double maximum = -INFINITY;
    for (int r = 0; r < 3; r++)
        for (uint32_t slot = view->begin[r]; slot < view->end[r]; slot++) {
            double dot = 0, absolute = 0;
            for (uint32_t d = 0; d < ring->head_dim; d++) {
                double product = (double)q[d] * oracle_ring_key(ring, k, slot, d);
                dot += product;
                absolute += fabs(product);
            }
            scores[slot] = dot * scale;
            errors[slot] = oracle_gamma(16 + ring->head_dim / 16 + 2) * absolute * scale; // block, blocks, scale
            maximum = fmax(maximum, scores[slot]);
        }
    return maximum;
}

// Softmax moves by sum_t p_t e_t (v_t - out) when the scores move by e_t; the sums over t round on top of that.
void oracle_attention(const nb_ring *ring, const uint8_t *k, const uint8_t *v, const nb_kv_view *view, const float *q,
                      double scale, double *out, double *allowed)
{
    double *scores = malloc(ring->n_slots * sizeof *scores), *errors = malloc(ring->n_slots * sizeof *errors), l = 0;
    double maximum = find_scores(ring, k, view, q, scale, scores, errors);
    double n_seen = 0, n_segments = nb_div_ceil(ring->n_slots, NB_KV_SEGMENT);
    for (int r = 0; r < 3; r++)
        for (uint32_t slot = view->begin[r]; slot < view->end[r]; slot++, n_seen++) {
            // the subtraction of the maximum, in one step or two; nb_exp, 2e-7, once for the segment and once after
            errors[slot] += ORACLE_U * (maximum - scores[slot]) + (n_segments > 1 ? 4e-7 : 2e-7);
            l += scores[slot] = exp(scores[slot] - maximum);
        }
    double chain = fmin(n_seen, NB_KV_SEGMENT) + n_segments, lanes = ceil(chain / 16) + 4 + n_segments;
    for (uint32_t d = 0; d < ring->head_dim; d++) {
        double sum = 0, absolute = 0, moved = 0;
        for (int r = 0; r < 3; r++)
            for (uint32_t slot = view->begin[r]; slot < view->end[r]; slot++) {
                sum += scores[slot] * oracle_ring_value(ring, v, slot, d);
                absolute += fabs(scores[slot] * oracle_ring_value(ring, v, slot, d));
            }
        out[d] = sum / l;
        for (int r = 0; r < 3; r++)
            for (uint32_t slot = view->begin[r]; slot < view->end[r]; slot++)
                moved += scores[slot] * errors[slot] * fabs(oracle_ring_value(ring, v, slot, d) - out[d]);
        allowed[d] =
            moved / l + oracle_gamma(chain + 1) * absolute / l + oracle_gamma(lanes + 2) * fabs(out[d]) + 1e-36;
    }
    free(scores);
    free(errors);
}
