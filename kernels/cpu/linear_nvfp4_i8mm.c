// SPDX-License-Identifier: Apache-2.0
// NVFP4 products of several tokens with the 8-bit matrix product of Armv8.6: one SMMLA multiplies two rows by two
// tokens over 8 columns, so a block takes two, and its four sums lie in one register. The lanes of the canonical order
// are therefore registers here: one for each of the 16, holding two rows by two tokens. Sums are kept divided by 256,
// as in linear_nvfp4_template.h. One token has no pair; it takes the NEON kernel.
#include "kernels/cpu/neon.h"
#include "kernels/nvfp4.h"

enum {
    STEP_BLOCKS = NB_ACT_STEP / NB_NVFP4_BLOCK,
    BLOCK_CODES = NB_NVFP4_BLOCK / 2, // bytes
    QUARTER = 4,                      // lanes whose sums are in registers, for ...
    TILE_PAIRS = 2,                   // ... this many pairs of rows and of tokens
    PANEL_PAIRS = 16,                 // pairs of rows decoded at a time, ...
    PANEL_STEPS = 4,                  // ... steps of them, which fit the second-level cache, ...
    PANEL_TOKENS = 8,                 // ... and pairs of tokens laid out for them
};

// One block of two rows or two tokens, each half of a register one of them: even columns, odd columns; block scales as
// w0 w0 w1 w1 or a0 a1 a0 a1, so that a product of both is that of the four sums.
typedef struct pair_block {
    int8x16_t even, odd;
    float32x4_t scales;
} pair_block;

typedef struct panel {
    pair_block rows[PANEL_PAIRS][PANEL_STEPS * STEP_BLOCKS];
    pair_block tokens[PANEL_TOKENS][PANEL_STEPS * STEP_BLOCKS];
    float32x4_t sums[PANEL_PAIRS][PANEL_TOKENS][STEP_BLOCKS]; // [r0 t0, r0 t1, r1 t0, r1 t1] of each lane
} panel;

// ---- layout ---------------------------------------------------------------------------------------------------------

// Blocks [block, block + 4) of two rows, of which n exist; the others become 0.
NB_INLINE void decode_rows(const nb_weight *w, size_t row0, size_t row1, uint32_t block, uint32_t n, pair_block *out)
{
    const int8x16_t table = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
    size_t n_blocks = w->n_cols / NB_NVFP4_BLOCK, at0 = row0 * n_blocks + block, at1 = row1 * n_blocks + block;
    uint8_t scales[2][4] = {{0}, {0}};
    uint32_t n_here = (uint32_t)nb_min(n, 4);
    memcpy(scales[0], w->scales + at0, n_here);
    memcpy(scales[1], w->scales + at1, n_here);
    float32x4_t s0 = nb_four_e4m3_over_256(scales[0]), s1 = nb_four_e4m3_over_256(scales[1]);
    float32x4_t first = vzip1q_f32(s0, s1), second = vzip2q_f32(s0, s1);
    out[0].scales = vzip1q_f32(first, first);
    out[1].scales = vzip2q_f32(first, first);
    out[2].scales = vzip1q_f32(second, second);
    out[3].scales = vzip2q_f32(second, second);
    for (uint32_t b = 0; b < 4; b++) {
        uint8x16_t codes = vdupq_n_u8(0);
        if (b < n_here)
            codes = vcombine_u8(vld1_u8(w->data + (at0 + b) * BLOCK_CODES), vld1_u8(w->data + (at1 + b) * BLOCK_CODES));
        out[b].even = vqtbl1q_s8(table, vandq_u8(codes, vdupq_n_u8(15)));
        out[b].odd = vqtbl1q_s8(table, vshrq_n_u8(codes, 4));
    }
}

typedef struct two_blocks {
    int64x2_t first, second; // blocks 0 1, 2 3 of one token: 8 codes each
} two_blocks;

