// SPDX-License-Identifier: Apache-2.0
// nibble-qat sft and qat: five steps against PyTorch's in float64; the same bits with any threads, recomputed, and
// resumed; which traces a stage saw.
#include <math.h>

#include "tests/apps/train_command.h"
#include "tests/support/oracle_tensors.h"

static const char *model; // train-tiny

static void enter(void)
{
    model = model_path("train-tiny");
    put_tiny_traces(model, "t.jsonl");
}

// ---- the oracle ---------------------------------------------------------------------------------------------------

typedef struct distance {
    const oracle_tensors *start, *expected, *found;
    double error, length; // sums of squares
} distance;

static void add_tensor(void *user, const char *name)
{
    distance *d = user;
    size_t n[3], rows;
    float *a = oracle_tensor_copy(d->start, name, &n[0], &rows);
    float *b = oracle_tensor_copy(d->expected, name, &n[1], &rows);
    float *c = oracle_tensor_copy(d->found, name, &n[2], &rows);
    assert_true(a && b && c && n[0] == n[1] && n[0] == n[2]);
    for (size_t i = 0; i < n[0]; i++) {
        d->error += ((double)c[i] - b[i]) * ((double)c[i] - b[i]);
        d->length += ((double)b[i] - a[i]) * ((double)b[i] - a[i]);
    }
    free(a);
    free(b);
    free(c);
}

// Relative RMS error of the update (parameters minus initial) of the model in `directory`.
static double update_error(const char *oracle, const char *directory)
{
    oracle_tensors start, expected, found;
    oracle_tensors_open(&start, model, "model.safetensors");
    oracle_tensors_open(&expected, model, oracle);
    oracle_tensors_open(&found, directory, "model.safetensors");
    distance d = {&start, &expected, &found, 0, 0};
    oracle_tensors_each(&expected, "", add_tensor, &d);
    oracle_tensors_close(&start);
    oracle_tensors_close(&expected);
    oracle_tensors_close(&found);
    assert_true(d.length > 0);
    return sqrt(d.error / d.length);
}

#define FIVE_STEPS                                                                                                     \
    "--model MODEL --traces t.jsonl --steps 5 --batch 3 --in-order --lr 1e-3 --schedule constant --warmup 0 --clip 0"

static void five_steps_are_those_of_the_reference(void **state)
{
    (void)state;
    enter();
    assert_int_equal(train(model, "sft " FIVE_STEPS " --out sft"), 0);
    assert_int_equal(train(model, "qat " FIVE_STEPS " --loss ce --out qat"), 0);
    double sft = update_error("oracle/params_ce_step5.st", "sft");
    double qat = update_error("oracle/params_qat_ce_step5.st", "qat");
    print_message("relative error of the update: sft %.2g (bound 1e-3), qat %.2g (bound 1e-2)\n", sft, qat);
    assert_true(sft < 1e-3);
    assert_true(qat < 1e-2);
    assert_true(update_error("oracle/params_qat_ce_step5.st", "sft") > 1e-2); // the bound tells them apart
}

// The same batch cut into micro-batches: nothing but the order of sums changes.
static void accumulated_micro_batches_are_one_batch(void **state)
{
    (void)state;
    enter();
    assert_int_equal(train(model, "sft " FIVE_STEPS " --rows 31 --out sft"), 0);
    double error = update_error("oracle/params_ce_step5.st", "sft");
    print_message("relative error of the update in micro-batches: %.2g\n", error);
    assert_true(error < 1e-3);
}

// ---- the same bits ------------------------------------------------------------------------------------------------

#define NINE_STEPS "--model MODEL --traces t.jsonl --steps 9 --batch 2 --lr 1e-3 --seed 5"

static void threads_and_recomputing_change_no_bit(void **state)
{
    (void)state;
    enter();
    assert_int_equal(train(model, "qat " NINE_STEPS " --out a --threads 1"), 0);
    assert_int_equal(train(model, "qat " NINE_STEPS " --out b --threads 2"), 0);
    assert_int_equal(train(model, "qat " NINE_STEPS " --out c --threads 2 --recompute"), 0);
    assert_same_files("a/model.safetensors", "b/model.safetensors");
    assert_same_files("a/model.safetensors", "c/model.safetensors");
    assert_same_files("a/training.json", "b/training.json");
    assert_int_equal(train(model, "qat " NINE_STEPS "1 --out d --threads 2"), 0); // seed 51
    assert_int_not_equal(system("cmp -s a/model.safetensors d/model.safetensors"), 0);
}

