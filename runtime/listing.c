// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "runtime/checkpoint.h"
#include "runtime/nibble.h"

struct nb_listing {
    nb_checkpoint checkpoint;
};

nb_status nb_listing_open(nb_listing **listing, const char *path, nb_error *error)
{
    *listing = calloc(1, sizeof **listing);
    if (!*listing)
        return nb_error_set(error, NB_ERR_SYSTEM, "out of memory");
    nb_status status = nb_checkpoint_open(&(*listing)->checkpoint, path, error);
    if (status != NB_OK) {
        free(*listing);
        *listing = NULL;
    }
    return status;
}

size_t nb_listing_count(const nb_listing *listing)
{
    return listing->checkpoint.n_entries;
}

void nb_listing_get(const nb_listing *listing, size_t index, nb_tensor_info *info)
{
    NB_ASSERT(index < listing->checkpoint.n_entries);
    const nb_entry *entry = &listing->checkpoint.entries[index];
    const nb_tensor *tensor = entry->tensor;
    *info = (nb_tensor_info){.name = tensor->name,
                             .dtype = nb_dtype_name(tensor->dtype),
                             .rank = tensor->rank,
                             .file = listing->checkpoint.shards[entry->shard].name,
                             .begin = tensor->begin,
                             .end = tensor->end};
    _Static_assert(NB_COUNT(info->shape) == NB_LIMIT_RANK, "nb_tensor_info holds every rank the reader accepts");
    memcpy(info->shape, tensor->shape, sizeof info->shape);
}

void nb_listing_close(nb_listing *listing)
{
    if (!listing)
        return;
    nb_checkpoint_close(&listing->checkpoint);
    free(listing);
}
