// SPDX-License-Identifier: Apache-2.0
// nibble-qat entropy: against double-precision logits of independent software, against itself, and with any number of
// threads; classes of tokens; what the cache's quantiser loses.
#include <getopt.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "apps/common/cli.h"
#include "apps/qat/entropy_measure.h"
#include "apps/qat/qat_commands.h"
#include "tests/oracle/formats_f64.h"
#include "tests/support/data_path.h"
#include "tests/support/fixtures.h"
#include "tests/support/model_run.h"
#include "tests/support/scratch.h"

static char home[PATH_MAX];

static int entropy(const char *directory, const char *const more[8])
{
    char *argv[12] = {(char *)"entropy", (char *)directory};
    int argc = 2;
    for (size_t i = 0; i < 8 && more[i]; i++)
        argv[argc++] = (char *)more[i];
    optind = 0;
    return nb_command_entropy(argc, argv);
}
#define WITH(...) ((const char *const[8]){__VA_ARGS__})

// ---- one line of a CSV --------------------------------------------------------------------------------------------

typedef struct row {
    double tokens, entropy, nll, outside, mismatch, wrong, kl, flips;
} row;

// The row of a class and the lower edge of a bucket; empty fields are NAN.
static row row_of(const char *path, const char *class, const char *from)
{
    char *text = nb_test_file_read(path, NULL), start[64];
    snprintf(start, sizeof start, "\n%s,%s,", class, from);
    char *at = strstr(text, start);
    if (!at)
        fail_msg("%s has no row %s,%s", path, class, from);
    at = strchr(at + strlen(start), ',') + 1; // behind the upper edge
    double values[8];
    for (int i = 0; i < 8; i++) {
        char *end;
        values[i] = strtod(at, &end);
        if (end == at)
            values[i] = NAN;
        at = end + 1;
    }
    free(text);
    return (row){values[0], values[1], values[2], values[3], values[4], values[5], values[6], values[7]};
}

// ---- against the reference ----------------------------------------------------------------------------------------

static const char *find_model(const char *name)
{
    static char paths[4][PATH_MAX], here[PATH_MAX];
    static unsigned turn;
    char relative[128];
    snprintf(relative, sizeof relative, "models/oracle/%s", name);
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(home), 0);
    const char *path = nb_test_data(relative);
    char *absolute = path ? realpath(path, paths[turn++ % 4]) : NULL;
    assert_int_equal(chdir(here), 0);
    return absolute;
}

// The oracle's sequences as traces of ids; every third token is no target.
static bool is_target(size_t i)
{
    return i > 0 && i % 3 != 1;
}

static void write_traces(const nb_test_ids *ids)
{
    FILE *file = fopen("traces.jsonl", "w");
    assert_non_null(file);
    for (size_t s = 0; s < ids->n_sequences; s++) {
        if (ids->n_ids[s] < 3) // without a target
            continue;
        fputs("{\"ids\": [", file);
        for (size_t i = 0; i < ids->n_ids[s]; i++)
            fprintf(file, "%s%d", i ? ", " : "", ids->ids[s][i]);
        fputs("], \"mask\": [", file);
        for (size_t i = 0; i < ids->n_ids[s]; i++)
            fprintf(file, "%s%d", i ? ", " : "", is_target(i));
        fputs("]}\n", file);
    }
    fclose(file);
}

// Plain sums in double over softmax(logits).
static void add_position(row *sums, const float *logits, size_t n, int32_t id)
{
    double top = -INFINITY, sum = 0, h = 0;
    for (size_t i = 0; i < n; i++)
        top = fmax(top, (double)logits[i]);
    for (size_t i = 0; i < n; i++)
        sum += exp((double)logits[i] - top);
    for (size_t i = 0; i < n; i++) {
        double p = exp((double)logits[i] - top) / sum;
        h -= p > 0 ? p * log(p) : 0;
    }
    double p = exp((double)logits[id] - top) / sum;
    sums->tokens++;
    sums->entropy += h;
    sums->nll -= log(p);
    sums->outside += 1 - p;
    sums->wrong += nb_test_argmax(logits, n) != id;
}

