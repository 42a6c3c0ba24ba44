// SPDX-License-Identifier: Apache-2.0
#include "tests/support/scratch.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/faults.h"

typedef struct scratch {
    char path[512]; // first, so that the fixture's state is the path
    int home;       // the folder that was current before
} scratch;

int nb_scratch_enter(void **state)
{
    const char *parent = getenv("TMPDIR");
    scratch *s = calloc(1, sizeof *s);
    if (!s)
        return -1;
    *state = s;
    s->home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    snprintf(s->path, sizeof s->path, "%s/nibble-test-XXXXXX", parent && parent[0] ? parent : P_tmpdir);
    return s->home >= 0 && mkdtemp(s->path) && chdir(s->path) == 0 ? 0 : -1;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info, (void)kind, (void)where;
    return remove(path);
}

int nb_scratch_leave(void **state)
{
    nb_faults_reset();
    scratch *s = *state;
    int result = fchdir(s->home);
    close(s->home);
    if (nftw(s->path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0)
        result = -1;
    free(s);
    return result;
}

bool nb_scratch_put(const char *path, const char *text)
{
    char folder[512];
    snprintf(folder, sizeof folder, "%s", path);
    for (char *slash = folder + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(folder, 0700);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    if (!file)
        return false;
    bool is_written = fputs(text, file) >= 0;
    return fclose(file) == 0 && is_written;
}
