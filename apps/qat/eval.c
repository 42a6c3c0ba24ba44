// SPDX-License-Identifier: Apache-2.0
// nibble-qat eval: how many problems of a task a model solves.
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "apps/common/growing_text.h"
#include "apps/common/terminal.h"
#include "apps/qat/eval_decode.h"
#include "apps/qat/eval_score.h"
#include "apps/qat/eval_task.h"
#include "apps/qat/qat_commands.h"
#include "platform/base.h"

typedef struct eval_args {
    const char *task, *out, *system;
    uint64_t n_samples, seed, n_max_tokens, n_batch, limit;
    double temperature, top_p; // negative: not given
    bool is_raw, is_json;
} eval_args;

#define AT(field) offsetof(eval_args, field)
static const nb_option options[] = {
    {.name = "task",
     .kind = NB_OPTION_TEXT,
     .offset = AT(task),
     .value = "FILE.jsonl",
     .help = "problems, a JSON object a line: question and answer, or input and target (needed)"},
    {.name = "samples",
     .kind = NB_OPTION_WHOLE,
     .offset = AT(n_samples),
     .value = "K",
     .help = "responses to each problem (default 1)",
     .whole_min = 1,
     .whole_max = 10000},
    {.name = "temperature",
     .kind = NB_OPTION_REAL,
     .offset = AT(temperature),
     .value = "T",
     .help = "0: greedy (default: 0; with --samples above 1: 0.6)",
     .real_max = 1000},
    {.name = "top-p",
     .kind = NB_OPTION_REAL,
     .offset = AT(top_p),
     .value = "P",
     .help = "sample from the most likely tokens that make up P (default 0.95)",
     .real_min = 1e-6,
     .real_max = 1},
    {.name = "seed",
     .kind = NB_OPTION_WHOLE,
     .offset = AT(seed),
     .value = "S",
     .help = "equal seeds give equal responses (default 1)",
     .whole_max = INT64_MAX},
    {.name = "max-tokens",
     .letter = 'n',
     .kind = NB_OPTION_WHOLE,
     .offset = AT(n_max_tokens),
     .value = "N",
     .help = "longest response (default 512)",
     .whole_min = 1,
     .whole_max = 1 << 24},
    {.name = "batch",
     .kind = NB_OPTION_WHOLE,
     .offset = AT(n_batch),
     .value = "B",
     .help = "responses decoded side by side; no result depends on it (default 16)",
     .whole_min = 1,
     .whole_max = 256},
    {.name = "limit",
     .kind = NB_OPTION_WHOLE,
     .offset = AT(limit),
     .value = "N",
     .help = "only the first N problems",
     .whole_min = 1,
     .whole_max = INT64_MAX},
    {.name = "system", .kind = NB_OPTION_TEXT, .offset = AT(system), .value = "TEXT", .help = "system message"},
    {.name = "raw", .kind = NB_OPTION_FLAG, .offset = AT(is_raw), .help = "the question alone, no chat template"},
    {.name = "out",
     .letter = 'o',
     .kind = NB_OPTION_TEXT,
     .offset = AT(out),
     .value = "FILE.jsonl",
     .help = "write every response there"},
    {.name = "json", .kind = NB_OPTION_FLAG, .offset = AT(is_json), .help = "the result as one JSON object"},
};
#undef AT

static const nb_command command = {
    .program = "nibble-qat",
    .name = "eval",
    .usage = "MODEL --task FILE.jsonl [OPTION]...",
    .summary =
        "Accuracy with its 95 % confidence interval. A response answers with the first number behind its last\n"
        "\"answer is\", \"\\boxed{\" or \"####\", else with its last number behind </think>, else with its last\n"
        "number; answers are compared as exact rational numbers.",
    .example = "nibble-qat eval ./my-model-NVFP4 --task eval.jsonl --samples 4 --json",
    .n_args_min = 1,
    .n_args_max = 1,
    .groups = {{"Options", options, NB_COUNT_OF(options)}},
};

typedef struct eval_run {
    const char *model;
    const eval_args *args;
    const nb_engine_args *engine_args;
    nb_engine *engine;
    nb_engine_info info;
    nb_task task;
    nb_prompt *prompts;
    uint32_t *right; // of each problem
    uint64_t n_right, n_tokens, n_truncated, n_unanswered, n_done;
    FILE *out;
    bool has_out_failed;
    nb_progress progress;
    double seconds;
} eval_run;

// ---- prompts ------------------------------------------------------------------------------------------------------

