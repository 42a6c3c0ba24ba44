// SPDX-License-Identifier: Apache-2.0
// NVFP4 weights times NVFP4 activations with the integer dot product of VNNI. A step is 256 columns = 16 blocks, one
// block a lane: codes through a byte shuffle to 2 * e2m1 + 12 (unsigned, as vpdpbusd wants its first operand), and four
// dot products into the activations' offsets. As these begin at the bits of 1.5 * 2^23, the result is, read as a float,
// that much more than the block's sum: no conversion is needed. One exact fma takes it off and multiplies by s_w, a
// second one by s_a, with the one rounding of the canonical fma(sum, s_w * s_a, .): six instructions for 256 products.
// All sums are kept divided by 256, which changes no rounding (nothing comes near the denormals) and saves a
// multiplication a step; put_sixteen() gives it back.
#include "kernels/cpu/linear_nvfp4_tile_avx512.h"
#include "kernels/nvfp4.h"

enum {
    STEP_CODE_BYTES = NB_ACT_STEP / 2,
    STEP_BLOCKS = NB_ACT_STEP / NB_NVFP4_BLOCK,
    STREAMS = 4,        // one token: places in memory read at the same time, and ...
    AHEAD_BYTES = 1024, // ... codes fetched ahead in each
    PANEL_STEPS = 8,    // many tokens: steps at a time, whose activations and sums fit the first-level cache,
    PUT_ROWS = 16,      // rows whose sums are finished together,
    BLOCK_ROWS = 128,   // rows decoded at a time, ...
    BLOCK_STEPS = 1152, // ... and at most so many steps of them, for the second-level cache
    FETCH_BYTES = 2048, // codes that decoding fetches ahead
    PACKED_TOKENS = 16, // few tokens: decoding in registers again for each six of them is less than a block costs;
    PACKED_ROWS = 64,   // ... rows at a time
};

typedef struct row_codes {
    const uint8_t *codes, *scales; // of the step to come
} row_codes;

static row_codes row_at(const nb_linear_chunk *chunk, uint32_t row, uint32_t step)
{
    uint32_t last = chunk->row_end - 1; // rows past the end repeat the last one; what they give is dropped
    size_t n_blocks = chunk->weight->n_cols / NB_NVFP4_BLOCK, at = (row < last ? row : last) * n_blocks;
    at += (size_t)step * STEP_BLOCKS;
    return (row_codes){chunk->weight->data + at * (NB_NVFP4_BLOCK / 2), chunk->weight->scales + at};
}

// Codes and scales of 16 blocks.
NB_INLINE decoded decode(__m512i first, __m512i second, __m128i scales)
{
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
    return decode(first, second, scales);
}

static const nb_act_step *act_at(const nb_act *act, uint32_t t, uint32_t step)
{
    return act->steps + (size_t)t * nb_act_steps(act->n_cols) + step;
}

NB_INLINE __m512 add_dot(__m512i dot, const decoded *w, __m512 act_scales, __m512 sum)
{
    return _mm512_fmadd_ps(_mm512_fmadd_ps(_mm512_castsi512_ps(dot), w->scales, w->zeros), act_scales, sum);
}

NB_INLINE __m512 add_step(const decoded *w, const nb_act_step *a, __m512 sum)
{
    __m512i dot = _mm512_loadu_si512(a->offsets);
    for (int group = 0; group < 4; group++)
        dot = _mm512_dpbusd_epi32(dot, w->groups[group], _mm512_loadu_si512(a->codes + group * 64));
    return add_dot(dot, w, _mm512_loadu_ps(a->scales), sum);
}

// ---- one token ------------------------------------------------------------------------------------------------------

// A chunk's rows are read as four streams, a quarter of the rows each: the hardware prefetcher begins anew at every
// page, and four pages in different places hide each other's beginnings. Software fetches a few steps ahead in each.
NB_INLINE void stream_step(row_codes *rows, uint32_t n_blocks, const nb_act_step *a, __m512 *sums)
{
    for (int r = 0; r < STREAMS; r++) {
        _mm_prefetch((const char *)rows[r].codes + AHEAD_BYTES, _MM_HINT_T0);
        _mm_prefetch((const char *)rows[r].codes + AHEAD_BYTES + 64, _MM_HINT_T0);
        _mm_prefetch((const char *)rows[r].scales + AHEAD_BYTES / 8, _MM_HINT_T0);
        decoded w = decode_step(rows[r], n_blocks);
        sums[r] = add_step(&w, a, sums[r]);
        rows[r].codes += STEP_CODE_BYTES;
        rows[r].scales += STEP_BLOCKS;
    }
}

