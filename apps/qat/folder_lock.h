// SPDX-License-Identifier: Apache-2.0
// A folder that one process at a time works in.
#ifndef NB_QAT_FOLDER_LOCK_H
#define NB_QAT_FOLDER_LOCK_H

#include "platform/base.h"

// Creates `path` or takes over what is there, and locks it until the caller closes `fd`. `flags` are added to open's
// (O_NOFOLLOW). Errors: NB_ERR_INPUT, another process has it; else as nb_path_error. `shown` is what they call the
// folder when it is another's or cannot be created. One that was created and could not be locked goes again.
NB_MUST_USE nb_status nb_folder_lock(int *fd, const char *path, int flags, const char *shown, nb_error *error);

#endif