static void check_resumed(const char *command, const char *more)
{
    char line[512];
    assert_int_equal(system("rm -rf whole part whole.jsonl part.jsonl"), 0);
    snprintf(line, sizeof line, "%s " NINE_STEPS " %s --out whole --log whole.jsonl", command, more);
    assert_int_equal(train(model, line), 0);
    snprintf(line, sizeof line, "%s " NINE_STEPS " %s --out part --log part.jsonl --stop-after 4", command, more);
    assert_int_equal(train(model, line), 0);
    assert_false(exists("part"));
    assert_int_equal(train(model, line), NB_EXIT_INPUT); // neither --resume nor --force
    assert_int_equal(system("echo a line of steps after the checkpoint >> part.jsonl; mv t.jsonl away.jsonl"), 0);
    for (int i = 0; i < 2; i++) { // four steps and one, from the store: the traces need not be there
        snprintf(line, sizeof line, "%s " NINE_STEPS " %s --out part --log part.jsonl --resume --threads %d%s", command,
                 more, i + 1, i == 0 ? " --stop-after 4" : "");
        assert_int_equal(train(model, line), 0);
        assert_int_equal(exists("part"), i == 1);
    }
    assert_false(exists("part.training"));
    assert_same_files("whole/model.safetensors", "part/model.safetensors");
    assert_same_files("whole/training.json", "part/training.json");
    // The log is that of one run, but for its speeds.
    assert_int_equal(system("for f in whole part; do sed 's/,\"tok_s\".*//' $f.jsonl > $f.cut; done; cmp whole.cut "
                            "part.cut && test $(wc -l < part.cut) -ge 9 && mv away.jsonl t.jsonl"),
                     0);
}

static void a_resumed_training_has_the_same_bits(void **state)
{
    (void)state;
    enter();
    assert_true(nb_scratch_put("e.jsonl", "{\"ids\":[1,2,3,4,5,6],\"mask\":[0,0,1,1,1,1]}\n"));
    check_resumed("sft", "");
    check_resumed("qat", "--loss sem --weight-decay 0.1 --eval-traces e.jsonl --eval-every 3");
}

static void another_recipe_is_not_resumed(void **state)
{
    (void)state;
    static const char *const others[] = {
        "sft --model MODEL --traces t.jsonl --steps 9 --batch 2 --lr 2e-3 --seed 5",
        "sft --model MODEL --traces t.jsonl --steps 8 --batch 2 --lr 1e-3 --seed 5",
        "sft --model MODEL --traces t.jsonl --steps 9 --batch 3 --lr 1e-3 --seed 5",
        "sft --model MODEL --traces t.jsonl --steps 9 --batch 2 --lr 1e-3 --seed 6",
        "sft --model MODEL --traces t.jsonl --steps 9 --batch 2 --lr 1e-3 --seed 5 --loss sem",
        "sft --model MODEL --traces t.jsonl --steps 9 --batch 2 --lr 1e-3 --seed 5 --schedule linear",
        "qat --model MODEL --traces t.jsonl --steps 9 --batch 2 --lr 1e-3 --seed 5 --loss ce",
        "sft --model tuned --traces t.jsonl --steps 9 --batch 2 --lr 1e-3 --seed 5",
    };
    enter();
    assert_int_equal(train(model, "sft " FIVE_STEPS " --out tuned"), 0);
    assert_int_equal(train(model, "sft " NINE_STEPS " --out part --stop-after 2"), 0);
    for (size_t i = 0; i < NB_COUNT(others); i++) {
        char line[512];
        snprintf(line, sizeof line, "%s --out part --resume", others[i]);
        if (train(model, line) != NB_EXIT_INPUT)
            fail_msg("resumed: %s", line);
        assert_true(exists("part.training/state"));
    }
    assert_int_equal(train(model, "sft " NINE_STEPS " --out part --resume"), 0);
    // --resume without a checkpoint begins at the first step, so one command line suits a job that is started again.
    assert_int_equal(train(model, "sft " NINE_STEPS " --out again --resume"), 0);
    assert_same_files("part/model.safetensors", "again/model.safetensors");
}

// ---- which traces -------------------------------------------------------------------------------------------------

static void qat_wants_the_traces_of_sft(void **state)
{
    (void)state;
    enter();
    assert_int_equal(train(model, "sft " FIVE_STEPS " --out tuned"), 0);
    assert_int_equal(system("tail -n 2 t.jsonl > u.jsonl"), 0);
#define QAT "qat --model tuned --steps 1 --batch 2 --out "
    assert_int_equal(train(model, QAT "a --traces u.jsonl"), NB_EXIT_INPUT);
    assert_false(exists("a") || exists("a.training"));
    assert_int_equal(train(model, QAT "a --traces u.jsonl --other-traces"), 0);
    assert_int_equal(train(model, QAT "b --traces t.jsonl"), 0);
    // The record lists both stages and says how their traces stand to one another.
    assert_int_equal(system("grep -c '\"command\"' b/training.json | grep -qx 2 && "
                            "grep -q '\"traces_of_sft\": \"same\"' b/training.json && "
                            "grep -q '\"traces_of_sft\": \"other\"' a/training.json && "
                            "test $(grep '\"sha256\"' b/training.json | sort -u | wc -l) = 1"),
                     0);
    assert_true(nb_scratch_put("tuned/training.json", "{\"stages\":[7]}"));
    assert_int_equal(train(model, QAT "c --traces t.jsonl"), NB_EXIT_INPUT);
}

int main(void)
{
    if (!getcwd(home, sizeof home))
        return 1;
#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, nb_scratch_enter, nb_scratch_leave)
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(five_steps_are_those_of_the_reference), IN_SCRATCH(accumulated_micro_batches_are_one_batch),
        IN_SCRATCH(threads_and_recomputing_change_no_bit), IN_SCRATCH(a_resumed_training_has_the_same_bits),
        IN_SCRATCH(another_recipe_is_not_resumed),         IN_SCRATCH(qat_wants_the_traces_of_sft),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
