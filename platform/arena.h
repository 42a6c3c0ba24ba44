// SPDX-License-Identifier: Apache-2.0
// The memory classes, and the arena every long-lived buffer of the data plane comes from: plan -> place -> seal.
//
//   nb_arena_init     counting: nb_arena_take only adds up sizes and returns NULL
//   nb_arena_place    takes the counted size from the system, once
//   (the same calls)  placing: nb_arena_take, called with the same sizes in the same order, hands out the memory
//   nb_arena_seal     from here on a request is a broken promise and ends the process
//   nb_arena_release  gives everything back
//
// One description of the buffers runs twice, so the plan that was shown is the memory that is taken.
#ifndef NB_PLATFORM_ARENA_H
#define NB_PLATFORM_ARENA_H

#include "platform/base.h"

typedef enum nb_memory_class {
    NB_MEMORY_WEIGHTS,  // W: the resident copy of the weights
    NB_MEMORY_HOST,     // H: tables
    NB_MEMORY_CACHE,    // K: the KV ring
    NB_MEMORY_SCRATCH,  // S: activations of one pass
    NB_MEMORY_EXCHANGE, // X: ids and logits
    NB_MEMORY_N_CLASSES,
} nb_memory_class;

const char *nb_memory_class_name(nb_memory_class class); // "weights", "host", "cache", "scratch", "exchange"

enum { NB_ARENA_MIN_ALIGNMENT = 64, NB_ARENA_MAX_ALIGNMENT = 4096 };

typedef enum nb_arena_phase { NB_ARENA_COUNTING, NB_ARENA_PLACING, NB_ARENA_SEALED } nb_arena_phase;

typedef struct nb_arena {
    nb_memory_class class;
    nb_arena_phase phase;
    uint8_t *base;        // page aligned; NULL while counting
    size_t counted_bytes; // what the plan asks for; SIZE_MAX when the sum does not fit a size_t
    size_t used_bytes;    // handed out so far, gaps included
} nb_arena;

void nb_arena_init(nb_arena *arena, nb_memory_class class);

// `alignment`: a power of two up to NB_ARENA_MAX_ALIGNMENT; less than 64 counts as 64. Counting: NULL. Placing: zeroed
// memory, valid until release; asking for more than was counted, or asking when sealed, fails an assertion.
void *nb_arena_take(nb_arena *arena, size_t bytes, size_t alignment);

// a * b, or SIZE_MAX when that overflows: for sizes given to nb_arena_take.
static inline size_t nb_size_product(size_t a, size_t b)
{
    size_t product;
    return __builtin_mul_overflow(a, b, &product) ? SIZE_MAX : product;
}

// a + b likewise: for sums of what arenas counted.
static inline size_t nb_size_sum(size_t a, size_t b)
{
    size_t sum;
    return __builtin_add_overflow(a, b, &sum) ? SIZE_MAX : sum;
}

// Errors: NB_ERR_FIT when the plan overflows or the system has not that much; the arena stays in counting mode then.
NB_MUST_USE nb_status nb_arena_place(nb_arena *arena, nb_error *error);
void nb_arena_seal(nb_arena *arena);
void nb_arena_release(nb_arena *arena); // harmless in any phase, also on a zeroed arena; ends in counting mode, empty

#endif
