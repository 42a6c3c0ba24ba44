// SPDX-License-Identifier: Apache-2.0
// nibble run: options, opening, and the answer to one prompt.
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/common/commands.h"
#include "apps/common/growing_text.h"
#include "apps/common/interrupt.h"
#include "apps/run/run_args.h"

enum { MAX_PROMPT_BYTES = 64 << 20 };

#define AT(field) offsetof(nb_run_args, field)
static const nb_option options[] = {
    {.name = "prompt",
     .letter = 'p',
     .kind = NB_OPTION_TEXT,
     .offset = AT(prompt),
     .value = "TEXT",
     .help = "the question (default: what is piped in; else a chat)"},
    {.name = "system",
     .kind = NB_OPTION_TEXT,
     .offset = AT(system),
     .value = "TEXT",
     .help = "system message (default: none)"},
    {.name = "raw",
     .kind = NB_OPTION_FLAG,
     .offset = AT(is_raw),
     .help = "continue the text itself, without the chat template"},
    {.name = "prompt-ids",
     .kind = NB_OPTION_TEXT,
     .offset = AT(prompt_ids),
     .value = "FILE",
     .help = "prompts as token ids, one sequence a line"},
    {.name = "output",
     .kind = NB_OPTION_CHOICE,
     .offset = AT(output),
     .value = "FORM",
     .choices = "text|ids",
     .help = "text, or ids: the generated ids, one line a sequence (default: text)"},
    {.name = "json",
     .kind = NB_OPTION_FLAG,
     .offset = AT(is_json),
     .help = "one JSON object a step and one at the end"},
    {.name = "max-tokens",
     .letter = 'n',
     .kind = NB_OPTION_WHOLE,
     .offset = AT(n_max_tokens),
     .value = "N",
     .whole_min = 1,
     .whole_max = 1 << 30,
     .help = "tokens an answer may have (default: 4096)"},
    {.name = "stop",
     .kind = NB_OPTION_TEXTS,
     .offset = AT(stops),
     .value = "TEXT",
     .help = "text that ends the answer; may be given several times"},
    {.name = "ignore-eos",
     .kind = NB_OPTION_FLAG,
     .offset = AT(ignore_eos),
     .help = "go on after the model's end token"},
    {.name = "think",
     .kind = NB_OPTION_CHOICE,
     .offset = AT(think),
     .value = "HOW",
     .choices = "show|dim|hide",
     .help = "reasoning: show, dim (on a terminal) or hide (default: dim)"},
    {.name = "thinking",
     .kind = NB_OPTION_CHOICE,
     .offset = AT(thinking),
     .value = "WHEN",
     .choices = "auto|on|off",
     .help = "ask the chat template for reasoning: on, off, or auto: its own default (default: auto)"},
    {.name = "temperature",
     .kind = NB_OPTION_REAL,
     .offset = AT(temperature),
     .value = "X",
     .real_max = 100,
     .help = "0: greedy (default: 0.6)"},
    {.name = "top-p",
     .kind = NB_OPTION_REAL,
     .offset = AT(top_p),
     .value = "X",
     .real_max = 1,
     .help = "smallest set of tokens of this probability; 1: all (default: 0.95)"},
    {.name = "top-k",
     .kind = NB_OPTION_WHOLE,
     .offset = AT(top_k),
     .value = "N",
     .whole_max = INT32_MAX,
     .help = "the N likeliest tokens; 0: all (default: 0)"},
    {.name = "min-p",
     .kind = NB_OPTION_REAL,
     .offset = AT(min_p),
     .value = "X",
     .real_max = 1,
     .help = "tokens at least X times as likely as the best; 0: all (default: 0)"},
    {.name = "repeat-penalty",
     .kind = NB_OPTION_REAL,
     .offset = AT(repeat_penalty),
     .value = "X",
     .real_min = 0.01,
     .real_max = 100,
     .help = "penalty on tokens seen; 1: none (default: 1)"},
    {.name = "seed",
     .kind = NB_OPTION_WHOLE,
     .offset = AT(seed),
     .value = "N",
     .whole_max = INT64_MAX,
     .help = "same seed, same answer (default: a new one each time)"},
};
#undef AT

static const nb_command command = {
    .name = "run",
    .usage = "MODEL [-p TEXT] [OPTION]...",
    .summary = "Answers the prompt and ends; without one, and in a terminal, it is a chat (/help there).\n"
               "MODEL is a directory, ORG/NAME[@REVISION] or a short name.",
    .example = "nibble run ./my-model -p \"What is 347 + 285?\" --temperature 0",
    .n_args_min = 1,
    .n_args_max = 1,
    .groups = {{"Options", options, NB_COUNT_OF(options)}},
};

nb_chat_options nb_run_chat_options(const nb_run_args *args)
{
    nb_chat_options chat = nb_chat_defaults();
    if (args->thinking)
        chat.enable_thinking = args->thinking == 1;
    return chat;
}