static nb_status encode_once(const eval_run *run, const char *question, int32_t *ids, size_t capacity, size_t *n_ids,
                             nb_error *error)
{
    const nb_message messages[] = {{"system", run->args->system}, {"user", question}};
    size_t skip = run->args->system ? 0 : 1;
    nb_chat_options chat = nb_chat_defaults();
    bool opens_reasoning;
    if (run->args->is_raw)
        return nb_text_encode(run->info.text, question, strlen(question), NB_TEXT_SPECIAL | NB_TEXT_ADD, ids, capacity,
                              n_ids, error);
    return nb_chat_encode(run->info.text, messages + skip, 2 - skip, &chat, ids, capacity, n_ids, &opens_reasoning,
                          error);
}

static nb_status encode(const eval_run *run, const char *question, nb_prompt *prompt, nb_error *error)
{
    nb_room room = {.n = strlen(question) + 256};
    while (nb_room_short(&room, error)) {
        prompt->ids = nb_resize(prompt->ids, room.size * sizeof *prompt->ids);
        room.status = encode_once(run, question, prompt->ids, room.size, &room.n, error);
    }
    nb_status status = room.status;
    prompt->n_ids = room.n;
    if (status == NB_OK && prompt->n_ids == 0)
        return nb_error_set(error, NB_ERR_INPUT, "the question is no token");
    if (status == NB_OK && prompt->n_ids >= run->info.max_positions)
        return nb_error_set(error, NB_ERR_INPUT, "the prompt takes %zu tokens, the model %u", prompt->n_ids,
                            run->info.max_positions);
    return status;
}

static void skip_problem(nb_task *task, nb_problem_text *problem, const nb_error *why)
{
    if (task->n_skipped++ == 0)
        (void)nb_error_set(&task->first_skipped, NB_ERR_INPUT, "line %zu: %s", problem->line, why->text);
    nb_problem_release(problem);
}

// The prompts; problems that do not fit the model are left out.
static int encode_all(eval_run *run)
{
    nb_task *task = &run->task;
    size_t n = 0;
    run->prompts = nb_alloc(task->n_problems * sizeof *run->prompts);
    run->right = nb_alloc(task->n_problems * sizeof *run->right);
    for (size_t i = 0; i < task->n_problems; i++) {
        nb_error error = {0};
        nb_problem_text problem = task->problems[i];
        nb_status status = encode(run, problem.question, &run->prompts[n], &error);
        if (status == NB_OK) {
            task->problems[i] = (nb_problem_text){0};
            task->problems[n++] = problem;
            continue;
        }
        free(run->prompts[n].ids);
        run->prompts[n].ids = NULL;
        if (status == NB_ERR_SYSTEM)
            return nb_fail_error(status, &error);
        skip_problem(task, &task->problems[i], &error);
    }
    task->n_problems = n;
    return n ? NB_EXIT_OK : nb_fail(NB_EXIT_INPUT, "no problem can be asked; %s", task->first_skipped.text);
}

// ---- responses ----------------------------------------------------------------------------------------------------

static void write_response(eval_run *run, const nb_response *response, const char *answer, bool is_right)
{
    const nb_problem_text *problem = &run->task.problems[response->prompt];
    json_t *line =
        json_pack("{s:I, s:I, s:s, s:s, s:s, s:b, s:I, s:s, s:s%}", "line", (json_int_t)problem->line, "sample",
                  (json_int_t)response->sample, "question", problem->question, "expected", problem->answer, "answer",
                  answer, "right", is_right, "tokens", (json_int_t)response->n_ids, "finish",
                  response->is_truncated ? "length" : "stop", "response", response->text, response->bytes);
    nb_growing text = {0};
    nb_growing_add_json(&text, line, JSON_COMPACT);
    if (fprintf(run->out, "%s\n", text.text) < 0)
        run->has_out_failed = true;
    nb_growing_release(&text);
}

static void on_response(void *user, const nb_response *response)
{
    eval_run *run = user;
    char answer[NB_ANSWER_BYTES];
    bool is_answered = nb_answer_read(response->text, response->bytes, answer);
    bool is_right = is_answered && nb_answers_equal(answer, run->task.problems[response->prompt].answer);
    run->right[response->prompt] += is_right;
    run->n_right += is_right;
    run->n_tokens += response->n_ids;
    run->n_truncated += response->is_truncated;
    run->n_unanswered += !is_answered;
    if (run->out)
        write_response(run, response, answer, is_right);
    nb_progress_update(&run->progress, ++run->n_done, run->task.n_problems * run->args->n_samples);
}

