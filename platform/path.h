// SPDX-License-Identifier: Apache-2.0
// How errors speak of paths: one wording for every file operation.
#ifndef NB_PLATFORM_PATH_H
#define NB_PLATFORM_PATH_H

#include <sys/types.h>

#include "platform/base.h"

// A path in an error text is nb_path_dots(path) followed by nb_path_tail(path): the path itself, or "..." and its end,
// so that a long path cannot push the rest of the sentence out of the record.
const char *nb_path_dots(const char *path);
const char *nb_path_tail(const char *path);

// "cannot VERB PATH; expected ..., found ..." from an errno value. NB_ERR_INPUT when the path itself is at fault
// (missing, no permission, a loop of links), NB_ERR_SYSTEM otherwise, and for what cannot be written ("write"): an
// output is no input.
nb_status nb_path_error(const char *verb, const char *path, int reason, nb_error *error);

// For something that exists but is not a regular file.
nb_status nb_path_kind_error(const char *verb, const char *path, mode_t mode, nb_error *error);

#endif
