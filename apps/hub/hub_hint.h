// SPDX-License-Identifier: Apache-2.0
// "Did you mean": asks the Hub what there is when what was asked for is not. One question, no second try; without an
// answer there is no hint.
#ifndef NB_APPS_HUB_HINT_H
#define NB_APPS_HUB_HINT_H

#include "apps/hub/hub_api.h"

// Fills failure->hint where the repository or the revision was not found.
void nb_hub_hint(const nb_hub_api *api, nb_hub_failure *failure);

#endif
