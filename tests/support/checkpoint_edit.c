// SPDX-License-Identifier: Apache-2.0
#include "tests/support/checkpoint_edit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/data_path.h"

static char directory[512];

int nb_edit_enter(void **state)
{
    (void)state;
    nb_test_directory_make(directory, sizeof directory);
    return 0;
}

int nb_edit_leave(void **state)
{
    (void)state;
    nb_test_directory_remove(directory);
    return 0;
}

const char *nb_edit_directory(void)
{
    return directory;
}

const char *nb_edit_path(const char *name)
{
    static char path[1024];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

void nb_edit_begin(const char *source)
{
    nb_test_directory_remove(directory);
    nb_test_directory_make(directory, sizeof directory);
    nb_test_directory_copy(source, directory);
}

void nb_edit_load(nb_edit *edit, const char *path)
{
    size_t bytes;
    uint64_t n;
    uint8_t *file = (uint8_t *)nb_test_file_read(path, &bytes);
    memcpy(&n, file, 8);
    edit->header = json_loadb((char *)file + 8, n, 0, NULL);
    assert_non_null(edit->header);
    edit->n_data = bytes - 8 - n;
    edit->data = malloc(edit->n_data + 1);
    assert_non_null(edit->data);
    memcpy(edit->data, file + 8 + n, edit->n_data);
    free(file);
}

void nb_edit_save(nb_edit *edit, const char *path)
{
    char *text = json_dumps(edit->header, JSON_COMPACT);
    assert_non_null(text);
    uint64_t n = strlen(text);
    uint8_t *file = malloc(8 + n + edit->n_data);
    assert_non_null(file);
    memcpy(file, &n, 8);
    memcpy(file + 8, text, n);
    memcpy(file + 8 + n, edit->data, edit->n_data);
    nb_test_file_write(path, file, 8 + n + edit->n_data);
    free(text);
    free(file);
    free(edit->data);
    json_decref(edit->header);
    *edit = (nb_edit){0};
}

static json_t *entry_of(nb_edit *edit, const char *name)
{
    json_t *entry = json_object_get(edit->header, name);
    if (!entry)
        fail_msg("no tensor %s", name);
    return entry;
}

uint8_t *nb_edit_bytes(nb_edit *edit, const char *name)
{
    return edit->data + json_integer_value(json_array_get(json_object_get(entry_of(edit, name), "data_offsets"), 0));
}

void nb_edit_rename(nb_edit *edit, const char *name, const char *new_name)
{
    assert_int_equal(json_object_set(edit->header, new_name, entry_of(edit, name)), 0);
    assert_int_equal(json_object_del(edit->header, name), 0);
}

void nb_edit_set(nb_edit *edit, const char *name, const char *key, const char *json)
{
    assert_int_equal(json_object_set_new(entry_of(edit, name), key, json_loads(json, JSON_DECODE_ANY, NULL)), 0);
}

void nb_edit_append(nb_edit *edit, const char *name, const char *dtype, const char *shape, const void *bytes, size_t n)
{
    edit->data = realloc(edit->data, edit->n_data + n + 1);
    assert_non_null(edit->data);
    memcpy(edit->data + edit->n_data, bytes, n);
    json_t *entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", dtype, "shape", json_loads(shape, JSON_DECODE_ANY, NULL),
                              "data_offsets", (json_int_t)edit->n_data, (json_int_t)(edit->n_data + n));
    assert_int_equal(json_object_set_new(edit->header, name, entry), 0);
    edit->n_data += n;
}
