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
    STREAMS = 4,        // one token: places in memory read at the same time, and ...
    AHEAD_BYTES = 1024, // ... codes fetched ahead in each
    PAIR = 2,           // many tokens: rows and ...
    TILE_TOKENS = 6,    // ... tokens whose sums are in registers
    PANEL_STEPS = 8,    // ... and steps at a time: their activations and sums fit the first-level cache
    PREFETCH_ROWS = 3,  // rows that decoding fetches ahead
    PUT_ROWS = 16,      // rows whose sums are finished together
    SHORT_ROWS = 128,   // rows decoded at a time where PANEL_STEPS are all there are, for every token, and ...
    SHORT_STEPS = 768,  // ... at most so many steps of them
    LONG_ROWS = 64,     // rows decoded at a time else, so many steps of them, and ...
    LONG_TOKENS = 96,   // ... the tokens whose sums wait in the second-level cache for the steps to come
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
    decoded rows[SHORT_STEPS / PAIR][PAIR]; // of every pair the steps in use, one after another
    __m512 sums[LONG_TOKENS / TILE_TOKENS][LONG_ROWS / PAIR][TILE_TOKENS][PAIR];
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

// gcc would have both rows load what they share, and the two load ports are the next limit.
#define IN_REGISTER(x) __asm__("" : "+v"(x))

// The activations of a tile: those of token j begin `stride` steps behind those of token j - 1.
typedef struct tile_acts {
    const nb_act_step *first;
    size_t stride;
} tile_acts;

// PAIR rows times n tokens over n_steps, beginning with the waiting sums or at 0.
NB_INLINE void tile(tile_rows rows, tile_acts acts, uint32_t n_steps, bool is_first, __m512 (*sums_at)[PAIR],
                    const int n, const bool is_packed)
{
    __m512 sums[PAIR][TILE_TOKENS];
#pragma GCC unroll 6
    for (int j = 0; j < n; j++) {
        sums[0][j] = is_first ? _mm512_setzero_ps() : sums_at[j][0];
        sums[1][j] = is_first ? _mm512_setzero_ps() : sums_at[j][1];
    }
    for (uint32_t s = 0; s < n_steps; s++) {
        decoded w0 = tile_weights(&rows, 0, s, is_packed), w1 = tile_weights(&rows, 1, s, is_packed);
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
            sums[0][j] = add_dot(dot0, &w0, scales, sums[0][j]);
            sums[1][j] = add_dot(dot1, &w1, scales, sums[1][j]);
        }
    }
#pragma GCC unroll 6
    for (int j = 0; j < n; j++) {
        sums_at[j][0] = sums[0][j];
        sums_at[j][1] = sums[1][j];
    }
}

// The same for a whole tile of decoded rows, in assembly for the sake of its order: all tokens take one group before
// any takes the next, so that no instruction waits for the one before it. Compilers go token by token, and chains of
// dependent instructions fill the scheduler. zmm0..11 are the sums and 12..23 the dots of rows 0 and 1 of each token in
// turn, 24..27 of the rows, 28 of the activations.
#define BEGIN_DOTS(ignored, at, sum0, sum1, dot0, dot1)                                                                \
    " vmovdqa64 256" at ", %%zmm" #dot0 "\n vmovdqa64 %%zmm" #dot0 ", %%zmm" #dot1 "\n"
#define ADD_DOTS(group, at, sum0, sum1, dot0, dot1)                                                                    \
    " vmovdqa64 " group at ", %%zmm28\n"                                                                               \
    " vpdpbusd %%zmm28, %%zmm24, %%zmm" #dot0 "\n vpdpbusd %%zmm28, %%zmm25, %%zmm" #dot1 "\n"
#define SCALE_DOTS(ignored, at, sum0, sum1, dot0, dot1)                                                                \
    " vfmadd213ps %%zmm26, %%zmm24, %%zmm" #dot0 "\n vfmadd213ps %%zmm27, %%zmm25, %%zmm" #dot1 "\n"
