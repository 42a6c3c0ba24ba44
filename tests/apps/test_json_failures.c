// SPDX-License-Identifier: Apache-2.0
// What programs print and write while memory is refused, one allocation a run: every line that comes is whole, with all
// its keys, and where one does not come there is one error and its exit code, and nothing half-written. Each run is a
// process of its own. Of a long run the last allocations are refused, which make what is told at its end.
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "apps/common/cli.h"
#include "apps/common/commands.h"
#include "apps/common/machine_file.h"
#include "apps/qat/qat_commands.h"
#include "apps/qat/trainer.h"
#include "tests/support/app_lines.h"
#include "tests/support/data_path.h"
#include "tests/support/faults.h"
#include "tests/support/scratch.h"

enum { N_LAST = 150 };

static char model[PATH_MAX];

// ---- what is run -------------------------------------------------------------------------------------------------

static int call(int (*command)(int argc, char **argv), const char *const *words)
{
    char *argv[24];
    int n = 0;
    for (; *words; words++)
        argv[n++] = (char *)(uintptr_t)*words;
    argv[n] = NULL;
    optind = 0; // getopt begins anew
    return command(n, argv);
}

static int run_model(void)
{
    return call(nb_command_run, (const char *const[]){"run", model, "--json", "--temperature", "0", "-n", "2", "-p",
                                                      "What is 34 + 21?", "--threads", "1", "--seed", "3", NULL});
}

static int evaluate(void)
{
    return call(nb_command_eval, (const char *const[]){"eval", model, "--task", "task", "--json", "--out", "file",
                                                       "--max-tokens", "2", "--threads", "1", "--batch", "1", NULL});
}

static int show_plan(void)
{
    return call(nb_command_bench, (const char *const[]){"bench", model, "--depth", "0", "--plan", "--json", NULL});
}

static int make_traces(void)
{
    return call(nb_command_traces, (const char *const[]){"traces", "--n", "4", "--out", "file", NULL});
}

static int score(void)
{
    return call(nb_command_score, (const char *const[]){"score", model, "--ids", "ids", "--json", "--logits", "logits",
                                                        "--threads", "1", NULL});
}

static int store_machine(void)
{
    char why[128];
    nb_machine_file file = {.cpu = "some", .release = "6.1", .memory_total = 5, .rates = {1, 2, 3, 4, 5, 6}};
    return nb_machine_file_store(&file, why, sizeof why) ? NB_EXIT_OK : nb_fail(NB_EXIT_FAILED, "%s", why);
}

static int log_step(void)
{
    static nb_trainer trainer = {.options.log = "file", .step = 3};
    const nb_train_sums sums = {.n_tokens = 40, .n_targets = 20, .n_correct = 7, .ce = 31, .sem = 5, .entropy = 12};
    trainer.log = fopen("file", "wb");
    if (!trainer.log)
        return nb_fail(NB_EXIT_FAILED, "no log");
    nb_trainer_log_step(&trainer, &sums, 1e-3, 0.5, 2);
    nb_trainer_log_eval(&trainer, &sums);
    return fclose(trainer.log) == 0 ? NB_EXIT_OK : NB_EXIT_FAILED;
}

typedef struct operation {
    const char *name;
    int (*run)(void);
    bool is_line_by_line; // the file written, if one is
} operation;

static const operation operations[] = {
    {"run --json", run_model, true},          {"eval --json --out", evaluate, true},
    {"bench --plan --json", show_plan, true}, {"traces --out", make_traces, true},
    {"score --json --logits", score, true},   {"training log", log_step, true},
    {"machine.json", store_machine, false},
};

// ---- runs --------------------------------------------------------------------------------------------------------

static uint64_t *n_calls; // of the last run that came to its end, shared with it

static void send_to(int fd, const char *path)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(file >= 0);
    dup2(file, fd);
    close(file);
}

// The exit code with allocation `n` refused (0: none). "out" and "err" get what is said.
static int run_refusing(const operation *o, uint64_t n)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL); // the test framework's handler would go on with the test here
        signal(SIGABRT, SIG_DFL);
        send_to(STDOUT_FILENO, "out");
        send_to(STDERR_FILENO, "err");
        nb_memory_install(); // as the programs' mains
        nb_counters before = nb_counters_read();
        nb_faults_fail_at(NB_FAULT_MALLOC, n);
        int code = o->run();
        *n_calls = nb_counters_since(&before, NB_FAULT_MALLOC);
        nb_faults_reset();
        fflush(NULL);
        _exit(code);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status))
        fail_msg("%s, allocation %llu refused: ended by signal %d", o->name, (unsigned long long)n, WTERMSIG(status));
    return WEXITSTATUS(status);
}

