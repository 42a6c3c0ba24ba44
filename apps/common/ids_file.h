// SPDX-License-Identifier: Apache-2.0
// Token ids as text: one sequence a line, decimal ids separated by spaces or tabs. An empty line is an empty sequence.
#ifndef NB_APPS_IDS_FILE_H
#define NB_APPS_IDS_FILE_H

#include "runtime/nibble.h"

typedef struct nb_ids_file {
    int32_t *ids; // all sequences, one after another
    size_t n_ids;
    size_t *starts; // [n_sequences + 1]; sequence i is ids[starts[i]] .. ids[starts[i + 1]]
    size_t n_sequences;
} nb_ids_file;

static inline size_t nb_ids_count(const nb_ids_file *file, size_t sequence)
{
    return file->starts[sequence + 1] - file->starts[sequence];
}

static inline const int32_t *nb_ids_of(const nb_ids_file *file, size_t sequence)
{
    return file->ids + file->starts[sequence];
}

// From bytes. False with the reason in `error` (naming line and column); nothing is kept then.
bool nb_ids_parse(nb_ids_file *file, const char *text, size_t bytes, nb_error *error);
// From a file ("-": standard input), every id below `vocab_size`. Returns an exit code; on failure the line is printed.
int nb_ids_read(nb_ids_file *file, const char *path, uint32_t vocab_size);
void nb_ids_release(nb_ids_file *file);

#endif
