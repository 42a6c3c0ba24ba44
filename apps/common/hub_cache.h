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

#include "apps/common/model_name.h"

// ---- places --------------------------------------------------------------------------------------------------------

// What the official client makes of a path from the environment: `~`, `~user`, `$NAME` and `${NAME}`. False: too long.
bool nb_hub_expand(char path[PATH_MAX], const char *text);
// $HF_HOME, else huggingface in $XDG_CACHE_HOME, else in ~/.cache. A variable that is set and empty counts as set, as
// with the official client, and names the current folder. (`token` is here unless HF_TOKEN_PATH says otherwise.)
bool nb_hub_home(char path[PATH_MAX]);
// The cache: $HF_HUB_CACHE, else $HUGGINGFACE_HUB_CACHE, else hub in the home.
bool nb_hub_cache(char path[PATH_MAX]);

// ---- names ---------------------------------------------------------------------------------------------------------

// A snapshot's or a blob's name: letters, digits, "._-", no leading dot, at most 40 or 64 characters.
bool nb_hub_is_snapshot(const char *name);
bool nb_hub_is_blob(const char *name);

// models--ORG--NAME <-> ORG/NAME. False for what is no repository of a model.
bool nb_hub_folder_name(char name[PATH_MAX], const char *repository);
bool nb_hub_folder_repository(char repository[NB_MODEL_REPOSITORY_BYTES], const char *folder_name);

// ---- paths ---------------------------------------------------------------------------------------------------------

// All: false when a part is not what it should be or the path is too long. `folder` is a repository's.
bool nb_hub_folder(char path[PATH_MAX], const char *cache, const char *repository);
bool nb_hub_ref_path(char path[PATH_MAX], const char *folder, const char *revision);
bool nb_hub_blob_path(char path[PATH_MAX], const char *folder, const char *etag);
bool nb_hub_snapshot_path(char path[PATH_MAX], const char *folder, const char *commit);

// ---- refs ----------------------------------------------------------------------------------------------------------

// The commit that refs/REVISION holds. False when there is none, or its text is no name of a snapshot.
bool nb_hub_ref_read(char commit[NB_MODEL_COMMIT_BYTES], const char *folder, const char *revision);
// Writes it as the official client does (no newline), the old or the new text at any moment. False with errno.
bool nb_hub_ref_write(const char *folder, const char *revision, const char *commit);

// The snapshot that REVISION ("": main) means: a commit, a ref, or the beginning of one commit alone (at least 4
// characters). Only a snapshot that is there counts. False when none is or several are.
bool nb_hub_snapshot_find(char commit[NB_MODEL_COMMIT_BYTES], const char *folder, const char *revision);

// Makes the cache's folder, with CACHEDIR.TAG in it so that backups pass it over. False with errno.
bool nb_hub_cache_make(const char *cache);

#endif
