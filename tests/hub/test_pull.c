// SPDX-License-Identifier: Apache-2.0
// `nibble pull` where nothing goes wrong: what it takes, where that lies, what it asks of the Hub and what it does not.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/hub/pull_case.h"
#include "tests/support/data_path.h"

static void a_first_pull(void **state)
{
    pull_case *c = *state;
    pull_run(c, "acme/tiny");
    pull_expect_success(c);
    pull_expect_tree(c);
    // The revision once, then files of that commit alone; nothing but what is needed.
    assert_int_equal(mock_request_matching(c->hub, "GET hub /api/models/acme/tiny/revision/*"), 1);
    char commit[64];
    snprintf(commit, sizeof commit, "/%s/", mock_repo_commit(c->repo));
    for (size_t i = 0; i < mock_request_count(c->hub); i++) {
        mock_request r = mock_request_get(c->hub, i);
        if (r.file[0] && !strstr(r.path, commit))
            fail_msg("%s is not of the commit", r.path);
        if (strstr(r.headers, "Authorization"))
            fail_msg("a token out of nowhere: %s", r.headers);
        const char *encoding = strcasestr(r.headers, "Accept-Encoding: ");
        if (r.file[0] && encoding && strncmp(encoding + 17, "identity\n", 9) != 0)
            fail_msg("files are asked for as they are: %s", encoding);
    }
    assert_int_equal(mock_request_bytes(c->hub, "GET cdn *"), PULL_MODEL_BYTES);
    assert_int_equal(mock_request_matching(c->hub, "* cdn */pytorch_model.bin"), 0);
    assert_int_equal(mock_request_matching(c->hub, "* cdn */tiny.Q4_K_M.gguf"), 0);
    char tag[600];
    snprintf(tag, sizeof tag, "%s/CACHEDIR.TAG", c->cache);
    assert_int_equal(access(tag, F_OK), 0);
}

static void a_second_pull_fetches_nothing(void **state)
{
    pull_case *c = *state;
    pull_run(c, "acme/tiny");
    pull_expect_success(c);
    mock_request_forget(c->hub);
    pull_run(c, "acme/tiny");
    pull_expect_success(c);
    pull_expect_tree(c);
    assert_int_equal(mock_request_bytes(c->hub, "GET cdn *"), 0);
    assert_int_equal(mock_request_matching(c->hub, "GET * */resolve/*"), 0);
}

static void many_files_over_few_connections(void **state)
{
    pull_case *c = *state;
    enum { N = 60 };
    static char names[N][40];
    const char *paths[N];
    mock_repo *repo = mock_repo_add(c->hub, "acme/tiny", NULL);
    for (size_t i = 0; i < N; i++) {
        snprintf(names[i], sizeof names[i], "model-%05zu-of-%05d.safetensors", i + 1, N);
        mock_repo_put(repo, names[i], pull_bytes(20, 3000) + i, 2000, i % 2 ? MOCK_LFS : MOCK_GIT);
        paths[i] = names[i];
    }
    pull_run(c, "acme/tiny --jobs 1");
    pull_expect_success(c);
    pull_expect_snapshot(c, repo, paths, N);
    if (mock_connection_count(c->hub) > 4)
        fail_msg("%zu connections for %d files of two hosts", mock_connection_count(c->hub), N);
}

static void pages_and_jobs(void **state)
{
    pull_case *c = *state;
    static const char *const options[] = {"--jobs 1", "--jobs 2", "--jobs 8"};
    for (size_t i = 0; i < 3; i++) {
        char command[600];
        pull_restart(c, &(mock_options){.page_files = 1 + i});
        pull_run(c, "acme/tiny %s", options[i]);
        pull_expect_success(c);
        pull_expect_tree(c);
        snprintf(command, sizeof command, "rm -rf %s", c->cache);
        assert_int_equal(system(command), 0);
    }
}

static void names_and_sizes_of_all_kinds(void **state)
{
    pull_case *c = *state;
    static const char *const paths[] = {
        "a b/\xc3\xa9/100%?#[x].txt", "empty.txt", "d/e/e/p/e/r/file", "config.json", "+&=;,@'$!().txt", "one"};
    mock_repo *repo = mock_repo_add(c->hub, "acme/tiny", NULL);
    static const size_t bytes[] = {10, 0, 70000, 2, 5, 1};
    for (size_t i = 0; i < 6; i++)
        mock_repo_put(repo, paths[i], pull_bytes(30 + (unsigned)i, 70000), bytes[i], i == 2 ? MOCK_LFS : MOCK_GIT);
    mock_repo_put(repo, "model.safetensors", "", 0, MOCK_LFS);
    static const char *const all[] = {
        "a b/\xc3\xa9/100%?#[x].txt", "empty.txt", "d/e/e/p/e/r/file", "config.json", "+&=;,@'$!().txt", "one",
        "model.safetensors"};
    pull_run(c, "acme/tiny --include *");
    pull_expect_success(c);
    pull_expect_snapshot(c, repo, all, 7);
}

