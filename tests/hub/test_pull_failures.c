// SPDX-License-Identifier: Apache-2.0
// Every kind of call that the system may refuse, refused once in a pull (tests/support/failure_matrix.h): one error or
// the whole model, nothing half-done to be seen, nothing kept open; and the next pull brings what is missing. A sample
// of the calls; `make faults` takes every one. The Hub is a process of its own, so that none of its calls is refused.
#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "apps/common/commands.h"
#include "tests/hub/pull_case.h"
#include "tests/support/data_path.h"
#include "tests/support/failure_matrix.h"
#include "tests/support/scratch.h"

enum { PART_BYTES = 700000, TOKENIZER_BYTES = 70000, OLD_SEED = 0, NEW_SEED = 1 };

static const char root[] = "hf/hub/models--acme--tiny";

// ---- the Hub -----------------------------------------------------------------------------------------------------

// What the tests have to know of it: acme/tiny was OLD, and is NEW now; `model` and `tokenizer` are NEW's blobs.
static struct {
    char endpoint[64], old_commit[41], new_commit[41], model[65], tokenizer[41];
} told;
static int hub_line = -1; // closed, it ends the Hub
static pid_t hub_process;

static void serve(int to_us, int to_hub)
{
    mock_hub *hub = mock_hub_start(&(mock_options){.has_no_memory = true});
    mock_repo *old = mock_repo_add(hub, "acme/tiny", NULL), *new = mock_repo_add(hub, "acme/tiny", NULL);
    pull_fill(old, OLD_SEED);
    pull_fill(new, NEW_SEED);
    snprintf(told.endpoint, sizeof told.endpoint, "%s", mock_hub_endpoint(hub));
    snprintf(told.old_commit, sizeof told.old_commit, "%s", mock_repo_commit(old));
    snprintf(told.new_commit, sizeof told.new_commit, "%s", mock_repo_commit(new));
    snprintf(told.model, sizeof told.model, "%s", mock_repo_etag(new, "model.safetensors"));
    snprintf(told.tokenizer, sizeof told.tokenizer, "%s", mock_repo_etag(new, "tokenizer.json"));
    char byte;
    bool is_served = write(to_us, &told, sizeof told) == sizeof told && read(to_hub, &byte, 1) == 0;
    mock_hub_stop(hub);
    _exit(is_served ? 0 : 1);
}

static bool start_hub(void)
{
    int to_us[2], to_hub[2];
    if (pipe2(to_us, O_CLOEXEC) != 0 || pipe2(to_hub, O_CLOEXEC) != 0 || (hub_process = fork()) < 0)
        return false;
    if (hub_process == 0) {
        close(to_hub[1]);
        serve(to_us[1], to_hub[0]);
    }
    close(to_us[1]);
    close(to_hub[0]);
    hub_line = to_hub[1];
    bool is_there = read(to_us[0], &told, sizeof told) == sizeof told;
    close(to_us[0]);
    return is_there;
}

// ---- a pull ------------------------------------------------------------------------------------------------------

static int said = -1;                     // the file of what a pull says
static const char *const *words_of_a_run; // the model and what else is no usual word

// Without a call that could be refused.
static size_t count_files(void)
{
    size_t n = 0;
    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) != -1;
    return n;
}

static size_t count_threads(void)
{
    size_t n = 0;
    DIR *folder = opendir("/proc/self/task");
    while (folder && readdir(folder))
        n++;
    if (folder)
        closedir(folder);
    return n - 2; // the dots
}

static const char *const plain[] = {"acme/tiny", NULL};

static int pull(const char *const *own)
{
    const char *words[16] = {"pull", "--jobs", "2", "--retries", "1", "--retry-wait", "0.01"};
    int n = 7;
    for (; *own; own++)
        words[n++] = *own;
    optind = 0; // getopt begins anew
    return nb_command_pull(n, (char **)(uintptr_t)words);
}

// In a process of its own, of which nothing is left but what it said.
static nb_status pull_once(nb_result *r, nb_error *error)
{
    (void)r;
    dup2(said, STDERR_FILENO);
    size_t n_before = count_files();
    int code = pull(words_of_a_run);
    nb_faults_reset();
    size_t n_after = count_files(), n_threads = 0;
    for (int i = 0; i < 200 && n_threads != 1; i++, usleep(i > 1 ? 500 : 0)) // an entry may outlive its thread
        n_threads = count_threads();
    if (n_after != n_before || n_threads != 1)
        dprintf(STDERR_FILENO, "left: %zu files of %zu, %zu threads\n", n_after, n_before, n_threads);
    return code == 0 ? NB_OK : nb_error_set(error, NB_ERR_SYSTEM, "exit status %d", code);
}

