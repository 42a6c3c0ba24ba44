// SPDX-License-Identifier: Apache-2.0
// The quantisers of the forward pass, every table of this CPU: packing activations gives what the one quantiser gives;
// the KV cache holds what an independent reading of docs/NUMERICS.md 3 says, and the reference vectors.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kernels/floats.h"
#include "kernels/nvfp4.h"
#include "tests/oracle/formats_f64.h"
#include "tests/support/fixtures.h"
#include "tests/support/oracle_tensors.h"

static void for_every_table(void (*visit)(const nb_cpu_kernels *table, void *user), void *user)
{
    visit(fixture_scalar(), user);
    fixture_tables(visit, user);
}

// ---- packing --------------------------------------------------------------------------------------------------------

// Column k of token t, as the comment of nb_act describes the layout.
static int packed_code(const nb_act *act, uint32_t t, uint32_t k)
{
    static const int group_of[16] = {0, 1, 0, 1, 0, 1, 0, 1, 2, 3, 2, 3, 2, 3, 2, 3};
    static const int place_of[16] = {0, 0, 1, 1, 2, 2, 3, 3, 0, 0, 1, 1, 2, 2, 3, 3};
    const nb_act_step *step = act->steps + (size_t)t * nb_act_steps(act->n_cols) + k / 256;
    return step->codes[group_of[k % 16] * 64 + (int)(k % 256 / 16 * 4) + place_of[k % 16]];
}

static void check_packed_row(const nb_act *act, uint32_t t, float g)
{
    uint32_t n_cols = act->n_cols, n_steps = nb_act_steps(n_cols);
    uint8_t codes[4480], scales[560];
    nb_nvfp4_encode(act->x + (size_t)t * n_cols, n_cols, g, codes, scales);
    assert_int_equal(nb_f32_bits(act->globals[t]), nb_f32_bits(g));
    for (uint32_t b = 0; b < n_steps * 16; b++) {
        int sum = 0;
        for (uint32_t k = b * 16; k < b * 16 + 16; k++) {
            int expected = k < n_cols ? (int)(2 * oracle_e2m1(codes[k / 2] >> (k % 2 * 4))) : 0;
            if (packed_code(act, t, k) != expected)
                fail_msg("%u columns, row %u, column %u (%a): %d, expected %d", n_cols, t, k,
                         k < n_cols ? (double)act->x[(size_t)t * n_cols + k] : 0.0, packed_code(act, t, k), expected);
            sum += expected;
        }
        const nb_act_step *step = act->steps + (size_t)t * n_steps + b / 16;
        assert_int_equal(step->offsets[b % 16], 0x4b400000 - 12 * sum);
        double scale = b < n_cols / 16 ? oracle_e4m3(scales[b]) : 0;
        assert_true((double)step->scales[b % 16] == scale);
    }
}

static nb_act empty_act(uint32_t n_rows, uint32_t n_cols)
{
    size_t n_bytes = (size_t)n_rows * nb_act_steps(n_cols) * sizeof(nb_act_step);
    nb_act act = {.n_rows = n_rows, .n_cols = n_cols, .is_packed = true};
    act.x = fixture_memory((size_t)n_rows * n_cols * 4);
    act.steps = fixture_memory(n_bytes);
    act.globals = fixture_memory(n_rows * 4);
    memset(act.steps, 0xee, n_bytes);
    return act;
}

// Values of one row: random, or exact ties of the code grid under random powers of two, blocks of all magnitudes.
static void fill_row(fixture_rng *rng, float *x, uint32_t n)
{
    static const float tie[] = {0.25f, 0.75f, 1.25f, 1.75f, 2.5f, 3.5f, 5, 6};
    uint32_t kind = fixture_below(rng, 5);
    float factor = 1;
    for (uint32_t i = 0; i < n; i++) {
        if (i % 16 == 0)
            factor = ldexpf(1, kind == 4 ? -130 - (int)fixture_below(rng, 10) : -(int)fixture_below(rng, 20));
        float value = kind == 0 ? fixture_float(rng) : tie[fixture_below(rng, 8)];
        if (kind == 1 && i % 16 == 0)
            value = 6; // the scale is then a power of two and the ties stay ties
        if (fixture_below(rng, 16) == 0)
            value = 0;
        x[i] = (fixture_below(rng, 2) ? -value : value) * (kind == 3 ? 1e30f : 1) * factor;
    }
    if (kind == 1 && n >= 16)
        x[0] = 2688; // g = 1
    if (fixture_below(rng, 20) == 0)
        memset(x, 0, n * sizeof *x);
}

