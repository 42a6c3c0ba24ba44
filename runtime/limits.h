// SPDX-License-Identifier: Apache-2.0
// Every maximum that outside input is held to, with its reason. Beyond it a file is refused, never truncated.
#ifndef NB_RUNTIME_LIMITS_H
#define NB_RUNTIME_LIMITS_H

#include "platform/base.h"

// ---- safetensors
#define NB_LIMIT_HEADER_BYTES 100000000u // the format's own ceiling of the JSON header
#define NB_LIMIT_TENSORS      (1u << 17) // in one file; a 671B mixture of experts has 91,000 in all its shards
#define NB_LIMIT_HEADER_VALUES                                                                                         \
    (16u * NB_LIMIT_TENSORS)              // JSON values: an entry has 8 with a matrix; bounds the parse tree
#define NB_LIMIT_RANK        8u           // nb_tensor_info.shape; models use at most 4
#define NB_LIMIT_FILE_NUMBER (1ull << 48) // of shapes and offsets: 256 TB, so sums of two cannot overflow

// ---- checkpoint directories
#define NB_LIMIT_INDEX_BYTES  (64u << 20) // model.safetensors.index.json; the largest published is 9 MB
#define NB_LIMIT_INDEX_VALUES (1u << 20)  // JSON values in it: one a tensor
#define NB_LIMIT_SHARDS       2048u       // one open map each; the largest published model has 191

// ---- config.json and its companions
#define NB_LIMIT_CONFIG_BYTES  (4u << 20) // large only where every unquantised module is listed
#define NB_LIMIT_CONFIG_VALUES (1u << 16)
#define NB_LIMIT_EXCLUDES      (1u << 14) // patterns of unquantised modules
#define NB_LIMIT_PATTERN_BYTES 256u       // of one pattern
#define NB_LIMIT_JSON_DEPTH    32u        // none of these files nests deeper than 8
#define NB_LIMIT_HIDDEN        (1u << 17) // D and H*E: 8 times the largest dense model
#define NB_LIMIT_FFN           (1u << 19)
#define NB_LIMIT_LAYERS        1024u
#define NB_LIMIT_HEADS         1024u
#define NB_LIMIT_HEAD_DIM      256u       // attention kernels keep a head in registers
#define NB_LIMIT_VOCAB         (1u << 20) // ids are stored in 32 bits; the largest vocabulary is 262,144
#define NB_LIMIT_POSITIONS     (1u << 24) // f32 positions are exact up to here
#define NB_LIMIT_EOS_IDS       16u        // nb_config.eos_ids

#endif
