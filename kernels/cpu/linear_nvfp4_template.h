// SPDX-License-Identifier: Apache-2.0
// NVFP4 weights times NVFP4 activations on registers that hold fewer than 16 lanes. A step is 256 columns = 16 blocks =
// 16 lanes; it is worked off in PARTS parts of PART_BLOCKS lanes each, whose sums never meet before the final tree.
// All sums are kept divided by 256, which changes no rounding (nothing comes near the denormals) and saves a
// multiplication a part; finish() gives it back. Included once per ISA file and nowhere else, after these:
//   PARTS, PART_BLOCKS           16 / lanes of a register, lanes of a register
//   TILE_ROWS, TILE_TOKENS       rows and tokens of one part whose sums live in registers, TILE_TOKENS at most 6
//   nb_part                      PART_BLOCKS blocks of a weight row, decoded
//   nb_part_sum                  PART_BLOCKS lanes of f32
//   nb_part decode_part(codes, scales)          codes, scales: the part's first bytes
//   nb_part_sum add_part(part, act, sum)        act: the part's first codes, offsets and scales
//   nb_part_sum zero_part(void)
//   float sum_parts(const nb_part_sum *parts)   the tree over PARTS of them
//   NB_KERNEL(name)              the function's name for the ISA
#include <string.h>

enum {
    STEP_BLOCKS = PARTS * PART_BLOCKS,
    BLOCK_CODES = NB_NVFP4_BLOCK / 2, // bytes
    STREAMS = 4,                      // one token: places in memory read at the same time, and ...
    AHEAD_BYTES = 1024,               // ... codes fetched ahead in each
    PANEL_ROWS = 16,                  // many tokens: rows decoded at a time, ...
    PANEL_STEPS = 8,                  // ... steps of them, which fit the second-level cache, ...
    PANEL_TOKENS = 48,                // ... and the tokens that use them before the next rows
};

typedef struct row_codes {
    const uint8_t *codes, *scales; // of the step to come
} row_codes;

static row_codes row_at(const nb_linear_chunk *chunk, uint32_t row, uint32_t step)
{
    uint32_t last = chunk->row_end - 1; // rows past the end repeat the last one; what they give is dropped
    size_t n_blocks = chunk->weight->n_cols / NB_NVFP4_BLOCK, at = (row < last ? row : last) * n_blocks;
    at += (size_t)step * STEP_BLOCKS;
    return (row_codes){chunk->weight->data + at * BLOCK_CODES, chunk->weight->scales + at};
}

// A last step of n_blocks < 16, copied and filled up with codes and scales of 0.
typedef struct padded_step {
    uint8_t codes[STEP_BLOCKS * BLOCK_CODES], scales[STEP_BLOCKS];
} padded_step;

static row_codes pad_step(row_codes row, uint32_t n_blocks, padded_step *step)
{
    memset(step, 0, sizeof *step);
    memcpy(step->codes, row.codes, n_blocks * BLOCK_CODES);
    memcpy(step->scales, row.scales, n_blocks);
    return (row_codes){step->codes, step->scales};
}

NB_INLINE nb_act_part act_at(const nb_act *act, uint32_t n_steps, uint32_t t, uint32_t step, uint32_t part)
{
    const nb_act_step *at = act->steps + (size_t)t * n_steps + step;
    return (nb_act_part){at->codes + part * PART_BLOCKS * 4, at->offsets + part * PART_BLOCKS,
                         at->scales + part * PART_BLOCKS};
}

static void finish(const nb_linear_chunk *chunk, uint32_t row, uint32_t t, const nb_part_sum *sums)
{
    if (row < chunk->row_end)
        nb_linear_put(chunk, row, t,
                      (64.0f * sum_parts(sums)) * (chunk->weight->global_scale * chunk->act->globals[t]));
}

// ---- one token ------------------------------------------------------------------------------------------------------

