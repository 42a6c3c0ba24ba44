// SPDX-License-Identifier: Apache-2.0
// `nibble pull` run as a child against the test Hub, in a clean environment with a cache of its own, and what it left:
// exit code, output, disk. Everything below is of one case, a folder that ends with it. Failures fail the test.
#ifndef NB_TESTS_HUB_PULL_CASE_H
#define NB_TESTS_HUB_PULL_CASE_H

#include <jansson.h>
#include <sys/types.h>

#include "tests/hub/mock_hub.h"

enum { PULL_MAX_SETTINGS = 24, PULL_MODEL_BYTES = 1500000 };

typedef struct pull_case {
    char folder[256];
    char cache[300]; // folder/hf/hub
    char settings[PULL_MAX_SETTINGS][600];
    size_t n_settings;
    mock_hub *hub;
    mock_repo *repo; // acme/tiny on it
    // Of the last run.
    int exit_code; // 128 + signal when it was ended by one
    double seconds;
    char *out, *err;
} pull_case;

// Fixtures: a folder, a Hub of plain http and acme/tiny on it, with files that a pull takes and files that it does not.
int pull_enter(void **state);
int pull_leave(void **state);
// Another Hub in its place, with acme/tiny and HF_ENDPOINT as before; false when there can be none (no ::1).
bool pull_restart(pull_case *c, const mock_options *options);
// The files of acme/tiny in a repository; `seed` other than 0 gives other weights.
void pull_fill(mock_repo *repo, unsigned seed);
// What a pull takes of acme/tiny without being told.
extern const char *const pull_taken[];
extern const size_t pull_n_taken;
// Bytes that are always the same for a seed; kept until the program ends.
const uint8_t *pull_bytes(unsigned seed, size_t bytes);

// ---- running -----------------------------------------------------------------------------------------------------

// A variable of the child's environment; NULL: without it.
void pull_set(pull_case *c, const char *name, const char *value);
// "nibble pull" with these words (split at spaces) and short waits, unless the words name their own; to its end.
int pull_run(pull_case *c, const char *words, ...) __attribute__((format(printf, 2, 3)));
// The same of any command: the words begin with its name, nothing is added.
int pull_command(pull_case *c, const char *words, ...) __attribute__((format(printf, 2, 3)));
// Started only; `name` tells its output from others'.
pid_t pull_start(pull_case *c, const char *name, const char *words);
int pull_finish(pull_case *c, const char *name, pid_t child);

// ---- what it said ------------------------------------------------------------------------------------------------

// Its one error line is the last on stderr and matches every one of the patterns (extended, any case), up to NULL.
void pull_expect_error(pull_case *c, int exit_code, const char *pattern, ...) __attribute__((sentinel));
void pull_expect_success(pull_case *c); // exit 0, and no error line
// The lines of stdout, each an object.
json_t *pull_json(pull_case *c);
double pull_now_s(void);

// ---- what it left ------------------------------------------------------------------------------------------------

// The snapshot of the commit holds the files named and no others, with their bytes, by relative links to blobs named
// after their hash.
void pull_expect_files(pull_case *c, const mock_repo *repo, const char *const *paths, size_t n_paths);
// The same, and refs/main names the commit.
void pull_expect_snapshot(pull_case *c, const mock_repo *repo, const char *const *paths, size_t n_paths);
void pull_expect_tree(pull_case *c); // acme/tiny as pull_fill made it, whole
// No snapshot but of this commit (NULL: none at all), and refs/main as that.
void pull_expect_only(pull_case *c, const char *commit);
// Nothing lies about that a cache has no place for; unless `is_midway`, nothing of an unfinished pull.
void pull_expect_tidy(pull_case *c, bool is_midway);
// Bytes of a blob that are there, whole or as a part; -1: none.
int64_t pull_blob_bytes(pull_case *c, const char *etag);
int64_t pull_part_bytes(pull_case *c, const char *etag);
// The same bytes; NULL: none. The caller frees.
char *pull_blob_read(pull_case *c, const char *etag, size_t *bytes);
// Paths below a folder, one a line, sorted; "" when there is no such folder. The caller frees.
char *pull_listing(const char *folder);
// Whether a text occurs in any file or name below the case's cache and home.
bool pull_disk_holds(pull_case *c, const char *text);

#endif
