// SPDX-License-Identifier: Apache-2.0
// The matrix of failures: every kind of call that the system may refuse x every operation that makes such calls
// (tests/support/failure_matrix.h). make faults fails every call of every operation; here a sample is taken.
#include "apps/qat/trainer_state.h"
#include "platform/pool.h"
#include "runtime/session.h"
#include "tests/apps/train_command.h"
#include "tests/support/failure_matrix.h"

static char plain[PATH_MAX], packed[PATH_MAX], half[PATH_MAX], tiny[PATH_MAX],
    bundled[PATH_MAX + 32]; // model directories

// ---- operations: open, do, close; everything is released again --------------------------------------------------

static void put_engine(nb_result *r, const nb_engine *engine)
{
    nb_engine_info info;
    nb_engine_info_get(engine, &info);
    const uint64_t numbers[] = {info.weight_bytes, info.n_parameters, info.n_threads, info.act, info.has_key_shift};
    nb_result_put(r, numbers, sizeof numbers);
    nb_result_put(r, info.stop_ids, info.n_stop_ids * sizeof *info.stop_ids);
    nb_result_put(r, info.ops, strlen(info.ops));
    if (info.text) {
        nb_text_info text;
        nb_text_info_get(info.text, &text);
        nb_result_put(r, &text.n_tokens, sizeof text.n_tokens);
        nb_result_put(r, &text.has_chat_template, sizeof text.has_chat_template);
        nb_result_put(r, &text.think_open_id, sizeof text.think_open_id);
    }
}

static nb_status load(const char *path, nb_weights weights, bool is_shape, nb_result *r, nb_error *error)
{
    nb_engine *engine = NULL;
    nb_engine_options options = nb_engine_defaults();
    options.n_threads = 2;
    options.weights = weights;
    nb_status status = is_shape ? nb_engine_open_shape(&engine, path, &options, error)
                                : nb_engine_open(&engine, path, &options, error);
    if (status == NB_OK)
        put_engine(r, engine);
    else
        assert_null(engine);
    nb_engine_close(engine);
    return status;
}

static nb_status load_mapped(nb_result *r, nb_error *error)
{
    return load(plain, NB_WEIGHTS_MAPPED, false, r, error);
}

static nb_status load_resident(nb_result *r, nb_error *error)
{
    return load(packed, NB_WEIGHTS_RESIDENT, false, r, error);
}

static nb_status load_shape(nb_result *r, nb_error *error)
{
    char config[PATH_MAX + 16];
    snprintf(config, sizeof config, "%s/config.json", packed);
    return load(config, NB_WEIGHTS_AUTO, true, r, error);
}

static nb_status list_tensors(nb_result *r, nb_error *error)
{
    nb_listing *listing = NULL;
    nb_status status = nb_listing_open(&listing, packed, error);
    for (size_t i = 0; status == NB_OK && i < nb_listing_count(listing); i++) {
        nb_tensor_info info;
        nb_listing_get(listing, i, &info);
        nb_result_put(r, info.name, strlen(info.name));
    }
    nb_listing_close(listing);
    return status;
}

// A whole answer of the bundled model.
static nb_status speak(nb_session *session, nb_stream *stream, nb_result *r, nb_error *error)
{
    nb_sampling sampling = nb_sampling_defaults();
    nb_status status = NB_OK;
    for (int i = 0; i < 12 && status == NB_OK; i++) {
        int32_t id = 0;
        nb_piece piece;
        status = nb_session_sample(session, &sampling, &id, NULL, error);
        if (status != NB_OK)
            break;
        nb_stream_push(stream, id, &piece);
        nb_result_put(r, piece.text, piece.bytes);
        nb_result_put(r, piece.reasoning, piece.reasoning_bytes);
        status = nb_session_append(session, &id, 1, NULL, NULL, error);
    }
    return status;
}

static nb_status ask(nb_engine *engine, nb_result *r, nb_error *error)
{
    const nb_message message = {"user", "What is 34 + 21?"};
    const char *const stops[] = {"\n\n\n"};
    nb_chat_options chat = nb_chat_defaults();
    nb_stream_options options = {.split_reasoning = true, .skip_special = true, .stops = stops, .n_stops = 1};
    nb_engine_info info;
    nb_session *session = NULL;
    nb_stream *stream = NULL;
    int32_t ids[256];
    size_t n_ids;
    nb_engine_info_get(engine, &info);
    nb_status status =
        nb_chat_encode(info.text, &message, 1, &chat, ids, NB_COUNT(ids), &n_ids, &options.in_reasoning, error);
    if (status == NB_OK)
        status = nb_session_create(&session, engine, NULL, error);
    if (status == NB_OK)
        status = nb_stream_create(&stream, info.text, &options, error);
    if (status == NB_OK)
        status = nb_session_sync(session, ids, n_ids, NULL, error);
    if (status == NB_OK)
        status = speak(session, stream, r, error);
    nb_stream_free(stream);
    nb_session_free(session);
    return status;
}

