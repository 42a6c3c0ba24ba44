// SPDX-License-Identifier: Apache-2.0
// What the tests of `nibble-qat sft` and `qat` share: the commands as calls, the reference's batch as a file of traces.
#ifndef NB_TESTS_TRAIN_COMMAND_H
#define NB_TESTS_TRAIN_COMMAND_H

#include "tests/apps/quantize_command.h"
#include "tests/support/scratch.h"

// Runs "sft ..." or "qat ...": words separated by single spaces, "MODEL" in them standing for `model`.
static inline int train(const char *model, const char *line)
{
    char copy[1024], *argv[64];
    int argc = 0;
    snprintf(copy, sizeof copy, "%s --json", line);
    for (char *at = copy, *word; (word = strsep(&at, " "));)
        if (word[0])
            argv[argc++] = strcmp(word, "MODEL") == 0 ? (char *)(uintptr_t)model : word;
    argv[argc] = NULL;
    optind = 0;
    return strcmp(argv[0], "sft") == 0 ? nb_command_sft(argc, argv) : nb_command_qat(argc, argv);
}

// The oracle's batch of train-tiny as traces: lines of ids and mask.
static inline void put_tiny_traces(const char *model, const char *path)
{
    char ids_path[PATH_MAX + 32], mask_path[PATH_MAX + 32];
    snprintf(ids_path, sizeof ids_path, "%s/oracle/ids.txt", model);
    snprintf(mask_path, sizeof mask_path, "%s/oracle/mask.txt", model);
    char *ids = nb_test_file_read(ids_path, NULL), *mask = nb_test_file_read(mask_path, NULL);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (char *a = ids, *b = mask, *line; (line = strsep(&a, "\n")) && line[0];) {
        char *targets = strsep(&b, "\n");
        for (char *c = line; *c; c++)
            *c = *c == ' ' ? ',' : *c;
        for (char *c = targets; *c; c++)
            *c = *c == ' ' ? ',' : *c;
        fprintf(file, "{\"ids\":[%s],\"mask\":[%s]}\n", line, targets);
    }
    fclose(file);
    free(ids);
    free(mask);
}

#endif