// One row of every stream, stream_rows apart.
NB_INLINE void stream_row(const nb_linear_chunk *chunk, uint32_t row, uint32_t stream_rows, __m512 *sums)
{
    uint32_t n_blocks = chunk->weight->n_cols / NB_NVFP4_BLOCK, n_full = n_blocks / STEP_BLOCKS;
    row_codes rows[STREAMS];
    for (uint32_t r = 0; r < STREAMS; r++) {
        rows[r] = row_at(chunk, row + r * stream_rows, 0);
        sums[r] = _mm512_setzero_ps();
    }
    for (uint32_t step = 0; step < n_full; step++)
        stream_step(rows, STEP_BLOCKS, act_at(chunk->act, 0, step), sums);
    if (n_blocks % STEP_BLOCKS)
        stream_step(rows, n_blocks % STEP_BLOCKS, act_at(chunk->act, 0, n_full), sums);
}

// nb_linear_put for four rows of one token.
static void put_four(const nb_linear_chunk *chunk, uint32_t row, __m128 y)
{
    __mmask8 rows = row < chunk->row_end ? (__mmask8)nb_avx512_first((uint32_t)nb_min(4, chunk->row_end - row)) : 0;
    if (chunk->weight->bias)
        y = _mm_add_ps(y, _mm_maskz_loadu_ps(rows, chunk->weight->bias + row));
    if (chunk->add)
        y = _mm_add_ps(_mm_maskz_loadu_ps(rows, chunk->y + row), y);
    _mm_mask_storeu_ps(chunk->y + row, rows, y);
}

static void one_token(const nb_linear_chunk *chunk)
{
    uint32_t stream_rows = (uint32_t)nb_align_up(nb_div_ceil(chunk->row_end - chunk->row_begin, STREAMS), 4);
    __m512 scale = _mm512_set1_ps(chunk->weight->global_scale * chunk->act->globals[0]);
    for (uint32_t row = chunk->row_begin; row < chunk->row_begin + stream_rows; row += 4) {
        __m512 x[16];
        for (uint32_t i = 0; i < 4; i++) {
            __m512 sums[STREAMS];
            stream_row(chunk, row + i, stream_rows, sums);
            for (uint32_t r = 0; r < STREAMS; r++)
                x[NB_AVX512_SUM_SLOTS[4 * r + i]] = sums[r];
        }
        __m512 y = _mm512_mul_ps(_mm512_mul_ps(nb_avx512_sixteen_lane_sums(x), _mm512_set1_ps(64.0f)), scale);
        put_four(chunk, row, _mm512_castps512_ps128(y));
        put_four(chunk, row + stream_rows, _mm512_extractf32x4_ps(y, 1));
        put_four(chunk, row + 2 * stream_rows, _mm512_extractf32x4_ps(y, 2));
        put_four(chunk, row + 3 * stream_rows, _mm512_extractf32x4_ps(y, 3));
    }
}

// ---- many tokens ----------------------------------------------------------------------------------------------------

typedef struct panel {
    decoded rows[BLOCK_STEPS]; // of every pair [step][row], then half a step of both where a row ends so
    __m512 sums[BLOCK_ROWS / PAIR][TILE_TOKENS * PAIR];
} panel;

// Rows and tokens, n_steps of them from `step` on. `skip`: tokens that a tile before has given already.
typedef struct block {
    uint32_t row, n_rows, t, n_tokens, skip, step, n_steps;
    uint32_t n_whole; // steps of a row, one that is padded counting as whole
    bool has_half;    // ... but for the last, of at most 8 blocks
} block;

// gcc would have both rows load what they share, and the two load ports are the next limit.
#define IN_REGISTER(x) __asm__("" : "+v"(x))

NB_INLINE __m512 fold(__m512 row0, __m512 row1)
{
    __m512d a = _mm512_castps_pd(row0), b = _mm512_castps_pd(row1);
    return _mm512_add_ps(_mm512_castpd_ps(_mm512_insertf64x4(a, _mm512_castpd512_pd256(b), 1)),
                         _mm512_castpd_ps(_mm512_shuffle_f64x2(a, b, 0xee)));
}

// Where few tokens get their weights: decoded in registers.
typedef struct packed_rows {
    row_codes rows[PAIR];
    uint32_t n_blocks; // from here to the end of the row
    size_t next_rows;  // bytes from here to the next tile's rows, for a prefetch
} packed_rows;

