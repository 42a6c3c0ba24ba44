// SPDX-License-Identifier: Apache-2.0
// The ids-file parser: any bytes give either a sentence or sequences whose parts add up.
#include <stdlib.h>
#include <string.h>

#include "apps/common/ids_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nb_ids_file file;
    nb_error error = {0};
    if (!nb_ids_parse(&file, (const char *)data, size, &error)) {
        if (error.text[0] == 0 || strchr(error.text, '\n') || file.ids || file.starts)
            abort();
        return 0;
    }
    size_t n = 0;
    for (size_t s = 0; s < file.n_sequences; s++)
        for (size_t i = 0; i < nb_ids_count(&file, s); i++, n++)
            if (nb_ids_of(&file, s)[i] < 0)
                abort();
    if (n != file.n_ids)
        abort();
    nb_ids_release(&file);
    return 0;
}
