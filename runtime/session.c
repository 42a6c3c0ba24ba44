// SPDX-License-Identifier: Apache-2.0
#include "runtime/session.h"

#include <stdlib.h>
#include <string.h>

enum {
    DEFAULT_CTX = 8192,
    DEFAULT_SINKS = 4,
    DEFAULT_CHUNK = 192, // whole tiles of six tokens; more would decode weights less often, and cost memory
    MAX_CTX = 1 << 26,   // 64 M tokens: beyond any model's positions, far from overflowing 32-bit slots
    MAX_CHUNK = 4096,
    MAX_LOGIT_ROWS = 4096,
};

// ---- options and plan ---------------------------------------------------------------------------------------------

nb_session_options nb_session_defaults(void)
{
    return (nb_session_options){
        .n_sinks = DEFAULT_SINKS, .kv = NB_KV_DEFAULT, .n_chunk = DEFAULT_CHUNK, .n_logit_rows = 1, .n_sessions = 1};
}

static nb_kv_format kv_format(const nb_engine *engine, nb_kv kv)
{
    switch (kv) {
    case NB_KV_E1M2:
        return NB_KV_FORMAT_E1M2;
    case NB_KV_E2M1:
        return NB_KV_FORMAT_E2M1;
    case NB_KV_BF16:
        return NB_KV_FORMAT_BF16;
    case NB_KV_F32:
        return NB_KV_FORMAT_F32;
    default:
        return engine->model.is_quantised ? NB_KV_FORMAT_E1M2 : NB_KV_FORMAT_BF16;
    }
}

static nb_status resolve(const nb_engine *engine, const nb_session_options *options, nb_session_shape *shape,
                         nb_error *error)
{
    uint32_t limit = engine->max_positions;
    *shape = (nb_session_shape){.n_ctx = options->n_ctx ? options->n_ctx : (uint32_t)nb_min(limit, DEFAULT_CTX),
                                .n_sinks = options->n_sinks,
                                .n_chunk = options->n_chunk ? options->n_chunk : DEFAULT_CHUNK,
                                .n_logit_rows = options->n_logit_rows ? options->n_logit_rows : 1,
                                .n_sessions = options->n_sessions ? options->n_sessions : 1,
                                .max_positions = limit,
                                .kv = kv_format(engine, options->kv)};
    if (shape->n_ctx > MAX_CTX)
        return nb_error_set(error, NB_ERR_FIT, "a context of %u tokens; expected at most %d", shape->n_ctx, MAX_CTX);
    if (shape->n_sinks >= shape->n_ctx)
        return nb_error_set(error, NB_ERR_ARGUMENT,
                            "%u pinned first tokens in a context of %u; expected fewer sinks than context",
                            shape->n_sinks, shape->n_ctx);
    if (shape->n_chunk > MAX_CHUNK || shape->n_logit_rows > MAX_LOGIT_ROWS)
        return nb_error_set(error, NB_ERR_ARGUMENT, "chunk %u, logit rows %u; expected at most %d and %d",
                            shape->n_chunk, shape->n_logit_rows, MAX_CHUNK, MAX_LOGIT_ROWS);
    bool wide = shape->kv == NB_KV_FORMAT_BF16 || shape->kv == NB_KV_FORMAT_F32;
    if (!wide && engine->model.config.head_dim % 16 != 0)
        return nb_error_set(error, NB_ERR_ARGUMENT,
                            "a 4-bit KV cache has blocks of 16; expected a head width that is a multiple of 16, found "
                            "%u; try --kv bf16",
                            engine->model.config.head_dim);
    if (options->kv > NB_KV_F32)
        return nb_error_set(error, NB_ERR_ARGUMENT, "unknown KV format %d; expected e1m2, e2m1, bf16 or f32",
                            (int)options->kv);
    return NB_OK;
}

// Of all sessions that the options speak of.
static uint64_t sessions_bytes(const nb_session_buffers *b, uint32_t n_sessions)
{
    const size_t sizes[] = {b->host.counted_bytes, b->cache.counted_bytes, b->scratch_arena.counted_bytes,
                            b->exchange.counted_bytes};
    size_t sum = 0;
    for (size_t i = 0; i < NB_COUNT(sizes); i++)
        sum = nb_size_sum(sum, sizes[i]);
    return nb_size_product(sum, n_sessions);
}

