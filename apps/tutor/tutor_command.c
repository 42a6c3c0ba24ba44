// SPDX-License-Identifier: Apache-2.0
// nibble tutor: options, and which way it goes.
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/common/commands.h"
#include "apps/tutor/tutor_args.h"

#define AT(field) offsetof(nb_tutor_args, field)
static const nb_option options[] = {
    {.name = "prompt",
     .letter = 'p',
     .kind = NB_OPTION_TEXT,
     .offset = AT(question),
     .value = "QUESTION",
     .help = "the question (default: a line each from a pipe; else typed)"},
    {.name = "model",
     .letter = 'm',
     .kind = NB_OPTION_TEXT,
     .offset = AT(model),
     .value = "MODEL",
     .help = "a reasoning model (default: the bundled one)"},
    {.name = "retries",
     .kind = NB_OPTION_WHOLE,
     .offset = AT(n_retries),
     .value = "N",
     .whole_max = 100,
     .help = "times a wrong step is taken back (default: 4)"},
    {.name = "restarts",
     .kind = NB_OPTION_WHOLE,
     .offset = AT(n_restarts),
     .value = "N",
     .whole_max = 100,
     .help = "times a reasoning starts over when a step stays wrong (default: 4)"},
    {.name = "vote",
     .kind = NB_OPTION_WHOLE,
     .offset = AT(n_votes),
     .value = "K",
     .whole_min = 1,
     .whole_max = NB_TUTOR_MAX_LANES,
     .help = "reason K times in one batch; most votes win (default: 1)"},
    {.name = "json",
     .kind = NB_OPTION_FLAG,
     .offset = AT(is_json),
     .help = "one JSON object a line of reasoning, and one at the end"},
    {.name = "hint",
     .kind = NB_OPTION_FLAG,
     .offset = AT(is_hint),
     .help = "you find the steps, one at a time; yours are checked"},
    {.name = "practice",
     .kind = NB_OPTION_FLAG,
     .offset = AT(is_practice),
     .help = "problems at your level, of TOPIC or of all topics"},
    {.name = "problems",
     .kind = NB_OPTION_WHOLE,
     .offset = AT(n_problems),
     .value = "N",
     .whole_min = 1,
     .whole_max = 1 << 30,
     .help = "practice: end after N (default: until you leave)"},
    {.name = "learner",
     .kind = NB_OPTION_TEXT,
     .offset = AT(learner),
     .value = "NAME",
     .help = "whose records (default: the user's name)"},
    {.name = "progress",
     .kind = NB_OPTION_FLAG,
     .offset = AT(is_progress),
     .help = "show the learner's records, by topic and over time"},
    {.name = "export",
     .kind = NB_OPTION_TEXT,
     .offset = AT(export_path),
     .value = "FILE",
     .help = "write the records as CSV; of all learners without --learner"},
    {.name = "delete-learner",
     .kind = NB_OPTION_TEXT,
     .offset = AT(delete_name),
     .value = "NAME",
     .help = "remove a learner with all records, after asking"},
    {.name = "yes", .kind = NB_OPTION_FLAG, .offset = AT(is_sure), .help = "do not ask"},
    {.name = "no-check",
     .kind = NB_OPTION_FLAG,
     .offset = AT(is_plain),
     .help = "take nothing back: wrong steps are shown as such"},
    {.name = "max-tokens",
     .letter = 'n',
     .kind = NB_OPTION_WHOLE,
     .offset = AT(n_max_tokens),
     .value = "N",
     .whole_min = 1,
     .whole_max = 1 << 30,
     .help = "tokens a reasoning may have (default: 4096)"},
    {.name = "temperature",
     .kind = NB_OPTION_REAL,
     .offset = AT(temperature),
     .value = "X",
     .real_max = 100,
     .help = "0: greedy (default: 0, with --vote 0.6)"},
    {.name = "seed",
     .kind = NB_OPTION_WHOLE,
     .offset = AT(seed),
     .value = "N",
     .whole_max = INT64_MAX,
     .help = "same seed, same answer (default: a new one each time)"},
};
#undef AT

