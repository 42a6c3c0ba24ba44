// SPDX-License-Identifier: Apache-2.0
// What lies on the disk before, while and after files come: plan, parts, records, snapshots.
#include "apps/hub/hub_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "apps/common/cli.h"
#include "apps/hub/hub_blob.h"
#include "apps/hub/hub_record.h"
#include "apps/hub/hub_snapshot.h"
#include "tests/support/scratch.h"

#define COMMIT "0123456789abcdef0123456789abcdef01234567"
#define HELLO  "ce013625030ba8dba906f756967f9e9ca394464a" // git's hash of "hello\n"
#define EMPTY  "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
#define SHA256 "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"

// Two names of one content, one of another, in a cache's repository or, with `is_directory`, in dir.
typedef struct world {
    nb_hub_place place;
    nb_hub_listing listing;
    nb_hub_plan plan;
    nb_hub_failure failure;
    nb_model_name name;
} world;

static void build(world *w, bool is_directory)
{
    static const bool is_taken[] = {true, true, true, false};
    char why[128];
    memset(w, 0, sizeof *w);
    w->place.is_directory = is_directory;
    strcpy(w->place.root, is_directory ? "dir" : "cache/models--a--b");
    strcpy(w->place.cache_folder, "cache/models--a--b");
    nb_hub_listing_put(&w->listing, "config.json", 6, HELLO);
    nb_hub_listing_put(&w->listing, "sub/deep/copy.json", 6, HELLO);
    nb_hub_listing_put(&w->listing, "model.safetensors", 6, SHA256);
    nb_hub_listing_put(&w->listing, "z", 0, EMPTY);
    assert_true(nb_hub_listing_finish(&w->listing, why, sizeof why));
    nb_hub_plan_make(&w->plan, &w->place, &w->listing, is_taken);
    assert_true(nb_model_name_parse(&w->name, "a/b@main"));
    if (is_directory)
        assert_true(nb_hub_record_prepare(&w->place));
    else
        assert_true(nb_hub_repository_prepare(&w->place, "cache", &w->failure));
    nb_hub_plan_look(&w->plan);
}

static void release(world *w)
{
    nb_hub_plan_release(&w->plan);
    nb_hub_listing_release(&w->listing);
}

static nb_hub_blob *blob_of(world *w, const char *etag)
{
    for (size_t i = 0; i < w->plan.n_blobs; i++)
        if (strcmp(w->plan.blobs[i].file->etag, etag) == 0)
            return &w->plan.blobs[i];
    fail_msg("no blob %s", etag);
    return NULL;
}

// Brings a blob in two bites with a stop between.
static void bring(world *w, const char *etag)
{
    nb_hub_digest *digest = nb_hub_digest_create();
    nb_hub_part part;
    const nb_hub_file *file = blob_of(w, etag)->file;
    assert_true(nb_hub_part_open(&part, &w->place, file, digest, NULL, NULL, &w->failure));
    if (part.at_bytes == 0)
        assert_true(nb_hub_part_append(&part, "hel", 3, &w->failure));
    nb_hub_part_close(&part);
    assert_true(nb_hub_part_open(&part, &w->place, file, digest, NULL, NULL, &w->failure));
    assert_int_equal(part.at_bytes, 3); // and hashed again
    assert_true(nb_hub_part_append(&part, "lo\n", 3, &w->failure));
    assert_true(nb_hub_part_is_true(&part));
    assert_true(nb_hub_part_place(&part, &w->plan, COMMIT, &w->failure));
    nb_hub_digest_free(digest);
}

static void expect_text(const char *path, const char *expected)
{
    char text[64] = "";
    FILE *file = fopen(path, "r");
    if (!file)
        fail_msg("no %s", path);
    size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = 0;
    assert_string_equal(text, expected);
}

