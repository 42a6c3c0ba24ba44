// SPDX-License-Identifier: Apache-2.0
// nibble COMMAND ...: picks the command; everything else is in its folder.
#include <locale.h>
#include <string.h>

#include "apps/common/cli.h"
#include "apps/common/commands.h"
#include "apps/common/interrupt.h"
#include "apps/common/word_distance.h"

typedef struct entry {
    const char *name;
    int (*run)(int argc, char **argv); // NULL: named in the plan, not there yet
    const char *summary;
} entry;

static const entry entries[] = {
    {"run", nb_command_run, "answer a prompt, or chat in the terminal"},
    {"tutor", nb_command_tutor, "answer math questions step by step, every step checked"},
    {"score", nb_command_score, "negative log-likelihood and logits of given texts or ids"},
    {"tokenize", nb_command_tokenize, "text to token ids and back, chat templates"},
    {"info", nb_command_info, "what a model directory or a safetensors file holds, checked"},
    {"bench", nb_command_bench, "speed of prefill, decoding and loading"},
    {"doctor", nb_command_doctor, "what this machine is and what to change"},
    {"pull", nb_command_pull, "bring a model from the Hugging Face Hub, whole or not at all"},
    {"models", nb_command_models, "what a name can mean: models here, their formats and sizes"},
    {"rm", nb_command_rm, "remove models"},
    {"serve", NULL, NULL},
};

static int show_help(void)
{
    printf("Usage: nibble COMMAND [ARGUMENT]...\n"
           "Runs 4-bit reasoning models on one small machine.\n\nCommands:\n");
    for (size_t i = 0; i < NB_COUNT_OF(entries); i++)
        if (entries[i].run)
            printf("  %-10s %s\n", entries[i].name, entries[i].summary);
    printf("\n  -h, --help     this text; nibble COMMAND --help tells about a command\n"
           "      --version  the version\n\nExample:\n  nibble run ./my-model -p \"What is 347 + 285?\"\n");
    return nb_out_flush();
}

static int fail_unknown(const char *name)
{
    const entry *nearest = &entries[0];
    for (size_t i = 1; i < NB_COUNT_OF(entries); i++)
        if (entries[i].run && nb_word_distance(name, entries[i].name) < nb_word_distance(name, nearest->name))
            nearest = &entries[i];
    if (nb_word_distance(name, nearest->name) <= 2)
        return nb_fail(NB_EXIT_USAGE, "unknown command; expected one of nibble --help, found \"%.100s\"; try nibble %s",
                       name, nearest->name);
    return nb_fail(NB_EXIT_USAGE,
                   "unknown command; expected run, tutor, score, tokenize, info, bench or doctor, found \"%.100s\"; "
                   "try nibble --help",
                   name);
}

int main(int argc, char **argv)
{
    nb_memory_install();
    setlocale(LC_CTYPE, "C.UTF-8"); // line editing knows characters; numbers keep their point
    nb_interrupt_install();
    const char *name = argc > 1 ? argv[1] : NULL;
    if (!name)
        return nb_fail(NB_EXIT_USAGE, "no command given; expected nibble COMMAND, found nothing; try nibble --help");
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0)
        return show_help();
    if (strcmp(name, "--version") == 0) {
        printf("nibble %s\n", nb_version());
        return nb_out_flush();
    }
    for (size_t i = 0; i < NB_COUNT_OF(entries); i++) {
        if (strcmp(name, entries[i].name) != 0)
            continue;
        if (entries[i].run)
            return entries[i].run(argc - 1, argv + 1);
        return nb_fail(NB_EXIT_USAGE,
                       "nibble %s is not built yet; expected a command of this version, found one of a later; "
                       "try nibble --help",
                       name);
    }
    return fail_unknown(name);
}
