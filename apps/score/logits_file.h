// SPDX-License-Identifier: Apache-2.0
// A file of little-endian f32 rows, written beside its place and renamed at the end: whole or not at all.
#ifndef NB_APPS_LOGITS_FILE_H
#define NB_APPS_LOGITS_FILE_H

#include "apps/common/cli.h"

typedef struct nb_logits_file nb_logits_file;

// Returns an exit code; on failure the error line is printed.
int nb_logits_file_open(nb_logits_file **file, const char *path);
bool nb_logits_file_write(nb_logits_file *file, const float *row, size_t n);
int nb_logits_file_error(const nb_logits_file *file); // errno of a failed write, 0: none
// Puts the file into its place, or removes it. Returns an exit code.
int nb_logits_file_close(nb_logits_file *file, bool is_whole);

#endif
