// SPDX-License-Identifier: Apache-2.0
// Learners' records: nothing that was recorded is lost when a program is killed; a damaged, foreign or locked file is
// told about and not touched; levels go up and down.
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "apps/common/cli.h"
#include "apps/tutor/learner_store.h"
#include "tests/support/scratch.h"

static const char path[] = "learners.db";

static nb_attempt attempt_of(nb_outcome outcome)
{
    return (nb_attempt){.topic = "joining",
                        .level = 2,
                        .question = "2 + \"3\"?",
                        .answer = "5",
                        .given = "5",
                        .outcome = outcome,
                        .seconds = 1.5,
                        .at = 1700000000};
}

static int record(nb_learners *learners, const char *name, const nb_attempt *attempt, nb_skill skill)
{
    char why[NB_LEARNERS_WHY_BYTES];
    return nb_learners_record(learners, name, attempt, skill, why);
}

static nb_learners *opened(void)
{
    nb_learners *learners = NULL;
    assert_int_equal(nb_learners_open(&learners, path, true), NB_EXIT_OK);
    assert_non_null(learners);
    return learners;
}

static void count(void *user, const char *name, const nb_attempt *attempt)
{
    assert_string_equal(attempt->topic, "joining");
    assert_string_equal(attempt->question, "2 + \"3\"?");
    assert_int_equal(attempt->at, 1700000000);
    assert_true(name[0] != 0);
    ++*(size_t *)user;
}

static size_t count_all(const char *name)
{
    size_t n = 0;
    nb_learners *learners = opened();
    assert_int_equal(nb_learners_each(learners, name, count, &n), NB_EXIT_OK);
    nb_learners_close(learners);
    return n;
}

static void record_n(const char *name, int n)
{
    nb_learners *learners = opened();
    nb_attempt attempt = attempt_of(NB_OUTCOME_RIGHT);
    for (int i = 0; i < n; i++)
        assert_int_equal(record(learners, name, &attempt, (nb_skill){3, 1}), NB_EXIT_OK);
    nb_learners_close(learners);
}

static char *contents(size_t *n)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *text = calloc(1, 1 << 20);
    *n = fread(text, 1, 1 << 20, file);
    fclose(file);
    return text;
}

// ---- levels ---------------------------------------------------------------------------------------------------------

static void levels_go_up_and_down(void **state)
{
    (void)state;
    nb_skill skill = nb_skill_start();
    assert_int_equal(skill.level, 1);
    skill = nb_skill_next(nb_skill_next(skill, true), true);
    assert_int_equal(skill.level, 2);
    skill = nb_skill_next(skill, true);
    assert_int_equal(skill.level, 2);
    skill = nb_skill_next(skill, false);
    assert_int_equal(skill.level, 1);
    assert_int_equal(skill.streak, 0);
    assert_int_equal(nb_skill_next(skill, false).level, 1);
    for (int i = 0; i < 20; i++)
        skill = nb_skill_next(skill, true);
    assert_int_equal(skill.level, 5);
    assert_int_equal(nb_skill_next(skill, false).level, 4);
}

static void names_are_text(void **state)
{
    (void)state;
    assert_true(nb_learner_name_is_valid("Zoë"));
    assert_false(nb_learner_name_is_valid(""));
    assert_false(nb_learner_name_is_valid("a\033[2J"));
    assert_false(nb_learner_name_is_valid("\xff"));
    assert_false(nb_learner_name_is_valid("0123456789012345678901234567890123456789012345678901234567890123"));
}

// ---- records --------------------------------------------------------------------------------------------------------

static void records_are_kept(void **state)
{
    (void)state;
    nb_skill skill;
    record_n("Mia", 3);
    record_n("Ben", 2);
    assert_int_equal(count_all("Mia"), 3);
    assert_int_equal(count_all(NULL), 5);
    nb_learners *learners = opened();
    assert_int_equal(nb_learners_skill(learners, "Mia", "joining", &skill), NB_EXIT_OK);
    assert_int_equal(skill.level, 3);
    assert_int_equal(nb_learners_skill(learners, "Mia", "taking", &skill), NB_EXIT_OK);
    assert_int_equal(skill.level, 1);
    assert_int_equal(nb_learners_delete(learners, "Mia"), NB_EXIT_OK);
    assert_int_equal(nb_learners_delete(learners, "Mia"), NB_EXIT_INPUT);
    nb_learners_close(learners);
    assert_int_equal(count_all("Mia"), 0);
    assert_int_equal(count_all(NULL), 2);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 077, 0); // nobody else's affair
}