#define ADD_SUMS(ignored, at, sum0, sum1, dot0, dot1)                                                                  \
    " vmovaps 320" at ", %%zmm28\n"                                                                                    \
    " vfmadd231ps %%zmm28, %%zmm" #dot0 ", %%zmm" #sum0 "\n vfmadd231ps %%zmm28, %%zmm" #dot1 ", %%zmm" #sum1 "\n"
#define EACH_TOKEN(do_this, x)                                                                                         \
    do_this(x, "(%[near])", 0, 1, 12, 13) do_this(x, "(%[near],%[stride])", 2, 3, 14, 15)                              \
        do_this(x, "(%[near],%[stride],2)", 4, 5, 16, 17) do_this(x, "(%[far])", 6, 7, 18, 19)                         \
            do_this(x, "(%[far],%[stride])", 8, 9, 20, 21) do_this(x, "(%[far],%[stride],2)", 10, 11, 22, 23)
#define ROWS(offset0, offset1, to0, to1)                                                                               \
    " vmovdqa64 " offset0 "(%[rows]), %%zmm" #to0 "\n vmovdqa64 " offset1 "(%[rows]), %%zmm" #to1 "\n"
#define GROUP(offset0, offset1) ROWS(offset0, offset1, 24, 25) EACH_TOKEN(ADD_DOTS, offset0)
#define SUMS_FROM(at, i, j)     " vmovaps " at "(%[from]), %%zmm" #i "\n vmovaps 64+" at "(%[from]), %%zmm" #j "\n"
#define SUMS_TO(at, i, j)       " vmovaps %%zmm" #i ", " at "(%[to])\n vmovaps %%zmm" #j ", 64+" at "(%[to])\n"
#define EACH_SUM(do_this)                                                                                              \
    do_this("0", 0, 1) do_this("128", 2, 3) do_this("256", 4, 5) do_this("384", 6, 7) do_this("512", 8, 9)             \
        do_this("640", 10, 11)

static void full_tile(const decoded (*rows)[PAIR], tile_acts acts, uint32_t n_steps, const __m512 (*from)[PAIR],
                      __m512 (*to)[PAIR])
{
    _Static_assert(sizeof *rows == 768 && offsetof(decoded, scales) == 256 && offsetof(decoded, zeros) == 320, "rows");
    _Static_assert(sizeof *acts.first == 384 && offsetof(nb_act_step, offsets) == 256 &&
                       offsetof(nb_act_step, scales) == 320,
                   "activations");
    const nb_act_step *near = acts.first, *far = acts.first + 3 * acts.stride;
    __asm__ volatile(
        EACH_SUM(SUMS_FROM) " .p2align 5\n1:\n" EACH_TOKEN(BEGIN_DOTS, "") GROUP("0", "384") GROUP("64", "448") GROUP(
            "128", "512") GROUP("192", "576") ROWS("256", "640", 24, 25) ROWS("320", "704", 26, 27)
            EACH_TOKEN(SCALE_DOTS, "") EACH_TOKEN(
                ADD_SUMS,
                "") " add $768, %[rows]\n add $384, %[near]\n add $384, %[far]\n dec %[n]\n jnz 1b\n" EACH_SUM(SUMS_TO)
        : [rows] "+r"(rows), [near] "+r"(near), [far] "+r"(far), [n] "+r"(n_steps)
        : [stride] "r"(acts.stride * sizeof *acts.first), [from] "r"(from), [to] "r"(to)
        : "cc", "memory", "zmm0", "zmm1", "zmm2", "zmm3", "zmm4", "zmm5", "zmm6", "zmm7", "zmm8", "zmm9", "zmm10",
          "zmm11", "zmm12", "zmm13", "zmm14", "zmm15", "zmm16", "zmm17", "zmm18", "zmm19", "zmm20", "zmm21", "zmm22",
          "zmm23", "zmm24", "zmm25", "zmm26", "zmm27", "zmm28");
}

