// SPDX-License-Identifier: Apache-2.0
#include "apps/qat/trainer.h"

#include <inttypes.h>
#include <math.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "apps/common/cli.h"
#include "apps/common/stop.h"
#include "apps/qat/staging.h"
#include "apps/qat/trainer_record.h"

enum { SAVE_SECONDS = 600 };

void nb_trainer_hash(const nb_trainer *t, char text[NB_HASH_TEXT_BYTES])
{
    uint8_t hash[NB_HASH_BYTES] = {0};
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool ok = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1;
    for (size_t i = 0; ok && i < t->n_params; i++)
        ok = EVP_DigestUpdate(context, t->params[i].value, t->params[i].n * sizeof(float)) == 1;
    ok = ok && EVP_DigestFinal_ex(context, hash, NULL) == 1;
    EVP_MD_CTX_free(context);
    if (!ok)
        exit(nb_fail(NB_EXIT_FIT, "out of memory for a SHA-256"));
    nb_hash_text(hash, text);
}

// ---- a step -------------------------------------------------------------------------------------------------------

double nb_trainer_loss(const nb_trainer *t, const nb_train_sums *sums)
{
    double sem = t->options.loss == NB_LOSS_SEM ? t->options.lambda * sums->sem : 0;
    return (sums->ce + sem) / (double)sums->n_targets;
}

static void add(nb_train_sums *sums, const nb_net_sums *more, const nb_batch *batch)
{
    sums->n_tokens += batch->n_rows;
    sums->n_targets += more->n_targets;
    sums->n_correct += more->n_correct;
    sums->ce += more->ce;
    sums->sem += more->sem;
    sums->entropy += more->entropy;
}

static nb_net_loss make_loss(const nb_trainer *t, uint64_t n_targets)
{
    return (nb_net_loss){.kind = (nb_net_loss_kind)t->options.loss,
                         .lambda = t->options.lambda,
                         .entropy_threshold = t->options.entropy_threshold,
                         .n_targets = n_targets};
}

static nb_train_sums accumulate(nb_trainer *t)
{
    nb_train_sums sums = {0};
    size_t n_documents = t->options.batch;
    uint64_t n_targets = 0;
    for (size_t i = 0; i < n_documents; i++) {
        t->documents[i] = nb_trace_order_at(&t->order, t->step * n_documents + i);
        n_targets += nb_trace_targets(&t->traces, t->documents[i]);
    }
    nb_net_loss loss = make_loss(t, n_targets);
    nb_net_zero_gradients(t->net);
    for (size_t at = 0; at < n_documents;) {
        nb_batch batch;
        nb_net_sums more;
        at += nb_trace_packer_fill(&t->packer, t->documents + at, n_documents - at, &batch);
        nb_net_step(t->net, &batch, &loss, &more);
        add(&sums, &more, &batch);
    }
    return sums;
}

static nb_status run_step(nb_trainer *t, nb_error *error)
{
    double start_s = nb_now_s(), rate = nb_schedule_rate(&t->schedule, t->step);
    nb_train_sums sums = accumulate(t);
    double loss = nb_trainer_loss(t, &sums), norm = nb_adamw_norm(t->adamw);
    if (!isfinite(loss) || !isfinite(norm))
        return nb_error_set(error, NB_ERR_SYSTEM,
                            "step %" PRIu64 ": expected a finite loss and gradient, found %g and %g; try a lower --lr",
                            t->step + 1, loss, norm);
    nb_adamw_step(t->adamw, t->step + 1, rate, norm);
    nb_net_update(t->net);
    double seconds = nb_now_s() - start_s;
    if (t->step == 0)
        t->first_loss = loss;
    t->last_loss = loss;
    t->step++;
    t->n_tokens += sums.n_tokens;
    t->n_targets += sums.n_targets;
    t->seconds += seconds;
    nb_trainer_log_step(t, &sums, rate, norm, seconds);
    nb_trainer_show(t, loss, rate);
    return NB_OK;
}