static void chosen_files(void **state)
{
    pull_case *c = *state;
    static const char *const gguf[] = {"tiny.Q4_K_M.gguf"};
    pull_run(c, "acme/tiny --include *.gguf");
    pull_expect_success(c);
    pull_expect_snapshot(c, c->repo, gguf, 1);
    static const char *const more[] = {"config.json", "tiny.Q4_K_M.gguf", "tokenizer.json", "tokenizer_config.json"};
    pull_run(c, "acme/tiny --exclude *.safetensors");
    pull_expect_success(c);
    pull_expect_snapshot(c, c->repo, more, 4); // added to what is there
    pull_run(c, "acme/tiny --include nothing*");
    pull_expect_error(c, 3, "nothing", NULL);
}

static void revisions(void **state)
{
    pull_case *c = *state;
    mock_repo_tag(c->repo, "v1.0");
    mock_repo_tag(c->repo, "refs/pr/7");
    mock_repo *newer = mock_repo_add(c->hub, "acme/tiny", NULL);
    pull_fill(newer, 1);
    char path[800], *text;
    pull_run(c, "acme/tiny@v1.0");
    pull_expect_success(c);
    snprintf(path, sizeof path, "%s/models--acme--tiny/refs/v1.0", c->cache);
    text = nb_test_file_read(path, NULL);
    assert_memory_equal(text, mock_repo_commit(c->repo), 40);
    free(text);
    assert_int_equal(mock_request_bytes(c->hub, "GET cdn *"), PULL_MODEL_BYTES);
    pull_run(c, "acme/tiny@refs/pr/7");
    pull_expect_success(c);
    assert_int_equal(mock_request_bytes(c->hub, "GET cdn *"), PULL_MODEL_BYTES); // the same commit
    pull_run(c, "acme/tiny@%s", mock_repo_commit(newer));
    pull_expect_success(c);
    snprintf(path, sizeof path, "%s/models--acme--tiny/refs/main", c->cache);
    assert_int_not_equal(access(path, F_OK), 0); // main was not asked for
    pull_run(c, "acme/tiny");
    pull_expect_success(c);
    pull_expect_snapshot(c, newer, pull_taken, pull_n_taken);
    assert_int_equal(mock_request_bytes(c->hub, "GET cdn *"), 2 * PULL_MODEL_BYTES);
    snprintf(path, sizeof path, "%s/models--acme--tiny/snapshots/%s/model.safetensors", c->cache,
             mock_repo_commit(c->repo));
    assert_int_equal(access(path, R_OK), 0); // the older one stays
    pull_expect_tidy(c, false);
}

static void a_dry_run_writes_nothing(void **state)
{
    pull_case *c = *state;
    pull_run(c, "acme/tiny --dry-run");
    pull_expect_success(c);
    for (size_t i = 0; i < pull_n_taken; i++)
        if (!strstr(c->out, pull_taken[i]))
            fail_msg("%s is not named in: %s", pull_taken[i], c->out);
    assert_null(strstr(c->out, "gguf"));
    assert_int_equal(mock_request_matching(c->hub, "GET cdn *"), 0);
    char *listing = pull_listing(c->folder);
    assert_string_equal(listing, "home/\n");
    free(listing);
}

// As another client left it: the blob is used in place.
static void what_is_there_is_used(void **state)
{
    pull_case *c = *state;
    char folder[600], path[1000], command[700];
    snprintf(folder, sizeof folder, "%s/models--acme--tiny/blobs", c->cache);
    snprintf(command, sizeof command, "mkdir -p %s", folder);
    assert_int_equal(system(command), 0);
    snprintf(path, sizeof path, "%s/%s", folder, mock_repo_etag(c->repo, "model.safetensors"));
    nb_test_file_write(path, pull_bytes(10, PULL_MODEL_BYTES), PULL_MODEL_BYTES);
    pull_run(c, "acme/tiny");
    pull_expect_success(c);
    pull_expect_tree(c);
    assert_int_equal(mock_request_bytes(c->hub, "GET cdn *"), 0);
}

static void flip_byte_at(const char *path)
{
    size_t n;
    chmod(path, 0600);
    char *data = nb_test_file_read(path, &n);
    data[n / 2] ^= 1;
    nb_test_file_write(path, data, n);
    free(data);
}

static void flip_byte(pull_case *c, const char *file)
{
    char path[800];
    snprintf(path, sizeof path, "%s/models--acme--tiny/blobs/%s", c->cache, mock_repo_etag(c->repo, file));
    flip_byte_at(path);
}

