// SPDX-License-Identifier: Apache-2.0
#include "apps/qat/trace_order.h"

#include <stdlib.h>
#include <string.h>

#include "apps/common/cli.h"

// splitmix64: a sequence of well-mixed numbers from any state.
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

// Below n, each as likely: numbers of the incomplete last run of n are drawn again.
static uint32_t random_below(uint64_t *state, uint32_t n)
{
    uint64_t limit = UINT64_MAX - UINT64_MAX % n, z;
    do
        z = next_random(state);
    while (z >= limit);
    return (uint32_t)(z % n);
}

static void shuffle(nb_trace_order *order, uint64_t epoch)
{
    uint64_t state = order->seed;
    state = next_random(&state) ^ epoch; // so that seed 1's epoch 2 is not seed 2's epoch 1
    for (uint32_t i = 0; i < order->n_documents; i++)
        order->documents[i] = i;
    for (uint32_t i = order->n_documents; order->is_shuffled && i > 1; i--) {
        uint32_t other = random_below(&state, i), kept = order->documents[i - 1];
        order->documents[i - 1] = order->documents[other];
        order->documents[other] = kept;
    }
    order->epoch = epoch;
}

void nb_trace_order_create(nb_trace_order *order, const nb_traces *traces, uint64_t seed, bool is_shuffled)
{
    *order = (nb_trace_order){.seed = seed, .n_documents = (uint32_t)traces->n_documents, .is_shuffled = is_shuffled};
    order->documents = nb_alloc(order->n_documents * sizeof *order->documents);
    shuffle(order, 0);
}

void nb_trace_order_free(nb_trace_order *order)
{
    free(order->documents);
    *order = (nb_trace_order){0};
}

uint32_t nb_trace_order_at(nb_trace_order *order, uint64_t position)
{
    if (position / order->n_documents != order->epoch)
        shuffle(order, position / order->n_documents);
    return order->documents[position % order->n_documents];
}

// ---- packing ------------------------------------------------------------------------------------------------------

uint64_t nb_trace_packer_bytes(uint32_t n_rows_max)
{
    return (uint64_t)n_rows_max * (sizeof(int32_t) + sizeof(uint8_t) + sizeof(uint32_t)) + sizeof(uint32_t);
}

void nb_trace_packer_create(nb_trace_packer *packer, const nb_traces *traces, uint32_t n_rows_max)
{
    NB_ASSERT(traces->longest <= n_rows_max);
    *packer = (nb_trace_packer){.traces = traces, .n_rows_max = n_rows_max};
    packer->ids = nb_alloc(n_rows_max * sizeof *packer->ids);
    packer->targets = nb_alloc(n_rows_max);
    packer->starts = nb_alloc(((size_t)n_rows_max + 1) * sizeof *packer->starts);
}

void nb_trace_packer_free(nb_trace_packer *packer)
{
    free(packer->ids);
    free(packer->targets);
    free(packer->starts);
    *packer = (nb_trace_packer){0};
}

size_t nb_trace_packer_fill(nb_trace_packer *packer, const uint32_t *documents, size_t n_documents, nb_batch *batch)
{
    const nb_traces *traces = packer->traces;
    uint32_t n_rows = 0, n_taken = 0;
    packer->starts[0] = 0;
    while (n_taken < n_documents) {
        uint32_t document = documents[n_taken], n = nb_traces_length(traces, document);
        if (n > packer->n_rows_max - n_rows)
            break;
        memcpy(packer->ids + n_rows, traces->ids + traces->starts[document], n * sizeof *packer->ids);
        memcpy(packer->targets + n_rows, traces->mask + traces->starts[document], n);
        n_rows += n;
        packer->starts[++n_taken] = n_rows;
    }
    *batch = (nb_batch){.n_rows = n_rows,
                        .n_documents = n_taken,
                        .ids = packer->ids,
                        .starts = packer->starts,
                        .targets = packer->targets};
    return n_taken;
}

uint64_t nb_trace_targets(const nb_traces *traces, uint32_t document)
{
    uint64_t n = 0;
    for (uint64_t t = traces->starts[document] + 1; t < traces->starts[document + 1]; t++)
        n += traces->mask[t];
    return n;
}
