// SPDX-License-Identifier: Apache-2.0
// Reads NumPy .npy arrays (little-endian, C order) of the reference data. Failures fail the test.
#ifndef NB_TESTS_SUPPORT_NPY_H
#define NB_TESTS_SUPPORT_NPY_H

#include <stddef.h>
#include <stdint.h>

typedef struct npy_array {
    char type[8]; // "<f4", "<i8", "<u2", ...
    size_t n;     // elements in all
    void *file;   // what to free
    const void *data;
} npy_array;

// The array `name`.npy of vllm-goldens/`folder`; 0 when the data is absent.
int npy_read(npy_array *array, const char *folder, const char *name);

// Element i as a double; bf16 travels as u2 there.
double npy_at(const npy_array *array, size_t i);
float *npy_floats(const npy_array *array); // a copy; the caller frees
void npy_free(npy_array *array);

#endif