// A tile with the number of its tokens, at most TILE_TOKENS, known when compiled.
NB_INLINE void tile_of(uint32_t n, const tile_rows *rows, tile_acts a, uint32_t n_steps, bool is_first,
                       __m512 (*sums)[PAIR], const bool is_packed)
{
    static const __m512 zeros[TILE_TOKENS][PAIR];
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
        if (is_packed)
            tile(*rows, a, n_steps, is_first, sums, TILE_TOKENS, true);
        else
            full_tile(rows->steps, a, n_steps, is_first ? zeros : (const __m512(*)[PAIR])sums, sums);
    }
}

// The end of up to 16 products of one token: as nb_linear_put.
static void put_sixteen(const nb_linear_chunk *chunk, uint32_t row, uint32_t t, __m512 (*sums)[TILE_TOKENS][PAIR],
                        uint32_t j)
{
    uint32_t n = (uint32_t)nb_min(16, chunk->row_end - row);
    __mmask16 rows = nb_avx512_first(n);
    __m512 x[16];
    for (uint32_t i = 0; i < 16; i++)
        x[NB_AVX512_SUM_SLOTS[i]] = i < n ? sums[i / PAIR][j][i % PAIR] : _mm512_setzero_ps();
    __m512 scale = _mm512_set1_ps(chunk->weight->global_scale * chunk->act->globals[t]);
    __m512 y = _mm512_mul_ps(_mm512_mul_ps(nb_avx512_sixteen_lane_sums(x), _mm512_set1_ps(64.0f)), scale);
    float *at = chunk->y + t * chunk->y_stride + row;
    if (chunk->weight->bias)
        y = _mm512_add_ps(y, _mm512_maskz_loadu_ps(rows, chunk->weight->bias + row));
    if (chunk->add)
        y = _mm512_add_ps(_mm512_maskz_loadu_ps(rows, at), y);
    _mm512_mask_storeu_ps(at, rows, y);
}

// A part of the product: n_rows rows from `row` on, n_tokens from t on, n_steps from `step` on.
typedef struct part {
    uint32_t row, n_rows, t, n_tokens, step, n_steps;
} part;

static void decode_rows(panel *p, const nb_linear_chunk *chunk, const part *x)
{
    uint32_t n_blocks = chunk->weight->n_cols / NB_NVFP4_BLOCK - x->step * STEP_BLOCKS;
    size_t next_rows = (size_t)PREFETCH_ROWS * (chunk->weight->n_cols / 2);
    for (uint32_t r = 0; r < x->n_rows; r++) {
        row_codes row = row_at(chunk, x->row + r, x->step);
        decoded(*to)[PAIR] = p->rows + r / PAIR * x->n_steps;
        for (uint32_t s = 0; s < x->n_steps; s++) {
            _mm_prefetch((const char *)row.codes + next_rows, _MM_HINT_T0);
            _mm_prefetch((const char *)row.codes + next_rows + 64, _MM_HINT_T0);
            _mm_prefetch((const char *)row.scales + next_rows / 8, _MM_HINT_T0);
            to[s][r % PAIR] = decode_step(row, n_blocks - s * STEP_BLOCKS);
            row.codes += STEP_CODE_BYTES;
            row.scales += STEP_BLOCKS;
        }
    }
}

// The activations of the tile from token t on: a few of their lines into the second-level cache, by the n-th of calls.
NB_INLINE void fetch_ahead(const nb_act *act, const part *x, uint32_t t, uint32_t n)
{
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t j = t + (2 * n + i) % TILE_TOKENS, s = (2 * n + i) / TILE_TOKENS;
        if (j >= act->n_rows || s >= x->n_steps)
            return;
        const nb_act_step *a = act_at(act, j, x->step + s);
        for (int group = 0; group < 4; group++)
            _mm_prefetch((const char *)a->codes + group * 64, _MM_HINT_T1);
        _mm_prefetch((const char *)a->offsets, _MM_HINT_T1);
        _mm_prefetch((const char *)a->scales, _MM_HINT_T1);
    }
}

