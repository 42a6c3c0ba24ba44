// SPDX-License-Identifier: Apache-2.0
// Option tables: every kind of value, strict numbers, and exit code 2 for whatever is wrong.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apps/common/option_table.h"

typedef struct values {
    bool flag;
    const char *text;
    nb_option_texts texts;
    uint64_t whole;
    nb_option_wholes wholes;
    double real;
    int choice;
} values;

#define AT(field) offsetof(values, field)
static const nb_option options[] = {
    {.name = "flag", .letter = 'f', .kind = NB_OPTION_FLAG, .offset = AT(flag), .help = "a flag"},
    {.name = "text", .letter = 'p', .kind = NB_OPTION_TEXT, .offset = AT(text), .value = "T", .help = "a text"},
    {.name = "texts", .kind = NB_OPTION_TEXTS, .offset = AT(texts), .value = "T", .help = "texts"},
    {.name = "whole",
     .letter = 'n',
     .kind = NB_OPTION_WHOLE,
     .offset = AT(whole),
     .value = "N",
     .help = "a number",
     .whole_min = 1,
     .whole_max = 100},
    {.name = "wholes",
     .kind = NB_OPTION_WHOLES,
     .offset = AT(wholes),
     .value = "N,...",
     .help = "numbers",
     .whole_max = UINT64_MAX},
    {.name = "real",
     .kind = NB_OPTION_REAL,
     .offset = AT(real),
     .value = "X",
     .help = "a real",
     .real_min = -1,
     .real_max = 2},
    {.name = "choice",
     .kind = NB_OPTION_CHOICE,
     .offset = AT(choice),
     .value = "C",
     .help = "a choice",
     .choices = "one|two|twofold"},
};

static const nb_command command = {
    .name = "test",
    .usage = "[OPTION]... THING",
    .summary = "A test.",
    .example = "nibble test",
    .n_args_min = 1,
    .n_args_max = 1,
    .groups = {{"Options", options, NB_COUNT_OF(options)}},
};

enum { MAX_WORDS = 16 };

// Parses "test WORDS..."; -1 when it is accepted, else the exit code.
static int parse(values *v, const char *words)
{
    static char copy[512]; // the values point into it
    char *argv[MAX_WORDS + 1] = {(char *)"test"}, *rest = copy;
    int argc = 1, code = -1;
    snprintf(copy, sizeof copy, "%s", words);
    for (char *word; argc < MAX_WORDS && (word = strsep(&rest, " "));)
        argv[argc++] = word;
    memset(v, 0, sizeof *v);
    bool is_accepted = nb_options_parse(&command, (void *const[]){v}, argc, argv, &code);
    return is_accepted ? -1 : code;
}

static void every_kind_is_read(void **state)
{
    (void)state;
    values v;
    assert_int_equal(
        parse(&v, "-f --text=hello thing --whole 100 --wholes 0,18446744073709551615 --real -0.5 --choice two"), -1);
    assert_true(v.flag);
    assert_string_equal(v.text, "hello");
    assert_int_equal(v.whole, 100);
    assert_int_equal(v.wholes.n_items, 2);
    assert_true(v.wholes.items[1] == UINT64_MAX);
    assert_true(v.real == -0.5);
    assert_int_equal(v.choice, 1);
    assert_int_equal(parse(&v, "thing -fn7 -p- --texts a --texts b"), -1);
    assert_int_equal(v.whole, 7);
    assert_string_equal(v.text, "-");
    assert_int_equal(v.texts.n_items, 2);
    assert_string_equal(v.texts.items[1], "b");
    free(v.texts.items);
    assert_int_equal(parse(&v, "-- --flag"), -1);
    assert_false(v.flag);
}

static void what_is_wrong_ends_with_2(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "thing --whole 12x",
        "thing --whole 0",
        "thing --whole 101",
        "thing --whole -1",
        "thing --whole +1",
        "thing --whole 0x1",
        "thing --whole ",
        "thing --whole 1e1",
        "thing --wholes 1,",
        "thing --wholes ,1",
        "thing --real 2.1",
        "thing --real nan",
        "thing --real inf",
        "thing --real 1.0.0",
        "thing --real 0x1",
        "thing --real ",
        "thing --choice t",
        "thing --choice tw",
        "thing --choice three",
        "thing --choice one|two",
        "thing --flag=1",
        "thing --text",
        "thing --nothing",
        "thing -z",
        "thing --wholes 18446744073709551616",
        "thing more",
        "",
    };
    values v;
    for (size_t i = 0; i < NB_COUNT_OF(wrong) - 1; i++)
        if (parse(&v, wrong[i]) != NB_EXIT_USAGE)
            fail_msg("accepted: %s", wrong[i]);
    assert_int_equal(parse(&v, "--flag"), NB_EXIT_USAGE); // the argument is missing
}

static void help_ends_with_0(void **state)
{
    (void)state;
    values v;
    assert_int_equal(parse(&v, "--help"), NB_EXIT_OK);
    assert_int_equal(parse(&v, "thing -h --nothing"), NB_EXIT_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_read),
        cmocka_unit_test(what_is_wrong_ends_with_2),
        cmocka_unit_test(help_ends_with_0),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
