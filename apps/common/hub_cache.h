// SPDX-License-Identifier: Apache-2.0
// The Hugging Face cache as its official client lays it out: where it is, what is where in it, and its refs.
//
//   CACHE/CACHEDIR.TAG
//   CACHE/.locks/models--ORG--NAME/ETAG.lock
//   CACHE/models--ORG--NAME/            the folder of a repository (models--NAME where there is no ORG)
//       refs/REVISION                   one line: the commit a branch, tag or refs/pr/1 stood for
//       blobs/ETAG                      a file's bytes under its SHA-256 (LFS) or git blob SHA-1
//       blobs/ETAG.incomplete           a part of them; the official client counts and prunes *.incomplete
//       snapshots/COMMIT/PATH           a link ../../blobs/ETAG, with one more ../ for every folder in PATH
//       .no_exist/COMMIT/PATH           an empty file: the commit has no such file
//
// Every entry of snapshots/ is a revision to every client, so what is still being put together lies in .nibble/ beside
// it. A repository folder without snapshots/ is a damaged one to the official client.
#ifndef NB_APPS_HUB_CACHE_H
#define NB_APPS_HUB_CACHE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    NB_HUB_WORD_BYTES = 97, // of an ORG or a NAME, with the terminator
    NB_HUB_REPOSITORY_BYTES = 2 * NB_HUB_WORD_BYTES,
    NB_HUB_REVISION_BYTES = 256,
    NB_HUB_COMMIT_BYTES = 65, // git's SHA-1, or SHA-256
};

// ---- places --------------------------------------------------------------------------------------------------------

// What the official client makes of a path from the environment: `~`, `~user`, `$NAME` and `${NAME}`. False: too long.
bool nb_hub_expand(char path[PATH_MAX], const char *text);
// $HF_HOME, else huggingface in $XDG_CACHE_HOME, else in ~/.cache. A variable that is set and empty counts as set, as
// with the official client, and names the current folder. (`token` is here unless HF_TOKEN_PATH says otherwise.)
bool nb_hub_home(char path[PATH_MAX]);
// The cache: $HF_HUB_CACHE, else $HUGGINGFACE_HUB_CACHE, else hub in the home.
bool nb_hub_cache(char path[PATH_MAX]);

// ---- names ---------------------------------------------------------------------------------------------------------

typedef struct nb_hub_name {
    char org[NB_HUB_WORD_BYTES]; // "" when not given
    char name[NB_HUB_WORD_BYTES];
    char repository[NB_HUB_REPOSITORY_BYTES]; // "ORG/NAME", or "NAME"
    char revision[NB_HUB_REVISION_BYTES];     // "" when not given
} nb_hub_name;

// ORG/NAME[@REVISION] or NAME[@REVISION]: words of letters, digits and "._-" without a leading dot; a revision as
// nb_hub_is_revision. False for anything else; so no name leaves the folder it is joined to.
bool nb_hub_name_parse(nb_hub_name *name, const char *text);
// What the Hub allows as the name of a repository: the above, and no "--" or "..", no punctuation at the ends of a
// word, no ".git" at the end. Only such names have a folder in the cache.
bool nb_hub_is_repository(const char *repository);
// A branch, tag, commit or refs/pr/1: printable ASCII without what git forbids, no empty part, none with a leading dot.
bool nb_hub_is_revision(const char *revision);
// A name of a blob or a snapshot: letters, digits, "._-", no leading dot, at most 64.
bool nb_hub_is_word(const char *word);
bool nb_hub_is_commit(const char *commit); // 40 or 64 lower-case hexadecimal digits

// models--ORG--NAME <-> ORG/NAME. False for what is no repository of a model.
bool nb_hub_folder_name(char name[PATH_MAX], const char *repository);
bool nb_hub_folder_repository(char repository[NB_HUB_REPOSITORY_BYTES], const char *folder_name);

// ---- paths ---------------------------------------------------------------------------------------------------------

// All: false when a part is not what it should be or the path is too long. `folder` is a repository's.
bool nb_hub_folder(char path[PATH_MAX], const char *cache, const char *repository);
bool nb_hub_ref_path(char path[PATH_MAX], const char *folder, const char *revision);
bool nb_hub_blob_path(char path[PATH_MAX], const char *folder, const char *etag);
bool nb_hub_snapshot_path(char path[PATH_MAX], const char *folder, const char *commit);

// ---- refs ----------------------------------------------------------------------------------------------------------

// The commit that refs/REVISION holds. False when there is none, or its text is no name of a snapshot.
bool nb_hub_ref_read(char commit[NB_HUB_COMMIT_BYTES], const char *folder, const char *revision);
// Writes it as the official client does (no newline), the old or the new text at any moment. False with errno.
bool nb_hub_ref_write(const char *folder, const char *revision, const char *commit);

// The snapshot that REVISION ("": main) means: a commit, a ref, or the beginning of one commit alone (at least 4
// characters). Only a snapshot that is there counts. False when none is or several are.
bool nb_hub_snapshot_find(char commit[NB_HUB_COMMIT_BYTES], const char *folder, const char *revision);

// Makes the cache's folder, with CACHEDIR.TAG in it so that backups pass it over. False with errno.
bool nb_hub_cache_make(const char *cache);

#endif