// The same undisturbed; its exit code.
static int pull_again(const char *const *own)
{
    pid_t child = fork();
    if (child == 0) {
        dup2(said, STDERR_FILENO);
        dup2(said, STDOUT_FILENO);
        _exit(pull(own));
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void forget_said(void)
{
    assert_true(ftruncate(said, 0) == 0 && lseek(said, 0, SEEK_SET) == 0);
}

// Lines of JSON; after a failure one error. (Not always the last: a thread that finds no memory ends the process, and
// others may tell of a file until it is gone.)
static void check_said(bool has_succeeded)
{
    char *text = nb_test_file_read("said", NULL);
    size_t n_errors = 0;
    for (char *line = text; *line; line += strcspn(line, "\n") + 1) {
        bool is_error = strncmp(line, "nibble: error: ", 15) == 0;
        n_errors += is_error;
        if (line[0] != '{' && !is_error)
            fail_msg("said: %s", text);
    }
    if (n_errors != (has_succeeded ? 0 : 1))
        fail_msg("%s, and said: %s", has_succeeded ? "success" : "failure", text);
    free(text);
}

// ---- what is there -----------------------------------------------------------------------------------------------

static bool is_there(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0;
}

static void expect_bytes(const char *folder, const char *name, unsigned seed, size_t bytes)
{
    char path[400];
    size_t n;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    char *data = nb_test_file_read(path, &n);
    if (n != bytes || memcmp(data, pull_bytes(seed, bytes), n) != 0)
        fail_msg("%s is not what the Hub has (%zu bytes)", path, n);
    free(data);
}

// The four files that a pull takes.
static void expect_files(const char *folder, unsigned seed)
{
    char *listing = pull_listing(folder);
    assert_string_equal(listing, "config.json\nmodel.safetensors\ntokenizer.json\ntokenizer_config.json\n");
    free(listing);
    expect_bytes(folder, "model.safetensors", 10 + seed, PULL_MODEL_BYTES);
    expect_bytes(folder, "tokenizer.json", 1, TOKENIZER_BYTES);
    char path[400];
    size_t n;
    snprintf(path, sizeof path, "%s/config.json", folder);
    free(nb_test_file_read(path, &n));
    assert_int_equal(n, 24);
    snprintf(path, sizeof path, "%s/tokenizer_config.json", folder);
    free(nb_test_file_read(path, &n));
    assert_int_equal(n, 25);
}

// The snapshot of a commit is whole, or not to be seen, which `must` forbids.
static bool expect_snapshot(const char *commit, unsigned seed, bool must)
{
    char path[300];
    snprintf(path, sizeof path, "%s/snapshots/%s", root, commit);
    if (is_there(path) || must)
        expect_files(path, seed);
    return is_there(path);
}

// The ref names NEW, where that is whole; else OLD, where there is one. True: it names NEW.
static bool expect_ref(bool has_old)
{
    char path[300];
    snprintf(path, sizeof path, "%s/refs/main", root);
    if (!is_there(path)) {
        assert_false(has_old);
        return false;
    }
    char *text = nb_test_file_read(path, NULL);
    bool is_new = strcmp(text, told.new_commit) == 0;
    assert_true(is_new || (has_old && strcmp(text, told.old_commit) == 0));
    free(text);
    return is_new;
}

// Nothing of an unfinished pull.
static void expect_tidy(const char *folder)
{
    char *listing = pull_listing(folder);
    assert_null(strstr(listing, "incomplete"));
    assert_null(strstr(listing, "/.nibble/"));
    for (char *line = listing; *line; line += strcspn(line, "\n") + 1) { // no small file before it got its name
        size_t n = strcspn(line, "\n");
        if (n > 17 && line[n - 17] == '.' && strspn(line + n - 16, "0123456789abcdef") == 16)
            fail_msg("%.*s is left", (int)n, line);
    }
    free(listing);
}

static void check_cache(bool has_succeeded, bool has_old)
{
    check_said(has_succeeded);
    bool is_new = expect_snapshot(told.new_commit, NEW_SEED, has_succeeded);
    assert_true(expect_ref(has_old) ? is_new : !has_succeeded);
    if (has_old)
        expect_snapshot(told.old_commit, OLD_SEED, true);
    if (!has_succeeded)
        assert_int_equal(pull_again(plain), 0);
    expect_snapshot(told.new_commit, NEW_SEED, true);
    assert_true(expect_ref(has_old));
    expect_tidy("hf");
}

// ---- operations --------------------------------------------------------------------------------------------------

static void begin(const char *const *own)
{
    words_of_a_run = own;
    assert_int_equal(system("rm -rf hf dir"), 0);
    forget_said();
}

static void before_new(void)
{
    begin(plain);
}

static void after_new(bool has_succeeded)
{
    check_cache(has_succeeded, false);
}

// OLD is there, and a part of NEW's model.
static void before_newer(void)
{
    begin(plain);
    if (!is_there("old")) {
        char target[100], path[300];
        snprintf(target, sizeof target, "acme/tiny@%s", told.old_commit);
        assert_int_equal(pull_again((const char *const[]){target, NULL}), 0);
        snprintf(path, sizeof path, "%s/refs/main", root);
        assert_true(nb_scratch_put(path, told.old_commit));
        snprintf(path, sizeof path, "%s/blobs/%s.nibble.incomplete", root, told.model);
        nb_test_file_write(path, pull_bytes(10 + NEW_SEED, PULL_MODEL_BYTES), PART_BYTES);
        assert_int_equal(rename("hf", "old"), 0);
        begin(plain);
    }
    assert_int_equal(system("cp -a old hf"), 0);
}

static void after_newer(bool has_succeeded)
{
    check_cache(has_succeeded, true);
}

static const char *const with_verify[] = {"acme/tiny", "--verify", NULL};

// All is there, and the tokenizer is damaged.
static void before_verify(void)
{
    begin(with_verify);
    if (!is_there("damaged")) {
        char path[300];
        assert_int_equal(pull_again(plain), 0);
        snprintf(path, sizeof path, "%s/blobs/%s", root, told.tokenizer);
        nb_test_file_write(path, pull_bytes(7, TOKENIZER_BYTES), TOKENIZER_BYTES);
        assert_int_equal(rename("hf", "damaged"), 0);
        begin(with_verify);
    }
    assert_int_equal(system("cp -a damaged hf"), 0);
}

static void after_verify(bool has_succeeded)
{
    check_said(has_succeeded);
    if (!has_succeeded)
        assert_int_equal(pull_again(with_verify), 0);
    expect_snapshot(told.new_commit, NEW_SEED, true);
    assert_true(expect_ref(false));
    expect_tidy("hf");
}

static const char *const to_directory[] = {"acme/tiny", "--to", "dir", NULL};

static void before_directory(void)
{
    begin(to_directory);
}

static void expect_directory(void)
{
    assert_int_equal(system("rm -rf seen && cp -a dir seen && rm -rf seen/.cache"), 0);
    expect_files("seen", NEW_SEED);
}

// No file has its name before it is whole, and the mark of a whole directory comes last.
static void after_directory(bool has_succeeded)
{
    static const char mark[] = "dir/.cache/huggingface/nibble.json";
    check_said(has_succeeded);
    if (is_there(mark) || has_succeeded) {
        expect_directory();
    }
    if (is_there("dir/model.safetensors"))
        expect_bytes("dir", "model.safetensors", 10 + NEW_SEED, PULL_MODEL_BYTES);
    if (is_there("dir/tokenizer.json"))
        expect_bytes("dir", "tokenizer.json", 1, TOKENIZER_BYTES);
    if (!has_succeeded)
        assert_int_equal(pull_again(to_directory), 0);
    assert_true(is_there(mark));
    expect_tidy("dir");
    expect_directory();
}

static void each_call_fails_once(void **state)
{
    static const nb_operation operations[] = {
        {"pull", pull_once, before_new, after_new, true, false, true},
        {"pull over older", pull_once, before_newer, after_newer, true, true, true},
        {"pull --verify", pull_once, before_verify, after_verify, true, true, true},
        {"pull --to", pull_once, before_directory, after_directory, true, true, true},
    };
#ifdef __SANITIZE_THREAD__
    fputs("# skipped: the thread sanitizer has a thread of its own\n", stderr);
    skip();
#endif
    static const char *const unset[] = {"HF_TOKEN",   "HF_HUB_CACHE", "HF_HUB_OFFLINE", "http_proxy",
                                        "HTTP_PROXY", "ALL_PROXY",    "all_proxy"};
    char home[600];
    snprintf(home, sizeof home, "%s/hf", (const char *)*state);
    setenv("HF_HOME", home, 1);
    setenv("HF_ENDPOINT", told.endpoint, 1);
    for (size_t i = 0; i < NB_COUNT(unset); i++)
        unsetenv(unset[i]);
    // What libcrypto allocates is left alone: much of it is its own start, where it has no word for a refusal. libcurl,
    // jansson and the C library are as much a part of a pull as what nibble calls itself.
    nb_faults_exempt("/libcrypto.");
    said = open("said", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(said >= 0);
    for (size_t i = 0; i < NB_COUNT(operations); i++)
        nb_failures_run(&operations[i]);
    close(said);
}

int main(void)
{
    if (!start_hub()) // before this process has anything that a fork would double
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_call_fails_once, nb_scratch_enter, nb_scratch_leave),
    };
    int n_failed = cmocka_run_group_tests(tests, NULL, NULL), status = 0;
    close(hub_line);
    waitpid(hub_process, &status, 0);
    return n_failed != 0 || status != 0;
}
