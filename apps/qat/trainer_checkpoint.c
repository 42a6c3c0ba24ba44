// SPDX-License-Identifier: Apache-2.0
// From the trainer to the file of a training in the middle (trainer_state.h), and back.
#include <string.h>

#include "apps/common/cli.h"
#include "apps/qat/trainer.h"
#include "apps/qat/trainer_record.h"
#include "apps/qat/trainer_state.h"
#include "runtime/json.h"

nb_status nb_trainer_checkpoint(nb_trainer *t, nb_error *error)
{
    long log_bytes = t->log && fflush(t->log) == 0 ? ftell(t->log) : 0;
    json_t *record = json_pack(
        "{s:s, s:s, s:s, s:s, s:O, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:I}", "command",
        t->options.is_qat ? "qat" : "sft", "products", nb_product_name(t->products), "model", t->model_sha256, "traces",
        t->traces.sha256, "recipe", t->recipe, "step", (json_int_t)t->step, "tokens", (json_int_t)t->n_tokens,
        "targets", (json_int_t)t->n_targets, "first_loss", t->first_loss, "last_loss", t->last_loss, "eval_loss",
        t->eval_loss, "seconds", t->seconds, "log_bytes", (json_int_t)(log_bytes > 0 ? log_bytes : 0));
    if (!record)
        return nb_error_set(error, NB_ERR_FIT, "out of memory for a checkpoint of the training");
    nb_status status = nb_train_state_save(t->place.state, t->params, t->n_params, nb_adamw_first(t->adamw),
                                           nb_adamw_second(t->adamw), record, error);
    json_decref(record);
    t->saved_s = nb_now_s();
    return status;
}

static nb_status read_count(const nb_json_reader *reader, const char *key, uint64_t max, uint64_t *value)
{
    const json_t *found = nb_json_find(reader, key);
    if (!json_is_integer(found) || json_integer_value(found) < 0 || (uint64_t)json_integer_value(found) > max)
        return nb_json_unexpected(reader, key, "a count", found);
    *value = (uint64_t)json_integer_value(found);
    return NB_OK;
}

// `absent`: what a checkpoint without the key was made with; NULL: it has the key.
static nb_status same_text(const nb_json_reader *reader, const char *key, const char *absent, const char *asked,
                           const char *what)
{
    const char *kept = absent;
    NB_TRY(nb_json_string(reader, key, absent ? NB_JSON_OPTIONAL : NB_JSON_REQUIRED, &kept));
    if (strcmp(kept, asked) == 0)
        return NB_OK;
    return nb_error_set(reader->error, NB_ERR_INPUT,
                        "cannot resume with another %s; expected %.16s, found %.16s; try the options of the first "
                        "run, or --force to begin anew",
                        what, kept, asked);
}

// Takes over where the run before was, after everything has been checked.
static nb_status take_record(nb_trainer *t, const nb_train_state *state, nb_error *error)
{
    nb_json_reader reader = {state->record, t->place.state, error};
    const json_t *recipe;
    uint64_t step = 0, n_tokens = 0, n_targets = 0, log_bytes = 0;
    NB_TRY(same_text(&reader, "command", NULL, t->options.is_qat ? "qat" : "sft", "command"));
    NB_TRY(same_text(&reader, "products", "f32", nb_product_name(t->products), "kind of products"));
    NB_TRY(same_text(&reader, "model", NULL, t->model_sha256, "model"));
    NB_TRY(same_text(&reader, "traces", NULL, t->traces.sha256, "set of traces"));
    NB_TRY(nb_json_object(&reader, "recipe", NB_JSON_REQUIRED, &recipe));
    NB_TRY(nb_recipe_compare(recipe, t->recipe, error));
    NB_TRY(read_count(&reader, "step", t->n_steps, &step));
    NB_TRY(read_count(&reader, "tokens", INT64_MAX, &n_tokens));
    NB_TRY(read_count(&reader, "targets", INT64_MAX, &n_targets));
    NB_TRY(read_count(&reader, "log_bytes", INT64_MAX, &log_bytes));
    NB_TRY(nb_json_number(&reader, "first_loss", NB_JSON_REQUIRED, -1e30, 1e30, &t->first_loss));
    NB_TRY(nb_json_number(&reader, "last_loss", NB_JSON_REQUIRED, -1e30, 1e30, &t->last_loss));
    NB_TRY(nb_json_number(&reader, "eval_loss", NB_JSON_REQUIRED, -1e30, 1e30, &t->eval_loss));
    NB_TRY(nb_json_number(&reader, "seconds", NB_JSON_REQUIRED, 0, 1e30, &t->seconds));
    NB_TRY(nb_train_state_apply(state, t->params, t->n_params, nb_adamw_first(t->adamw), nb_adamw_second(t->adamw),
                                error));
    t->step = t->first_step = step;
    t->n_tokens = n_tokens;
    t->n_targets = n_targets;
    t->log_bytes = log_bytes;
    return NB_OK;
}

nb_status nb_trainer_resume(nb_trainer *t, nb_error *error)
{
    nb_train_state state;
    if (!t->options.resume)
        return NB_OK;
    if (!nb_file_exists(t->place.state)) {
        nb_note("%s holds no checkpoint; beginning with step 1", t->place.path);
        return NB_OK;
    }
    NB_TRY(nb_train_state_open(&state, t->place.state, error));
    nb_status status = take_record(t, &state, error);
    nb_train_state_close(&state);
    if (status == NB_OK)
        nb_net_update(t->net);
    return status;
}
