// SPDX-License-Identifier: Apache-2.0
// Any bytes as model.safetensors.index.json: refused, or sorted plain file names that stay in their directory.
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *index;
    const char **names;
    size_t n_names = 0;
    nb_error error = {0};
    if (nb_index_parse((const char *)data, size, &index, &names, &n_names, &error) != NB_OK) {
        NB_ASSERT(error.text[0] != '\0' && !index && !names);
        return 0;
    }
    NB_ASSERT(n_names > 0 && n_names <= NB_LIMIT_SHARDS);
    for (size_t i = 0; i < n_names; i++) {
        NB_ASSERT(names[i][0] != '.' && names[i][0] != '\0' && !strchr(names[i], '/'));
        NB_ASSERT(i == 0 || strcmp(names[i - 1], names[i]) < 0);
    }
    free(names);
    json_decref(index);
    return 0;
}
