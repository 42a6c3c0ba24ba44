// SPDX-License-Identifier: Apache-2.0
// The generator of math problems with reasoning that can be checked line by line (grammar: trace_text.h). The same
// seed, split, level and kinds give the same problems on every machine.
//
// Training and evaluation share no question: a hash of the question's letters, digits and signs says to which side it
// belongs, whatever the seed; besides, evaluation tells of names and things that training never mentions.
#ifndef NB_TUTOR_TRACES_H
#define NB_TUTOR_TRACES_H

#include "apps/tutor/traces/story.h"

typedef struct nb_problem {
    char question[NB_QUESTION_BYTES];
    char answer[NB_RATIO_TEXT_BYTES]; // "12", "2.5" or "5/12"
    char steps[NB_TRACE_TEXT_BYTES];  // lines, each with its line feed
    size_t n_steps;                   // of the lines, those that are steps
    unsigned kind;                    // index into nb_kinds (name, summary)
    unsigned level;                   // 1..5
} nb_problem;

typedef struct nb_problems {
    uint64_t seed;
    nb_split split;           // NB_SPLIT_ALL for a learner
    unsigned level;           // 0: any
    unsigned made_up_percent; // of the names and things, those that are made up
    uint64_t kinds;           // bit i: nb_kinds[i]; 0: all, by their weights
    uint64_t n_done;
} nb_problems;

// The next problem; it depends on the fields above alone. False when these kinds have no problem at this level.
bool nb_problems_next(nb_problems *problems, nb_problem *problem);

// One problem of a line of a story, as nb_problems_next makes it; for tests. False when it did not come out.
bool nb_problem_make(nb_problem *problem, unsigned kind, unsigned story, unsigned line, unsigned level, nb_split split,
                     unsigned made_up_percent, nb_chance *chance);

// "joining,taking" -> bits. False, with *bad at the word that is no kind.
bool nb_kinds_parse(const char *list, uint64_t *kinds, const char **bad, size_t *bad_bytes);

// The side of a question.
bool nb_question_is_held_out(const char *question);

// "<think>", the steps, "</think>" and the answer, as a model is taught to write them.
enum { NB_RESPONSE_BYTES = NB_TRACE_TEXT_BYTES + 128 };
void nb_problem_response(const nb_problem *problem, char response[NB_RESPONSE_BYTES]);

#endif
