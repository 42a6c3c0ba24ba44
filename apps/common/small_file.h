// SPDX-License-Identifier: Apache-2.0
// Paths, folders and files small enough to be read and written whole.
#ifndef NB_APPS_SMALL_FILE_H
#define NB_APPS_SMALL_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

// A path from a format; false, with errno ENAMETOOLONG and an empty path, when it does not fit. `path` may not be among
// the arguments.
bool nb_path_make(char path[PATH_MAX], const char *format, ...) __attribute__((format(printf, 2, 3)));

bool nb_is_directory(const char *path);

// Makes a folder and those above it. False with errno; a folder that is there already is none.
bool nb_folder_make(const char *path);
// fsync of a folder: what was made, renamed or removed in it lasts. False with errno.
bool nb_folder_sync(const char *path);

// The bytes of a regular file of at most `bytes_max`, zero-terminated, to be freed; NULL with errno set (EFBIG: larger,
// EINVAL: no regular file). Nothing is waited for.
char *nb_small_file_read(const char *path, size_t bytes_max, size_t *bytes);

// Writes a file: the old or the new contents at any moment, also after a power cut. What is being written is at `stem`
// with a random ending, on the same file system (NULL: beside the file). False with errno, and nothing left behind.
bool nb_small_file_write(const char *path, const char *stem, const void *data, size_t bytes);

#endif
