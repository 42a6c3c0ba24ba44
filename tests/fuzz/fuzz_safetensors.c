// SPDX-License-Identifier: Apache-2.0
// Any bytes as a safetensors file: refused, or every range valid, in order and without a gap.
#include "runtime/safetensors.h"

#include <stdlib.h>
#include <string.h>

static void parse(const uint8_t *data, size_t size)
{
    nb_safetensors file;
    nb_error error = {0};
    if (nb_safetensors_parse(&file, data, size, "fuzz", &error) != NB_OK) {
        NB_ASSERT(error.text[0] != '\0' && !file.tensors && !file.header);
        return;
    }
    uint64_t at = file.n_tensors ? file.tensors[0].begin : size;
    NB_ASSERT(at >= 8);
    for (size_t i = 0; i < file.n_tensors; i++) {
        const nb_tensor *tensor = &file.tensors[i];
        NB_ASSERT(tensor->begin == at && tensor->end >= at && tensor->end <= size);
        NB_ASSERT(tensor->rank <= NB_LIMIT_RANK && nb_dtype_name(tensor->dtype));
        at = tensor->end;
    }
    NB_ASSERT(at == size);
    nb_safetensors_release(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    parse(data, size);
    // Mutations seldom keep the length right: once more with the header ending at the last brace.
    const uint8_t *brace = size > 8 ? memrchr(data + 8, '}', size - 8) : NULL;
    if (!brace)
        return 0;
    uint8_t *copy = malloc(size);
    uint64_t length = (uint64_t)(brace + 1 - data - 8);
    memcpy(copy, data, size);
    memcpy(copy, &length, 8);
    parse(copy, size);
    free(copy);
    return 0;
}