static void a_killed_program_loses_nothing(void **state)
{
    (void)state;
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        nb_learners *learners = NULL;
        nb_attempt attempt = attempt_of(NB_OUTCOME_RIGHT);
        if (nb_learners_open(&learners, path, true) != NB_EXIT_OK)
            _exit(1);
        for (;;)
            if (record(learners, "Mia", &attempt, (nb_skill){1, 0}) != NB_EXIT_OK || write(pipes[1], "x", 1) != 1)
                _exit(1);
    }
    char told[20];
    for (size_t n = 0; n < sizeof told;) {
        ssize_t got = read(pipes[0], told + n, sizeof told - n);
        assert_true(got > 0);
        n += (size_t)got;
    }
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_true(count_all("Mia") >= sizeof told);
    close(pipes[0]);
    close(pipes[1]);
}

static void a_locked_file_is_told(void **state)
{
    (void)state;
    record_n("Mia", 1);
    char why[NB_LEARNERS_WHY_BYTES];
    sqlite3 *other;
    nb_learners *learners = opened();
    nb_attempt attempt = attempt_of(NB_OUTCOME_WRONG);
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(nb_learners_record(learners, "Mia", &attempt, (nb_skill){1, 0}, why), NB_EXIT_FAILED);
    assert_non_null(strstr(why, "learners.db is locked"));
    assert_int_equal(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(record(learners, "Mia", &attempt, (nb_skill){1, 0}), NB_EXIT_OK);
    sqlite3_close(other);
    nb_learners_close(learners);
    assert_int_equal(count_all("Mia"), 2);
}

// ---- files that are not ours ----------------------------------------------------------------------------------------

static void expect_refused(void)
{
    nb_learners *learners;
    size_t n_before, n_after;
    char *before = contents(&n_before);
    assert_int_equal(nb_learners_open(&learners, path, true), NB_EXIT_INPUT);
    assert_null(learners);
    char *after = contents(&n_after);
    assert_int_equal(n_before, n_after);
    assert_memory_equal(before, after, n_before);
    free(before);
    free(after);
}

static void a_damaged_file_is_not_touched(void **state)
{
    (void)state;
    record_n("Mia", 300);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    for (long at = 8192; at < 8192 + 12000; at += 4) {
        fseek(file, at, SEEK_SET);
        fputs("\xde\xad\xbe\xef", file);
    }
    fclose(file);
    expect_refused();
    assert_int_equal(truncate(path, 5000), 0);
    expect_refused();
    assert_true(nb_scratch_put(path, "these are notes, no database, and long enough to be one: 0123456789 0123456789 "
                                     "0123456789 0123456789"));
    expect_refused();
}

static void a_foreign_file_is_not_touched(void **state)
{
    (void)state;
    sqlite3 *other;
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "CREATE TABLE shopping(item)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
    expect_refused();
    unlink(path);
    record_n("Mia", 1);
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "PRAGMA user_version = 2; PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(other);
    expect_refused();
}

static void a_missing_file_is_not_made_for_reading(void **state)
{
    (void)state;
    nb_learners *learners;
    assert_int_equal(nb_learners_open(&learners, path, false), NB_EXIT_INPUT);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(nb_learners_open(&learners, "no/such/folder.db", true), NB_EXIT_FAILED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, nb_scratch_enter, nb_scratch_leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_go_up_and_down),
        cmocka_unit_test(names_are_text),
        TEST(records_are_kept),
        TEST(a_killed_program_loses_nothing),
        TEST(a_locked_file_is_told),
        TEST(a_damaged_file_is_not_touched),
        TEST(a_foreign_file_is_not_touched),
        TEST(a_missing_file_is_not_made_for_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
