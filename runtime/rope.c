// SPDX-License-Identifier: Apache-2.0
#include "runtime/rope.h"

#include "kernels/math_f64.h"

static const double two_pi = 6.283185307179586;

static double base_frequency(double theta, uint32_t pair, uint32_t n_pairs)
{
    return nb_pow_f64(theta, -(double)pair / n_pairs);
}

static double llama3_frequency(const nb_rope *rope, double f)
{
    double wave = two_pi / f, n0 = rope->original_max_positions;
    if (wave < n0 / rope->high_freq_factor)
        return f;
    if (wave > n0 / rope->low_freq_factor)
        return f / rope->factor;
    double smooth = (n0 / wave - rope->low_freq_factor) / (rope->high_freq_factor - rope->low_freq_factor);
    return (1.0 - smooth) * f / rope->factor + smooth * f;
}

// The (fractional) pair whose wave makes `turns` turns over the original length.
static double yarn_pair(const nb_rope *rope, double turns, uint32_t n_pairs)
{
    return n_pairs * nb_log_f64(rope->original_max_positions / (turns * two_pi)) / nb_log_f64(rope->theta);
}

static double yarn_frequency(const nb_rope *rope, double f, uint32_t pair, uint32_t n_pairs)
{
    double low = yarn_pair(rope, rope->beta_fast, n_pairs), high = yarn_pair(rope, rope->beta_slow, n_pairs);
    if (rope->truncate) {
        low = __builtin_floor(low);
        high = __builtin_ceil(high);
    }
    low = low > 0.0 ? low : 0.0;
    high = high < 2.0 * n_pairs - 1.0 ? high : 2.0 * n_pairs - 1.0;
    if (low == high)
        high += 0.001; // as the reference: no division by zero
    double ramp = (pair - low) / (high - low);
    ramp = ramp < 0.0 ? 0.0 : ramp > 1.0 ? 1.0 : ramp;
    return f / rope->factor * ramp + f * (1.0 - ramp);
}

void nb_rope_table_init(nb_rope_table *table, const nb_rope *rope, uint32_t head_dim)
{
    NB_ASSERT(head_dim % 2 == 0 && head_dim / 2 <= NB_ROPE_MAX_PAIRS);
    table->rope = *rope;
    table->n_pairs = head_dim / 2;
    for (uint32_t i = 0; i < table->n_pairs; i++) {
        double f = base_frequency(rope->theta, i, table->n_pairs);
        switch (rope->kind) {
        case NB_ROPE_DEFAULT:
        case NB_ROPE_DYNAMIC:
            break;
        case NB_ROPE_LINEAR:
            f /= rope->factor;
            break;
        case NB_ROPE_LLAMA3:
            f = llama3_frequency(rope, f);
            break;
        case NB_ROPE_YARN:
            f = yarn_frequency(rope, f, i, table->n_pairs);
            break;
        }
        table->frequencies[i] = f;
    }
}

// theta of a dynamic table at this position.
static double dynamic_theta(const nb_rope_table *table, uint32_t position)
{
    const nb_rope *rope = &table->rope;
    double n = position + 1.0, e = 2.0 * table->n_pairs;
    double stretch = rope->factor * n / rope->original_max_positions - (rope->factor - 1.0);
    return rope->theta * nb_pow_f64(stretch, e / (e - 2.0));
}

void nb_rope_angles(const nb_rope_table *table, uint32_t position, float *cosines, float *sines)
{
    bool stretched = table->rope.kind == NB_ROPE_DYNAMIC && position + 1.0 > table->rope.original_max_positions;
    double theta = stretched ? dynamic_theta(table, position) : 0.0;
    for (uint32_t i = 0; i < table->n_pairs; i++) {
        double sine, cosine;
        double f = stretched ? base_frequency(theta, i, table->n_pairs) : table->frequencies[i];
        nb_sincos_f64(position * f, &sine, &cosine);
        cosines[i] = (float)(cosine * table->rope.attention_factor);
        sines[i] = (float)(sine * table->rope.attention_factor);
    }
}
