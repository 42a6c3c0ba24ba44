// SPDX-License-Identifier: Apache-2.0
// The writer of safetensors files: bytes written down from the format's specification, what the project's reader makes
// of them, shards, and failures.
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/safetensors_write.h"
#include "tests/support/faults.h"
#include "tests/support/scratch.h"

static nb_tensor tensor_of(const char *name, nb_dtype dtype, uint32_t rank, uint64_t a, uint64_t b)
{
    return (nb_tensor){.name = name, .dtype = dtype, .rank = rank, .shape = {a, b}};
}

// Writes the tensors with the data bytes 0, 1, 2, ... in pieces of `piece`.
static nb_status write_counting(const char *path, nb_tensor **tensors, size_t n, size_t piece, nb_error *error)
{
    nb_safetensors_writer writer;
    NB_TRY(nb_safetensors_writer_open(&writer, path, tensors, n, error));
    nb_status status = NB_OK;
    uint8_t next = 0, bytes[16];
    while (status == NB_OK && writer.n_left > 0) {
        size_t n_bytes = nb_min(piece, writer.n_left);
        for (size_t i = 0; i < n_bytes; i++)
            bytes[i] = next++;
        status = nb_safetensors_writer_put(&writer, bytes, n_bytes, error);
    }
    if (status == NB_OK)
        return nb_safetensors_writer_commit(&writer, error);
    nb_safetensors_writer_abort(&writer);
    return status;
}

static char *read_all(const char *path, size_t *bytes)
{
    char *data;
    assert_int_equal(nb_file_read(path, 1 << 20, &data, bytes, NULL), NB_OK);
    return data;
}

static void bytes_are_as_specified(void **state)
{
    (void)state;
    nb_tensor codes = tensor_of("codes", NB_DTYPE_U8, 2, 1, 3), g = tensor_of("g", NB_DTYPE_F32, 0, 0, 0);
    nb_tensor half = tensor_of("é", NB_DTYPE_BF16, 1, 2, 0);
    nb_tensor *tensors[] = {&codes, &g, &half};
    assert_int_equal(write_counting("a.safetensors", tensors, 3, 2, NULL), NB_OK);
    static const char header[] = "{\"__metadata__\":{\"format\":\"pt\"},"
                                 "\"g\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},"
                                 "\"é\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[4,8]},"
                                 "\"codes\":{\"dtype\":\"U8\",\"shape\":[1,3],\"data_offsets\":[8,11]}}";
    size_t header_bytes = (sizeof header - 1 + 7) / 8 * 8, bytes;
    char *file = read_all("a.safetensors", &bytes);
    assert_int_equal(bytes, 8 + header_bytes + 11);
    const uint8_t length[8] = {(uint8_t)header_bytes};
    assert_true(header_bytes < 256);
    assert_memory_equal(file, length, 8);
    assert_memory_equal(file + 8, header, sizeof header - 1);
    for (size_t i = sizeof header - 1; i < header_bytes; i++)
        assert_int_equal(file[8 + i], ' ');
    for (uint8_t i = 0; i < 11; i++)
        assert_int_equal(file[8 + header_bytes + i], i);
    assert_true(tensors[0] == &g && tensors[1] == &half && tensors[2] == &codes);
    assert_int_equal(codes.begin, 8 + header_bytes + 8);
    assert_int_equal(codes.end, bytes);
    free(file);
}

static void the_reader_agrees_and_all_is_aligned(void **state)
{
    (void)state;
    static const nb_dtype dtypes[] = {NB_DTYPE_U8,  NB_DTYPE_F64, NB_DTYPE_F8_E4M3, NB_DTYPE_F32,
                                      NB_DTYPE_F16, NB_DTYPE_I64, NB_DTYPE_BF16,    NB_DTYPE_F4};
    enum { N = 24 };
    static char names[N][8];
    nb_tensor tensors[N], *order[N];
    for (unsigned i = 0; i < N; i++) {
        snprintf(names[i], sizeof names[i], "t%u", i);
        order[i] = &tensors[i];
        tensors[i] = tensor_of(names[i], dtypes[i % NB_COUNT(dtypes)], i % 3, 2 * (i % 5), 3); // some are empty
        if (tensors[i].dtype == NB_DTYPE_F4)
            tensors[i].rank = 2;
    }
    assert_int_equal(write_counting("b.safetensors", order, N, 7, NULL), NB_OK);
    size_t bytes;
    char *file = read_all("b.safetensors", &bytes);
    nb_safetensors parsed;
    assert_int_equal(nb_safetensors_parse(&parsed, (const uint8_t *)file, bytes, "b", NULL), NB_OK);
    assert_int_equal(parsed.n_tensors, N);
    for (size_t i = 0; i < N; i++) {
        const nb_tensor *found = &parsed.tensors[i];
        const nb_tensor *expected = tensors + atoi(found->name + 1);
        assert_true(found->dtype == expected->dtype && found->rank == expected->rank);
        assert_memory_equal(found->shape, expected->shape, found->rank * sizeof found->shape[0]);
        assert_true(found->begin == expected->begin && found->end == expected->end);
        assert_int_equal(found->begin * 8 % nb_dtype_bits(found->dtype), 0);
    }
    nb_safetensors_release(&parsed);
    free(file);
}

static void two_writes_give_the_same_bytes(void **state)
{
    (void)state;
    char *files[2];
    size_t bytes[2];
    for (size_t i = 0; i < 2; i++) {
        nb_tensor a = tensor_of("a", NB_DTYPE_F16, 2, 3, 5), b = tensor_of("b", NB_DTYPE_F32, 1, 2, 0);
        assert_int_equal(write_counting("c.safetensors", (nb_tensor *[]){&a, &b}, 2, 1 + 10 * i, NULL), NB_OK);
        files[i] = read_all("c.safetensors", &bytes[i]);
    }
    assert_int_equal(bytes[0], bytes[1]);
    assert_memory_equal(files[0], files[1], bytes[0]);
    free(files[0]);
    free(files[1]);
}

