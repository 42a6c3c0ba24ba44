// SPDX-License-Identifier: Apache-2.0
#include "apps/common/model_name.h"

#include <stdio.h>
#include <string.h>

#define WORD_ENDS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"
#define WORD      WORD_ENDS ".-"

bool nb_model_is_revision(const char *revision)
{
    size_t bytes = strlen(revision);
    if (bytes == 0 || bytes >= NB_MODEL_REVISION_BYTES || strpbrk(revision, "\\:*?\"<>|~^[ ") ||
        strstr(revision, "..") || strstr(revision, "@{") || strstr(revision, "//") || revision[bytes - 1] == '/' ||
        revision[bytes - 1] == '.' || strcmp(revision, "@") == 0)
        return false;
    for (size_t i = 0; i < bytes; i++) {
        bool starts = i == 0 || revision[i - 1] == '/';
        if (revision[i] <= ' ' || revision[i] > '~' || (starts && (revision[i] == '.' || revision[i] == '/')))
            return false;
    }
    return true;
}

// One word of a name, and what lies behind it.
static bool take_word(const char **text, char word[NB_MODEL_WORD_BYTES])
{
    size_t bytes = strspn(*text, WORD);
    if (bytes == 0 || bytes >= NB_MODEL_WORD_BYTES || (*text)[0] == '.')
        return false;
    memcpy(word, *text, bytes);
    word[bytes] = 0;
    *text += bytes;
    return true;
}

bool nb_model_name_parse(nb_model_name *name, const char *text)
{
    const char *start = text;
    memset(name, 0, sizeof *name);
    if (!take_word(&text, name->name))
        return false;
    if (*text == '/') {
        memcpy(name->org, name->name, sizeof name->org);
        text++;
        if (!take_word(&text, name->name))
            return false;
    }
    snprintf(name->repository, sizeof name->repository, "%.*s", (int)(text - start), start);
    if (*text == 0)
        return true;
    if (*text != '@' || !nb_model_is_revision(text + 1))
        return false;
    strcpy(name->revision, text + 1);
    return true;
}

static bool is_plain_ended(const char *word)
{
    return strchr(WORD_ENDS, word[0]) && strchr(WORD_ENDS, word[strlen(word) - 1]);
}

bool nb_model_is_repository(const char *repository)
{
    nb_model_name name;
    size_t bytes = strlen(repository);
    return nb_model_name_parse(&name, repository) && !name.revision[0] && !strstr(repository, "--") &&
           !strstr(repository, "..") && is_plain_ended(name.name) && (!name.org[0] || is_plain_ended(name.org)) &&
           (bytes < 4 || strcmp(repository + bytes - 4, ".git") != 0);
}
