// SPDX-License-Identifier: Apache-2.0
// NVFP4 weights times NVFP4 activations with the integer dot product of VNNI. A step is 256 columns = 16 blocks, one
// block a lane: codes through a byte shuffle to 2 * e2m1 + 12 (unsigned, as vpdpbusd wants its first operand), and four
// dot products into the activations' offsets. As these begin at the bits of 1.5 * 2^23, the result is, read as a float,
// that much more than the block's sum: no conversion is needed. One exact fma takes it off and multiplies by s_w, a
// second one by s_a, with the one rounding of the canonical fma(sum, s_w * s_a, .): six instructions for 256 products.
// All sums are kept divided by 256, which changes no rounding (nothing comes near the denormals) and saves a
// multiplication a step; put_sixteen() gives it back.
#include "kernels/cpu/avx512.h"
#include "kernels/nvfp4.h"

enum {
    STEP_CODE_BYTES = NB_ACT_STEP / 2,
    STEP_BLOCKS = NB_ACT_STEP / NB_NVFP4_BLOCK,
    SINGLE_ROWS = 4,   // one token: rows at a time
    PAIR = 2,          // many tokens: rows and ...
    TILE_TOKENS = 6,   // ... tokens whose sums are in registers
    PANEL_ROWS = 64,   // rows decoded at a time, ...
    PANEL_STEPS = 8,   // ... steps of them: with so many, the tokens of a tile fit the first-level cache, ...
    PANEL_TOKENS = 96, // ... and the tokens that use them before the next rows; all that fits the second-level cache
};

typedef struct row_codes {
    const uint8_t *codes, *scales; // of the step to come
} row_codes;

// 16 blocks of one weight row: 2 * e2m1 + 12 in the order of nb_act.codes, block scales / 256, and what takes the 1.5 *
// 2^23 off their products.
typedef struct decoded {
    __m512i groups[4];
    __m512 scales, zeros;
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
    d.zeros = _mm512_mul_ps(d.scales, _mm512_set1_ps(-NB_ACT_ZERO_F32));
    return d;
}

// A step of one token, or of the first of several whose steps are `stride` bytes of offsets apart.
typedef struct act_step {
    const int8_t *codes;
    const int32_t *offsets;
    const float *scales;
} act_step;

NB_INLINE act_step act_at(const nb_act *act, uint32_t t, uint32_t step)
{
    size_t at = (size_t)t * nb_act_steps(act->n_cols) + step;
    return (act_step){act->codes + at * NB_ACT_STEP, act->offsets + at * STEP_BLOCKS, act->scales + at * STEP_BLOCKS};
}

NB_INLINE __m512 add_dot(__m512i dot, const decoded *w, __m512 act_scales, __m512 sum)
{
    return _mm512_fmadd_ps(_mm512_fmadd_ps(_mm512_castsi512_ps(dot), w->scales, w->zeros), act_scales, sum);
}

NB_INLINE __m512 add_step(const decoded *w, act_step a, __m512 sum)
{
    __m512i dot = _mm512_loadu_si512(a.offsets);
    for (int group = 0; group < 4; group++)
        dot = _mm512_dpbusd_epi32(dot, w->groups[group], _mm512_loadu_si512(a.codes + group * 64));
    return add_dot(dot, w, _mm512_loadu_ps(a.scales), sum);
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
            single_step(rows, STEP_BLOCKS, act_at(chunk->act, 0, step), sums, next_rows);
        if (n_full < n_steps)
            single_step(rows, n_blocks % STEP_BLOCKS, act_at(chunk->act, 0, n_full), sums, next_rows);
        for (uint32_t r = 0; r < SINGLE_ROWS; r++)
            if (row + r < chunk->row_end)
                nb_linear_put(chunk, row + r, 0,
                              (64.0f * nb_avx512_lane_sum(sums[r])) *
                                  (chunk->weight->global_scale * chunk->act->globals[0]));
    }
}

// ---- many tokens ----------------------------------------------------------------------------------------------------

typedef struct act_record {
    __m512i groups[4], offsets;
    __m512 scales;
} act_record;

typedef struct panel {
    act_record acts[PANEL_STEPS][TILE_TOKENS];
    decoded rows[PANEL_ROWS / PAIR * PANEL_STEPS][PAIR]; // of every pair the steps in use, one after another
    __m512 sums[PANEL_TOKENS / TILE_TOKENS][PANEL_ROWS / PAIR][TILE_TOKENS][PAIR];
} panel;

// Where a tile gets its weights: decoded before, or (few tokens, where that would not pay) packed.
typedef struct tile_rows {
    const decoded (*steps)[PAIR];
    row_codes packed[PAIR];
    uint32_t n_blocks; // packed: from here to the end of the row
    size_t next_rows;  // packed: bytes from here to the next tile's rows, for a prefetch
} tile_rows;

