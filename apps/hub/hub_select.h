// SPDX-License-Identifier: Apache-2.0
// Which files of a repository are taken.
#ifndef NB_APPS_HUB_SELECT_H
#define NB_APPS_HUB_SELECT_H

#include "apps/common/option_table.h"
#include "apps/hub/hub_listing.h"

typedef struct nb_hub_globs {
    nb_option_texts include; // none: what nibble reads
    nb_option_texts exclude;
} nb_hub_globs;

// A pattern as the official client takes it: * and ? match slashes too, [...] sets, case counts, a folder with its
// slash means all below it.
bool nb_hub_glob_match(const char *glob, const char *path);

// Marks what is taken: is_taken[listing->n_files]; returns how many. Without --include that is, at the top of the
// repository: the weights as safetensors in one form (the shards of an index before a single file, other names only
// where neither is there, consolidated*.safetensors never), their index, k_shift.st, the configurations, tokenizer and
// chat template, licence and model card.
size_t nb_hub_select(const nb_hub_listing *listing, const nb_hub_globs *globs, bool *is_taken);

// A shard that the names of others ask for (model-00001-of-00003.safetensors) and that the listing lacks. True with its
// name when there is one.
bool nb_hub_lacks_shard(const nb_hub_listing *listing, char name[64]);

// Of the files taken, one at least holds weights.
bool nb_hub_has_weights(const nb_hub_listing *listing, const bool *is_taken);

// The listed path most like a pattern that matched nothing; NULL when none is near.
const char *nb_hub_nearest(const nb_hub_listing *listing, const char *glob);

#endif
