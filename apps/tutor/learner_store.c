// SPDX-License-Identifier: Apache-2.0
#include "apps/tutor/learner_store.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utf8proc.h>

#include "apps/common/cli.h"
#include "apps/common/machine_file.h"
#include "apps/tutor/traces/formula.h"

enum { APPLICATION_ID = 0x6e62626c, BUSY_MS = 3000 }; // "nbbl"

struct nb_learners {
    sqlite3 *db;
    char path[PATH_MAX];
};

// ---- levels ---------------------------------------------------------------------------------------------------------

nb_skill nb_skill_start(void)
{
    return (nb_skill){.level = NB_LEVEL_MIN};
}

nb_skill nb_skill_next(nb_skill skill, bool is_right)
{
    if (!is_right)
        return (nb_skill){.level = skill.level > NB_LEVEL_MIN ? skill.level - 1 : NB_LEVEL_MIN};
    if (skill.streak + 1 < 2 || skill.level == NB_LEVEL_MAX)
        return (nb_skill){skill.level, skill.streak + 1};
    return (nb_skill){.level = skill.level + 1};
}

bool nb_learner_name_is_valid(const char *name)
{
    size_t bytes = strlen(name);
    if (bytes == 0 || bytes >= NB_LEARNER_NAME_BYTES)
        return false;
    for (size_t at = 0; at < bytes;) {
        utf8proc_int32_t character;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)name + at, -1, &character);
        if (n <= 0 || utf8proc_category(character) == UTF8PROC_CATEGORY_CC)
            return false;
        at += (size_t)n;
    }
    return true;
}

// ---- what can go wrong ----------------------------------------------------------------------------------------------

// Why the last statement failed, and its exit code.
static int explain(const nb_learners *learners, char why[NB_LEARNERS_WHY_BYTES])
{
    int reason = sqlite3_errcode(learners->db) & 0xff;
    if (reason == SQLITE_BUSY || reason == SQLITE_LOCKED) {
        snprintf(why, NB_LEARNERS_WHY_BYTES,
                 "%.200s is locked; expected it free, found another program writing to it; try again when that has "
                 "ended",
                 learners->path);
        return NB_EXIT_FAILED;
    }
    if (reason == SQLITE_NOTADB || reason == SQLITE_CORRUPT) {
        snprintf(why, NB_LEARNERS_WHY_BYTES,
                 "%.200s is damaged; expected learners' records, found %.100s; nothing was changed; try a copy of it, "
                 "or move it away",
                 learners->path, sqlite3_errmsg(learners->db));
        return NB_EXIT_INPUT;
    }
    snprintf(why, NB_LEARNERS_WHY_BYTES, "%.200s: %.100s; try NIBBLE_HOME=FOLDER with another folder", learners->path,
             sqlite3_errmsg(learners->db));
    return NB_EXIT_FAILED;
}

static int fail(const nb_learners *learners, const char *doing)
{
    char why[NB_LEARNERS_WHY_BYTES];
    int code = explain(learners, why);
    return nb_fail(code, "cannot %s: %s", doing, why);
}

