// SPDX-License-Identifier: Apache-2.0
#include "apps/qat/trainer_options.h"

#include "apps/common/option_table.h"
#include "apps/qat/net.h"
#include "apps/qat/schedule.h"
#include "apps/qat/trace_store.h"

#define AT(field) offsetof(nb_train_options, field)
#define TEXT(name_, field, value_, help_)                                                                              \
    {                                                                                                                  \
        .name = name_, .kind = NB_OPTION_TEXT, .offset = AT(field), .value = value_, .help = help_                     \
    }
#define FLAG(name_, field, help_)                                                                                      \
    {                                                                                                                  \
        .name = name_, .kind = NB_OPTION_FLAG, .offset = AT(field), .help = help_                                      \
    }
#define CHOICE(name_, field, choices_, help_)                                                                          \
    {                                                                                                                  \
        .name = name_, .kind = NB_OPTION_CHOICE, .offset = AT(field), .choices = choices_, .help = help_               \
    }
#define WHOLE(name_, field, min_, max_, help_)                                                                         \
    {                                                                                                                  \
        .name = name_, .kind = NB_OPTION_WHOLE, .offset = AT(field), .value = "N", .help = help_, .whole_min = min_,   \
        .whole_max = max_                                                                                              \
    }
#define REAL(name_, field, min_, max_, help_)                                                                          \
    {                                                                                                                  \
        .name = name_, .kind = NB_OPTION_REAL, .offset = AT(field), .value = "X", .help = help_, .real_min = min_,     \
        .real_max = max_                                                                                               \
    }

static const nb_option train_table[] = {
    TEXT("model", model, "DIR", "the model to start from: a directory or name, BF16, F16 or F32"),
    TEXT("traces", traces, "FILE", "JSONL: {\"prompt\", \"response\"}, {\"messages\"} or {\"ids\", \"mask\"} a line"),
    TEXT("out", out, "DIR", "the model directory to write; DIR.training holds the checkpoint meanwhile"),
    WHOLE("steps", n_steps, 1, 1000000000, "steps of the optimiser (default: as --epochs says)"),
    REAL("epochs", epochs, 1e-6, 1e6, "passes over the traces (default 1)"),
    WHOLE("batch", batch, 1, 1 << 20, "traces of one step (default 32)"),
    WHOLE("rows", rows, 2, 1 << 24,
          "tokens of a micro-batch, at least those of the longest trace (default 2048); a step adds\n"
          "                                up as many as its batch needs"),
    WHOLE("max-length", max_length, 2, 1 << 24, "tokens of a trace (default: the positions the model has)"),
    CHOICE("if-long", if_long, "error|drop|cut", "what becomes of a longer trace (default error)"),
    REAL("lr", rate, 0, 10, "highest learning rate (default 1e-5)"),
    CHOICE("schedule", schedule, "cosine|linear|constant", "course of the learning rate (default cosine)"),
    REAL("floor", floor, 0, 1, "share of the rate that cosine and linear end at (default 0.01)"),
    REAL("warmup", warmup, 0, 1, "share of the steps in which the rate rises (default 0.03)"),
    REAL("weight-decay", weight_decay, 0, 10, "decay of matrices, but the embedding (default 0)"),
    REAL("beta1", beta1, 0, 0.9999999, "AdamW (default 0.9)"),
    REAL("beta2", beta2, 0, 0.9999999, "AdamW (default 0.999)"),
    REAL("epsilon", epsilon, 1e-30, 1, "AdamW (default 1e-8)"),
    REAL("clip", clip, 0, 1e9, "largest norm of the gradient, 0: any (default 1)"),
    CHOICE("loss", loss, "ce|sem",
           "cross-entropy, or with selective entropy minimisation (default: ce in sft, sem in qat)"),
    REAL("lambda", lambda, 0, 1e6, "weight of the SEM term (default 0.1)"),
    REAL("entropy-threshold", entropy_threshold, 0, 1,
         "share of positions, those of the lowest entropy, that SEM counts (default 0.75)"),
    WHOLE("seed", seed, 0, INT64_MAX, "of the order of the traces (default 0)"),
    FLAG("in-order", in_order, "traces in the order of the file, not shuffled"),
    TEXT("eval-traces", eval_traces, "FILE", "traces to measure the loss on, in between and at the end"),
    WHOLE("eval-every", eval_every, 1, 1000000000, "steps between measurements (default: a tenth of all)"),
    CHOICE("dtype", dtype, "f32|bf16", "of the result (default f32)"),
    CHOICE("products", products, "f32|bf16|auto",
           "operands of the products, sums are f32: bf16 is coarser, and faster where the CPU has AVX512_BF16\n"
           "                                or AMX, which is where auto takes it (default f32)"),
    FLAG("recompute", recompute, "keep less of the forward pass: less memory, more time, the same bits"),
    TEXT("log", log, "FILE", "a line of JSON for each step"),
    TEXT("calib-out", calib_out, "FILE",
         "write the ids of the first 128 traces, for qfit --calib-ids and quantize --calib"),
    WHOLE("save-every", save_every, 1, 1000000000, "steps between checkpoints (default: ten minutes)"),
    WHOLE("stop-after", stop_after, 1, 1000000000, "end after N steps of this run, with a checkpoint to resume from"),
    FLAG("resume", resume, "go on from the checkpoint, if there is one; the result has the same bits"),
    FLAG("force", is_forced, "replace OUT when it is a model directory, and drop a checkpoint of before"),
    WHOLE("threads", n_threads, 1, NB_POOL_MAX_THREADS, "worker threads (default: physical cores)"),
    TEXT("isa", isa, "NAME", "kernels to use: scalar, avx2, avx512, neon, i8mm (default: the best of this CPU)"),
    FLAG("plan", is_plan_only, "print the memory plan and stop"),
    FLAG("json", is_json, "the report as one JSON object on stdout"),
};

