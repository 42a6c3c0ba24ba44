// SPDX-License-Identifier: Apache-2.0
// The commands of nibble-qat: each takes its own arguments (argv[0] is the command's name) and returns an exit code.
#ifndef NB_APPS_QAT_COMMANDS_H
#define NB_APPS_QAT_COMMANDS_H

int nb_command_entropy(int argc, char **argv);
int nb_command_eval(int argc, char **argv);
int nb_command_grad(int argc, char **argv);
int nb_command_init(int argc, char **argv);
int nb_command_qat(int argc, char **argv);
int nb_command_qfit(int argc, char **argv);
int nb_command_quantize(int argc, char **argv);
int nb_command_sft(int argc, char **argv);
int nb_command_tokenizer(int argc, char **argv);
int nb_command_traces(int argc, char **argv);

#endif
