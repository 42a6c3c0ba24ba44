// SPDX-License-Identifier: Apache-2.0
#include "runtime/checkpoint.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "platform/file.h"
#include "tests/support/checkpoint_edit.h"
#include "tests/support/data_path.h"
#include "tests/support/faults.h"

// A file of U8 tensors of one byte each, with the given names.
static void write_shard(const char *file, const char *const *names, size_t n_names)
{
    char header[2048] = "{", entry[256];
    for (size_t i = 0; i < n_names; i++) {
        snprintf(entry, sizeof entry, "%s\"%s\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%zu,%zu]}",
                 i ? "," : "", names[i], i, i + 1);
        strcat(header, entry);
    }
    uint64_t n = strlen(strcat(header, "}"));
    uint8_t bytes[4096] = {0};
    memcpy(bytes, &n, 8);
    memcpy(bytes + 8, header, n);
    nb_test_file_write(nb_edit_path(file), bytes, 8 + n + n_names);
}

static void write_text(const char *file, const char *text)
{
    nb_test_file_write(nb_edit_path(file), text, strlen(text));
}

static void assert_refused(const char *words)
{
    nb_checkpoint checkpoint;
    nb_error error = {0};
    nb_status status = nb_checkpoint_open(&checkpoint, nb_edit_directory(), &error);
    if (status != NB_ERR_INPUT || !strstr(error.text, words))
        fail_msg("%d: %s\n  expected: %s", (int)status, error.text, words);
    assert_null(checkpoint.shards);
    assert_null(checkpoint.entries);
}

#define INDEX "model.safetensors.index.json"
static const char *const ab[] = {"a", "b"}, *const cd[] = {"c", "d"};

static void write_pair(const char *index)
{
    write_shard("x-1.safetensors", ab, 2);
    write_shard("x-2.safetensors", cd, 2);
    write_text(INDEX, index);
}

static const char good_index[] = "{\"metadata\":{\"total_size\":-7},\"weight_map\":{\"a\":\"x-1.safetensors\","
                                 "\"b\":\"x-1.safetensors\",\"c\":\"x-2.safetensors\",\"d\":\"x-2.safetensors\"}}";

static void test_shards(void **state)
{
    (void)state;
    write_pair(good_index);
    nb_checkpoint checkpoint;
    assert_int_equal(nb_checkpoint_open(&checkpoint, nb_edit_directory(), NULL), NB_OK);
    assert_int_equal(checkpoint.n_shards, 2);
    assert_int_equal(checkpoint.n_entries, 4);
    const nb_entry *c = nb_checkpoint_find(&checkpoint, "c");
    assert_non_null(c);
    assert_string_equal(checkpoint.shards[c->shard].name, "x-2.safetensors");
    assert_null(nb_checkpoint_find(&checkpoint, "e"));
    assert_null(nb_checkpoint_find(&checkpoint, ""));
    nb_checkpoint_keep_maps(&checkpoint);
    assert_null(nb_checkpoint_find(&checkpoint, "c"));
    nb_checkpoint_close(&checkpoint);
    nb_checkpoint_close(&checkpoint); // harmless
}

static void test_single_and_sidecar(void **state)
{
    (void)state;
    assert_refused("model.safetensors"); // an empty directory names the usual file
    write_shard("model.safetensors", ab, 2);
    write_text(INDEX, "not read when the single file is there");
    nb_checkpoint checkpoint;
    assert_int_equal(nb_checkpoint_open(&checkpoint, nb_edit_directory(), NULL), NB_OK);
    assert_int_equal(checkpoint.n_entries, 2);
    nb_checkpoint_close(&checkpoint);
    write_shard("k_shift.st", cd, 2);
    assert_int_equal(nb_checkpoint_open(&checkpoint, nb_edit_directory(), NULL), NB_OK);
    assert_int_equal(checkpoint.n_entries, 4);
    nb_checkpoint_close(&checkpoint);
    write_shard("k_shift.st", ab, 1);
    assert_refused("found in model.safetensors and k_shift.st");
    write_text("k_shift.st", "");
    assert_refused("k_shift.st");

    assert_int_equal(nb_checkpoint_open(&checkpoint, nb_edit_path("model.safetensors"), NULL), NB_OK);
    assert_int_equal(checkpoint.n_entries, 2);
    assert_string_equal(checkpoint.shards[0].name, "model.safetensors");
    nb_checkpoint_close(&checkpoint);
}