// groups 0 and 2 hold the even columns of every block, 1 and 3 the odd ones, four bytes each.
NB_INLINE two_blocks join_groups(const int8_t *codes)
{
    int32x4_t low = vreinterpretq_s32_s8(vld1q_s8(codes)), high = vreinterpretq_s32_s8(vld1q_s8(codes + 128));
    return (two_blocks){vreinterpretq_s64_s32(vzip1q_s32(low, high)), vreinterpretq_s64_s32(vzip2q_s32(low, high))};
}

// Four blocks from `block` (of the row of padded steps) on of two tokens.
NB_INLINE void lay_out_tokens(const nb_act *act, size_t token0, size_t token1, uint32_t block, pair_block *out)
{
    size_t n_steps = nb_act_steps(act->n_cols), in_step = block % STEP_BLOCKS;
    const nb_act_step *step0 = act->steps + token0 * n_steps + block / STEP_BLOCKS;
    const nb_act_step *step1 = act->steps + token1 * n_steps + block / STEP_BLOCKS;
    for (int odd = 0; odd < 2; odd++) {
        two_blocks x = join_groups(step0->codes + odd * 64 + in_step * 4);
        two_blocks y = join_groups(step1->codes + odd * 64 + in_step * 4);
        int64x2_t blocks[4] = {vzip1q_s64(x.first, y.first), vzip2q_s64(x.first, y.first),
                               vzip1q_s64(x.second, y.second), vzip2q_s64(x.second, y.second)};
        for (int b = 0; b < 4; b++)
            *(odd ? &out[b].odd : &out[b].even) = vreinterpretq_s8_s64(blocks[b]);
    }
    float32x4_t s0 = vld1q_f32(step0->scales + in_step);
    float32x4_t s1 = vld1q_f32(step1->scales + in_step);
    float32x4_t first = vzip1q_f32(s0, s1), second = vzip2q_f32(s0, s1);
    out[0].scales = vcombine_f32(vget_low_f32(first), vget_low_f32(first));
    out[1].scales = vcombine_f32(vget_high_f32(first), vget_high_f32(first));
    out[2].scales = vcombine_f32(vget_low_f32(second), vget_low_f32(second));
    out[3].scales = vcombine_f32(vget_high_f32(second), vget_high_f32(second));
}

// ---- products -------------------------------------------------------------------------------------------------------

NB_INLINE float32x4_t add_block(const pair_block *w, const pair_block *a, float32x4_t sum)
{
    int32x4_t dots = vmmlaq_s32(vmmlaq_s32(vdupq_n_s32(0), w->even, a->even), w->odd, a->odd);
    return vfmaq_f32(sum, vcvtq_f32_s32(dots), vmulq_f32(w->scales, a->scales));
}

// Two pairs of rows by two of tokens; four lanes.
NB_INLINE void tile_quarter(panel *p, uint32_t r, uint32_t t, uint32_t lane, uint32_t n_steps)
{
    float32x4_t sums[TILE_PAIRS][TILE_PAIRS][QUARTER];
    for (int i = 0; i < TILE_PAIRS; i++)
        for (int j = 0; j < TILE_PAIRS; j++)
            for (int l = 0; l < QUARTER; l++)
                sums[i][j][l] = p->sums[r + (uint32_t)i][t + (uint32_t)j][lane + (uint32_t)l];
    for (uint32_t s = 0; s < n_steps; s++)
        for (int l = 0; l < QUARTER; l++) {
            uint32_t b = s * STEP_BLOCKS + lane + (uint32_t)l;
            pair_block w0 = p->rows[r][b], w1 = p->rows[r + 1][b];
            pair_block a0 = p->tokens[t][b], a1 = p->tokens[t + 1][b];
            sums[0][0][l] = add_block(&w0, &a0, sums[0][0][l]);
            sums[0][1][l] = add_block(&w0, &a1, sums[0][1][l]);
            sums[1][0][l] = add_block(&w1, &a0, sums[1][0][l]);
            sums[1][1][l] = add_block(&w1, &a1, sums[1][1][l]);
            __asm__ volatile("" ::: "memory"); // or gcc loads all four lanes first, and the sums go to the stack
        }
    for (int i = 0; i < TILE_PAIRS; i++)
        for (int j = 0; j < TILE_PAIRS; j++)
            for (int l = 0; l < QUARTER; l++)
                p->sums[r + (uint32_t)i][t + (uint32_t)j][lane + (uint32_t)l] = sums[i][j][l];
}

