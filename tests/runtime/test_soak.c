// SPDX-License-Identifier: Apache-2.0
// Long lives: random walks of a few sessions through full rings with sinks - chunked prompts, single tokens, batch
// steps, rewinds, resets, changed tails, calls stopped half-way, saves, restores and forks (a fork is a save and a
// restore into another session) - and at random moments a fresh session, of other chunks, threads and kernels,
// computes the whole timeline again and must have the same logits, bit for bit. NB_SOAK_TOKENS: tokens a walk appends
// (default 3000).
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/session.h"
#include "tests/support/data_path.h"
#include "tests/support/fixtures.h"
#include "tests/support/model_run.h"

enum { N_SESSIONS = 3, N_VOCAB = 97, MAX_LENGTH = 6000, MAX_PART = 200 };

static const char config[] = "{\"model_type\": \"qwen3\", \"hidden_size\": 64, \"intermediate_size\": 96,"
                             " \"num_hidden_layers\": 2, \"num_attention_heads\": 4, \"num_key_value_heads\": 2,"
                             " \"head_dim\": 16, \"vocab_size\": 97, \"max_position_embeddings\": 8192,"
                             " \"rms_norm_eps\": 1e-6, \"rope_theta\": 10000, \"tie_word_embeddings\": true,"
                             " \"hidden_act\": \"silu\"}";

// What must be true of a session: its timeline as the test believes it to be.
typedef struct line {
    nb_session *session;
    int32_t ids[MAX_LENGTH];
    size_t length;
} line;

typedef struct soak {
    char below[256];
    nb_engine *engine, *other; // the same weights; other kernels and threads
    line lines[N_SESSIONS], saved;
    nb_session *fresh;
    fixture_rng rng;
    uint64_t n_appended, n_checked, n_fresh_tokens, n_refused, n_kinds[16];
} soak;

static void must(nb_status status, const nb_error *error)
{
    if (status != NB_OK)
        fail_msg("%s", error->text);
}

// ---- what may happen to a line ------------------------------------------------------------------------------------

static size_t draw_ids(soak *s, const line *l, int32_t *ids, size_t n_max)
{
    size_t n = 1 + fixture_below(&s->rng, (uint32_t)nb_min(n_max, MAX_LENGTH - l->length));
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)fixture_below(&s->rng, N_VOCAB);
    return n;
}

static void grow(soak *s, line *l, const int32_t *ids, size_t n)
{
    memcpy(l->ids + l->length, ids, n * sizeof *ids);
    l->length += n;
    s->n_appended += n;
}

static void append_part(soak *s, line *l)
{
    int32_t ids[MAX_PART];
    nb_error error = {0};
    size_t n = draw_ids(s, l, ids, MAX_PART);
    must(nb_session_append(l->session, ids, n, NULL, NULL, &error), &error);
    grow(s, l, ids, n);
}

static void append_single(soak *s, line *l)
{
    for (int i = 0; i < 8 && l->length < MAX_LENGTH; i++) {
        int32_t id = (int32_t)fixture_below(&s->rng, N_VOCAB);
        nb_error error = {0};
        must(nb_session_append(l->session, &id, 1, NULL, NULL, &error), &error);
        grow(s, l, &id, 1);
    }
}

static bool count_down(void *user, size_t position, const float *logits)
{
    (void)position;
    (void)logits;
    uint32_t *n_left = user;
    return --*n_left > 0;
}

// Stopped by its receiver: what was computed stays, and the session says how much that is.
static void append_stopped(soak *s, line *l)
{
    int32_t ids[MAX_PART];
    size_t n = draw_ids(s, l, ids, MAX_PART);
    uint32_t n_left = 1 + fixture_below(&s->rng, (uint32_t)n);
    nb_status status = nb_session_append(l->session, ids, n, count_down, &n_left, NULL);
    assert_int_equal(status, n_left == 0 ? NB_ERR_STOPPED : NB_OK);
    size_t length = nb_session_length(l->session);
    assert_true(length > l->length && length <= l->length + n);
    grow(s, l, ids, length - l->length);
}

// Small rewinds must work as long as no earlier one has used the slack; the ring itself says whether others do.
static void rewind_some(soak *s, line *l)
{
    size_t most = fixture_below(&s->rng, 4) ? NB_KV_SLACK + 8 : l->length;
    size_t back = fixture_below(&s->rng, (uint32_t)nb_min(most, l->length) + 1);
    nb_status status = nb_session_rewind(l->session, l->length - back, NULL);
    if (status == NB_OK)
        l->length -= back;
    else
        assert_int_equal(status, NB_ERR_FIT);
    s->n_refused += status != NB_OK;
}