NB_INLINE decoded decode_next(packed_rows *rows, int i, uint32_t s)
{
    row_codes *row = &rows->rows[i];
    _mm_prefetch((const char *)row->codes + rows->next_rows, _MM_HINT_T0);
    _mm_prefetch((const char *)row->codes + rows->next_rows + 64, _MM_HINT_T0);
    decoded w = decode_step(*row, rows->n_blocks - s * STEP_BLOCKS);
    row->codes += STEP_CODE_BYTES;
    row->scales += STEP_BLOCKS;
    return w;
}

// PAIR rows times n tokens over n_steps: as full_tile.
NB_INLINE void packed_tile(packed_rows rows, tile_acts acts, uint32_t n_steps, bool is_first, __m512 *sums_at,
                           bool ends, const int n)
{
    __m512 sums[TILE_TOKENS][PAIR];
#pragma GCC unroll 6
    for (int j = 0; j < n; j++) {
        sums[j][0] = is_first ? _mm512_setzero_ps() : sums_at[j * PAIR];
        sums[j][1] = is_first ? _mm512_setzero_ps() : sums_at[j * PAIR + 1];
    }
    for (uint32_t s = 0; s < n_steps; s++) {
        decoded w0 = decode_next(&rows, 0, s), w1 = decode_next(&rows, 1, s);
#pragma GCC unroll 6
        for (int j = 0; j < n; j++) {
            const nb_act_step *a = acts.first + (size_t)j * acts.stride + s;
            __m512i dot0 = _mm512_load_si512(a->offsets);
            IN_REGISTER(dot0);
            __m512i dot1 = dot0;
#pragma GCC unroll 4
            for (int group = 0; group < 4; group++) {
                __m512i codes = _mm512_load_si512(a->codes + group * 64);
                IN_REGISTER(codes);
                dot0 = _mm512_dpbusd_epi32(dot0, w0.groups[group], codes);
                dot1 = _mm512_dpbusd_epi32(dot1, w1.groups[group], codes);
            }
            __m512 scales = _mm512_load_ps(a->scales);
            IN_REGISTER(scales);
            sums[j][0] = add_dot(dot0, &w0, scales, sums[j][0]);
            sums[j][1] = add_dot(dot1, &w1, scales, sums[j][1]);
        }
    }
#pragma GCC unroll 6
    for (int j = 0; j < n; j++)
        if (ends) {
            sums_at[j] = fold(sums[j][0], sums[j][1]);
        } else {
            sums_at[j * PAIR] = sums[j][0];
            sums_at[j * PAIR + 1] = sums[j][1];
        }
}

// The same with the number of tokens known when compiled.
static void packed_tile_of(uint32_t n, packed_rows rows, tile_acts a, uint32_t n_steps, bool is_first, __m512 *sums,
                           bool ends)
{
    switch (n) {
    case 1:
        packed_tile(rows, a, n_steps, is_first, sums, ends, 1);
        break;
    case 2:
        packed_tile(rows, a, n_steps, is_first, sums, ends, 2);
        break;
    case 3:
        packed_tile(rows, a, n_steps, is_first, sums, ends, 3);
        break;
    case 4:
        packed_tile(rows, a, n_steps, is_first, sums, ends, 4);
        break;
    case 5:
        packed_tile(rows, a, n_steps, is_first, sums, ends, 5);
        break;
    default:
        packed_tile(rows, a, n_steps, is_first, sums, ends, TILE_TOKENS);
    }
}

// The rest of the tree, of 8 pairs of rows at once: x[i] of pair i, 8 lanes of either row.
NB_INLINE __m512 sixteen_sums(__m512 *x)
{
    const __m512i in_order = _mm512_setr_epi32(0, 4, 2, 6, 1, 5, 3, 7, 8, 12, 10, 14, 9, 13, 11, 15);
    for (int i = 0; i < 4; i++)
        x[i] = _mm512_add_ps(_mm512_shuffle_f32x4(x[i], x[i + 4], 0x88), _mm512_shuffle_f32x4(x[i], x[i + 4], 0xdd));
    for (int i = 0; i < 2; i++) {
        __m512d first = _mm512_castps_pd(x[i]), second = _mm512_castps_pd(x[i + 2]);
        x[i] = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(first, second)),
                             _mm512_castpd_ps(_mm512_unpackhi_pd(first, second)));
    }
    return _mm512_permutexvar_ps(
        in_order, _mm512_add_ps(_mm512_shuffle_ps(x[0], x[1], 0x88), _mm512_shuffle_ps(x[0], x[1], 0xdd)));
}

