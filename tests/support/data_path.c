// SPDX-License-Identifier: Apache-2.0
#include "tests/support/data_path.h"

#include <dirent.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATH_BYTES = 4096 };

const char *nb_test_data(const char *relative)
{
    static char paths[8][PATH_BYTES];
    static unsigned turn;
    char *path = paths[turn++ % 8];
    const char *base = getenv("NB_TEST_DATA"), *oracle = "models/oracle/";
    snprintf(path, PATH_BYTES, "%s/%s", base && *base ? base : "../shared/data", relative);
    if (access(path, R_OK) == 0)
        return path;
    if (strncmp(relative, oracle, strlen(oracle)) == 0)
        snprintf(path, PATH_BYTES, "tests/golden/models/%s", relative + strlen(oracle));
    else
        snprintf(path, PATH_BYTES, "tests/golden/%s", relative);
    if (access(path, R_OK) == 0)
        return path;
    fprintf(stderr, "SKIPPED: no reference data %s (set NB_TEST_DATA)\n", relative);
    return NULL;
}

bool nb_test_oracle_has(const char *directory, const char *file)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/oracle/%s", directory, file);
    if (access(path, R_OK) == 0)
        return true;
    fprintf(stderr, "SKIPPED: no reference data %s (set NB_TEST_DATA)\n", path);
    return false;
}

void nb_test_directory_make(char *path, size_t capacity)
{
    const char *base = getenv("TMPDIR");
    snprintf(path, capacity, "%s/nibble-test-XXXXXX", base && *base ? base : "/tmp");
    assert_non_null(mkdtemp(path));
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info, (void)kind, (void)walk;
    return remove(path);
}

void nb_test_directory_remove(const char *path)
{
    assert_int_equal(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

char *nb_test_file_read(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("cannot open %s", path);
    struct stat info;
    assert_int_equal(fstat(fileno(file), &info), 0);
    size_t n = (size_t)info.st_size;
    char *data = malloc(n + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, n, file), n);
    data[n] = '\0';
    fclose(file);
    if (bytes)
        *bytes = n;
    return data;
}

void nb_test_file_write(const char *path, const void *data, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    if (!file)
        fail_msg("cannot write %s", path);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

void nb_test_directory_copy(const char *from, const char *to)
{
    DIR *directory = opendir(from);
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));) {
        char source[PATH_BYTES], target[PATH_BYTES];
        struct stat info;
        snprintf(source, sizeof source, "%s/%s", from, entry->d_name);
        snprintf(target, sizeof target, "%s/%s", to, entry->d_name);
        if (stat(source, &info) != 0 || !S_ISREG(info.st_mode))
            continue;
        size_t bytes;
        char *data = nb_test_file_read(source, &bytes);
        nb_test_file_write(target, data, bytes);
        free(data);
    }
    closedir(directory);
}
