// SPDX-License-Identifier: Apache-2.0
#include "tests/hub/pull_case.h"

#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/data_path.h"

enum { MAX_WORDS = 40, MAX_CONTENTS = 32, PATIENCE_S = 60 };

extern char **environ;

// ---- the repository ----------------------------------------------------------------------------------------------

const uint8_t *pull_bytes(unsigned seed, size_t bytes)
{
    static struct {
        unsigned seed;
        size_t bytes;
        uint8_t *data;
    } made[MAX_CONTENTS];
    static size_t n_made;
    for (size_t i = 0; i < n_made; i++)
        if (made[i].seed == seed && made[i].bytes == bytes)
            return made[i].data;
    assert_true(n_made < MAX_CONTENTS);
    uint8_t *data = malloc(bytes);
    assert_non_null(data);
    uint64_t state = 0x9e3779b97f4a7c15u * (seed + 1);
    for (size_t i = 0; i < bytes; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        data[i] = (uint8_t)(state >> 24);
    }
    made[n_made].seed = seed;
    made[n_made].bytes = bytes;
    return made[n_made++].data = data;
}

const char *const pull_taken[] = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"};
const size_t pull_n_taken = sizeof pull_taken / sizeof *pull_taken;

void pull_fill(mock_repo *repo, unsigned seed)
{
    static const char config[] = "{\"model_type\": \"qwen2\"}\n", settings[] = "{\"add_bos_token\": false}\n";
    mock_repo_put(repo, "config.json", config, sizeof config - 1, MOCK_GIT);
    mock_repo_put(repo, "tokenizer_config.json", settings, sizeof settings - 1, MOCK_GIT);
    mock_repo_put(repo, "tokenizer.json", pull_bytes(1, 70000), 70000, MOCK_GIT);
    mock_repo_put(repo, "model.safetensors", pull_bytes(10 + seed, PULL_MODEL_BYTES), PULL_MODEL_BYTES, MOCK_LFS);
    // The same model in other formats, and what is no part of it.
    mock_repo_put(repo, "pytorch_model.bin", pull_bytes(3, 50000), 50000, MOCK_LFS);
    mock_repo_put(repo, "onnx/model.onnx", pull_bytes(4, 50000), 50000, MOCK_LFS);
    mock_repo_put(repo, "tiny.Q4_K_M.gguf", pull_bytes(5, 50000), 50000, MOCK_LFS);
    mock_repo_put(repo, "images/photo.png", pull_bytes(6, 50000), 50000, MOCK_LFS);
}

// ---- the case ----------------------------------------------------------------------------------------------------

void pull_set(pull_case *c, const char *name, const char *value)
{
    size_t n = strlen(name), i = 0;
    while (i < c->n_settings && (strncmp(c->settings[i], name, n) != 0 || c->settings[i][n] != '='))
        i++;
    assert_true(i < PULL_MAX_SETTINGS);
    if (value)
        snprintf(c->settings[i], sizeof c->settings[i], "%s=%s", name, value);
    else if (i < c->n_settings)
        memmove(c->settings[i], c->settings[c->n_settings - 1], sizeof c->settings[i]);
    if (value && i == c->n_settings)
        c->n_settings++;
    else if (!value && i < c->n_settings)
        c->n_settings--;
}

bool pull_restart(pull_case *c, const mock_options *options)
{
    if (c->hub)
        mock_hub_stop(c->hub);
    c->hub = mock_hub_start(options);
    if (!c->hub)
        return false;
    c->repo = mock_repo_add(c->hub, "acme/tiny", NULL);
    pull_fill(c->repo, 0);
    pull_set(c, "HF_ENDPOINT", mock_hub_endpoint(c->hub));
    return true;
}

int pull_enter(void **state)
{
    pull_case *c = calloc(1, sizeof *c);
    char path[600];
    assert_non_null(c);
    *state = c;
    nb_test_directory_make(c->folder, sizeof c->folder);
    snprintf(c->cache, sizeof c->cache, "%s/hf/hub", c->folder);
    pull_set(c, "PATH", "/usr/bin:/bin");
    pull_set(c, "LC_ALL", "C.UTF-8");
    pull_set(c, "TMPDIR", c->folder);
    snprintf(path, sizeof path, "%s/home", c->folder);
    assert_int_equal(mkdir(path, 0700), 0);
    pull_set(c, "HOME", path);
    snprintf(path, sizeof path, "%s/hf", c->folder);
    pull_set(c, "HF_HOME", path);
    snprintf(path, sizeof path, "%s/store", c->folder);
    pull_set(c, "NIBBLE_HOME", path);
    static const char *const handed_on[] = {"ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS"};
    for (size_t i = 0; i < sizeof handed_on / sizeof *handed_on; i++)
        if (getenv(handed_on[i]))
            pull_set(c, handed_on[i], getenv(handed_on[i]));
    pull_restart(c, NULL);
    return 0;
}

int pull_leave(void **state)
{
    pull_case *c = *state;
    if (c->hub)
        mock_hub_stop(c->hub);
    nb_test_directory_remove(c->folder);
    free(c->out);
    free(c->err);
    free(c);
    return 0;
}

// ---- running -----------------------------------------------------------------------------------------------------

double pull_now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static const char *program(void)
{
    static char path[4096];
    const char *build = getenv("BUILD");
    snprintf(path, sizeof path, "%s/nibble", build && build[0] ? build : "build");
    if (access(path, X_OK) != 0)
        fail_msg("there is no %s", path);
    return path;
}

// Its output goes to files of the case, so that no pipe can fill.
static int output_file(const pull_case *c, const char *name, const char *stream)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s.%s", c->folder, name, stream);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    return file;
}

