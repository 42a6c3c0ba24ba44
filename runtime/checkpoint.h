// SPDX-License-Identifier: Apache-2.0
// The tensors of a checkpoint: one .safetensors file, or a directory with model.safetensors or with
// model.safetensors.index.json and its shards; beside them, where present, the sidecar k_shift.st. All files are
// mapped read-only, all rules of the format checked, all names together in one sorted table.
#ifndef NB_RUNTIME_CHECKPOINT_H
#define NB_RUNTIME_CHECKPOINT_H

#include "platform/file.h"
#include "runtime/safetensors.h"

typedef struct nb_shard {
    char *name; // of the file, without directory
    char *path;
    nb_map map;
    nb_safetensors header;
} nb_shard;

typedef struct nb_entry {
    const nb_tensor *tensor;
    uint32_t shard;
    bool used; // for the reader's book-keeping
} nb_entry;

typedef struct nb_checkpoint {
    nb_shard *shards;
    size_t n_shards;
    nb_entry *entries; // sorted by name, no name twice
    size_t n_entries;
} nb_checkpoint;

// `path`: a directory or a file. Errors: NB_ERR_INPUT (also: a tensor missing in its shard or present in two),
// NB_ERR_SYSTEM. Nothing is kept on failure.
NB_MUST_USE nb_status nb_checkpoint_open(nb_checkpoint *checkpoint, const char *path, nb_error *error);
void nb_checkpoint_close(nb_checkpoint *checkpoint);

// Frees names and tables; the maps stay until close. No entry can be found any more.
void nb_checkpoint_keep_maps(nb_checkpoint *checkpoint);

nb_entry *nb_checkpoint_find(const nb_checkpoint *checkpoint, const char *name); // NULL: no such tensor

// The index alone, for its fuzz target: the names of its shard files, sorted, no name twice, checked to be plain file
// names. The caller frees `*names` (one block) and releases `*index` with json_decref, which owns the strings.
struct json_t;
NB_MUST_USE nb_status nb_index_parse(const char *text, size_t bytes, struct json_t **index, const char ***names,
                                     size_t *n_names, nb_error *error);

#endif
