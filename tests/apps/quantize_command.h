// SPDX-License-Identifier: Apache-2.0
// What the tests of `nibble-qat quantize` share: the command as a call, reference models found from a scratch folder.
#ifndef NB_TESTS_QUANTIZE_COMMAND_H
#define NB_TESTS_QUANTIZE_COMMAND_H

#include <getopt.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "apps/common/cli.h"
#include "apps/qat/qat_commands.h"
#include "platform/base.h"
#include "tests/support/data_path.h"

// The command with `source`, `target` and up to three more arguments (NULL: none).
static inline int quantize(const char *source, const char *target, const char *a, const char *b, const char *c)
{
    char *argv[8] = {(char *)"quantize"};
    const char *const arguments[] = {source, target, "--json", a, b, c};
    int argc = 1;
    for (size_t i = 0; i < NB_COUNT(arguments); i++)
        if (arguments[i])
            argv[argc++] = (char *)arguments[i];
    optind = 0;
    return nb_command_quantize(argc, argv);
}

static char home[PATH_MAX]; // where the tests were started, set by main: reference data is found from there

// The absolute path of a reference model, NULL (said on stderr) where there is none. Valid until four calls later.
static inline const char *find_model(const char *name)
{
    static char paths[4][PATH_MAX], here[PATH_MAX];
    static unsigned turn;
    char relative[128];
    snprintf(relative, sizeof relative, "models/oracle/%s", name);
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(home), 0);
    const char *path = nb_test_data(relative);
    char *absolute = path ? realpath(path, paths[turn++ % 4]) : NULL;
    assert_int_equal(chdir(here), 0);
    return absolute;
}

// The same; without the model the test is skipped.
static inline const char *model_path(const char *name)
{
    const char *path = find_model(name);
    if (!path)
        skip(); // does not return
    return path ? path : "";
}

static inline bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static inline void assert_same_files(const char *left, const char *right)
{
    size_t left_bytes, right_bytes;
    char *a = nb_test_file_read(left, &left_bytes), *b = nb_test_file_read(right, &right_bytes);
    if (left_bytes != right_bytes || memcmp(a, b, left_bytes) != 0)
        fail_msg("%s and %s differ", left, right);
    free(a);
    free(b);
}

#endif