static void check_pack(const nb_cpu_kernels *table, void *user)
{
    (void)user;
    fixture_rng rng = {21};
    const uint32_t cols[] = {16, 48, 112, 144, 240, 256, 272, 512, 896, 8960};
    for (size_t i = 0; i < NB_COUNT(cols); i++)
        for (int repeat = 0; repeat < 40; repeat++) {
            nb_act act = empty_act(3, cols[i]);
            for (uint32_t t = 0; t < 3; t++) {
                fill_row(&rng, act.x + (size_t)t * cols[i], cols[i]);
                float g = fixture_below(&rng, 4) ? 0.0f : 0.001f; // 0: dynamic
                table->pack(&act, t, g);
                float absmax = nb_absmax(act.x + (size_t)t * cols[i], cols[i]);
                check_packed_row(&act, t, g > 0 ? g : nb_nvfp4_global_scale(absmax));
            }
            fixture_release();
        }
}

static void pack_equals_the_quantiser(void **state)
{
    (void)state;
    for_every_table(check_pack, NULL);
}

// ---- KV cache -------------------------------------------------------------------------------------------------------

// Nibble of x in a block with scale byte `byte`: E1M2 n = clamp(RNE(2 y), -7, 7), y = x / (s g) in f32.
static unsigned nibble_of(nb_kv_format format, float x, unsigned byte, float g)
{
    float step = (float)(oracle_e4m3(byte) * (double)g), y = x / step;
    if (format == NB_KV_FORMAT_E1M2)
        return (unsigned)(int)fmin(7, fmax(-7, nearbyint(2 * (double)y))) & 15;
    unsigned best = 0;
    double magnitude = fmin(6, fabs((double)y));
    for (unsigned m = 1; m < 8; m++) { // nearest, ties to the even code
        double old = fabs(oracle_e2m1(best) - magnitude), new = fabs(oracle_e2m1(m) - magnitude);
        if (new < old || (new == old &&m % 2 == 0))
            best = m;
    }
    return best | (signbit(x) ? 8 : 0);
}

static unsigned scale_byte(nb_kv_format format, const float *x, float g)
{
    float absmax = 0, levels = format == NB_KV_FORMAT_E1M2 ? 3.5f : 6.0f;
    for (int i = 0; i < 16; i++)
        absmax = fmaxf(absmax, fabsf(x[i]));
    return absmax == 0 ? 0x38 : oracle_e4m3_nearest((double)(absmax / (levels * g)));
}

typedef struct stored {
    nb_kv_format format;
    uint32_t head_dim, slot;
    const uint8_t *area;
    bool is_value;
} stored;

static unsigned stored_scale(const stored *s, uint32_t b)
{
    size_t bytes = s->head_dim / 2 + s->head_dim / 16;
    return s->is_value ? s->area[s->slot * bytes + s->head_dim / 2 + b]
                       : s->area[s->slot / 16 * 16 * bytes + (size_t)b * 144 + s->slot % 16];
}

static unsigned stored_nibble(const stored *s, uint32_t d)
{
    size_t bytes = s->head_dim / 2 + s->head_dim / 16;
    unsigned pair =
        s->is_value ? s->area[s->slot * bytes + d / 2]
                    : s->area[s->slot / 16 * 16 * bytes + (size_t)(d / 16) * 144 + 16 + d % 16 / 2 * 16 + s->slot % 16];
    return (d % 2 ? pair >> 4 : pair) & 15;
}

static void check_stored(const stored *s, const float *x, float g)
{
    for (uint32_t b = 0; b < s->head_dim / 16; b++) {
        unsigned byte = scale_byte(s->format, x + b * 16, g);
        bool zero = byte == 0 || nb_absmax(x + b * 16, 16) == 0; // dead or zero: codes 0, without sign
        assert_int_equal(stored_scale(s, b), byte);
        for (uint32_t d = b * 16; d < b * 16 + 16; d++)
            assert_int_equal(stored_nibble(s, d), zero ? 0 : nibble_of(s->format, x[d], byte, g));
    }
}

static void check_store(const nb_cpu_kernels *table, void *user)
{
    (void)user;
    fixture_rng rng = {22};
    for (int repeat = 0; repeat < 400; repeat++) {
        nb_kv_format format = repeat % 2 ? NB_KV_FORMAT_E1M2 : NB_KV_FORMAT_E2M1;
        uint32_t head_dim = 16 * (1 + fixture_below(&rng, 16)), slot = fixture_below(&rng, 48);
        size_t bytes = 48 * nb_kv_vector_bytes(format, head_dim);
        uint8_t *k = fixture_memory(bytes), *v = fixture_memory(bytes);
        float x[256], shift[256], shifted[256], g = repeat % 3 ? 1 : 0.03f;
        fill_row(&rng, x, head_dim);
        for (uint32_t d = 0; d < head_dim; d++) {
            shift[d] = fixture_float(&rng);
            shifted[d] = repeat % 5 ? x[d] : x[d] - shift[d];
        }
        table->store_k(format, x, repeat % 5 ? NULL : shift, g, head_dim, slot, k);
        table->store_v(format, x, g, head_dim, slot, v);
        check_stored(&(stored){format, head_dim, slot, k, false}, shifted, g);
        check_stored(&(stored){format, head_dim, slot, v, true}, x, g);
        size_t n_written = 0; // only this slot's bytes were touched
        for (size_t i = 0; i < bytes; i++)
            n_written += k[i] != 0;
        assert_true(n_written <= nb_kv_vector_bytes(format, head_dim));
        fixture_release();
    }
}

