// SPDX-License-Identifier: Apache-2.0
// Every line of Unicode's NormalizationTest.txt in all four forms, marks through every step, and a run of marks that a
// quadratic sort would not survive.
#include "runtime/normalize.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/tokenizer.h"
#include "runtime/utf8.h"
#include "tests/support/data_path.h"

enum { FIELDS = 5, FIELD_BYTES = 256 };

static nb_marked normal(const nb_normalizer *normalizer, nb_normalize_scratch *scratch, const char *text, size_t bytes,
                        const uint8_t *marks)
{
    nb_marked out;
    nb_error error = {0};
    nb_marked in = {text, bytes, marks};
    if (nb_normalize(normalizer, scratch, in, &out, 1 << 24, &error) != NB_OK)
        fail_msg("%s", error.text);
    return out;
}

// "0061 0301;..." -> five UTF-8 strings.
static void read_fields(const char *line, char fields[FIELDS][FIELD_BYTES])
{
    for (int i = 0; i < FIELDS; i++, line++) {
        size_t n = 0;
        while (*line != ';') {
            char *end;
            n += nb_utf8_write((uint32_t)strtoul(line, &end, 16), fields[i] + n);
            line = end + strspn(end, " ");
        }
        fields[i][n] = 0;
    }
}

static void expect(nb_normal_kind kind, nb_normalize_scratch *scratch, const char *from, const char *to)
{
    nb_normalizer normalizer = {.steps = {{.kind = kind}}, .n_steps = 1};
    nb_marked out = normal(&normalizer, scratch, from, strlen(from), NULL);
    assert_int_equal(out.bytes, strlen(to));
    assert_memory_equal(out.text, to, out.bytes);
}

static void unicode_conformance(void **state)
{
    (void)state;
    const char *path = nb_test_data("utf8/unicode-14.0/NormalizationTest.txt");
    if (!path)
        skip();
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    nb_normalize_scratch scratch = {0};
    char line[4096], f[FIELDS][FIELD_BYTES];
    size_t n_lines = 0;
    while (fgets(line, sizeof line, file)) {
        if (line[0] == '#' || line[0] == '@')
            continue;
        read_fields(line, f);
        for (int i = 0; i < FIELDS; i++) { // the rules at the top of the file
            expect(NB_NORMAL_NFC, &scratch, f[i], f[i < 3 ? 1 : 3]);
            expect(NB_NORMAL_NFD, &scratch, f[i], f[i < 3 ? 2 : 4]);
            expect(NB_NORMAL_NFKC, &scratch, f[i], f[3]);
            expect(NB_NORMAL_NFKD, &scratch, f[i], f[4]);
        }
        n_lines++;
    }
    fclose(file);
    assert_true(n_lines > 18000);
    nb_normalize_scratch_release(&scratch);
}

static void marks_follow_their_bytes(void **state)
{
    (void)state;
    nb_normalizer normalizer = {.steps = {{.kind = NB_NORMAL_NFC}, {.kind = NB_NORMAL_LOWERCASE}}, .n_steps = 2};
    nb_normalize_scratch scratch = {0};
    assert_int_equal(nb_matcher_create(&scratch.matcher, NULL), NB_OK);
    normalizer.steps[2] = (nb_normal){.kind = NB_NORMAL_REPLACE, .content = strdup("--"), .content_bytes = 2};
    assert_int_equal(nb_pattern_literal(&normalizer.steps[2].pattern, "bc", 2, "test", NULL), NB_OK);
    normalizer.steps[3] = (nb_normal){.kind = NB_NORMAL_PREPEND, .content = strdup(">"), .content_bytes = 1};
    normalizer.steps[4] = (nb_normal){.kind = NB_NORMAL_STRIP, .strips_left = true, .strips_right = true};
    normalizer.n_steps = 5;
    // A e+acute(trusted, foreign) B(answer) C(foreign) D(trusted) space
    nb_marked out = normal(&normalizer, &scratch,
                           "Ae\xcc\x81"
                           "BCD ",
                           8, (const uint8_t[]){0, 0, 2, 2, 1, 2, 0, 0});
    assert_int_equal(out.bytes, 7);
    assert_memory_equal(out.text, ">a\xc3\xa9--d", 7);
    assert_memory_equal(out.marks, ((const uint8_t[]){0, 0, 2, 2, 2, 2, 0}), 7);
    nb_matcher_free(scratch.matcher);
    nb_normalize_scratch_release(&scratch);
    nb_normalizer_release(&normalizer);
}

static void a_million_combining_marks(void **state)
{
    (void)state;
    enum { PAIRS = 1 << 19 };
    char *text = malloc(4 * PAIRS + 1);
    assert_non_null(text);
    text[0] = 'a';
    for (size_t i = 0; i < PAIRS; i++)
        memcpy(text + 1 + 4 * i, "\xcc\x81\xcc\xa3", 4); // acute above (230), dot below (220)
    nb_normalizer normalizer = {.steps = {{.kind = NB_NORMAL_NFD}}, .n_steps = 1};
    nb_normalize_scratch scratch = {0};
    nb_marked out = normal(&normalizer, &scratch, text, 4 * PAIRS + 1, NULL);
    assert_int_equal(out.bytes, 4 * PAIRS + 1);
    for (size_t i = 0; i < 2 * PAIRS; i++)
        assert_memory_equal(out.text + 1 + 2 * i, i < PAIRS ? "\xcc\xa3" : "\xcc\x81", 2);
    nb_normalize_scratch_release(&scratch);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unicode_conformance),
        cmocka_unit_test(marks_follow_their_bytes),
        cmocka_unit_test(a_million_combining_marks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
