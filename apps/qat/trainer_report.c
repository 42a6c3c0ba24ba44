// SPDX-License-Identifier: Apache-2.0
// What a training tells: progress line, log, memory plan, report, and the record in the model directory.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "apps/common/cli.h"
#include "apps/common/growing_text.h"
#include "apps/qat/trainer.h"
#include "apps/qat/trainer_record.h"

static const char *command_name(const nb_trainer *t)
{
    return t->options.is_qat ? "qat" : "sft";
}

// 1:02:03 or 2:03.
static const char *time_text(char text[32], double seconds)
{
    uint64_t s = (uint64_t)(seconds + 0.5);
    if (s >= 3600)
        snprintf(text, 32, "%" PRIu64 ":%02u:%02u", s / 3600, (unsigned)(s / 60 % 60), (unsigned)(s % 60));
    else
        snprintf(text, 32, "%u:%02u", (unsigned)(s / 60), (unsigned)(s % 60));
    return text;
}

static double tokens_per_second(const nb_trainer *t)
{
    return t->seconds > 0 ? (double)t->n_tokens / t->seconds : 0;
}

// ---- the progress line --------------------------------------------------------------------------------------------

void nb_trainer_show(nb_trainer *t, double loss, double rate)
{
    double now = nb_now_s();
    if (!isatty(STDERR_FILENO) || (now - t->shown_s < 0.2 && t->step < t->n_steps))
        return;
    char left[32];
    double step_s = (now - t->start_s) / (double)(t->step - t->first_step);
    fprintf(stderr, "\r%s  step %" PRIu64 "/%" PRIu64 "  loss %.4f  rate %.2e  %.0f tokens/s  %s left \033[K",
            command_name(t), t->step, t->n_steps, loss, rate, tokens_per_second(t),
            time_text(left, step_s * (double)(t->n_steps - t->step)));
    t->shown_s = now;
    t->is_shown = true;
}

void nb_trainer_hide(nb_trainer *t)
{
    if (t->is_shown)
        fputs("\r\033[K", stderr);
    t->is_shown = false;
}

// ---- the log ------------------------------------------------------------------------------------------------------

static void put_line(nb_trainer *t, json_t *line)
{
    nb_growing text = {0};
    nb_growing_add_json(&text, line, JSON_COMPACT | JSON_REAL_PRECISION(9));
    if ((fprintf(t->log, "%s\n", text.text) < 0 || fflush(t->log) != 0) && !t->log_failed) {
        nb_trainer_hide(t);
        nb_note("cannot write %s; going on without it", t->options.log);
        t->log_failed = true;
    }
    nb_growing_release(&text);
}

static double mean(double sum, const nb_train_sums *sums)
{
    return sum / (double)sums->n_targets;
}

void nb_trainer_log_step(nb_trainer *t, const nb_train_sums *sums, double rate, double norm, double seconds)
{
    if (!t->log)
        return;
    put_line(t,
             json_pack("{s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:s, s:f}", "step", (json_int_t)t->step,
                       "loss", nb_trainer_loss(t, sums), "ce", mean(sums->ce, sums), "sem", mean(sums->sem, sums),
                       "entropy", mean(sums->entropy, sums), "right", mean((double)sums->n_correct, sums), "lr", rate,
                       "grad_norm", norm, "tokens", (json_int_t)sums->n_tokens, "targets", (json_int_t)sums->n_targets,
                       "products", nb_product_name(t->products), "tok_s", (double)sums->n_tokens / seconds));
}

void nb_trainer_log_eval(nb_trainer *t, const nb_train_sums *sums)
{
    if (!t->log)
        return;
    put_line(t, json_pack("{s:I, s:f, s:f, s:f, s:I}", "step", (json_int_t)t->step, "eval_loss", mean(sums->ce, sums),
                          "eval_entropy", mean(sums->entropy, sums), "eval_right", mean((double)sums->n_correct, sums),
                          "eval_targets", (json_int_t)sums->n_targets));
}

// ---- the memory plan ----------------------------------------------------------------------------------------------

int nb_trainer_print_plan(const nb_trainer *t)
{
    const nb_net_plan *plan = &t->net_plan;
    const struct {
        const char *key, *what;
        uint64_t bytes;
    } lines[] = {
        {"parameters", "parameters, F32", plan->parameter_bytes},
        {"gradients", "gradients, F32", plan->gradient_bytes},
        {"moments", "moments of AdamW, F32", t->adamw_bytes},
        {"operands", "operands of the products", plan->operand_bytes},
        {"activations", "activations kept for the backward pass", plan->activation_bytes},
        {"scratch", "scratch of one layer, logits", plan->scratch_bytes},
        {"batch", "traces in memory", t->batch_bytes},
        {"total", "total", t->total_bytes},
        {"available", "available", t->available_bytes},
    };
    json_t *object = json_pack("{s:I, s:I, s:I, s:s}", "rows", (json_int_t)t->rows, "steps", (json_int_t)t->n_steps,
                               "longest", (json_int_t)t->traces.longest, "products", nb_product_name(t->products));
    if (!t->options.is_json)
        printf("Memory plan of %s: micro-batches of %u tokens, longest trace %u, %" PRIu64 " steps of %" PRIu64
               " traces%s%s\n",
               command_name(t), t->rows, t->traces.longest, t->n_steps, t->options.batch,
               t->options.recompute ? ", recomputing" : "", t->products == NB_PRODUCT_BF16 ? ", products in bf16" : "");
    for (size_t i = 0; i < NB_COUNT(lines); i++) {
        char text[32];
        json_object_set_new(object, lines[i].key, json_integer((json_int_t)lines[i].bytes));
        if (!t->options.is_json)
            printf("  %-42s %16" PRIu64 "  %10s\n", lines[i].what, lines[i].bytes,
                   nb_bytes_text(text, (double)lines[i].bytes));
    }
    if (t->options.is_json)
        return nb_out_json(object);
    json_decref(object);
    return nb_out_flush();
}

