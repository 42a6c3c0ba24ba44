// SPDX-License-Identifier: Apache-2.0
// Names of models, revisions and cache folders, and what a mark of `nibble pull --to` says: whatever is accepted stays
// below the folder it is joined to, and means the same when it is read again.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "apps/common/hub_cache.h"
#include "apps/models/pull_mark.h"

static void expect(bool is_true)
{
    if (!is_true)
        abort();
}

// No part of a path that leads up or starts anew.
static void check_below(const char *path)
{
    expect(path[0] && path[0] != '/' && path[strlen(path) - 1] != '/');
    for (const char *part = path; part; part = strchr(part, '/') ? strchr(part, '/') + 1 : NULL)
        expect(strcspn(part, "/") > 0 && strncmp(part, "../", 3) != 0 && strcmp(part, "..") != 0);
}

static void check_name(const char *text)
{
    nb_model_name name;
    char path[PATH_MAX], back[NB_MODEL_REPOSITORY_BYTES];
    if (nb_model_name_parse(&name, text)) {
        check_below(name.repository);
        if (name.revision[0])
            check_below(name.revision);
        size_t bytes = strlen(name.repository);
        expect(strncmp(text, name.repository, bytes) == 0 && (text[bytes] == 0 || text[bytes] == '@'));
    }
    if (nb_hub_folder_name(path, text)) {
        expect(!strchr(path, '/') && nb_hub_folder_repository(back, path) && strcmp(back, text) == 0);
        check_below(path);
    }
    if (nb_hub_folder_repository(back, text))
        expect(nb_hub_folder_name(path, back) && strcmp(path, text) == 0);
    if (nb_hub_is_snapshot(text) || nb_hub_is_blob(text))
        check_below(text);
    if (nb_hub_expand(path, text))
        expect(strlen(path) < PATH_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = 0;
    check_name(text);
    nb_pull_mark mark;
    if (nb_pull_mark_parse(&mark, text, size)) {
        check_below(mark.repository);
        check_below(mark.commit);
        for (size_t i = 0; i < mark.files.n_files; i++)
            check_below(mark.files.files[i].path);
        nb_pull_mark_release(&mark);
    }
    free(text);
    return 0;
}
