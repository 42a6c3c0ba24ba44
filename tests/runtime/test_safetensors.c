// SPDX-License-Identifier: Apache-2.0
// Every rule of the format (research: the reference reader's errors, and what it leaves to others), one file each.
#include "runtime/safetensors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/data_path.h"
#include "tests/support/faults.h"

// A file of the given header and n_data zero bytes. The caller frees.
static uint8_t *make_file(const char *header, size_t header_bytes, size_t n_data, size_t *bytes)
{
    uint64_t n = header_bytes;
    *bytes = 8 + header_bytes + n_data;
    uint8_t *file = calloc(1, *bytes);
    memcpy(file, &n, 8);
    memcpy(file + 8, header, header_bytes);
    return file;
}

static nb_status parse(const char *header, size_t n_data, nb_error *error)
{
    size_t bytes;
    uint8_t *file = make_file(header, strlen(header), n_data, &bytes);
    nb_safetensors st;
    nb_status status = nb_safetensors_parse(&st, file, bytes, "x.safetensors", error);
    if (status == NB_OK)
        nb_safetensors_release(&st);
    else
        assert_null(st.tensors);
    free(file);
    return status;
}

static void assert_refused(const char *header, size_t n_data, const char *words)
{
    nb_error error = {0};
    if (parse(header, n_data, &error) != NB_ERR_INPUT)
        fail_msg("accepted: %.200s", header);
    if (!strstr(error.text, words) || !strstr(error.text, "x.safetensors"))
        fail_msg("%.200s\n  gives: %s\n  without: %s", header, error.text, words);
}

static void assert_accepted(const char *header, size_t n_data)
{
    nb_error error = {0};
    if (parse(header, n_data, &error) != NB_OK)
        fail_msg("refused: %.200s\n  %s", header, error.text);
}

static void test_lengths(void **state) // rule 1
{
    (void)state;
    nb_safetensors st;
    nb_error error = {0};
    const uint8_t seven[7] = {0};
    assert_int_equal(nb_safetensors_parse(&st, seven, 7, "x", &error), NB_ERR_INPUT);
    assert_non_null(strstr(error.text, "at least 8"));
    assert_int_equal(nb_safetensors_parse(&st, NULL, 0, "x", NULL), NB_ERR_INPUT);
    const uint64_t lengths[] = {3, 100000001, 10ull << 30, UINT64_MAX, UINT64_MAX - 7};
    for (size_t i = 0; i < NB_COUNT(lengths); i++) {
        uint8_t file[10] = {0};
        memcpy(file, &lengths[i], 8);
        error = (nb_error){0};
        assert_int_equal(nb_safetensors_parse(&st, file, 10, "x", &error), NB_ERR_INPUT);
        assert_non_null(strstr(error.text, "header length"));
    }
}

static void test_header_text(void **state) // rules 2 and 3
{
    (void)state;
    assert_refused("", 0, "'{'");
    assert_refused(" {}", 0, "'{'");
    assert_refused("[]", 0, "'{'");
    assert_refused("{", 0, "JSON");
    assert_refused("{}x", 0, "JSON");
    assert_refused("{} {}", 0, "JSON");
    assert_refused("{\"a\xff\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0, "JSON");
    assert_refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},"
                   "\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}",
                   0, "duplicate");
    assert_refused("{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0, "duplicate");
    assert_refused("{\"a\\u0000b\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0, "JSON");
    size_t bytes;
    uint8_t *file = make_file("{}\0\0", 4, 0, &bytes); // padded with zeros instead of spaces
    nb_safetensors st;
    assert_int_equal(nb_safetensors_parse(&st, file, bytes, "x", NULL), NB_ERR_INPUT);
    free(file);
}

static void test_entries(void **state) // rules 4 to 6
{
    (void)state;
    static const char *const refused[][2] = {
        {"{\"a\":1}", "object"},
        {"{\"a\":{\"shape\":[],\"data_offsets\":[0,4]}}", "dtype"},
        {"{\"a\":{\"dtype\":\"F31\",\"shape\":[],\"data_offsets\":[0,4]}}", "F31"},
        {"{\"a\":{\"dtype\":32,\"shape\":[],\"data_offsets\":[0,4]}}", "dtype"},
        {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", "shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":4,\"data_offsets\":[0,4]}}", "shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", "-1"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}", "fractional"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[281474976710657],\"data_offsets\":[0,4]}}", "2^48"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],\"data_offsets\":[0,4]}}", "JSON"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", "dimensions"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", "data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", "data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", "data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0.0,4]}}", "fractional"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", "-4"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", "begin"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[281474976710656,281474976710656],\"data_offsets\":[0,4]}}", "2^64"},
        {"{\"a\":{\"dtype\":\"F64\",\"shape\":[281474976710656,65535],\"data_offsets\":[0,4]}}", "2^64"},
        {"{\"a\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,2]}}", "whole number"},
        {"{\"a\":{\"dtype\":\"F6_E2M3\",\"shape\":[2],\"data_offsets\":[0,2]}}", "whole number"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", "8 bytes of F32 [2], found 4"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,8]}}", "4 bytes of F32 [], found 8"},
    };
    for (size_t i = 0; i < NB_COUNT(refused); i++)
        assert_refused(refused[i][0], 4, refused[i][1]);
}

