// SPDX-License-Identifier: Apache-2.0
// nibble-qat quantize: shards, interruption, and what it refuses, leaving nothing behind.
#include "apps/qat/quantize_calib.h"
#include "apps/qat/quantize_config.h"
#include "tests/apps/quantize_command.h"
#include "tests/support/checkpoint_edit.h"
#include "tests/support/faults.h"
#include "tests/support/scratch.h"

// ---- shards -------------------------------------------------------------------------------------------------------

static nb_status quantize_in_shards(const char *source, const char *target, uint64_t shard_bytes,
                                    bool (*on_progress)(void *user, uint64_t done_bytes, uint64_t total_bytes))
{
    nb_quant_plan plan;
    nb_pool *pool;
    assert_int_equal(nb_quant_plan_open(&plan, source, NULL, 0, NULL), NB_OK);
    assert_int_equal(nb_pool_create(&pool, 2, NULL), NB_OK);
    nb_quantize_run run = {.plan = &plan, .pool = pool, .shard_bytes = shard_bytes, .on_progress = on_progress};
    nb_status status = nb_quantize_survey(&run);
    if (status == NB_OK)
        status = nb_quantize_calibrate(&run, NULL);
    if (status == NB_OK)
        status = nb_quantize_write(&run, target);
    if (status == NB_OK) {
        assert_int_equal(run.done_bytes, 2 * plan.source_bytes);
        status = nb_quantize_write_config(source, target, NULL, 0, NULL);
    }
    nb_pool_free(pool);
    nb_quant_plan_close(&plan);
    return status;
}

static void many_shards_hold_the_same_tensors(void **state)
{
    (void)state;
    const char *source = model_path("qwen2-r1");
    assert_int_equal(mkdir("shards", 0777), 0);
    assert_int_equal(quantize_in_shards(source, "shards", 150000, NULL), NB_OK);
    assert_int_equal(quantize(source, "single", NULL, NULL, NULL), 0);
    nb_checkpoint shards, single;
    assert_int_equal(nb_checkpoint_open(&shards, "shards", NULL), NB_OK);
    assert_int_equal(nb_checkpoint_open(&single, "single", NULL), NB_OK);
    assert_true(shards.n_shards > 3 && single.n_shards == 1);
    assert_int_equal(shards.n_entries, single.n_entries);
    for (size_t i = 0; i < single.n_entries; i++) {
        const nb_tensor *a = single.entries[i].tensor, *b = shards.entries[i].tensor;
        assert_string_equal(a->name, b->name);
        assert_int_equal(a->end - a->begin, b->end - b->begin);
        assert_memory_equal(single.shards[0].map.data + a->begin,
                            shards.shards[shards.entries[i].shard].map.data + b->begin, a->end - a->begin);
    }
    nb_checkpoint_close(&shards);
    nb_checkpoint_close(&single);
}

static bool stop_at_half(void *user, uint64_t done_bytes, uint64_t total_bytes)
{
    (void)user;
    return done_bytes < total_bytes * 3 / 4;
}

static void a_stop_leaves_no_file(void **state)
{
    (void)state;
    assert_int_equal(mkdir("dst", 0777), 0);
    assert_int_equal(quantize_in_shards(model_path("llama3"), "dst", UINT64_MAX, stop_at_half), NB_ERR_STOPPED);
    assert_int_equal(rmdir("dst"), 0);
}

// ---- refusals -----------------------------------------------------------------------------------------------------

static void existing_directories_are_kept(void **state)
{
    (void)state;
    const char *source = model_path("llama-f16");
    assert_true(nb_scratch_put("taken/mine.txt", "mine"));
    assert_int_equal(quantize(source, "taken", NULL, NULL, NULL), NB_EXIT_INPUT);
    assert_int_equal(quantize(source, "taken", "--force", NULL, NULL), NB_EXIT_INPUT); // no model: not ours to remove
    assert_true(exists("taken/mine.txt"));
    assert_int_equal(quantize(source, "no/such/parent", NULL, NULL, NULL), NB_EXIT_FAILED);
    assert_int_equal(quantize(source, "dst/", NULL, NULL, NULL), 0);
    assert_int_equal(quantize(source, "dst", NULL, NULL, NULL), NB_EXIT_INPUT);
    assert_true(nb_scratch_put("dst/old.txt", "old"));
    assert_int_equal(quantize(source, "dst", "--force", NULL, NULL), 0);
    assert_false(exists("dst/old.txt"));
    assert_true(exists("dst/model.safetensors"));
    assert_int_equal(system("test \"$(ls -A | tr '\\n' ' ')\" = 'dst taken '"), 0);
}

static void the_source_is_never_the_target(void **state)
{
    (void)state;
    assert_int_equal(mkdir("outer", 0777), 0);
    assert_true(nb_scratch_put("outer/config.json", "{}"));
    assert_int_equal(mkdir("outer/src", 0777), 0);
    nb_test_directory_copy(model_path("llama-f16"), "outer/src");
    assert_int_equal(quantize("outer/src", "outer/src", "--force", NULL, NULL), NB_EXIT_INPUT);
    assert_int_equal(quantize("outer/src", "outer", "--force", NULL, NULL), NB_EXIT_INPUT);
    assert_int_equal(symlink("outer/src", "alias"), 0);
    assert_int_equal(quantize("outer/src", "alias", "--force", NULL, NULL), NB_EXIT_INPUT);
    assert_true(exists("outer/src/model.safetensors"));
}