// Resolves, counts and reports. A ring longer than the model's positions would never fill, so what fits is cut to them;
// what does not fit is reported as it was asked for.
static nb_status count(const nb_engine *engine, const nb_session_options *options, nb_session_shape *shape,
                       nb_session_buffers *buffers, nb_plan *plan, nb_error *error)
{
    const nb_config *config = &engine->model.config;
    NB_TRY(resolve(engine, options, shape, error));
    nb_plan_count(buffers, config, shape);
    nb_plan_report(buffers, &engine->model, engine->text_bytes, shape, plan);
    if (shape->n_ctx > shape->max_positions && sessions_bytes(buffers, shape->n_sessions) <= plan->available) {
        shape->n_ctx = shape->max_positions;
        shape->n_sinks = (uint32_t)nb_min(shape->n_sinks, shape->n_ctx - 1);
        nb_plan_count(buffers, config, shape);
        nb_plan_report(buffers, &engine->model, engine->text_bytes, shape, plan);
    }
    return NB_OK;
}

nb_status nb_session_plan(const nb_engine *engine, const nb_session_options *options, nb_plan *plan, nb_error *error)
{
    nb_session_options defaults = nb_session_defaults();
    nb_session_shape shape;
    nb_session_buffers buffers;
    return count(engine, options ? options : &defaults, &shape, &buffers, plan, error);
}

static uint64_t mebibytes(uint64_t bytes)
{
    return bytes >> 20;
}

nb_status nb_engine_check_plan(const nb_engine *engine, const nb_session_options *options, nb_plan *plan,
                               nb_error *error)
{
    nb_session_options defaults = nb_session_defaults();
    nb_session_shape shape;
    nb_session_buffers buffers;
    NB_TRY(count(engine, options ? options : &defaults, &shape, &buffers, plan, options ? error : NULL));
    uint64_t wanted = options ? plan->total - engine->text_bytes : engine->model.resident_bytes; // the text is there
    if (wanted <= plan->available || plan->available == 0 || engine->is_counted_only)
        return NB_OK;
    return nb_error_set(error, NB_ERR_FIT,
                        "the plan does not fit memory; expected at most %llu MiB, found %llu MiB (weights %llu, cache "
                        "%llu for %u times %u tokens); try %s",
                        (unsigned long long)mebibytes(plan->available), (unsigned long long)mebibytes(wanted),
                        (unsigned long long)mebibytes(plan->weights_resident),
                        (unsigned long long)mebibytes(plan->cache), shape.n_sessions, shape.n_ctx,
                        plan->cache > plan->weights_resident ? "a smaller context or fewer sessions"
                                                             : "mapped weights or a smaller model");
}

// ---- life ---------------------------------------------------------------------------------------------------------

static nb_status build(nb_session *session, const nb_session_options *options, nb_error *error)
{
    nb_plan plan;
    nb_session_buffers *buffers = &session->buffers;
    NB_TRY(count(session->engine, options, &session->shape, buffers, &plan, error));
    uint64_t wanted = sessions_bytes(buffers, session->shape.n_sessions);
    if (wanted > plan.available)
        return nb_error_set(error, NB_ERR_FIT,
                            "the plan does not fit memory; expected at most %llu MiB, found %llu MiB (cache %llu MiB "
                            "for %u times %u tokens); try a smaller context",
                            (unsigned long long)mebibytes(plan.available), (unsigned long long)mebibytes(wanted),
                            (unsigned long long)mebibytes(plan.cache), plan.n_sessions, plan.n_ctx);
    return nb_plan_place(buffers, &session->engine->model.config, &session->shape, error);
}

nb_status nb_session_create(nb_session **session, nb_engine *engine, const nb_session_options *options, nb_error *error)
{
    nb_session_options defaults = nb_session_defaults();
    *session = calloc(1, sizeof **session);
    if (!*session)
        return nb_error_set(error, NB_ERR_SYSTEM, "no memory for a session; expected %zu bytes", sizeof **session);
    (*session)->engine = engine;
    nb_status status = engine->is_counted_only
                           ? nb_error_set(error, NB_ERR_ARGUMENT, "the engine was only counted; expected a loaded one")
                           : build(*session, options ? options : &defaults, error);
    if (status != NB_OK) {
        free(*session);
        *session = NULL;
    }
    return status;
}

void nb_session_free(nb_session *session)
{
    if (!session)
        return;
    nb_plan_release(&session->buffers);
    free(session);
}

// ---- the timeline -------------------------------------------------------------------------------------------------

static nb_status check_ids(const nb_session *session, const int32_t *ids, size_t n_ids, size_t length, nb_error *error)
{
    uint32_t n_tokens = session->engine->model.config.vocab_size;
    if (n_ids == 0)
        return nb_error_set(error, NB_ERR_ARGUMENT, "no tokens; expected at least one id");
    if (n_ids > session->shape.max_positions || length > session->shape.max_positions - n_ids)
        return nb_error_set(error, NB_ERR_LIMIT, "the model's position limit; expected at most %u tokens, found %zu",
                            session->shape.max_positions, length + n_ids);
    for (size_t i = 0; i < n_ids; i++)
        if (ids[i] < 0 || (uint32_t)ids[i] >= n_tokens)
            return nb_error_set(error, NB_ERR_ARGUMENT, "token id %d at index %zu; expected 0 to %u", ids[i], i,
                                n_tokens - 1);
    return NB_OK;
}