static nb_status answer(nb_result *r, nb_error *error)
{
    nb_engine *engine = NULL;
    nb_engine_options options = nb_engine_defaults();
    options.n_threads = 2;
    nb_status status = nb_engine_open(&engine, bundled, &options, error);
    if (status == NB_OK)
        status = ask(engine, r, error);
    nb_engine_close(engine);
    return status;
}

// ---- save and restore: sessions that live through all failures ---------------------------------------------------

static struct {
    nb_engine *engine;
    nb_session *from, *to;
} kept;

static void open_sessions(void)
{
    int32_t ids[60];
    nb_session_options options = nb_session_defaults();
    options.n_ctx = 48;
    for (int i = 0; i < 60; i++)
        ids[i] = (i * 37 + 11) % 900;
    assert_int_equal(nb_engine_open(&kept.engine, packed, NULL, NULL), NB_OK);
    assert_int_equal(nb_session_create(&kept.from, kept.engine, &options, NULL), NB_OK);
    assert_int_equal(nb_session_create(&kept.to, kept.engine, &options, NULL), NB_OK);
    assert_int_equal(nb_session_append(kept.from, ids, 60, NULL, NULL, NULL), NB_OK);
    assert_int_equal(nb_session_save(kept.from, "talk", NULL), NB_OK);
}

static void close_sessions(void)
{
    nb_session_free(kept.from);
    nb_session_free(kept.to);
    nb_engine_close(kept.engine);
    unlink("talk");
}

// A shorter timeline lies in the file; the whole one is to replace it.
static void before_save(void)
{
    int32_t id = 5;
    assert_int_equal(nb_session_append(kept.to, &id, 1, NULL, NULL, NULL), NB_OK);
    assert_int_equal(nb_session_save(kept.to, "talk", NULL), NB_OK);
    assert_int_equal(nb_session_rewind(kept.to, 0, NULL), NB_OK);
}

static nb_status save(nb_result *r, nb_error *error)
{
    (void)r;
    return nb_session_save(kept.from, "talk", error);
}

// Whatever happened, the file holds a whole session: the new one after a success, else nearly always the old one.
static void after_save(bool has_succeeded)
{
    nb_error error = {0};
    if (nb_session_restore(kept.to, "talk", &error) != NB_OK)
        fail_msg("half-written: %s", error.text);
    size_t length = nb_session_length(kept.to);
    assert_true(length == 60 || (length == 1 && !has_succeeded));
    assert_int_equal(system("test \"$(ls -A)\" = talk"), 0);
    assert_int_equal(nb_session_rewind(kept.to, 0, NULL), NB_OK);
}

static nb_status restore(nb_result *r, nb_error *error)
{
    nb_status status = nb_session_restore(kept.to, "talk", error);
    size_t length = nb_session_length(kept.to);
    if (status == NB_OK)
        nb_result_put(r, nb_session_logits(kept.to), 900 * sizeof(float));
    else if (length != 0)
        fail_msg("a failed restore left %zu tokens", length);
    return status;
}

// ---- nibble-qat quantize ------------------------------------------------------------------------------------------

// A command may end the process when there is no memory, so it runs in one of its own (is_command).
static nb_status as_status(int exit_code, nb_error *error)
{
    return exit_code == 0 ? NB_OK : nb_error_set(error, NB_ERR_SYSTEM, "exit status %d", exit_code);
}

static nb_status quantize_new(nb_result *r, nb_error *error)
{
    (void)r;
    return as_status(quantize(half, "dst", NULL, NULL, NULL), error);
}

static nb_status quantize_calibrated(nb_result *r, nb_error *error)
{
    (void)r;
    return as_status(quantize(half, "dst", "--calib", "../ids.txt", NULL), error);
}

static nb_status quantize_over(nb_result *r, nb_error *error)
{
    (void)r;
    return as_status(quantize(half, "dst", "--force", NULL, NULL), error);
}

static void before_over(void)
{
    assert_int_equal(system("rm -rf dst && mkdir dst && echo {} > dst/config.json && echo old > dst/model.safetensors"),
                     0);
}

static bool holds(const char *test)
{
    return system(test) == 0;
}

// The directory is whole or not there; only the last sync may fail with it in its place. Nothing lies beside it.
static void after_new(bool has_succeeded)
{
    bool is_there = exists("dst");
    assert_true(is_there || !has_succeeded);
    if (is_there) {
        nb_result r = {0};
        nb_error error = {0};
        if (load("dst", NB_WEIGHTS_MAPPED, false, &r, &error) != NB_OK)
            fail_msg("half-written: %s", error.text);
    }
    assert_true(holds("rm -rf dst; test -z \"$(ls -A)\""));
}

static void after_over(bool has_succeeded)
{
    if (holds("test \"$(cat dst/model.safetensors | head -c 3)\" = old")) {
        assert_false(has_succeeded);
        assert_true(holds("rm -r dst; test -z \"$(ls -A)\""));
    } else {
        after_new(true);
    }
}

// ---- nibble-qat sft, qat ------------------------------------------------------------------------------------------

