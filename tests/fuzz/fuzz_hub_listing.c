// SPDX-License-Identifier: Apache-2.0
// A Hub's JSON: any bytes as a commit and as a page; every file that is listed may lie where its name says.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "apps/hub/hub_listing.h"
#include "apps/hub/hub_select.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char commit[NB_MODEL_COMMIT_BYTES], why[256], shard[64];
    nb_hub_listing listing = {0};
    if (nb_hub_commit_parse(commit, (const char *)data, size, why, sizeof why) && !nb_hub_is_commit(commit))
        abort();
    bool is_good = nb_hub_listing_add(&listing, (const char *)data, size, why, sizeof why) &&
                   nb_hub_listing_finish(&listing, why, sizeof why);
    bool *is_taken = calloc(listing.n_files + 1, sizeof *is_taken);
    for (size_t i = 0; is_good && i < listing.n_files; i++) {
        const nb_hub_file *file = &listing.files[i];
        if (nb_hub_path_refusal(file->path) || nb_hub_listing_find(&listing, file->path) != file)
            abort();
        if (!nb_hub_is_hex(file->etag, 40) && !nb_hub_is_hex(file->etag, 64))
            abort();
    }
    if (is_good && is_taken) {
        const nb_hub_globs globs = {{0}, {0}};
        if (nb_hub_select(&listing, &globs, is_taken) > listing.n_files)
            abort();
        nb_hub_lacks_shard(&listing, shard);
    }
    free(is_taken);
    nb_hub_listing_release(&listing);
    return 0;
}