// How many of n tokens one pass may take: see NB_KV_SLACK for a ring that overwrites.
static uint32_t chunk_rows(const nb_session *session, size_t n)
{
    size_t rows = nb_min(n, session->shape.n_chunk);
    if (session->length + rows > session->buffers.ring.n_slots)
        rows = nb_min(rows, NB_KV_SLACK + 1);
    return (uint32_t)rows;
}

static void put_row(nb_scratch *scratch, uint32_t row, nb_session *session, int32_t id)
{
    scratch->ids[row] = id;
    scratch->positions[row] = session->length;
    scratch->rings[row] = &session->buffers.ring;
    session->buffers.ids[session->length++] = id;
    session->high = (uint32_t)nb_max(session->high, session->length);
    session->has_logits = false;
}

// Logits of the pass's rows one block after the other; the last block's last row ends in row 0.
static nb_status report_logits(nb_session *session, uint32_t n_rows, nb_logits_fn on_logits, void *user,
                               nb_error *error)
{
    nb_session_buffers *b = &session->buffers;
    size_t n_tokens = session->engine->model.config.vocab_size, first = session->length - n_rows, last = 0;
    for (uint32_t row = 0; row < n_rows; row += session->shape.n_logit_rows) {
        uint32_t n = (uint32_t)nb_min(session->shape.n_logit_rows, n_rows - row);
        nb_forward_logits(&session->engine->machinery, &b->scratch, row, n, b->logits);
        last = n - 1;
        for (uint32_t i = 0; i < n; i++)
            if (!on_logits(user, first + row + i, b->logits + i * n_tokens))
                return nb_error_set(error, NB_ERR_STOPPED, "stopped by the receiver of the logits");
    }
    memmove(b->logits, b->logits + last * n_tokens, n_tokens * sizeof *b->logits);
    session->has_logits = true;
    return NB_OK;
}

static nb_status extend(nb_session *session, const int32_t *ids, size_t n_ids, nb_logits_fn on_logits, void *user,
                        nb_error *error)
{
    nb_session_buffers *b = &session->buffers;
    const nb_machinery *machinery = &session->engine->machinery;
    atomic_store_explicit(&session->is_cancelled, false, memory_order_relaxed);
    for (size_t done = 0; done < n_ids;) {
        if (atomic_load_explicit(&session->is_cancelled, memory_order_relaxed))
            return nb_error_set(error, NB_ERR_STOPPED, "stopped on request after %zu of %zu tokens", done, n_ids);
        uint32_t n_rows = chunk_rows(session, n_ids - done);
        for (uint32_t row = 0; row < n_rows; row++)
            put_row(&b->scratch, row, session, ids[done + row]);
        nb_forward(machinery, &b->scratch, n_rows, session->observer);
        done += n_rows;
        if (on_logits)
            NB_TRY(report_logits(session, n_rows, on_logits, user, error));
        else if (done == n_ids)
            nb_forward_logits(machinery, &b->scratch, n_rows - 1, 1, b->logits);
    }
    session->has_logits = true;
    return NB_OK;
}

nb_status nb_session_append(nb_session *session, const int32_t *ids, size_t n_ids, nb_logits_fn on_logits, void *user,
                            nb_error *error)
{
    NB_TRY(check_ids(session, ids, n_ids, session->length, error));
    return extend(session, ids, n_ids, on_logits, user, error);
}

// Whether the ring still holds every token that a query at position `length` would see.
static bool ring_holds(const nb_session *session, size_t length)
{
    const nb_ring *ring = &session->buffers.ring;
    uint32_t n_ring = ring->n_slots - ring->n_sinks;
    uint32_t oldest = session->high > ring->n_slots ? session->high - n_ring : 0;
    return length <= ring->n_sinks || nb_ring_window_begin(ring, (uint32_t)length) >= oldest;
}

static void cut(nb_session *session, size_t length)
{
    if (length < session->length)
        session->has_logits = false;
    session->length = (uint32_t)length;
    if (length <= session->buffers.ring.n_sinks) // nothing of the ring proper is left
        session->high = session->length;
}

