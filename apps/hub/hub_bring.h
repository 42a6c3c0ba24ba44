// SPDX-License-Identifier: Apache-2.0
// Brings one blob, whatever it takes: its part is taken up where it ends, tries are repeated, the hash decides.
#ifndef NB_APPS_HUB_BRING_H
#define NB_APPS_HUB_BRING_H

#include "apps/hub/hub_blob.h"
#include "apps/hub/hub_fetch.h"

// What one thread needs for it.
typedef struct nb_hub_bringer {
    nb_hub_fetch *fetch;
    nb_http *http; // NULL: offline
    nb_hub_digest *digest;
    // Of the blob at hand.
    nb_hub_blob *blob;
    nb_hub_part part;
    bool ignores_range; // the server's ranges are not to be trusted: from the start
    uint64_t range_from;
} nb_hub_bringer;

// True when the blob is here, whole and true.
bool nb_hub_bring(nb_hub_bringer *bringer, nb_hub_blob *blob, nb_hub_failure *failure);

#endif