static nb_sampling sampling_of(const eval_args *args)
{
    nb_sampling sampling = nb_sampling_defaults();
    double temperature = args->temperature >= 0 ? args->temperature : args->n_samples > 1 ? 0.6 : 0;
    sampling.temperature = (float)temperature;
    sampling.top_p = (float)args->top_p;
    sampling.repeat_penalty = 1;
    sampling.seed = args->seed;
    return sampling;
}

static nb_session_options session_of(const eval_run *run)
{
    uint64_t longest = 0, n_responses = run->task.n_problems * run->args->n_samples;
    uint32_t n_batch = (uint32_t)(run->args->n_batch < n_responses ? run->args->n_batch : n_responses);
    for (size_t i = 0; i < run->task.n_problems; i++)
        longest = run->prompts[i].n_ids > longest ? run->prompts[i].n_ids : longest;
    uint64_t n_ctx = longest + run->args->n_max_tokens;
    n_ctx = n_ctx < run->info.max_positions ? n_ctx : run->info.max_positions;
    n_ctx = run->engine_args->n_ctx ? run->engine_args->n_ctx : n_ctx;
    nb_session_options session = nb_engine_args_session_of(run->engine_args, n_ctx);
    session.n_chunk = n_batch > session.n_chunk ? n_batch : session.n_chunk;
    session.n_logit_rows = n_batch < 16 ? n_batch : 16;
    session.n_sessions = n_batch;
    return session;
}

static int decode(eval_run *run)
{
    const eval_args *args = run->args;
    nb_decode_request request = {.engine = run->engine,
                                 .prompts = run->prompts,
                                 .n_prompts = run->task.n_problems,
                                 .n_samples = (uint32_t)args->n_samples,
                                 .sampling = sampling_of(args),
                                 .n_max_tokens = (uint32_t)args->n_max_tokens,
                                 .session = session_of(run),
                                 .on_response = on_response,
                                 .user = run};
    if (run->engine_args->is_plan_only)
        return nb_plan_show(run->engine, run->engine_args, &request.session, args->is_json);
    if (args->out && !(run->out = fopen(args->out, "wb")))
        return nb_fail(NB_EXIT_FAILED, "cannot write %s: %s", args->out, strerror(errno));
    nb_progress_start(&run->progress, "answering");
    run->progress.unit = "responses";
    double start_s = nb_now_s();
    int code = nb_decode_all(&request);
    run->seconds = nb_now_s() - start_s;
    nb_progress_end(&run->progress);
    if (run->out && (fclose(run->out) != 0 || run->has_out_failed) && code == NB_EXIT_OK)
        return nb_fail(NB_EXIT_FAILED, "cannot write %s", args->out);
    return code;
}

// ---- the result ---------------------------------------------------------------------------------------------------

// Right and asked responses by what the task calls "kind"; an empty object when it does not.
static json_t *kinds_of(const eval_run *run)
{
    json_t *kinds = json_object();
    for (size_t i = 0; i < run->task.n_problems; i++) {
        const char *kind = run->task.problems[i].kind;
        if (!kind)
            continue;
        json_t *entry = json_object_get(kinds, kind);
        if (!entry) {
            entry = json_pack("{s:i, s:i}", "n", 0, "right", 0);
            json_object_set_new(kinds, kind, entry);
        }
        json_int_t n = json_integer_value(json_object_get(entry, "n"));
        json_int_t right = json_integer_value(json_object_get(entry, "right"));
        json_object_set_new(entry, "n", json_integer(n + (json_int_t)run->args->n_samples));
        json_object_set_new(entry, "right", json_integer(right + run->right[i]));
    }
    return kinds;
}

static json_t *result_of(const eval_run *run, nb_accuracy accuracy, json_t *kinds)
{
    nb_sampling sampling = sampling_of(run->args);
    nb_session_options session = session_of(run);
    nb_kv kv = session.kv == NB_KV_DEFAULT ? run->info.kv_default : session.kv;
    return json_pack(
        "{s:I, s:I, s:I, s:f, s:[f, f], s:f, s:I, s:I, s:I, s:I, s:o, s:f, s:f, s:I, s:I, s:s, s:s, s:s, s:f, s:f}",
        "n", (json_int_t)run->task.n_problems, "samples", (json_int_t)run->args->n_samples, "right",
        (json_int_t)run->n_right, "accuracy", accuracy.mean, "ci95", accuracy.low, accuracy.high, "stderr",
        accuracy.error, "tokens", (json_int_t)run->n_tokens, "truncated", (json_int_t)run->n_truncated, "unanswered",
        (json_int_t)run->n_unanswered, "skipped", (json_int_t)run->task.n_skipped, "kinds", kinds, "temperature",
        (double)sampling.temperature, "top_p", (double)sampling.top_p, "seed", (json_int_t)run->args->seed, "batch",
        (json_int_t)run->args->n_batch, "format", run->info.format, "act", nb_act_name(run->info.act), "kv",
        nb_kv_name(kv), "seconds", run->seconds, "tok_s",
        run->seconds > 0 ? (double)run->n_tokens / run->seconds : 0.0);
}

