// SPDX-License-Identifier: Apache-2.0
#include "tests/support/npy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/floats.h"
#include "tests/support/data_path.h"

static size_t element_bytes(const npy_array *array)
{
    return (size_t)(array->type[2] - '0');
}

int npy_read(npy_array *array, const char *folder, const char *name)
{
    char relative[256];
    size_t bytes;
    snprintf(relative, sizeof relative, "vllm-goldens/%s/%s.npy", folder, name);
    const char *path = nb_test_data(relative);
    if (!path)
        return 0;
    uint8_t *file = (uint8_t *)nb_test_file_read(path, &bytes);
    assert_true(bytes > 10 && memcmp(file, "\x93NUMPY\x01", 7) == 0);
    size_t begin = 10 + (size_t)file[8] + ((size_t)file[9] << 8);
    char header[512] = {0};
    memcpy(header, file + 10, nb_min(begin - 10, sizeof header - 1));
    assert_int_equal(sscanf(strstr(header, "'descr': '"), "'descr': '%3[^']", array->type), 1);
    assert_non_null(strstr(header, "'fortran_order': False"));
    array->file = file;
    array->data = file + begin;
    array->n = (bytes - begin) / element_bytes(array);
    return 1;
}

double npy_at(const npy_array *array, size_t i)
{
    const uint8_t *at = (const uint8_t *)array->data + i * element_bytes(array);
    float f32;
    double f64;
    int64_t i64;
    int32_t i32;
    uint16_t bf16;
    assert_true(i < array->n);
    if (strcmp(array->type, "<f4") == 0)
        return memcpy(&f32, at, 4), (double)f32;
    if (strcmp(array->type, "<f8") == 0)
        return memcpy(&f64, at, 8), f64;
    if (strcmp(array->type, "<i8") == 0)
        return memcpy(&i64, at, 8), (double)i64;
    if (strcmp(array->type, "<i4") == 0)
        return memcpy(&i32, at, 4), (double)i32;
    assert_string_equal(array->type, "<u2");
    memcpy(&bf16, at, 2);
    return (double)nb_bf16_decode(bf16);
}

float *npy_floats(const npy_array *array)
{
    float *floats = malloc(array->n * sizeof *floats);
    for (size_t i = 0; i < array->n; i++)
        floats[i] = (float)npy_at(array, i);
    return floats;
}

void npy_free(npy_array *array)
{
    free(array->file);
    array->file = NULL;
}
