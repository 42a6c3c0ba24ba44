// SPDX-License-Identifier: Apache-2.0
// Hashes against those of git hash-object and sha256sum.
#include "apps/hub/hub_digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect(const char *etag, const char *data, size_t bytes, size_t step)
{
    nb_hub_digest *digest = nb_hub_digest_create();
    assert_non_null(digest);
    for (int round = 0; round < 2; round++) { // it can be started again
        assert_true(nb_hub_digest_start(digest, etag, bytes));
        for (size_t at = 0; at < bytes; at += step)
            assert_true(nb_hub_digest_add(digest, data + at, bytes - at < step ? bytes - at : step));
        assert_true(nb_hub_digest_equals(digest, etag));
    }
    assert_true(nb_hub_digest_start(digest, etag, bytes));
    assert_true(nb_hub_digest_add(digest, "x", 1));
    assert_false(nb_hub_digest_equals(digest, etag));
    nb_hub_digest_free(digest);
}

static void both_hashes_are_those_of_the_tools(void **state)
{
    (void)state;
    expect("ce013625030ba8dba906f756967f9e9ca394464a", "hello\n", 6, 6);
    expect("5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03", "hello\n", 6, 1);
    expect("e69de29bb2d1d6434b8b29ae775ad8c2e48c5391", "", 0, 1);
    expect("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "", 0, 1);
    char *zeros = calloc(1, 300000);
    assert_non_null(zeros);
    expect("a09daeaac30b2c55a5bbcaba4bce79410b4cbfd4", zeros, 300000, 4096);
    expect("886715e4051e827f4fe215df3053af3f85ad0d352db2c829c7487af6d78efe30", zeros, 300000, 77777);
    free(zeros);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(both_hashes_are_those_of_the_tools)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
