// SPDX-License-Identifier: Apache-2.0
#include "apps/common/option_table.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *program_of(const nb_command *command)
{
    return command->program ? command->program : "nibble";
}

enum {
    MAX_OPTIONS = 64,
    VERSION_CODE = 999,
    FIRST_CODE = 1000
}; // getopt's code of option i is FIRST_CODE + i: no letter collides

typedef struct flat_option {
    const nb_option *option;
    void *value;
} flat_option;

typedef struct parser {
    const nb_command *command;
    flat_option flat[MAX_OPTIONS];
    struct option longs[MAX_OPTIONS + 3];
    char shorts[2 * MAX_OPTIONS + 4];
    int n;
} parser;

static bool wants_value(const nb_option *option)
{
    return option->kind != NB_OPTION_FLAG;
}

static void add_option(parser *p, const nb_option *option, char *base)
{
    p->flat[p->n] = (flat_option){option, base + option->offset};
    p->longs[p->n] =
        (struct option){option->name, wants_value(option) ? required_argument : no_argument, NULL, FIRST_CODE + p->n};
    size_t end = strlen(p->shorts);
    if (option->letter) {
        p->shorts[end++] = option->letter;
        if (wants_value(option))
            p->shorts[end] = ':';
    }
    p->n++;
}

static void build(parser *p, const nb_command *command, void *const *values)
{
    memset(p, 0, sizeof *p);
    p->command = command;
    strcpy(p->shorts, ":h"); // the colon: a missing value is told from an unknown option
    for (int g = 0; g < NB_COMMAND_MAX_GROUPS && command->groups[g].title; g++)
        for (size_t i = 0; i < command->groups[g].n_options && p->n < MAX_OPTIONS; i++)
            add_option(p, &command->groups[g].options[i], values[g]);
    p->longs[p->n] = (struct option){"help", no_argument, NULL, 'h'};
    p->longs[p->n + 1] = (struct option){"version", no_argument, NULL, VERSION_CODE};
}

static bool read_whole(const char *text, size_t bytes, const nb_option *option, uint64_t *value)
{
    if (bytes == 0 || bytes > 20)
        return false;
    uint64_t sum = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        if (__builtin_mul_overflow(sum, 10u, &sum) || __builtin_add_overflow(sum, (uint64_t)(text[i] - '0'), &sum))
            return false;
    }
    *value = sum;
    return sum >= option->whole_min && sum <= option->whole_max;
}

static bool read_wholes(const char *text, const nb_option *option, nb_option_wholes *list)
{
    list->n_items = 0;
    for (;;) {
        size_t bytes = strcspn(text, ",");
        if (list->n_items == NB_OPTION_MAX_WHOLES || !read_whole(text, bytes, option, &list->items[list->n_items]))
            return false;
        list->n_items++;
        if (text[bytes] == 0)
            return true;
        text += bytes + 1;
    }
}

static bool read_real(const char *text, const nb_option *option, double *value)
{
    if (text[0] == 0 || strspn(text, "0123456789+-.eE") != strlen(text))
        return false;
    char *end;
    *value = strtod(text, &end);
    return *end == 0 && isfinite(*value) && *value >= option->real_min && *value <= option->real_max;
}

static bool read_choice(const char *text, const char *choices, int *value)
{
    for (int index = 0;; index++) {
        size_t bytes = strcspn(choices, "|");
        if (strlen(text) == bytes && memcmp(text, choices, bytes) == 0) {
            *value = index;
            return true;
        }
        if (choices[bytes] == 0)
            return false;
        choices += bytes + 1;
    }
}

static void append_text(nb_option_texts *list, const char *text)
{
    list->items = nb_resize(list->items, (list->n_items + 1) * sizeof *list->items);
    list->items[list->n_items++] = text;
}

static bool store(const flat_option *flat, const char *text)
{
    switch (flat->option->kind) {
    case NB_OPTION_FLAG:
        *(bool *)flat->value = true;
        return true;
    case NB_OPTION_TEXT:
        *(const char **)flat->value = text;
        return true;
    case NB_OPTION_TEXTS:
        append_text(flat->value, text);
        return true;
    case NB_OPTION_WHOLE:
        return read_whole(text, strlen(text), flat->option, flat->value);
    case NB_OPTION_WHOLES:
        return read_wholes(text, flat->option, flat->value);
    case NB_OPTION_REAL:
        return read_real(text, flat->option, flat->value);
    case NB_OPTION_CHOICE:
        return read_choice(text, flat->option->choices, flat->value);
    }
    return false;
}

