// SPDX-License-Identifier: Apache-2.0
#include "apps/qat/json_file.h"

#include <stdlib.h>
#include <string.h>

#include "platform/file.h"
#include "runtime/json.h"

nb_status nb_json_file_write(const char *path, const json_t *document, nb_error *error)
{
    char *text = nb_json_text(document, JSON_INDENT(1) | JSON_REAL_PRECISION(12));
    if (!text)
        return nb_error_set(error, NB_ERR_FIT, "out of memory for %s", path);
    size_t bytes = strlen(text);
    text[bytes] = '\n'; // instead of the zero
    nb_status status = nb_file_write(path, text, bytes + 1, error);
    free(text);
    return status;
}