// ---- the report ---------------------------------------------------------------------------------------------------

static uint64_t peak_bytes(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}

// How the traces stand to those of the stage before.
static const char *alignment(const nb_trainer *t)
{
    const char *before = nb_training_traces(t->training);
    return !before ? "unknown" : strcmp(before, t->traces.sha256) == 0 ? "same" : "other";
}

static json_t *traces_json(const nb_trainer *t)
{
    const nb_traces *traces = &t->traces;
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}", "sha256", traces->sha256, "documents",
                     (json_int_t)traces->n_documents, "tokens", (json_int_t)traces->n_tokens, "targets",
                     (json_int_t)traces->n_targets, "dropped", (json_int_t)traces->n_dropped, "cut",
                     (json_int_t)traces->n_cut);
}

// Nothing of time or place in it: the same training writes the same bytes.
json_t *nb_trainer_stage(const nb_trainer *t)
{
    char after[NB_HASH_TEXT_BYTES];
    nb_trainer_hash(t, after);
    json_t *stage =
        json_pack("{s:s, s:s, s:s, s:o, s:s, s:O, s:I, s:I, s:I, s:f, s:f, s:s, s:s}", "command", command_name(t),
                  "forward", t->options.is_qat ? "w4a4kv4" : "full", "products", nb_product_name(t->products), "traces",
                  traces_json(t), "traces_of_sft", alignment(t), "recipe", t->recipe, "steps", (json_int_t)t->step,
                  "tokens", (json_int_t)t->n_tokens, "targets", (json_int_t)t->n_targets, "loss_first", t->first_loss,
                  "loss_last", t->last_loss, "parameters_before", t->model_sha256, "parameters_after", after);
    if (t->options.is_qat)
        json_object_set_new(stage, "traces_of_sft", json_string(alignment(t)));
    if (t->eval_loss >= 0)
        json_object_set_new(stage, "eval_loss", json_real(t->eval_loss));
    json_object_set_new(stage, "nibble", json_string(nb_version()));
    return stage;
}

static int report_json(const nb_trainer *t)
{
    json_t *object =
        json_pack("{s:s, s:b, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:I, s:o}", "command", command_name(t),
                  "finished", t->step == t->n_steps, "step", (json_int_t)t->step, "steps", (json_int_t)t->n_steps,
                  "tokens", (json_int_t)t->n_tokens, "targets", (json_int_t)t->n_targets, "loss_first", t->first_loss,
                  "loss_last", t->last_loss, "seconds", t->seconds, "tok_s", tokens_per_second(t), "rss_peak_bytes",
                  (json_int_t)peak_bytes(), "traces", traces_json(t));
    if (t->options.is_qat)
        json_object_set_new(object, "traces_of_sft", json_string(alignment(t)));
    if (t->eval_loss >= 0)
        json_object_set_new(object, "eval_loss", json_real(t->eval_loss));
    json_object_set_new(object, "ops", json_string(nb_net_isa(t->net)));
    json_object_set_new(object, "products", json_string(nb_product_name(t->products)));
    return nb_out_json(object);
}

int nb_trainer_report(const nb_trainer *t)
{
    if (t->options.is_json)
        return report_json(t);
    static const char *const words[] = {"unknown", "not recorded in the model", "same", "those of sft",
                                        "other",   "not those of sft"};
    char time[32], peak[32], eval[48] = "";
    const char *how = alignment(t), *word = "";
    for (size_t i = 0; i < NB_COUNT(words); i += 2)
        if (strcmp(words[i], how) == 0)
            word = words[i + 1];
    if (t->eval_loss >= 0)
        snprintf(eval, sizeof eval, ", evaluation %.4f", t->eval_loss);
    if (t->step < t->n_steps)
        printf("stopped after step %" PRIu64 " of %" PRIu64 "; --resume goes on from there\n", t->step, t->n_steps);
    else
        printf("%s: ", t->options.out);
    printf("%s, %" PRIu64 " steps, %" PRIu64
           " tokens, loss %.4f -> %.4f%s, %.0f tokens/s with %s products, %s, peak %s\n",
           command_name(t), t->step, t->n_tokens, t->first_loss, t->last_loss, eval, tokens_per_second(t),
           nb_product_name(t->products), time_text(time, t->seconds), nb_bytes_text(peak, (double)peak_bytes()));
    printf("traces: %" PRIu64 " documents, %" PRIu64 " too long and left out, %" PRIu64 " cut, SHA-256 %.16s%s%s\n",
           t->traces.n_documents, t->traces.n_dropped, t->traces.n_cut, t->traces.sha256, t->options.is_qat ? ", " : "",
           t->options.is_qat ? word : "");
    return nb_out_flush();
}
