// SPDX-License-Identifier: Apache-2.0
#include "apps/qat/json_file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/file.h"
#include "platform/path.h"
#include "runtime/json.h"

nb_status nb_json_file_write(const char *directory, const char *name, json_t *document, nb_error *error)
{
    char path[PATH_MAX];
    char *text = nb_json_text(document, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
    json_decref(document);
    if (!text)
        return nb_error_set(error, NB_ERR_SYSTEM, "out of memory for %s", name);
    size_t bytes = strlen(text);
    text[bytes] = '\n'; // instead of the zero
    int n = directory ? snprintf(path, sizeof path, "%s/%s", directory, name) : snprintf(path, sizeof path, "%s", name);
    nb_status status = n < 0 || (size_t)n >= sizeof path ? nb_path_error("write", name, ENAMETOOLONG, error)
                                                         : nb_file_write(path, text, bytes + 1, error);
    free(text);
    return status;
}