static void reset(soak *s, line *l)
{
    if (fixture_below(&s->rng, 4) != 0) // or no line would ever grow long
        return;
    nb_error error = {0};
    must(nb_session_rewind(l->session, 0, &error), &error);
    l->length = 0;
}

// States a timeline with another tail.
static void change_tail(soak *s, line *l)
{
    int32_t tail[MAX_PART];
    size_t keep = l->length - fixture_below(&s->rng, (uint32_t)nb_min(l->length, 300) + 1), n_computed;
    line changed = {.length = keep};
    size_t n = draw_ids(s, &changed, tail, MAX_PART);
    nb_error error = {0};
    l->length = keep;
    memcpy(l->ids + keep, tail, n * sizeof *tail);
    l->length += n;
    must(nb_session_sync(l->session, l->ids, l->length, &n_computed, &error), &error);
    assert_true(n_computed <= l->length);
    s->n_appended += n_computed;
}

static void batch_step(soak *s, line *l)
{
    nb_session *sessions[N_SESSIONS];
    line *members[N_SESSIONS];
    int32_t ids[N_SESSIONS];
    size_t n = 0, first = (size_t)(l - s->lines);
    nb_error error = {0};
    for (int step = 0; step < 5; step++, n = 0) {
        for (size_t i = 0; i < N_SESSIONS; i++) {
            line *member = &s->lines[(first + i) % N_SESSIONS];
            if (member->length == MAX_LENGTH)
                continue;
            members[n] = member;
            sessions[n] = member->session;
            ids[n++] = (int32_t)fixture_below(&s->rng, N_VOCAB);
        }
        if (n == 0)
            return;
        must(nb_batch_append(sessions, ids, n, &error), &error);
        for (size_t i = 0; i < n; i++)
            grow(s, members[i], &ids[i], 1);
    }
}

static const char *saved_path(const soak *s)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/saved", s->below);
    return path;
}

static void save(soak *s, line *l)
{
    nb_error error = {0};
    must(nb_session_save(l->session, saved_path(s), &error), &error);
    s->saved = *l;
}

// Back to what was saved, be it this session's own past or another's.
static void restore(soak *s, line *l)
{
    nb_error error = {0};
    if (!s->saved.session)
        return;
    must(nb_session_restore(l->session, saved_path(s), &error), &error);
    memcpy(l->ids, s->saved.ids, s->saved.length * sizeof *l->ids);
    l->length = s->saved.length;
}

static void fork_line(soak *s, line *l)
{
    save(s, l);
    restore(s, &s->lines[((size_t)(l - s->lines) + 1) % N_SESSIONS]);
}

// ---- the check ----------------------------------------------------------------------------------------------------

static void check(soak *s, const line *l)
{
    nb_error error = {0};
    assert_int_equal(nb_session_length(l->session), l->length);
    assert_memory_equal(nb_session_ids(l->session), l->ids, l->length * sizeof *l->ids);
    const float *found = nb_session_logits(l->session);
    if (!found)
        return; // after a rewind or a stop
    must(nb_session_rewind(s->fresh, 0, &error), &error);
    must(nb_session_append(s->fresh, l->ids, l->length, NULL, NULL, &error), &error);
    if (memcmp(found, nb_session_logits(s->fresh), N_VOCAB * sizeof *found) != 0)
        fail_msg("after %llu tokens: a timeline of %zu has other logits than a fresh computation",
                 (unsigned long long)s->n_appended, l->length);
    s->n_checked++;
    s->n_fresh_tokens += l->length;
}

// ---- walks --------------------------------------------------------------------------------------------------------

static void (*const moves[])(soak *s, line *l) = {append_part, append_single, append_stopped, rewind_some, reset,
                                                  change_tail, batch_step,    save,           restore,     fork_line};
static const char *const move_names[] = {"parts",   "singles", "stopped", "rewinds",  "resets",
                                         "changes", "batches", "saves",   "restores", "forks"};

typedef struct soak_ring {
    nb_kv kv;
    uint32_t n_ctx, n_sinks;
} soak_ring;

static nb_session *session_of(nb_engine *engine, const soak_ring *ring, uint32_t n_chunk)
{
    nb_session *session;
    nb_error error = {0};
    nb_session_options options = nb_session_defaults();
    options.kv = ring->kv;
    options.n_ctx = ring->n_ctx;
    options.n_sinks = ring->n_sinks;
    options.n_chunk = n_chunk;
    must(nb_session_create(&session, engine, &options, &error), &error);
    return session;
}

