// SPDX-License-Identifier: Apache-2.0
// Every kind of call that the system may refuse, refused once in `nibble run` (tests/support/failure_matrix.h): with a
// prompt, and as a chat that saves and loads its conversation. One error, or a note in a chat that goes on; the saved
// files are the old ones or whole, and nothing lies beside them. A sample of the calls; `make faults` takes every one.
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "apps/common/chat_line.h"
#include "apps/common/commands.h"
#include "tests/support/data_path.h"
#include "tests/support/failure_matrix.h"
#include "tests/support/scratch.h"

static char model[PATH_MAX];
static int said = -1, printed = -1; // stderr and stdout of a run

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

// The terminal and its line editor are not what is tested: these stand in for apps/common/chat_line.c.
static const char *const lines[] = {"What is 34 + 21?", "/save talk", "/load talk", "/quit"};
static size_t n_typed;
static bool is_chat;

int isatty(int fd)
{
    return is_chat && fd != STDERR_FILENO;
}

nb_line_reader *nb_line_open(const char *history_name)
{
    (void)history_name;
    return (nb_line_reader *)&n_typed;
}

bool nb_line_read(nb_line_reader *reader, nb_growing *message)
{
    (void)reader;
    nb_growing_clear(message);
    if (n_typed == NB_COUNT(lines))
        return false;
    nb_growing_add(message, lines[n_typed], strlen(lines[n_typed]));
    n_typed++;
    return true;
}

bool nb_line_has_dropped(const nb_line_reader *reader)
{
    (void)reader;
    return false;
}

void nb_line_close(nb_line_reader *reader)
{
    (void)reader;
}

static const char old_talk[] = "[{\"role\": \"user\", \"content\": \"old\"}]\n";

static void before_chat(void)
{
    forget(said);
    forget(printed);
    assert_int_equal(system("rm -f talk.ring"), 0);
    assert_true(nb_scratch_put("talk", old_talk));
}

static nb_status chat(nb_result *r, nb_error *error)
{
    (void)r;
    is_chat = true;
    dup2(printed, STDOUT_FILENO);
    return run((const char *const[]){NULL}, error);
}

// The conversation is the old one or whole; the new one with its ring where nothing was said against it.
static void check_saved(const char *words, bool is_undisturbed)
{
    static char *expected, *expected_ring;
    static size_t ring_bytes_expected;
    size_t bytes, ring_bytes;
    char *talk = text_of("talk", &expected, &bytes);
    json_t *list = json_loads(talk, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_array(list) || (is_undisturbed && strcmp(talk, expected) != 0))
        fail_msg("saved: %s; said: %s", talk, words);
    json_decref(list);
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
    // Much of what libcrypto allocates is its own start, where it has no word for a refusal.
    nb_faults_exempt("/libcrypto.");
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