#define ENTRY(name, begin, end) "\"" name "\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[" begin "," end "]}"

static void test_tiling(void **state) // rules 7 and 8
{
    (void)state;
    assert_refused("{" ENTRY("a", "1", "3") "}", 3, "expected begin 0, found 1");
    assert_refused("{" ENTRY("a", "0", "2") "," ENTRY("b", "3", "5") "}", 5, "tensor b: data_offsets (hole");
    assert_refused("{" ENTRY("a", "0", "2") "," ENTRY("b", "1", "3") "}", 3, "overlap");
    assert_refused("{" ENTRY("a", "0", "2") "," ENTRY("b", "0", "2") "}", 2, "overlap");
    assert_refused("{" ENTRY("a", "0", "2") "}", 1, "truncated");
    assert_refused("{" ENTRY("a", "0", "2") "}", 3, "expected 2 data bytes, found 3");
    assert_refused("{}", 1, "expected 0 data bytes, found 1");
    assert_refused("{" ENTRY("a", "281474976710654", "281474976710656") "}", 2, "hole");
}

static void test_metadata_and_budgets(void **state) // rule 9
{
    (void)state;
    assert_refused("{\"__metadata__\":[]}", 0, "__metadata__");
    assert_refused("{\"__metadata__\":{\"a\":1}}", 0, "string");
    assert_refused("{\"__metadata__\":{\"a\":{\"b\":\"c\"}}}", 0, "string");
    assert_accepted("{\"__metadata__\":{\"format\":\"pt\",\"x\":\"\"}}", 0);

    size_t n = 1 << 20; // depth
    char *deep = malloc(2 * n + 8);
    memcpy(deep, "{\"a\":", 5);
    memset(deep + 5, '[', n);
    deep[5 + n] = '\0';
    assert_refused(deep, 0, "nested");
    // A multitude of tiny values, which would cost a hundred times their bytes when parsed.
    memcpy(deep, "{\"a\":[", 6);
    for (size_t i = 0; i < n; i++)
        memcpy(deep + 6 + 2 * i, "0,", 2);
    memcpy(deep + 6 + 2 * n - 1, "]}", 3);
    assert_refused(deep, 0, "object"); // within the budget, but not an entry
    free(deep);
    size_t n_values = NB_LIMIT_HEADER_VALUES + 1;
    char *many = malloc(2 * n_values + 16);
    memcpy(many, "{\"a\":[", 6);
    for (size_t i = 0; i < n_values; i++)
        memcpy(many + 6 + 2 * i, "0,", 2);
    memcpy(many + 6 + 2 * n_values - 1, "]}", 3);
    assert_refused(many, 0, "too many values");
    free(many);
}

static void test_allowed(void **state)
{
    (void)state;
    assert_accepted("{}", 0);
    assert_accepted("{}       ", 0);
    assert_accepted("{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}  ", 4);
    assert_accepted("{\"a\":{\"dtype\":\"F32\",\"shape\":[0,281474976710656],\"data_offsets\":[0,0]}}", 0);
    assert_accepted("{\"b\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[2,2]}," ENTRY(
                        "a", "0", "2") "," //
                                       "\"c\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[2,2]}}",
                    2);
    assert_accepted("{\"a\":{\"dtype\":\"F4\",\"shape\":[3,2],\"data_offsets\":[0,3]}}", 3);
    assert_accepted("{\"a\":{\"dtype\":\"F6_E3M2\",\"shape\":[4],\"data_offsets\":[0,3]}}", 3);
    static const char *const names[] = {"BOOL",        "U8",  "I8",  "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ",
                                        "F8_E5M2FNUZ", "I16", "U16", "F16",     "BF16",    "I32",     "U32",
                                        "F32",         "C64", "F64", "I64",     "U64"};
    static const int bytes[] = {1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 8, 8, 8, 8};
    for (size_t i = 0; i < NB_COUNT(names); i++) {
        char header[128];
        snprintf(header, sizeof header, "{\"a\":{\"dtype\":\"%s\",\"shape\":[3],\"data_offsets\":[0,%d]}}", names[i],
                 3 * bytes[i]);
        assert_accepted(header, 3 * (size_t)bytes[i]);
    }
}