// A chunk's rows are read as STREAMS streams, an equal share of the rows each: hardware prefetchers begin anew at every
// page, and pages in different places hide each other's beginnings. Software fetches a few steps ahead in each.
NB_INLINE void stream_step(const row_codes *rows, const nb_act *act, uint32_t n_steps, uint32_t step,
                           nb_part_sum (*sums)[PARTS], size_t ahead_bytes)
{
    for (int r = 0; r < STREAMS; r++) {
        __builtin_prefetch(rows[r].codes + ahead_bytes);
        __builtin_prefetch(rows[r].codes + ahead_bytes + 64);
        __builtin_prefetch(rows[r].scales + ahead_bytes / BLOCK_CODES);
    }
    for (uint32_t part = 0; part < PARTS; part++) {
        nb_act_part a = act_at(act, n_steps, 0, step, part);
        for (int r = 0; r < STREAMS; r++) {
            nb_part w =
                decode_part(rows[r].codes + part * PART_BLOCKS * BLOCK_CODES, rows[r].scales + part * PART_BLOCKS);
            sums[r][part] = add_part(&w, a, sums[r][part]);
        }
    }
}

static void one_token(const nb_linear_chunk *chunk)
{
    uint32_t n_blocks = chunk->weight->n_cols / NB_NVFP4_BLOCK, n_full = n_blocks / STEP_BLOCKS;
    uint32_t n_steps = nb_act_steps(chunk->weight->n_cols);
    uint32_t stream_rows = (uint32_t)nb_div_ceil(chunk->row_end - chunk->row_begin, STREAMS);
    for (uint32_t row = chunk->row_begin; row < chunk->row_begin + stream_rows; row++) {
        row_codes rows[STREAMS];
        nb_part_sum sums[STREAMS][PARTS];
        for (uint32_t r = 0; r < STREAMS; r++) {
            rows[r] = row_at(chunk, row + r * stream_rows, 0);
            for (uint32_t part = 0; part < PARTS; part++)
                sums[r][part] = zero_part();
        }
        for (uint32_t step = 0; step < n_full; step++) {
            stream_step(rows, chunk->act, n_steps, step, sums, AHEAD_BYTES);
            for (int r = 0; r < STREAMS; r++) {
                rows[r].codes += STEP_BLOCKS * BLOCK_CODES;
                rows[r].scales += STEP_BLOCKS;
            }
        }
        if (n_full < n_steps) {
            padded_step padded[STREAMS];
            for (int r = 0; r < STREAMS; r++)
                rows[r] = pad_step(rows[r], n_blocks % STEP_BLOCKS, &padded[r]);
            stream_step(rows, chunk->act, n_steps, n_full, sums, 0);
        }
        for (uint32_t r = 0; r < STREAMS; r++)
            finish(chunk, row + r * stream_rows, 0, sums[r]);
    }
}

// ---- many tokens ----------------------------------------------------------------------------------------------------

typedef struct panel {
    nb_part parts[PARTS][PANEL_ROWS][PANEL_STEPS];
    nb_part_sum sums[PANEL_ROWS][PANEL_TOKENS][PARTS];
} panel;

// TILE_ROWS rows of the panel times n tokens from t on, one part, over n_steps of the panel beginning with the row's
// `step`.
NB_INLINE void tile(panel *p, const nb_act *act, uint32_t part, uint32_t r, uint32_t step, uint32_t n_steps, uint32_t t,
                    uint32_t t_sum, const int n)
{
    uint32_t act_steps = nb_act_steps(act->n_cols);
    nb_part_sum sums[TILE_ROWS][TILE_TOKENS];
    for (int i = 0; i < TILE_ROWS; i++)
        for (int j = 0; j < n; j++)
            sums[i][j] = p->sums[r + (uint32_t)i][t_sum + (uint32_t)j][part];
    for (uint32_t s = 0; s < n_steps; s++) {
        nb_part w[TILE_ROWS];
        for (int i = 0; i < TILE_ROWS; i++)
            w[i] = p->parts[part][r + (uint32_t)i][s];
        for (int j = 0; j < n; j++) {
            nb_act_part a = act_at(act, act_steps, t + (uint32_t)j, step + s, part);
            for (int i = 0; i < TILE_ROWS; i++)
                sums[i][j] = add_part(&w[i], a, sums[i][j]);
        }
    }
    for (int i = 0; i < TILE_ROWS; i++)
        for (int j = 0; j < n; j++)
            p->sums[r + (uint32_t)i][t_sum + (uint32_t)j][part] = sums[i][j];
}

