// SPDX-License-Identifier: Apache-2.0
// The file of a training in the middle: what went in comes out, a damaged byte is seen, and a process killed at any
// byte of a write leaves the file before.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "apps/qat/trainer_record.h"
#include "apps/qat/trainer_state.h"
#include "tests/support/data_path.h"
#include "tests/support/faults.h"
#include "tests/support/scratch.h"

enum { N_PARAMS = 2, N = 6 + 5 };

typedef struct world {
    float values[N], first[N], second[N];
    nb_param params[N_PARAMS];
    json_t *record;
} world;

static void world_open(world *w, float base)
{
    for (int i = 0; i < N; i++) {
        w->values[i] = base + (float)i;
        w->first[i] = base + 0.25f * (float)i;
        w->second[i] = base * (float)i;
    }
    w->params[0] = (nb_param){.name = "a.weight", .value = w->values, .n = 6, .rank = 2, .shape = {2, 3}};
    w->params[1] = (nb_param){.name = "b", .value = w->values + 6, .n = 5, .rank = 1, .shape = {5, 1}};
    w->record = json_pack("{s:f, s:{s:f}}", "base", (double)base, "recipe", "lr", 1e-5);
}

static nb_status save(const world *w, nb_error *error)
{
    return nb_train_state_save("state", w->params, N_PARAMS, w->first, w->second, w->record, error);
}

// Fails the test unless the file holds `expected`.
static void assert_holds(const world *expected)
{
    world found;
    nb_train_state state;
    nb_error error = {0};
    world_open(&found, 0);
    if (nb_train_state_open(&state, "state", &error) != NB_OK)
        fail_msg("%s", error.text);
    assert_true(json_equal(state.record, expected->record));
    assert_int_equal(nb_train_state_apply(&state, found.params, N_PARAMS, found.first, found.second, NULL), NB_OK);
    assert_memory_equal(found.values, expected->values, sizeof found.values);
    assert_memory_equal(found.first, expected->first, sizeof found.first);
    assert_memory_equal(found.second, expected->second, sizeof found.second);
    nb_train_state_close(&state);
    json_decref(found.record);
}

static void what_went_in_comes_out(void **state)
{
    (void)state;
    world w;
    world_open(&w, 3);
    assert_int_equal(save(&w, NULL), NB_OK);
    assert_holds(&w);
    json_decref(w.record);
}

static void another_models_state_is_refused(void **state)
{
    (void)state;
    world w, other;
    nb_train_state file;
    world_open(&w, 3);
    world_open(&other, 4);
    assert_int_equal(save(&w, NULL), NB_OK);
    assert_int_equal(nb_train_state_open(&file, "state", NULL), NB_OK);
    for (int i = 0; i < 3; i++) {
        world before = other;
        size_t n_params = i == 0 ? 1 : N_PARAMS;
        other.params[0].n = i == 1 ? 5 : 6;
        strcpy(other.params[1].name, i == 2 ? "c" : "b");
        assert_int_equal(nb_train_state_apply(&file, other.params, n_params, other.first, other.second, NULL),
                         NB_ERR_INPUT);
        assert_memory_equal(other.values, before.values, sizeof before.values);
    }
    nb_train_state_close(&file);
    json_decref(w.record);
    json_decref(other.record);
}

static void every_byte_decides(void **state)
{
    (void)state;
    world w;
    nb_train_state file;
    size_t bytes;
    world_open(&w, 3);
    assert_int_equal(save(&w, NULL), NB_OK);
    uint8_t *data = (uint8_t *)nb_test_file_read("state", &bytes);
    assert_int_equal(nb_train_state_parse(&file, data, bytes, "state", NULL), NB_OK);
    uint64_t begin = file.header.tensors[0].begin;
    nb_train_state_close(&file);
    for (size_t i = begin; i < bytes; i++) {
        data[i] ^= 0x20;
        assert_int_equal(nb_train_state_parse(&file, data, bytes, "state", NULL), NB_ERR_INPUT);
        data[i] ^= 0x20;
    }
    for (size_t n = 0; n < bytes; n++)
        assert_int_equal(nb_train_state_parse(&file, data, n, "state", NULL), NB_ERR_INPUT);
    free(data);
    json_decref(w.record);
}