static void test_index_rules(void **state) // rule 10
{
    (void)state;
    static const char *const indexes[][2] = {
        {"", "JSON"},
        {"[]", "object"},
        {"{}", "weight_map"},
        {"{\"weight_map\":[]}", "weight_map"},
        {"{\"weight_map\":{}}", "1 to"},
        {"{\"weight_map\":{\"a\":1}}", "plain file name"},
        {"{\"weight_map\":{\"a\":\"\"}}", "plain file name"},
        {"{\"weight_map\":{\"a\":\"..\"}}", "plain file name"},
        {"{\"weight_map\":{\"a\":\"../x-1.safetensors\"}}", "plain file name"},
        {"{\"weight_map\":{\"a\":\"/etc/passwd\"}}", "plain file name"},
        {"{\"weight_map\":{\"a\":\"sub/x.safetensors\"}}", "plain file name"},
        {"{\"weight_map\":{\"a\":\"x-1.safetensors\\u0000\"}}", "JSON"},
        {"{\"weight_map\":{\"a\":\"x-1.safetensors\",\"a\":\"x-1.safetensors\"}}", "duplicate"},
        {"{\"weight_map\":{\"a\":\"x-3.safetensors\"}}", "x-3.safetensors"}, // missing shard
        {"{\"weight_map\":{\"e\":\"x-1.safetensors\"}}", "tensor e: expected in x-1.safetensors, found nowhere"},
        {"{\"weight_map\":{\"a\":\"x-1.safetensors\",\"b\":\"x-2.safetensors\"}}", "found in x-1.safetensors"},
    };
    for (size_t i = 0; i < NB_COUNT(indexes); i++) {
        write_pair(indexes[i][0]);
        assert_refused(indexes[i][1]);
    }
    write_pair(good_index);
    write_shard("x-2.safetensors", (const char *const[]){"c", "d", "a"}, 3);
    assert_refused("tensor a: expected in one file");
}

static void test_bad_files(void **state)
{
    (void)state;
    nb_checkpoint checkpoint;
    nb_error error = {0};
    assert_int_equal(nb_checkpoint_open(&checkpoint, nb_edit_path("nothing"), &error), NB_ERR_INPUT);
    assert_non_null(strstr(error.text, "nothing"));
    assert_int_equal(symlink("model.safetensors", nb_edit_path("model.safetensors")), 0);
    assert_refused("model.safetensors"); // a loop leads nowhere
    error = (nb_error){0};
    assert_int_equal(nb_checkpoint_open(&checkpoint, nb_edit_path("model.safetensors"), &error), NB_ERR_INPUT);
    assert_non_null(strstr(error.text, "loop"));
    assert_int_equal(unlink(nb_edit_path("model.safetensors")), 0);
    assert_int_equal(mkdir(nb_edit_path("model.safetensors"), 0700), 0);
    assert_refused("found a directory");
    assert_int_equal(rmdir(nb_edit_path("model.safetensors")), 0);
    assert_int_equal(mkfifo(nb_edit_path("model.safetensors"), 0600), 0);
    assert_refused("found a FIFO");
    assert_int_equal(unlink(nb_edit_path("model.safetensors")), 0);
    write_text("model.safetensors", "");
    assert_refused("at least 8 bytes, found 0");
    write_shard("real", ab, 2); // a link to a file is how the Hub's cache looks
    assert_int_equal(unlink(nb_edit_path("model.safetensors")), 0);
    assert_int_equal(symlink("real", nb_edit_path("model.safetensors")), 0);
    assert_int_equal(nb_checkpoint_open(&checkpoint, nb_edit_directory(), NULL), NB_OK);
    nb_checkpoint_close(&checkpoint);
}

static void test_unreadable(void **state)
{
    (void)state;
    if (geteuid() == 0) {
        print_message("SKIPPED: permissions do not bind root\n");
        skip();
    }
    write_shard("model.safetensors", ab, 2);
    assert_int_equal(chmod(nb_edit_directory(), 0), 0);
    assert_refused("permission");
    assert_int_equal(chmod(nb_edit_directory(), 0700), 0);
}

static void test_faults(void **state)
{
    (void)state;
    write_pair(good_index);
    write_shard("k_shift.st", (const char *const[]){"e"}, 1);
    nb_checkpoint checkpoint;
    assert_int_equal(nb_checkpoint_open(&checkpoint, nb_edit_directory(), NULL), NB_OK);
    nb_checkpoint_close(&checkpoint);
    static const nb_fault kinds[] = {NB_FAULT_MALLOC, NB_FAULT_OPEN, NB_FAULT_MMAP, NB_FAULT_STAT, NB_FAULT_READ};
    for (size_t i = 0; i < NB_COUNT(kinds); i++) {
        uint64_t n_refused = 0;
        for (uint64_t n = 1;; n++) {
            nb_error error = {0};
            nb_faults_fail_at(kinds[i], n);
            nb_status status = nb_checkpoint_open(&checkpoint, nb_edit_directory(), &error);
            bool failed = nb_faults_reset();
            if (status == NB_OK)
                nb_checkpoint_close(&checkpoint);
            else
                assert_true(error.text[0] != '\0');
            if (!failed) {
                assert_int_equal(status, NB_OK);
                break;
            }
            n_refused += status != NB_OK;
            assert_true(status != NB_OK || kinds[i] == NB_FAULT_MALLOC); // (malloc: see test_config)
        }
        print_message("%s: %d failures\n", nb_fault_name(kinds[i]), (int)n_refused);
        assert_true(n_refused > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_shards, nb_edit_enter, nb_edit_leave),
        cmocka_unit_test_setup_teardown(test_single_and_sidecar, nb_edit_enter, nb_edit_leave),
        cmocka_unit_test_setup_teardown(test_index_rules, nb_edit_enter, nb_edit_leave),
        cmocka_unit_test_setup_teardown(test_bad_files, nb_edit_enter, nb_edit_leave),
        cmocka_unit_test_setup_teardown(test_unreadable, nb_edit_enter, nb_edit_leave),
        cmocka_unit_test_setup_teardown(test_faults, nb_edit_enter, nb_edit_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