nb_status nb_session_rewind(nb_session *session, size_t n_ids, nb_error *error)
{
    if (n_ids > session->length)
        return nb_error_set(error, NB_ERR_ARGUMENT, "rewind to %zu tokens; expected at most the timeline's %u", n_ids,
                            session->length);
    if (!ring_holds(session, n_ids))
        return nb_error_set(
            error, NB_ERR_FIT,
            "the ring no longer holds what %zu tokens need; expected a rewind of at most %d tokens, found "
            "%zu; try nb_session_sync",
            n_ids, NB_KV_SLACK, session->length - n_ids);
    cut(session, n_ids);
    return NB_OK;
}

nb_status nb_session_sync(nb_session *session, const int32_t *ids, size_t n_ids, size_t *n_computed, nb_error *error)
{
    size_t keep = 0;
    if (n_computed)
        *n_computed = 0;
    NB_TRY(check_ids(session, ids, n_ids, 0, error));
    while (keep < n_ids && keep < session->length && session->buffers.ids[keep] == ids[keep])
        keep++;
    if (keep == n_ids && keep == session->length && session->has_logits)
        return NB_OK;
    keep = nb_min(keep, n_ids - 1); // the last token's logits are wanted
    cut(session, ring_holds(session, keep) ? keep : 0);
    size_t before = session->length;
    nb_status status = extend(session, ids + before, n_ids - before, NULL, NULL, error);
    if (n_computed)
        *n_computed = session->length - before;
    return status;
}

// ---- several timelines in one pass --------------------------------------------------------------------------------

static nb_status check_batch(nb_session *const *sessions, const int32_t *ids, size_t n_sessions, nb_error *error)
{
    if (n_sessions == 0 || n_sessions > sessions[0]->shape.n_chunk)
        return nb_error_set(error, NB_ERR_ARGUMENT, "a batch of %zu sessions; expected 1 to the first one's chunk, %u",
                            n_sessions, n_sessions ? sessions[0]->shape.n_chunk : 0);
    for (size_t i = 0; i < n_sessions; i++) {
        NB_TRY(check_ids(sessions[i], &ids[i], 1, sessions[i]->length, error));
        if (sessions[i]->engine != sessions[0]->engine)
            return nb_error_set(error, NB_ERR_ARGUMENT, "session %zu of a batch has another engine", i);
        if (sessions[i]->buffers.ring.n_slots > sessions[0]->buffers.scratch.n_slots_max)
            return nb_error_set(error, NB_ERR_ARGUMENT,
                                "session %zu of a batch has a context of %u; expected at most the first one's, %u", i,
                                sessions[i]->shape.n_ctx, sessions[0]->shape.n_ctx);
        for (size_t j = 0; j < i; j++)
            if (sessions[i] == sessions[j])
                return nb_error_set(error, NB_ERR_ARGUMENT, "one session twice in a batch, at %zu and %zu", j, i);
    }
    return NB_OK;
}

nb_status nb_batch_append(nb_session *const *sessions, const int32_t *ids, size_t n_sessions, nb_error *error)
{
    NB_TRY(check_batch(sessions, ids, n_sessions, error));
    nb_session *first = sessions[0];
    nb_session_buffers *b = &first->buffers;
    const nb_machinery *machinery = &first->engine->machinery;
    size_t n_tokens = first->engine->model.config.vocab_size;
    for (size_t i = 0; i < n_sessions; i++)
        put_row(&b->scratch, (uint32_t)i, sessions[i], ids[i]);
    nb_forward(machinery, &b->scratch, (uint32_t)n_sessions, NULL);
    // Blocks backwards: the first session's own row 0 is then written last and nothing overwrites it.
    size_t n_block = first->shape.n_logit_rows;
    for (size_t block = nb_div_ceil(n_sessions, n_block); block-- > 0;) {
        size_t row = block * n_block, n = nb_min(n_block, n_sessions - row);
        nb_forward_logits(machinery, &b->scratch, (uint32_t)row, (uint32_t)n, b->logits);
        for (size_t i = 0; i < n; i++)
            if (sessions[row + i] != first)
                memcpy(sessions[row + i]->buffers.logits, b->logits + i * n_tokens, n_tokens * sizeof *b->logits);
    }
    for (size_t i = 0; i < n_sessions; i++)
        sessions[i]->has_logits = true;
    return NB_OK;
}

// ---- views --------------------------------------------------------------------------------------------------------

size_t nb_session_length(const nb_session *session)
{
    return session->length;
}

const int32_t *nb_session_ids(const nb_session *session)
{
    return session->buffers.ids;
}

const float *nb_session_logits(const nb_session *session)
{
    return session->has_logits ? session->buffers.logits : NULL;
}

void nb_session_cancel(nb_session *session)
{
    atomic_store_explicit(&session->is_cancelled, true, memory_order_relaxed);
}
