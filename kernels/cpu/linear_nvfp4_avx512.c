// SPDX-License-Identifier: Apache-2.0
// NVFP4 weights times NVFP4 activations with the integer dot product of VNNI. A step is 256 columns = 16 blocks, one
// block a lane: codes through a byte shuffle to 2 * e2m1 + 12 (unsigned, as vpdpbusd wants its first operand), four dot
// products into the activations' offsets, one convert, one fma with s_w * s_a. All sums are kept divided by 256, which
// changes no rounding (nothing comes near the denormals) and saves a multiplication a step; finish() gives it back.
#include "kernels/cpu/avx512.h"
#include "kernels/nvfp4.h"

enum {
    STEP_CODE_BYTES = NB_ACT_STEP / 2,
    STEP_BLOCKS = NB_ACT_STEP / NB_NVFP4_BLOCK,
    SINGLE_ROWS = 4,   // one token: rows at a time
    PAIR = 2,          // many tokens: rows and ...
    TILE_TOKENS = 6,   // ... tokens in registers
    PANEL_ROWS = 16,   // rows decoded at a time, ...
    PANEL_STEPS = 8,   // ... steps of them, which fit the second-level cache, ...
    PANEL_TOKENS = 48, // ... and the tokens that use them before the next rows
};

typedef struct row_codes {
    const uint8_t *codes, *scales; // of the step to come
} row_codes;

// 16 blocks of one weight row: 2 * e2m1 + 12 in the order of nb_act.codes, and block scales / 256.
typedef struct decoded {
    __m512i groups[4];
    __m512 scales;
} decoded;

static row_codes row_at(const nb_linear_chunk *chunk, uint32_t row, uint32_t step)
{
    uint32_t last = chunk->row_end - 1; // rows past the end repeat the last one; what they give is dropped
    size_t n_blocks = chunk->weight->n_cols / NB_NVFP4_BLOCK, at = (row < last ? row : last) * n_blocks;
    at += (size_t)step * STEP_BLOCKS;
    return (row_codes){chunk->weight->data + at * (NB_NVFP4_BLOCK / 2), chunk->weight->scales + at};
}

// n_blocks: how many the row still has; what lies behind them is not read and decodes to scales of 0.
NB_INLINE decoded decode_step(row_codes row, uint32_t n_blocks)
{
    __m512i first, second;
    __m128i scales;
    if (n_blocks >= STEP_BLOCKS) {
        first = _mm512_loadu_si512(row.codes);
        second = _mm512_loadu_si512(row.codes + 64);
        scales = _mm_loadu_si128((const __m128i *)row.scales);
    } else {
        uint32_t n_first = n_blocks < 8 ? n_blocks : 8;
        first = _mm512_maskz_loadu_epi64((__mmask8)nb_avx512_first(n_first), row.codes);
        second = _mm512_maskz_loadu_epi64((__mmask8)nb_avx512_first(n_blocks - n_first), row.codes + 64);
        scales = _mm_maskz_loadu_epi8(nb_avx512_first(n_blocks), row.scales);
    }
    const __m512i low_dwords = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i high_dwords = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    const __m512i table =
        _mm512_broadcast_i32x4(_mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0));
    const __m512i nibble = _mm512_set1_epi8(15);
    __m512i low = _mm512_permutex2var_epi32(first, low_dwords, second);   // columns 0..7 of every block
    __m512i high = _mm512_permutex2var_epi32(first, high_dwords, second); // columns 8..15
    decoded d;
    d.groups[0] = _mm512_shuffle_epi8(table, _mm512_and_si512(low, nibble));
    d.groups[1] = _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(low, 4), nibble));
    d.groups[2] = _mm512_shuffle_epi8(table, _mm512_and_si512(high, nibble));
    d.groups[3] = _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(high, 4), nibble));
    d.scales = nb_avx512_e4m3_over_256(scales);
    return d;
}

// One step of one token's activations.
typedef struct act_step {
    const int8_t *codes;
    const int32_t *offsets;
    const float *scales;
} act_step;