static void a_plan_knows_contents_and_parts(void **state)
{
    (void)state;
    world w;
    build(&w, false);
    assert_int_equal(w.plan.n_files, 3);
    assert_int_equal(w.plan.n_blobs, 2);
    assert_int_equal(w.plan.total_bytes, 12);
    assert_int_equal(w.plan.disk_bytes, 12);
    assert_true(nb_scratch_put("cache/models--a--b/blobs/" HELLO ".nibble.incomplete", "hel"));
    assert_true(nb_scratch_put("cache/models--a--b/blobs/" SHA256, "hello\n"));
    nb_hub_plan_look(&w.plan);
    assert_int_equal(blob_of(&w, HELLO)->state, NB_HUB_PART);
    assert_int_equal(blob_of(&w, SHA256)->state, NB_HUB_PRESENT);
    assert_int_equal(w.plan.part_bytes, 3);
    assert_int_equal(w.plan.present_bytes, 6);
    assert_int_equal(w.plan.disk_bytes, 3);
    assert_true(nb_scratch_put("cache/models--a--b/blobs/" SHA256, "cut")); // of another client
    nb_hub_plan_look(&w.plan);
    assert_int_equal(blob_of(&w, SHA256)->state, NB_HUB_ABSENT);
    assert_true(nb_hub_plan_fits(&w.plan, &w.failure));
    w.plan.disk_bytes = UINT64_C(1) << 60;
    assert_false(nb_hub_plan_fits(&w.plan, &w.failure));
    assert_int_equal(w.failure.problem, NB_HUB_DISK_FULL);
    strcpy(w.place.root, "not/there/yet"); // the nearest folder that is tells
    assert_false(nb_hub_plan_fits(&w.plan, &w.failure));
    strcpy(w.place.root, "/nor/this");
    assert_false(nb_hub_plan_fits(&w.plan, &w.failure));
    release(&w);
}

static void a_part_goes_on_where_it_ended(void **state)
{
    (void)state;
    world w;
    build(&w, false);
    bring(&w, HELLO);
    bring(&w, SHA256);
    expect_text("cache/models--a--b/blobs/" HELLO, "hello\n");
    expect_text("cache/models--a--b/blobs/" SHA256, "hello\n");
    assert_int_not_equal(access("cache/models--a--b/blobs/" HELLO ".nibble.incomplete", F_OK), 0);
    release(&w);
}

static void a_part_takes_no_more_than_its_file(void **state)
{
    (void)state;
    world w;
    nb_hub_part part;
    nb_hub_digest *digest = nb_hub_digest_create();
    build(&w, false);
    const nb_hub_file *file = blob_of(&w, SHA256)->file;
    assert_true(nb_scratch_put("cache/models--a--b/blobs/" SHA256 ".nibble.incomplete", "longer than it may be"));
    assert_true(nb_hub_part_open(&part, &w.place, file, digest, NULL, NULL, &w.failure));
    assert_int_equal(part.at_bytes, 0);
    assert_false(nb_hub_part_append(&part, "hello\nx", 7, &w.failure));
    assert_int_equal(w.failure.problem, NB_HUB_LENGTH);
    assert_int_equal(part.at_bytes, 0);
    assert_true(nb_hub_part_append(&part, "Hello\n", 6, &w.failure));
    assert_false(nb_hub_part_is_true(&part));
    nb_hub_part_close(&part);
    assert_int_equal(unlink(part.path), 0);
    assert_int_equal(symlink("/etc/passwd", part.path), 0); // is not followed
    assert_false(nb_hub_part_open(&part, &w.place, file, digest, NULL, NULL, &w.failure));
    nb_hub_part_close(&part);
    nb_hub_digest_free(digest);
    release(&w);
}