static void check_refused(const char *source, const char *a, const char *b)
{
    assert_int_equal(quantize(source, "dst", a, b, NULL), NB_EXIT_INPUT);
    assert_int_equal(system("test -z \"$(ls -A -d dst .dst* 2>/dev/null)\""), 0);
}

static void what_cannot_be_quantised_is_refused(void **state)
{
    (void)state;
    check_refused("missing", NULL, NULL);
    check_refused(model_path("qwen2-modelopt"), NULL, NULL);
    check_refused(model_path("qwen2-ct"), NULL, NULL);
    check_refused(model_path("qwen2"), "--ignore", "*.q_proj");
    check_refused(model_path("qwen2"), "--ignore", "\xff*");
    check_refused(model_path("qwen2"), "--shift", "missing.st");
    check_refused(model_path("qwen2"), "--calib", "missing.txt");
    assert_true(nb_scratch_put("ids.txt", "1 2 1009\n"));
    check_refused(model_path("qwen2"), "--calib", "ids.txt");
    assert_true(nb_scratch_put("ids.txt", "1 two\n"));
    check_refused(model_path("qwen2"), "--calib", "ids.txt");
    char shift[PATH_MAX + 64];
    snprintf(shift, sizeof shift, "%s/oracle/k_shift.st", model_path("qwen2"));
    check_refused(model_path("qwen3"), "--shift", shift); // of another shape
    assert_int_equal(quantize("one", NULL, NULL, NULL, NULL), NB_EXIT_USAGE);
    assert_int_equal(quantize(model_path("qwen2"), "dst", "--unheard-of", NULL, NULL), NB_EXIT_USAGE);
}

static void a_value_that_is_not_finite_is_named(void **state)
{
    (void)state;
    assert_int_equal(mkdir("src", 0777), 0);
    nb_test_directory_copy(model_path("llama3"), "src");
    nb_edit edit;
    nb_edit_load(&edit, "src/model.safetensors");
    uint8_t *weight = nb_edit_bytes(&edit, "model.layers.2.mlp.up_proj.weight");
    weight[2 * (5 * 128 + 77)] = 0x80;
    weight[2 * (5 * 128 + 77) + 1] = 0xff; // -infinity in BF16
    nb_edit_save(&edit, "src/model.safetensors");
    nb_quant_plan plan;
    nb_pool *pool;
    nb_error error = {0};
    assert_int_equal(nb_quant_plan_open(&plan, "src", NULL, 0, NULL), NB_OK);
    assert_int_equal(nb_pool_create(&pool, 2, NULL), NB_OK);
    nb_quantize_run run = {.plan = &plan, .pool = pool, .error = &error};
    assert_int_equal(nb_quantize_survey(&run), NB_ERR_INPUT);
    assert_non_null(strstr(error.text, "model.layers.2.mlp.up_proj.weight: row 5, column 77"));
    nb_pool_free(pool);
    nb_quant_plan_close(&plan);
    check_refused("src", NULL, NULL);
}

// Whatever the system refuses, DST does not appear half-written and nothing else is left.
static void failures_leave_nothing(void **state)
{
    (void)state;
    static const nb_fault kinds[] = {NB_FAULT_WRITE, NB_FAULT_RENAME, NB_FAULT_FSYNC, NB_FAULT_MMAP};
    const char *source = model_path("llama-f16");
    for (size_t k = 0; k < NB_COUNT(kinds); k++)
        for (uint64_t n = 1;; n += kinds[k] == NB_FAULT_WRITE ? 9 : 1) {
            nb_faults_fail_at(kinds[k], n);
            int exit_code = quantize(source, "dst", NULL, NULL, NULL);
            if (!nb_faults_reset()) {
                assert_int_equal(exit_code, 0);
                assert_int_equal(quantize(source, "dst", "--force", NULL, NULL), 0);
                assert_int_equal(system("rm -r dst"), 0);
                break;
            }
            assert_int_not_equal(exit_code, 0);
            if (exists("dst")) // only the very last sync may fail with the directory in its place
                assert_true(kinds[k] == NB_FAULT_FSYNC && exists("dst/model.safetensors"));
            assert_int_equal(system("rm -rf dst; test -z \"$(ls -A)\""), 0);
        }
}

int main(void)
{
    if (!getcwd(home, sizeof home))
        return 1;
#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, nb_scratch_enter, nb_scratch_leave)
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(many_shards_hold_the_same_tensors),
        IN_SCRATCH(a_stop_leaves_no_file),
        IN_SCRATCH(existing_directories_are_kept),
        IN_SCRATCH(the_source_is_never_the_target),
        IN_SCRATCH(what_cannot_be_quantised_is_refused),
        IN_SCRATCH(a_value_that_is_not_finite_is_named),
        IN_SCRATCH(failures_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