// The tree over 16 lanes, then the end of the four products.
static void finish(const nb_linear_chunk *chunk, uint32_t row, uint32_t t, float32x4_t *lanes)
{
    for (int half = STEP_BLOCKS / 2; half >= 1; half /= 2)
        for (int i = 0; i < half; i++)
            lanes[i] = vaddq_f32(lanes[i], lanes[i + half]);
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t r = row + i / 2, token = t + i % 2;
        if (r < chunk->row_end && token < chunk->act->n_rows)
            nb_linear_put(chunk, r, token,
                          (64.0f * lanes[0][i]) * (chunk->weight->global_scale * chunk->act->globals[token]));
    }
}

// What is past the last row or token repeats that one and is dropped at the end.
static void fill_panel(panel *p, const nb_linear_chunk *chunk, uint32_t row, uint32_t n_pairs, uint32_t t,
                       uint32_t n_token_pairs, uint32_t step, uint32_t n_steps)
{
    uint32_t n_blocks = chunk->weight->n_cols / NB_NVFP4_BLOCK, last_row = chunk->row_end - 1;
    uint32_t last_token = chunk->act->n_rows - 1;
    for (uint32_t b = 0; b < n_steps * STEP_BLOCKS; b += 4) {
        uint32_t block = step * STEP_BLOCKS + b, n = block < n_blocks ? n_blocks - block : 0;
        for (uint32_t i = 0; i < n_pairs; i++)
            decode_rows(chunk->weight, nb_min(row + 2 * i, last_row), nb_min(row + 2 * i + 1, last_row), n ? block : 0,
                        n, p->rows[i] + b);
        for (uint32_t i = 0; i < n_token_pairs; i++)
            lay_out_tokens(chunk->act, nb_min(t + 2 * i, last_token), nb_min(t + 2 * i + 1, last_token), block,
                           p->tokens[i] + b);
    }
}

static void panel_product(panel *p, const nb_linear_chunk *chunk, uint32_t row, uint32_t t)
{
    uint32_t n_steps = nb_act_steps(chunk->weight->n_cols);
    uint32_t n_pairs = (uint32_t)nb_min(PANEL_PAIRS, nb_align_up(chunk->row_end - row, 4) / 2);
    uint32_t n_token_pairs = (uint32_t)nb_min(PANEL_TOKENS, nb_align_up(chunk->act->n_rows - t, 4) / 2);
    for (uint32_t i = 0; i < n_pairs; i++)
        memset(p->sums[i], 0, n_token_pairs * sizeof p->sums[i][0]);
    for (uint32_t step = 0; step < n_steps; step += PANEL_STEPS) {
        uint32_t n = (uint32_t)nb_min(PANEL_STEPS, n_steps - step);
        fill_panel(p, chunk, row, n_pairs, t, n_token_pairs, step, n);
        for (uint32_t i = 0; i < n_pairs; i += TILE_PAIRS)
            for (uint32_t j = 0; j < n_token_pairs; j += TILE_PAIRS)
                for (uint32_t lane = 0; lane < STEP_BLOCKS; lane += QUARTER)
                    tile_quarter(p, i, j, lane, n);
    }
    for (uint32_t i = 0; i < n_pairs; i++)
        for (uint32_t j = 0; j < n_token_pairs; j++)
            finish(chunk, row + 2 * i, t + 2 * j, p->sums[i][j]);
}

void nb_linear_nvfp4_i8mm(const nb_linear_chunk *chunk)
{
    if (chunk->act->n_rows == 1) {
        nb_linear_nvfp4_neon(chunk);
        return;
    }
    panel p;
    for (uint32_t t = 0; t < chunk->act->n_rows; t += 2 * PANEL_TOKENS)
        for (uint32_t row = chunk->row_begin; row < chunk->row_end; row += 2 * PANEL_PAIRS)
            panel_product(&p, chunk, row, t);
}
