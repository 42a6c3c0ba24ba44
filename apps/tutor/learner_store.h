// SPDX-License-Identifier: Apache-2.0
// What learners did, in an SQLite database: every answer a row, written in a transaction of its own, so that what was
// recorded survives a killed program. A file that is damaged or not of this kind is never written to.
//
//   learner (name)   skill (learner, topic -> level, streak)   attempt (learner, time, topic, level, question, ...)
#ifndef NB_TUTOR_LEARNER_STORE_H
#define NB_TUTOR_LEARNER_STORE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NB_LEARNER_NAME_BYTES = 64, NB_LEARNERS_VERSION = 1, NB_LEARNERS_WHY_BYTES = 512 };

typedef struct nb_learners nb_learners;

// How hard a topic's problems are for a learner, and answers in a row that were right at this level.
typedef struct nb_skill {
    unsigned level; // NB_LEVEL_MIN..NB_LEVEL_MAX
    unsigned streak;
} nb_skill;

nb_skill nb_skill_start(void);
// Two right answers in a row raise the level, a wrong one lowers it.
nb_skill nb_skill_next(nb_skill skill, bool is_right);

typedef enum nb_outcome { NB_OUTCOME_WRONG, NB_OUTCOME_RIGHT, NB_OUTCOME_SKIPPED } nb_outcome;

typedef struct nb_attempt {
    const char *topic;
    unsigned level;
    const char *question, *answer, *given;
    nb_outcome outcome;
    double seconds; // that the answer took
    int64_t at;     // seconds since 1970
} nb_attempt;

// Whether it can be a learner's name: 1 to 63 bytes of UTF-8 without control characters.
bool nb_learner_name_is_valid(const char *name);

// $NIBBLE_HOME/learners.db; its folder is made where missing. Returns an exit code; error lines are printed.
int nb_learners_path(char path[PATH_MAX]);

// Opens the database, checks it, and creates it if `may_create`. Returns an exit code: 3 when it is damaged, not of
// this kind or missing, 1 when it is locked or cannot be opened. On failure the error line is printed.
int nb_learners_open(nb_learners **learners, const char *path, bool may_create);
void nb_learners_close(nb_learners *learners);

// One transaction: the learner is added if new, the attempt, and the topic's skill. Returns an exit code: 1 when it may
// succeed later (locked, no room), 3 when the file is damaged. Nothing is printed: the caller has the record still, and
// `why` says what is in its way.
int nb_learners_record(nb_learners *learners, const char *name, const nb_attempt *attempt, nb_skill skill,
                       char why[NB_LEARNERS_WHY_BYTES]);
// All below return an exit code; error lines are printed.
int nb_learners_skill(nb_learners *learners, const char *name, const char *topic, nb_skill *skill);
// The attempts of a learner (NULL: of all), oldest first. The strings live during the call.
typedef void (*nb_attempt_fn)(void *user, const char *name, const nb_attempt *attempt);
int nb_learners_each(nb_learners *learners, const char *name, nb_attempt_fn visit, void *user);
// Removes a learner with all records. 3 when there is none of that name.
int nb_learners_delete(nb_learners *learners, const char *name);

#endif
