// SPDX-License-Identifier: Apache-2.0
// Stands in for the fuzzer: gives every file of tests/fuzz/corpus/NAME to the target once, in the order of their names.
// The program is called replay_NAME and runs at the root of the tree; it reports one check in TAP.
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

// The copy has exactly the file's size, so that a sanitizer sees a read past the end.
static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return -1;
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    uint8_t *data = size < 0 ? NULL : malloc((size_t)size + (size == 0));
    int result = data && fread(data, 1, (size_t)size, file) == (size_t)size ? 0 : -1;
    fclose(file);
    if (result == 0)
        LLVMFuzzerTestOneInput(data, (size_t)size);
    free(data);
    return result;
}

int main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/');
    const char *name = (slash ? slash + 1 : argv[0]) + strlen("replay_");
    char directory[512];
    snprintf(directory, sizeof directory, "tests/fuzz/corpus/%s", name);

    puts("1..1");
    fflush(stdout);
    struct dirent **entries;
    int n = scandir(argc > 1 ? argv[1] : directory, &entries, is_visible, alphasort);
    int n_failed = 0;
    for (int i = 0; i < n; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", argc > 1 ? argv[1] : directory, entries[i]->d_name);
        if (replay_file(path) != 0) {
            printf("# cannot read %s\n", path);
            n_failed++;
        }
        free(entries[i]);
    }
    if (n > 0)
        free(entries);
    if (n <= 0)
        printf("# no corpus in %s\n", argc > 1 ? argv[1] : directory);
    printf("%s 1 - %d inputs replayed\n", n > 0 && n_failed == 0 ? "ok" : "not ok", n < 0 ? 0 : n);
    return n > 0 && n_failed == 0 ? 0 : 1;
}
