// SPDX-License-Identifier: Apache-2.0
// What Q-FIT found goes into the weights: K rows are divided by s, Q rows multiplied (Qwen3: the weights of k_norm and
// q_norm), in double, rounded once to the dtype they are stored in. The other tensors keep their bytes.
#ifndef NB_APPS_QFIT_FOLD_H
#define NB_APPS_QFIT_FOLD_H

#include "apps/qat/qfit.h"
#include "runtime/checkpoint.h"

typedef struct nb_qfit_fold {
    const nb_checkpoint *source;
    const nb_config *config;
    const nb_qfit_result *layers; // [L]
    bool converts;                // every float tensor is written as `dtype`; else each as it was
    nb_dtype dtype;               // BF16 or F32
    uint64_t result_bytes;        // written
    nb_error *error;
} nb_qfit_fold;

// Writes the shards, their index where there are several, and k_shift.st into `directory`; a shift that the source has
// is left behind. Errors: NB_ERR_INPUT naming a tensor whose values are not finite before or after, NB_ERR_SYSTEM.
NB_MUST_USE nb_status nb_qfit_fold_write(nb_qfit_fold *fold, const char *directory);

#endif
