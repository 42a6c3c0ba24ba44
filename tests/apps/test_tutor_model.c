// SPDX-License-Identifier: Apache-2.0
// The bundled model as a source of tokens: a lane that was taken back equals one that never went there, bit for bit;
// lanes that share a computed prompt agree; injected wrong steps never stay unmarked.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apps/tutor/steps.h"
#include "apps/tutor/tutor_model.h"

static const char question[] = "Mia had 58 shells and bought 6 boxes of 24 shells. How many shells does Mia have now?";
static nb_tutor_model model;

static int open_model(void **state)
{
    (void)state;
    nb_engine_args args = {.n_threads = 1, .weights = -1, .act = -1, .kv = -1, .n_sinks = 4};
    args.policy = NB_WEIGHTS_MAPPED;
    return nb_tutor_model_open(&model, "apps/tutor/model", &args, 3);
}

static int close_model(void **state)
{
    (void)state;
    nb_tutor_model_close(&model);
    return 0;
}

static void append_one(size_t lane, int32_t id)
{
    nb_error error = {0};
    assert_int_equal(model.source.append(&model, &lane, &id, 1, &error), NB_OK);
}

static float *copy_logits(size_t lane)
{
    size_t bytes = model.info.vocab_size * sizeof(float);
    const float *logits = nb_session_logits(model.sessions[lane]);
    assert_non_null(logits);
    return memcpy(malloc(bytes), logits, bytes);
}

static void expect_logits(size_t lane, const float *expected)
{
    assert_memory_equal(nb_session_logits(model.sessions[lane]), expected, model.info.vocab_size * sizeof(float));
}

static void begin(void)
{
    size_t n_room;
    int32_t again;
    nb_error error = {0};
    assert_int_equal(nb_tutor_model_ask(&model, question, &n_room), 0);
    assert_int_equal(n_room + model.n_prompt, model.info.max_positions);
    for (size_t lane = 0; lane < 3; lane++) {
        assert_int_equal(model.source.rewind(&model, lane, NULL, 0, &again, &error), NB_OK);
        assert_int_equal(again, model.prompt[model.n_prompt - 1]);
        append_one(lane, again);
    }
}

static void lanes_share_the_prompt(void **state)
{
    (void)state;
    begin();
    float *first = copy_logits(0);
    expect_logits(1, first);
    expect_logits(2, first);
    free(first);
}

static void a_lane_taken_back_equals_a_fresh_one(void **state)
{
    (void)state;
    enum { N = 24, KEPT = 9 };
    nb_sampling greedy = nb_sampling_defaults();
    nb_error error = {0};
    int32_t ids[N], again;
    greedy.temperature = 0;
    begin();
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(model.source.sample(&model, 0, &greedy, &ids[i], &error), NB_OK);
        append_one(0, ids[i]);
        if (i < KEPT)
            append_one(1, ids[i]); // lane 1 never goes further
    }
    assert_int_equal(model.source.rewind(&model, 0, ids, KEPT, &again, &error), NB_OK);
    assert_int_equal(again, ids[KEPT - 1]);
    append_one(0, again);
    float *kept = copy_logits(1);
    expect_logits(0, kept);
    assert_int_equal(nb_session_length(model.sessions[0]), nb_session_length(model.sessions[1]));
    free(kept);
}

// ---- injected mistakes ----------------------------------------------------------------------------------------------

static size_t n_injected;
static int32_t wrong_digit;

// Every second digit that the model chooses is replaced by another one on the first try.
static nb_status sample_badly(void *user, size_t lane, const nb_sampling *sampling, int32_t *id, nb_error *error)
{
    nb_status status = model.source.sample(user, lane, sampling, id, error);
    char text[8];
    size_t bytes = 0;
    if (status == NB_OK && sampling->temperature == 0 &&
        nb_text_decode(model.info.text, id, 1, 0, text, sizeof text, &bytes, NULL) == NB_OK && bytes == 1 &&
        text[0] >= '0' && text[0] <= '9' && ++n_injected % 5 == 0)
        *id = wrong_digit;
    return status;
}

static nb_status expect_marked(void *user, size_t lane, const nb_checked_line *line)
{
    (void)user;
    (void)lane;
    if (line && line->is_step && line->verdict == NB_VERDICT_RIGHT)
        assert_int_equal(nb_step_check(line->text, strlen(line->text), NULL), NB_STEP_RIGHT);
    return NB_OK;
}

static void injected_mistakes_are_found(void **state)
{
    (void)state;
    nb_reasoning reasoning;
    nb_error error = {0};
    size_t n_room, n_ids;
    assert_int_equal(nb_text_encode(model.info.text, "7", 1, 0, &wrong_digit, 1, &n_ids, &error), NB_OK);
    assert_int_equal(nb_tutor_model_ask(&model, question, &n_room), 0);
    nb_token_source source = model.source;
    source.sample = sample_badly;
    nb_reason_request request = {
        .source = &source,
        .n_lanes = 3,
        .sampling = nb_sampling_defaults(),
        .rules = {.n_retries = 8, .n_restarts = 4, .n_max_ids = n_room, .question = question},
        .on_line = expect_marked,
    };
    request.sampling.temperature = 0;
    assert_int_equal(nb_reason(&request, &reasoning, &error), NB_OK);
    assert_true(n_injected > 5);
    assert_true(reasoning.n_redone > 0);
    for (size_t i = 0; i < 3; i++)
        for (size_t l = 0; l < reasoning.lanes[i].n_lines; l++)
            (void)expect_marked(NULL, i, &reasoning.lanes[i].lines[l]);
    nb_reasoning_release(&reasoning);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lanes_share_the_prompt),
        cmocka_unit_test(a_lane_taken_back_equals_a_fresh_one),
        cmocka_unit_test(injected_mistakes_are_found),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
