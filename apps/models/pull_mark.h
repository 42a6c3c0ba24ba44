// SPDX-License-Identifier: Apache-2.0
// What `nibble pull --to DIR` says of a whole directory, in DIR/.cache/huggingface/nibble.json: which repository and
// commit, and the hash of each file; and what the official client says of single files, in
// DIR/.cache/huggingface/download/PATH.metadata. Both came with the directory, from wherever it was.
#ifndef NB_APPS_PULL_MARK_H
#define NB_APPS_PULL_MARK_H

#include <limits.h>

#include "apps/hub/hub_listing.h"

#define NB_PULL_MARK ".cache/huggingface/nibble.json"
enum { NB_PULL_MARK_BYTES = 16 << 20 };

typedef struct nb_pull_mark {
    char repository[NB_MODEL_REPOSITORY_BYTES];
    char commit[NB_MODEL_COMMIT_BYTES];
    nb_hub_listing files; // finished
} nb_pull_mark;

// False for what is no such mark; then nothing is to be released.
bool nb_pull_mark_parse(nb_pull_mark *mark, const char *text, size_t bytes);
bool nb_pull_mark_read(nb_pull_mark *mark, const char *directory);
void nb_pull_mark_release(nb_pull_mark *mark);

// The hash from PATH.metadata; false when there is none.
bool nb_pull_metadata_read(char etag[65], const char *directory, const char *path);

#endif