static int show(const eval_run *run)
{
    nb_accuracy accuracy = nb_accuracy_of(run->right, run->task.n_problems, (uint32_t)run->args->n_samples);
    json_t *kinds = kinds_of(run), *entry;
    const char *kind;
    if (run->task.n_skipped)
        nb_note("%zu lines are no problem and were left out; %s", run->task.n_skipped, run->task.first_skipped.text);
    if (run->args->is_json)
        return nb_out_json(result_of(run, accuracy, kinds));
    json_object_foreach(kinds, kind, entry)
    {
        json_int_t n = json_integer_value(json_object_get(entry, "n"));
        json_int_t right = json_integer_value(json_object_get(entry, "right"));
        printf("%-24s %6lld of %6lld  %5.1f %%\n", kind, (long long)right, (long long)n,
               100 * (double)right / (double)n);
    }
    json_decref(kinds);
    printf("%llu of %llu right: %.1f %% (95 %%: %.1f to %.1f)", (unsigned long long)run->n_right,
           (unsigned long long)(run->task.n_problems * run->args->n_samples), 100 * accuracy.mean, 100 * accuracy.low,
           100 * accuracy.high);
    printf("; %llu without an answer, %llu cut off; %.1f s, %.0f tokens/s\n", (unsigned long long)run->n_unanswered,
           (unsigned long long)run->n_truncated, run->seconds,
           run->seconds > 0 ? (double)run->n_tokens / run->seconds : 0.0);
    return nb_out_flush();
}

// `session`: what is to fit with it; NULL: it is only counted.
static int open_engine(eval_run *run, const nb_session_options *session)
{
    nb_engine_args args = *run->engine_args;
    args.is_plan_only = !session;
    nb_engine_close(run->engine);
    run->engine = NULL;
    int code = nb_engine_args_open(&run->engine, run->model, &args, session);
    if (code == NB_EXIT_OK)
        nb_engine_info_get(run->engine, &run->info);
    return code;
}

// The prompts decide how long the rings are, so the engine is only counted until all of that can be checked.
static int evaluate(eval_run *run)
{
    if (!run->info.text)
        return nb_fail(NB_EXIT_INPUT, "the model has no tokenizer; expected tokenizer.json, found none");
    nb_error error = {0};
    size_t limit = run->args->limit ? (size_t)run->args->limit : SIZE_MAX;
    int code = nb_fail_error(nb_task_read(&run->task, run->args->task, limit, &error), &error);
    if (code == NB_EXIT_OK)
        code = encode_all(run);
    if (code == NB_EXIT_OK && !run->engine_args->is_plan_only) {
        nb_session_options session = session_of(run);
        code = open_engine(run, &session);
    }
    if (code == NB_EXIT_OK)
        code = decode(run);
    if (code == NB_EXIT_OK && !run->engine_args->is_plan_only)
        code = show(run);
    return code;
}

int nb_command_eval(int argc, char **argv)
{
    eval_args args = {.n_samples = 1, .seed = 1, .n_max_tokens = 512, .n_batch = 16, .temperature = -1, .top_p = 0.95};
    nb_engine_args engine_args;
    int code;
    if (!nb_options_parse_with_engine(&command, &args, &engine_args, argc, argv, &code))
        return code;
    if (!args.task)
        return nb_fail(NB_EXIT_USAGE, "nothing to solve; expected --task FILE.jsonl; try nibble-qat eval --help");
    eval_run run = {.model = argv[optind], .args = &args, .engine_args = &engine_args};
    code = open_engine(&run, NULL);
    if (code != NB_EXIT_OK)
        return code;
    code = evaluate(&run);
    for (size_t i = 0; run.prompts && i < run.task.n_problems; i++)
        free(run.prompts[i].ids);
    free(run.prompts);
    free(run.right);
    nb_task_release(&run.task);
    nb_engine_close(run.engine);
    return code;
}