NB_INLINE act_step act_at(const nb_act *act, uint32_t n_steps, uint32_t t, uint32_t step)
{
    size_t at = (size_t)t * n_steps + step;
    return (act_step){act->codes + at * NB_ACT_STEP, act->offsets + at * STEP_BLOCKS, act->scales + at * STEP_BLOCKS};
}

NB_INLINE __m512 add_step(const decoded *w, act_step a, __m512 sum)
{
    __m512i dot = _mm512_loadu_si512(a.offsets);
    for (int group = 0; group < 4; group++)
        dot = _mm512_dpbusd_epi32(dot, w->groups[group], _mm512_loadu_si512(a.codes + group * 64));
    __m512 scales = _mm512_mul_ps(w->scales, _mm512_loadu_ps(a.scales));
    return _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), scales, sum);
}

static void finish(const nb_linear_chunk *chunk, uint32_t row, uint32_t t, __m512 sum)
{
    if (row < chunk->row_end)
        nb_linear_put(chunk, row, t,
                      (64.0f * nb_avx512_lane_sum(sum)) * (chunk->weight->global_scale * chunk->act->globals[t]));
}

// ---- one token ------------------------------------------------------------------------------------------------------

// next_rows: bytes from here to the same place SINGLE_ROWS rows on. Rows are too short for the hardware prefetcher
// alone: with the next group's codes fetched meanwhile, the loop reads at the speed of memory.
NB_INLINE void single_step(row_codes *rows, uint32_t n_blocks, act_step a, __m512 *sums, size_t next_rows)
{
    for (int r = 0; r < SINGLE_ROWS; r++) {
        _mm_prefetch((const char *)rows[r].codes + next_rows, _MM_HINT_T0);
        _mm_prefetch((const char *)rows[r].codes + next_rows + 64, _MM_HINT_T0);
        decoded w = decode_step(rows[r], n_blocks);
        sums[r] = add_step(&w, a, sums[r]);
        rows[r].codes += STEP_CODE_BYTES;
        rows[r].scales += STEP_BLOCKS;
    }
}

static void one_token(const nb_linear_chunk *chunk)
{
    uint32_t n_blocks = chunk->weight->n_cols / NB_NVFP4_BLOCK, n_full = n_blocks / STEP_BLOCKS;
    uint32_t n_steps = nb_act_steps(chunk->weight->n_cols);
    size_t next_rows = (size_t)SINGLE_ROWS * n_blocks * (NB_NVFP4_BLOCK / 2);
    for (uint32_t row = chunk->row_begin; row < chunk->row_end; row += SINGLE_ROWS) {
        row_codes rows[SINGLE_ROWS];
        __m512 sums[SINGLE_ROWS];
        for (uint32_t r = 0; r < SINGLE_ROWS; r++) {
            rows[r] = row_at(chunk, row + r, 0);
            sums[r] = _mm512_setzero_ps();
        }
        for (uint32_t step = 0; step < n_full; step++)
            single_step(rows, STEP_BLOCKS, act_at(chunk->act, n_steps, 0, step), sums, next_rows);
        if (n_full < n_steps)
            single_step(rows, n_blocks % STEP_BLOCKS, act_at(chunk->act, n_steps, 0, n_full), sums, next_rows);
        for (uint32_t r = 0; r < SINGLE_ROWS; r++)
            finish(chunk, row + r, 0, sums[r]);
    }
}

// ---- many tokens ----------------------------------------------------------------------------------------------------

typedef struct panel {
    decoded steps[PANEL_ROWS][PANEL_STEPS];
    __m512 sums[PANEL_ROWS][PANEL_TOKENS];
} panel;