static const nb_command command = {
    .name = "tutor",
    .usage = "[-p QUESTION | --practice [TOPIC,...]] [OPTION]...",
    .summary = "Answers a math question step by step, every step checked exactly; wrong ones are done again.\n"
               "Without -p it reads questions, a line each, or asks for them in a terminal (/help there).",
    .example = "nibble tutor -p \"What is 347 + 285?\"",
    .n_args_max = 1,
    .groups = {{"Options", options, NB_COUNT_OF(options)}},
};

static void set_sampling(nb_tutor *tutor)
{
    const nb_tutor_args *args = tutor->args;
    tutor->sampling = nb_sampling_defaults();
    tutor->sampling.temperature = args->temperature >= 0 ? (float)args->temperature : args->n_votes > 1 ? 0.6f : 0.0f;
    tutor->sampling.seed = nb_seed_or_new(args->seed);
}

static int show_plan(const char *model, const nb_engine_args *engine_args, const nb_tutor_args *args)
{
    nb_engine *engine = NULL;
    nb_session_options session = nb_tutor_model_sessions(engine_args, args->n_votes);
    int code = nb_engine_args_open(&engine, model, engine_args, NULL);
    if (code != NB_EXIT_OK)
        return code;
    code = nb_plan_show(engine, engine_args, &session, args->is_json);
    nb_engine_close(engine);
    return code;
}

// Before a model is loaded for it.
static int check_question(const nb_tutor_args *args)
{
    nb_question question;
    char why[256];
    if (args->question && !nb_question_read(&question, args->question, strlen(args->question), why, sizeof why))
        return nb_fail(NB_EXIT_INPUT, "%s", why);
    if (!args->question && isatty(STDIN_FILENO) && (args->is_json || !isatty(STDOUT_FILENO)))
        return nb_fail(NB_EXIT_USAGE, "no question; expected -p QUESTION or questions piped in, found a terminal");
    return NB_EXIT_OK;
}

static int run(const nb_tutor_args *args, const nb_engine_args *engine_args)
{
    char bundled[PATH_MAX];
    const char *model = args->model ? args->model : bundled;
    int code = engine_args->is_plan_only ? NB_EXIT_OK : check_question(args);
    if (code == NB_EXIT_OK && !args->model)
        code = nb_tutor_model_find(bundled);
    if (code != NB_EXIT_OK)
        return code;
    if (engine_args->is_plan_only)
        return show_plan(model, engine_args, args);
    nb_tutor *tutor = nb_alloc(sizeof *tutor);
    tutor->args = args;
    set_sampling(tutor);
    code = nb_tutor_model_open(&tutor->model, model, engine_args, args->n_votes);
    if (code == NB_EXIT_OK) {
        code = args->is_hint ? nb_tutor_lead(tutor) : nb_tutor_ask(tutor);
        nb_tutor_model_close(&tutor->model);
    }
    free(tutor);
    return code;
}

static int choose(const nb_tutor_args *args, const nb_engine_args *engine_args, const char *topics)
{
    int n_orders = args->is_practice + args->is_progress + (args->export_path != NULL) + (args->delete_name != NULL);
    if (n_orders + args->is_hint > 1 || (n_orders && args->question))
        return nb_fail(NB_EXIT_USAGE, "several things asked for; expected one of -p, --practice, --progress, --export, "
                                      "--delete-learner, found more; try nibble tutor --help");
    if (topics && !args->is_practice)
        return nb_fail(
            NB_EXIT_USAGE,
            "an argument without its option; expected -p QUESTION or --practice TOPIC, found \"%.100s\"; try "
            "nibble tutor --help",
            topics);
    if (args->is_json && (n_orders || args->is_hint))
        return nb_fail(NB_EXIT_USAGE, "--json is for questions; expected it alone, found it with another way; try "
                                      "without --json");
    return n_orders ? nb_tutor_records(args, topics) : run(args, engine_args);
}

int nb_command_tutor(int argc, char **argv)
{
    nb_tutor_args args = {
        .n_retries = 4, .n_restarts = 4, .n_votes = 1, .n_max_tokens = 4096, .temperature = -1, .seed = UINT64_MAX};
    nb_engine_args engine_args;
    int code;
    if (nb_options_parse_with_engine(&command, &args, &engine_args, argc, argv, &code))
        code = choose(&args, &engine_args, argv[optind]);
    int flushed = code == NB_EXIT_OK ? nb_out_flush() : NB_EXIT_OK;
    return code != NB_EXIT_OK ? code : flushed;
}
