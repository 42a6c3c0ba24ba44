// SPDX-License-Identifier: Apache-2.0
// Reads the tensors of a safetensors file of the reference data, for tests that must not depend on the project's own
// reader. Trusts the file. Little-endian hosts.
#ifndef NB_TESTS_ORACLE_TENSORS_H
#define NB_TESTS_ORACLE_TENSORS_H

#include <stddef.h>
#include <stdint.h>

// Directory of the reference data: $NB_TEST_DATA, else ../shared/data; NULL, with a line on stderr, when it is absent.
const char *oracle_data_directory(void);

typedef struct oracle_tensors {
    char *bytes; // the whole file
    size_t n_bytes;
    size_t data_begin;
    void *header; // json_t
} oracle_tensors;

// Opens `directory`/`path`; fails the running test when that is impossible.
void oracle_tensors_open(oracle_tensors *tensors, const char *directory, const char *path);
void oracle_tensors_close(oracle_tensors *tensors);

// Bytes of the tensor, suitably aligned as malloc is (copied; the caller frees them), its element count and first
// dimension (1 for a scalar). NULL when there is no such tensor.
void *oracle_tensor_copy(const oracle_tensors *tensors, const char *name, size_t *n_elements, size_t *n_rows);

// Calls `visit` for every tensor name that ends in `suffix`, with the part before it.
void oracle_tensors_each(const oracle_tensors *tensors, const char *suffix, void (*visit)(void *user, const char *stem),
                         void *user);

#endif
