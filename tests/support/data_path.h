// SPDX-License-Identifier: Apache-2.0
// Where the reference data is, and temporary directories made of it.
#ifndef NB_TESTS_SUPPORT_DATA_PATH_H
#define NB_TESTS_SUPPORT_DATA_PATH_H

#include <stdbool.h>
#include <stddef.h>

// The path of `relative` ("models/oracle/qwen2/config.json") below $NB_TEST_DATA or ../shared/data; where it is not
// there, the copy below tests/golden ("models/oracle/X" is tests/golden/models/X); else NULL, said on stderr.
// Valid until eight calls later.
const char *nb_test_data(const char *relative);

// A new temporary directory below $TMPDIR; nb_test_directory_remove removes it with all it holds. Both fail the test
// when they cannot.
void nb_test_directory_make(char *path, size_t capacity);
void nb_test_directory_remove(const char *path);

// Whole files. Failures fail the test. Read: the caller frees; zero-terminated, `*bytes` (may be NULL) without that.
char *nb_test_file_read(const char *path, size_t *bytes);
void nb_test_file_write(const char *path, const void *data, size_t bytes);

// Copies the regular files of one directory (not what lies below) into another.
void nb_test_directory_copy(const char *from, const char *to);

// Whether the model directory's oracle has `file`; says on stderr that what needs it is skipped when not.
bool nb_test_oracle_has(const char *directory, const char *file);

#endif