static int fail_value(const parser *p, const nb_option *option, const char *text)
{
    char expected[128];
    if (option->kind == NB_OPTION_REAL)
        snprintf(expected, sizeof expected, "a number from %g to %g", option->real_min, option->real_max);
    else if (option->kind == NB_OPTION_CHOICE)
        snprintf(expected, sizeof expected, "%s", option->choices);
    else
        snprintf(expected, sizeof expected, "%s from %llu to %llu",
                 option->kind == NB_OPTION_WHOLES ? "whole numbers with commas between," : "a whole number",
                 (unsigned long long)option->whole_min, (unsigned long long)option->whole_max);
    return nb_fail(NB_EXIT_USAGE, "wrong value for --%s; expected %s, found \"%.100s\"; try %s %s --help", option->name,
                   expected, text, program_of(p->command), p->command->name);
}

// getopt_long's verdicts '?' and ':' on `argument`.
static int fail_option(const parser *p, int verdict, const char *argument)
{
    if (verdict == ':')
        return nb_fail(NB_EXIT_USAGE,
                       "option %.100s needs a value; expected one after it, found none; try %s %s --help", argument,
                       program_of(p->command), p->command->name);
    for (int i = 0; optopt && i < p->n; i++)
        if (p->longs[i].val == optopt)
            return nb_fail(NB_EXIT_USAGE,
                           "option --%s takes no value; expected none, found \"%.100s\"; try %s %s --help",
                           p->longs[i].name, argument, program_of(p->command), p->command->name);
    return nb_fail(NB_EXIT_USAGE,
                   "unknown or ambiguous option; expected one of %s %s, found \"%.100s\"; try %s %s --help",
                   program_of(p->command), p->command->name, argument, program_of(p->command), p->command->name);
}

static const flat_option *find_option(const parser *p, int code)
{
    if (code >= FIRST_CODE)
        return &p->flat[code - FIRST_CODE];
    for (int i = 0; i < p->n; i++)
        if (p->flat[i].option->letter == code)
            return &p->flat[i];
    return NULL;
}

static bool check_arguments(const nb_command *command, int n_args, char **args, int *exit_code)
{
    if (n_args >= command->n_args_min && n_args <= command->n_args_max)
        return true;
    if (n_args > command->n_args_max)
        *exit_code = nb_fail(NB_EXIT_USAGE, "too many arguments; expected %s, found also \"%.100s\"; try %s %s --help",
                             command->usage, args[command->n_args_max], program_of(command), command->name);
    else
        *exit_code =
            nb_fail(NB_EXIT_USAGE, "an argument is missing; expected %s %s %s, found %d; try %s %s --help",
                    program_of(command), command->name, command->usage, n_args, program_of(command), command->name);
    return false;
}

bool nb_options_parse(const nb_command *command, void *const *values, int argc, char **argv, int *exit_code)
{
    parser p;
    build(&p, command, values);
    optind = 0; // start anew; main has looked at the words before
    opterr = 0;
    for (;;) {
        int at = optind ? optind : 1;
        int code = getopt_long(argc, argv, p.shorts, p.longs, NULL);
        if (code == -1)
            break;
        if (code == 'h' || code == VERSION_CODE) {
            if (code == 'h')
                nb_options_help(command);
            else
                printf("%s %s\n", program_of(command), nb_version());
            *exit_code = nb_out_flush();
            return false;
        }
        if (code == '?' || code == ':') {
            *exit_code = fail_option(&p, code, argv[optind > at ? optind - 1 : at]);
            return false;
        }
        const flat_option *flat = find_option(&p, code);
        if (!store(flat, optarg)) {
            *exit_code = fail_value(&p, flat->option, optarg);
            return false;
        }
    }
    return check_arguments(command, argc - optind, argv + optind, exit_code);
}

static void help_option(const nb_option *option)
{
    char left[64];
    const char *value = option->value ? option->value : option->choices;
    snprintf(left, sizeof left, "  %c%c%c --%s%s%s", option->letter ? '-' : ' ', option->letter ? option->letter : ' ',
             option->letter ? ',' : ' ', option->name, value ? " " : "", value ? value : "");
    if (strlen(left) > 30)
        printf("%s\n%32s", left, "");
    else
        printf("%-32s", left);
    printf("%s\n", option->help);
}

void nb_options_help(const nb_command *command)
{
    printf("Usage: %s %s %s\n%s\n", program_of(command), command->name, command->usage, command->summary);
    for (int g = 0; g < NB_COMMAND_MAX_GROUPS && command->groups[g].title; g++) {
        printf("\n%s:\n", command->groups[g].title);
        for (size_t i = 0; i < command->groups[g].n_options; i++)
            help_option(&command->groups[g].options[i]);
        if (g == 0)
            printf("%-32s%s\n%-32s%s\n", "  -h, --help", "this text", "      --version", "the version");
    }
    printf("\nExample:\n  %s\n", command->example);
}
