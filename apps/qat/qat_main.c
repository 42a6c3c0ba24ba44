// SPDX-License-Identifier: Apache-2.0
// nibble-qat: the workshop, which makes and judges 4-bit models.
#include <stdio.h>
#include <string.h>

#include "apps/common/cli.h"
#include "apps/common/interrupt.h"
#include "apps/qat/qat_commands.h"

typedef struct qat_command {
    const char *name;
    const char *help;
    int (*run)(int argc, char **argv); // NULL: not built yet
} qat_command;

static const qat_command commands[] = {
    {"quantize", "full-precision directory -> NVFP4 directory", nb_command_quantize},
    {"traces", "math problems with reasoning to train on", nb_command_traces},
    {"tokenizer", "train a tokenizer on traces", nb_command_tokenizer},
    {"init", "a model with random weights", nb_command_init},
    {"sft", "fine-tune in full precision", nb_command_sft},
    {"qfit", "fit a model to the 4-bit cache", nb_command_qfit},
    {"qat", "train with the 4-bit forward pass", nb_command_qat},
    {"grad", "loss and gradients of one batch", nb_command_grad},
    {"eval", "accuracy on a task", nb_command_eval},
    {"entropy", "entropy and sampling errors by token class", nb_command_entropy},
};

static void print_help(FILE *file)
{
    fputs("Usage: nibble-qat COMMAND [ARGUMENT]...\n"
          "Makes and judges 4-bit models. `nibble-qat COMMAND --help` describes a command.\n\nCommands:\n",
          file);
    for (size_t i = 0; i < NB_COUNT_OF(commands); i++)
        fprintf(file, "  %-10s %s%s\n", commands[i].name, commands[i].help, commands[i].run ? "" : " (not built yet)");
    fputs("\nOptions:\n  -h, --help     this help\n      --version  the version\n\n"
          "Example: nibble-qat quantize Qwen2.5-1.5B-Instruct Qwen2.5-1.5B-Instruct-NVFP4\n",
          file);
}

static int run_command(int argc, char **argv)
{
    for (size_t i = 0; i < NB_COUNT_OF(commands); i++)
        if (strcmp(argv[0], commands[i].name) == 0) {
            if (commands[i].run)
                return commands[i].run(argc, argv);
            return nb_fail(NB_EXIT_USAGE, "%s is not built yet; try `nibble-qat --help` for what is", argv[0]);
        }
    return nb_fail(NB_EXIT_USAGE, "no command %s; expected one of those that `nibble-qat --help` lists", argv[0]);
}

int main(int argc, char **argv)
{
    nb_memory_install();
    nb_interrupt_install();
    if (argc < 2) {
        print_help(stderr);
        return NB_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(stdout);
        return nb_out_flush();
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("nibble-qat %s\n", nb_version());
        return nb_out_flush();
    }
    return run_command(argc - 1, argv + 1);
}