// The objects of a file's lines, or the one of the whole file, without what no two runs have in common. NULL: no file.
static json_t *objects_of(const char *path, bool is_line_by_line)
{
    static const char *const measured[] = {"prefill_tok_s", "decode_tok_s", "load_s", "tok_s", "seconds", "available"};
    if (access(path, F_OK) != 0)
        return NULL;
    json_t *list = is_line_by_line ? json_lines_of_file(path) : json_pack("[o]", json_load_file(path, 0, NULL)), *one;
    size_t i;
    assert_non_null(list);
    json_array_foreach(list, i, one) for (size_t k = 0; k < NB_COUNT(measured);
                                          k++) if (json_object_get(one, measured[k]))
        json_object_set_new(one, measured[k], json_null());
    return list;
}

static bool is_beginning(const json_t *list, const json_t *of)
{
    bool is_one = json_array_size(list) <= json_array_size(of);
    for (size_t i = 0; is_one && i < json_array_size(list); i++)
        is_one = json_equal(json_array_get(list, i), json_array_get(of, i));
    return is_one;
}

static const char *const paths[] = {"out", "file", "machine.json"};
typedef struct told {
    json_t *objects[NB_COUNT(paths)];
} told;

static told told_by(const operation *o)
{
    told t;
    for (size_t i = 0; i < NB_COUNT(paths); i++)
        t.objects[i] = objects_of(paths[i], i == 0 || o->is_line_by_line);
    return t;
}

static void forget(told *t)
{
    for (size_t i = 0; i < NB_COUNT(paths); i++)
        json_decref(t->objects[i]);
}

static void remove_told(void)
{
    for (size_t i = 0; i < NB_COUNT(paths); i++)
        unlink(paths[i]);
}

// After a success all is there, after a failure a beginning, and one line that says so.
static void check(const operation *o, uint64_t n, int code, const told *expected)
{
    told found = told_by(o);
    char *said = nb_test_file_read("err", NULL);
    bool has_error = strncmp(said, "nibble: error: ", 15) == 0 && strchr(said, '\n') == said + strlen(said) - 1;
    bool is_fitting = code == NB_EXIT_FIT || code == NB_EXIT_FAILED || // 3: of a file that cannot be read
                      (code == NB_EXIT_INPUT && strstr(said, strerror(ENOMEM)));
    bool is_good = code == NB_EXIT_OK ? !said[0] : has_error && is_fitting;
    for (size_t i = 0; i < NB_COUNT(paths) && is_good; i++)
        is_good = code == NB_EXIT_OK ? !found.objects[i] == !expected->objects[i] &&
                                           json_array_size(found.objects[i]) == json_array_size(expected->objects[i]) &&
                                           is_beginning(found.objects[i], expected->objects[i])
                                     : is_beginning(found.objects[i], expected->objects[i]);
    if (!is_good) {
        char *out = nb_test_file_read("out", NULL);
        fail_msg("%s, allocation %llu refused: exit code %d; said: %s; printed: %s", o->name, (unsigned long long)n,
                 code, said, out);
    }
    assert_int_equal(
        system("test -z \"$(ls -A | grep -vx -e out -e err -e file -e task -e ids -e logits -e machine.json)\""), 0);
    free(said);
    forget(&found);
}

static void each_allocation_is_refused(void **state)
{
    (void)state;
    assert_true(nb_scratch_put("task",
                               "{\"question\": \"What is 3 + 4?\", \"answer\": \"7\", \"kind\": \"addition\"}\n"
                               "{\"question\": \"What is 5 + 4?\", \"answer\": \"9\", \"kind\": \"joining\"}\n"));
    assert_true(nb_scratch_put("ids", "3 1 4\n1 5\n"));
    setenv("NIBBLE_HOME", ".", 1);
    const char *exhaustive = getenv("NB_FAULTS");
    for (size_t i = 0; i < NB_COUNT(operations); i++) {
        const operation *o = &operations[i];
        uint64_t n_failures = 0;
        remove_told();
        assert_int_equal(run_refusing(o, 0), NB_EXIT_OK);
        told expected = told_by(o);
        assert_true(json_array_size(expected.objects[0]) + json_array_size(expected.objects[1]) +
                        json_array_size(expected.objects[2]) >
                    0);
        uint64_t n_all = *n_calls, first = exhaustive || n_all <= N_LAST ? 1 : n_all - N_LAST + 1;
        for (uint64_t n = first; n <= n_all; n++) {
            remove_told();
            int code = run_refusing(o, n);
            n_failures += code != NB_EXIT_OK;
            check(o, n, code, &expected);
        }
        print_message("%-20s %6llu allocations, %5llu refused: %5llu errors\n", o->name, (unsigned long long)n_all,
                      (unsigned long long)(n_all - first + 1), (unsigned long long)n_failures);
        forget(&expected);
    }
}

int main(void)
{
    n_calls = mmap(NULL, sizeof *n_calls, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (n_calls == MAP_FAILED || !realpath("apps/tutor/model", model))
        return 1;
    nb_faults_exempt("/libcrypto."); // it has no word for a refusal at its own start
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_allocation_is_refused, nb_scratch_enter, nb_scratch_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