static bool run(nb_learners *learners, const char *sql)
{
    return sqlite3_exec(learners->db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

// NULL where it fails.
static sqlite3_stmt *prepare(nb_learners *learners, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    sqlite3_prepare_v2(learners->db, sql, -1, &statement, NULL);
    return statement;
}

// The whole number that a query gives.
static bool ask_number(nb_learners *learners, const char *sql, int64_t *number)
{
    sqlite3_stmt *statement = prepare(learners, sql);
    bool is_there = statement && sqlite3_step(statement) == SQLITE_ROW;
    *number = is_there ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_finalize(statement);
    return is_there;
}

// ---- opening --------------------------------------------------------------------------------------------------------

int nb_learners_path(char path[PATH_MAX])
{
    char folder[PATH_MAX - 16], why[PATH_MAX + 64];
    if (!nb_machine_file_folder(folder, sizeof folder, why, sizeof why))
        return nb_fail(NB_EXIT_FAILED,
                       "cannot keep records: %s; expected a folder that can be written; try "
                       "NIBBLE_HOME=FOLDER",
                       why);
    snprintf(path, PATH_MAX, "%s/learners.db", folder);
    return NB_EXIT_OK;
}

static const char schema[] =
    "BEGIN IMMEDIATE;"
    "PRAGMA application_id = 1851941484;"
    "PRAGMA user_version = 1;"
    "CREATE TABLE learner(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
    "CREATE TABLE skill(learner INTEGER NOT NULL REFERENCES learner(id) ON DELETE CASCADE, topic TEXT NOT NULL,"
    " level INTEGER NOT NULL, streak INTEGER NOT NULL, PRIMARY KEY(learner, topic));"
    "CREATE TABLE attempt(id INTEGER PRIMARY KEY, learner INTEGER NOT NULL REFERENCES learner(id) ON DELETE CASCADE,"
    " at INTEGER NOT NULL, topic TEXT NOT NULL, level INTEGER NOT NULL, question TEXT NOT NULL, answer TEXT NOT NULL,"
    " given TEXT NOT NULL, outcome INTEGER NOT NULL, seconds REAL NOT NULL);"
    "CREATE INDEX attempt_learner ON attempt(learner, at);"
    "COMMIT;";

static int check_kind(nb_learners *learners)
{
    int64_t id, version, n_tables;
    if (!ask_number(learners, "PRAGMA application_id", &id) || !ask_number(learners, "PRAGMA user_version", &version) ||
        !ask_number(learners, "SELECT count(*) FROM sqlite_master", &n_tables))
        return fail(learners, "open the records");
    if (id == 0 && version == 0 && n_tables == 0)
        return run(learners, schema) ? NB_EXIT_OK : fail(learners, "create the records");
    if (id != APPLICATION_ID)
        return nb_fail(NB_EXIT_INPUT,
                       "%.200s holds something else; expected learners' records, found a database of another "
                       "program; nothing was changed; try to move it away",
                       learners->path);
    if (version != NB_LEARNERS_VERSION)
        return nb_fail(NB_EXIT_INPUT,
                       "%.200s is of another version; expected %d, found %lld; nothing was changed; try the nibble "
                       "that wrote it",
                       learners->path, NB_LEARNERS_VERSION, (long long)version);
    return NB_EXIT_OK;
}

static int check_whole(nb_learners *learners)
{
    sqlite3_stmt *statement = prepare(learners, "PRAGMA quick_check(1)");
    bool is_whole = statement && sqlite3_step(statement) == SQLITE_ROW &&
                    strcmp((const char *)sqlite3_column_text(statement, 0), "ok") == 0;
    int reason = sqlite3_errcode(learners->db) & 0xff;
    sqlite3_finalize(statement);
    if (is_whole)
        return NB_EXIT_OK;
    if (reason == SQLITE_BUSY || reason == SQLITE_LOCKED)
        return fail(learners, "open the records");
    return nb_fail(NB_EXIT_INPUT,
                   "%.200s is damaged; expected learners' records, found broken pages; nothing was changed; try a copy "
                   "of it, or move it away",
                   learners->path);
}

static int set_up(nb_learners *learners)
{
    sqlite3_busy_timeout(learners->db, BUSY_MS);
    int code = check_whole(learners);
    if (code == NB_EXIT_OK)
        code = check_kind(learners);
    // What is recorded is on the disk; what is deleted is overwritten.
    if (code == NB_EXIT_OK && !run(learners, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                                             "PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;"))
        code = fail(learners, "open the records");
    return code;
}

int nb_learners_open(nb_learners **learners, const char *path, bool may_create)
{
    *learners = NULL;
    if (!may_create && access(path, F_OK) != 0)
        return nb_fail(NB_EXIT_INPUT,
                       "there are no records yet; expected %.200s, found none; try nibble tutor --practice", path);
    nb_learners *opened = nb_alloc(sizeof *opened);
    snprintf(opened->path, sizeof opened->path, "%s", path);
    mode_t mask = umask(077); // the records are the learners' own affair
    int flags = SQLITE_OPEN_READWRITE | (may_create ? SQLITE_OPEN_CREATE : 0);
    int code = sqlite3_open_v2(path, &opened->db, flags, NULL) == SQLITE_OK ? set_up(opened)
                                                                            : fail(opened, "open the records");
    umask(mask);
    if (code != NB_EXIT_OK)
        nb_learners_close(opened);
    else
        *learners = opened;
    return code;
}

void nb_learners_close(nb_learners *learners)
{
    if (!learners)
        return;
    sqlite3_close(learners->db);
    free(learners);
}

// ---- reading and writing --------------------------------------------------------------------------------------------

static void bind_text(sqlite3_stmt *statement, int at, const char *text)
{
    sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

// Runs a prepared statement that gives no rows, and releases it.
static bool finish(sqlite3_stmt *statement)
{
    bool is_done = statement && sqlite3_step(statement) == SQLITE_DONE;
    sqlite3_finalize(statement);
    return is_done;
}

int nb_learners_skill(nb_learners *learners, const char *name, const char *topic, nb_skill *skill)
{
    sqlite3_stmt *statement =
        prepare(learners, "SELECT level, streak FROM skill JOIN learner ON learner.id = skill.learner "
                          "WHERE name = ?1 AND topic = ?2");
    *skill = nb_skill_start();
    if (!statement)
        return fail(learners, "read the records");
    bind_text(statement, 1, name);
    bind_text(statement, 2, topic);
    int step = sqlite3_step(statement);
    int code = step == SQLITE_ROW || step == SQLITE_DONE ? NB_EXIT_OK : fail(learners, "read the records");
    int64_t level = step == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : NB_LEVEL_MIN;
    int64_t streak = step == SQLITE_ROW ? sqlite3_column_int64(statement, 1) : 0;
    sqlite3_finalize(statement);
    if (level >= NB_LEVEL_MIN && level <= NB_LEVEL_MAX && streak >= 0 && streak <= UINT32_MAX)
        *skill = (nb_skill){(unsigned)level, (unsigned)streak};
    return code;
}

static bool add_learner(nb_learners *learners, const char *name)
{
    sqlite3_stmt *statement = prepare(learners, "INSERT INTO learner(name) VALUES(?1) ON CONFLICT DO NOTHING");
    if (statement)
        bind_text(statement, 1, name);
    return finish(statement);
}

static bool add_attempt(nb_learners *learners, const char *name, const nb_attempt *attempt)
{
    sqlite3_stmt *statement =
        prepare(learners, "INSERT INTO attempt(learner, at, topic, level, question, answer, given, outcome, seconds) "
                          "SELECT id, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 FROM learner WHERE name = ?1");
    if (!statement)
        return false;
    bind_text(statement, 1, name);
    sqlite3_bind_int64(statement, 2, attempt->at);
    bind_text(statement, 3, attempt->topic);
    sqlite3_bind_int64(statement, 4, attempt->level);
    bind_text(statement, 5, attempt->question);
    bind_text(statement, 6, attempt->answer);
    bind_text(statement, 7, attempt->given);
    sqlite3_bind_int64(statement, 8, attempt->outcome);
    sqlite3_bind_double(statement, 9, attempt->seconds);
    return finish(statement);
}

static bool set_skill(nb_learners *learners, const char *name, const char *topic, nb_skill skill)
{
    sqlite3_stmt *statement = prepare(learners, "INSERT OR REPLACE INTO skill(learner, topic, level, streak) "
                                                "SELECT id, ?2, ?3, ?4 FROM learner WHERE name = ?1");
    if (!statement)
        return false;
    bind_text(statement, 1, name);
    bind_text(statement, 2, topic);
    sqlite3_bind_int64(statement, 3, skill.level);
    sqlite3_bind_int64(statement, 4, skill.streak);
    return finish(statement);
}

int nb_learners_record(nb_learners *learners, const char *name, const nb_attempt *attempt, nb_skill skill,
                       char why[NB_LEARNERS_WHY_BYTES])
{
    if (run(learners, "BEGIN IMMEDIATE") && add_learner(learners, name) && add_attempt(learners, name, attempt) &&
        set_skill(learners, name, attempt->topic, skill) && run(learners, "COMMIT"))
        return NB_EXIT_OK;
    int code = explain(learners, why);
    (void)run(learners, "ROLLBACK");
    return code;
}

static const char *text_at(sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    return text ? text : "";
}

int nb_learners_each(nb_learners *learners, const char *name, nb_attempt_fn visit, void *user)
{
    sqlite3_stmt *statement = prepare(
        learners, "SELECT name, at, topic, level, question, answer, given, outcome, seconds FROM attempt "
                  "JOIN learner ON learner.id = attempt.learner WHERE ?1 IS NULL OR name = ?1 ORDER BY attempt.id");
    if (!statement)
        return fail(learners, "read the records");
    bind_text(statement, 1, name);
    int step;
    while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
        nb_attempt attempt = {
            .at = sqlite3_column_int64(statement, 1),
            .topic = text_at(statement, 2),
            .level = (unsigned)sqlite3_column_int(statement, 3),
            .question = text_at(statement, 4),
            .answer = text_at(statement, 5),
            .given = text_at(statement, 6),
            .outcome = (nb_outcome)sqlite3_column_int(statement, 7),
            .seconds = sqlite3_column_double(statement, 8),
        };
        visit(user, text_at(statement, 0), &attempt);
    }
    int code = step == SQLITE_DONE ? NB_EXIT_OK : fail(learners, "read the records");
    sqlite3_finalize(statement);
    return code;
}

int nb_learners_delete(nb_learners *learners, const char *name)
{
    sqlite3_stmt *statement = prepare(learners, "DELETE FROM learner WHERE name = ?1");
    if (statement)
        bind_text(statement, 1, name);
    if (!finish(statement))
        return fail(learners, "delete the records");
    if (sqlite3_changes(learners->db) == 0)
        return nb_fail(NB_EXIT_INPUT, "no such learner; expected one with records, found none called \"%.100s\"", name);
    // The log keeps what was until it is written back.
    (void)run(learners, "PRAGMA wal_checkpoint(TRUNCATE)");
    return NB_EXIT_OK;
}
