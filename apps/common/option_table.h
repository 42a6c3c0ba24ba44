// SPDX-License-Identifier: Apache-2.0
// Options as data: a table per command, read by the parser and by --help alike. Values are stored at an offset into a
// plain struct, so a table is constant and the defaults are the struct's initial values.
#ifndef NB_APPS_OPTION_TABLE_H
#define NB_APPS_OPTION_TABLE_H

#include "apps/common/cli.h"

typedef enum nb_option_kind {
    NB_OPTION_FLAG,   // bool, set to true
    NB_OPTION_TEXT,   // const char *
    NB_OPTION_TEXTS,  // nb_option_texts; may be repeated
    NB_OPTION_WHOLE,  // uint64_t within whole_min..whole_max
    NB_OPTION_WHOLES, // nb_option_wholes, "0,2048"; each within whole_min..whole_max
    NB_OPTION_REAL,   // double within real_min..real_max
    NB_OPTION_CHOICE, // int: index into `choices`
} nb_option_kind;

typedef struct nb_option_texts {
    const char **items; // the arguments themselves
    uint32_t n_items;
} nb_option_texts;

enum { NB_OPTION_MAX_WHOLES = 32 };
typedef struct nb_option_wholes {
    uint64_t items[NB_OPTION_MAX_WHOLES];
    size_t n_items;
} nb_option_wholes;

typedef struct nb_option {
    const char *name; // without the dashes
    char letter;      // short form, 0: none
    nb_option_kind kind;
    size_t offset;       // of the value in the group's struct
    const char *value;   // what stands for the value in --help; NULL: its choices
    const char *help;    // with the default in parentheses
    const char *choices; // "a|b|c"
    uint64_t whole_min, whole_max;
    double real_min, real_max;
} nb_option;

typedef struct nb_option_group {
    const char *title;
    const nb_option *options;
    size_t n_options;
} nb_option_group;

enum { NB_COMMAND_MAX_GROUPS = 2 };
typedef struct nb_command {
    const char *program; // whose command it is; NULL: nibble
    const char *name;
    const char *usage;   // "MODEL [-p TEXT] [OPTION]..."
    const char *summary; // one or more lines
    const char *example;
    int n_args_min, n_args_max;                    // arguments that are no options
    nb_option_group groups[NB_COMMAND_MAX_GROUPS]; // title NULL: unused
} nb_command;

// Reads argv into the groups' structs (values[i] belongs to groups[i]); arguments that are no options are left at
// argv[optind], their number checked. Returns true to go on; false with `*exit_code` set after --help or an error.
bool nb_options_parse(const nb_command *command, void *const *values, int argc, char **argv, int *exit_code);

void nb_options_help(const nb_command *command);

#endif
