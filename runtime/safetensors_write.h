// SPDX-License-Identifier: Apache-2.0
// Writes safetensors files, whole or not at all, with the data streamed: one file, or a model cut into shards.
// The header starts with {"__metadata__":{"format":"pt"}, as transformers expects, and is padded with spaces to a
// multiple of 8. Tensors lie in the order of their element size, large first, and else as given; so each is aligned to
// its elements.
#ifndef NB_RUNTIME_SAFETENSORS_WRITE_H
#define NB_RUNTIME_SAFETENSORS_WRITE_H

#include "platform/file.h"
#include "runtime/safetensors.h"

// Largest shard that other loaders expect, the Hugging Face default.
#define NB_SHARD_BYTES UINT64_C(5000000000)

typedef struct nb_safetensors_writer {
    nb_writer file;
    uint64_t n_left; // data bytes still to be put
} nb_safetensors_writer;

// Brings `tensors` (pointers to the caller's descriptions: name, dtype, rank, shape) into file order, fills begin and
// end of each, opens `path` and writes the header. Errors: NB_ERR_ARGUMENT (a name twice or not UTF-8, a size that
// overflows or is no whole number of bytes), NB_ERR_INPUT, NB_ERR_SYSTEM.
NB_MUST_USE nb_status nb_safetensors_writer_open(nb_safetensors_writer *writer, const char *path, nb_tensor **tensors,
                                                 size_t n_tensors, nb_error *error);

// The next `bytes` bytes of data; tensors follow one another without gaps. At most what the header promised.
NB_MUST_USE nb_status nb_safetensors_writer_put(nb_safetensors_writer *writer, const void *data, size_t bytes,
                                                nb_error *error);

// All data has been put: makes the file durable and visible.
NB_MUST_USE nb_status nb_safetensors_writer_commit(nb_safetensors_writer *writer, nb_error *error);
void nb_safetensors_writer_abort(nb_safetensors_writer *writer); // harmless after commit or a failure

// Cuts n tensors into consecutive shards of at most `max_bytes` of data (a larger tensor gets a shard to itself).
// Shard i holds the tensors [first[i], first[i + 1]); `first` has room for n + 1. Returns the number of shards, >= 1.
size_t nb_shards_cut(const nb_tensor *const *tensors, size_t n_tensors, uint64_t max_bytes, size_t *first);

enum { NB_SHARD_NAME_BYTES = 64 };

// "model.safetensors", or "model-00001-of-00003.safetensors" for the first of three.
const char *nb_shard_name(size_t shard, size_t n_shards, char name[NB_SHARD_NAME_BYTES]);

// Writes `path`, a model.safetensors.index.json: total_size and the shard of each tensor.
NB_MUST_USE nb_status nb_shards_write_index(const char *path, const nb_tensor *const *tensors, const size_t *first,
                                            size_t n_shards, nb_error *error);

// Bytes of a tensor's data, by dtype and shape; false when that overflows or is no whole number of bytes.
NB_MUST_USE bool nb_tensor_data_bytes(const nb_tensor *tensor, uint64_t *bytes);

#endif
