// SPDX-License-Identifier: Apache-2.0
// nibble-qat sft and qat: what they refuse, with which exit code; interrupts, kills and full disks, after which
// --resume gives the bits of an undisturbed run. Every training runs in a process of its own.
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/apps/train_command.h"
#include "tests/support/faults.h"

static const char *model; // train-tiny
static char bundled[PATH_MAX + 32];

static void enter(void)
{
    model = model_path("train-tiny");
    snprintf(bundled, sizeof bundled, "%s/apps/tutor/model", home);
    put_tiny_traces(model, "t.jsonl");
}

static pid_t start(const char *line, rlim_t largest_file, nb_fault kind, uint64_t n)
{
    pid_t child = fork();
    if (child == 0) {
        const struct rlimit size = {largest_file, largest_file}, core = {0, 0};
        if (setrlimit(RLIMIT_CORE, &core) != 0 || (largest_file && setrlimit(RLIMIT_FSIZE, &size) != 0))
            _exit(99);
        signal(SIGINT, SIG_DFL); // it may come ignored from a shell, and would stay so
        if (n > 0)
            nb_faults_fail_at(kind, n);
        int code = train(model, line);
        fflush(NULL);
        _exit(n > 0 && !nb_faults_reset() ? 98 : code); // 98: there was no such call
    }
    return child;
}

// Exit code, or 128 and the signal.
static int finish(pid_t child)
{
    int outcome;
    assert_int_equal(waitpid(child, &outcome, 0), child);
    return WIFEXITED(outcome) ? WEXITSTATUS(outcome) : 128 + WTERMSIG(outcome);
}

static int run(const char *line)
{
    return finish(start(line, 0, NB_FAULT_WRITE, 0));
}

static void check(const char *line, int expected)
{
    int code = run(line);
    if (code != expected)
        fail_msg("%s: expected exit status %d, found %d", line, expected, code);
    assert_int_equal(system("test -z \"$(ls -A -d new* .new* 2>/dev/null)\""), 0); // nothing is left
}

static void what_is_wrong_gets_its_exit_code(void **state)
{
    (void)state;
    enter();
    assert_true(nb_scratch_put("bad.jsonl", "{\"ids\":[1,2],\"mask\":[0,1]}\n{\"ids\":[1,2],\"mask\":[0,1}\n"));
    assert_true(nb_scratch_put("empty.jsonl", "\n"));
    assert_true(nb_scratch_put("text.jsonl", "{\"prompt\":\"a\",\"response\":\"b\"}\n"));
    assert_true(nb_scratch_put("big.jsonl", "{\"ids\":[1,131],\"mask\":[0,1]}\n"));
    assert_true(nb_scratch_put("taken/mine", "mine"));
    static const struct {
        const char *line;
        int code;
    } cases[] = {
        {"sft", NB_EXIT_USAGE},
        {"sft --model MODEL --out new", NB_EXIT_USAGE},
        {"sft --model MODEL --traces t.jsonl", NB_EXIT_USAGE},
        {"sft --model MODEL --traces t.jsonl --out new --steps 1 --epochs 1", NB_EXIT_USAGE},
        {"sft --model MODEL --traces t.jsonl --out new --steps 0", NB_EXIT_USAGE},
        {"sft --model MODEL --traces t.jsonl --out new --lr -1", NB_EXIT_USAGE},
        {"sft --model MODEL --traces t.jsonl --out new --schedule steep", NB_EXIT_USAGE},
        {"sft --model MODEL --traces t.jsonl --out new --resume --force", NB_EXIT_USAGE},
        {"sft --model MODEL --traces t.jsonl --out new --eval-every 3", NB_EXIT_USAGE},
        {"sft --model MODEL --traces t.jsonl --out new --other-traces", NB_EXIT_USAGE},
        {"sft --model MODEL --traces t.jsonl --out new --max-length 16000000", NB_EXIT_USAGE},
        {"sft --model MODEL --traces t.jsonl --out new --isa z80", NB_EXIT_USAGE},
        {"sft --model absent --traces t.jsonl --out new", NB_EXIT_INPUT},
        {"sft --model MODEL --traces absent.jsonl --out new", NB_EXIT_INPUT},
        {"sft --model MODEL --traces . --out new", NB_EXIT_INPUT},
        {"sft --model MODEL --traces bad.jsonl --out new", NB_EXIT_INPUT},
        {"sft --model MODEL --traces empty.jsonl --out new", NB_EXIT_INPUT},
        {"sft --model MODEL --traces text.jsonl --out new", NB_EXIT_INPUT}, // the model has no tokenizer
        {"sft --model MODEL --traces big.jsonl --out new", NB_EXIT_INPUT},  // an id outside the vocabulary
        {"sft --model MODEL --traces t.jsonl --max-length 10 --out new", NB_EXIT_INPUT},
        {"sft --model MODEL --traces t.jsonl --eval-traces bad.jsonl --out new", NB_EXIT_INPUT},
        {"sft --model MODEL --traces t.jsonl --out taken", NB_EXIT_INPUT},
        {"sft --model MODEL --traces t.jsonl --out no/such/place", NB_EXIT_FAILED},
        {"sft --model MODEL --traces t.jsonl --out new --steps 1 --log no/such/log", NB_EXIT_FAILED},
        {"sft --model MODEL --traces t.jsonl --out new --rows 16777216 --batch 1048576", NB_EXIT_FIT},
        {"sft --model MODEL --traces t.jsonl --rows 16777216 --batch 1048576 --plan", NB_EXIT_OK},
    };
    for (size_t i = 0; i < NB_COUNT(cases); i++)
        check(cases[i].line, cases[i].code);
    assert_int_equal(mkdir("copy", 0777), 0);
    nb_test_directory_copy(model, "copy");
    check("sft --model copy --traces t.jsonl --out copy --steps 1 --force", NB_EXIT_INPUT); // it would remove itself
    const char *plain = model;
    model = bundled; // NVFP4: not what training starts from
    check("sft --model MODEL --traces t.jsonl --out new", NB_EXIT_INPUT);
    model = plain;
    assert_true(exists("taken/mine"));
    // With --force only a model is replaced, and that is known at the end alone: the training is not lost.
    assert_int_equal(run("sft --model MODEL --traces t.jsonl --steps 1 --out taken --force"), NB_EXIT_INPUT);
    assert_true(exists("taken/mine") && exists("taken.training/state"));
}

