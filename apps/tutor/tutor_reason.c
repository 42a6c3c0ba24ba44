// SPDX-License-Identifier: Apache-2.0
#include "apps/tutor/tutor_reason.h"

#include <stdlib.h>
#include <string.h>

#include "apps/common/cli.h"
#include "apps/tutor/steps.h"

typedef struct state {
    const nb_reason_request *request;
    nb_reasoning *reasoning;
    nb_error *error;
    // Tokens that the next pass appends.
    size_t lanes[NB_TUTOR_MAX_LANES];
    int32_t ids[NB_TUTOR_MAX_LANES];
    size_t n;
} state;

static void append_next(state *s, size_t lane, int32_t id)
{
    s->lanes[s->n] = lane;
    s->ids[s->n++] = id;
}

static nb_status rewind_lane(state *s, size_t index)
{
    const nb_token_source *source = s->request->source;
    const nb_lane *lane = &s->reasoning->lanes[index];
    int32_t again;
    nb_status status = source->rewind(source->user, index, lane->ids, lane->n_ids, &again, s->error);
    if (status == NB_OK)
        append_next(s, index, again);
    return status;
}

// What failed once is drawn anew from a flatter distribution: the same draw would give the same line.
static nb_sampling sampling_of(const state *s, size_t index)
{
    const nb_lane *lane = &s->reasoning->lanes[index];
    nb_sampling sampling = s->request->sampling;
    sampling.seed += index * 0x9e3779b9u + lane->n_redone;
    sampling.seed += lane->n_restarts * 0x51ed27u;
    if (lane->n_tries == 0 && lane->n_restarts == 0)
        return sampling;
    float flatter = 0.5f + 0.25f * (float)lane->n_tries;
    if (sampling.temperature < flatter)
        sampling.temperature = flatter < 1.5f ? flatter : 1.5f;
    return sampling;
}

static nb_status report(state *s, size_t index, size_t n_before)
{
    const nb_lane *lane = &s->reasoning->lanes[index];
    nb_status status = NB_OK;
    for (size_t i = n_before; status == NB_OK && s->request->on_line && i < lane->n_lines; i++)
        status = s->request->on_line(s->request->user, index, &lane->lines[i]);
    return status;
}

static nb_status advance(state *s, size_t index)
{
    const nb_token_source *source = s->request->source;
    nb_lane *lane = &s->reasoning->lanes[index];
    nb_sampling sampling = sampling_of(s, index);
    nb_piece piece = {0};
    int32_t id;
    nb_status status = source->sample(source->user, index, &sampling, &id, s->error);
    if (status != NB_OK)
        return status;
    size_t n_before = lane->n_lines;
    bool is_end = source->text(source->user, index, id, &piece);
    nb_lane_next next = nb_lane_take(lane, id, is_end, &piece);
    status = report(s, index, n_before);
    if (status != NB_OK)
        return status;
    if (next == NB_LANE_OVER) {
        nb_lane_start_over(lane);
        status = s->request->on_line ? s->request->on_line(s->request->user, index, NULL) : NB_OK;
        if (status != NB_OK)
            return status;
    }
    if (next == NB_LANE_REDO || next == NB_LANE_OVER)
        return rewind_lane(s, index);
    if (next == NB_LANE_APPEND)
        append_next(s, index, id);
    return NB_OK;
}

static nb_status reason(state *s)
{
    const nb_token_source *source = s->request->source;
    for (size_t i = 0; i < s->reasoning->n_lanes; i++) {
        nb_status status = rewind_lane(s, i);
        if (status != NB_OK)
            return status;
    }
    while (s->n) {
        nb_status status = source->append(source->user, s->lanes, s->ids, s->n, s->error);
        s->n = 0;
        for (size_t i = 0; status == NB_OK && i < s->reasoning->n_lanes; i++)
            if (!s->reasoning->lanes[i].finish)
                status = advance(s, i);
        if (status != NB_OK)
            return status;
    }
    return NB_OK;
}

nb_status nb_reason(const nb_reason_request *request, nb_reasoning *reasoning, nb_error *error)
{
    memset(reasoning, 0, sizeof *reasoning);
    reasoning->n_lanes = request->n_lanes;
    reasoning->lanes = nb_alloc(request->n_lanes * sizeof *reasoning->lanes);
    reasoning->votes = nb_alloc(request->n_lanes * sizeof *reasoning->votes);
    for (size_t i = 0; i < request->n_lanes; i++)
        nb_lane_start(&reasoning->lanes[i], &request->rules);
    state s = {.request = request, .reasoning = reasoning, .error = error};
    nb_status status = reason(&s);
    for (size_t i = 0; i < reasoning->n_lanes; i++) {
        reasoning->n_sampled += reasoning->lanes[i].n_sampled;
        reasoning->n_redone += reasoning->lanes[i].n_redone;
        reasoning->n_restarts += reasoning->lanes[i].n_restarts;
    }
    nb_reasoning_count_votes(reasoning);
    return status;
}

void nb_reasoning_release(nb_reasoning *reasoning)
{
    for (size_t i = 0; i < reasoning->n_lanes; i++)
        nb_lane_release(&reasoning->lanes[i]);
    free(reasoning->lanes);
    free(reasoning->votes);
    memset(reasoning, 0, sizeof *reasoning);
}

// ---- votes ---------------------------------------------------------------------------------------------------------

static bool is_same(const char *a, const char *b)
{
    return strcmp(a, b) == 0 || nb_numbers_compare(a, strlen(a), b, strlen(b)) == NB_STEP_RIGHT;
}

static int compare_votes(const void *left, const void *right)
{
    const nb_vote *a = left, *b = right;
    if (a->n_votes != b->n_votes)
        return a->n_votes > b->n_votes ? -1 : 1;
    if (a->n_checked != b->n_checked)
        return a->n_checked > b->n_checked ? -1 : 1;
    return a->answer < b->answer ? -1 : 1; // answers lie in the lanes, in their order
}

static size_t find_winner(const nb_reasoning *reasoning)
{
    size_t first = reasoning->n_lanes;
    for (size_t i = 0; i < reasoning->n_lanes; i++) {
        const nb_lane *lane = &reasoning->lanes[i];
        if (!lane->answer[0] || !is_same(lane->answer, reasoning->votes[0].answer))
            continue;
        if (nb_lane_is_checked(lane))
            return i;
        first = first < i ? first : i;
    }
    return first;
}

void nb_reasoning_count_votes(nb_reasoning *reasoning)
{
    size_t n = reasoning->n_votes = 0;
    for (size_t i = 0; i < reasoning->n_lanes; i++) {
        const nb_lane *lane = &reasoning->lanes[i];
        if (!lane->answer[0])
            continue;
        size_t at = 0;
        while (at < n && !is_same(reasoning->votes[at].answer, lane->answer))
            at++;
        if (at == n)
            reasoning->votes[n++] = (nb_vote){.answer = lane->answer};
        reasoning->votes[at].n_votes++;
        reasoning->votes[at].n_checked += nb_lane_is_checked(lane);
    }
    qsort(reasoning->votes, n, sizeof *reasoning->votes, compare_votes);
    reasoning->n_votes = n;
    const nb_vote *votes = reasoning->votes;
    reasoning->is_tie = n > 1 && votes[0].n_votes == votes[1].n_votes && votes[0].n_checked == votes[1].n_checked;
    reasoning->winner = n ? find_winner(reasoning) : 0;
}
