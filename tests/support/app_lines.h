// SPDX-License-Identifier: Apache-2.0
// Runs the programs as a script would and reads what they print.
#ifndef NB_TESTS_SUPPORT_APP_LINES_H
#define NB_TESTS_SUPPORT_APP_LINES_H

#include <jansson.h>

// Runs "$BUILD/nibble ARGUMENTS" by the shell; `*exit_code` (may be NULL) gets its exit code. Returns its stdout, owned
// by the caller.
char *app_output(int *exit_code, const char *format, ...) __attribute__((format(printf, 2, 3)));
// The same, each line of stdout parsed as JSON into an array; NULL, with a line on stderr, when a line is not JSON or
// the exit code is not 0.
json_t *app_json_lines(const char *format, ...) __attribute__((format(printf, 1, 2)));
// The lines of a JSONL file.
json_t *json_lines_of_file(const char *path);
// A new empty file; its name, owned by the caller.
char *app_temporary(void);

#endif