static void test_values(void **state)
{
    (void)state;
    const char *header = "{\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                         "\"a\":{\"dtype\":\"BF16\",\"shape\":[2,3],\"data_offsets\":[1,13]}}";
    size_t bytes;
    uint8_t *file = make_file(header, strlen(header), 13, &bytes);
    nb_safetensors st;
    assert_int_equal(nb_safetensors_parse(&st, file, bytes, "x", NULL), NB_OK);
    assert_int_equal(st.n_tensors, 2); // in file order, unaligned as they are
    assert_string_equal(st.tensors[0].name, "b");
    assert_string_equal(st.tensors[1].name, "a");
    assert_int_equal(st.tensors[1].dtype, NB_DTYPE_BF16);
    assert_int_equal(st.tensors[1].rank, 2);
    assert_int_equal(st.tensors[1].shape[0], 2);
    assert_int_equal(st.tensors[1].shape[1], 3);
    assert_int_equal(st.tensors[1].begin, 8 + strlen(header) + 1);
    assert_int_equal(st.tensors[1].end, bytes);
    nb_safetensors_release(&st);
    free(file);
}

static void test_hostile_names(void **state)
{
    (void)state;
    nb_error error = {0};
    assert_int_equal(
        parse("{\"\\u001b]0;pwned\\u0007\\n\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,2]}}", 2, &error),
        NB_ERR_INPUT);
    for (const char *c = error.text; *c; c++)
        assert_true((unsigned char)*c >= 0x20 && *c != 0x7f);
    char header[4096], name[2000];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    snprintf(header, sizeof header, "{\"%s\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,2]}}", name);
    error = (nb_error){0};
    assert_int_equal(parse(header, 2, &error), NB_ERR_INPUT);
    assert_non_null(strstr(error.text, "expected 1 bytes of U8 [1], found 2")); // not pushed out by the name
}

static void test_real_file(void **state)
{
    (void)state;
    const char *path = nb_test_data("safetensors/real/hadamards.safetensors");
    if (!path)
        skip();
    size_t bytes;
    char *data = nb_test_file_read(path, &bytes);
    nb_safetensors st;
    nb_error error = {0};
    assert_int_equal(nb_safetensors_parse(&st, (uint8_t *)data, bytes, "real", &error), NB_OK);
    assert_true(st.n_tensors > 0);
    assert_int_equal(st.tensors[st.n_tensors - 1].end, bytes);
    nb_safetensors_release(&st);
    for (size_t cut = 1; cut < bytes; cut = cut * 2 + 1) // truncated anywhere
        assert_int_equal(nb_safetensors_parse(&st, (uint8_t *)data, bytes - cut, "real", NULL), NB_ERR_INPUT);
    free(data);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    const char *header = "{\"__metadata__\":{\"a\":\"b\"}," ENTRY("a", "0", "2") "," ENTRY("b", "2", "4") "}";
    nb_error error = {0};
    assert_int_equal(parse(header, 4, &error), NB_OK); // jansson reads its hash seed once
    size_t bytes;
    uint8_t *file = make_file(header, strlen(header), 4, &bytes);
    uint64_t n = 1;
    for (;; n++) {
        nb_safetensors st;
        error = (nb_error){0};
        nb_faults_fail_at(NB_FAULT_MALLOC, n);
        nb_status status = nb_safetensors_parse(&st, file, bytes, "x", &error);
        if (!nb_faults_reset()) {
            assert_int_equal(status, NB_OK);
            nb_safetensors_release(&st);
            break;
        }
        assert_true(status == NB_ERR_SYSTEM || (status == NB_ERR_INPUT && strstr(error.text, "JSON"))); // see json.h
        assert_true(error.text[0] != '\0');
    }
    assert_true(n > 10);
    free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lengths),   cmocka_unit_test(test_header_text),
        cmocka_unit_test(test_entries),   cmocka_unit_test(test_tiling),
        cmocka_unit_test(test_allowed),   cmocka_unit_test(test_metadata_and_budgets),
        cmocka_unit_test(test_values),    cmocka_unit_test(test_hostile_names),
        cmocka_unit_test(test_real_file), cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
