// SPDX-License-Identifier: Apache-2.0
#include "runtime/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/limits.h"
#include "tests/support/faults.h"

static void assert_refused(const char *text, size_t bytes, size_t max_values, const char *words)
{
    json_t *root;
    nb_error error = {0};
    nb_status status = nb_json_parse(&root, text, bytes, max_values, "f.json", &error);
    if (status != NB_ERR_INPUT || !strstr(error.text, words) || !strstr(error.text, "f.json"))
        fail_msg("%.100s gives %d %s", text, (int)status, error.text);
    assert_null(root);
}

static void test_parse(void **state)
{
    (void)state;
    json_t *root;
    const char *text = " {\"a\": [1, {\"b\": \"\\\"[{,\"}], \"c\": {}} \n";
    assert_int_equal(nb_json_parse(&root, text, strlen(text), 7, "f.json", NULL), NB_OK);
    json_decref(root);
    assert_refused(text, strlen(text), 6, "too many values"); // punctuation inside strings does not count
    static const char *const bad[][2] = {
        {"", "JSON"},
        {"[]", "object"},
        {"1", "JSON"},
        {"{} {}", "JSON"},
        {"{\"a\":1,}", "JSON"},
        {"{\"a\":1,\"a\":1}", "duplicate"},
        {"{'a':1}", "JSON"},
        {"{\"a\":NaN}", "JSON"},
        {"{\"a\":1e999}", "JSON"},
        {"{\"a\":01}", "JSON"},
        {"{\"a\":\"\x80\"}", "JSON"},
        {"\xef\xbb\xbf{}", "JSON"},
    };
    for (size_t i = 0; i < NB_COUNT(bad); i++)
        assert_refused(bad[i][0], strlen(bad[i][0]), 100, bad[i][1]);
    assert_refused("{}\0", 3, 100, "JSON");
    char deep[2 * NB_LIMIT_JSON_DEPTH + 16] = "{\"a\":";
    for (size_t i = 0; i < NB_LIMIT_JSON_DEPTH; i++)
        strcat(deep, "[");
    assert_refused(deep, strlen(deep), 100, "nested");
    // Only the given bytes are read.
    assert_int_equal(nb_json_parse(&root, "{}garbage", 2, 5, "f.json", NULL), NB_OK);
    json_decref(root);
}

// Tokens of every length about the sizes that jansson's buffer has, each allocation refused once.
static void test_no_memory(void **state)
{
    (void)state;
    for (size_t length = 0; length < 140; length++) {
        char text[256];
        json_t *root;
        nb_error error = {0};
        snprintf(text, sizeof text, "{\"k\":\"%0*d\"}", (int)length, 0);
        for (uint64_t n = 1;; n++) {
            error = (nb_error){0};
            nb_faults_fail_at(NB_FAULT_MALLOC, n);
            nb_status status = nb_json_parse(&root, text, strlen(text), 9, "f.json", &error);
            if (!nb_faults_reset()) {
                assert_int_equal(status, NB_OK);
                break;
            }
            if (status != NB_ERR_SYSTEM || root || !strstr(error.text, "out of memory"))
                fail_msg("length %zu, allocation %d gives %d %s", length, (int)n, (int)status, error.text);
        }
        assert_int_equal(json_string_length(json_object_get(root, "k")), nb_max(1, length));
        json_decref(root);
    }
}

static void test_getters(void **state)
{
    (void)state;
    const char *text =
        "{\"i\":5,\"r\":2.5,\"t\":true,\"s\":\"x\\u001b\",\"o\":{},\"l\":[1],\"n\":null,\"big\":4294967296}";
    json_t *root;
    assert_int_equal(nb_json_parse(&root, text, strlen(text), 20, "f.json", NULL), NB_OK);
    nb_error error = {0};
    nb_json_reader r = {root, "f.json", &error};
    uint32_t u = 9;
    double d = 9;
    bool b = false;
    const char *s = NULL;
    const json_t *v = NULL;
    assert_int_equal(nb_json_u32(&r, "i", NB_JSON_REQUIRED, 5, 5, &u), NB_OK);
    assert_int_equal(u, 5);
    assert_int_equal(nb_json_number(&r, "i", NB_JSON_REQUIRED, 0, 10, &d), NB_OK);
    assert_true(d == 5);
    assert_int_equal(nb_json_number(&r, "r", NB_JSON_REQUIRED, 0, 10, &d), NB_OK);
    assert_true(d == 2.5);
    assert_int_equal(nb_json_bool(&r, "t", NB_JSON_REQUIRED, &b), NB_OK);
    assert_true(b);
    assert_int_equal(nb_json_string(&r, "s", NB_JSON_REQUIRED, &s), NB_OK);
    assert_int_equal(nb_json_object(&r, "o", NB_JSON_REQUIRED, &v), NB_OK);
    assert_int_equal(nb_json_array(&r, "l", NB_JSON_REQUIRED, &v), NB_OK);
    assert_int_equal(nb_json_u32(&r, "n", NB_JSON_OPTIONAL, 0, 9, &u), NB_OK); // null counts as missing
    assert_int_equal(nb_json_u32(&r, "absent", NB_JSON_OPTIONAL, 0, 9, &u), NB_OK);
    assert_int_equal(u, 5);
    assert_int_equal(error.status, NB_OK);

    assert_int_equal(nb_json_u32(&r, "i", NB_JSON_REQUIRED, 6, 9, &u), NB_ERR_INPUT);
    assert_string_equal(error.text, "f.json: i: expected an integer from 6 to 9, found 5");
    error = (nb_error){0};
    assert_int_equal(nb_json_bool(&r, "s", NB_JSON_OPTIONAL, &b), NB_ERR_INPUT); // wrong is wrong, optional or not
    assert_string_equal(error.text, "f.json: s: expected true or false, found \"x?\"");
    error = (nb_error){0};
    assert_int_equal(nb_json_string(&r, "absent", NB_JSON_REQUIRED, &s), NB_ERR_INPUT);
    assert_string_equal(error.text, "f.json: absent: expected a string, found nothing");
    r.error = NULL;
    assert_int_equal(nb_json_u32(&r, "r", NB_JSON_REQUIRED, 0, 9, &u), NB_ERR_INPUT);
    assert_int_equal(nb_json_u32(&r, "big", NB_JSON_REQUIRED, 0, UINT32_MAX, &u), NB_ERR_INPUT);
    assert_int_equal(nb_json_u32(&r, "n", NB_JSON_REQUIRED, 0, 9, &u), NB_ERR_INPUT);
    assert_int_equal(nb_json_number(&r, "r", NB_JSON_REQUIRED, 3, 9, &d), NB_ERR_INPUT);
    assert_int_equal(nb_json_number(&r, "t", NB_JSON_REQUIRED, 0, 9, &d), NB_ERR_INPUT);
    assert_int_equal(nb_json_object(&r, "l", NB_JSON_REQUIRED, &v), NB_ERR_INPUT);
    assert_int_equal(nb_json_array(&r, "o", NB_JSON_REQUIRED, &v), NB_ERR_INPUT);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_getters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