static pid_t spawn(pull_case *c, const char *name, char *text)
{
    char *words[MAX_WORDS + 1] = {NULL}, *environment[PULL_MAX_SETTINGS + 1] = {NULL};
    const char *path = program();
    size_t n = 0;
    words[n++] = (char *)(uintptr_t)path;
    for (char *save = NULL, *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        assert_true(n < MAX_WORDS);
        words[n++] = word;
    }
    for (size_t i = 0; i < c->n_settings; i++)
        environment[i] = c->settings[i];
    int in = open("/dev/null", O_RDONLY | O_CLOEXEC), out = output_file(c, name, "out"),
        err = output_file(c, name, "err");
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(in, STDIN_FILENO);
        dup2(out, STDOUT_FILENO);
        dup2(err, STDERR_FILENO);
        signal(SIGINT, SIG_DFL);
        execve(path, words, environment);
        _exit(126);
    }
    close(in);
    close(out);
    close(err);
    return child;
}

// What most cases say besides: short waits. `words` that name an option themselves are left their own.
static void complete(char *text, size_t capacity, const char *words)
{
    static const char *const usual[][2] = {{"--retry-wait", "0.02"}, {"--retries", "2"}, {"--stall-timeout", "20"}};
    int n = snprintf(text, capacity, "pull %s", words);
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        if (!strstr(words, usual[i][0]))
            n += snprintf(text + n, capacity - (size_t)n, " %s %s", usual[i][0], usual[i][1]);
}

pid_t pull_start(pull_case *c, const char *name, const char *words)
{
    char text[2048];
    complete(text, sizeof text, words);
    return spawn(c, name, text);
}

static char *output_of(const pull_case *c, const char *name, const char *stream)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s.%s", c->folder, name, stream);
    char *text = nb_test_file_read(path, NULL);
    unlink(path);
    return text;
}

int pull_finish(pull_case *c, const char *name, pid_t child)
{
    double begin_s = pull_now_s();
    int status = 0;
    while (waitpid(child, &status, WNOHANG) == 0) {
        if (pull_now_s() - begin_s > PATIENCE_S)
            kill(child, SIGKILL);
        nanosleep(&(struct timespec){.tv_nsec = 2 * 1000 * 1000}, NULL);
    }
    c->seconds = pull_now_s() - begin_s;
    c->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    free(c->out);
    free(c->err);
    c->out = c->err = NULL;
    c->out = output_of(c, name, "out");
    c->err = output_of(c, name, "err");
    if (c->seconds > PATIENCE_S)
        fail_msg("it did not end within %d s", PATIENCE_S);
    if (strstr(c->err, "Sanitizer"))
        fail_msg("%s", c->err);
    return c->exit_code;
}

int pull_run(pull_case *c, const char *words, ...)
{
    char text[1024];
    va_list args;
    va_start(args, words);
    vsnprintf(text, sizeof text, words, args);
    va_end(args);
    return pull_finish(c, "run", pull_start(c, "run", text));
}

int pull_command(pull_case *c, const char *words, ...)
{
    char text[1024];
    va_list args;
    va_start(args, words);
    vsnprintf(text, sizeof text, words, args);
    va_end(args);
    return pull_finish(c, "run", spawn(c, "run", text));
}

// ---- what it said ------------------------------------------------------------------------------------------------

static void show(const pull_case *c)
{
    fprintf(stderr, "# exit %d after %.2f s\n# stdout: %s\n# stderr: %s\n", c->exit_code, c->seconds, c->out, c->err);
    for (size_t i = 0, n = mock_request_count(c->hub); i < n && i < 40; i++) {
        mock_request r = mock_request_get(c->hub, i);
        fprintf(stderr, "# %u %s %s %s from %llu: %llu\n", r.status, r.method, r.host, r.path,
                (unsigned long long)r.begin, (unsigned long long)r.served_bytes);
    }
}

static const char error_prefix[] = "nibble: error: ";

void pull_expect_error(pull_case *c, int exit_code, const char *pattern, ...)
{
    size_t n_errors = 0;
    char *last = c->err;
    for (char *line = c->err; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        n_errors += strncmp(line, error_prefix, sizeof error_prefix - 1) == 0;
        last = line;
    }
    if (c->exit_code != exit_code || n_errors != 1 || strncmp(last, error_prefix, sizeof error_prefix - 1) != 0) {
        show(c);
        fail_msg("exit code %d, %zu error lines; expected %d and one, the last", c->exit_code, n_errors, exit_code);
    }
    va_list args;
    va_start(args, pattern);
    for (const char *p = pattern; p; p = va_arg(args, const char *)) {
        regex_t regex;
        assert_int_equal(regcomp(&regex, p, REG_EXTENDED | REG_ICASE | REG_NOSUB), 0);
        int found = regexec(&regex, last, 0, NULL, 0);
        regfree(&regex);
        if (found != 0) {
            show(c);
            fail_msg("the error line does not say \"%s\": %s", p, last);
        }
    }
    va_end(args);
}

void pull_expect_success(pull_case *c)
{
    if (c->exit_code == 0 && !strstr(c->err, error_prefix))
        return;
    show(c);
    fail_msg("it failed");
}

json_t *pull_json(pull_case *c)
{
    json_t *lines = json_array();
    for (const char *line = c->out; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        json_error_t error;
        json_t *value = json_loadb(line, strcspn(line, "\n"), JSON_REJECT_DUPLICATES, &error);
        if (!json_is_object(value))
            fail_msg("not an object: %.*s", (int)strcspn(line, "\n"), line);
        json_array_append_new(lines, value);
    }
    return lines;
}
