// SPDX-License-Identifier: Apache-2.0
// Names from outside: what is taken leads nowhere else, and quoted it is plain text of an address.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "apps/hub/hub_name.h"

static void check_path(const char *path)
{
    if (nb_hub_path_refusal(path))
        return;
    if (path[0] == '/' || path[0] == 0 || strstr(path, "//") || strchr(path, '\\') || strchr(path, '\n'))
        abort();
    for (const char *s = path; s; s = strchr(s, '/') ? strchr(s, '/') + 1 : NULL)
        if (strcmp(s, "..") == 0 || strncmp(s, "../", 3) == 0 || strcmp(s, ".") == 0 || strncmp(s, "./", 2) == 0)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = 0;
    nb_model_name name;
    const char *why;
    char folder[PATH_MAX];
    check_path(text);
    if (nb_hub_target_parse(&name, text, &why) && (!nb_hub_folder_name(folder, name.repository) || strchr(folder, '/')))
        abort();
    nb_growing url = {0};
    nb_hub_quote(&url, text, size % 2);
    if (strpbrk(nb_growing_text(&url), "?#&@: \\\r\n") || (size % 2 == 0 && strchr(nb_growing_text(&url), '/')))
        abort();
    nb_growing_release(&url);
    free(text);
    return 0;
}
