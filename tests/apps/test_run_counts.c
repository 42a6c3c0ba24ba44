// SPDX-License-Identifier: Apache-2.0
// What `nibble run` asks of the system for a token: no file, map, thread or name, and at most one look at the clock.
#include <fcntl.h>
#include <getopt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "apps/common/commands.h"
#include "tests/support/faults.h"
#include "tests/support/scratch.h"

enum { N_SEQUENCES = 3 };

static char model[2048];

// What a run of N_SEQUENCES answers of n_tokens each calls, its output going nowhere.
static nb_counters counts_of(const char *n_tokens)
{
    const char *arguments[] = {"run",    model,           "--prompt-ids", "prompts",   "--output", "ids",
                               "-n",     n_tokens,        "--ignore-eos", "--threads", "2",        "--weights",
                               "mapped", "--temperature", "0.8",          "--seed",    "1",        NULL};
    int out = dup(STDOUT_FILENO), nowhere = open("/dev/null", O_WRONLY);
    assert_true(out >= 0 && nowhere >= 0);
    fflush(stdout);
    dup2(nowhere, STDOUT_FILENO);
    nb_counters before = nb_counters_read(), after;
    optind = 0; // getopt begins anew
    int code = nb_command_run((int)(sizeof arguments / sizeof arguments[0]) - 1, (char **)(uintptr_t)arguments);
    after = nb_counters_read();
    fflush(stdout);
    dup2(out, STDOUT_FILENO);
    close(out);
    close(nowhere);
    assert_int_equal(code, 0);
    for (int kind = 0; kind < NB_FAULT_N_KINDS; kind++)
        after.n[kind] -= before.n[kind];
    return after;
}

// Two runs that differ by a thousand tokens and more.
static void a_token_costs_no_call(void **state)
{
    (void)state;
    assert_true(nb_scratch_put("prompts", "1 2 3\n4 5 6\n7 8 9\n"));
    (void)counts_of("1"); // what is done once a process
    nb_counters few = counts_of("50"), many = counts_of("450");
    enum { N_MORE = N_SEQUENCES * (450 - 50) };
    static const nb_fault none[] = {NB_FAULT_MMAP, NB_FAULT_OPEN,   NB_FAULT_STAT,
                                    NB_FAULT_READ, NB_FAULT_THREAD, NB_FAULT_NAME};
    for (size_t i = 0; i < NB_COUNT(none); i++)
        assert_int_equal(many.n[none[i]], few.n[none[i]]);
    assert_true(few.n[NB_FAULT_CLOCK] > 0);
    assert_true(many.n[NB_FAULT_CLOCK] <= few.n[NB_FAULT_CLOCK] + N_MORE);
    // Of an answer grow the ids, the text and the reasoning: nine times as long by three doublings and what is added.
    assert_true(many.n[NB_FAULT_MALLOC] <= few.n[NB_FAULT_MALLOC] + 3 * 3 * N_SEQUENCES);
}

int main(void)
{
    char here[1024];
    if (!getcwd(here, sizeof here))
        return 1;
    snprintf(model, sizeof model, "%s/apps/tutor/model", here);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_token_costs_no_call, nb_scratch_enter, nb_scratch_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
