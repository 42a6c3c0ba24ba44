// SPDX-License-Identifier: Apache-2.0
#include "apps/qat/eval_decode.h"

#include <stdlib.h>
#include <string.h>

#include "apps/common/growing_text.h"
#include "apps/common/interrupt.h"

// One session and the response it is at.
typedef struct slot {
    nb_session *session;
    bool is_busy;
    size_t prompt, sample;
    uint64_t seed;
    int32_t *ids; // generated, [n_max_tokens]
    size_t n_ids;
} slot;

typedef struct decoder {
    const nb_decode_request *request;
    nb_engine_info info;
    slot *slots;
    nb_session **sessions; // [n_sessions] of the slots
    nb_session **batch;    // those of the next step, and their tokens
    int32_t *batch_ids;
    size_t n_batch;
    size_t next; // job: prompt * n_samples + sample
    nb_growing text;
} decoder;

// splitmix64 over seed, prompt and sample, so that each response has draws of its own.
static uint64_t seed_of(uint64_t seed, size_t prompt, size_t sample)
{
    const uint64_t parts[] = {prompt, sample};
    for (size_t i = 0; i < NB_COUNT_OF(parts); i++) {
        uint64_t z = seed + 0x9e3779b97f4a7c15ull * (parts[i] + 1);
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
        z = (z ^ z >> 27) * 0x94d049bb133111ebull;
        seed = z ^ z >> 31;
    }
    return seed;
}

static bool is_stop(const decoder *d, int32_t id)
{
    for (uint32_t i = 0; i < d->info.n_stop_ids; i++)
        if (d->info.stop_ids[i] == id)
            return true;
    return false;
}

static int report(decoder *d, slot *s, bool is_truncated)
{
    const nb_text *text = d->info.text;
    nb_error error = {0};
    nb_room room = {.n = 16 * s->n_ids};
    char *string = NULL;
    while (nb_room_short(&room, &error)) {
        string = nb_resize(string, room.size + 1);
        room.status = nb_text_decode(text, s->ids, s->n_ids, 0, string, room.size, &room.n, &error);
    }
    s->is_busy = false;
    string[room.status == NB_OK ? room.n : 0] = 0;
    if (room.status == NB_OK)
        d->request->on_response(d->request->user, &(nb_response){.prompt = s->prompt,
                                                                 .sample = s->sample,
                                                                 .text = string,
                                                                 .bytes = room.n,
                                                                 .n_ids = s->n_ids,
                                                                 .is_truncated = is_truncated});
    free(string);
    return nb_fail_error(room.status, &error);
}

static int start(decoder *d, slot *s)
{
    const nb_decode_request *request = d->request;
    nb_error error = {0};
    s->prompt = d->next / request->n_samples;
    s->sample = d->next++ % request->n_samples;
    s->seed = seed_of(request->sampling.seed, s->prompt, s->sample);
    s->n_ids = 0;
    s->is_busy = true;
    const nb_prompt *prompt = &request->prompts[s->prompt];
    nb_status status = nb_session_sync(s->session, prompt->ids, prompt->n_ids, NULL, &error);
    return status == NB_ERR_STOPPED ? NB_EXIT_INTERRUPTED : nb_fail_error(status, &error);
}

// The next token of a busy slot: it joins the batch, or the response ends.
static int advance(decoder *d, slot *s)
{
    nb_sampling sampling = d->request->sampling;
    nb_error error = {0};
    int32_t id = 0;
    sampling.seed = s->seed;
    nb_status status = nb_session_sample(s->session, &sampling, &id, NULL, &error);
    if (status != NB_OK)
        return nb_fail_error(status, &error);
    if (is_stop(d, id))
        return report(d, s, false);
    s->ids[s->n_ids++] = id;
    if (s->n_ids >= d->request->n_max_tokens || nb_session_length(s->session) >= d->info.max_positions)
        return report(d, s, true);
    d->batch[d->n_batch] = s->session;
    d->batch_ids[d->n_batch++] = id;
    return NB_EXIT_OK;
}

// Starts what is to be started in a slot and takes it to its next token; a response may end at once.
static int fill_slot(decoder *d, slot *s)
{
    size_t n_jobs = d->request->n_prompts * d->request->n_samples;
    int code = NB_EXIT_OK;
    if (s->is_busy)
        code = advance(d, s);
    while (code == NB_EXIT_OK && !s->is_busy && d->next < n_jobs) {
        code = nb_interrupt_pending() ? NB_EXIT_INTERRUPTED : start(d, s);
        if (code == NB_EXIT_OK)
            code = advance(d, s);
    }
    return code;
}

static int run(decoder *d)
{
    for (;;) {
        d->n_batch = 0;
        for (uint32_t i = 0; i < d->request->session.n_sessions; i++) {
            int code = nb_interrupt_pending() ? NB_EXIT_INTERRUPTED : fill_slot(d, &d->slots[i]);
            if (code != NB_EXIT_OK)
                return code;
        }
        if (d->n_batch == 0)
            return NB_EXIT_OK;
        nb_error error = {0};
        nb_status status = nb_batch_append(d->batch, d->batch_ids, d->n_batch, &error);
        if (status != NB_OK)
            return nb_fail_error(status, &error);
    }
}

static int create(decoder *d)
{
    const nb_decode_request *request = d->request;
    uint32_t n = request->session.n_sessions;
    d->slots = nb_alloc(n * sizeof *d->slots);
    d->sessions = nb_alloc(n * sizeof(nb_session *));
    d->batch = nb_alloc(n * sizeof(nb_session *));
    d->batch_ids = nb_alloc(n * sizeof *d->batch_ids);
    int code = nb_engine_args_sessions_create(d->sessions, request->engine, &request->session);
    for (uint32_t i = 0; i < n && code == NB_EXIT_OK; i++)
        d->slots[i] =
            (slot){.session = d->sessions[i], .ids = nb_alloc(((size_t)request->n_max_tokens + 1) * sizeof(int32_t))};
    return code;
}

int nb_decode_all(const nb_decode_request *request)
{
    decoder d = {.request = request};
    nb_engine_info_get(request->engine, &d.info);
    int code = create(&d);
    if (code == NB_EXIT_OK) {
        nb_interrupt_watch(d.slots[0].session, false);
        code = run(&d);
        nb_interrupt_watch(NULL, false);
    }
    for (uint32_t i = 0; i < request->session.n_sessions; i++) {
        nb_session_free(d.sessions[i]);
        free(d.slots[i].ids);
    }
    free(d.slots);
    free(d.sessions);
    free(d.batch);
    free(d.batch_ids);
    return code;
}
