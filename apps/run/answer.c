// SPDX-License-Identifier: Apache-2.0
#include "apps/run/answer.h"

#include <stdlib.h>
#include <string.h>

#include "apps/common/cli.h"
#include "apps/common/interrupt.h"

typedef struct state {
    const nb_answer_request *request;
    nb_answer *answer;
    nb_stream *stream; // NULL without text
} state;

static void keep_id(nb_answer *answer, int32_t id)
{
    if (answer->n_ids == answer->ids_capacity) {
        answer->ids_capacity = answer->ids_capacity ? 2 * answer->ids_capacity : 256;
        answer->ids = nb_resize(answer->ids, answer->ids_capacity * sizeof *answer->ids);
    }
    answer->ids[answer->n_ids++] = id;
}

static void keep_piece(state *s, const nb_piece *piece)
{
    nb_growing_add(&s->answer->text, piece->text, piece->bytes);
    nb_growing_add(&s->answer->reasoning, piece->reasoning, piece->reasoning_bytes);
    if (s->request->printer)
        nb_printer_piece(s->request->printer, piece);
}

static bool is_stop_id(const state *s, int32_t id)
{
    for (uint32_t i = 0; i < s->request->n_stop_ids; i++)
        if (s->request->stop_ids[i] == id)
            return true;
    return false;
}

// Why the answer ends with `id`, or NULL. The id is already counted.
static const char *ending(const state *s, int32_t id, bool is_stopped)
{
    const nb_answer_request *request = s->request;
    if (is_stopped || (!request->ignore_eos && is_stop_id(s, id)))
        return "stop";
    if (s->answer->n_ids >= request->n_max_tokens || nb_session_length(request->session) >= request->max_positions)
        return "length";
    return NULL;
}

// Takes one sampled id: text, printing. Returns an exit code.
static int take(state *s, int32_t id)
{
    nb_printer *printer = s->request->printer;
    nb_piece piece = {0};
    bool is_end_token = !s->request->ignore_eos && is_stop_id(s, id);
    keep_id(s->answer, id);
    if (printer)
        nb_printer_step(printer, id);
    if (s->stream && !is_end_token) {
        nb_stream_push(s->stream, id, &piece);
        keep_piece(s, &piece);
    }
    s->answer->finish = ending(s, id, piece.stopped);
    if (s->stream && s->answer->finish) {
        nb_stream_flush(s->stream, &piece);
        keep_piece(s, &piece);
    }
    return printer ? nb_printer_step_end(printer, id) : NB_EXIT_OK;
}

static int fail(state *s, nb_status status, const nb_error *error)
{
    bool is_interrupted = status == NB_ERR_STOPPED;
    s->answer->finish = is_interrupted ? "interrupted" : "failed";
    if (s->stream) {
        nb_piece piece;
        nb_stream_flush(s->stream, &piece);
        keep_piece(s, &piece);
    }
    return is_interrupted ? NB_EXIT_INTERRUPTED : nb_fail_error(status, error);
}

static int decode(state *s)
{
    const nb_answer_request *request = s->request;
    nb_error error = {0};
    for (;;) {
        int32_t id = 0;
        nb_status status = nb_interrupt_pending() ? NB_ERR_STOPPED : NB_OK;
        if (status == NB_OK)
            status = nb_session_sample(request->session, request->sampling, &id, NULL, &error);
        if (status != NB_OK)
            return fail(s, status, &error);
        int code = take(s, id);
        if (code != NB_EXIT_OK)
            s->answer->finish = "failed";
        if (s->answer->finish)
            return code;
        status = nb_session_append(request->session, &id, 1, NULL, NULL, &error);
        if (status != NB_OK)
            return fail(s, status, &error);
    }
}

static int prefill_and_decode(state *s)
{
    const nb_answer_request *request = s->request;
    nb_error error = {0};
    double start = nb_now_s();
    nb_status status = nb_session_sync(request->session, request->ids, request->n_ids, &s->answer->n_computed, &error);
    double middle = nb_now_s();
    s->answer->prefill_s = middle - start;
    if (status != NB_OK)
        return fail(s, status, &error);
    int code = decode(s);
    s->answer->decode_s = nb_now_s() - middle;
    return code;
}

int nb_answer_generate(const nb_answer_request *request, nb_answer *answer)
{
    memset(answer, 0, sizeof *answer);
    answer->n_prompt = request->n_ids;
    state s = {.request = request, .answer = answer};
    if (request->text) {
        nb_error error = {0};
        nb_status status = nb_stream_create(&s.stream, request->text, &request->stream, &error);
        if (status != NB_OK)
            return fail(&s, status, &error);
    }
    if (request->printer)
        nb_printer_start(request->printer);
    int code = prefill_and_decode(&s);
    nb_stream_free(s.stream);
    return code;
}

void nb_answer_release(nb_answer *answer)
{
    nb_growing_release(&answer->text);
    nb_growing_release(&answer->reasoning);
    free(answer->ids);
    memset(answer, 0, sizeof *answer);
}

double nb_answer_prefill_tok_s(const nb_answer *answer)
{
    return answer->n_computed && answer->prefill_s > 0 ? (double)answer->n_computed / answer->prefill_s : 0;
}

double nb_answer_decode_tok_s(const nb_answer *answer)
{
    // The first token comes from the prompt's logits; every further one costs a pass.
    return answer->n_ids > 1 && answer->decode_s > 0 ? (double)(answer->n_ids - 1) / answer->decode_s : 0;
}
