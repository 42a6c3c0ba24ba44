// SPDX-License-Identifier: Apache-2.0
// What a person types to mean a model: ORG/NAME[@REVISION], or NAME[@REVISION]. Pure functions.
#ifndef NB_APPS_MODEL_NAME_H
#define NB_APPS_MODEL_NAME_H

#include <stdbool.h>
#include <stddef.h>

enum { // with the terminator
    NB_MODEL_WORD_BYTES = 97,
    NB_MODEL_REPOSITORY_BYTES = 2 * NB_MODEL_WORD_BYTES,
    NB_MODEL_REVISION_BYTES = 256,
    NB_MODEL_COMMIT_BYTES = 41,
};

typedef struct nb_model_name {
    char org[NB_MODEL_WORD_BYTES]; // "" when not given
    char name[NB_MODEL_WORD_BYTES];
    char repository[NB_MODEL_REPOSITORY_BYTES]; // "ORG/NAME", or "NAME"
    char revision[NB_MODEL_REVISION_BYTES];     // "" when not given
} nb_model_name;

// Words of letters, digits and "._-" without a leading dot; a revision as nb_model_is_revision. False for anything
// else, so that no name leaves the folder it is joined to.
bool nb_model_name_parse(nb_model_name *name, const char *text);
// What the Hub allows as the name of a repository: the above, and no "--" or "..", no punctuation at the ends of a
// word, no ".git" at the end. Only such names have a folder in the cache.
bool nb_model_is_repository(const char *repository);
// A branch, tag, commit or refs/pr/1: printable ASCII without what git forbids, no empty part, none with a leading dot.
bool nb_model_is_revision(const char *revision);

#endif