static void open_all(soak *s, const soak_ring *ring, uint64_t seed)
{
    char path[300];
    nb_error error = {0};
    nb_engine_options options = nb_engine_defaults();
    *s = (soak){.rng = {seed}};
    nb_test_directory_make(s->below, sizeof s->below);
    snprintf(path, sizeof path, "%s/config.json", s->below);
    nb_test_file_write(path, config, sizeof config - 1);
    options.n_threads = 2;
    must(nb_engine_open_shape(&s->engine, path, &options, &error), &error);
    options.n_threads = 1;
    options.isa = "scalar";
    must(nb_engine_open_shape(&s->other, path, &options, &error), &error);
    for (size_t i = 0; i < N_SESSIONS; i++)
        s->lines[i].session = session_of(s->engine, ring, i ? 128 : 7);
    // Two of three runs with the machine's own kernels: the twin is slower.
    s->fresh = session_of(seed % 3 == 0 ? s->other : s->engine, ring, 61);
}

static void close_all(soak *s)
{
    nb_session_free(s->fresh);
    for (size_t i = 0; i < N_SESSIONS; i++)
        nb_session_free(s->lines[i].session);
    nb_engine_close(s->engine);
    nb_engine_close(s->other);
    nb_test_directory_remove(s->below);
}

static void walk(soak *s, uint64_t n_tokens)
{
    while (s->n_appended < n_tokens) {
        uint32_t kind = fixture_below(&s->rng, NB_COUNT(moves));
        line *l = &s->lines[fixture_below(&s->rng, N_SESSIONS)];
        if (l->length == MAX_LENGTH)
            l->length = nb_session_rewind(l->session, 0, NULL) == NB_OK ? 0 : l->length;
        moves[kind](s, l);
        s->n_kinds[kind]++;
        if (fixture_below(&s->rng, 6) == 0)
            check(s, &s->lines[fixture_below(&s->rng, N_SESSIONS)]);
    }
    for (size_t i = 0; i < N_SESSIONS; i++)
        check(s, &s->lines[i]);
}

static uint64_t tokens_asked(void)
{
    const char *text = getenv("NB_SOAK_TOKENS");
    return text ? strtoull(text, NULL, 10) : 3000;
}

static void run(const soak_ring *ring, uint64_t seed)
{
    static soak s;
    print_message("seed %llu: ring of %u, %u sinks\n", (unsigned long long)seed, ring->n_ctx, ring->n_sinks);
    open_all(&s, ring, seed);
    walk(&s, tokens_asked());
    print_message("%llu tokens, %llu checks (%llu tokens computed again), %llu rewinds refused;",
                  (unsigned long long)s.n_appended, (unsigned long long)s.n_checked,
                  (unsigned long long)s.n_fresh_tokens, (unsigned long long)s.n_refused);
    for (size_t i = 0; i < NB_COUNT(moves); i++)
        print_message(" %s %llu", move_names[i], (unsigned long long)s.n_kinds[i]);
    print_message("\n");
    assert_true(s.n_checked > 3);
    close_all(&s);
}

static void four_bit_rings(void **state)
{
    (void)state;
    run(&(soak_ring){NB_KV_E1M2, 96, 4}, 1);
    run(&(soak_ring){NB_KV_E2M1, 61, 1}, 2);
}

static void wide_rings(void **state)
{
    (void)state;
    run(&(soak_ring){NB_KV_F32, 40, 0}, 3);
    run(&(soak_ring){NB_KV_BF16, 300, 17}, 4);
}

// A single wrong bit of the cache where the next query looks is found: the check is one.
static void a_flipped_bit_is_noticed(void **state)
{
    (void)state;
    static soak s;
    const soak_ring ring = {NB_KV_E1M2, 96, 4};
    open_all(&s, &ring, 5);
    line *l = &s.lines[0];
    while (l->length < 500)
        append_part(&s, l);
    nb_error error = {0};
    int32_t id = 1;
    const nb_ring *kv = &l->session->buffers.ring;
    uint32_t slot = nb_ring_slot(kv, (uint32_t)l->length - 1);
    nb_ring_v(kv, 0, 0)[slot * nb_kv_vector_bytes(kv->format, kv->head_dim)] ^= 4;
    must(nb_session_append(l->session, &id, 1, NULL, NULL, &error), &error);
    grow(&s, l, &id, 1);
    must(nb_session_append(s.fresh, l->ids, l->length, NULL, NULL, &error), &error);
    assert_memory_not_equal(nb_session_logits(l->session), nb_session_logits(s.fresh), N_VOCAB * sizeof(float));
    close_all(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_bit_rings),
        cmocka_unit_test(wide_rings),
        cmocka_unit_test(a_flipped_bit_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
