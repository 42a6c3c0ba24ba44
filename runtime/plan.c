// SPDX-License-Identifier: Apache-2.0
#include "runtime/plan.h"

#include "platform/memory.h"

static void *take(nb_arena *arena, size_t count, size_t element_bytes)
{
    return nb_arena_take(arena, nb_size_product(count, element_bytes), NB_ARENA_MIN_ALIGNMENT);
}

static void describe_act(nb_arena *arena, nb_act *act, size_t n_rows, uint32_t n_cols)
{
    act->n_cols = n_cols;
    act->x = take(arena, nb_size_product(n_rows, n_cols), sizeof *act->x);
    act->steps = take(arena, nb_size_product(n_rows, nb_act_steps(n_cols)), sizeof *act->steps);
    act->globals = take(arena, n_rows, sizeof *act->globals);
}

static void describe_scratch(nb_session_buffers *b, const nb_config *c, const nb_session_shape *shape)
{
    nb_arena *a = &b->scratch_arena;
    nb_scratch *s = &b->scratch;
    size_t rows = shape->n_chunk, d = c->hidden_size, f = c->ffn_size, q = (size_t)c->n_heads * c->head_dim,
           kv = (size_t)c->n_kv_heads * c->head_dim;
    s->n_rows_max = shape->n_chunk;
    s->n_logit_rows = shape->n_logit_rows;
    s->n_slots_max = nb_ring_slots(shape->n_ctx);
    s->x = take(a, rows * d, sizeof *s->x);
    describe_act(a, &s->hidden, rows, c->hidden_size);
    describe_act(a, &s->mixed, rows, (uint32_t)q);
    describe_act(a, &s->ffn, rows, c->ffn_size);
    describe_act(a, &s->last, shape->n_logit_rows, c->hidden_size);
    s->q = take(a, rows * q, sizeof *s->q);
    s->k = take(a, rows * kv, sizeof *s->k);
    s->v = take(a, rows * kv, sizeof *s->v);
    s->gate = take(a, rows * f, sizeof *s->gate);
    s->up = take(a, rows * f, sizeof *s->up);
    s->cosines = take(a, rows * c->head_dim / 2, sizeof *s->cosines);
    s->sines = take(a, rows * c->head_dim / 2, sizeof *s->sines);
    s->positions = take(a, rows, sizeof *s->positions);
    s->rings = take(a, rows, sizeof *s->rings);
    s->ids = take(a, rows, sizeof *s->ids);
    s->partials = take(a, nb_attention_partial_floats(c->n_heads, c->head_dim, s->n_slots_max), sizeof *s->partials);
    b->candidates = take(a, c->vocab_size, sizeof *b->candidates);
    b->seen = take(a, c->vocab_size, sizeof *b->seen);
}

static void describe(nb_session_buffers *b, const nb_config *c, const nb_session_shape *shape)
{
    b->ids = take(&b->host, shape->max_positions, sizeof *b->ids);
    nb_ring_shape(&b->ring, shape->kv, c->n_layers, c->n_kv_heads, c->head_dim, shape->n_ctx, shape->n_sinks);
    b->ring.base = take(&b->cache, nb_ring_bytes(&b->ring), 1);
    describe_scratch(b, c, shape);
    b->logits = take(&b->exchange, nb_size_product(shape->n_logit_rows, c->vocab_size), sizeof *b->logits);
}

void nb_plan_count(nb_session_buffers *b, const nb_config *config, const nb_session_shape *shape)
{
    *b = (nb_session_buffers){0};
    nb_arena_init(&b->host, NB_MEMORY_HOST);
    nb_arena_init(&b->cache, NB_MEMORY_CACHE);
    nb_arena_init(&b->scratch_arena, NB_MEMORY_SCRATCH);
    nb_arena_init(&b->exchange, NB_MEMORY_EXCHANGE);
    describe(b, config, shape);
}

nb_status nb_plan_place(nb_session_buffers *b, const nb_config *config, const nb_session_shape *shape, nb_error *error)
{
    nb_arena *arenas[] = {&b->host, &b->cache, &b->scratch_arena, &b->exchange};
    for (size_t i = 0; i < NB_COUNT(arenas); i++) {
        nb_status status = nb_arena_place(arenas[i], error);
        if (status != NB_OK) {
            nb_plan_release(b);
            return status;
        }
    }
    describe(b, config, shape);
    for (size_t i = 0; i < NB_COUNT(arenas); i++)
        nb_arena_seal(arenas[i]);
    return NB_OK;
}

void nb_plan_release(nb_session_buffers *b)
{
    nb_arena_release(&b->host);
    nb_arena_release(&b->cache);
    nb_arena_release(&b->scratch_arena);
    nb_arena_release(&b->exchange);
}

void nb_plan_report(const nb_session_buffers *b, const nb_model *model, uint64_t text_bytes,
                    const nb_session_shape *shape, nb_plan *plan)
{
    nb_memory memory;
    nb_memory_probe(&memory);
    size_t n = shape->n_sessions;
    *plan = (nb_plan){.weights_mapped = model->is_resident ? 0 : model->weight_bytes,
                      .weights_resident = model->resident_bytes,
                      .host = nb_size_sum(model->host_bytes + text_bytes, nb_size_product(n, b->host.counted_bytes)),
                      .cache = nb_size_product(n, b->cache.counted_bytes),
                      .scratch = nb_size_product(n, b->scratch_arena.counted_bytes),
                      .exchange = nb_size_product(n, b->exchange.counted_bytes),
                      .available = nb_memory_takeable(&memory),
                      .n_ctx = shape->n_ctx,
                      .n_sessions = shape->n_sessions};
    const uint64_t parts[] = {plan->weights_resident, plan->host, plan->cache, plan->scratch, plan->exchange};
    for (size_t i = 0; i < NB_COUNT(parts); i++)
        plan->total = nb_size_sum(plan->total, parts[i]);
    plan->kv_bytes_per_token = 2 * (uint64_t)model->config.n_layers * model->config.n_kv_heads *
                               nb_kv_vector_bytes(shape->kv, model->config.head_dim);
}