nb_answer_request nb_run_request(const nb_run *run)
{
    return (nb_answer_request){
        .session = run->session,
        .text = run->info.text,
        .max_positions = run->info.max_positions,
        .stop_ids = run->info.stop_ids,
        .n_stop_ids = run->info.n_stop_ids,
        .sampling = &run->sampling,
        .n_max_tokens = run->args->n_max_tokens,
        .ignore_eos = run->args->ignore_eos,
        .stream = {.split_reasoning = !run->args->is_raw,
                   .skip_special = true,
                   .stops = run->args->stops.items,
                   .n_stops = run->args->stops.n_items},
    };
}

int nb_run_check_length(const nb_run *run, size_t n_ids)
{
    if (n_ids > run->info.max_positions)
        return nb_fail(NB_EXIT_FIT,
                       "the prompt is longer than the model allows; expected at most %u tokens, found %zu; try a "
                       "shorter prompt",
                       run->info.max_positions, n_ids);
    if (n_ids > run->plan.n_ctx)
        return nb_fail(NB_EXIT_FIT,
                       "the prompt does not fit the KV ring; expected at most %u tokens, found %zu; try --ctx %zu",
                       run->plan.n_ctx, n_ids, n_ids + 1024);
    return NB_EXIT_OK;
}

int nb_run_encode_chat(const nb_run *run, const nb_message *messages, size_t n_messages, int32_t **ids, size_t *n_ids,
                       bool *opens_reasoning)
{
    nb_chat_options chat = nb_run_chat_options(run->args);
    nb_error error = {0};
    nb_room room = {.n = 1024};
    *ids = NULL;
    while (nb_room_short(&room, &error)) {
        *ids = nb_resize(*ids, room.size * sizeof **ids);
        room.status = nb_chat_encode(run->info.text, messages, n_messages, &chat, *ids, room.size, &room.n,
                                     opens_reasoning, &error);
    }
    *n_ids = room.n;
    if (room.status == NB_OK && room.n == 0)
        return nb_fail(NB_EXIT_INPUT,
                       "the chat template makes no tokens of this prompt; expected at least one; try --raw");
    return nb_fail_error(room.status, &error);
}

static int encode_raw(const nb_run *run, int32_t **ids, size_t *n_ids)
{
    const nb_run_args *args = run->args;
    unsigned flags = NB_TEXT_SPECIAL | NB_TEXT_ADD;
    nb_error error = {0};
    nb_room room = {.n = args->prompt_bytes + 16};
    while (nb_room_short(&room, &error)) {
        *ids = nb_resize(*ids, room.size * sizeof **ids);
        room.status =
            nb_text_encode(run->info.text, args->prompt, args->prompt_bytes, flags, *ids, room.size, &room.n, &error);
    }
    *n_ids = room.n;
    if (room.status == NB_OK && room.n == 0)
        return nb_fail(NB_EXIT_INPUT, "the prompt is empty; expected some text, found none; try -p TEXT");
    return nb_fail_error(room.status, &error);
}

static int encode_prompt(const nb_run *run, int32_t **ids, size_t *n_ids, bool *opens_reasoning)
{
    const nb_run_args *args = run->args;
    if (args->is_raw)
        return encode_raw(run, ids, n_ids);
    if (strlen(args->prompt) != args->prompt_bytes)
        return nb_fail(NB_EXIT_INPUT, "the prompt is not text; expected no zero byte, found one at %zu",
                       strlen(args->prompt));
    nb_message messages[2] = {{"system", args->system}, {"user", args->prompt}};
    bool has_system = args->system != NULL;
    return nb_run_encode_chat(run, has_system ? messages : messages + 1, has_system ? 2 : 1, ids, n_ids,
                              opens_reasoning);
}

int nb_run_once(const nb_run *run)
{
    if (!run->info.text)
        return nb_fail(NB_EXIT_INPUT,
                       "the model has no tokenizer; expected tokenizer.json, found none; try --prompt-ids FILE "
                       "--output ids");
    int32_t *ids = NULL;
    nb_answer_request request = nb_run_request(run);
    int code = encode_prompt(run, &ids, &request.n_ids, &request.stream.in_reasoning);
    if (code == NB_EXIT_OK)
        code = nb_run_check_length(run, request.n_ids);
    if (code == NB_EXIT_OK) {
        request.ids = ids;
        code = nb_run_answer(run, &request, -1);
    }
    free(ids);
    return code;
}

static int read_prompt(nb_run_args *args, nb_growing *piped)
{
    if (!args->prompt) {
        errno = 0;
        if (!nb_growing_read(piped, stdin, MAX_PROMPT_BYTES))
            return nb_fail(NB_EXIT_INPUT, "cannot read the prompt from standard input: %s", strerror(errno));
        if (piped->bytes && piped->text[piped->bytes - 1] == '\n')
            piped->text[--piped->bytes] = 0;
        args->prompt = nb_growing_text(piped);
        args->prompt_bytes = piped->bytes;
    } else {
        args->prompt_bytes = strlen(args->prompt);
    }
    if (args->prompt_bytes == 0)
        return nb_fail(NB_EXIT_INPUT, "the prompt is empty; expected some text, found none; try -p TEXT");
    return NB_EXIT_OK;
}

