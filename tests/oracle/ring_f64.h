// SPDX-License-Identifier: Apache-2.0
// A whole tiny model in double precision with the ring's semantics taken from their definition alone: a query at p
// sees the sinks (positions below n_sinks) and the last n_ctx - n_sinks positions; K and V of a token are those
// computed when it was appended. Nothing here knows of slots: every K and V ever appended is kept by position.
//
// Every value carries how far an f32 computation in the orders of kernels/ may be from it at most (first order, from
// operand errors and rounding counts), so a comparison needs no tuned tolerance. Worst cases multiply from one product
// to the next, so a caller compares stage by stage and goes on with the values it found; then the bounds stay tight.
#ifndef NB_TESTS_RING_F64_H
#define NB_TESTS_RING_F64_H

#include <stdint.h>

#include "runtime/forward.h"

enum {
    ORACLE_L = 2,  // layers
    ORACLE_D = 32, // hidden size
    ORACLE_F = 48, // ffn size
    ORACLE_H = 4,  // heads
    ORACLE_G = 2,  // KV heads
    ORACLE_E = 16, // head width
    ORACLE_V = 61, // vocabulary
    ORACLE_POSITIONS = 1024,
};
#define ORACLE_THETA   10000.0
#define ORACLE_EPSILON 1e-6

typedef struct oracle_value {
    double value, error; // an f32 result lies within value +- error
} oracle_value;

// Qwen2's layer: biases on q, k and v.
typedef struct oracle_tiny_layer {
    float attention_norm[ORACLE_D], mlp_norm[ORACLE_D];
    float q[ORACLE_H * ORACLE_E * ORACLE_D], q_bias[ORACLE_H * ORACLE_E];
    float k[ORACLE_G * ORACLE_E * ORACLE_D], k_bias[ORACLE_G * ORACLE_E];
    float v[ORACLE_G * ORACLE_E * ORACLE_D], v_bias[ORACLE_G * ORACLE_E];
    float o[ORACLE_D * ORACLE_H * ORACLE_E];
    float gate[ORACLE_F * ORACLE_D], up[ORACLE_F * ORACLE_D], down[ORACLE_D * ORACLE_F];
} oracle_tiny_layer;

typedef struct oracle_tiny {
    float embedding[ORACLE_V * ORACLE_D], head[ORACLE_V * ORACLE_D], final_norm[ORACLE_D];
    oracle_tiny_layer layers[ORACLE_L];
} oracle_tiny;

// Random weights: scores spread by a few units and every block moves the residual by a fraction of its size, so that
// every seen token matters and worst-case errors stay far below what a token matters.
void oracle_tiny_fill(oracle_tiny *model, uint64_t seed);

// Writes the model as a checkpoint (config.json, model.safetensors in F32). Failures fail the running test.
void oracle_tiny_write(const oracle_tiny *model, const char *directory);

// Shown the values [n] of one token after each stage, as an nb_observer is; may replace them. Last, with layer ORACLE_L
// and stage NB_STAGE_HIDDEN_IN, the residual stream that the final norm gets.
typedef void (*oracle_stage_fn)(void *user, nb_stage stage, uint32_t layer, uint32_t position, oracle_value *values,
                                uint32_t n);

typedef struct oracle_timeline {
    const oracle_tiny *model;
    uint32_t n_ctx, n_sinks, length;
    oracle_stage_fn on_stage; // may be NULL
    void *user;
    oracle_value k[ORACLE_L][ORACLE_G][ORACLE_POSITIONS][ORACLE_E], v[ORACLE_L][ORACLE_G][ORACLE_POSITIONS][ORACLE_E];
} oracle_timeline;

// Appends one token; logits: [ORACLE_V]. To rewind, make `length` smaller.
void oracle_timeline_append(oracle_timeline *timeline, int32_t id, oracle_value *logits);

#endif