static const nb_option qat_table[] = {
    FLAG("other-traces", other_traces, "train on other traces than sft did"),
};

static const nb_command sft_command = {
    .program = "nibble-qat",
    .name = "sft",
    .usage = "--model DIR --traces FILE --out DIR [OPTION]...",
    .summary = "Trains a model in full precision on what the assistant says in the traces.",
    .example = "nibble-qat sft --model ./base --traces traces.jsonl --out ./tuned --epochs 2 --lr 1e-4",
    .groups = {{"Options", train_table, NB_COUNT_OF(train_table)}},
};

static const nb_command qat_command = {
    .program = "nibble-qat",
    .name = "qat",
    .usage = "--model DIR --traces FILE --out DIR [OPTION]...",
    .summary = "Trains a model with the forward pass that 4-bit inference has: weights, activations and KV cache are\n"
               "rounded as nibble rounds them. Meant for what sft or qfit wrote, on the traces of sft.",
    .example = "nibble-qat qat --model ./fitted --traces traces.jsonl --out ./ready --epochs 0.25 --lr 1e-5",
    .groups = {{"Options", train_table, NB_COUNT_OF(train_table)},
               {"Options of qat", qat_table, NB_COUNT_OF(qat_table)}},
};

static bool check(const nb_train_options *o, int *exit_code)
{
    const char *missing = !o->model                          ? "--model DIR"
                          : !o->traces                       ? "--traces FILE"
                          : !o->out && !o->is_plan_only      ? "--out DIR"
                          : o->eval_every && !o->eval_traces ? "--eval-traces FILE with --eval-every"
                                                             : NULL;
    if (missing)
        *exit_code = nb_fail(NB_EXIT_USAGE, "an option is missing; expected %s; try nibble-qat %s --help", missing,
                             o->is_qat ? "qat" : "sft");
    else if (o->n_steps && o->epochs > 0)
        *exit_code = nb_fail(NB_EXIT_USAGE, "expected --steps or --epochs, found both");
    else if (o->resume && o->is_forced)
        *exit_code = nb_fail(NB_EXIT_USAGE, "expected --resume or --force, found both");
    else
        return true;
    return false;
}

bool nb_train_options_parse(nb_train_options *options, bool is_qat, int argc, char **argv, int *exit_code)
{
    *options = (nb_train_options){.is_qat = is_qat,
                                  .loss = is_qat ? NB_LOSS_SEM : NB_LOSS_CE,
                                  .lambda = 0.1,
                                  .entropy_threshold = 0.75,
                                  .rate = 1e-5,
                                  .floor = 0.01,
                                  .warmup = 0.03,
                                  .beta1 = 0.9,
                                  .beta2 = 0.999,
                                  .epsilon = 1e-8,
                                  .clip = 1,
                                  .batch = 32,
                                  .rows = 2048};
    if (!nb_options_parse(is_qat ? &qat_command : &sft_command, (void *const[]){options, options}, argc, argv,
                          exit_code))
        return false;
    return check(options, exit_code);
}

static void set(json_t *recipe, const char *key, json_t *value)
{
    json_object_set_new(recipe, key, value);
}

json_t *nb_train_recipe(const nb_train_options *o, uint64_t n_steps, uint32_t rows)
{
    static const char *const schedules[] = {"cosine", "linear", "constant"};
    static const char *const long_rules[] = {"error", "drop", "cut"};
    json_t *recipe = json_object();
    set(recipe, "loss", json_string(o->loss == NB_LOSS_SEM ? "sem" : "ce"));
    if (o->loss == NB_LOSS_SEM) {
        set(recipe, "lambda", json_real(o->lambda));
        set(recipe, "entropy-threshold", json_real(o->entropy_threshold));
    }
    set(recipe, "steps", json_integer((json_int_t)n_steps));
    set(recipe, "batch", json_integer((json_int_t)o->batch));
    set(recipe, "rows", json_integer(rows));
    set(recipe, "if-long", json_string(long_rules[o->if_long]));
    set(recipe, "lr", json_real(o->rate));
    set(recipe, "schedule", json_string(schedules[o->schedule]));
    set(recipe, "floor", json_real(o->floor));
    set(recipe, "warmup", json_real(o->warmup));
    set(recipe, "weight-decay", json_real(o->weight_decay));
    set(recipe, "beta1", json_real(o->beta1));
    set(recipe, "beta2", json_real(o->beta2));
    set(recipe, "epsilon", json_real(o->epsilon));
    set(recipe, "clip", json_real(o->clip));
    set(recipe, "seed", json_integer((json_int_t)o->seed));
    set(recipe, "in-order", json_boolean(o->in_order));
    return recipe;
}