NB_INLINE decoded tile_weights(tile_rows *rows, int i, uint32_t s, const bool is_packed)
{
    if (!is_packed)
        return rows->steps[s][i];
    row_codes *row = &rows->packed[i];
    _mm_prefetch((const char *)row->codes + rows->next_rows, _MM_HINT_T0);
    _mm_prefetch((const char *)row->codes + rows->next_rows + 64, _MM_HINT_T0);
    decoded w = decode_step(*row, rows->n_blocks - s * STEP_BLOCKS);
    row->codes += STEP_CODE_BYTES;
    row->scales += STEP_BLOCKS;
    return w;
}

NB_INLINE void tile(tile_rows rows, const act_record (*a)[TILE_TOKENS], uint32_t n_steps, bool is_first,
                    __m512 (*sums_at)[PAIR], const int n, const bool is_packed)
{
    __m512 sums[PAIR][TILE_TOKENS];
#pragma GCC unroll 6
    for (int j = 0; j < n; j++) {
        sums[0][j] = is_first ? _mm512_setzero_ps() : sums_at[j][0];
        sums[1][j] = is_first ? _mm512_setzero_ps() : sums_at[j][1];
    }
    for (uint32_t s = 0; s < n_steps; s++, a++) {
        decoded w0 = tile_weights(&rows, 0, s, is_packed), w1 = tile_weights(&rows, 1, s, is_packed);
#pragma GCC unroll 6
        for (int j = 0; j < n; j++) {
            const act_record *t = &(*a)[j];
            __m512i dot0 = t->offsets, dot1 = dot0;
#pragma GCC unroll 4
            for (int group = 0; group < 4; group++) {
                dot0 = _mm512_dpbusd_epi32(dot0, w0.groups[group], t->groups[group]);
                dot1 = _mm512_dpbusd_epi32(dot1, w1.groups[group], t->groups[group]);
            }
            sums[0][j] = add_dot(dot0, &w0, t->scales, sums[0][j]);
            sums[1][j] = add_dot(dot1, &w1, t->scales, sums[1][j]);
        }
    }
#pragma GCC unroll 6
    for (int j = 0; j < n; j++) {
        sums_at[j][0] = sums[0][j];
        sums_at[j][1] = sums[1][j];
    }
}

static void lay_out(panel *p, const nb_act *act, uint32_t t, uint32_t n, uint32_t step, uint32_t n_steps)
{
    for (uint32_t j = 0; j < n; j++)
        for (uint32_t s = 0; s < n_steps; s++) {
            act_step a = act_at(act, t + j, step + s);
            act_record *to = &p->acts[s][j];
            for (int group = 0; group < 4; group++)
                to->groups[group] = _mm512_loadu_si512(a.codes + group * 64);
            to->offsets = _mm512_loadu_si512(a.offsets);
            to->scales = _mm512_loadu_ps(a.scales);
        }
}

// A tile with the number of its tokens, at most TILE_TOKENS, known when compiled.
NB_INLINE void tile_of(uint32_t n, const tile_rows *rows, const act_record (*a)[TILE_TOKENS], uint32_t n_steps,
                       bool is_first, __m512 (*sums)[PAIR], const bool is_packed)
{
    switch (n) {
    case 1:
        tile(*rows, a, n_steps, is_first, sums, 1, is_packed);
        break;
    case 2:
        tile(*rows, a, n_steps, is_first, sums, 2, is_packed);
        break;
    case 3:
        tile(*rows, a, n_steps, is_first, sums, 3, is_packed);
        break;
    case 4:
        tile(*rows, a, n_steps, is_first, sums, 4, is_packed);
        break;
    case 5:
        tile(*rows, a, n_steps, is_first, sums, 5, is_packed);
        break;
    default:
        tile(*rows, a, n_steps, is_first, sums, TILE_TOKENS, is_packed);
    }
}

// n_rows rows from `row` on times n_tokens from t on, over n_steps of the row from `step` on.
static void packed_tiles(panel *p, const nb_linear_chunk *chunk, uint32_t row, uint32_t n_rows, uint32_t step,
                         uint32_t n_steps, uint32_t t, uint32_t n_tokens)
{
    uint32_t n_blocks = chunk->weight->n_cols / NB_NVFP4_BLOCK;
    lay_out(p, chunk->act, t, n_tokens, step, n_steps);
    for (uint32_t r = 0; r < n_rows; r += PAIR) {
        tile_rows rows = {.packed = {row_at(chunk, row + r, step), row_at(chunk, row + r + 1, step)},
                          .n_blocks = n_blocks - step * STEP_BLOCKS,
                          .next_rows = (size_t)PAIR * n_blocks * (NB_NVFP4_BLOCK / 2)};
        tile_of(n_tokens, &rows, p->acts, n_steps, step == 0, p->sums[0][r / PAIR], true);
    }
}

