// SPDX-License-Identifier: Apache-2.0
#include "apps/hub/hub_name.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "apps/common/cli.h"

static const char *const hosts[] = {"huggingface.co/", "www.huggingface.co/", "hf.co/"};

// A pasted address loses its scheme and host.
static const char *skip_host(const char *text)
{
    const char *rest = strncasecmp(text, "https://", 8) == 0 ? text + 8 : text;
    for (size_t i = 0; i < NB_COUNT_OF(hosts); i++)
        if (strncasecmp(rest, hosts[i], strlen(hosts[i])) == 0)
            return rest + strlen(hosts[i]);
    return text;
}

bool nb_hub_target_parse(nb_model_name *name, const char *text, const char **why)
{
    static const char tree[] = "/tree/";
    char plain[NB_MODEL_REPOSITORY_BYTES + NB_MODEL_REVISION_BYTES];
    const char *rest = skip_host(text), *at_tree = rest == text ? NULL : strstr(rest, tree);
    int n = at_tree ? snprintf(plain, sizeof plain, "%.*s@%s", (int)(at_tree - rest), rest, at_tree + strlen(tree))
                    : snprintf(plain, sizeof plain, "%s", rest);
    *why = "ORG/NAME[@REVISION]";
    if (n < 0 || (size_t)n >= sizeof plain || !nb_model_name_parse(name, plain))
        return false;
    *why = "a name that the Hub allows";
    if (!name->revision[0])
        strcpy(name->revision, "main");
    return nb_model_is_repository(name->repository);
}

static const char *component_refusal(const char *component, size_t n, bool is_first)
{
    if (n == 0)
        return "an empty component";
    if (n > 255)
        return "a component of more than 255 bytes";
    if (n <= 2 && strncmp(component, "..", n) == 0)
        return "a component that leads elsewhere";
    if ((n == 4 && strncasecmp(component, ".git", 4) == 0) ||
        (is_first && n == 6 && strncasecmp(component, ".cache", 6) == 0))
        return "a reserved component";
    return NULL;
}

const char *nb_hub_path_refusal(const char *path)
{
    size_t bytes = strlen(path);
    if (bytes >= NB_HUB_PATH_BYTES)
        return "more than 1023 bytes";
    if (path[0] == '/')
        return "an absolute path";
    for (const unsigned char *s = (const unsigned char *)path; *s; s++) {
        bool is_c1 = s[0] == 0xc2 && s[1] >= 0x80 && s[1] < 0xa0;
        if (*s < 0x20 || *s == 0x7f || is_c1)
            return "a control character";
        if (*s == '\\')
            return "a backslash";
    }
    for (const char *component = path;; component++) {
        size_t n = strcspn(component, "/");
        const char *why = component_refusal(component, n, component == path);
        component += n;
        if (why || *component == 0)
            return why;
    }
}

bool nb_hub_is_hex(const char *text, size_t n_digits)
{
    return strlen(text) == n_digits && strspn(text, "0123456789abcdef") == n_digits;
}

bool nb_hub_is_commit(const char *text)
{
    return nb_hub_is_hex(text, NB_MODEL_COMMIT_BYTES - 1);
}

void nb_hub_quote(nb_growing *url, const char *text, bool keep_slashes)
{
    static const char digits[] = "0123456789ABCDEF";
    for (; *text; text++) {
        uint8_t byte = (uint8_t)*text;
        if (isalnum(byte) || strchr("-._~", byte) || (keep_slashes && byte == '/')) {
            nb_growing_add(url, text, 1);
            continue;
        }
        char quoted[3] = {'%', digits[byte >> 4], digits[byte & 15]};
        nb_growing_add(url, quoted, 3);
    }
}
