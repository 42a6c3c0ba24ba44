// SPDX-License-Identifier: Apache-2.0
// nibble pull: a model from the Hugging Face Hub into its cache, or into a directory. What is done stands in pull.c.
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>

#include "apps/common/commands.h"
#include "apps/common/stop.h"
#include "apps/hub/pull_args.h"

#define AT(field) offsetof(nb_pull_args, field)
static const nb_option options[] = {
    {.name = "include",
     .kind = NB_OPTION_TEXTS,
     .offset = AT(globs.include),
     .value = "GLOB",
     .help = "take the files that match (repeatable) instead of what nibble reads"},
    {.name = "exclude",
     .kind = NB_OPTION_TEXTS,
     .offset = AT(globs.exclude),
     .value = "GLOB",
     .help = "leave out the files that match (repeatable)"},
    {.name = "to",
     .kind = NB_OPTION_TEXT,
     .offset = AT(directory),
     .value = "DIR",
     .help = "plain files in DIR instead of the cache"},
    {.name = "dry-run",
     .letter = 'n',
     .kind = NB_OPTION_FLAG,
     .offset = AT(is_dry),
     .help = "list what would be taken, with sizes; write nothing"},
    {.name = "verify",
     .kind = NB_OPTION_FLAG,
     .offset = AT(does_verify),
     .help = "hash again what is here; what is damaged is fetched anew"},
    {.name = "offline",
     .kind = NB_OPTION_FLAG,
     .offset = AT(is_offline),
     .help = "only look at what is here; no socket is opened"},
    {.name = "json", .kind = NB_OPTION_FLAG, .offset = AT(is_json), .help = "events as JSON objects, one a line"},
    {.name = "jobs",
     .letter = 'j',
     .kind = NB_OPTION_WHOLE,
     .offset = AT(n_jobs),
     .value = "N",
     .help = "files at the same time (4)",
     .whole_min = 1,
     .whole_max = 16},
    {.name = "retries",
     .kind = NB_OPTION_WHOLE,
     .offset = AT(n_retries),
     .value = "N",
     .help = "tries again after a failure without progress (5)",
     .whole_max = 1000},
    {.name = "retry-wait",
     .kind = NB_OPTION_REAL,
     .offset = AT(retry_wait_s),
     .value = "SECONDS",
     .help = "before the first of them; doubles up to eightfold (1)",
     .real_max = 3600},
    {.name = "stall-timeout",
     .kind = NB_OPTION_REAL,
     .offset = AT(stall_s),
     .value = "SECONDS",
     .help = "without a byte before a connection is given up (30)",
     .real_min = 0.1,
     .real_max = 86400},
};

static const nb_command command = {
    .name = "pull",
    .usage = "ORG/NAME[@REVISION] [OPTION]...",
    .summary = "Brings a model from the Hugging Face Hub into the Hugging Face cache, whole or not at all: every\n"
               "file is checked against its hash, and what came before a stop is kept for the next time.\n"
               "Prints the directory it is in. HF_TOKEN, HF_HOME, HF_ENDPOINT and the like are obeyed.",
    .example = "nibble pull deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B",
    .n_args_min = 1,
    .n_args_max = 1,
    .groups = {{"Options", options, NB_COUNT_OF(options)}},
};

static int run(nb_pull_args *args, const char *target)
{
    const char *expected;
    if (!nb_hub_target_parse(&args->name, target, &expected))
        return nb_fail(NB_EXIT_USAGE, "wrong name; expected %s, found \"%.200s\"; try nibble pull --help", expected,
                       target);
    if (args->directory && !args->directory[0])
        return nb_fail(NB_EXIT_USAGE,
                       "wrong value for --to; expected a directory, found nothing; try nibble pull --help");
    nb_stop_install();
    signal(SIGPIPE, SIG_IGN); // a reader that left is a failed write
    signal(SIGXFSZ, SIG_IGN); // and so is a file that may not grow
    return nb_pull(args);
}

int nb_command_pull(int argc, char **argv)
{
    nb_pull_args args = {.n_jobs = 4, .n_retries = 5, .retry_wait_s = 1};
    int code;
    if (nb_options_parse(&command, (void *const[]){&args}, argc, argv, &code))
        code = run(&args, argv[optind]);
    free(args.globs.include.items);
    free(args.globs.exclude.items);
    return code;
}
