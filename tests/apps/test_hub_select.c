// SPDX-License-Identifier: Apache-2.0
// Which files of a repository are taken, by default and by patterns.
#include "apps/hub/hub_select.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char etag[] = "0123456789abcdef0123456789abcdef01234567";

static nb_hub_listing list(const char *names)
{
    nb_hub_listing listing = {0};
    char name[128], why[256];
    for (int n; sscanf(names, "%127s%n", name, &n) == 1; names += n)
        nb_hub_listing_put(&listing, name, 1, etag);
    assert_true(nb_hub_listing_finish(&listing, why, sizeof why));
    return listing;
}

// The names taken, in order, with spaces between.
static void expect_taken(const char *names, const nb_hub_globs *globs, const char *expected)
{
    nb_hub_listing listing = list(names);
    bool *is_taken = calloc(listing.n_files + 1, sizeof *is_taken);
    char found[1024] = "";
    assert_non_null(is_taken);
    size_t n = nb_hub_select(&listing, globs, is_taken), n_found = 0;
    for (size_t i = 0; i < listing.n_files; i++) {
        if (!is_taken[i])
            continue;
        size_t used = strlen(found);
        snprintf(found + used, sizeof found - used, "%s%s", used ? " " : "", listing.files[i].path);
        n_found++;
    }
    assert_string_equal(found, expected);
    assert_int_equal(n, n_found);
    free(is_taken);
    nb_hub_listing_release(&listing);
}

static void the_default_is_what_nibble_reads(void **state)
{
    (void)state;
    const nb_hub_globs none = {0};
    expect_taken("config.json generation_config.json tokenizer.json tokenizer_config.json vocab.json merges.txt "
                 "model.safetensors pytorch_model.bin model.gguf onnx/model.onnx tf_model.h5 LICENSE README.md "
                 ".gitattributes original/consolidated.00.pth chat_template.jinja k_shift.st figures/a.png",
                 &none,
                 "LICENSE README.md chat_template.jinja config.json generation_config.json k_shift.st "
                 "model.safetensors tokenizer.json tokenizer_config.json");
}

static void weights_are_taken_in_one_form(void **state)
{
    (void)state;
    const nb_hub_globs none = {0};
    expect_taken("model-00001-of-00002.safetensors model-00002-of-00002.safetensors model.safetensors "
                 "model.safetensors.index.json consolidated.safetensors",
                 &none,
                 "model-00001-of-00002.safetensors model-00002-of-00002.safetensors model.safetensors.index.json");
    expect_taken("model.safetensors consolidated.safetensors adapter_model.safetensors", &none, "model.safetensors");
    expect_taken("weights.safetensors consolidated.safetensors", &none, "weights.safetensors");
    expect_taken("fp16/model.safetensors model.bin", &none, "");
}

static void patterns_choose(void **state)
{
    (void)state;
    const char *include[] = {"*.gguf", "sub/"}, *exclude[] = {"*-q8*"};
    const nb_hub_globs globs = {{include, 2}, {exclude, 1}}, less = {{NULL, 0}, {exclude, 1}};
    expect_taken("a.gguf a-q8.gguf sub/x sub/deep/y config.json", &globs, "a.gguf sub/deep/y sub/x");
    expect_taken("model-q8.safetensors model.x config.json", &less, "config.json");
}

// The third column is what Python's fnmatch.fnmatchcase says.
static void patterns_match_as_the_official_client_s_do(void **state)
{
    (void)state;
    static const struct {
        const char *glob, *path;
        bool is_match;
    } rows[] = {
        {"*.safetensors", "a/b.safetensors", true},
        {"*.json", "config.json", true},
        {"config.*", "sub/config.json", false},
        {"sub/*", "sub/a/b", true},
        {"[!a]*", "b", true},
        {"[!a]*", "a", false},
        {"a?c", "a/c", true},
        {"*.JSON", "a.json", false},
        {"a[bc]d", "acd", true},
        {"[", "[", true},
        {"a", "ab", false},
        {"*", ".hidden", true},
        {"**/x", "a/x", true},
        {"**/x", "x", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (nb_hub_glob_match(rows[i].glob, rows[i].path) != rows[i].is_match)
            fail_msg("%s on %s", rows[i].glob, rows[i].path);
}

static void a_missing_shard_is_named(void **state)
{
    (void)state;
    char name[64];
    nb_hub_listing whole = list("model-00001-of-00002.safetensors model-00002-of-00002.safetensors x");
    assert_false(nb_hub_lacks_shard(&whole, name));
    nb_hub_listing_release(&whole);
    nb_hub_listing part = list("model-00001-of-00003.safetensors model-00003-of-00003.safetensors");
    assert_true(nb_hub_lacks_shard(&part, name));
    assert_string_equal(name, "model-00002-of-00003.safetensors");
    nb_hub_listing_release(&part);
    nb_hub_listing single = list("model.safetensors");
    assert_false(nb_hub_lacks_shard(&single, name));
    nb_hub_listing_release(&single);
}

static void the_nearest_name_is_suggested(void **state)
{
    (void)state;
    nb_hub_listing listing = list("config.json tokenizer.json model.safetensors");
    assert_string_equal(nb_hub_nearest(&listing, "confg.json"), "config.json");
    assert_string_equal(nb_hub_nearest(&listing, "*.safetensor"), "model.safetensors");
    assert_null(nb_hub_nearest(&listing, "entirely-different"));
    nb_hub_listing_release(&listing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_is_what_nibble_reads),
        cmocka_unit_test(weights_are_taken_in_one_form),
        cmocka_unit_test(patterns_choose),
        cmocka_unit_test(patterns_match_as_the_official_client_s_do),
        cmocka_unit_test(a_missing_shard_is_named),
        cmocka_unit_test(the_nearest_name_is_suggested),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