// On a disk without links the official client puts a snapshot's files at their names.
static void files_in_place_of_links_are_used(void **state)
{
    pull_case *c = *state;
    char folder[600], path[1000], command[700];
    struct stat info;
    snprintf(folder, sizeof folder, "%s/models--acme--tiny/snapshots/%s", c->cache, mock_repo_commit(c->repo));
    snprintf(command, sizeof command, "mkdir -p %s", folder);
    assert_int_equal(system(command), 0);
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    nb_test_file_write(path, pull_bytes(10, PULL_MODEL_BYTES), PULL_MODEL_BYTES);
    pull_run(c, "acme/tiny");
    pull_expect_success(c);
    assert_int_equal(mock_request_bytes(c->hub, "GET cdn *"), 0);
    assert_true(lstat(path, &info) == 0 && S_ISREG(info.st_mode));
    pull_run(c, "acme/tiny --to %s/out", c->folder);
    pull_expect_success(c);
    assert_int_equal(mock_request_bytes(c->hub, "GET cdn *"), 0);
    flip_byte_at(path);
    pull_run(c, "acme/tiny --verify");
    pull_expect_success(c);
    assert_int_equal(mock_request_bytes(c->hub, "GET cdn *"), PULL_MODEL_BYTES);
    pull_expect_tree(c);
}

// It says that this file is not what it should be, and of no other.
static void expect_named_damaged(pull_case *c, const char *file)
{
    bool is_named = false;
    for (const char *line = c->err; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        char text[1024];
        snprintf(text, sizeof text, "%.*s", (int)strcspn(line, "\n"), line);
        if (!strcasestr(text, "damage") && !strcasestr(text, "hash"))
            continue;
        if (!strstr(text, file))
            fail_msg("of what? %s", text);
        is_named = true;
    }
    if (!is_named)
        fail_msg("%s is not named: %s", file, c->err);
}

static void verify_finds_a_flipped_byte(void **state)
{
    pull_case *c = *state;
    static const char *const files[] = {"model.safetensors", "tokenizer.json"};
    pull_run(c, "acme/tiny");
    pull_expect_success(c);
    pull_run(c, "acme/tiny --verify");
    pull_expect_success(c);
    for (size_t i = 0; i < 2; i++) {
        flip_byte(c, files[i]);
        mock_request_forget(c->hub);
        pull_run(c, "acme/tiny --verify");
        expect_named_damaged(c, files[i]);
        pull_run(c, "acme/tiny");
        pull_expect_success(c);
        pull_expect_tree(c);
        assert_int_equal(mock_request_bytes(c->hub, "GET cdn *"), i == 0 ? PULL_MODEL_BYTES : 0);
    }
}

static void expect_directory(pull_case *c, const char *folder)
{
    char path[600];
    size_t n;
    struct stat info;
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    assert_int_equal(lstat(path, &info), 0);
    assert_true(S_ISREG(info.st_mode));
    char *data = nb_test_file_read(path, &n);
    assert_int_equal(n, PULL_MODEL_BYTES);
    assert_memory_equal(data, pull_bytes(10, n), n);
    free(data);
    char *listing = pull_listing(folder);
    for (char *line = listing; *line; line += strcspn(line, "\n") + 1) {
        bool is_known = strncmp(line, ".cache/", 7) == 0;
        for (size_t i = 0; i < pull_n_taken; i++)
            is_known |= strncmp(line, pull_taken[i], strlen(pull_taken[i])) == 0;
        if (!is_known || strstr(line, "incomplete"))
            fail_msg("%s has no place there", line);
    }
    free(listing);
    (void)c;
}

static void to_a_directory(void **state)
{
    pull_case *c = *state;
    char folder[300];
    snprintf(folder, sizeof folder, "%s/usb/model", c->folder);
    mock_fault_add(c->hub, (mock_fault){.kind = MOCK_CUT, .match = "GET cdn *", .at = 900000, .times = 1});
    pull_run(c, "acme/tiny --retries 0 --to %s", folder);
    pull_expect_error(c, 1, "127\\.0\\.0\\.2", NULL);
    pull_run(c, "acme/tiny --to %s", folder);
    pull_expect_success(c);
    expect_directory(c, folder);
    if (mock_request_bytes(c->hub, "GET cdn *") > PULL_MODEL_BYTES + (1 << 20))
        fail_msg("what had come was fetched again");
    mock_request_forget(c->hub);
    pull_run(c, "acme/tiny --to %s", folder);
    pull_expect_success(c);
    expect_directory(c, folder);
    assert_int_equal(mock_request_bytes(c->hub, "GET cdn *"), 0);
}

