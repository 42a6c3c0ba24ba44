// SPDX-License-Identifier: Apache-2.0
// What `--to DIR` writes beside the files, in the form of the official client's local_dir:
// DIR/.cache/huggingface/download/PATH.metadata holds commit, hash and time of a file. A mark of nibble's own tells
// that everything is there: DIR/.cache/huggingface/nibble.json, removed before the first file changes.
#ifndef NB_APPS_HUB_RECORD_H
#define NB_APPS_HUB_RECORD_H

#include "apps/hub/hub_plan.h"

// The record names the file's hash (and `commit`, unless that is NULL), and the file was not written to since.
bool nb_hub_record_tells(const nb_hub_place *place, const nb_hub_file *file, const char *commit);
// After the file is in place. False with errno.
bool nb_hub_record_write(const nb_hub_place *place, const nb_hub_file *file, const char *commit);
void nb_hub_record_remove(const nb_hub_place *place, const nb_hub_file *file);

// The folders of the records. False with errno.
bool nb_hub_record_prepare(const nb_hub_place *place);
// Says that DIR is whole, after the records that are still of an older commit. False with errno.
bool nb_hub_mark_write(const nb_hub_plan *plan, const nb_model_name *name, const char *commit);
void nb_hub_mark_remove(const nb_hub_place *place);

#endif
