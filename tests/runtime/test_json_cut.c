// SPDX-License-Identifier: Apache-2.0
// A document read in pieces gives what it gives as a whole, and what is not JSON is refused wherever it stands.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/json_cut.h"

static nb_status gather(void *user, json_t *members, nb_error *error)
{
    (void)error;
    json_t *whole = user;
    return (json_is_array(whole) ? json_array_extend(whole, members) : json_object_update(whole, members)) == 0
               ? NB_OK
               : NB_ERR_SYSTEM;
}

// The document put together again from its pieces, or NULL when a piece is refused.
static json_t *through_pieces(const char *text, size_t bytes)
{
    nb_json_span spans[] = {{.key = "vocab"}, {.key = "merges"}};
    nb_buffer rest = {0};
    json_t *root = NULL;
    assert_int_equal(nb_json_cut(text, bytes, "model", spans, 2, &rest, NULL), NB_OK);
    nb_status status = nb_json_parse(&root, rest.data ? rest.data : "", rest.bytes, 1 << 20, "test", NULL);
    for (size_t i = 0; i < 2 && status == NB_OK; i++) {
        json_t *place = json_object_get(json_object_get(root, "model"), spans[i].key);
        size_t n_before = json_is_array(place) ? json_array_size(place) : json_object_size(place);
        if (!spans[i].text)
            continue;
        assert_int_equal(n_before, 0);
        status = nb_json_each_batch(&spans[i], "test", gather, place, NULL);
        if (status == NB_OK && json_is_array(place))
            assert_int_equal(json_array_size(place), spans[i].n_members);
    }
    nb_buffer_free(&rest);
    if (status != NB_OK)
        json_decref(root);
    return status == NB_OK ? root : NULL;
}

static void check_same(const char *text)
{
    json_t *whole = json_loads(text, JSON_REJECT_DUPLICATES, NULL), *pieces = through_pieces(text, strlen(text));
    if (!whole != !pieces || (whole && !json_equal(whole, pieces)))
        fail_msg("%.200s: %s whole, %s in pieces", text, whole ? "read" : "refused", pieces ? "read" : "refused");
    json_decref(whole);
    json_decref(pieces);
}

static void small_documents(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}",
        "{\"model\":{}}",
        "{\"model\":{\"vocab\":{},\"merges\":[]}}",
        "{\"model\":{\"vocab\":{ \n\t },\"merges\":[ ]},\"after\":1}",
        "{\"model\" : { \"merges\" : [ \"a b\" , [\"c\", \"]\"] ] , \"vocab\" : {\"a\":1,\"}\":2,\"\\\"\":3} } }",
        "{\"vocab\":{\"a\":1},\"model\":{\"x\":{\"vocab\":{\"b\":2}},\"vocab\":{\"c\":3}},\"merges\":[1]}",
        "{\"model\":[{\"vocab\":{\"a\":1}}],\"other\":{\"vocab\":{\"a\":1}}}",
        "{\"model\":{\"vocab\":[1,2,{\"vocab\":{}}],\"merges\":{\"a\":[]}}}",
        "{\"model\":{\"vocab\":7,\"merges\":null}}",
        "{\"a\":\"model\",\"vocab\":{\"b\":1}}",
        "{\"model\":{\"vocab\":{\"a\":\"\\\\\"},\"merges\":[\"\\u005d\"]}}",
    };
    for (size_t i = 0; i < NB_COUNT(texts); i++)
        check_same(texts[i]);
}

static void refused_documents(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "{\"model\":{\"vocab\":{\"a\":1,}}}",
        "{\"model\":{\"vocab\":{,\"a\":1}}}",
        "{\"model\":{\"vocab\":{\"a\":1,,\"b\":2}}}",
        "{\"model\":{\"vocab\":{,}}}",
        "{\"model\":{\"vocab\":{\"a\":1]}}",
        "{\"model\":{\"vocab\":{\"a\":1",
        "{\"model\":{\"vocab\":{\"a",
        "{\"model\":{\"vocab\":{\"a\":1}}",
        "{\"model\":{\"vocab\":{\"a\":[1}}}}",
        "{\"model\":{\"vocab\":{\"a\" 1}}}",
        "{\"model\":{\"vocab\":{\"a\":1},\"vocab\":{\"b\":2}}}",
        "{\"model\":{\"vocab\":{\"a\":1}},\"model\":{}}",
        "{\"model\":{\"merges\":[1 2]}}",
        "{\"model\":{\"merges\":[1,2}}",
        "{\"model\":{\"merges\":[1,2]]}}",
        "{\"model\":{\"vocab\":{\"a\":1}}} x",
        "{\"model\":{\"vocab\":{\"a\":1}\"b\":2}}",
    };
    for (size_t i = 0; i < NB_COUNT(texts); i++) {
        assert_null(through_pieces(texts[i], strlen(texts[i])));
        check_same(texts[i]);
    }
}

// Many batches; and a comma spoilt anywhere, also where a batch ends, is noticed.
static void large_documents(void **state)
{
    (void)state;
    enum { N = 20000, BYTES = N * 64 };
    char *text = malloc(BYTES);
    int at = sprintf(text, "{\"before\":[1],\"model\":{\"vocab\":{");
    for (int i = 0; i < N; i++)
        at += sprintf(text + at, "%s\"t\\u00e9x,%d\":%d", i ? "," : "", i, i);
    at += sprintf(text + at, "},\"merges\":[");
    for (int i = 0; i < N; i++)
        at += sprintf(text + at, "%s[\"a%d\", \"b]\"]", i ? " ,\n" : "", i);
    sprintf(text + at, "]},\"after\":{}}");
    check_same(text);
    size_t length = strlen(text), n_spoilt = 0;
    for (size_t i = 40; i < length; i++) {
        if (text[i] != ',' || text[i - 1] < '0' || text[i - 1] > '9' || i % 61 != 0)
            continue;
        char *copy = malloc(length + 2);
        memcpy(copy, text, i);
        copy[i] = ',';
        memcpy(copy + i + 1, text + i, length - i + 1); // ",,"
        assert_null(through_pieces(copy, length + 1));
        free(copy);
        n_spoilt++;
    }
    assert_true(n_spoilt > 100);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_documents),
        cmocka_unit_test(refused_documents),
        cmocka_unit_test(large_documents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
