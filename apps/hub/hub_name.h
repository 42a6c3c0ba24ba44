// SPDX-License-Identifier: Apache-2.0
// Names that come from outside: the repository a person types, the files a Hub lists. Pure functions.
#ifndef NB_APPS_HUB_NAME_H
#define NB_APPS_HUB_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "apps/common/growing_text.h"
#include "apps/common/hub_cache.h"

enum { NB_HUB_PATH_BYTES = 1024 };

// What to fetch: ORG/NAME[@REVISION], as nb_model_name_parse; a pasted address too (https://huggingface.co/ORG/NAME,
// also with /tree/REVISION). Without a revision it is main. False with what was expected in `why`.
bool nb_hub_target_parse(nb_model_name *name, const char *text, const char **why);

// NULL when a file may be stored under this path of a repository, else what is wrong with it. Refused: empty, absolute
// or over-long paths, empty components, "." and "..", control characters, backslashes, .git anywhere, .cache at the top
// (the downloads' own folder).
const char *nb_hub_path_refusal(const char *path);

bool nb_hub_is_hex(const char *text, size_t n_digits); // exactly that many, lower case
bool nb_hub_is_commit(const char *text);               // 40 of them

// Appends `text` with everything but letters, digits and "-._~" as %XX; slashes stay when `keep_slashes`.
void nb_hub_quote(nb_growing *url, const char *text, bool keep_slashes);

#endif
