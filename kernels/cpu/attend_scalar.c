// SPDX-License-Identifier: Apache-2.0
// The scalar twin of one segment of attention over the packed ring.
#include "kernels/cpu/cpu_kernels.h"
#include "kernels/math_f32.h"
#include "kernels/nvfp4.h"

static float nibble_value(nb_kv_format format, uint8_t nibble)
{
    return format == NB_KV_FORMAT_E1M2 ? 0.5f * (float)nb_e1m2_from_nibble(nibble) : nb_e2m1_decode(nibble);
}

static float wide_element(nb_kv_format format, const uint8_t *elements, size_t i)
{
    uint16_t half;
    float value;
    if (format == NB_KV_FORMAT_BF16) {
        memcpy(&half, elements + 2 * i, 2);
        return nb_bf16_decode(half);
    }
    memcpy(&value, elements + 4 * i, 4);
    return value;
}

static bool is_packed(nb_kv_format format)
{
    return format == NB_KV_FORMAT_E1M2 || format == NB_KV_FORMAT_E2M1;
}

static float key_dot(const nb_attend_chunk *chunk, const float *q, uint32_t slot)
{
    uint32_t lane = slot % NB_KV_TILE;
    const uint8_t *tile =
        chunk->k + (size_t)(slot / NB_KV_TILE) * NB_KV_TILE * nb_kv_vector_bytes(chunk->format, chunk->head_dim);
    float dot = 0.0f;
    for (uint32_t b = 0; b * 16 < chunk->head_dim; b++) {
        const uint8_t *block = tile + b * 9 * NB_KV_TILE; // 4-bit: 16 scale bytes, then 8 pairs of 16 bytes
        float sum = 0.0f;
        for (uint32_t e = 0; e < 16 && b * 16 + e < chunk->head_dim; e++) {
            float value =
                is_packed(chunk->format)
                    ? nibble_value(chunk->format, (block[(1 + e / 2) * NB_KV_TILE + lane] >> (e % 2 * 4)) & 15)
                    : wide_element(chunk->format, tile, (b * 16 + e) * NB_KV_TILE + lane);
            sum = __builtin_fmaf(q[b * 16 + e], value, sum);
        }
        dot = __builtin_fmaf(sum, is_packed(chunk->format) ? nb_e4m3_decode(block[lane]) : 1.0f, dot);
    }
    return dot;
}

static void add_value(const nb_attend_chunk *chunk, float p, uint32_t slot, float *o)
{
    const uint8_t *vector = chunk->v + (size_t)slot * nb_kv_vector_bytes(chunk->format, chunk->head_dim);
    for (uint32_t d = 0; d < chunk->head_dim; d++) {
        if (is_packed(chunk->format)) {
            float value = nibble_value(chunk->format, (vector[d / 2] >> (d % 2 * 4)) & 15);
            o[d] = __builtin_fmaf(p, value * nb_e4m3_decode(vector[chunk->head_dim / 2 + d / 16]), o[d]);
        } else {
            o[d] = __builtin_fmaf(p, wide_element(chunk->format, vector, d), o[d]);
        }
    }
}

static void attend_query(const nb_attend_chunk *chunk, uint32_t i)
{
    float scores[NB_KV_SEGMENT], lanes[16] = {0}, *o = chunk->partials[i], maximum = -__builtin_inff();
    bool seen[NB_KV_SEGMENT];
    for (uint32_t slot = chunk->slot_begin; slot < chunk->slot_end; slot++) {
        uint32_t at = slot - chunk->slot_begin, tile = slot / NB_KV_TILE * NB_KV_TILE;
        seen[at] = nb_kv_view_mask(chunk->views[i], tile) >> (slot - tile) & 1;
        if (!seen[at])
            continue;
        scores[at] = key_dot(chunk, chunk->q[i], slot) * chunk->qk_scale;
        maximum = scores[at] > maximum ? scores[at] : maximum;
    }
    memset(o, 0, chunk->head_dim * sizeof *o);
    for (uint32_t slot = chunk->slot_begin; slot < chunk->slot_end; slot++) {
        uint32_t at = slot - chunk->slot_begin;
        if (!seen[at])
            continue;
        float p = nb_exp(scores[at] - maximum);
        lanes[slot % 16] += p;
        add_value(chunk, p, slot, o);
    }
    o[chunk->head_dim] = maximum + 0.0f; // -0 becomes 0: which zero comes first depends on the order of search
    o[chunk->head_dim + 1] = nb_lane_sum(lanes);
}

void nb_attend_scalar(const nb_attend_chunk *chunk)
{
    for (uint32_t i = 0; i < chunk->n_queries; i++)
        attend_query(chunk, i);
}
