// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "platform/base.h"
#include "runtime/nibble.h"
#include "tests/support/data_path.h"
#include "tests/support/faults.h"
#include "tests/support/oracle_tensors.h"

// Every tensor of the listing against a second reader of the format.
static void test_directory(void **state)
{
    (void)state;
    const char *directory = nb_test_data("models/oracle/llama-f16");
    if (!directory)
        skip();
    oracle_tensors other;
    oracle_tensors_open(&other, directory, "model.safetensors");
    nb_listing *listing;
    assert_int_equal(nb_listing_open(&listing, directory, NULL), NB_OK);
    assert_int_equal(nb_listing_count(listing), 2 * 9 + 3);
    for (size_t i = 0; i < nb_listing_count(listing); i++) {
        nb_tensor_info info;
        nb_listing_get(listing, i, &info);
        size_t n_elements, n_rows;
        uint8_t *bytes = oracle_tensor_copy(&other, info.name, &n_elements, &n_rows);
        assert_non_null(bytes);
        assert_string_equal(info.dtype, "F16");
        assert_string_equal(info.file, "model.safetensors");
        assert_int_equal(info.end - info.begin, 2 * n_elements);
        assert_int_equal(info.shape[0], n_rows);
        assert_int_equal(info.rank, info.shape[1] ? 2 : 1);
        assert_memory_equal(other.bytes + info.begin, bytes, 2 * n_elements);
        free(bytes);
    }
    nb_listing_close(listing);
    oracle_tensors_close(&other);
}

static void test_shards_and_files(void **state)
{
    (void)state;
    const char *directory = nb_test_data("models/oracle/qwen2-r1");
    if (!directory)
        skip();
    nb_listing *listing;
    assert_int_equal(nb_listing_open(&listing, directory, NULL), NB_OK);
    assert_int_equal(nb_listing_count(listing), 2 * 12 + 3);
    size_t n_files = 0;
    char files[8][64];
    for (size_t i = 0; i < nb_listing_count(listing); i++) {
        nb_tensor_info info;
        size_t j = 0;
        nb_listing_get(listing, i, &info);
        while (j < n_files && strcmp(files[j], info.file) != 0)
            j++;
        if (j == n_files)
            snprintf(files[n_files++], sizeof files[0], "%s", info.file);
    }
    assert_int_equal(n_files, 4);
    nb_listing_close(listing);

    char path[4096];
    snprintf(path, sizeof path, "%s/model-00002-of-00004.safetensors", directory);
    assert_int_equal(nb_listing_open(&listing, path, NULL), NB_OK);
    assert_true(nb_listing_count(listing) > 0 && nb_listing_count(listing) < 27);
    nb_listing_close(listing);
}

static void test_errors(void **state)
{
    (void)state;
    nb_listing *listing;
    nb_error error = {0};
    assert_int_equal(nb_listing_open(&listing, "/nonexistent.safetensors", &error), NB_ERR_INPUT);
    assert_null(listing);
    assert_non_null(strstr(error.text, "/nonexistent.safetensors"));
    assert_int_equal(nb_listing_open(&listing, "Makefile", NULL), NB_ERR_INPUT);
    nb_faults_fail_at(NB_FAULT_MALLOC, 1);
    assert_int_equal(nb_listing_open(&listing, "Makefile", NULL), NB_ERR_SYSTEM);
    assert_true(nb_faults_reset());
    nb_listing_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_directory),
        cmocka_unit_test(test_shards_and_files),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
