// SPDX-License-Identifier: Apache-2.0
#include "apps/tutor/tutor_model.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/common/growing_text.h"
#include "apps/common/interrupt.h"

// ---- where the bundled model is ------------------------------------------------------------------------------------

static bool has_config(const char *folder)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/config.json", folder);
    return n > 0 && (size_t)n < sizeof path && access(path, R_OK) == 0;
}

int nb_tutor_model_find(char path[PATH_MAX])
{
    static const char *const places[] = {"../share/nibble/model", "../apps/tutor/model"};
    char program[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    program[n > 0 ? n : 0] = 0;
    char *slash = strrchr(program, '/');
    for (size_t i = 0; slash && i < NB_COUNT_OF(places); i++) {
        slash[1] = 0;
        int length = snprintf(path, PATH_MAX, "%s%s", program, places[i]);
        if (length > 0 && length < PATH_MAX && has_config(path))
            return NB_EXIT_OK;
    }
    return nb_fail(NB_EXIT_INPUT,
                   "the bundled model is not there; expected it in %.200s%s or %s, found neither; try --model DIR",
                   slash ? program : "", places[0], places[1]);
}

// ---- the source ----------------------------------------------------------------------------------------------------

static nb_status sample(void *user, size_t lane, const nb_sampling *sampling, int32_t *id, nb_error *error)
{
    nb_tutor_model *model = user;
    return nb_session_sample(model->sessions[lane], sampling, id, NULL, error);
}

static nb_status append(void *user, const size_t *lanes, const int32_t *ids, size_t n, nb_error *error)
{
    nb_tutor_model *model = user;
    nb_session *sessions[NB_TUTOR_MAX_LANES];
    if (nb_interrupt_pending())
        return NB_ERR_STOPPED;
    if (n == 1)
        return nb_session_append(model->sessions[lanes[0]], ids, 1, NULL, NULL, error);
    for (size_t i = 0; i < n; i++)
        sessions[i] = model->sessions[lanes[i]];
    return nb_batch_append(sessions, ids, n, error);
}

// The past is no longer in the ring: it is computed again.
static nb_status compute_again(nb_tutor_model *model, size_t lane, const int32_t *ids, size_t n_ids, nb_error *error)
{
    int32_t *all = nb_alloc((model->n_prompt + n_ids) * sizeof *all);
    memcpy(all, model->prompt, model->n_prompt * sizeof *all);
    memcpy(all + model->n_prompt, ids, n_ids * sizeof *all);
    nb_status status = nb_session_sync(model->sessions[lane], all, model->n_prompt + n_ids - 1, NULL, error);
    free(all);
    return status;
}

static nb_status rewind_lane(void *user, size_t lane, const int32_t *ids, size_t n_ids, int32_t *again, nb_error *error)
{
    nb_tutor_model *model = user;
    nb_piece piece;
    *again = n_ids ? ids[n_ids - 1] : model->prompt[model->n_prompt - 1];
    nb_stream_flush(model->streams[lane], &piece);
    for (size_t i = 0; i < n_ids; i++)
        nb_stream_push(model->streams[lane], ids[i], &piece);
    nb_status status = nb_session_rewind(model->sessions[lane], model->n_prompt + n_ids - 1, NULL);
    return status == NB_OK ? status : compute_again(model, lane, ids, n_ids, error);
}

static bool is_stop(const nb_tutor_model *model, int32_t id)
{
    for (uint32_t i = 0; i < model->info.n_stop_ids; i++)
        if (model->info.stop_ids[i] == id)
            return true;
    return false;
}

static bool text_of(void *user, size_t lane, int32_t id, nb_piece *piece)
{
    nb_tutor_model *model = user;
    bool is_end = is_stop(model, id);
    if (is_end)
        nb_stream_flush(model->streams[lane], piece);
    else
        nb_stream_push(model->streams[lane], id, piece);
    return is_end;
}

// ---- opening -------------------------------------------------------------------------------------------------------

static int check_text(const nb_tutor_model *model)
{
    nb_text_info text = {0};
    if (model->info.text)
        nb_text_info_get(model->info.text, &text);
    if (text.has_chat_template)
        return NB_EXIT_OK;
    return nb_fail(NB_EXIT_INPUT, "the model has no %s; expected one for a question, found none; try another --model",
                   model->info.text ? "chat template" : "tokenizer");
}

nb_session_options nb_tutor_model_sessions(const nb_engine_args *args, size_t n_lanes)
{
    nb_session_options options = nb_engine_args_session(args);
    options.n_logit_rows = (uint32_t)(n_lanes < 16 ? n_lanes : 16);
    options.n_sessions = (uint32_t)n_lanes;
    return options;
}

int nb_tutor_model_open(nb_tutor_model *model, const char *name, const nb_engine_args *args, size_t n_lanes)
{
    memset(model, 0, sizeof *model);
    nb_session_options options = nb_tutor_model_sessions(args, n_lanes);
    model->n_lanes = n_lanes;
    double start = nb_now_s();
    int code = nb_engine_args_open(&model->engine, name, args, &options);
    if (code != NB_EXIT_OK)
        return code;
    nb_engine_info_get(model->engine, &model->info);
    model->source = (nb_token_source){model, sample, append, rewind_lane, text_of};
    code = check_text(model);
    nb_error error = {0};
    if (code == NB_EXIT_OK)
        code = nb_fail_error(nb_session_plan(model->engine, &options, &model->plan, &error), &error);
    if (code == NB_EXIT_OK)
        code = nb_engine_args_sessions_create(model->sessions, model->engine, &options);
    model->load_s = nb_now_s() - start;
    if (code != NB_EXIT_OK)
        nb_tutor_model_close(model);
    return code;
}

static void free_streams(nb_tutor_model *model)
{
    for (size_t i = 0; i < model->n_lanes; i++) {
        nb_stream_free(model->streams[i]);
        model->streams[i] = NULL;
    }
}

void nb_tutor_model_close(nb_tutor_model *model)
{
    free_streams(model);
    for (size_t i = 0; i < model->n_lanes; i++)
        nb_session_free(model->sessions[i]);
    nb_engine_close(model->engine);
    free(model->prompt);
    memset(model, 0, sizeof *model);
}

// ---- a question ----------------------------------------------------------------------------------------------------

static int encode(nb_tutor_model *model, const char *question, bool *opens_reasoning)
{
    nb_message message = {"user", question};
    nb_chat_options chat = nb_chat_defaults();
    nb_room room = {.n = strlen(question) + 256};
    nb_error error;
    while (nb_room_short(&room, &error)) {
        model->prompt = nb_resize(model->prompt, room.size * sizeof *model->prompt);
        room.status = nb_chat_encode(model->info.text, &message, 1, &chat, model->prompt, room.size, &room.n,
                                     opens_reasoning, &error);
    }
    model->n_prompt = room.n;
    if (room.status == NB_OK && room.n == 0)
        return nb_fail(NB_EXIT_INPUT, "the chat template makes no tokens of this question; expected at least one");
    return nb_fail_error(room.status, &error);
}

static int check_room(const nb_tutor_model *model, size_t *n_room)
{
    size_t limit = model->info.max_positions < model->plan.n_ctx ? model->info.max_positions : model->plan.n_ctx;
    if (model->n_prompt >= limit)
        return nb_fail(NB_EXIT_FIT,
                       "the question does not fit; expected fewer than %zu tokens, found %zu; try a shorter one%s",
                       limit, model->n_prompt, limit < model->info.max_positions ? " or a larger --ctx" : "");
    *n_room = model->info.max_positions - model->n_prompt;
    return NB_EXIT_OK;
}

static nb_status open_streams(nb_tutor_model *model, bool opens_reasoning, nb_error *error)
{
    nb_stream_options options = {.split_reasoning = true, .in_reasoning = opens_reasoning, .skip_special = true};
    nb_status status = NB_OK;
    for (size_t i = 0; status == NB_OK && i < model->n_lanes; i++)
        status = nb_stream_create(&model->streams[i], model->info.text, &options, error);
    return status;
}

// The other lanes take over what the first has computed, through a file; where none can be written they compute too.
static nb_status fork_prompt(nb_tutor_model *model, size_t n_ids, nb_error *error)
{
    const char *folder = getenv("TMPDIR");
    char path[PATH_MAX];
    nb_status status = NB_OK;
    int n = snprintf(path, sizeof path, "%s/nibble-tutor.XXXXXX", folder && folder[0] ? folder : "/tmp");
    bool is_kept = model->n_lanes > 1 && n > 0 && (size_t)n < sizeof path && mkdtemp(path);
    char file[PATH_MAX + 8];
    snprintf(file, sizeof file, "%s/prompt", path);
    bool is_saved = is_kept && nb_session_save(model->sessions[0], file, NULL) == NB_OK;
    for (size_t i = 1; status == NB_OK && i < model->n_lanes; i++)
        if (!is_saved || nb_session_restore(model->sessions[i], file, NULL) != NB_OK)
            status = nb_session_sync(model->sessions[i], model->prompt, n_ids, NULL, error);
    if (is_kept) {
        unlink(file);
        rmdir(path);
    }
    return status;
}

int nb_tutor_model_ask(nb_tutor_model *model, const char *question, size_t *n_room)
{
    bool opens_reasoning = false;
    int code = encode(model, question, &opens_reasoning);
    if (code == NB_EXIT_OK)
        code = check_room(model, n_room);
    if (code != NB_EXIT_OK)
        return code;
    double start = nb_now_s();
    nb_error error = {0};
    free_streams(model);
    nb_status status = open_streams(model, opens_reasoning, &error);
    // The last token of the prompt belongs to the first pass of all lanes.
    size_t n_ids = model->n_prompt - 1;
    if (status == NB_OK && n_ids > 0)
        status = nb_session_sync(model->sessions[0], model->prompt, n_ids, NULL, &error);
    if (status == NB_OK && n_ids > 0)
        status = fork_prompt(model, n_ids, &error);
    model->prefill_s = nb_now_s() - start;
    return status == NB_ERR_STOPPED ? NB_EXIT_INTERRUPTED : nb_fail_error(status, &error);
}