// The end of up to 16 products of token t, the j-th of its tile: as nb_linear_put.
static void put_sixteen(const nb_linear_chunk *chunk, uint32_t row, uint32_t t, __m512 (*sums)[TILE_TOKENS * PAIR],
                        uint32_t j)
{
    uint32_t n = (uint32_t)nb_min(PUT_ROWS, chunk->row_end - row);
    __mmask16 rows = nb_avx512_first(n);
    __m512 x[PUT_ROWS / PAIR];
    for (uint32_t i = 0; i < PUT_ROWS / PAIR; i++)
        x[i] = sums[i][j]; // of pairs behind the last row anything: not stored
    __m512 scale = _mm512_set1_ps(chunk->weight->global_scale * chunk->act->globals[t]);
    __m512 y = _mm512_mul_ps(_mm512_mul_ps(sixteen_sums(x), _mm512_set1_ps(64.0f)), scale);
    float *at = chunk->y + t * chunk->y_stride + row;
    if (chunk->weight->bias)
        y = _mm512_add_ps(y, _mm512_maskz_loadu_ps(rows, chunk->weight->bias + row));
    if (chunk->add)
        y = _mm512_add_ps(_mm512_maskz_loadu_ps(rows, at), y);
    _mm512_mask_storeu_ps(at, rows, y);
}

// A pair's rows, `to` as panel.rows.
static void decode_pair(const nb_linear_chunk *chunk, const block *x, uint32_t row, decoded *to)
{
    uint32_t n_blocks = chunk->weight->n_cols / NB_NVFP4_BLOCK;
    row_codes rows[PAIR] = {row_at(chunk, row, 0), row_at(chunk, row + 1, 0)};
    for (uint32_t r = 0; r < PAIR; r++)
        for (uint32_t s = 0; s < x->n_whole; s++) {
            _mm_prefetch((const char *)rows[r].codes + FETCH_BYTES, _MM_HINT_T0);
            _mm_prefetch((const char *)rows[r].codes + FETCH_BYTES + 64, _MM_HINT_T0);
            _mm_prefetch((const char *)rows[r].scales + FETCH_BYTES / 8, _MM_HINT_T0);
            to[s * PAIR + r] = decode_step(rows[r], n_blocks - s * STEP_BLOCKS);
            rows[r].codes += STEP_CODE_BYTES;
            rows[r].scales += STEP_BLOCKS;
        }
    if (!x->has_half)
        return;
    __mmask16 rest = nb_avx512_first(n_blocks % STEP_BLOCKS);
    __m128i scales =
        _mm_unpacklo_epi64(_mm_maskz_loadu_epi8(rest, rows[0].scales), _mm_maskz_loadu_epi8(rest, rows[1].scales));
    to[x->n_whole * PAIR] = decode(_mm512_maskz_loadu_epi64((__mmask8)rest, rows[0].codes),
                                   _mm512_maskz_loadu_epi64((__mmask8)rest, rows[1].codes), scales);
}

// The i-th of n parts of the activations that follow: the tile's next steps, or the next tile's first.
NB_INLINE void fetch_next(const nb_act *act, const block *x, uint32_t i, uint32_t n)
{
    bool is_last = x->step + x->n_steps == x->n_whole;
    uint32_t t = is_last ? x->t + TILE_TOKENS : x->t, step = is_last ? 0 : x->step + x->n_steps;
    for (; i < TILE_TOKENS * x->n_steps; i += n) {
        if (t + i % TILE_TOKENS >= act->n_rows || step + i / TILE_TOKENS >= nb_act_steps(act->n_cols))
            continue;
        const char *line = (const char *)act_at(act, t + i % TILE_TOKENS, step + i / TILE_TOKENS);
        for (uint32_t at = 0; at < sizeof(nb_act_step); at += 64)
            _mm_prefetch(line + at, _MM_HINT_T1);
    }
}

