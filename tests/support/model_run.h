// SPDX-License-Identifier: Apache-2.0
// Running models of the reference data and comparing with what others computed from them. Every failure fails the test.
#ifndef NB_TESTS_SUPPORT_MODEL_RUN_H
#define NB_TESTS_SUPPORT_MODEL_RUN_H

#include "runtime/nibble.h"

enum { NB_TEST_MAX_SEQUENCES = 64, NB_TEST_MAX_IDS = 4096 };

// Sequences of ids, as in an ids.txt.
typedef struct nb_test_ids {
    size_t n_sequences;
    size_t n_ids[NB_TEST_MAX_SEQUENCES];
    int32_t *ids[NB_TEST_MAX_SEQUENCES];
    size_t n_total;
} nb_test_ids;
void nb_test_ids_read(nb_test_ids *ids, const char *path);
void nb_test_ids_free(nb_test_ids *ids);

// Little-endian f32 file; the caller frees.
float *nb_test_floats(const char *path, size_t *n);

// ||a - b|| / ||b||
double nb_test_relative_error(const float *a, const float *b, size_t n);

// Index of the largest; the lowest of equals.
int32_t nb_test_argmax(const float *values, size_t n);

// An engine and a session of these settings; fail the test with nibble's own words when it does not open.
typedef struct nb_test_settings {
    const char *isa; // NULL: best
    uint32_t n_threads;
    nb_activations act;
    nb_kv kv;
    uint32_t n_ctx, n_chunk, n_sinks;
} nb_test_settings;
nb_engine *nb_test_engine(const char *directory, const nb_test_settings *settings);
nb_session *nb_test_session(nb_engine *engine, const nb_test_settings *settings);

// Logits of every position of every sequence, each from an empty timeline: [n_total, V]; the caller frees.
float *nb_test_logits(const char *directory, const nb_test_settings *settings, const nb_test_ids *ids, size_t *n_vocab);

// The NVFP4 directory that the built nibble-qat makes of `source`, below the temporary directory `below`.
// `shift`: a k_shift.st or NULL. The path is valid until the next call.
const char *nb_test_quantise(const char *source, const char *shift, const char *below);

#endif