static void panel_tiles(panel *p, const nb_linear_chunk *chunk, uint32_t row, uint32_t n_rows, uint32_t step,
                        uint32_t n_steps, uint32_t t, uint32_t n_tokens)
{
    uint32_t n_blocks = chunk->weight->n_cols / NB_NVFP4_BLOCK;
    for (uint32_t r = 0; r < n_rows; r++)
        for (uint32_t s = 0; s < n_steps; s++)
            p->rows[r / PAIR * n_steps + s][r % PAIR] =
                decode_step(row_at(chunk, row + r, step + s), n_blocks - (step + s) * STEP_BLOCKS);
    for (uint32_t i = 0; i < n_tokens; i += TILE_TOKENS) {
        lay_out(p, chunk->act, t + i, (uint32_t)nb_min(TILE_TOKENS, n_tokens - i), step, n_steps);
        for (uint32_t r = 0; r < n_rows; r += PAIR) {
            tile_rows rows = {.steps = p->rows + r / PAIR * n_steps};
            tile_of(n_tokens - i, &rows, p->acts, n_steps, step == 0, p->sums[i / TILE_TOKENS][r / PAIR], false);
        }
    }
}

// The tree over the 16 lanes of 16 sums at once: x[slot] for result slot, in the order that SUM_SLOTS tells.
static const uint8_t SUM_SLOTS[16] = {0, 2, 1, 3, 8, 10, 9, 11, 4, 6, 5, 7, 12, 14, 13, 15};

NB_INLINE __m512 sixteen_lane_sums(__m512 *x)
{
    for (int i = 0; i < 8; i++)
        x[i] = _mm512_add_ps(_mm512_mask_blend_ps(0xff00, x[i], x[i + 8]), _mm512_shuffle_f32x4(x[i], x[i + 8], 0x4e));
    for (int i = 0; i < 4; i++)
        x[i] = _mm512_add_ps(_mm512_shuffle_f32x4(x[i], x[i + 4], 0x88), _mm512_shuffle_f32x4(x[i], x[i + 4], 0xdd));
    for (int i = 0; i < 2; i++) {
        __m512d first = _mm512_castps_pd(x[i]), second = _mm512_castps_pd(x[i + 2]);
        x[i] = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(first, second)),
                             _mm512_castpd_ps(_mm512_unpackhi_pd(first, second)));
    }
    return _mm512_add_ps(_mm512_shuffle_ps(x[0], x[1], 0x88), _mm512_shuffle_ps(x[0], x[1], 0xdd));
}

// The end of up to 16 products of one token: as nb_linear_put.
static void put_sixteen(const nb_linear_chunk *chunk, uint32_t row, uint32_t t, const __m512 (*sums)[TILE_TOKENS][PAIR])
{
    uint32_t n = (uint32_t)nb_min(16, chunk->row_end - row);
    __mmask16 rows = nb_avx512_first(n);
    __m512 x[16];
    for (uint32_t i = 0; i < 16; i++)
        x[SUM_SLOTS[i]] = i < n ? sums[i / PAIR][0][i % PAIR] : _mm512_setzero_ps();
    __m512 scale = _mm512_set1_ps(chunk->weight->global_scale * chunk->act->globals[t]);
    __m512 y = _mm512_mul_ps(_mm512_mul_ps(sixteen_lane_sums(x), _mm512_set1_ps(64.0f)), scale);
    float *at = chunk->y + t * chunk->y_stride + row;
    if (chunk->weight->bias)
        y = _mm512_add_ps(y, _mm512_maskz_loadu_ps(rows, chunk->weight->bias + row));
    if (chunk->add)
        y = _mm512_add_ps(_mm512_maskz_loadu_ps(rows, at), y);
    _mm512_mask_storeu_ps(at, rows, y);
}

static void panel_product(panel *p, const nb_linear_chunk *chunk, uint32_t row, uint32_t t)
{
    uint32_t n_steps = nb_act_steps(chunk->weight->n_cols);
    uint32_t n_rows = (uint32_t)nb_min(PANEL_ROWS, nb_align_up(chunk->row_end - row, PAIR));
    uint32_t n_tokens = (uint32_t)nb_min(PANEL_TOKENS, chunk->act->n_rows - t);
    for (uint32_t step = 0; step < n_steps; step += PANEL_STEPS) {
        uint32_t n = (uint32_t)nb_min(PANEL_STEPS, n_steps - step);
        (n_tokens <= TILE_TOKENS ? packed_tiles : panel_tiles)(p, chunk, row, n_rows, step, n, t, n_tokens);
    }
    for (uint32_t i = 0; i < n_tokens; i++)
        for (uint32_t r = 0; r < n_rows; r += 16)
            put_sixteen(chunk, row + r, t + i,
                        (const __m512(*)[TILE_TOKENS][PAIR]) & p->sums[i / TILE_TOKENS][r / PAIR][i % TILE_TOKENS]);
}

void nb_linear_nvfp4_avx512(const nb_linear_chunk *chunk)
{
    if (chunk->act->n_rows == 1) {
        one_token(chunk);
        return;
    }
    panel p;
    for (uint32_t t = 0; t < chunk->act->n_rows; t += PANEL_TOKENS)
        for (uint32_t row = chunk->row_begin; row < chunk->row_end; row += PANEL_ROWS)
            panel_product(&p, chunk, row, t);
}
