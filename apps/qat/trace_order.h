// SPDX-License-Identifier: Apache-2.0
// Which documents a training step sees, and how they lie in micro-batches.
//
// The order is an endless sequence: every epoch is a permutation of all documents, drawn from (seed, epoch) alone, so
// that position p can be found again without what came before. Step s takes the positions [s B, (s + 1) B).
#ifndef NB_APPS_TRACE_ORDER_H
#define NB_APPS_TRACE_ORDER_H

#include "apps/qat/net.h"
#include "apps/qat/trace_store.h"

typedef struct nb_trace_order {
    uint64_t seed, epoch; // of `documents`
    uint32_t n_documents;
    uint32_t *documents; // the epoch's permutation
    bool is_shuffled;    // false: every epoch in the order of the file
} nb_trace_order;

// Ends the program for lack of memory.
void nb_trace_order_create(nb_trace_order *order, const nb_traces *traces, uint64_t seed, bool is_shuffled);
void nb_trace_order_free(nb_trace_order *order);
uint32_t nb_trace_order_at(nb_trace_order *order, uint64_t position);

// Documents one after another in a micro-batch of at most n_rows_max rows; each is a document of the batch, so that no
// token sees another document's.
typedef struct nb_trace_packer {
    const nb_traces *traces;
    uint32_t n_rows_max; // not less than the longest document
    int32_t *ids;
    uint8_t *targets;
    uint32_t *starts;
} nb_trace_packer;

void nb_trace_packer_create(nb_trace_packer *packer, const nb_traces *traces, uint32_t n_rows_max);
void nb_trace_packer_free(nb_trace_packer *packer);
uint64_t nb_trace_packer_bytes(uint32_t n_rows_max);

// Takes documents from the front of the list while they fit, at least one; returns how many. The batch is valid until
// the next call.
size_t nb_trace_packer_fill(nb_trace_packer *packer, const uint32_t *documents, size_t n_documents, nb_batch *batch);

// Tokens to learn in a document.
uint64_t nb_trace_targets(const nb_traces *traces, uint32_t document);

#endif
