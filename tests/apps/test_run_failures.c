// SPDX-License-Identifier: Apache-2.0
// Every kind of call that the system may refuse, refused once in `nibble run` (tests/support/failure_matrix.h): with a
// prompt, and as a chat that saves and loads its conversation. One error, or a note in a chat that goes on; the saved
// files are the old ones or whole, and nothing lies beside them. A sample of the calls; `make faults` takes every one.
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
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
#include "tests/support/data_path.h"
#include "tests/support/failure_matrix.h"
#include "tests/support/scratch.h"

static char model[PATH_MAX];
static int said = -1, printed = -1, terminal = -1; // stderr and stdout of a run; a chat's terminal

// ---- a run -------------------------------------------------------------------------------------------------------

static nb_status run(const char *const *own, nb_error *error)
{
    const char *words[16] = {"run", model, "--temperature", "0", "-n", "12", "--threads", "2", "--weights", "mapped"};
    int n = 10;
    for (; *own; own++)
        words[n++] = *own;
    dup2(said, STDERR_FILENO);
    optind = 0; // getopt begins anew
    int code = nb_command_run(n, (char **)(uintptr_t)words);
    return code == 0 ? NB_OK : nb_error_set(error, NB_ERR_SYSTEM, "exit status %d", code);
}

static void forget(int fd)
{
    assert_true(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
}

static size_t count_lines(const char *text, const char *part)
{
    size_t n = 0;
    for (const char *found = text; (found = strstr(found, part)); found++)
        n++;
    return n;
}

// The file's text; that of the first call, when nothing is refused, is kept in *expected.
static char *text_of(const char *path, char **expected, size_t *bytes)
{
    char *text = nb_test_file_read(path, bytes);
    if (!*expected) {
        *expected = malloc(*bytes + 1);
        memcpy(*expected, text, *bytes + 1);
    }
    return text;
}

// ---- a prompt ----------------------------------------------------------------------------------------------------

static void before_prompt(void)
{
    forget(said);
    forget(printed);
}

static nb_status answer_prompt(nb_result *r, nb_error *error)
{
    (void)r;
    dup2(printed, STDOUT_FILENO);
    return run((const char *const[]){"-p", "What is 34 + 21?", NULL}, error);
}

// One line of error after a failure, below the table where memory is short; and the answer as far as it came.
static void after_prompt(bool has_succeeded)
{
    static char *expected;
    size_t bytes;
    char *errors = nb_test_file_read("../said", NULL), *answer = text_of("../printed", &expected, &bytes);
    const char *error = strstr(errors, "nibble: error: ");
    bool is_one_line = error && strchr(error, '\n') == error + strlen(error) - 1 &&
                       (error == errors || strncmp(errors, "Memory plan for ", 16) == 0);
    if (has_succeeded ? errors[0] != 0 : !is_one_line)
        fail_msg("%s, and said: %s", has_succeeded ? "success" : "failure", errors);
    if (has_succeeded ? strcmp(answer, expected) != 0 : strncmp(answer, expected, bytes) != 0)
        fail_msg("%s, and printed: %s", has_succeeded ? "success" : "failure", answer);
    assert_true(expected[0]);
    assert_int_equal(system("test -z \"$(ls -A)\""), 0);
    free(errors);
    free(answer);
}

// ---- a chat ------------------------------------------------------------------------------------------------------

static const char *const lines[] = {"What is 34 + 21?\r", "/save talk\r", "/load talk\r", "/quit\r"};
static const char old_talk[] = "[{\"role\": \"user\", \"content\": \"old\"}]\n";
static pid_t typist;

// Types a line at each prompt, in a process of its own; ends when nobody has the terminal any more.
static void type_lines(int keys)
{
    char last[2] = "";
    size_t n_typed = 0;
    struct pollfd screen = {.fd = keys, .events = POLLIN};
    while (poll(&screen, 1, 20000) > 0) {
        char shown[1024];
        ssize_t n = read(keys, shown, sizeof shown);
        if (n <= 0)
            break;
        for (ssize_t i = 0; i < n; i++) {
            last[0] = last[1];
            last[1] = shown[i];
            if (last[0] == '>' && last[1] == ' ' && n_typed < NB_COUNT(lines)) {
                size_t bytes = strlen(lines[n_typed]);
                if (write(keys, lines[n_typed++], bytes) != (ssize_t)bytes)
                    _exit(1);
            }
        }
    }
    _exit(0);
}

static void before_chat(void)
{
    forget(said);
    assert_int_equal(system("rm -f talk.ring"), 0);
    assert_true(nb_scratch_put("talk", old_talk));
    int keys = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(keys >= 0 && grantpt(keys) == 0 && unlockpt(keys) == 0);
    terminal = open(ptsname(keys), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(terminal >= 0);
    fflush(NULL);
    typist = fork();
    assert_true(typist >= 0);
    if (typist == 0) {
        close(terminal);
        type_lines(keys);
    }
    close(keys);
}

static nb_status chat(nb_result *r, nb_error *error)
{
    (void)r;
    dup2(terminal, STDIN_FILENO);
    dup2(terminal, STDOUT_FILENO);
    close(terminal);
    return run((const char *const[]){NULL}, error);
}

// The conversation is the old one or whole; the new one with its ring where nothing was said against it.
static void check_saved(const char *words, bool is_undisturbed)
{
    static char *expected, *expected_ring;
    static size_t ring_bytes_expected;
    size_t bytes, ring_bytes;
    char *talk = text_of("talk", &expected, &bytes);
    bool is_old = strcmp(talk, old_talk) == 0, is_empty = strcmp(talk, "[]\n") == 0;
    if (strcmp(talk, expected) != 0 && (is_undisturbed || !(is_old || is_empty || talk[bytes - 1] == '\n')))
        fail_msg("saved: %s; said: %s", talk, words);
    assert_true(is_undisturbed || is_old || strncmp(talk, "[", 1) == 0);
    free(talk);
    if (is_undisturbed || access("talk.ring", F_OK) == 0) {
        char *ring = text_of("talk.ring", &expected_ring, &ring_bytes);
        if (!ring_bytes_expected)
            ring_bytes_expected = ring_bytes;
        if (is_undisturbed)
            assert_true(ring_bytes == ring_bytes_expected && memcmp(ring, expected_ring, ring_bytes) == 0);
        free(ring);
    }
    assert_int_equal(system("test -z \"$(ls -A | grep -vx -e talk -e talk.ring)\""), 0);
}

static void after_chat(bool has_succeeded)
{
    int status = 0;
    close(terminal);
    assert_int_equal(waitpid(typist, &status, 0), typist);
    char *words = nb_test_file_read("../said", NULL);
    size_t n_errors = count_lines(words, "nibble: error: ");
    if (n_errors > 1 || (!has_succeeded && n_errors != 1))
        fail_msg("%s, and said: %s", has_succeeded ? "success" : "failure", words);
    check_saved(words, has_succeeded && n_errors == 0 && strstr(words, "saved to talk\n"));
    assert_true(!has_succeeded || strstr(words, "saved to talk") || strstr(words, "cannot write talk"));
    free(words);
}

static void each_call_fails_once(void **state)
{
    static const nb_operation operations[] = {
        {"run", answer_prompt, before_prompt, after_prompt, true, true, true},
        {"chat", chat, before_chat, after_chat, true, true, true},
    };
    char home[600];
    snprintf(home, sizeof home, "%s/home", (const char *)*state);
    setenv("NIBBLE_HOME", home, 1);
    setenv("TERM", "dumb", 1);
    // What the line editor does without memory is its own affair.
    nb_faults_exempt("/libedit.");
    nb_faults_exempt("/libtinfo.");
    said = open("said", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    printed = open("printed", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(said >= 0 && printed >= 0);
    assert_true(mkdir("work", 0700) == 0 && chdir("work") == 0);
    for (size_t i = 0; i < NB_COUNT(operations); i++)
        nb_failures_run(&operations[i]);
    close(said);
    close(printed);
}

int main(void)
{
    if (!realpath("apps/tutor/model", model))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_call_fails_once, nb_scratch_enter, nb_scratch_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