static void check_refused(nb_tensor **tensors, size_t n, const char *name)
{
    nb_error error = {0};
    assert_int_equal(write_counting("refused.safetensors", tensors, n, 8, &error), NB_ERR_ARGUMENT);
    assert_non_null(strstr(error.text, name));
    assert_false(nb_file_exists("refused.safetensors"));
}

static void impossible_tensors_are_refused(void **state)
{
    (void)state;
    nb_tensor a = tensor_of("twice", NB_DTYPE_F16, 1, 1, 0), b = a;
    check_refused((nb_tensor *[]){&a, &b}, 2, "twice");
    nb_tensor metadata = tensor_of("__metadata__", NB_DTYPE_F16, 1, 1, 0);
    check_refused((nb_tensor *[]){&metadata}, 1, "__metadata__");
    nb_tensor latin = tensor_of("caf\xe9", NB_DTYPE_F16, 1, 1, 0);
    check_refused((nb_tensor *[]){&latin}, 1, "caf");
    nb_tensor large = tensor_of("large", NB_DTYPE_F32, 2, UINT64_C(1) << 40, UINT64_C(1) << 40);
    check_refused((nb_tensor *[]){&large}, 1, "large");
    nb_tensor odd = tensor_of("odd", NB_DTYPE_F4, 1, 3, 0);
    check_refused((nb_tensor *[]){&odd}, 1, "odd");
}

static void shards_are_cut_by_size(void **state)
{
    (void)state;
    nb_tensor tensors[6];
    const nb_tensor *order[6];
    static const uint64_t sizes[] = {40, 60, 1, 250, 99, 1};
    for (size_t i = 0; i < 6; i++) {
        tensors[i] = tensor_of("t", NB_DTYPE_U8, 1, sizes[i], 0);
        order[i] = &tensors[i];
    }
    size_t first[7];
    static const size_t expected[] = {0, 2, 3, 4, 6}; // 40 + 60 | 1 | 250 alone, too large | 99 + 1
    assert_int_equal(nb_shards_cut(order, 6, 100, first), 4);
    assert_memory_equal(first, expected, sizeof expected);
    assert_int_equal(nb_shards_cut(order, 6, NB_SHARD_BYTES, first), 1);
    assert_true(first[0] == 0 && first[1] == 6);
    assert_int_equal(nb_shards_cut(order, 0, 100, first), 1);
    char name[NB_SHARD_NAME_BYTES];
    assert_string_equal(nb_shard_name(0, 1, name), "model.safetensors");
    assert_string_equal(nb_shard_name(0, 3, name), "model-00001-of-00003.safetensors");
    assert_string_equal(nb_shard_name(11, 12, name), "model-00012-of-00012.safetensors");
}

static void the_index_names_every_tensor(void **state)
{
    (void)state;
    nb_tensor a = tensor_of("a", NB_DTYPE_U8, 1, 5, 0), b = tensor_of("b", NB_DTYPE_U8, 1, 6, 0);
    const nb_tensor *order[] = {&a, &b};
    a.end = 5;
    b.begin = 8;
    b.end = 14;
    assert_int_equal(nb_shards_write_index("index.json", order, (const size_t[]){0, 1, 2}, 2, NULL), NB_OK);
    json_t *index = json_load_file("index.json", JSON_REJECT_DUPLICATES, NULL);
    json_t *expected = json_loads("{\"metadata\": {\"total_size\": 11}, \"weight_map\": {"
                                  "\"a\": \"model-00001-of-00002.safetensors\","
                                  "\"b\": \"model-00002-of-00002.safetensors\"}}",
                                  0, NULL);
    assert_true(index && json_equal(index, expected));
    json_decref(index);
    json_decref(expected);
}

// Whatever fails: an error, and neither the file nor a temporary one.
static void failures_leave_nothing(void **state)
{
    (void)state;
    static const nb_fault kinds[] = {NB_FAULT_MALLOC, NB_FAULT_OPEN, NB_FAULT_WRITE, NB_FAULT_FSYNC, NB_FAULT_RENAME};
    for (size_t k = 0; k < NB_COUNT(kinds); k++)
        for (uint64_t n = 1;; n++) {
            nb_tensor a = tensor_of("a", NB_DTYPE_F16, 2, 3, 5), b = tensor_of("b", NB_DTYPE_F32, 1, 2, 0);
            nb_faults_fail_at(kinds[k], n);
            nb_status status = write_counting("d.safetensors", (nb_tensor *[]){&a, &b}, 2, 16, NULL);
            bool fired = nb_faults_reset();
            bool is_late = kinds[k] == NB_FAULT_FSYNC || kinds[k] == NB_FAULT_OPEN; // the folder's own sync may fail
            if (fired == (status == NB_OK))
                fail_msg("%s %d: status %d", nb_fault_name(kinds[k]), (int)n, (int)status);
            assert_true(nb_file_exists("d.safetensors") == !fired || is_late);
            unlink("d.safetensors");
            assert_int_equal(system("test -z \"$(ls -A)\""), 0);
            if (!fired)
                break;
        }
}

int main(void)
{
#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, nb_scratch_enter, nb_scratch_leave)
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(bytes_are_as_specified),         IN_SCRATCH(the_reader_agrees_and_all_is_aligned),
        IN_SCRATCH(two_writes_give_the_same_bytes), IN_SCRATCH(impossible_tensors_are_refused),
        cmocka_unit_test(shards_are_cut_by_size),   IN_SCRATCH(the_index_names_every_tensor),
        IN_SCRATCH(failures_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
