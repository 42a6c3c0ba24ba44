// SPDX-License-Identifier: Apache-2.0
// A JSON document as a file of its own, indented.
#ifndef NB_APPS_JSON_FILE_H
#define NB_APPS_JSON_FILE_H

#include <jansson.h>

#include "platform/base.h"

// Written whole or not at all. Errors: NB_ERR_SYSTEM, NB_ERR_INPUT (place), NB_ERR_FIT.
NB_MUST_USE nb_status nb_json_file_write(const char *path, const json_t *document, nb_error *error);

#endif