// Two steps with a checkpoint after each; ../sft and ../qat are what undisturbed trainings gave, ../begun is a training
// stopped after its first step.
#define SFT "sft --model MODEL --traces ../t.jsonl --batch 2 --steps 2 --seed 5 --lr 1e-3 --threads 2 --save-every 1"
#define QAT "qat --model MODEL --traces ../t.jsonl --batch 1 --steps 1 --loss sem --threads 2 --eval-traces ../t.jsonl"

static void train_undisturbed(void)
{
    put_tiny_traces(tiny, "../t.jsonl");
    assert_int_equal(train(tiny, SFT " --out ../sft"), 0);
    assert_int_equal(train(tiny, QAT " --out ../qat"), 0);
    assert_int_equal(train(tiny, SFT " --stop-after 1 --out ../begun"), 0);
}

static nb_status sft_new(nb_result *r, nb_error *error)
{
    (void)r;
    return as_status(train(tiny, SFT " --log ../log --calib-out ../calib --out dst"), error);
}

static nb_status sft_resume(nb_result *r, nb_error *error)
{
    (void)r;
    return as_status(train(tiny, SFT " --resume --out dst"), error);
}

static nb_status qat_new(nb_result *r, nb_error *error)
{
    (void)r;
    return as_status(train(tiny, QAT " --out dst"), error);
}

static void before_resume(void)
{
    assert_int_equal(system("cp -r ../begun.training dst.training"), 0);
}

// The model has the bits of an undisturbed training, or is not there (only the last sync may fail with it in its
// place). A checkpoint is whole. Nothing lies beside them.
static void after_training(bool has_succeeded, const char *expected, bool has_begun)
{
    bool is_there = exists("dst"), is_kept = exists("dst.training/state");
    assert_true(is_there || !has_succeeded);
    assert_true(is_there || is_kept || !has_begun);
    if (is_there)
        assert_same_files(expected, "dst/model.safetensors");
    if (is_kept) {
        nb_train_state kept_state;
        nb_error error = {0};
        assert_false(has_succeeded);
        if (nb_train_state_open(&kept_state, "dst.training/state", &error) != NB_OK)
            fail_msg("half-written: %s", error.text);
        nb_train_state_close(&kept_state);
        assert_true(holds("rm dst.training/state dst.training/traces && rmdir dst.training"));
    }
    assert_true(holds("rm -rf dst; test -z \"$(ls -A)\""));
}

static void after_sft(bool has_succeeded)
{
    after_training(has_succeeded, "../sft/model.safetensors", false);
}

static void after_resume(bool has_succeeded)
{
    after_training(has_succeeded, "../sft/model.safetensors", true);
}

static void after_qat(bool has_succeeded)
{
    after_training(has_succeeded, "../qat/model.safetensors", false);
}

// ---- all of them --------------------------------------------------------------------------------------------------

static const nb_operation operations[] = {
    {"load mapped", load_mapped, NULL, NULL, false, false, false},
    {"load resident", load_resident, NULL, NULL, false, false, false},
    {"load shape", load_shape, NULL, NULL, false, false, false},
    {"list tensors", list_tensors, NULL, NULL, false, false, false},
    {"answer", answer, NULL, NULL, false, false, false},
    {"save", save, before_save, after_save, false, false, false},
    {"restore", restore, NULL, NULL, false, false, false},
    {"quantise", quantize_new, NULL, after_new, true, false, false},
    {"quantise --calib", quantize_calibrated, NULL, after_new, true, false, false},
    {"quantise --force", quantize_over, before_over, after_over, true, false, false},
    {"sft", sft_new, NULL, after_sft, true, false, false},
    {"sft --resume", sft_resume, before_resume, after_resume, true, false, false},
    {"qat", qat_new, NULL, after_qat, true, false, false},
};

static void each_call_fails_once(void **state)
{
    (void)state;
    const struct {
        char *path;
        const char *name;
    } models[] = {{plain, "qwen2"}, {packed, "qwen2-modelopt"}, {half, "llama-f16"}, {tiny, "train-tiny"}};
    for (size_t i = 0; i < NB_COUNT(models); i++)
        snprintf(models[i].path, PATH_MAX, "%s", model_path(models[i].name));
    snprintf(bundled, sizeof bundled, "%s/apps/tutor/model", home);
    assert_true(nb_scratch_put("ids.txt", "3 1 4 1 5 9 2 6\n"));
    assert_int_equal(mkdir("work", 0777), 0);
    assert_int_equal(chdir("work"), 0);
    train_undisturbed();
    for (size_t i = 0; i < NB_COUNT(operations); i++) {
        bool needs_sessions = operations[i].run == save || operations[i].run == restore;
        if (needs_sessions)
            open_sessions();
        nb_failures_run(&operations[i]);
        if (needs_sessions)
            close_sessions();
    }
}

int main(void)
{
    if (!getcwd(home, sizeof home))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_call_fails_once, nb_scratch_enter, nb_scratch_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