static void store_equals_the_specification(void **state)
{
    (void)state;
    for_every_table(check_store, NULL);
}

static void check_store_wide(const nb_cpu_kernels *table, void *user)
{
    (void)user;
    fixture_rng rng = {23};
    for (uint32_t slot = 0; slot < 32; slot++) {
        uint16_t k16[64 * 32], v16[64 * 32];
        float k32[64 * 32], v32[64 * 32], x[64], shift[64];
        for (int d = 0; d < 64; d++) {
            x[d] = fixture_float(&rng);
            shift[d] = fixture_float(&rng);
        }
        table->store_k(NB_KV_FORMAT_BF16, x, shift, 1, 64, slot, (uint8_t *)k16);
        table->store_v(NB_KV_FORMAT_BF16, x, 1, 64, slot, (uint8_t *)v16);
        table->store_k(NB_KV_FORMAT_F32, x, shift, 1, 64, slot, (uint8_t *)k32);
        table->store_v(NB_KV_FORMAT_F32, x, 1, 64, slot, (uint8_t *)v32);
        for (uint32_t d = 0; d < 64; d++) {
            float shifted = x[d] - shift[d];
            uint32_t at = slot / 16 * 1024 + d * 16 + slot % 16;
            assert_true(k32[at] == shifted && v32[slot * 64 + d] == x[d]);
            assert_int_equal(k16[at], nb_bf16_encode(shifted));
            assert_int_equal(v16[slot * 64 + d], nb_bf16_encode(x[d]));
        }
    }
}

static void store_of_wide_formats(void **state)
{
    (void)state;
    for_every_table(check_store_wide, NULL);
}

typedef struct vector_run {
    const oracle_tensors *vectors;
    const nb_cpu_kernels *table;
    int n_cases;
} vector_run;

static void *need(const vector_run *run, const char *stem, const char *field, size_t *n, size_t *n_rows)
{
    char name[320];
    snprintf(name, sizeof name, "%s.%s", stem, field);
    void *data = oracle_tensor_copy(run->vectors, name, n, n_rows);
    assert_non_null(data);
    return data;
}

static void check_vectors(void *user, const char *stem)
{
    vector_run *run = user;
    size_t n, n_rows, ignored;
    float *x = need(run, stem, "x", &n, &n_rows), *g = need(run, stem, "g", &ignored, &ignored);
    int8_t *codes = need(run, stem, "n", &ignored, &ignored);
    uint8_t *scales = need(run, stem, "scales", &ignored, &ignored);
    uint8_t k[16 * 72], v[16 * 72];
    assert_int_equal(n, n_rows * 128);
    for (uint32_t r = 0; r < n_rows; r++) {
        run->table->store_k(NB_KV_FORMAT_E1M2, x + r * 128, NULL, *g, 128, r % 16, k);
        run->table->store_v(NB_KV_FORMAT_E1M2, x + r * 128, *g, 128, r % 16, v);
        const stored both[] = {{NB_KV_FORMAT_E1M2, 128, r % 16, k, false}, {NB_KV_FORMAT_E1M2, 128, r % 16, v, true}};
        for (int i = 0; i < 2; i++) {
            for (uint32_t b = 0; b < 8; b++)
                assert_int_equal(stored_scale(&both[i], b), scales[r * 8 + b]);
            for (uint32_t d = 0; d < 128; d++)
                assert_int_equal(stored_nibble(&both[i], d), codes[r * 128 + d] & 15);
        }
    }
    run->n_cases++;
    free(x);
    free(g);
    free(codes);
    free(scales);
}

static void check_vector_file(const nb_cpu_kernels *table, void *user)
{
    vector_run run = {user, table, 0};
    oracle_tensors_each(user, ".x", check_vectors, &run);
    assert_true(run.n_cases >= 6);
}

static void store_equals_the_reference_vectors(void **state)
{
    (void)state;
    const char *data = oracle_data_directory();
    if (!data)
        skip();
    oracle_tensors vectors;
    oracle_tensors_open(&vectors, data, "models/oracle/quantiser/kv_e1m2.st");
    for_every_table(check_vector_file, &vectors);
    oracle_tensors_close(&vectors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pack_equals_the_quantiser),
        cmocka_unit_test(store_equals_the_specification),
        cmocka_unit_test(store_of_wide_formats),
        cmocka_unit_test(store_equals_the_reference_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