static void offline_opens_no_socket(void **state)
{
    pull_case *c = *state;
    pull_run(c, "acme/tiny --offline");
    pull_expect_error(c, 3, "offline|here", NULL);
    pull_set(c, "HF_HUB_OFFLINE", "1");
    pull_run(c, "acme/tiny");
    pull_expect_error(c, 3, "offline|here", NULL);
    assert_int_equal(mock_connection_count(c->hub), 0);
    pull_set(c, "HF_HUB_OFFLINE", NULL);
    pull_run(c, "acme/tiny");
    pull_expect_success(c);
    size_t n = mock_connection_count(c->hub);
    pull_run(c, "acme/tiny --offline");
    pull_expect_success(c);
    pull_run(c, "acme/tiny --offline --verify");
    pull_expect_success(c);
    pull_set(c, "HF_HUB_OFFLINE", "1");
    pull_run(c, "acme/tiny");
    pull_expect_success(c);
    assert_int_equal(mock_connection_count(c->hub), n);
}

static void places_of_the_cache(void **state)
{
    pull_case *c = *state;
    char elsewhere[300];
    snprintf(elsewhere, sizeof elsewhere, "%s/elsewhere", c->folder);
    pull_set(c, "HF_HUB_CACHE", elsewhere);
    pull_run(c, "acme/tiny");
    pull_expect_success(c);
    assert_int_not_equal(access(c->cache, F_OK), 0);
    snprintf(c->cache, sizeof c->cache, "%s", elsewhere);
    pull_expect_tree(c);
}

static void over_ipv6(void **state)
{
    pull_case *c = *state;
    if (!pull_restart(c, &(mock_options){.is_ipv6 = true})) {
        fprintf(stderr, "SKIPPED: there is no ::1 here\n");
        skip();
    }
    pull_run(c, "acme/tiny");
    pull_expect_success(c);
    pull_expect_tree(c);
}

// Lines of JSON alone; what is done never falls, and is all there is in the end.
static void progress_for_a_program(void **state)
{
    pull_case *c = *state;
    json_int_t done = 0, total = 0;
    size_t n_files = 0;
    mock_fault_add(c->hub, (mock_fault){.kind = MOCK_CUT, .match = "GET cdn *", .at = 700000, .times = 1});
    mock_fault_add(c->hub, (mock_fault){.kind = MOCK_FLIP, .match = "GET cdn *", .at = 1000000, .times = 1});
    mock_fault_add(c->hub, (mock_fault){.kind = MOCK_PACE, .match = "GET cdn *", .at = 3 << 20});
    pull_run(c, "acme/tiny --json");
    pull_expect_success(c);
    pull_expect_tree(c);
    json_t *lines = pull_json(c), *line;
    size_t i;
    json_array_foreach(lines, i, line)
    {
        const char *event = json_string_value(json_object_get(line, "event"));
        assert_non_null(event);
        if (strcmp(event, "plan") == 0)
            total = json_integer_value(json_object_get(line, "bytes"));
        n_files += strcmp(event, "file") == 0;
        const json_t *now = json_object_get(line, "done_bytes");
        if (strcmp(event, "progress") == 0) {
            assert_true(json_is_integer(now) && json_integer_value(now) >= done);
            done = json_integer_value(now);
        }
        assert_true(strcmp(event, "done") != 0 || i + 1 == json_array_size(lines));
    }
    assert_int_equal(total, PULL_MODEL_BYTES + 70000 + 24 + 25);
    assert_true(done <= total);
    assert_int_equal(n_files, pull_n_taken);
    json_decref(lines);
}

// The bundled model through a Hub, then by its name.
static void a_model_by_its_name(void **state)
{
    pull_case *c = *state;
    mock_repo *repo = mock_repo_add(c->hub, "acme/tutor", NULL);
    mock_repo_put_folder(repo, "apps/tutor/model");
    pull_run(c, "acme/tutor");
    pull_expect_success(c);
    pull_command(c, "run acme/tutor -p 34+21=? --temperature 0 -n 40");
    pull_expect_success(c);
    pull_command(c, "info acme/tutor --json");
    pull_expect_success(c);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, pull_enter, pull_leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_first_pull),
        CASE(a_second_pull_fetches_nothing),
        CASE(many_files_over_few_connections),
        CASE(pages_and_jobs),
        CASE(names_and_sizes_of_all_kinds),
        CASE(chosen_files),
        CASE(revisions),
        CASE(a_dry_run_writes_nothing),
        CASE(what_is_there_is_used),
        CASE(files_in_place_of_links_are_used),
        CASE(verify_finds_a_flipped_byte),
        CASE(to_a_directory),
        CASE(offline_opens_no_socket),
        CASE(places_of_the_cache),
        CASE(over_ipv6),
        CASE(progress_for_a_program),
        CASE(a_model_by_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