static void tiles(panel *p, const nb_act *act, uint32_t part, uint32_t n_rows, uint32_t step, uint32_t n_steps,
                  uint32_t t, uint32_t n_tokens)
{
    for (uint32_t i = 0; i < n_tokens; i += TILE_TOKENS)
        for (uint32_t r = 0; r < n_rows; r += TILE_ROWS)
            switch (nb_min(n_tokens - i, TILE_TOKENS)) {
            case 1:
                tile(p, act, part, r, step, n_steps, t + i, i, 1);
                break;
            case 2:
                tile(p, act, part, r, step, n_steps, t + i, i, 2);
                break;
            case 3:
                tile(p, act, part, r, step, n_steps, t + i, i, 3);
                break;
            case 4:
                tile(p, act, part, r, step, n_steps, t + i, i, nb_min(4, TILE_TOKENS));
                break;
            case 5:
                tile(p, act, part, r, step, n_steps, t + i, i, nb_min(5, TILE_TOKENS));
                break;
            default:
                tile(p, act, part, r, step, n_steps, t + i, i, TILE_TOKENS);
            }
}

static void decode_panel(panel *p, const nb_linear_chunk *chunk, uint32_t row, uint32_t n_rows, uint32_t step,
                         uint32_t n_steps)
{
    uint32_t n_blocks = chunk->weight->n_cols / NB_NVFP4_BLOCK;
    for (uint32_t r = 0; r < n_rows; r++)
        for (uint32_t s = 0; s < n_steps; s++) {
            row_codes from = row_at(chunk, row + r, step + s);
            uint32_t n = n_blocks - (step + s) * STEP_BLOCKS;
            padded_step padded;
            if (n < STEP_BLOCKS)
                from = pad_step(from, n, &padded);
            for (uint32_t part = 0; part < PARTS; part++)
                p->parts[part][r][s] =
                    decode_part(from.codes + part * PART_BLOCKS * BLOCK_CODES, from.scales + part * PART_BLOCKS);
        }
}

static void panel_rows(panel *p, const nb_linear_chunk *chunk, uint32_t row, uint32_t n_rows, uint32_t t,
                       uint32_t n_tokens)
{
    uint32_t n_steps = nb_act_steps(chunk->weight->n_cols);
    for (uint32_t r = 0; r < n_rows; r++)
        for (uint32_t i = 0; i < n_tokens; i++)
            for (uint32_t part = 0; part < PARTS; part++)
                p->sums[r][i][part] = zero_part();
    for (uint32_t step = 0; step < n_steps; step += PANEL_STEPS) {
        uint32_t n = (uint32_t)nb_min(PANEL_STEPS, n_steps - step);
        decode_panel(p, chunk, row, n_rows, step, n);
        for (uint32_t part = 0; part < PARTS; part++)
            tiles(p, chunk->act, part, n_rows, step, n, t, n_tokens);
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
            size_t n_rows = nb_min(PANEL_ROWS, nb_align_up(chunk->row_end - row, TILE_ROWS));
            panel_rows(&p, chunk, row, (uint32_t)n_rows, t, (uint32_t)nb_min(PANEL_TOKENS, chunk->act->n_rows - t));
        }
}

void NB_KERNEL(linear_nvfp4)(const nb_linear_chunk *chunk)
{
    if (chunk->act->n_rows == 1)
        one_token(chunk);
    else
        many_tokens(chunk);
}
