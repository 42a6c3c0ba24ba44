// SPDX-License-Identifier: Apache-2.0
// A JSON document as a file of its own, in the one form of all that the workshop writes: two spaces a level, a line
// feed at the end, 12 digits.
#ifndef NB_APPS_JSON_FILE_H
#define NB_APPS_JSON_FILE_H

#include <jansson.h>

#include "platform/base.h"

// Written whole or not at all, as `name` in `directory`, or (directory NULL) as the path `name`. The document is
// released. Errors: NB_ERR_SYSTEM.
NB_MUST_USE nb_status nb_json_file_write(const char *directory, const char *name, json_t *document, nb_error *error);

#endif