// Cross-entropy on the evaluation traces, in the order of their file. An interrupt leaves it undone.
static nb_status evaluate(nb_trainer *t, nb_error *error)
{
    nb_train_sums sums = {0};
    nb_trace_packer packer;
    uint32_t n = (uint32_t)t->eval_traces.n_documents;
    uint32_t *documents = nb_alloc(n * sizeof *documents);
    nb_net_loss loss = make_loss(t, t->eval_traces.n_targets);
    for (uint32_t i = 0; i < n; i++)
        documents[i] = i;
    nb_trace_packer_create(&packer, &t->eval_traces, t->rows);
    for (size_t at = 0; at < n && !nb_stop_requested();) {
        nb_batch batch;
        nb_net_sums more;
        at += nb_trace_packer_fill(&packer, documents + at, n - at, &batch);
        nb_net_evaluate(t->net, &batch, &loss, &more, NULL);
        add(&sums, &more, &batch);
    }
    nb_trace_packer_free(&packer);
    free(documents);
    if (nb_stop_requested())
        return NB_OK;
    double ce = sums.ce / (double)sums.n_targets;
    if (!isfinite(ce))
        return nb_error_set(error, NB_ERR_SYSTEM,
                            "evaluation after step %" PRIu64 ": expected a finite loss, found %g; try a lower --lr",
                            t->step, ce);
    t->eval_loss = ce;
    nb_trainer_log_eval(t, &sums);
    return NB_OK;
}

// ---- the training -------------------------------------------------------------------------------------------------

// A full disk in the middle of a long training is no reason to lose it: the checkpoint before is still there.
static void save_meanwhile(nb_trainer *t)
{
    const nb_train_options *o = &t->options;
    nb_error error = {0};
    bool is_due = o->save_every ? t->step % o->save_every == 0 : nb_now_s() - t->saved_s > SAVE_SECONDS;
    if (!is_due || t->step == t->n_steps || nb_trainer_checkpoint(t, &error) == NB_OK)
        return;
    nb_trainer_hide(t);
    nb_note("no checkpoint at step %" PRIu64 ": %s; going on", t->step, error.text);
}

nb_status nb_trainer_run(nb_trainer *t, nb_error *error)
{
    uint64_t end = t->options.stop_after ? nb_min(t->first_step + t->options.stop_after, t->n_steps) : t->n_steps;
    nb_stop_install();
    t->start_s = t->saved_s = nb_now_s();
    nb_status status = NB_OK;
    while (status == NB_OK && t->step < end && !nb_stop_requested()) {
        status = run_step(t, error);
        if (status == NB_OK && t->options.eval_traces && (t->step % t->eval_every == 0 || t->step == t->n_steps))
            status = evaluate(t, error);
        if (status == NB_OK)
            save_meanwhile(t);
    }
    nb_trainer_hide(t);
    NB_TRY(status);
    if (t->step > t->first_step || !nb_file_exists(t->place.state))
        NB_TRY(nb_trainer_checkpoint(t, error));
    return t->step < t->n_steps && nb_stop_requested() ? NB_ERR_STOPPED : NB_OK;
}

static nb_status write_model(nb_trainer *t, const char *directory, nb_error *error)
{
    NB_TRY(nb_net_write(t->net, t->model_directory, directory, (nb_net_dtype)t->options.dtype, error));
    nb_training_add(t->training, nb_trainer_stage(t));
    return nb_training_write(t->training, directory, error);
}

nb_status nb_trainer_finish(nb_trainer *t, nb_error *error)
{
    nb_staging staging;
    NB_TRY(nb_staging_open(&staging, t->options.out, t->options.is_forced, error));
    nb_status status = write_model(t, staging.path, error);
    if (status != NB_OK) {
        nb_staging_discard(&staging);
        return status;
    }
    NB_TRY(nb_staging_publish(&staging, error));
    nb_train_place_clear(&t->place);
    return NB_OK;
}