static void a_snapshot_is_links_and_a_ref(void **state)
{
    (void)state;
    world w;
    char target[128] = "";
    size_t n_strange;
    nb_hub_listing found;
    build(&w, false);
    bring(&w, HELLO);
    bring(&w, SHA256);
    assert_true(nb_scratch_put("cache/models--a--b/.nibble/" COMMIT "/left/over", "of a run that was killed"));
    assert_true(nb_hub_snapshot_publish(&w.plan, &w.name, COMMIT, &w.failure));
    expect_text("cache/models--a--b/refs/main", COMMIT); // no newline, as the official client
    expect_text("cache/models--a--b/snapshots/" COMMIT "/sub/deep/copy.json", "hello\n");
    assert_int_not_equal(access("cache/models--a--b/snapshots/" COMMIT "/left", F_OK), 0);
    assert_true(readlink("cache/models--a--b/snapshots/" COMMIT "/sub/deep/copy.json", target, sizeof target - 1) > 0);
    assert_string_equal(target, "../../../../blobs/" HELLO);
    assert_true(nb_hub_snapshot_list(&w.place, COMMIT, &found, &n_strange, &w.failure));
    assert_int_equal(found.n_files, 3);
    assert_int_equal(n_strange, 0);
    assert_string_equal(nb_hub_listing_find(&found, "model.safetensors")->etag, SHA256);
    nb_hub_listing_release(&found);
    // Damaged links are mended, what is there besides stays.
    assert_int_equal(unlink("cache/models--a--b/snapshots/" COMMIT "/config.json"), 0);
    assert_int_equal(symlink("../../blobs/none", "cache/models--a--b/snapshots/" COMMIT "/config.json"), 0);
    assert_true(nb_scratch_put("cache/models--a--b/snapshots/" COMMIT "/more", "x"));
    assert_true(nb_hub_snapshot_publish(&w.plan, &w.name, COMMIT, &w.failure));
    expect_text("cache/models--a--b/snapshots/" COMMIT "/config.json", "hello\n");
    expect_text("cache/models--a--b/snapshots/" COMMIT "/more", "x");
    release(&w);
}

static void a_directory_holds_files_and_records(void **state)
{
    (void)state;
    world w;
    build(&w, true);
    assert_int_equal(blob_of(&w, HELLO)->state, NB_HUB_ABSENT);
    assert_int_equal(w.plan.fetch_bytes, 12);
    assert_int_equal(w.plan.disk_bytes, 18); // a copy for each name
    bring(&w, HELLO);
    expect_text("dir/config.json", "hello\n");
    expect_text("dir/sub/deep/copy.json", "hello\n");
    nb_hub_plan_look(&w.plan);
    assert_int_equal(blob_of(&w, HELLO)->state, NB_HUB_PRESENT);
    assert_true(nb_scratch_put("cache/models--a--b/blobs/" SHA256, "hello\n"));
    nb_hub_plan_look(&w.plan);
    assert_int_equal(blob_of(&w, SHA256)->state, NB_HUB_CACHED);
    assert_int_equal(w.plan.fetch_bytes, 0);
    assert_int_equal(w.plan.disk_bytes, 6);
    assert_true(nb_scratch_put("dir/model.safetensors", "Hello\n")); // of that length, and nobody vouches for it
    nb_hub_plan_look(&w.plan);
    assert_int_equal(blob_of(&w, SHA256)->state, NB_HUB_UNSURE);
    nb_hub_record_remove(&w.place, nb_hub_listing_find(&w.listing, "config.json"));
    nb_hub_plan_look(&w.plan);
    assert_int_equal(blob_of(&w, HELLO)->state, NB_HUB_UNSURE);
    release(&w);
}

static void the_mark_comes_last_and_goes_first(void **state)
{
    (void)state;
    world w;
    build(&w, true);
    bring(&w, HELLO);
    bring(&w, SHA256);
    assert_true(nb_hub_mark_write(&w.plan, &w.name, COMMIT));
    json_t *mark = json_load_file("dir/.cache/huggingface/nibble.json", JSON_REJECT_DUPLICATES, NULL);
    assert_string_equal(json_string_value(json_object_get(mark, "commit")), COMMIT);
    assert_int_equal(json_array_size(json_object_get(mark, "files")), 3);
    json_decref(mark);
    nb_hub_mark_remove(&w.place);
    assert_int_not_equal(access("dir/.cache/huggingface/nibble.json", F_OK), 0);
    release(&w);
}

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, nb_scratch_enter, nb_scratch_leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(a_plan_knows_contents_and_parts),     IN_SCRATCH(a_part_goes_on_where_it_ended),
        IN_SCRATCH(a_part_takes_no_more_than_its_file),  IN_SCRATCH(a_snapshot_is_links_and_a_ref),
        IN_SCRATCH(a_directory_holds_files_and_records), IN_SCRATCH(the_mark_comes_last_and_goes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