static row expected_of(const nb_test_ids *ids, const float *logits, size_t n_vocab)
{
    row sums = {0};
    size_t first = 0;
    for (size_t s = 0; s < ids->n_sequences; first += ids->n_ids[s++])
        for (size_t i = 1; i < ids->n_ids[s]; i++)
            if (is_target(i))
                add_position(&sums, logits + (first + i - 1) * n_vocab, n_vocab, ids->ids[s][i]);
    sums.entropy /= sums.tokens;
    sums.nll /= sums.tokens;
    sums.outside /= sums.tokens;
    sums.wrong /= sums.tokens;
    return sums;
}

static void check_model(const char *source, size_t n_vocab)
{
    char path[PATH_MAX + 64];
    nb_test_ids ids;
    size_t n;
    snprintf(path, sizeof path, "%s/oracle/ids.txt", source);
    nb_test_ids_read(&ids, path);
    write_traces(&ids);
    snprintf(path, sizeof path, "%s/oracle/logits_f64.f32", source);
    float *logits = nb_test_floats(path, &n);
    assert_int_equal(n, ids.n_total * n_vocab);
    row expected = expected_of(&ids, logits, n_vocab);
    assert_int_equal(entropy(source, WITH("--traces=traces.jsonl", "--kv=f32", "--csv=out.csv", "--samples=0")), 0);
    row found = row_of("out.csv", "all", "all");
    assert_true(found.tokens == expected.tokens);
    assert_true(fabs(found.entropy - expected.entropy) < 1e-5 * expected.entropy);
    assert_true(fabs(found.nll - expected.nll) < 1e-5 * expected.nll);
    assert_true(fabs(found.outside - expected.outside) < 1e-5 * expected.outside);
    assert_true(found.wrong == expected.wrong);
    assert_true(isnan(found.mismatch) && isnan(found.kl));
    free(logits);
    nb_test_ids_free(&ids);
}

static void sums_equal_the_reference(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t n_vocab;
    } models[] = {{"qwen2", 1009}, {"llama3", 641}, {"qwen3", 769}, {"qwen2-r1", 512}};
    size_t n_checked = 0;
    for (size_t i = 0; i < NB_COUNT(models); i++) {
        const char *source = find_model(models[i].name);
        if (!source || !nb_test_oracle_has(source, "logits_f64.f32"))
            continue;
        check_model(source, models[i].n_vocab);
        n_checked++;
    }
    if (n_checked == 0)
        skip();
}

// ---- the bundled model --------------------------------------------------------------------------------------------

static const char *bundled(void)
{
    static char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/apps/tutor/model", home);
    return path;
}

static void put_traces(void)
{
    assert_true(nb_scratch_put(
        "traces.jsonl",
        "{\"prompt\": \"What is 12 + 30?\", \"response\": \"<think>\\n12 + 30 = 42\\n</think>\\nThe answer is 42.\"}\n"
        "{\"prompt\": \"What is 9 * 8?\", \"response\": \"<think>\\n9 * 8 = 71\\n</think>\\nThe answer is 71.\"}\n"));
}

// Against itself nothing differs, whatever the cache's format is called for; against another cache something does.
static void a_model_equals_itself(void **state)
{
    (void)state;
    put_traces();
    assert_int_equal(entropy(bundled(), WITH("--traces=traces.jsonl", "--csv=same.csv", "--against", bundled())), 0);
    row same = row_of("same.csv", "all", "all");
    assert_true(same.kl < 1e-12 && same.flips == 0 && same.tokens > 30);
    assert_int_equal(
        entropy(bundled(), WITH("--traces=traces.jsonl", "--csv=other.csv", "--kv=f32", "--against", bundled())), 0);
    row other = row_of("other.csv", "all", "all");
    assert_true(other.kl > 1e-9);
}

