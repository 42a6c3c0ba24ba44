// SPDX-License-Identifier: Apache-2.0
#include "apps/qat/json_file.h"

#include <stdlib.h>
#include <string.h>

#include "platform/file.h"
#include "runtime/json.h"

nb_status nb_json_file_write(const char *path, const json_t *document, nb_error *error)
{
    nb_writer file;
    char *text = nb_json_text(document, JSON_INDENT(1) | JSON_REAL_PRECISION(12));
    if (!text)
        return nb_error_set(error, NB_ERR_FIT, "out of memory for %s", path);
    nb_status status = nb_writer_open(&file, path, error);
    if (status == NB_OK)
        status = nb_writer_write(&file, text, strlen(text), error);
    if (status == NB_OK)
        status = nb_writer_write(&file, "\n", 1, error);
    if (status == NB_OK)
        status = nb_writer_commit(&file, error);
    free(text);
    return status;
}
