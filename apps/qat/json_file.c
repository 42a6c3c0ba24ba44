// SPDX-License-Identifier: Apache-2.0
#include "apps/qat/json_file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "apps/common/growing_text.h"
#include "platform/file.h"
#include "platform/path.h"

nb_status nb_json_file_write(const char *directory, const char *name, json_t *document, nb_error *error)
{
    char path[PATH_MAX];
    nb_growing text = {0};
    nb_growing_add_json(&text, document, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
    nb_growing_add(&text, "\n", 1);
    int n = directory ? snprintf(path, sizeof path, "%s/%s", directory, name) : snprintf(path, sizeof path, "%s", name);
    nb_status status = n < 0 || (size_t)n >= sizeof path ? nb_path_error("write", name, ENAMETOOLONG, error)
                                                         : nb_file_write(path, text.text, text.bytes, error);
    nb_growing_release(&text);
    return status;
}
