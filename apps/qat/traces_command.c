// SPDX-License-Identifier: Apache-2.0
// nibble-qat traces: problems with their reasoning, to train on and to judge by.
#include <stdlib.h>
#include <string.h>

#include "apps/common/growing_text.h"
#include "apps/common/interrupt.h"
#include "apps/common/option_table.h"
#include "apps/common/unfinished.h"
#include "apps/qat/qat_commands.h"
#include "apps/tutor/traces/traces.h"
#include "platform/file.h"

typedef struct traces_options {
    uint64_t n, seed, level, made_up;
    int split;
    const char *kinds, *out;
} traces_options;

#define AT(field) offsetof(traces_options, field)
static const nb_option traces_table[] = {
    {.name = "n",
     .letter = 'n',
     .kind = NB_OPTION_WHOLE,
     .offset = AT(n),
     .value = "N",
     .help = "how many problems (default 1000)",
     .whole_min = 1,
     .whole_max = 100000000},
    {.name = "seed",
     .kind = NB_OPTION_WHOLE,
     .offset = AT(seed),
     .value = "N",
     .help = "the same seed gives the same problems on every machine (default 1)",
     .whole_max = UINT32_MAX},
    {.name = "split",
     .kind = NB_OPTION_CHOICE,
     .offset = AT(split),
     .value = "NAME",
     .choices = "train|eval",
     .help = "train or eval; they share no question, name or thing (default train)"},
    {.name = "kind",
     .kind = NB_OPTION_TEXT,
     .offset = AT(kinds),
     .value = "LIST",
     .help = "kinds of problems, separated by commas (default: all, as they are weighted); listed below"},
    {.name = "level",
     .kind = NB_OPTION_WHOLE,
     .offset = AT(level),
     .value = "N",
     .help = "1 (small numbers) to 5 (default: all)",
     .whole_min = NB_LEVEL_MIN,
     .whole_max = NB_LEVEL_MAX},
    {.name = "made-up",
     .kind = NB_OPTION_WHOLE,
     .offset = AT(made_up),
     .value = "PERCENT",
     .help = "of the names and things, those that are no words: what is learnt from them holds for any (default 0)",
     .whole_max = 100},
    {.name = "out",
     .letter = 'o',
     .kind = NB_OPTION_TEXT,
     .offset = AT(out),
     .value = "FILE",
     .help = "write there instead of standard output"},
};

static const nb_command traces_command = {
    .program = "nibble-qat",
    .name = "traces",
    .usage = "[OPTION]...",
    .summary =
        "Makes arithmetic and word problems with step-by-step reasoning, one JSON object a line:\n"
        "{\"prompt\", \"response\", \"kind\"} for training, {\"question\", \"answer\", \"kind\", \"steps\"} for eval.\n"
        "Kinds: addition subtraction multiplication division remainder order fractions percent money time\n"
        "units rates comparison ages averages geometry joining taking unknown groups sharing measures steps.",
    .example = "nibble-qat traces --n 200000 --seed 7 --out train.jsonl",
    .groups = {{"Options", traces_table, NB_COUNT_OF(traces_table)}},
};

static json_t *as_object(const nb_problem *problem, bool is_train)
{
    const char *kind = nb_kinds[problem->kind].name;
    if (!is_train)
        return json_pack("{s:s, s:s, s:s, s:s#}", "question", problem->question, "answer", problem->answer, "kind",
                         kind, "steps", problem->steps, (int)strlen(problem->steps) - 1);
    char response[NB_RESPONSE_BYTES];
    nb_problem_response(problem, response);
    return json_pack("{s:s, s:s, s:s}", "prompt", problem->question, "response", response, "kind", kind);
}

static nb_status write_line(nb_writer *file, const nb_problem *problem, bool is_train, nb_error *error)
{
    nb_growing line = {0};
    nb_growing_add_json(&line, as_object(problem, is_train), JSON_COMPACT);
    nb_growing_add(&line, "\n", 1);
    nb_status status = NB_OK;
    if (file)
        status = nb_writer_write(file, line.text, line.bytes, error);
    else
        fwrite(line.text, 1, line.bytes, stdout); // nb_out_flush tells of failures
    nb_growing_release(&line);
    return status;
}

static nb_status write_all(nb_problems *problems, const traces_options *options, nb_writer *file, nb_error *error)
{
    for (uint64_t i = 0; i < options->n; i++) {
        nb_problem problem;
        if (nb_interrupt_pending())
            return nb_error_set(error, NB_ERR_STOPPED, "interrupted");
        if (!nb_problems_next(problems, &problem))
            return nb_error_set(error, NB_ERR_INPUT, "no problem of these kinds at level %u; try another level",
                                problems->level);
        NB_TRY(write_line(file, &problem, problems->split == NB_SPLIT_TRAIN, error));
    }
    return NB_OK;
}

static void abort_writer(void *writer)
{
    nb_writer_abort(writer);
}

static nb_status write_file(nb_problems *problems, const traces_options *options, nb_error *error)
{
    nb_writer file;
    NB_TRY(nb_writer_open(&file, options->out, error));
    nb_unfinished_add(abort_writer, &file);
    nb_interrupt_watch(NULL, true); // Ctrl-C leaves no half of a file
    nb_status status = write_all(problems, options, &file, error);
    if (status == NB_OK)
        status = nb_writer_commit(&file, error);
    nb_writer_abort(&file);
    nb_unfinished_remove(&file);
    return status;
}

int nb_command_traces(int argc, char **argv)
{
    traces_options options = {.n = 1000, .seed = 1};
    int exit_code;
    if (!nb_options_parse(&traces_command, (void *const[]){&options}, argc, argv, &exit_code))
        return exit_code;
    nb_problems problems = {.seed = options.seed,
                            .split = options.split ? NB_SPLIT_EVAL : NB_SPLIT_TRAIN,
                            .level = (unsigned)options.level,
                            .made_up_percent = (unsigned)options.made_up};
    const char *bad;
    size_t bad_bytes;
    if (options.kinds && !nb_kinds_parse(options.kinds, &problems.kinds, &bad, &bad_bytes))
        return nb_fail(NB_EXIT_USAGE, "--kind: no kind %.*s; try `nibble-qat traces --help` for the list",
                       (int)bad_bytes, bad);
    nb_error error = {0};
    nb_status status =
        options.out ? write_file(&problems, &options, &error) : write_all(&problems, &options, NULL, &error);
    return status == NB_OK ? nb_out_flush() : nb_fail_error(status, &error);
}