// All rows of the block, its tokens and steps.
NB_INLINE void all_rows(panel *p, const nb_linear_chunk *chunk, const block *x, const bool is_packed)
{
    static const __m512 zeros[TILE_TOKENS * PAIR];
    uint32_t n_blocks = chunk->weight->n_cols / NB_NVFP4_BLOCK, n_pairs = (uint32_t)nb_div_ceil(x->n_rows, PAIR);
    bool is_first = x->step == 0, is_last = x->step + x->n_steps == x->n_whole;
    tile_acts acts = {act_at(chunk->act, x->t, x->step), nb_act_steps(chunk->act->n_cols)};
    tile_end end = !is_last ? TILE_WAITS : x->has_half ? TILE_ENDS_IN_HALF : TILE_ENDS;
    for (uint32_t i = 0; i < n_pairs; i++) {
        uint32_t row = x->row + i * PAIR;
        __m512 *sums = p->sums[is_first && is_last ? i % (PUT_ROWS / PAIR) : i]; // those that do not wait stay warm
        if (is_packed) {
            packed_rows rows = {{row_at(chunk, row, x->step), row_at(chunk, row + 1, x->step)},
                                n_blocks - x->step * STEP_BLOCKS,
                                (size_t)PAIR * n_blocks * (NB_NVFP4_BLOCK / 2)};
            packed_tile_of(x->n_tokens, rows, acts, x->n_steps, is_first, sums, is_last);
        } else {
            const decoded *rows = p->rows + i * (x->n_whole * PAIR + x->has_half) + x->step * PAIR;
            fetch_next(chunk->act, x, i, n_pairs);
            full_tile(rows, acts, x->n_steps, is_first ? zeros : sums, sums, end);
        }
        if (is_last && ((i + 1) % (PUT_ROWS / PAIR) == 0 || i + 1 == n_pairs)) {
            uint32_t back = i % (PUT_ROWS / PAIR);
            for (uint32_t j = x->skip; j < x->n_tokens; j++)
                put_sixteen(chunk, row - back * PAIR, x->t + j,
                            (__m512(*)[TILE_TOKENS * PAIR])(sums - back * TILE_TOKENS * PAIR), j);
        }
    }
}

// The block's rows times all tokens. A last tile that is not full reaches back to tokens done before.
static void rows_product(panel *p, const nb_linear_chunk *chunk, block x, bool is_packed)
{
    uint32_t n_panels = (uint32_t)nb_div_ceil(x.n_whole, PANEL_STEPS), n_all = chunk->act->n_rows;
    uint32_t panel_steps = (uint32_t)nb_div_ceil(x.n_whole, n_panels);
    if (!is_packed)
        for (uint32_t i = 0; i * PAIR < x.n_rows; i++)
            decode_pair(chunk, &x, x.row + i * PAIR, p->rows + i * (x.n_whole * PAIR + x.has_half));
    for (uint32_t t = 0; t < n_all; t += TILE_TOKENS) {
        x.n_tokens = (uint32_t)nb_min(TILE_TOKENS, is_packed ? n_all - t : TILE_TOKENS);
        x.t = (uint32_t)nb_min(t, n_all - x.n_tokens);
        x.skip = t - x.t;
        for (x.step = 0; x.step < x.n_whole; x.step += x.n_steps) {
            x.n_steps = (uint32_t)nb_min(panel_steps, x.n_whole - x.step);
            if (is_packed)
                all_rows(p, chunk, &x, true);
            else
                all_rows(p, chunk, &x, false);
        }
    }
}

static void many_tokens(const nb_linear_chunk *chunk)
{
    panel p;
    uint32_t n_blocks = chunk->weight->n_cols / NB_NVFP4_BLOCK, rest = n_blocks % STEP_BLOCKS;
    uint32_t n_steps = nb_act_steps(chunk->weight->n_cols), n_rows = PACKED_ROWS;
    bool is_packed = chunk->act->n_rows <= PACKED_TOKENS || n_steps > BLOCK_STEPS / PUT_ROWS;
    bool has_half = !is_packed && n_steps > 1 && rest > 0 && rest <= STEP_BLOCKS / 2;
    if (!is_packed)
        n_rows = (uint32_t)nb_min(BLOCK_ROWS, BLOCK_STEPS / n_steps / PUT_ROWS * PUT_ROWS);
    for (uint32_t row = chunk->row_begin; row < chunk->row_end; row += n_rows)
        rows_product(&p, chunk,
                     (block){.row = row,
                             .n_rows = (uint32_t)nb_min(n_rows, chunk->row_end - row),
                             .n_whole = n_steps - has_half,
                             .has_half = has_half},
                     is_packed);
}

void nb_linear_nvfp4_avx512(const nb_linear_chunk *chunk)
{
    if (chunk->act->n_rows == 1)
        one_token(chunk);
    else
        many_tokens(chunk);
}
