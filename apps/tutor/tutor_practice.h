// SPDX-License-Identifier: Apache-2.0
// Practice: problems of the generator at the learner's level, answers compared exactly, every one recorded.
#ifndef NB_TUTOR_PRACTICE_H
#define NB_TUTOR_PRACTICE_H

#include "apps/tutor/learner_store.h"

typedef struct nb_practice_args {
    const char *learner;
    uint64_t kinds; // bit i: nb_kinds[i]; 0: all
    uint64_t seed;
    uint64_t n_problems; // 0: until the learner leaves
} nb_practice_args;

// All return an exit code; error lines are printed.
int nb_practice(nb_learners *learners, const nb_practice_args *args);
// A table by topic and a plot of the latest answers.
int nb_practice_progress(nb_learners *learners, const char *learner);
// Every record of a learner (NULL: of all) as CSV (RFC 4180) into a file, whole or not at all; "-": stdout.
int nb_practice_export(nb_learners *learners, const char *learner, const char *path);

#endif