#define STEPS "sft --model MODEL --traces t.jsonl --batch 2 --lr 1e-3 --seed 5 --steps "

static void an_interrupt_leaves_a_checkpoint(void **state)
{
    (void)state;
    enter();
    assert_int_equal(run(STEPS "3000 --out whole"), 0);
    pid_t child = start(STEPS "3000 --out part --log log", 0, NB_FAULT_WRITE, 0);
    for (int i = 0; i < 3000 && system("test -s log") != 0; i++)
        usleep(10000);
    kill(child, SIGINT);
    int code = finish(child);
    if (code == 0)
        skip(); // it was faster
    assert_int_equal(code, NB_EXIT_INTERRUPTED);
    assert_true(exists("part.training/state") && !exists("part"));
    assert_int_equal(run(STEPS "3000 --out part --log log --resume"), 0);
    assert_same_files("whole/model.safetensors", "part/model.safetensors");
    assert_int_equal(system("test $(wc -l < log) -eq 3000"), 0);
}

static void a_kill_while_saving_loses_only_the_steps_since(void **state)
{
    (void)state;
    enter();
    assert_int_equal(run(STEPS "9 --out whole"), 0);
    assert_int_equal(run(STEPS "9 --out part --stop-after 3"), 0);
    for (rlim_t limit = 1000; limit < 513000; limit += 73000) {
        pid_t child = start(STEPS "9 --out part --resume --save-every 1", limit, NB_FAULT_WRITE, 0);
        assert_int_equal(finish(child), 128 + SIGXFSZ);
        assert_int_equal(system("ls part.training | grep -q tmp"), 0); // what it was writing lies there
    }
    assert_int_equal(run(STEPS "9 --out part --resume"), 0);
    assert_same_files("whole/model.safetensors", "part/model.safetensors");
    assert_false(exists("part.training"));
}

// Whatever the system refuses once, another --resume finishes with the same bits.
static void a_refused_call_is_survived(void **state)
{
    (void)state;
    static const nb_fault kinds[] = {NB_FAULT_WRITE, NB_FAULT_FSYNC, NB_FAULT_RENAME, NB_FAULT_OPEN};
    enter();
    assert_int_equal(run(STEPS "4 --out whole"), 0);
    for (size_t k = 0; k < NB_COUNT(kinds); k++)
        for (uint64_t n = 1;; n += kinds[k] == NB_FAULT_WRITE ? 37 : 3) {
            assert_int_equal(system("rm -rf part part.training .part*"), 0);
            int code = finish(start(STEPS "4 --out part --save-every 2", 0, kinds[k], n));
            if (code == 98)
                break;
            assert_true(code == 0 || code == NB_EXIT_FAILED || code == NB_EXIT_INPUT || code == NB_EXIT_FIT);
            assert_int_equal(system("test -z \"$(ls -A -d .part* 2>/dev/null)\""), 0);
            if (!exists("part"))
                assert_int_equal(run(STEPS "4 --out part --resume"), 0);
            assert_same_files("whole/model.safetensors", "part/model.safetensors");
        }
}

static void two_trainings_of_one_place_are_refused(void **state)
{
    (void)state;
    enter();
    pid_t child = start(STEPS "100000000 --out part --log log", 0, NB_FAULT_WRITE, 0);
    for (int i = 0; i < 3000 && system("test -s log") != 0; i++)
        usleep(10000);
    assert_int_equal(run(STEPS "100000000 --out part --force"), NB_EXIT_INPUT);
    kill(child, SIGTERM);
    assert_int_equal(finish(child), NB_EXIT_INTERRUPTED);
}

static void a_loss_that_is_not_finite_ends_the_training(void **state)
{
    (void)state;
    enter();
    assert_int_equal(run("sft --model MODEL --traces t.jsonl --batch 2 --steps 60 --schedule constant --lr 10 "
                         "--clip 0 --beta2 0 --epsilon 1e-30 --weight-decay 10 --out part"),
                     NB_EXIT_FAILED);
    assert_int_equal(run("sft --model MODEL --traces t.jsonl --batch 2 --steps 60 --schedule constant --lr 10 "
                         "--clip 0 --weight-decay 10 --out part --eval-traces t.jsonl --eval-every 1 --log log"),
                     NB_EXIT_FAILED);
    assert_false(exists("part"));
}

int main(void)
{
    if (!getcwd(home, sizeof home))
        return 1;
#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, nb_scratch_enter, nb_scratch_leave)
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(what_is_wrong_gets_its_exit_code),
        IN_SCRATCH(an_interrupt_leaves_a_checkpoint),
        IN_SCRATCH(a_kill_while_saving_loses_only_the_steps_since),
        IN_SCRATCH(a_refused_call_is_survived),
        IN_SCRATCH(two_trainings_of_one_place_are_refused),
        IN_SCRATCH(a_loss_that_is_not_finite_ends_the_training),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
