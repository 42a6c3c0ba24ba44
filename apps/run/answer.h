// SPDX-License-Identifier: Apache-2.0
// One answer: the loop sample -> print -> append, until it ends.
#ifndef NB_APPS_ANSWER_H
#define NB_APPS_ANSWER_H

#include "apps/run/printer.h"

typedef struct nb_answer_request {
    nb_session *session;
    const nb_text *text; // NULL: ids only
    uint32_t max_positions;
    const int32_t *stop_ids; // end tokens
    uint32_t n_stop_ids;
    const int32_t *ids; // the prompt, at least one
    size_t n_ids;
    const nb_sampling *sampling;
    uint64_t n_max_tokens;
    bool ignore_eos;
    nb_stream_options stream;
    nb_printer *printer; // may be NULL: silent
} nb_answer_request;

typedef struct nb_answer {
    const char *finish;         // "stop", "length", "interrupted", "failed"
    nb_growing text, reasoning; // what the stream gave
    int32_t *ids;               // generated, the stop token included
    size_t n_ids, ids_capacity;
    size_t n_prompt, n_computed; // tokens of the prompt, and how many of them had to be computed
    double prefill_s, decode_s;
} nb_answer;

// Answers until an end, or until nb_interrupt_pending. `answer` is filled (zeroed first) also on failure and on an
// interrupt, and released by the caller.
// Returns an exit code; error lines are printed.
int nb_answer_generate(const nb_answer_request *request, nb_answer *answer);
void nb_answer_release(nb_answer *answer);

double nb_answer_prefill_tok_s(const nb_answer *answer); // 0: nothing was computed
double nb_answer_decode_tok_s(const nb_answer *answer);

#endif