// One tile's tokens, from t on, times all rows of x.
NB_INLINE void all_rows(panel *p, const nb_linear_chunk *chunk, const part *x, uint32_t t, const bool is_packed)
{
    uint32_t n_blocks = chunk->weight->n_cols / NB_NVFP4_BLOCK, n_all = nb_act_steps(chunk->weight->n_cols);
    uint32_t n = (uint32_t)nb_min(TILE_TOKENS, x->t + x->n_tokens - t);
    bool is_last = x->step + x->n_steps == n_all, is_short = x->n_steps == n_all;
    tile_acts acts = {act_at(chunk->act, t, x->step), nb_act_steps(chunk->act->n_cols)};
    for (uint32_t r = 0; r < x->n_rows; r += PAIR) {
        // Sums that do not wait stay where they are warm.
        __m512(*sums)[TILE_TOKENS][PAIR] =
            is_short ? p->sums[0] + r % PUT_ROWS / PAIR : p->sums[(t - x->t) / TILE_TOKENS] + r / PAIR;
        tile_rows rows = {.steps = p->rows + r / PAIR * x->n_steps};
        if (is_packed)
            rows = (tile_rows){.packed = {row_at(chunk, x->row + r, x->step), row_at(chunk, x->row + r + 1, x->step)},
                               .n_blocks = n_blocks - x->step * STEP_BLOCKS,
                               .next_rows = (size_t)PAIR * n_blocks * (NB_NVFP4_BLOCK / 2)};
        else if (!is_short)
            fetch_ahead(chunk->act, x, t + TILE_TOKENS, r / PAIR);
        tile_of(n, &rows, acts, x->n_steps, x->step == 0, *sums, is_packed);
        if (is_last && ((r + PAIR) % PUT_ROWS == 0 || r + PAIR >= x->n_rows))
            for (uint32_t j = 0, first = r / PUT_ROWS * PUT_ROWS; j < n; j++)
                put_sixteen(chunk, x->row + first, t + j, sums - (r - first) / PAIR, j);
    }
}

static void packed_product(panel *p, const nb_linear_chunk *chunk, const part *x)
{
    all_rows(p, chunk, x, x->t, true);
}

static void decoded_product(panel *p, const nb_linear_chunk *chunk, const part *x)
{
    decode_rows(p, chunk, x);
    for (uint32_t t = x->t; t < x->t + x->n_tokens; t += TILE_TOKENS)
        all_rows(p, chunk, x, t, false);
}

static void panel_product(panel *p, const nb_linear_chunk *chunk, part x)
{
    uint32_t n_steps = nb_act_steps(chunk->weight->n_cols);
    x.n_rows = (uint32_t)nb_min(x.n_rows, nb_align_up(chunk->row_end - x.row, PAIR));
    x.n_tokens = (uint32_t)nb_min(x.n_tokens, chunk->act->n_rows - x.t);
    for (x.step = 0; x.step < n_steps; x.step += PANEL_STEPS) {
        x.n_steps = (uint32_t)nb_min(PANEL_STEPS, n_steps - x.step);
        (x.n_tokens <= TILE_TOKENS ? packed_product : decoded_product)(p, chunk, &x);
    }
}

void nb_linear_nvfp4_avx512(const nb_linear_chunk *chunk)
{
    if (chunk->act->n_rows == 1) {
        one_token(chunk);
        return;
    }
    panel p;
    uint32_t n_steps = nb_act_steps(chunk->weight->n_cols);
    part x = {.n_rows = LONG_ROWS, .n_tokens = LONG_TOKENS};
    if (n_steps <= PANEL_STEPS) {
        x.n_rows = (uint32_t)nb_min(SHORT_ROWS, SHORT_STEPS / n_steps / PUT_ROWS * PUT_ROWS);
        x.n_tokens = chunk->act->n_rows;
    }
    for (x.t = 0; x.t < chunk->act->n_rows; x.t += x.n_tokens)
        for (x.row = chunk->row_begin; x.row < chunk->row_end; x.row += x.n_rows)
            panel_product(&p, chunk, x);
}
