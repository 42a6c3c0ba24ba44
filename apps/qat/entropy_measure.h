// SPDX-License-Identifier: Apache-2.0
// What a model predicts along given traces (teacher-forced): entropy, probability of the trace's token, tokens that
// sampling would have put there, and all of it against a reference model where there is one.
#ifndef NB_APPS_ENTROPY_MEASURE_H
#define NB_APPS_ENTROPY_MEASURE_H

#include "apps/qat/kv_error.h"
#include "apps/qat/trace_store.h"
#include "runtime/session.h"

typedef enum nb_token_class { NB_CLASS_DIGIT, NB_CLASS_OPERATOR, NB_CLASS_WORD, NB_CLASS_OTHER } nb_token_class;
enum { NB_TOKEN_CLASSES = 4, NB_ENTROPY_BUCKETS = 7 };

extern const char *const nb_token_class_names[NB_TOKEN_CLASSES];
// Bucket i holds edges[i] <= H < edges[i + 1] nats; the last edge is infinite.
extern const double nb_entropy_edges[NB_ENTROPY_BUCKETS + 1];

// By its text: digits alone (white space aside); operators and relations alone (+ - * / = < > ^ and their kin); with
// a letter; anything else (punctuation, white space, special tokens).
nb_token_class nb_token_class_of(const char *text, size_t bytes);

// Sums over positions.
typedef struct nb_entropy_sums {
    uint64_t n;
    double entropy;    // H, nats
    double nll;        // -ln p(token)
    double outside;    // 1 - p(token)
    double mismatches; // samples that are another token
    double wrong;      // positions where another token is the most likely
    double kl;         // KL(reference || model), nats
    double flips;      // positions where the most likely token is not the reference's
} nb_entropy_sums;

typedef struct nb_entropy_table {
    nb_entropy_sums cells[NB_TOKEN_CLASSES][NB_ENTROPY_BUCKETS];
} nb_entropy_table;

void nb_entropy_join(nb_entropy_sums *sums, const nb_entropy_sums *more);

typedef struct nb_entropy_request {
    nb_session *model;
    nb_session *reference;  // NULL: none; else its entropy decides the bucket
    const uint8_t *classes; // [V] nb_token_class
    const nb_traces *traces;
    uint64_t n_traces; // the first of them
    nb_sampling sampling;
    uint32_t n_samples;                            // of each position
    nb_kv_error (*kv)[2];                          // [L] K and V of the model's cache, or NULL
    bool (*on_trace)(void *user, uint64_t n_done); // returns false to stop
    void *user;
} nb_entropy_request;

// Both sessions have room for the longest trace and the same vocabulary. NB_ERR_STOPPED, NB_ERR_INPUT (logits that are
// not finite), NB_ERR_FIT. The same bits with any number of threads.
NB_MUST_USE nb_status nb_entropy_measure(const nb_entropy_request *request, nb_entropy_table *table, nb_error *error);

#endif