static void other_files_are_refused(void **state)
{
    (void)state;
    nb_train_state file;
    assert_true(nb_scratch_put("state", "{\"stages\":[]}"));
    assert_int_equal(nb_train_state_open(&file, "state", NULL), NB_ERR_INPUT);
    assert_int_equal(nb_train_state_open(&file, "absent", NULL), NB_ERR_INPUT);
    assert_int_equal(nb_train_state_open(&file, ".", NULL), NB_ERR_INPUT);
}

// The system ends the process with SIGXFSZ at the first byte beyond a limit.
static void a_kill_at_any_byte_leaves_the_file_before(void **state)
{
    (void)state;
    world old, new;
    size_t bytes;
    world_open(&old, 3);
    world_open(&new, 9);
    assert_int_equal(save(&old, NULL), NB_OK);
    free(nb_test_file_read("state", &bytes));
    for (size_t limit = 0; limit < bytes; limit++) {
        int outcome;
        pid_t child = fork();
        if (child == 0) {
            const struct rlimit size = {limit, limit}, core = {0, 0};
            nb_faults_shorten(7); // so that the limit is met in the middle
            if (setrlimit(RLIMIT_CORE, &core) != 0 || setrlimit(RLIMIT_FSIZE, &size) != 0)
                _exit(2);
            _exit(save(&new, NULL) == NB_OK ? 0 : 1);
        }
        assert_int_equal(waitpid(child, &outcome, 0), child);
        assert_true(WIFSIGNALED(outcome) && WTERMSIG(outcome) == SIGXFSZ);
        assert_holds(&old);
    }
    assert_int_equal(save(&new, NULL), NB_OK);
    assert_holds(&new);
    json_decref(old.record);
    json_decref(new.record);
}

static void a_failed_call_leaves_the_file_before(void **state)
{
    (void)state;
    static const nb_fault kinds[] = {NB_FAULT_OPEN, NB_FAULT_WRITE, NB_FAULT_FSYNC, NB_FAULT_RENAME, NB_FAULT_MALLOC};
    for (size_t k = 0; k < NB_COUNT(kinds); k++)
        for (uint64_t n = 1;; n++) {
            world old, new;
            nb_error error = {0};
            world_open(&old, 3);
            world_open(&new, 9);
            assert_int_equal(save(&old, NULL), NB_OK);
            nb_faults_fail_at(kinds[k], n);
            nb_status status = save(&new, &error);
            bool has_fired = nb_faults_reset();
            if (status != NB_OK)
                assert_int_not_equal(error.text[0], 0);
            // Only the sync of the folder may fail with the new file in its place.
            bool is_new = status == NB_OK || strstr(error.text, "may not survive a power cut");
            assert_holds(is_new ? &new : &old);
            assert_int_equal(system("test \"$(ls)\" = state"), 0);
            json_decref(old.record);
            json_decref(new.record);
            if (!has_fired)
                break;
        }
}

static void recipes_differ_by_name(void **state)
{
    (void)state;
    json_t *kept = json_pack("{s:f, s:s}", "lr", 1e-5, "loss", "ce");
    json_t *asked = json_pack("{s:f, s:s}", "lr", 1e-5, "loss", "sem");
    nb_error error = {0};
    assert_int_equal(nb_recipe_compare(kept, kept, NULL), NB_OK);
    assert_int_equal(nb_recipe_compare(kept, asked, &error), NB_ERR_INPUT);
    assert_non_null(strstr(error.text, "another loss; expected \"ce\", found \"sem\""));
    json_decref(kept);
    json_decref(asked);
}

int main(void)
{
#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, nb_scratch_enter, nb_scratch_leave)
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(what_went_in_comes_out),
        IN_SCRATCH(another_models_state_is_refused),
        IN_SCRATCH(every_byte_decides),
        IN_SCRATCH(other_files_are_refused),
        IN_SCRATCH(a_kill_at_any_byte_leaves_the_file_before),
        IN_SCRATCH(a_failed_call_leaves_the_file_before),
        IN_SCRATCH(recipes_differ_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