static bool check_args(const nb_run_args *args, int *code)
{
    *code = NB_EXIT_OK;
    if (args->prompt && args->prompt_ids)
        *code = nb_fail(NB_EXIT_USAGE, "two prompts given; expected --prompt or --prompt-ids, found both");
    else if (args->is_json && args->output == NB_OUTPUT_IDS)
        *code = nb_fail(NB_EXIT_USAGE, "two output forms given; expected --json or --output ids, found both");
    else if (args->system && args->is_raw)
        *code = nb_fail(NB_EXIT_USAGE, "--system needs the chat template; expected it without --raw, found both");
    return *code == NB_EXIT_OK;
}

static bool wants_chat(const nb_run_args *args)
{
    return !args->prompt && !args->prompt_ids && isatty(STDIN_FILENO);
}

static void set_sampling(nb_run *run)
{
    const nb_run_args *args = run->args;
    run->sampling = nb_sampling_defaults();
    run->sampling.temperature = (float)args->temperature;
    run->sampling.top_p = (float)args->top_p;
    run->sampling.min_p = (float)args->min_p;
    run->sampling.top_k = (int32_t)args->top_k;
    run->sampling.repeat_penalty = (float)args->repeat_penalty;
    run->sampling.seed = nb_seed_or_new(args->seed);
}

static int run_model(nb_run *run, const nb_engine_args *engine_args)
{
    nb_session_options session_options = nb_engine_args_session(engine_args);
    if (engine_args->is_plan_only)
        return nb_plan_show(run->engine, engine_args, &session_options, run->args->is_json);
    nb_error error = {0};
    nb_status status = nb_session_plan(run->engine, &session_options, &run->plan, &error);
    if (status != NB_OK)
        return nb_fail_error(status, &error);
    int code = nb_engine_args_session_create(&run->session, run->engine, &session_options);
    if (code != NB_EXIT_OK)
        return code;
    nb_engine_info_get(run->engine, &run->info);
    nb_interrupt_watch(run->session, false);
    if (wants_chat(run->args))
        code = nb_run_chat(run);
    else
        code = run->args->prompt_ids ? nb_run_sequences(run) : nb_run_once(run);
    nb_interrupt_watch(NULL, false);
    nb_session_free(run->session);
    return code;
}

static int open_and_run(nb_run_args *args, const nb_engine_args *engine_args, const char *model)
{
    nb_run run = {.args = args};
    nb_growing piped = {0};
    int code = NB_EXIT_OK;
    if (wants_chat(args) && !engine_args->is_plan_only && !isatty(STDOUT_FILENO))
        return nb_fail(NB_EXIT_USAGE,
                       "no prompt given; expected -p TEXT or text piped in, found a terminal without output");
    if (wants_chat(args) && !engine_args->is_plan_only && (args->is_json || args->output == NB_OUTPUT_IDS))
        return nb_fail(
            NB_EXIT_USAGE,
            "a chat is text; expected -p TEXT or text piped in with --json and --output ids, found a terminal");
    if (!args->prompt_ids && !wants_chat(args) && !engine_args->is_plan_only)
        code = read_prompt(args, &piped);
    double start = nb_now_s();
    nb_session_options session = nb_engine_args_session(engine_args);
    if (code == NB_EXIT_OK)
        code = nb_engine_args_open(&run.engine, model, engine_args, engine_args->is_plan_only ? NULL : &session);
    run.load_s = nb_now_s() - start;
    set_sampling(&run);
    if (code == NB_EXIT_OK) {
        code = run_model(&run, engine_args);
        nb_engine_close(run.engine);
    }
    nb_growing_release(&piped);
    return code;
}

int nb_command_run(int argc, char **argv)
{
    nb_sampling sampling = nb_sampling_defaults();
    nb_run_args args = {
        .think = NB_THINK_DIM,
        .temperature = 0.6,
        .top_p = 0.95,
        .min_p = sampling.min_p,
        .top_k = (uint64_t)sampling.top_k,
        .repeat_penalty = sampling.repeat_penalty,
        .seed = UINT64_MAX,
        .n_max_tokens = 4096,
    };
    nb_engine_args engine_args;
    int code;
    if (nb_options_parse_with_engine(&command, &args, &engine_args, argc, argv, &code) && check_args(&args, &code))
        code = open_and_run(&args, &engine_args, argv[optind]);
    free(args.stops.items);
    int flushed = code == NB_EXIT_OK ? nb_out_flush() : NB_EXIT_OK;
    return code != NB_EXIT_OK ? code : flushed;
}
