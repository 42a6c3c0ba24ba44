// SPDX-License-Identifier: Apache-2.0
// Takes a safetensors file apart, lets a test spoil it, and puts it together again. Trusts the file it reads. Failures
// fail the running test.
#ifndef NB_TESTS_SUPPORT_CHECKPOINT_EDIT_H
#define NB_TESTS_SUPPORT_CHECKPOINT_EDIT_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

// A temporary directory for a test, as cmocka fixtures: a checkpoint is put together in it. One at a time.
int nb_edit_enter(void **state);
int nb_edit_leave(void **state);
const char *nb_edit_directory(void);
const char *nb_edit_path(const char *name); // of a file in it; valid until the next call

// The directory anew, with the regular files of `source` in it.
void nb_edit_begin(const char *source);

typedef struct nb_edit {
    json_t *header;
    uint8_t *data;
    size_t n_data;
} nb_edit;

void nb_edit_load(nb_edit *edit, const char *path);
void nb_edit_save(nb_edit *edit, const char *path); // and releases it

uint8_t *nb_edit_bytes(nb_edit *edit, const char *name); // of a tensor, to be changed in place
void nb_edit_rename(nb_edit *edit, const char *name, const char *new_name);
void nb_edit_set(nb_edit *edit, const char *name, const char *key, const char *json); // "shape", "[2, 3]"
void nb_edit_append(nb_edit *edit, const char *name, const char *dtype, const char *shape, const void *bytes, size_t n);

#endif