// Rows of classes and of buckets add up to the whole.
static void parts_make_the_whole(void **state)
{
    (void)state;
    put_traces();
    assert_int_equal(entropy(bundled(), WITH("--traces=traces.jsonl", "--csv=out.csv", "--samples=20")), 0);
    static const char *const froms[] = {"0", "0.01", "0.05", "0.2", "0.5", "1", "2"};
    row all = row_of("out.csv", "all", "all");
    double n_classes = 0, n_buckets = 0, nll = 0, mismatch = 0;
    for (int c = 0; c < NB_TOKEN_CLASSES; c++) {
        row class = row_of("out.csv", nb_token_class_names[c], "all");
        n_classes += class.tokens;
        nll += class.tokens ? class.tokens * class.nll : 0;
        mismatch += class.tokens ? class.tokens * class.mismatch : 0;
    }
    for (size_t i = 0; i < NB_COUNT(froms); i++)
        n_buckets += row_of("out.csv", "all", froms[i]).tokens;
    assert_true(n_classes == all.tokens && n_buckets == all.tokens);
    assert_true(fabs(nll - all.tokens * all.nll) < 1e-6 * nll);
    assert_true(fabs(mismatch - all.tokens * all.mismatch) < 1e-6);
    // "71" for "72": a digit that the model would not have written
    assert_true(row_of("out.csv", "digit", "all").wrong > 0 && row_of("out.csv", "operator", "all").wrong == 0);
    assert_true(row_of("out.csv", "digit", "all").mismatch > 0);
}

// At temperature 1 and top-p 1 the expected share of other tokens is the probability outside; 4 standard errors.
static void samples_miss_as_often_as_they_should(void **state)
{
    (void)state;
    const char *source = find_model("qwen2");
    if (!source)
        skip();
    char path[PATH_MAX + 64];
    nb_test_ids ids;
    snprintf(path, sizeof path, "%s/oracle/ids.txt", source);
    nb_test_ids_read(&ids, path);
    for (size_t s = 0; s < ids.n_sequences; s++) // the likeliest continuation, or chance would always miss
        for (size_t i = 1; i < ids.n_ids[s]; i++)
            ids.ids[s][i] = ids.ids[s][i - 1];
    write_traces(&ids);
    nb_test_ids_free(&ids);
    assert_int_equal(entropy(source, WITH("--traces=traces.jsonl", "--csv=out.csv", "--samples=100", "--temperature=1",
                                          "--top-p=1")),
                     0);
    row found = row_of("out.csv", "all", "all");
    double error = sqrt(found.outside * (1 - found.outside) / (found.tokens * 100));
    assert_true(fabs(found.mismatch - found.outside) < 4 * error + 1e-9);
}

static void threads_change_nothing(void **state)
{
    (void)state;
    put_traces();
    assert_int_equal(entropy(bundled(), WITH("--traces=traces.jsonl", "--csv=one.csv", "--threads=1")), 0);
    assert_int_equal(entropy(bundled(), WITH("--traces=traces.jsonl", "--csv=two.csv", "--threads=2")), 0);
    assert_int_equal(
        entropy(bundled(), WITH("--traces=traces.jsonl", "--csv=seed.csv", "--seed=9", "--temperature=5", "--top-p=1")),
        0);
    char *one = nb_test_file_read("one.csv", NULL), *two = nb_test_file_read("two.csv", NULL);
    assert_string_equal(one, two);
    free(one);
    free(two);
    assert_true(row_of("seed.csv", "all", "all").mismatch > row_of("one.csv", "all", "all").mismatch);
}

static void what_cannot_be_read_is_refused(void **state)
{
    (void)state;
    put_traces();
    assert_true(nb_scratch_put("bad.jsonl", "nonsense\n"));
    const char *other = find_model("qwen2");
    assert_int_equal(entropy(bundled(), WITH("--traces=bad.jsonl")), NB_EXIT_INPUT);
    assert_int_equal(entropy(bundled(), WITH("--traces=missing.jsonl")), NB_EXIT_INPUT);
    assert_int_equal(entropy(bundled(), WITH("--json")), NB_EXIT_USAGE);
    assert_int_equal(entropy(bundled(), WITH("--traces=traces.jsonl", "--csv=no/such/folder")), NB_EXIT_FAILED);
    if (other)
        assert_int_equal(entropy(bundled(), WITH("--traces=traces.jsonl", "--against", other)), NB_EXIT_INPUT);
    assert_int_equal(entropy(bundled(), WITH("--traces=traces.jsonl", "--kv-error", "--json", "--limit=1")), 0);
}

