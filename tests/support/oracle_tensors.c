// SPDX-License-Identifier: Apache-2.0
#include "tests/support/oracle_tensors.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

const char *oracle_data_directory(void)
{
    const char *directory = getenv("NB_TEST_DATA");
    if (!directory || !*directory)
        directory = "../shared/data";
    if (access(directory, R_OK) == 0)
        return directory;
    fprintf(stderr, "SKIPPED: no reference data at %s (set NB_TEST_DATA)\n", directory);
    return NULL;
}

void oracle_tensors_open(oracle_tensors *tensors, const char *directory, const char *path)
{
    char name[4096];
    snprintf(name, sizeof name, "%s/%s", directory, path);
    FILE *file = fopen(name, "rb");
    if (!file)
        fail_msg("cannot open %s", name);
    fseek(file, 0, SEEK_END);
    tensors->n_bytes = (size_t)ftell(file);
    rewind(file);
    tensors->bytes = malloc(tensors->n_bytes);
    assert_int_equal(fread(tensors->bytes, 1, tensors->n_bytes, file), tensors->n_bytes);
    fclose(file);
    uint64_t header_bytes;
    memcpy(&header_bytes, tensors->bytes, 8);
    tensors->data_begin = 8 + header_bytes;
    tensors->header = json_loadb(tensors->bytes + 8, header_bytes, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(tensors->header);
}

void oracle_tensors_close(oracle_tensors *tensors)
{
    json_decref(tensors->header);
    free(tensors->bytes);
}

void *oracle_tensor_copy(const oracle_tensors *tensors, const char *name, size_t *n_elements, size_t *n_rows)
{
    json_t *entry = json_object_get(tensors->header, name);
    if (!entry)
        return NULL;
    json_t *shape = json_object_get(entry, "shape"), *offsets = json_object_get(entry, "data_offsets");
    *n_elements = 1;
    for (size_t i = 0; i < json_array_size(shape); i++)
        *n_elements *= (size_t)json_integer_value(json_array_get(shape, i));
    *n_rows = json_array_size(shape) ? (size_t)json_integer_value(json_array_get(shape, 0)) : 1;
    size_t begin = (size_t)json_integer_value(json_array_get(offsets, 0));
    size_t end = (size_t)json_integer_value(json_array_get(offsets, 1));
    assert_true(begin <= end && end <= tensors->n_bytes - tensors->data_begin);
    void *copy = malloc(end - begin + 1);
    memcpy(copy, tensors->bytes + tensors->data_begin + begin, end - begin);
    return copy;
}

void oracle_tensors_each(const oracle_tensors *tensors, const char *suffix, void (*visit)(void *user, const char *stem),
                         void *user)
{
    const char *name;
    json_t *entry;
    json_object_foreach(tensors->header, name, entry)
    {
        size_t length = strlen(name), suffix_length = strlen(suffix);
        if (length < suffix_length || strcmp(name + length - suffix_length, suffix) != 0)
            continue;
        char stem[256];
        snprintf(stem, sizeof stem, "%.*s", (int)(length - suffix_length), name);
        visit(user, stem);
    }
}
