// SPDX-License-Identifier: Apache-2.0
// The commands of nibble: each takes its own arguments (argv[0] is the command's name) and returns an exit code.
#ifndef NB_APPS_COMMANDS_H
#define NB_APPS_COMMANDS_H

int nb_command_run(int argc, char **argv);
int nb_command_score(int argc, char **argv);
int nb_command_tokenize(int argc, char **argv);
int nb_command_info(int argc, char **argv);
int nb_command_bench(int argc, char **argv);
int nb_command_doctor(int argc, char **argv);
int nb_command_tutor(int argc, char **argv);
int nb_command_models(int argc, char **argv);
int nb_command_rm(int argc, char **argv);
int nb_command_pull(int argc, char **argv);

#endif
