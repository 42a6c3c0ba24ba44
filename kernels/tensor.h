// SPDX-License-Identifier: Apache-2.0
// The one handle of a weight matrix, and the formats its bytes may have.
#ifndef NB_KERNELS_TENSOR_H
#define NB_KERNELS_TENSOR_H

#include "platform/base.h"

typedef enum nb_format {
    NB_FORMAT_F32,
    NB_FORMAT_F16,
    NB_FORMAT_BF16,
    NB_FORMAT_NVFP4, // E2M1 codes, two a byte (even column in the low nibble), E4M3 scale per 16 columns, one f32 scale
} nb_format;

// y = W x + bias, W: [n_rows, n_cols], row-major, no padding, no alignment promised (checkpoints promise none).
// All pointers borrow from the engine's maps or tables and live as long as the engine.
typedef struct nb_weight {
    nb_format format;
    uint32_t n_rows;
    uint32_t n_cols;       // NVFP4: a multiple of 16
    const uint8_t *data;   // NVFP4: n_rows * n_cols / 2 bytes; else n_rows * n_cols elements
    const uint8_t *scales; // NVFP4: [n_rows, n_cols / 16] E4M3 bytes, else NULL
    float global_scale;    // NVFP4: g_w (weight_scale_2), else 1
    float input_scale;     // NVFP4: g of static activations (input_scale), 0 when the checkpoint has none
    const float *bias;     // [n_rows] or NULL
} nb_weight;

#endif