// ---- parts --------------------------------------------------------------------------------------------------------

static void tokens_have_classes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        nb_token_class class;
    } cases[] = {
        {"7", NB_CLASS_DIGIT},    {" 42", NB_CLASS_DIGIT},   {"+", NB_CLASS_OPERATOR},  {" =", NB_CLASS_OPERATOR},
        {"×", NB_CLASS_OPERATOR}, {" −", NB_CLASS_OPERATOR}, {"answer", NB_CLASS_WORD}, {" Ünal", NB_CLASS_WORD},
        {"x2", NB_CLASS_WORD},    {".", NB_CLASS_OTHER},     {"\n", NB_CLASS_OTHER},    {"", NB_CLASS_OTHER},
        {"1.5", NB_CLASS_OTHER},  {"2+", NB_CLASS_OTHER},    {" ", NB_CLASS_OTHER},     {"$", NB_CLASS_OTHER},
    };
    for (size_t i = 0; i < NB_COUNT(cases); i++)
        if (nb_token_class_of(cases[i].text, strlen(cases[i].text)) != cases[i].class)
            fail_msg("'%s' is no %s", cases[i].text, nb_token_class_names[cases[i].class]);
}

// The E1M2 block in double, from the tables: n = RNE(2 x / s) within +-7, s the nearest E4M3 of amax / 3.5.
static double block_error(const float *x, const float *shift)
{
    double amax = 0, sum = 0;
    float y[16];
    for (int i = 0; i < 16; i++) {
        y[i] = shift ? x[i] - shift[i] : x[i];
        amax = fmax(amax, fabs((double)y[i]));
    }
    double s = oracle_e4m3(oracle_e4m3_nearest(amax / 3.5));
    for (int i = 0; i < 16; i++) {
        double n = s > 0 ? nearbyint(2 * (double)y[i] / s) : 0;
        n = fmax(-7, fmin(7, n));
        sum += pow((double)y[i] - n / 2 * s, 2);
    }
    return sum;
}

static void the_cache_loses_what_the_format_says(void **state)
{
    (void)state;
    enum { E = 64, N = 500 };
    fixture_rng rng = {7};
    double expected[2] = {0}, square = 0;
    nb_kv_error sums[2] = {{.n = 0}, {.n = 0}};
    float shift[E];
    for (int d = 0; d < E; d++)
        shift[d] = fixture_float(&rng);
    for (int i = 0; i < N; i++) {
        float x[E];
        for (int d = 0; d < E; d++) {
            x[d] = fixture_float(&rng) * (d % 16 == 3 ? 20 : 1);
            square += pow((double)x[d], 2);
        }
        for (int shifted = 0; shifted < 2; shifted++) {
            nb_kv_error_add(&sums[shifted], fixture_scalar(), x, shifted ? shift : NULL, E);
            for (int d = 0; d < E; d += 16)
                expected[shifted] += block_error(x + d, shifted ? shift + d : NULL);
        }
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sums[i].n, N * E);
        assert_true(fabs(sums[i].error - expected[i]) < 1e-4 * expected[i]);
        assert_true(fabs(nb_kv_error_relative(&sums[i]) - expected[i] / square) < 1e-4 * expected[i] / square);
    }
}

int main(void)
{
    if (!getcwd(home, sizeof home))
        return 1;
#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, nb_scratch_enter, nb_scratch_leave)
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(sums_equal_the_reference),  IN_SCRATCH(a_model_equals_itself),
        IN_SCRATCH(parts_make_the_whole),      IN_SCRATCH(samples_miss_as_often_as_they_should),
        IN_SCRATCH(threads_change_nothing),    IN_SCRATCH(what_cannot_be_read_is_refused),
        cmocka_unit_test(tokens_have_classes), cmocka_unit_test(the_cache_loses_what_the_format_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
