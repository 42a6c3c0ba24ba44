// SPDX-License-Identifier: Apache-2.0
// Streams the planned tensors into a directory: shards, index and k_shift.st.
#ifndef NB_APPS_QUANTIZE_WRITE_H
#define NB_APPS_QUANTIZE_WRITE_H

#include "apps/qat/quantize_encode.h"

// Called now and then with the bytes of the source that are done. Returns false to stop (NB_ERR_STOPPED).
typedef bool (*nb_quantize_progress_fn)(void *user, uint64_t done_bytes, uint64_t total_bytes);

typedef struct nb_quantize_run {
    nb_quant_plan *plan;
    nb_pool *pool;
    nb_quantize_progress_fn on_progress;
    void *progress_user;
    uint64_t shard_bytes;  // at most so much data in a shard
    uint64_t done_bytes;   // of the source, out of twice its size: it is read once for the scales and once to encode
    uint64_t result_bytes; // of all tensors written
    double error_sum;      // over the linears: ||w - w^|| / ||w||
    nb_error *error;
} nb_quantize_run;

// First reading: every float tensor is checked to be finite, and every group gets its g. NB_ERR_INPUT names tensor and
// index of a value that is not finite.
NB_MUST_USE nb_status nb_quantize_survey(nb_quantize_run *run);

// Second reading: encodes and writes all shards, the index (when there are several) and k_shift.st (when there are
// shifts) into `directory`.
NB_MUST_USE nb_status nb_quantize_write(nb_quantize_run *run, const char *directory);

#endif