// PAIR rows of the panel times n tokens from t on, over n_steps of the panel beginning with the row's `step`.
NB_INLINE void tile(panel *p, const nb_act *act, uint32_t r, uint32_t step, uint32_t n_steps, uint32_t t,
                    uint32_t t_sum, const int n)
{
    uint32_t act_steps = nb_act_steps(act->n_cols);
    __m512 sums[PAIR][TILE_TOKENS];
    for (int i = 0; i < PAIR; i++)
        for (int j = 0; j < n; j++)
            sums[i][j] = p->sums[r + (uint32_t)i][t_sum + (uint32_t)j];
    for (uint32_t s = 0; s < n_steps; s++) {
        decoded w0 = p->steps[r][s], w1 = p->steps[r + 1][s];
        for (int j = 0; j < n; j++) {
            act_step a = act_at(act, act_steps, t + (uint32_t)j, step + s);
            __m512i dot0 = _mm512_loadu_si512(a.offsets), dot1 = dot0;
            for (int group = 0; group < 4; group++) {
                __m512i codes = _mm512_loadu_si512(a.codes + group * 64);
                dot0 = _mm512_dpbusd_epi32(dot0, w0.groups[group], codes);
                dot1 = _mm512_dpbusd_epi32(dot1, w1.groups[group], codes);
            }
            __m512 scales = _mm512_loadu_ps(a.scales);
            sums[0][j] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot0), _mm512_mul_ps(w0.scales, scales), sums[0][j]);
            sums[1][j] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot1), _mm512_mul_ps(w1.scales, scales), sums[1][j]);
        }
    }
    for (int i = 0; i < PAIR; i++)
        for (int j = 0; j < n; j++)
            p->sums[r + (uint32_t)i][t_sum + (uint32_t)j] = sums[i][j];
}

static void tiles(panel *p, const nb_act *act, uint32_t n_rows, uint32_t step, uint32_t n_steps, uint32_t t,
                  uint32_t n_tokens)
{
    for (uint32_t i = 0; i < n_tokens; i += TILE_TOKENS)
        for (uint32_t r = 0; r < n_rows; r += PAIR)
            switch (n_tokens - i) {
            case 1:
                tile(p, act, r, step, n_steps, t + i, i, 1);
                break;
            case 2:
                tile(p, act, r, step, n_steps, t + i, i, 2);
                break;
            case 3:
                tile(p, act, r, step, n_steps, t + i, i, 3);
                break;
            case 4:
                tile(p, act, r, step, n_steps, t + i, i, 4);
                break;
            case 5:
                tile(p, act, r, step, n_steps, t + i, i, 5);
                break;
            default:
                tile(p, act, r, step, n_steps, t + i, i, TILE_TOKENS);
            }
}

static void panel_rows(panel *p, const nb_linear_chunk *chunk, uint32_t row, uint32_t n_rows, uint32_t t,
                       uint32_t n_tokens)
{
    uint32_t n_blocks = chunk->weight->n_cols / NB_NVFP4_BLOCK, n_steps = nb_act_steps(chunk->weight->n_cols);
    for (uint32_t r = 0; r < n_rows; r++)
        for (uint32_t i = 0; i < n_tokens; i++)
            p->sums[r][i] = _mm512_setzero_ps();
    for (uint32_t step = 0; step < n_steps; step += PANEL_STEPS) {
        uint32_t n = (uint32_t)nb_min(PANEL_STEPS, n_steps - step);
        for (uint32_t r = 0; r < n_rows; r++)
            for (uint32_t s = 0; s < n; s++)
                p->steps[r][s] = decode_step(row_at(chunk, row + r, step + s), n_blocks - (step + s) * STEP_BLOCKS);
        tiles(p, chunk->act, n_rows, step, n, t, n_tokens);
    }
    for (uint32_t r = 0; r < n_rows; r++)
        for (uint32_t i = 0; i < n_tokens; i++)
            finish(chunk, row + r, t + i, p->sums[r][i]);
}

static void many_tokens(const nb_linear_chunk *chunk)
{
    panel p;
    for (uint32_t t = 0; t < chunk->act->n_rows; t += PANEL_TOKENS)
        for (uint32_t row = chunk->row_begin; row < chunk->row_end; row += PANEL_ROWS) {
            size_t n_rows = nb_min(PANEL_ROWS, nb_align_up(chunk->row_end - row, PAIR));
            panel_rows(&p, chunk, row, (uint32_t)n_rows, t, (uint32_t)nb_min(PANEL_TOKENS, chunk->act->n_rows - t));
        }
}

void nb_linear_nvfp4_avx512(const nb_linear_chunk *chunk)
{
    if (chunk->act->n_rows == 1)
        one_token(chunk);
    else
        many_tokens(chunk);
}
